/** The lines that every answer has. */
import { describe, expect, test } from "bun:test";
import { endpointFields, fixedFields } from "../../src/handlers/fixed-fields.ts";
import { parseFieldLine } from "../../src/http/fields.ts";

const NONE = { headers: [], securityHeaders: false, cors: [] };

test("there are none unless somebody asks for them", () => {
  expect(fixedFields(NONE).lines).toEqual([]);
});

test("the operator's own come as they are, several of one name too", () => {
  const headers = ["X-A: b", "Set-Cookie: a=b; Path=/", "Set-Cookie: c=d", "X-Empty: "];
  expect(fixedFields({ ...NONE, headers }, [["Strict-Transport-Security", "max-age=1"]]).lines).toEqual([
    ["X-A", "b"],
    ["Set-Cookie", "a=b; Path=/"],
    ["Set-Cookie", "c=d"],
    ["X-Empty", ""],
    ["Strict-Transport-Security", "max-age=1"],
  ]);
});

test("the preset protects from frames and shortens referrers; a field of the operator's takes its place", () => {
  const preset = fixedFields({ ...NONE, securityHeaders: true });
  expect(Object.fromEntries(preset.lines)).toEqual({
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
  });
  const own = fixedFields({ ...NONE, securityHeaders: true, headers: ["content-security-policy: default-src 'self'"] });
  expect(own.lines.map(([name, value]) => [name.toLowerCase(), value])).toEqual([
    ["content-security-policy", "default-src 'self'"],
    ["x-frame-options", "SAMEORIGIN"],
    ["referrer-policy", "strict-origin-when-cross-origin"],
  ]);
});

describe("a line that cannot be set", () => {
  const cases: readonly [line: string, fault: string][] = [
    ["", "expected a field line"],
    ["X-A", "expected a field line"],
    [": b", "expected a field line"],
    ["X A: b", "expected a field line"],
    ["X-A : b", "expected a field line"],
    ["X-(: b", "expected a field line"],
    ["X-A: b\r\nX-B: c", "expected a field line"],
    ["X-A: b\nc", "expected a field line"],
    ["X-A: \0", "expected a field line"],
    ["X-A: \x7f", "expected a field line"],
    ["X-A: é", "expected a field line"],
    ["X-A: 日", "expected a field line"],
    ...(
      "Content-Length Transfer-Encoding Trailer Connection Keep-Alive Proxy-Connection TE Upgrade Date Server Content-Type " +
      "Content-Encoding Content-Range Content-Disposition Accept-Ranges ETag Last-Modified Cache-Control Location Allow " +
      "Retry-After WWW-Authenticate Strict-Transport-Security X-Content-Type-Options content-LENGTH"
    )
      .split(" ")
      .map((name): [string, string] => [`${name}: 1`, `${name} cannot be set: `]),
  ];
  for (const [line, fault] of cases) {
    test(`is ${JSON.stringify(line)}`, () => {
      const parsed = parseFieldLine(line);
      expect(typeof parsed).toBe("string");
      expect(parsed).toStartWith(fault);
    });
  }

  test("is none of these", () => {
    for (const [line, name, value] of [
      ["X-A:b", "X-A", "b"],
      ["X-A:\t b \t", "X-A", "b"],
      ['x!#$%&\'*+-.^_`|~9: a:b, "c"; d=\te', "x!#$%&'*+-.^_`|~9", 'a:b, "c"; d=\te'],
      ["X-A:", "X-A", ""],
      ["Vary: Cookie", "Vary", "Cookie"],
      ["Access-Control-Allow-Origin: *", "Access-Control-Allow-Origin", "*"],
    ] as const) {
      expect(parseFieldLine(line)).toEqual([name, value]);
    }
  });
});

test("the server's own endpoints have all of them but a policy for scripts and styles, which is their own", () => {
  const headers = ["X-Team: one", "content-security-policy: default-src 'none'"];
  const further = [["Strict-Transport-Security", "max-age=1"]] as const;
  const { lines } = endpointFields({ ...NONE, securityHeaders: true, headers }, further);
  expect(lines).toEqual([
    ["X-Team", "one"],
    ["X-Frame-Options", "SAMEORIGIN"],
    ["Referrer-Policy", "strict-origin-when-cross-origin"],
    ["Strict-Transport-Security", "max-age=1"],
  ]);
});
