import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ParseError } from "../../src/http/parse-error.ts";
import { cleanPath, Target, Verdict } from "../../src/http/target.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { readTarget } from "../../src/http1/request-target.ts";

const LIMITS = { maxHeaderBytes: 500, maxFields: 9, maxEmptyLines: 0 };

/** The target of one request; null when the head itself is refused. `target` may be one that was used before. */
function read(
  target: string,
  { method = "GET", host = "a", version = "1.1", into = new Target() } = {},
): { result: number; target: Target } | null {
  const text = `${method} ${target} HTTP/${version}\r\n${host === "" ? "" : `Host: ${host}\r\n`}\r\n`;
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const head = new ParsedHead(LIMITS);
  if (parseRequestHead(bytes, 0, bytes.length, head) !== bytes.length) return null;
  return { result: readTarget(head, into), target: into };
}

test.each<[string, string, string]>([
  ["/", "/", ""],
  ["/?", "/", "?"],
  ["/a/b.html", "/a/b.html", ""],
  ["/a?b=c?d/../[e]", "/a", "?b=c?d/../[e]"],
  ["/a?%41", "/a", "?%41"],
  ["/%61%42c", "/aBc", ""],
  ["/%C3%A4%e2%82%ac%F0%9F%98%80", "/ä€😀", ""],
  ["/a%20b", "/a b", ""],
  ["/%25", "/%", ""],
  ["/%2541", "/%41", ""],
  ["/%252e%252e/", "/%2e%2e/", ""],
  ["/a%3Fb?c", "/a?b", "?c"],
  ["/a%23b", "/a#b", ""],
  ["/%5B%5d", "/[]", ""],
  ["/%EF%BB%BFa", "/\ufeffa", ""],
  ["/.a/..b/c./d../.../", "/.a/..b/c./d../.../", ""],
  ["/.well-known/x", "/.well-known/x", ""],
  ["/+;=,!$&'()*:@~", "/+;=,!$&'()*:@~", ""],
  // Left alone by the WHATWG URL Standard, or by clients that write what they were given
  ['/[slug]/a|b^{c}`"<>', '/[slug]/a|b^{c}`"<>', ""],
  ["/\xc3\xa4\xe2\x82\xac", "/ä€", ""],
  ["/\xc3%a4", "/ä", ""],
  ["/%7b\xf0\x9f\x98\x80[", "/{😀[", ""],
  ["/?q=50%", "/", "?q=50%"],
  ["/?%zz%4", "/", "?%zz%4"],
  ['/?filter={"a":[1]}&p=C:\\x|^`<>', "/", '?filter={"a":[1]}&p=C:\\x|^`<>'],
  ["/?\xc3\xa4\xff\x80", "/", "?\xc3\xa4\xff\x80"],
  ["/[?]", "/[", "?]"],
])("origin form %s is clean", (text, path, query) => {
  const { result, target } = read(text) ?? { result: -1000, target: new Target() };
  expect({ result, form: target.form, path: target.path, query: target.query, verdict: target.verdict }).toEqual({
    result: 0,
    form: "origin",
    path,
    query,
    verdict: Verdict.Clean,
  });
  expect([target.authority.host, target.authority.port, target.scheme]).toEqual(["a", -1, ""]);
});

test.each<[string, Verdict, string]>([
  ["/.", Verdict.CurrentSegment, "/."],
  ["/..", Verdict.ParentSegment, "/.."],
  ["/../a", Verdict.ParentSegment, "/../a"],
  ["/a/./b", Verdict.CurrentSegment, "/a/./b"],
  ["/a/.//b", Verdict.CurrentSegment, "/a/.//b"],
  ["/./a/..", Verdict.ParentSegment, "/./a/.."],
  ["/../a/.", Verdict.ParentSegment, "/../a/."],
  ["/a/..?b", Verdict.ParentSegment, "/a/.."],
  ["/%2e", Verdict.CurrentSegment, "/."],
  ["/a/%2E%2e/b", Verdict.ParentSegment, "/a/../b"],
  ["/.%2e/b", Verdict.ParentSegment, "/../b"],
  ["/a//b", Verdict.RepeatedSlash, "/a//b"],
  ["/a/b//", Verdict.RepeatedSlash, "/a/b//"],
  ["/%41//b", Verdict.RepeatedSlash, "/A//b"],
  ["/a%5cb%2f", Verdict.EncodedSlash, "/a\\b/"],
  ["/a%2fb%5c", Verdict.EncodedSlash, "/a/b\\"],
  ["/a%2fb", Verdict.EncodedSlash, "/a/b"],
  ["/..%2Fb", Verdict.EncodedSlash, "/../b"],
  ["/%2fevil.com", Verdict.EncodedSlash, "//evil.com"],
  ["/a%5cb", Verdict.EncodedBackslash, "/a\\b"],
  ["/..%5C..", Verdict.EncodedBackslash, "/..\\.."],
  ["//", Verdict.LeadingDoubleSlash, "//"],
  ["//evil.com/..", Verdict.ParentSegment, "//evil.com/.."],
  ["//evil.com/.", Verdict.LeadingDoubleSlash, "//evil.com/."],
  ["//./a", Verdict.LeadingDoubleSlash, "//./a"],
  ["//evil.com/%41", Verdict.LeadingDoubleSlash, "//evil.com/A"],
  ["http://a//b", Verdict.LeadingDoubleSlash, "//b"],
  ["http://a/../b", Verdict.ParentSegment, "/../b"],
])("%s is well-formed and not clean", (text, verdict, path) => {
  const { result, target } = read(text) ?? { result: -1000, target: new Target() };
  expect([result, target.verdict, target.path]).toEqual([0, verdict, path]);
});

describe("the path is refused", () => {
  test.each<[string, ParseError]>([
    ["/%", ParseError.TargetEscapeInvalid],
    ["/%4", ParseError.TargetEscapeInvalid],
    ["/%4?1", ParseError.TargetEscapeInvalid],
    ["/%?41", ParseError.TargetEscapeInvalid],
    ["/%zz", ParseError.TargetEscapeInvalid],
    ["/%4g", ParseError.TargetEscapeInvalid],
    ["/%u0041", ParseError.TargetEscapeInvalid],
    ["/%%41", ParseError.TargetEscapeInvalid],
    ["/%?%41", ParseError.TargetEscapeInvalid],
    ["/%00", ParseError.TargetControl],
    ["/a.txt%00.html", ParseError.TargetControl],
    ["/%0d%0aSet-Cookie:a", ParseError.TargetControl],
    ["/%09", ParseError.TargetControl],
    ["/%7f", ParseError.TargetControl],
    ["/../%00", ParseError.TargetControl],
    ["/%c0%af", ParseError.TargetUtf8Invalid],
    ["/%c0%ae%c0%ae/", ParseError.TargetUtf8Invalid],
    ["/%c1%81", ParseError.TargetUtf8Invalid],
    ["/%e0%80%af", ParseError.TargetUtf8Invalid],
    ["/%f0%80%80%af", ParseError.TargetUtf8Invalid],
    ["/%ed%a0%80", ParseError.TargetUtf8Invalid],
    ["/%f4%90%80%80", ParseError.TargetUtf8Invalid],
    ["/%f8%88%80%80%80", ParseError.TargetUtf8Invalid],
    ["/%80", ParseError.TargetUtf8Invalid],
    ["/%ff", ParseError.TargetUtf8Invalid],
    ["/%c3", ParseError.TargetUtf8Invalid],
    ["/%c3a", ParseError.TargetUtf8Invalid],
    ["/%e2%82", ParseError.TargetUtf8Invalid],
    ["/%e2%82a", ParseError.TargetUtf8Invalid],
    ["/\xc3", ParseError.TargetCharacter],
    ["/\xfc.html", ParseError.TargetCharacter],
    ["/\xc0\xae\xc0\xae/", ParseError.TargetCharacter],
    ["/\xed\xa0\x80", ParseError.TargetCharacter],
    ["/%c3\xff", ParseError.TargetCharacter],
  ])("%s", (text, error) => {
    expect(read(text)?.result).toBe(error);
  });
});

describe("the absolute form", () => {
  test.each<[string, string, string, string, number, string]>([
    ["http://a", "a", "/", "", -1, "http"],
    ["http://a/", "a", "/", "", -1, "http"],
    ["HTTP://A/b?c", "a", "/b", "?c", -1, "http"],
    ["hTTps://a/b", "a", "/b", "", -1, "https"],
    ["http://a?b=/c", "a", "/", "?b=/c", -1, "http"],
    ["http://a?%zz", "a", "/", "?%zz", -1, "http"],
    ["http://a/{b}?c|\\", "a", "/{b}", "?c|\\", -1, "http"],
    ["http://a:80/", "a", "/", "", 80, "http"],
    ["http://a/", "A.:80", "/", "", -1, "http"],
    ["https://a:443/", "a", "/", "", 443, "https"],
    ["http://[::1]:8/x", "[0:0::1]:8", "/x", "", 8, "http"],
  ])("%s agrees with Host: %s", (text, host, path, query, port, scheme) => {
    const { result, target } = read(text, { host }) ?? { result: -1000, target: new Target() };
    expect([result, target.form, target.path, target.query, target.scheme]).toEqual([
      0,
      "absolute",
      path,
      query,
      scheme as "http",
    ]);
    expect(target.authority.port).toBe(port);
  });

  test.each<[string, string, ParseError]>([
    ["http://b/", "a", ParseError.TargetHostMismatch],
    ["http://a:81/", "a", ParseError.TargetHostMismatch],
    ["http://a/", "a:443", ParseError.TargetHostMismatch],
    ["https://a/", "a:80", ParseError.TargetHostMismatch],
    ["http://a.b/", "a", ParseError.TargetHostMismatch],
    ["http:///a", "a", ParseError.TargetAuthorityInvalid],
    ["http://", "a", ParseError.TargetAuthorityInvalid],
    ["https://", "a", ParseError.TargetAuthorityInvalid],
    ["http://u@a/", "a", ParseError.TargetAuthorityInvalid],
    ["http://a:b@a/", "a", ParseError.TargetAuthorityInvalid],
    ["http://a:x/", "a", ParseError.TargetAuthorityInvalid],
    ["http://[::g]/", "a", ParseError.TargetAuthorityInvalid],
    ["http:/a", "a", ParseError.TargetFormInvalid],
    ["ftp://a/", "a", ParseError.TargetFormInvalid],
    ["httpx://a/", "a", ParseError.TargetFormInvalid],
    ["http://a/%zz", "a", ParseError.TargetEscapeInvalid],
    ["http://{a}/", "a", ParseError.TargetAuthorityInvalid],
    ["http://\xc3\xa4/", "a", ParseError.TargetAuthorityInvalid],
    ["http://a/", "a/b", ParseError.HostInvalid],
    ["http://a/", "", ParseError.HostMissing],
  ])("%s with Host: %s is refused", (text, host, error) => {
    expect(read(text, { host })?.result).toBe(error);
  });

  test("gives the authority where HTTP/1.0 has no Host", () => {
    const { result, target } = read("http://B:8/", { host: "", version: "1.0" }) ?? {
      result: -1000,
      target: new Target(),
    };
    expect([result, target.authority.host, target.authority.port]).toEqual([0, "b", 8]);
  });
});

test.each<[string, string, number]>([
  ["OPTIONS", "*", 0],
  ["GET", "*", ParseError.TargetFormInvalid],
  ["options", "*", ParseError.TargetFormInvalid],
  ["OPTIONS", "**", ParseError.TargetFormInvalid],
  ["OPTIONS", "*?a", ParseError.TargetFormInvalid],
  ["CONNECT", "a:443", 0],
  ["CONNECT", "[::1]:443", 0],
  ["CONNECT", "a", ParseError.TargetFormInvalid],
  ["CONNECT", "a:", ParseError.TargetFormInvalid],
  ["CONNECT", "a:0", ParseError.TargetFormInvalid],
  ["CONNECT", "u@a:443", ParseError.TargetFormInvalid],
  ["CONNECT", "/", ParseError.TargetFormInvalid],
  ["CONNECT", "http://a/", ParseError.TargetFormInvalid],
  ["CONNECT", "*", ParseError.TargetFormInvalid],
  ["GET", "a:443", ParseError.TargetFormInvalid],
  ["GET", "a", ParseError.TargetFormInvalid],
  ["GET", "index.html", ParseError.TargetFormInvalid],
  ["GET", "?a", ParseError.TargetFormInvalid],
  ["GET", "../a", ParseError.TargetFormInvalid],
])("%s %s", (method, text, expected) => {
  expect(read(text, { method })?.result).toBe(expected);
});

test("a target forgets the one before it", () => {
  const into = new Target();
  read("http://b:8//x?y", { host: "b:8", into });
  read("/", { host: "a", into });
  const fresh = read("/", { host: "a" })?.target as Target;
  const visible = (target: Target) => [
    target.form,
    target.path,
    target.query,
    target.scheme,
    target.verdict,
    target.authority.host,
    target.authority.port,
  ];
  expect(visible(into)).toEqual(visible(fresh));
  read("/a%C3%A4bcdefg", { into });
  read("/%41", { into });
  expect(into.path).toBe("/A");
});

const hasControl = (text: string): boolean =>
  Array.from(text).some((character) => character < " " || character === "\x7f");

test("any target: no throw, and a clean path has no dot segment, no leading double slash and no control", () => {
  const piece = fc.constantFrom(
    "/",
    ".",
    "..",
    "%2e",
    "%2F",
    "%5c",
    "%",
    "%00",
    "%41",
    "a",
    "?",
    "//",
    "http://",
    "a:80",
    "*",
    "%c3%a4",
    "%c0%ae",
    "[",
    "@",
  );
  const into = new Target();
  fc.assert(
    fc.property(
      fc.constantFrom("", "/", "http://a"),
      fc.array(piece, { minLength: 1, maxLength: 8 }),
      (start, pieces) => {
        const outcome = read(start + pieces.join(""), { into });
        if (outcome === null || outcome.result !== 0) return;
        expect(outcome.target.path).toBe((read(start + pieces.join("")) as { target: Target }).target.path);
        if (outcome.target.verdict !== Verdict.Clean) return;
        expect(outcome.target.path.startsWith("/")).toBe(true);
        expect(outcome.target.path.startsWith("//")).toBe(false);
        expect(outcome.target.path.split("/").some((segment) => segment === "." || segment === "..")).toBe(false);
        expect(outcome.target.path).not.toContain("\\");
        expect(hasControl(outcome.target.path)).toBe(false);
      },
    ),
    { numRuns: 3000 },
  );
});

test("any path of UTF-8 comes back from its escapes", () => {
  const segment = fc
    .string({ unit: "binary", minLength: 1, maxLength: 8 })
    .filter((text) => text.isWellFormed() && !hasControl(text) && !/[/\\]|^\.{1,2}$/.test(text));
  fc.assert(
    fc.property(segment, (text) => {
      const outcome = read(`/${encodeURIComponent(text)}`);
      expect([outcome?.result, outcome?.target.path, outcome?.target.verdict]).toEqual([0, `/${text}`, Verdict.Clean]);
    }),
    { numRuns: 1000 },
  );
});

test.each<[string, string]>([
  ["/.", "/"],
  ["/./", "/"],
  ["//", "/"],
  ["/././/.", "/"],
  ["/apt/./Packages", "/apt/Packages"],
  ["/apt/.", "/apt/"],
  ["/apt/./", "/apt/"],
  ["//index.html", "/index.html"],
  ["//evil.example/a//b", "/evil.example/a/b"],
  ["/a//", "/a/"],
  ["/p/./X:Y.html", "/p/X:Y.html"],
  ["/.a/..b/...", "/.a/..b/..."],
])("the path %s is cleaned to %s", (path, clean) => {
  expect(cleanPath(path)).toBe(clean);
});

test("a path without .. is clean after it was cleaned once", () => {
  const segment = fc.constantFrom("", ".", "...", "a", ".b", "c.");
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), (segments) => {
      const clean = cleanPath(`/${segments.join("/")}`);
      expect(read(clean)?.target.verdict).toBe(Verdict.Clean);
      expect(cleanPath(clean)).toBe(clean);
    }),
    { numRuns: 1000 },
  );
});
