import { expect, test } from "bun:test";
import { ENDPOINTS } from "../../../src/handlers/httpbin/endpoints.ts";
import { Random } from "../../../tools/fuzz/random.ts";
import { ask, makeBin } from "./bin.ts";

const SEGMENTS = [
  "0",
  "1",
  "-1",
  "100",
  "1e3",
  "0.5",
  "9ms",
  "x",
  "%41",
  "%C3%A4",
  "+",
  "200:0.5,503",
  "404,",
  "9".repeat(30),
];
const VALUES = [
  ...SEGMENTS,
  "http%3A%2F%2Fa%2F",
  "/get",
  "//a",
  "%0d%0a",
  "%zz",
  "%FF",
  "%00",
  '"',
  ";",
  "=",
  "lax",
  "%C2%B5s",
];
const NAMES = [
  "seed",
  "numbytes",
  "duration",
  "delay",
  "code",
  "count",
  "url",
  "status_code",
  "attr[Path]",
  "__proto__",
];
const PIECES = [...VALUES, "--b", "\r\n", "--", "Content-Disposition: form-data; name=a", "{", "}", "[", "]", "\xff"];
const TYPES = [
  "application/json",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=b",
  "a/b",
  ";",
];
const LINES: readonly (readonly [name: string, values: readonly string[]])[] = [
  ["Authorization", ["Basic dTpw", "Basic %", "Bearer a", "x"]],
  ["Cookie", ["a=b; c", ";;=", 'a="b"', "\xe4=1"]],
  ["Range", ["bytes=0-1", "bytes=1-,2-", "x", "bytes=999999999-"]],
  ["If-None-Match", ["*", '"range1"', "x"]],
  ["Host", ["bin.test", ""]],
];

/** Returns a request that only a test would send. */
function makeUp(random: Random): { line: string; fields: Record<string, string>; content: string } {
  const path = random.pick(ENDPOINTS).segments.map((part) => (part.startsWith("*") ? random.pick(SEGMENTS) : part));
  const query = Array.from({ length: random.below(4) }, () => `${random.pick(NAMES)}=${random.pick(VALUES)}`);
  const fields: Record<string, string> = { "Content-Type": random.pick(TYPES) };
  for (const [name, values] of LINES) if (random.oneIn(3)) fields[name] = random.pick(values);
  return {
    line: `${random.pick(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])} /${path.join("/")}?${query.join("&")}`,
    fields,
    content: Array.from({ length: random.below(8) }, () => random.pick(PIECES)).join(""),
  };
}

test("whatever is asked, the answer is complete, of a harmless type, and as long as it says", async () => {
  const random = new Random(1);
  const bin = makeBin();
  for (let round = 0; round < 3000; round++) {
    const { line, fields, content } = makeUp(random);
    const reply = await ask(bin, line, fields, content, 1000);
    const { "content-type": type = "", "content-length": length, "content-encoding": coding } = reply.fields;
    const isHead = line.startsWith("HEAD ");
    if (length !== undefined && !isHead) expect([line, reply.content.length]).toEqual([line, Number(length)]);
    expect([line, /html|xml|script|svg/.test(type)]).toEqual([line, false]);
    if (type.startsWith("application/json") && coding === undefined && !isHead) JSON.parse(reply.text);
    if (reply.status >= 500) expect([line, reply.status, type]).toEqual([line, 503, "text/plain; charset=utf-8"]);
  }
});
