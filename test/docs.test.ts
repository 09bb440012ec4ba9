/**
 * The documents agree with the code, in both directions: each test, flag, limit, metric, endpoint, fault, status and file that
 * a document names exists, and each one that exists is documented. A new one without a line in the documents fails here.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFixture } from "../src/fixture/endpoints.ts";
import { statusEndpoints } from "../src/handlers/endpoints/status.ts";
import { type FaultRule, parseFaultRule } from "../src/http/fault.ts";
import { startServer } from "../src/index.ts";
import { Metrics } from "../src/server/metrics.ts";
import { environmentName, type NumberSetting, negation, parseSetting, type Setting } from "../src/settings/kinds.ts";
import { limits } from "../src/settings/limits.ts";
import { RESERVED_VARIABLES, resolveServerSettings, settingTable } from "../src/settings/resolve.ts";
import { cases } from "./conformance/cases.ts";
import { parity } from "./conformance/parity.ts";
import { rfc7239 } from "./conformance/rfc7239.ts";
import { codeSpans, documents, FENCE, leadsSomewhere, linksOf, pages, prose, read, TOP } from "./docs/documents.ts";
import { conversationRows } from "./http2/conversation-rows.ts";
import { frameRows, settingRows } from "./http2/frame-rows.ts";
import { hpackRows } from "./http2/hpack-rows.ts";

const SECURITY = "SECURITY.md";
const OPERATING = "docs/operating.md";
const FIXTURE = "docs/fixture.md";
const RFC = "docs/rfc.md";

const settings: readonly Setting[] = Object.values(settingTable);

describe("every document", () => {
  test.each(pages)("%s links to files and headings that exist", (path) => {
    expect(linksOf(read(path)).filter((link) => !leadsSomewhere(path, link))).toEqual([]);
  });

  test.each(documents)("%s names files of the project that exist", (path) => {
    expect(missingFiles(path)).toEqual([]);
  });

  test.each(documents)("%s names flags and variables that exist", (path) => {
    expect(flagsFor(read(path)).filter((flag) => !isKnownFlag(flag))).toEqual([]);
    const known = new Set([...settings.map(environmentName), ...RESERVED_VARIABLES]);
    const named = Array.from(read(path).matchAll(/\bHTTPSERVER_[A-Z_]*[A-Z]\b/g), ([name]) => name);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test.each(documents.filter((path) => path !== RFC))("%s quotes tests that exist", (path) => {
    const missing = quotedTests(read(path)).filter(({ file, name }) => !hasTest(file, name));
    expect(missing).toEqual([]);
  });

  test("README.md has at most 900 words", () => {
    expect(read("README.md").trim().split(/\s+/).length).toBeLessThanOrEqual(900);
  });

  test("together they name every flag", () => {
    const text = documents.map(read).join("\n");
    const unnamed = settings.filter(({ flag }) => !new RegExp(`--${flag}(?![a-z0-9-])`).test(text));
    expect(unnamed.map(({ flag }) => flag)).toEqual([]);
  });
});

describe(SECURITY, () => {
  test("names a test for each promise", () => {
    const rows = tablesOf(read(SECURITY), "promise").flat();
    expect(rows.length).toBeGreaterThan(25);
    expect(rows.filter((cells) => !/`test\//.test(cells.at(-1) ?? "")).map(([promise]) => promise)).toEqual([]);
  });
});

describe(RFC, () => {
  const wireRows = [...frameRows, ...settingRows, ...hpackRows, ...conversationRows];
  const named = Array.from(read(RFC).matchAll(/“([^”]+)”/g), ([, name = ""]) => name);

  test("names sections and rows of the conformance table, and of HTTP/2", () => {
    const known = new Set(
      [...cases, ...parity, ...rfc7239, ...wireRows].flatMap(({ section, name }) => [section, name]),
    );
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test("names every section that rows of HTTP/2 are about", () => {
    const sections = new Set(wireRows.map(({ section }) => section));
    expect(sections.size).toBeGreaterThan(20);
    expect([...sections].filter((section) => !named.includes(section))).toEqual([]);
  });

  test("lists every status that the code names, and no other", () => {
    const listed = tableOf(read(RFC), "status").flatMap(([cell = ""]) => cell.match(/\b[1-5]\d\d\b/g) ?? []);
    expect(listed.map(Number).sort()).toEqual(statusesInCode());
  });
});

describe(OPERATING, () => {
  const text = read(OPERATING);

  test("lists every setting that bounds something, with its default and its bounds", () => {
    const rows = new Map(tableOf(text, "flag").map(([flag = "", ...rest]) => [flag, rest]));
    const bounding = settings.filter(isBounding);
    expect([...rows.keys()].sort()).toEqual(bounding.map(({ flag }) => `\`--${flag}\``).sort());
    for (const setting of bounding) {
      const { flag, min, max, defaultText = setting.default } = setting;
      const [byDefault = "", bounds = ""] = rows.get(`\`--${flag}\``) ?? [];
      const [least, most] = bounds.split(" to ").map((cell) => settingIn(setting, cell));
      expect({ flag, byDefault: settingIn(setting, byDefault), least, most }).toEqual({
        flag,
        byDefault: defaultText,
        least: min,
        most: max,
      });
    }
  });

  test("lists every limit that no flag moves, with its value", () => {
    const listed = tableOf(text, "limit").map(([name = "", value = ""]) => [codeSpans(name)[0], quantityOf(value)]);
    expect(Object.fromEntries(listed)).toEqual({ ...limits });
  });

  test("lists every metric, and no other", () => {
    const store = { requests: 0, failures: 0, retries: 0, sentBytes: 0, inFlight: 0, waiting: 0, isAway: false };
    const counts = { slots: 0, slotsBusy: 0, queueLength: 0, queueMax: 0, connections: 0, startedMs: 0, store };
    const workers = [{ connections: 0, requests: 0 }];
    const exposition = new Metrics().render({ version: "1", ...counts, workers });
    const exposed = Array.from(exposition.matchAll(/^# TYPE (\S+)/gm), ([, name = ""]) => name);
    const spans = tableOf(text, "metric").flatMap(([cell = ""]) => codeSpans(cell));
    expect(spans.map((span) => span.replace(/\{.*\}$/, "")).sort()).toEqual(exposed.sort());
  });

  test("lists every reason why a connection closes, or is refused", () => {
    const listed = new Set(tableOf(text, "metric").flatMap((cells) => codeSpans(cells.join(" "))));
    const reasons = ["CloseReason", "Refused", "RefusalReason"].flatMap(membersOf);
    expect(reasons.length).toBeGreaterThan(14);
    expect(reasons.filter((reason) => !listed.has(reason))).toEqual([]);
  });

  test("lists the endpoints of --status", () => {
    const source = { instance: "1" } as Parameters<typeof statusEndpoints>[0];
    const listed = tableOf(text, "endpoint").flatMap(([cell = ""]) => codeSpans(cell));
    expect(listed.sort()).toEqual(
      statusEndpoints(source)
        .map(([name]) => `/__server/${name}`)
        .sort(),
    );
  });

  test("lists every log format", () => {
    const listed = tableOf(text, "`--log-format`").flatMap(([cell = ""]) => codeSpans(cell));
    expect(listed).toEqual([...settingTable.logFormat.choices]);
  });

  test("lists every exit code", () => {
    const listed = tableOf(text, "exit code").flatMap(([cell = ""]) => (cell.match(/\d+/g) ?? []).map(Number));
    const codes = Array.from(sourceText().matchAll(/\bEXIT_[A-Z_]+ = (\d+);/g), ([, code]) => Number(code));
    expect(codes.length).toBeGreaterThan(5);
    expect(codes.filter((code) => !listed.includes(code))).toEqual([]);
  });

  test("quotes log lines in the words of the code", () => {
    const lines = tableOf(text, "line").flatMap(([cell = ""]) => codeSpans(cell));
    expect(lines.length).toBeGreaterThan(20);
    const source = sourceText();
    expect(lines.flatMap(fixedWordsOf).filter((words) => !source.includes(words))).toEqual([]);
  });
});

describe(FIXTURE, () => {
  const text = read(FIXTURE);

  test("lists every endpoint with its methods, and no other", () => {
    const listed = tableOf(text, "endpoint").flatMap(([cell = ""]) => {
      const spans = codeSpans(cell);
      const name = spans.at(-1)?.split(" ").at(-1);
      return spans.map((span) => `${span.split(" ")[0]} ${name}`);
    });
    const endpoints = makeFixture(FIXTURE_OPTIONS).endpoints.flatMap(([name, { methods }]) =>
      methods.map((method) => `${method} ${name}`),
    );
    expect(listed.sort()).toEqual(endpoints.sort());
  });

  test("lists every kind of fault with its parameters, and no other", () => {
    const parameters = choicesIn("GET / delay nonsense=1").filter((name) => name in SAMPLES);
    const rows = tableOf(text, "fault").map(
      ([kind = "", listed = ""]) => [codeSpans(kind)[0] ?? "", codeSpans(listed)] as const,
    );
    expect(rows.map(([kind]) => kind).sort()).toEqual(choicesIn("GET / nonsense").toSorted());
    for (const [kind, listed] of rows) {
      // A delay goes with every kind, and is listed where it is needed.
      const accepted = parameters.filter((name) =>
        isOrder(kind, [...new Set([...listed.filter(besides(name)), name])]),
      );
      expect({ kind, listed: new Set(["delay", ...listed]) }).toEqual({
        kind,
        listed: new Set(["delay", ...accepted]),
      });
    }
  });

  test("lists the methods of the library, the members of a record and the parameters of a search", async () => {
    await using plain = await startServer({ files: { "/a": "" } });
    await using server = await startServer({ files: { "/a": "" }, fixture: true });
    const methods = Object.keys(server).filter((name) => !(name in plain));
    const documented = tableOf(text, "methods").flatMap(([cell = ""]) => codeSpans(cell));
    expect(documented.map((span) => span.replace(/\(.*/, "")).sort()).toEqual(methods.sort());

    await (await fetch(`${server.url}/a`)).text();
    const [record] = server.requests();
    const [, example = "{}"] = /```json\n(\{\n {2}"sequence"[^`]*)```/.exec(text) ?? [];
    expect(Object.keys(JSON.parse(example) as object)).toEqual(Object.keys(record ?? {}));

    const refusal = await (await fetch(`${server.url}/__server/requests?nonsense=1`)).text();
    const known = (/known: ([^"]+)"/.exec(refusal)?.[1] ?? "").split(", ");
    const listed = tableOf(text, "parameter").flatMap(([cell = ""]) => codeSpans(cell));
    expect([...new Set(listed.map((span) => span.replace(/=.*/, "")))].sort()).toEqual(known.sort());
  });
});

// Exceptions and samples ---------------------------------------------------------------------------------------------------

/** Settings with a number that bounds nothing; docs/flags.md has them. */
const NUMBERS_WITHOUT_BOUND: readonly string[] = ["port", "https-redirect", "hsts"];

/** Our own flags that are not settings, including those of `probe`. */
const OTHER_FLAGS: readonly string[] = ["help", "version", "print-config", "timeout", "interval"];

/** Flags of other programs that a document names without the program. */
const FOREIGN_FLAGS: readonly string[] = ["ulimit", "init", "max-time"];

/** A value for each parameter of a fault. */
const SAMPLES: Readonly<Record<string, string>> = {
  after: "1",
  delay: "1s",
  duration: "1s",
  pieces: "2",
  events: "1",
  rate: "1kb",
  status: "503",
  "retry-after": "1s",
  length: "1",
  code: "CANCEL",
  last: "1",
  window: "1",
  frame: "oversize",
  "header-table-size": "1",
  "enable-push": "1",
  "max-concurrent-streams": "1",
  "initial-window-size": "1",
  "max-frame-size": "1",
  "max-header-list-size": "1",
};

/** Parameters of which a fault takes one at most. */
const ALTERNATIVES: readonly string[] = ["after", "events"];

/** Enough to make the endpoints. The test calls none of them. */
const FIXTURE_OPTIONS = {
  settings: resolveServerSettings({ fixture: true }),
  time: { nowMs: () => 0 },
} as Parameters<typeof makeFixture>[0];

// The code ---------------------------------------------------------------------------------------------------------------

function isBounding(setting: Setting): setting is NumberSetting {
  return "min" in setting && !NUMBERS_WITHOUT_BOUND.includes(setting.flag);
}

function isKnownFlag(flag: string): boolean {
  const names = [...OTHER_FLAGS, ...FOREIGN_FLAGS, ...settings.map((setting) => setting.flag)];
  const negated = settings.filter((setting) => negation(setting) !== null).map((setting) => `no-${setting.flag}`);
  return names.includes(flag) || negated.includes(flag);
}

/** Returns the names that the refusal of a fault rule offers instead. */
function choicesIn(rule: string): string[] {
  const refusal = parseFaultRule(rule);
  if (typeof refusal !== "string") throw new Error(`${rule} is a rule`);
  return (/expected one of (.+)$/.exec(refusal)?.[1] ?? "").split(", ");
}

/** Returns whether a parameter may stand beside `name`. Of two alternatives the first stands beside the others. */
function besides(name: string): (other: string) => boolean {
  const chosen = ALTERNATIVES.includes(name) ? name : ALTERNATIVES[0];
  return (other) => !ALTERNATIVES.includes(other) || other === chosen;
}

function isOrder(kind: string, parameters: readonly string[]): boolean {
  const words = parameters.map((name) => `${name}=${SAMPLES[name]}`);
  const rule: FaultRule | string = parseFaultRule(["GET", "/", kind, ...words].join(" "));
  return typeof rule !== "string";
}

/** Text of each module in `src`, by path. */
const sources: ReadonlyMap<string, string> = new Map(
  readdirSync(join(TOP, "src"), { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".ts"))
    .map((path) => [path, readFileSync(join(TOP, "src", path), "utf8")]),
);

function sourceText(): string {
  return [...sources.values()].join("\n");
}

/** Returns the members of the union type `name`. */
function membersOf(name: string): string[] {
  const [, union = ""] = new RegExp(`type ${name} =([^;]+);`).exec(sourceText()) ?? [];
  return Array.from(union.matchAll(/"([^"]+)"/g), ([, member = ""]) => member);
}

/** Returns every number in the code that is a registered status (IANA, 2026), unless its name shows another meaning. */
function statusesInCode(): number[] {
  const transpiler = new Bun.Transpiler({ loader: "ts", target: "bun" });
  const found = new Set<number>();
  for (const source of sources.values()) {
    const code = transpiler.transformSync(source).replace(STRINGS, "");
    for (const [text] of code.matchAll(STATUS_LIKE)) if (isRegistered(Number(text))) found.add(Number(text));
  }
  return [...found].sort();
}

const STRINGS = /"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;

/** Three digits, but neither a constant in capitals nor a property other than `status`. */
const STATUS_LIKE = /(?<![\w.$]|[A-Z_] = |(?<!\bstatus)(?<=\w): )[1-5]\d\d(?![\w.])/g;

const REGISTERED: readonly (readonly [from: number, to: number])[] = [
  [100, 104],
  [200, 208],
  [226, 226],
  [300, 308],
  [400, 418],
  [421, 426],
  [428, 429],
  [431, 431],
  [451, 451],
  [500, 508],
  [510, 511],
];

function isRegistered(status: number): boolean {
  return REGISTERED.some(([from, to]) => status >= from && status <= to);
}

// The documents ----------------------------------------------------------------------------------------------------------

function missingFiles(path: string): string[] {
  return codeSpans(prose(read(path))).filter((span) => isPath(span) && !isInProject(path, span));
}

/** First folders of paths in documents, from the top, from `tools/` or from `docs/`. */
const FOLDERS = /^(?:\.ci|bench|docs|examples|fuzz|resilience|resources|scripts|src|test|tools|decisions|images)\//;

/** Returns true for a span that can only mean a file or folder of the project. */
function isPath(span: string): boolean {
  if (!/^[\w.@/-]+$/.test(span)) return false;
  return FOLDERS.test(span) || /^[\w./-]+\.(?:ts|mjs|md)$/.test(span);
}

/** Looks from the top, from `src`, from `tools`, from the document's own folder, and for the name alone. */
function isInProject(path: string, span: string): boolean {
  const bases = ["", "src", "tools", dirname(path)];
  if (bases.some((base) => existsSync(join(TOP, base, span)))) return true;
  return !span.includes("/") && [...sources.keys(), ...testFiles].some((file) => file.endsWith(`/${span}`));
}

const testFiles: readonly string[] = readdirSync(import.meta.dir, { recursive: true }).map((path) => `/${path}`);

/** Returns the flags that a document gives to this program: in a span that begins with one, or after its name. */
function flagsFor(text: string): string[] {
  const blocks = Array.from(text.matchAll(FENCE), ([, block = ""]) => block.replaceAll("\\\n", " ")).join("\n");
  const lines = [...blocks.split("\n"), ...codeSpans(prose(text))];
  return lines.flatMap((line) => {
    const [, words = ""] = /^(--.*)$/.exec(line) ?? /\bhttpserver\b(.*)$/.exec(line) ?? [];
    const [own = ""] = words.split(/ (?:--|#|\|) /);
    return Array.from(own.matchAll(/(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])/g), ([, flag = ""]) => flag);
  });
}

/** Returns names in quotation marks, each with the file of tests before it in its paragraph or row. */
function quotedTests(text: string): { readonly file: string; readonly name: string }[] {
  const quoted: { file: string; name: string }[] = [];
  for (const paragraph of prose(text).split(/\n\n|\|\n/)) {
    let file = "";
    for (const [, span, name] of paragraph.matchAll(/`([^`]+)`|“([^”]+)”/g)) {
      if (span?.startsWith("test/")) file = span;
      if (name !== undefined && file !== "") quoted.push({ file, name: name.replace(/\s+/g, " ") });
    }
  }
  return quoted;
}

/** Returns true if the file, or a file of the folder, has the name as a text of its own. */
function hasTest(path: string, name: string): boolean {
  if (!existsSync(join(TOP, path))) return false;
  const isFolder = statSync(join(TOP, path)).isDirectory();
  const files = isFolder ? readdirSync(join(TOP, path)).map((entry) => join(path, entry)) : [path];
  return files.some((file) => ['"', "`"].some((mark) => read(file).includes(`${mark}${name}${mark}`)));
}

type Cells = readonly string[];

/** Returns the rows of each table whose first column is called `first`. */
function tablesOf(text: string, first: string): Cells[][] {
  const tables = prose(text).match(/(?:^\|.*\|$\n?)+/gm) ?? [];
  return tables.flatMap((table) => {
    const [header, , ...rows] = table.trimEnd().split("\n").map(cellsOf);
    return header?.[0] === first ? [rows] : [];
  });
}

function tableOf(text: string, first: string): readonly Cells[] {
  const [table, further] = tablesOf(text, first);
  if (table === undefined || further !== undefined) throw new Error(`expected one table with the column "${first}"`);
  return table;
}

function cellsOf(line: string): Cells {
  const inner = line.slice(1, -1);
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

/** Reads a cell as a value of the setting, or as a text that stands for one. */
function settingIn(setting: Setting, cell: string): unknown {
  return parseSetting(setting, cell.replaceAll(",", "")) ?? cell;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1000, KiB: 1024, MiB: 1_048_576 };

/** Reads `8 KiB`, `250 ms`, `50,000` as bytes, milliseconds or a count. */
function quantityOf(cell: string): number {
  const [, digits = "", unit = ""] = /^([\d,]+)(?: (\w+))?$/.exec(cell) ?? [];
  return Number(digits.replaceAll(",", "") || Number.NaN) * (UNITS[unit] ?? Number.NaN);
}

/** Words of a documented line that stand for others, or that another part of the code puts before it. */
const PLACEHOLDERS =
  /^error: |^Security: |HTTPSERVER_…|…|\b(?:N|M|H|F|T|D|CODE|PATH|FLAG|SIGTERM)\b|\bqueue (?:full|timeout)\b|\blines were\b/;

/** Returns the parts of a documented line that do not vary. */
function fixedWordsOf(line: string): string[] {
  return line
    .split(PLACEHOLDERS)
    .map((words) => words.trim())
    .filter((words) => words.length > 8);
}
