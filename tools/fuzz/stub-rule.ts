/**
 * Rules that a test orders, for stubs and for faults, and requests that meet them. The input is a rule in JSON, a request line and a
 * content, each on a line; where it has no rule, one is made of words that rules know. Properties: a mistake is one line; a rule is told
 * as it is read; a look at a request counts nothing; a request that takes a rule was expected to; the counts agree.
 */
import { candidateOf, Rules } from "../../src/fixture/rules.ts";
import { readStub } from "../../src/fixture/stub-rule.ts";
import { AddedStubs } from "../../src/fixture/stubs.ts";
import { describeFaultRule, readFaultRule } from "../../src/http/fault.ts";
import { parseJson } from "../../src/http/json.ts";
import type { Request } from "../../src/http/message.ts";
import { Method } from "../../src/http/method.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import type { Random } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

/** Times that each request comes. */
const TRIES = 4;

/** Longest sentence about a mistake: a place of a hundred levels is the longest part. */
const SENTENCE_MAX = 6000;

export const stubRuleTarget: FuzzTarget = {
  name: "stub-rule",
  dictionary: [
    '"match":{',
    '"answer":{}',
    '"method":"POST",',
    '"path":"/a/*",',
    '"query":{"page":"2"},',
    '"fields":{"accept":"*/*"},',
    '"json":{"a":[1,{"b":null}]},',
    '"__proto__":{},',
    '"status":204,',
    '"base64":"aGk=",',
    '"skip":1,',
    '"times":2,',
    '"fault":"reset",',
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]",
    "\n",
    "POST /a?page=2&page=3",
    "?",
    "%",
    "**",
    "[a-",
    "\\u0000",
    "\\ud800",
    "\xff",
  ],
  check(input, random) {
    const [first = "", second = "", ...rest] = textOf(input).split("\n");
    const parsed = parseJson(bytesOf(first));
    const given = typeof parsed === "object" && parsed !== null ? parsed : madeRule(random);
    const request = random.oneIn(2) ? madeRequest(random) : requestOf(second, rest.join("\n"));
    return faultIn(given, request) || stubIn(given, request);
  },
};

function stubIn(given: object, request: Request): string {
  const rule = readStub(given, false);
  if (typeof rule === "string") return mistakeIn(rule);
  const { told } = rule;
  const again = isShortened(told) ? rule : readStub(JSON.parse(JSON.stringify(told)), false);
  if (JSON.stringify(again) !== JSON.stringify(rule)) return "the rule is told as another one";
  const stubs = new AddedStubs({ time: new ManualClock(), moveClock() {} });
  const id = stubs.add(rule);
  for (let i = 0; i < TRIES; i++) {
    const before = JSON.stringify(stubs.list());
    const mayAnswer = stubs.mayAnswer(request);
    stubs.methods(request.target.path);
    if (JSON.stringify(stubs.list()) !== before) return "a look has counted";
    const isTaken = mayAnswer && stubs.take(request) !== null;
    const { matched, applied, left } = stubs.describe(id) ?? { matched: -1, applied: -1, left: -1 };
    if (applied > matched || (left ?? 0) < 0) return `${matched} matched, ${applied} applied, ${left} left`;
    if (isTaken && JSON.stringify(stubs.list()) === before) return "a request was answered and not counted";
  }
  return "";
}

function isShortened(told: Record<string, unknown>): boolean {
  return JSON.stringify(told).includes("ytes");
}

/** The rule with a fault in place of its answer. */
function faultIn({ answer: _, ...given }: { answer?: unknown }, request: Request): string {
  const rule = readFaultRule({ fault: "reset", ...given });
  if (typeof rule === "string") return mistakeIn(rule);
  const again = readFaultRule(JSON.parse(JSON.stringify(describeFaultRule(rule))));
  if (JSON.stringify(again) !== JSON.stringify(rule)) return "the fault is told as another one";
  const rules = new Rules("f", describeFaultRule);
  rules.add(rule);
  for (let i = 0; i < TRIES; i++) {
    const candidate = candidateOf(request);
    const may = rules.mayTake(candidate);
    if (rules.take(candidate) !== null && !may) return "a fault was taken that no look has seen";
  }
  return "";
}

function mistakeIn(sentence: string): string {
  if (sentence === "" || sentence.length > SENTENCE_MAX) return `a sentence of ${sentence.length} characters`;
  return /[\r\n]/.test(sentence) ? "a sentence of several lines" : "";
}

const METHODS = ["GET", "HEAD", "POST", "*", "get", "M-SEARCH", "", 1];
const PATHS = ["/", "/a", "/a/", "/a/*", "/**", "*.js", "/a?b", "/upload", "/[id]", "/a%20b", "/é", null];
const VALUES = ["1", "2", "", "a b", "é", "日", 2, null, undefined];
const NAMES = ["page", "q", "Accept", "X-A", "__proto__", "constructor", ""];

/** A rule of words that rules know, most of them right. */
function madeRule(random: Random): object {
  const match = {
    ...maybe(random, "method", random.pick(METHODS)),
    ...maybe(random, "path", random.pick(PATHS)),
    ...maybe(random, "query", madeTexts(random)),
    ...maybe(random, "fields", madeTexts(random)),
    ...maybe(random, "json", madeJson(random, 4)),
  };
  const answer = {
    ...maybe(random, "status", random.pick([200, 201, 204, 304, 404, 99, 1e9, "200"])),
    ...maybe(random, "fields", random.pick([[], [["Location", "/a"]], [["Date", "now"]], [["A"]], {}, [["A", "\n"]]])),
    ...random.pick([
      {},
      { json: madeJson(random, 4) },
      { text: random.pick(VALUES) },
      { base64: "aGk=" },
      { base64: "?" },
    ]),
  };
  return {
    ...maybe(random, "match", match),
    answer,
    ...maybe(random, "skip", random.pick([0, 1, 2, -1, 0.5])),
    ...maybe(random, "times", random.pick([1, 2, 0, "1"])),
  };
}

function maybe(random: Random, name: string, value: unknown): object {
  return random.oneIn(2) ? { [name]: value } : {};
}

function madeTexts(random: Random): object {
  return Object.fromEntries(
    Array.from({ length: random.below(3) }, () => [
      random.pick(NAMES),
      random.pick(VALUES.slice(0, random.pick([5, 9]))),
    ]),
  );
}

function madeJson(random: Random, depth: number): unknown {
  if (depth === 0 || random.oneIn(3)) return random.pick([null, true, 0, -0, 1.5, 1e300, "", "a"]);
  const items = Array.from({ length: random.below(4) }, () => madeJson(random, depth - 1));
  return random.oneIn(2) ? items : Object.fromEntries(items.map((item) => [random.pick(NAMES), item]));
}

function madeRequest(random: Random): Request {
  const query = Array.from(
    { length: random.below(3) },
    () => `${random.pick(NAMES)}=${random.pick(["1", "2", "", "%"])}`,
  );
  const path = random.pick(["/", "/a", "/a/", "/a/b", "/x.js", "/upload", "/é"]);
  const content = random.oneIn(3) ? "" : JSON.stringify(madeJson(random, 4));
  return requestOf(`${random.pick(["GET", "HEAD", "POST", "M-SEARCH"])} ${path}?${query.join("&")}`, content);
}

/** A request with some fields, as far as rules look at it. */
function requestOf(line: string, content: string): Request {
  const [method = "GET", target = "/"] = line.split(" ");
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  const fields = [
    ["accept", "1"],
    ["X-A", "é"],
    ["x-a", "2"],
  ] as const;
  const head = { methodText: method, method: method === "HEAD" ? Method.Head : Method.Other, lines: () => fields };
  const made = {
    head,
    target: { path, query: at < 0 ? "" : target.slice(at) },
    content: bytesOf(content),
    protocol: "1.1",
  };
  return made as unknown as Request; // Rules read no other part of a request.
}
