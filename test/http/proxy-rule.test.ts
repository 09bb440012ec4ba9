import { expect, test } from "bun:test";
import { authorityOf, formatProxyRule, parseProxyRule, urlOfOrigin } from "../../src/http/proxy-rule.ts";

test.each<[string, string, string]>([
  ["/api/** http://127.0.0.1:3000", "/api/** http://127.0.0.1:3000", "127.0.0.1:3000"],
  ["  /**\thttp://LocalHost:80/ ", "/** http://localhost", "localhost"],
  ["*.json https://api.test:443", "*.json https://api.test", "api.test"],
  ["/a HTTPS://[::1]:8443", "/a https://[::1]:8443", "[::1]:8443"],
])("the rule %j is %j, and its Host is %s", (text, written, host) => {
  const rule = parseProxyRule(text);
  if (typeof rule === "string") throw new Error(rule);
  expect([formatProxyRule(rule), authorityOf(rule.origin)]).toEqual([written, host]);
  expect(written.endsWith(urlOfOrigin(rule.origin))).toBe(true);
});

test.each<[string, string]>([
  ["", "expected PATTERN URL"],
  ["/api/**", "expected PATTERN URL"],
  ["http://127.0.0.1:3000", "expected PATTERN URL"],
  ["/a /b http://c", "expected PATTERN URL"],
  ["/a?b http://c", "without ?"],
  ["/{a,b} http://c", "expected a path"],
  ["/a ftp://c", "begins with http://"],
  ["/a //c", "begins with http://"],
  ["/a http://user:secret@c", "without a user"],
  ["/a http://c/v1", "without a path"],
  ["/a http://c?x", "without a path"],
  ["/a http://c#x", "without a path"],
  ["/a http://", "expected PATTERN URL"],
  ["/a http://c:0", "expected PATTERN URL"],
  ["/a http://c:99999", "expected PATTERN URL"],
  ["/a http://c,d", "expected PATTERN URL"],
])("the rule %j is refused: %s", (text, problem) => {
  expect(parseProxyRule(text)).toContain(problem);
});
