/**
 * The grammar of `_headers`, row by row: the tests of Cloudflare (workers-sdk, packages/workers-shared: parseHeaders.valid, parseHeaders.invalid,
 * rules-engine) and Netlify (build, packages/headers-parser: line-parser), each case with its answer here.
 */
import { describe, expect, test } from "bun:test";
import { parseHeaders } from "../../../src/handlers/site/header-rules.ts";
import { RuleMistake } from "../../../src/handlers/site/rule-lines.ts";
import type { FieldLines } from "../../../src/http/fields.ts";

/** Fields that the server sends by itself. */
const OWN: FieldLines = [
  ["ETag", '"1"'],
  ["Cache-Control", "no-cache"],
  ["Vary", "Accept-Encoding"],
];

/** Returns the lines of a response after the rules, without those of the server that stay; or the mistake in the file. */
function answer(file: string, path = "/a", isKept: (name: string) => boolean = () => false): string {
  const rules = parseHeaders(new TextEncoder().encode(file));
  if (rules instanceof RuleMistake) return `${rules.line}: ${rules.message}`;
  const lines = rules.apply(path, OWN, isKept);
  if (lines === null) return "-";
  const gone = OWN.filter(([own]) => !lines.some(([name]) => name.toLowerCase() === own.toLowerCase()));
  const changed = lines.filter((line) => !OWN.includes(line)).map(([name, value]) => `${name}: ${value}`);
  return [...changed, ...gone.map(([name]) => `! ${name}`)].join(" | ");
}

const numbered = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");

describe("Cloudflare, parseHeaders.valid", () => {
  test.each<[string, string, string]>([
    ["a single rule", "/a\n  Name: Value", "Name: Value"],
    ["a name with an exclamation mark", "/a\n  !Name: Value", "!Name: Value"],
    ["blank lines", "\n/a\n\nName: Value\n\n", "Name: Value"],
    ["white space", "      /a\n    Name         :           Value\n", "Name: Value"],
    ["comments", "\n  # This is a comment\n  /a\n  # And one here too.\n  Name: Value\n", "Name: Value"],
    ["values of one name make a list", "/a\n  X: 1\n  x: 2\n/b\n  X: 3", "X: 1, 2"],
    [
      "cookies: a list there, lines here",
      "/a\n  Set-Cookie: a=1; Path=/\n  Set-Cookie: b=2",
      "Set-Cookie: a=1; Path=/ | Set-Cookie: b=2",
    ],
    ["a field that is left out", "/a\n  Name: Value\n  ! ETag", "Name: Value | ! ETag"],
    ["a field that is left out and set again", "/*\n  X: 1\n/a\n  ! X\n  Y: 2", "Y: 2"],
    ["a field of the host is replaced", "/a\n  cache-control: max-age=60", "cache-control: max-age=60"],
    ["rules add up", "/*\n  X: 1\n/a\n  X: 2\n  Y: 3", "X: 1, 2 | Y: 3"],
  ])("%s", (_, file, expected) => {
    expect(answer(file)).toBe(expected);
  });
});

describe("Cloudflare, parseHeaders.invalid: ignored there, a mistake here", () => {
  const FIELD = "expected a field line, 'Name: value', or '! Name'";
  const PRINTABLE = "expected a field line, 'Name: value', of a token and printable ASCII";
  const HOST = "expected a path without a host: a rule is for every host that the site answers for";
  test.each<[string, string, string]>([
    ["a word before a path", "c\n", "1: expected a path that begins with / before the first field"],
    [
      "a field before a path",
      "Access-Control-Allow-Origin: *",
      "1: expected a path that begins with / before the first field",
    ],
    ["no colon", "/b\n  I'm invalid!", `2: ${FIELD}`],
    ["an exclamation mark without a space", "/b\n  !x-content-type", `2: ${FIELD}`],
    ["a value behind an exclamation mark", "/b\n  ! Content-Type: application/json", `2: ${PRINTABLE}`],
    ["no name", "/b\n  : x", `2: ${FIELD}`],
    ["no value", "/b\n  test:", `2: ${PRINTABLE}`],
    ["a path without fields", "/b\n/c\n  X: 1", "1: expected a field below this path: Name: value, or ! Name"],
    [
      "a path without fields at the end",
      "/c\n  X: 1\n/b",
      "3: expected a field below this path: Name: value, or ! Name",
    ],
    [
      "a line that is too long",
      `/a\n  ${"a".repeat(1001)}: ${"b".repeat(1001)}`,
      "2: expected at most 2000 characters in a line, got 2004",
    ],
    ["two stars", "/blog/*/posts/*\n  X: 1", "1: expected at most one * in a path"],
    [
      "a star and :splat",
      "/blog/*/:splat\n  X: 1",
      "1: expected a different name for each placeholder; that of * is splat",
    ],
    ["a host (taken there)", "https://example.com/blog\n  X: 1", `1: ${HOST}`],
    ["a host with placeholders (taken there)", "https://:sub.example.*/path\n  X: 1", `1: ${HOST}`],
    ["a host without https", "http://nah.com/blog\n  X: 1", `1: ${HOST}`],
    [
      "the 101st path with a star (the 101st path there)",
      numbered(101, (n) => `/a/${n}/*\n  X: 1`),
      "201: expected at most 2000 paths, and 100 with * or a placeholder",
    ],
    [
      "the 2,001st path",
      numbered(2001, (n) => `/a/${n}\n  X: 1`),
      "4001: expected at most 2000 paths, and 100 with * or a placeholder",
    ],
  ])("%s", (_, file, expected) => {
    expect(answer(file)).toBe(expected);
  });
});

describe("Cloudflare, rules-engine", () => {
  const FILE =
    "/foo/test/*\n X: 1/:splat\n/foo/*\n X: 2/:splat\n/blog/:code/:name\n X: 3/:name/:code\n/blog/*\n X: 4/:splat\n";
  test.each<[string, string]>([
    ["/foo/test/yes", "X: 1/yes, 2/test/yes"],
    ["/foo/test/", "X: 1/, 2/test/"],
    ["/foo/test", "X: 2/test"],
    ["/foo", "-"],
    ["/blog/123/tricycle", "X: 3/tricycle/123, 4/123/tricycle"],
  ])("%s gets %s", (path, expected) => {
    expect(answer(FILE, path)).toBe(expected);
  });

  test("a placeholder is replaced wherever it stands in a value", () => {
    const file = "/:value/*\n  Link: </assets/:value/main.js>; rel=preload, </assets/:value/lang.js>; rel=preload";
    expect(answer(file, "/js/x")).toBe("Link: </assets/js/main.js>; rel=preload, </assets/js/lang.js>; rel=preload");
  });
});

describe("Netlify, line-parser", () => {
  test.each<[string, string, string]>([
    ["empty", "", "-"],
    ["trim_line_values", "/a\n  test: one  ", "test: one"],
    ["empty_line", "/a\n\n  test: one", "test: one"],
    ["comment", "# c\n/a\n  # c\n  test: one", "test: one"],
    ["trim_name, trim_value", "/a\n  test  :   one", "test: one"],
    ["multiple_values", "/a\n  test: one\n  test: two", "test: one, two"],
    ["no_colon: ignored there", "/a\n  test", "2: expected a field line, 'Name: value', or '! Name'"],
    [
      "trim_line_path: a path alone is nothing there",
      "  /a  ",
      "1: expected a field below this path: Name: value, or ! Name",
    ],
    [
      "invalid_value_name (a mistake there, too)",
      "/a\n  : one",
      "2: expected a field line, 'Name: value', or '! Name'",
    ],
    [
      "invalid_value_string (a mistake there, too)",
      "/a\n  test:",
      "2: expected a field line, 'Name: value', of a token and printable ASCII",
    ],
    [
      "invalid_for_order (a mistake there, too)",
      "  test: one\n/a",
      "1: expected a path that begins with / before the first field",
    ],
  ])("%s", (_, file, expected) => {
    expect(answer(file)).toBe(expected);
  });

  test.each([
    "Accept-Ranges",
    "Age",
    "Allow",
    "Alt-Svc",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Range",
    "Date",
    "Location",
    "Server",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
  ])("%s, which its documentation says is ignored, cannot be set", (name) => {
    expect(answer(`/a\n  ${name}: 1`)).toStartWith(`2: ${name} cannot be set: `);
  });
});

describe("Netlify, for-regexp: its paths match without regard to case and to a slash at the end, ours do not", () => {
  const MATCHES = "X: 1";
  test.each<[string, string, string, string]>([
    ["single_slash", "/", "/", MATCHES],
    ["trim_end", "/a ", "/a", MATCHES],
    ["a slash at the end (matches there)", "/a", "/a/", "-"],
    ["another case (matches there)", "/a", "/A", "-"],
    ["placeholder", "/a/:b", "/a/x", MATCHES],
    ["placeholder, two segments", "/a/:b", "/a/x/y", "-"],
    ["wildcard_slash", "/*", "/x/y", MATCHES],
    ["wildcard_append", "/*/a", "/x/y/a", MATCHES],
    ["wildcard_prepend", "/a/*", "/a/x/y", MATCHES],
    ["wildcard_prepend, nothing behind (matches there)", "/a/*", "/a", "-"],
    ["wildcard_surround", "/a/*/b", "/a/x/y/b", MATCHES],
    ["wildcard_inside", "/a/b*c", "/a/bxc", MATCHES],
    ["regexp_escape", "/a.", "/ab", "-"],
    ["empty (a mistake here)", "abc", "/abc", "1: expected a path that begins with / before the first field"],
    ["wildcard_multiple (a mistake here)", "/a/*/*", "/a/x/y", "1: expected at most one * in a path"],
    ["double_slash (a mistake here)", "//a//b//", "/a/b", "1: expected a path without . segments and repeated slashes"],
  ])("%s", (_, path, target, expected) => {
    expect(answer(`${path}\n  X: 1`, target)).toBe(expected);
  });
});

describe("a rule", () => {
  test("neither frames a message nor changes what requests are compared with", () => {
    for (const name of [
      "content-length",
      "Transfer-Encoding",
      "CONNECTION",
      "Keep-Alive",
      "Date",
      "Server",
      "Location",
    ]) {
      expect(answer(`/a\n  ${name}: 1`)).toStartWith(`2: ${name} cannot be set: `);
      expect(answer(`/a\n  ! ${name}`)).toStartWith(`2: ${name} cannot be left out: `);
    }
    expect(answer('/a\n  ETag: "2"')).toBe("2: ETag cannot be set: the server compares it with requests");
  });

  test("takes a value of the request escaped, so that it adds no further field, value or directive", () => {
    expect(answer("/*\n  Link: </:splat>", '/x>; rel="y", <é\u0001')).toBe(
      "Link: </x%3E%3B%20rel%3D%22y%22%2C%20%3C%C3%A9%01>",
    );
    expect(answer("/:x\n  Content-Security-Policy: img-src :x", "/a;script-src *")).toBe(
      "Content-Security-Policy: img-src a%3Bscript-src%20%2A",
    );
  });

  test("adds to Vary, and leaves alone the fields that a flag sets", () => {
    expect(
      answer("/a\n  Vary: Cookie\n  X: 1\n  ! Cache-Control", "/a", (name) => /^(?:x|cache-control)$/i.test(name)),
    ).toBe("Vary: Accept-Encoding, Cookie");
  });

  test("whose splat is empty leaves no white space at the end of a field", () => {
    expect(answer("/*\n  X: path :splat\n  Y: :splat", "/")).toBe("X: path | Y: ");
  });

  test("sets no lines beyond the bound", () => {
    const file = `/*\n${numbered(100, (n) => `  X-${n}: ${":splat/".repeat(100)}`)}\n  Y: 1`;
    const lines = answer(file, `/${"x".repeat(100)}`).split(" | ");
    expect(lines.map((line) => line.slice(0, 3))).toEqual(["X-0", "X-1", "Y: "]);
  });
});
