/**
 * The grammar of `_redirects`, row by row: the tests of Cloudflare (workers-sdk, packages/workers-shared: parseRedirects.valid,
 * parseRedirects.invalid, rules-engine, handler) and Netlify (build, packages/redirect-parser: line-parser), each case with its answer here.
 * A row that differs from its source says how.
 */
import { describe, expect, test } from "bun:test";
import { locationOf, parseRedirects, pathOf } from "../../../src/handlers/site/redirect-rules.ts";
import { RuleMistake } from "../../../src/handlers/site/rule-lines.ts";

const NO_FILES = () => false;

/** Returns `CODE TARGET` of the rule for a path with a query, "-" if there is none, or the mistake in the file. */
function answer(file: string | Uint8Array, target = "/", files: (path: string) => boolean = NO_FILES): string {
  const bytes = typeof file === "string" ? new TextEncoder().encode(file) : file;
  const rules = parseRedirects(bytes, files);
  if (rules instanceof RuleMistake) return `${rules.line}: ${rules.message}`;
  const [path = "", query] = target.split("?");
  const match = rules.find(path);
  if (match === null) return "-";
  const location = locationOf(match, query === undefined ? "" : `?${query}`, "");
  return `${match.rule.code} ${match.rule.isRewrite ? pathOf(match) : location}`;
}

const numbered = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");

describe("Cloudflare, parseRedirects.valid", () => {
  test.each<[string, string, string, string]>([
    ["a single rule", "/a /b 301", "/a", "301 /b"],
    ["blank lines are ignored", "\n/a /b 301\n", "/a", "301 /b"],
    ["white space is trimmed", "\n  /a /b 301\n", "/a", "301 /b"],
    ["comments are ignored", "\n  # This is a comment\n  /a /b 301\n  # And one here too.\n", "/a", "301 /b"],
    ["a comment alone", "# This is just a comment", "/a", "-"],
    ["the default is 302", "/a /b 302\n/c /d", "/c", "302 /d"],
    ["the query of the target stays", "/a /b?query=string 302", "/a", "302 /b?query=string"],
    [
      "the query of the source: dropped there, a mistake here",
      "/c?this=rejected /d 301",
      "/c",
      "1: expected a path without a query and a fragment: rules match paths alone",
    ],
    [
      "host, port, query and anchor of the target stay",
      "/ext https://some.domain:1234/route?q=string#anchor",
      "/ext",
      "302 https://some.domain:1234/route?q=string#anchor",
    ],
    ["a fragment stays", "/a /b#blah 302", "/a", "302 /b#blah"],
    ["a fragment with another hash stays", "/a /b##blah-1 302", "/a", "302 /b##blah-1"],
    ["the same in a URL", "/a https://example.com/b##blah-1 302", "/a", "302 https://example.com/b##blah-1"],
    ["200 is a rewrite", "/a /b 200", "/a", "200 /b"],
    [
      "a URL that ends with index.html",
      "/foo https://bar.com/index.html 302",
      "/foo",
      "302 https://bar.com/index.html",
    ],
    [
      "a port and no path: a slash is added there, none here",
      "/cat https://cat.com:12345 302",
      "/cat",
      "302 https://cat.com:12345",
    ],
    ["a port, and no code", "/dog https://dog.com:12345/", "/dog", "302 https://dog.com:12345/"],
    ["a splat to a path", "/* /foo 200", "/x/y", "200 /foo"],
    ["a comment behind a rule", "/a /b 301 # redirect a to b", "/a", "301 /b"],
    ["a comment behind a rule without a code", "/a /b # redirect with default status", "/a", "302 /b"],
    ["a comment behind a fragment", "/a /b#section 301 # redirect to section", "/a", "301 /b#section"],
    ["a comment without a space", "/a /b 301 #no space comment", "/a", "301 /b"],
    [
      "several rules with comments",
      "/a /b 301 # first\n/c /d # second\n# full line\n/e /f 307 # third",
      "/e",
      "307 /f",
    ],
    ["a comment behind a URL with a fragment", "/a https://x.com/b#c # comment", "/a", "302 https://x.com/b#c"],
    ["an empty comment", "/a /b #", "/a", "302 /b"],
    ["a comment behind a fragment with two hashes", "/a /b##anchor # comment", "/a", "302 /b##anchor"],
  ])("%s", (_, file, path, expected) => {
    expect(answer(file, path)).toBe(expected);
  });
});

describe("Cloudflare, parseRedirects.invalid: ignored there, a mistake here", () => {
  test.each<[string, string, string]>([
    ["one word", "# Single token\n/c", "2: expected a target after the path: FROM TO [CODE]"],
    [
      "four words",
      "/d /e 302 !important",
      "1: expected FROM TO [CODE], and no conditions such as Country or Role, which are Netlify's",
    ],
    [
      "a code that is none",
      "/a /b 301\n/c /d 418",
      '2: expected one of the codes 200, 301, 302, 303, 307, 308, got "418"',
    ],
    ["a path twice", "/a /b\n/b /c\n/a /c", '3: expected one rule for "/a"; line 1 has it'],
    [
      "a line that is too long",
      `/a /b\n/${"a".repeat(600)} /${"b".repeat(600)} 301`,
      "2: expected at most 1000 characters in a line, got 1207",
    ],
    [
      "the 101st rule with a splat",
      numbered(101, (n) => `/a/${n}/* /b/${n}/:splat`),
      "101: expected at most 100 rules with * or a placeholder",
    ],
    [
      "the 2,001st rule without one",
      numbered(2001, (n) => `/a/${n} /b/${n}`),
      "2001: expected at most 2000 rules without * and placeholders",
    ],
    [
      "spaces",
      "/some page /somewhere else",
      "1: expected a target that begins with /, https:// or http://; a space in a path is %20",
    ],
    [
      "a host in the source",
      "https://yeah.com https://nah.com",
      "1: expected a path in front: a rule is for every host that the site answers for",
    ],
    ["no slash in front (a slash is added there)", "yeah.com https://nah.com", "1: expected a path that begins with /"],
    [
      "a rewrite to another host",
      "/a https://example.com/b 200",
      "1: expected a path after a rewrite (200): it answers with a file of the folder, and cannot fetch from another host",
    ],
  ])("%s", (_, file, expected) => {
    expect(answer(file)).toBe(expected);
  });

  test("a comment of any length is ignored, and 2,000 rules without and 100 with a splat are taken", () => {
    const rules = `${numbered(2000, (n) => `/a/${n} /b/${n}`)}\n${numbered(100, (n) => `/c/${n}/* /d/${n}/:splat`)}`;
    expect(answer(`${"#".repeat(5000)}\n${rules}`, "/a/1999")).toBe("302 /b/1999");
    expect(answer(`${"#".repeat(5000)}\n${rules}`, "/c/99/x/y")).toBe("302 /d/99/x/y");
  });

  test("escapes are taken, and characters that no URI has are escaped in the Location", () => {
    expect(answer("/some%20page /somewhere%20else", "/some page")).toBe("302 /somewhere%20else");
    expect(answer("/x;`me /nons:/&@%+~{}ense", "/x;`me")).toBe("302 /nons:/&@%25+~%7B%7Dense");
    expect(answer("/nah https://yeah.com", "/nah")).toBe("302 https://yeah.com");
  });

  test("a rewrite of everything to the index is a loop there, and taken here, because /index.html is no redirect here", () => {
    const hasIndex = (path: string) => path === "/index.html";
    expect(answer("/* /index.html 200", "/x", hasIndex)).toBe("200 /index.html");
    expect(answer("/* /index 200", "/x")).toBe("200 /index");
    expect(answer("/ /index.html", "/")).toBe("302 /index.html");
    expect(answer("/ /index", "/")).toBe("302 /index");
  });
});

describe("Cloudflare, rules-engine and handler", () => {
  const FILE = `
    /foo/test/* /1/:splat
    /foo/* /2/:splat
    /blog/:code/:name /3/:name/:code
    /blog/* /4/:splat
    /dynamic/:seg /:seg/new-dynamic/?with#params
    /dynamic/:seg1/:seg2/:seg3 https://fakehost/:seg3/:seg1/:seg2/new-dynamic/?with#params
    /splat/* /:splat/new-splat
    /splat/foo/* /will-never-fire
    /but/this/will/* /too
    /but/this/* /will
    /partialSplat* /new-partialSplat:splat
    /partialPlaceholder:placeholder /new-partialPlaceholder:placeholder
    /proxy /other 200
  `;

  test.each<[string, string]>([
    ["/foo/test/yes", "302 /1/yes"],
    ["/foo/test/", "302 /1/"],
    ["/foo/test", "302 /2/test"],
    ["/foo/", "302 /2/"],
    ["/foo", "-"],
    ["/blog/123/tricycle", "302 /3/tricycle/123"],
    ["/blog/123/tricycle/x", "302 /4/123/tricycle/x"],
    ["/dynamic/foo", "302 /foo/new-dynamic/?with#params"],
    ["/dynamic/bar/baz/qux", "302 https://fakehost/qux/bar/baz/new-dynamic/?with#params"],
    ["/dynamic/bar/baz/qux/too/many/segments", "-"],
    ["/splat/foo/bar/baz", "302 /foo/bar/baz/new-splat"],
    ["/but/this/will/fire", "302 /too"],
    ["/but/this/fires", "302 /will"],
    ["/partialSplatter", "302 /new-partialSplatter"],
    ["/partialPlaceholderX", "302 /new-partialPlaceholderX"],
    ["/partialPlaceholder", "-"],
    ["/proxy", "200 /other"],
    ["/Foo/x", "-"],
    ["/foo/x?a=1&b=%zz", "302 /2/x?a=1&b=%25zz"],
    ["/dynamic/foo?kept=no", "302 /foo/new-dynamic/?with#params"],
  ])("%s gets %s", (path, expected) => {
    expect(answer(FILE, path)).toBe(expected);
  });

  test("a placeholder that occurs twice in the target is replaced twice, and :splat is in it", () => {
    expect(answer("/x/:code/* /:code/:splat?again=:code", "/x/123/tri/images")).toBe("302 /123/tri/images?again=123");
  });

  test("a longer word that begins as a placeholder is text (there, its beginning is replaced)", () => {
    expect(answer("/x/:id /y/:identity/:id/Help:Contents", "/x/7")).toBe("302 /y/:identity/7/Help:Contents");
  });

  test("the line that comes first decides, with and without a placeholder", () => {
    expect(answer("/a/:x /1\n/a/b /2", "/a/b")).toBe("302 /1");
    expect(answer("/a/b /2\n/a/:x /1", "/a/b")).toBe("302 /2");
  });
});

describe("Netlify, line-parser", () => {
  test.each<[string, string, string, string]>([
    ["an empty file", "", "/", "-"],
    [
      "empty lines",
      "/blog/my-post.php /blog/my-post\n\n/blog/my-post-two.php /blog/my-post-two",
      "/blog/my-post-two.php",
      "302 /blog/my-post-two",
    ],
    [
      "several lines",
      "/10thmagnitude http://www.10thmagnitude.com/ 301\n/bananastand http://eepurl.com/Lgde5 301",
      "/bananastand",
      "301 http://eepurl.com/Lgde5",
    ],
    ["white space", "  /home  /  ", "/home", "302 /"],
    [
      "a comment on its own line",
      "# redirect\n/blog/my-post.php /blog/my-post",
      "/blog/my-post.php",
      "302 /blog/my-post",
    ],
    [
      "a comment behind a rule",
      "/blog/my-post.php /blog/my-post # this is a comment",
      "/blog/my-post.php",
      "302 /blog/my-post",
    ],
    ["a simple rule (301 there)", "/home /", "/home", "302 /"],
    ["an anchor", "/blog/my-post-ads.php /blog/my-post#ads", "/blog/my-post-ads.php", "302 /blog/my-post#ads"],
    [
      "a splat to another host",
      "/* https://www.bitballoon.com/:splat 301",
      "/a/b",
      "301 https://www.bitballoon.com/a/b",
    ],
    [
      "the same, forced: a redirect comes before files here, too",
      "/* https://www.bitballoon.com/:splat 301!",
      "/a/b",
      "301 https://www.bitballoon.com/a/b",
    ],
    ["a rewrite to its own path", "/admin/* /admin/:splat 200", "/admin/x", "200 /admin/x"],
    [
      "a status",
      "/test https://www.bitballoon.com/test=hello 301",
      "/test",
      "301 https://www.bitballoon.com/test=hello",
    ],
  ])("%s", (_, file, path, expected) => {
    expect(answer(file, path)).toBe(expected);
  });

  const CONDITIONS = "1: expected FROM TO [CODE], and no conditions such as Country or Role, which are Netlify's";
  const PARAMETERS = "1: expected a target after the path: query parameters are Netlify's, and not taken";
  test.each<[string, string, string]>([
    [
      "a host in the source",
      "http://hello.bitballoon.com/* http://www.hello.com/:splat",
      "1: expected a path in front: a rule is for every host that the site answers for",
    ],
    ["query parameters", "/ page=news /news", PARAMETERS],
    ["query parameters as placeholders", "/blog post=:post_id /blog/:post_id", PARAMETERS],
    [
      "a forced rewrite",
      "/admin/* /admin/:splat 200!",
      "1: expected 200: 200! is Netlify's, and a rewrite here never hides a file",
    ],
    [
      "a proxy",
      "/api/* https://api.bitballoon.com/* 200",
      "1: expected a path after a rewrite (200): it answers with a file of the folder, and cannot fetch from another host",
    ],
    ["a country", "/ /china 302 Country=ch,tw", CONDITIONS],
    ["a country in the place of the code", "/ /china Country=ch,tw", CONDITIONS],
    ["a language", "/ /china 302 Country=il Language=en", CONDITIONS],
    ["a role", "/admin/* /admin/:splat 200 Role=admin", CONDITIONS],
    [
      "parameters and a country",
      "/donate source=:source email=:email /donate/usa?source=:source 302 Country=us",
      PARAMETERS,
    ],
    ["a signature", "/api/* https://api.example.com/:splat 200! Sign=API_SECRET", CONDITIONS],
    [
      "a page with status 404",
      "/en/* /en/404.html 404",
      "1: expected a code that both hosts take: 404 is Netlify's; a 404.html in the folder does the same",
    ],
    ["no target and no status (a mistake there, too)", "/old", "1: expected a target after the path: FROM TO [CODE]"],
    ["no target (a mistake there, too)", "/old 301", "1: expected a target after the path: FROM TO [CODE]"],
    ["no slash (a mistake there, too)", "old /new", "1: expected a path that begins with /"],
    [
      "a status that is none (a mistake there, too)",
      "/old /new Test",
      '1: expected one of the codes 200, 301, 302, 303, 307, 308, got "Test"',
    ],
    [
      "a field (a mistake there, too)",
      "/path\n  X-Frame-Options: DENY",
      "1: expected a target after the path: FROM TO [CODE]",
    ],
  ])("not taken: %s", (_, file, expected) => {
    expect(answer(file)).toBe(expected);
  });
});

describe("a redirect stays on this host unless its line names another", () => {
  test.each<[string, string, string]>([
    ["/a/* /:splat", "/a//evil.com/x", "302 /evil.com/x"],
    ["/a/* /:splat", "/a/\\evil.com", "302 /%5Cevil.com"],
    ["/a/* /:splat", "/a/https://evil.com", "302 /https:/evil.com"],
    ["/*.x /:splat", "//evil.com.x", "302 /evil.com"],
    ["/a/:x /:x/y", "/a/.evil.com", "302 /.evil.com/y"],
    ["/a/* https://good.test/:splat", "/a/@evil.com", "302 https://good.test/@evil.com"],
    ["/a/* https://good.test/:splat", "/a//evil.com", "302 https://good.test//evil.com"],
    ["/a/* /b?to=:splat", "/a/x&admin=1#f", "302 /b?to=x%26admin%3D1%23f"],
    ["/a/* /b#:splat", "/a/x#y", "302 /b#x%23y"],
    ["/a/:x /b/:x", "/a/x#y", "302 /b/x%23y"],
    ["/a/:x /b/:x", "/a/ü €", "302 /b/%C3%BC%20%E2%82%AC"],
    ["/a/:x /b/:x", "/a/100%", "302 /b/100%25"],
  ])("%s, %s", (file, path, expected) => {
    expect(answer(file, path)).toBe(expected);
  });

  test.each<[string]>([
    ["/a //evil.com"],
    ["/a /\\evil.com"],
    ["/a/:x https://:x.example.com/"],
    ["/a/* https://:splat"],
    ["/a/* https://good.test:splat"],
    ["/a https://user@good.test/"],
    ["/a javascript:alert(1)"],
    ["/a https:/good.test/"],
    ["/a https://good.7/"],
    ["/a https://good.test:99999/"],
    ["/a ftp://good.test/"],
  ])("%s is a mistake", (file) => {
    expect(answer(file, "/a")).toStartWith("1: expected ");
  });

  test("a rewrite to a path with dot segments has none", () => {
    expect(answer("/a-:x /docs/.:x/b 200", "/a-.")).toBe("200 null");
    expect(answer("/a-:x /docs/:x 200", "/a-..")).toBe("200 null");
  });

  test("a Location that many placeholders make too long is none", () => {
    const match = answer(`/a/* /${":splat/".repeat(100)}`, `/a/${"x".repeat(100)}`);
    expect(match).toBe("302 null");
  });
});

describe("a mistake", () => {
  test.each<[string, string | Uint8Array, string]>([
    [
      "bytes that are not UTF-8",
      Uint8Array.of(0x2f, 0x61, 0x0a, 0x2f, 0xff, 0x20, 0x2f, 0x62),
      "2: expected UTF-8 text",
    ],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x2f, 0x00), "1: expected UTF-8 text"],
    ["a control character", "/a\u0001 /b", '1: expected text, got the control character "\\u0001"'],
    ["a lone CR", "/a /b\r/c /d", '1: expected text, got the control character "\\r"'],
    ["two stars", "/a/*/b/* /c", "1: expected at most one * in a path"],
    ["two placeholders in a segment", "/a/:b-:c /c", "1: expected at most one placeholder in a segment"],
    ["a star and a placeholder in a segment", "/a/:b* /c", "1: expected * and a placeholder in different segments"],
    ["a name twice", "/a/:b/:b /c", "1: expected a different name for each placeholder; that of * is splat"],
    [
      "a placeholder called splat beside a star",
      "/a/:splat/* /c",
      "1: expected a different name for each placeholder; that of * is splat",
    ],
    [
      "a cut escape",
      "/a%2 /c",
      "1: expected escapes of UTF-8 such as %C3%A9, none for a slash, a backslash or a control; % itself is %25",
    ],
    [
      "an escaped slash",
      "/a%2fb /c",
      "1: expected escapes of UTF-8 such as %C3%A9, none for a slash, a backslash or a control; % itself is %25",
    ],
    [
      "a line break in an escape",
      "/a%0d%0a /c",
      "1: expected escapes of UTF-8 such as %C3%A9, none for a slash, a backslash or a control; % itself is %25",
    ],
    ["a dot segment", "/a/../b /c", "1: expected a path without . segments and repeated slashes"],
    ["an empty segment", "/a//b /c", "1: expected a path without . segments and repeated slashes"],
    [":splat without a star", "/a /b/:splat", "1: expected * in the path: the target has :splat"],
    ["a star in the target", "/a/* /b/*", "1: expected :splat in the target for the part that * matches"],
    ["a rewrite with a query", "/a /b?c 200", "1: expected the path of a file after 200, without ? and #"],
  ])("%s", (_, file, expected) => {
    expect(answer(file)).toBe(expected);
  });

  test("is none in a byte order mark and in CRLF", () => {
    expect(answer("\ufeff/a /b\r\n/c /d 301\r\n", "/a")).toBe("302 /b");
    expect(answer("\ufeff/a /b\r\n/c /d 301\r\n", "/c")).toBe("301 /d");
  });
});

describe("a splat", () => {
  test.each<[string, string, string]>([
    ["/*.php /:splat", "/a/b.php", "302 /a/b"],
    ["/a/*/end/:x /:splat/:x", "/a/1/2/end/3", "302 /1/2/3"],
    ["/a/*/end/:x /:splat/:x", "/a/end/3", "-"],
    ["/a-*-z /:splat", "/a-z", "-"],
    ["/a-*-z /:splat", "/a--z", "302 /"],
    ["/* /x/:splat 200", "/", "200 /x/"],
    ["/:lang/* /x/:splat/:lang 200", "/de/a/b", "200 /x/a/b/de"],
  ])("%s for %s is %s", (file, path, expected) => {
    expect(answer(file, path)).toBe(expected);
  });
});

describe("a loop", () => {
  const file = (path: string) => path === "/file";
  test.each<[string, string]>([
    [
      "/a /b 200\n/b /a 200",
      "1: expected a target at the end of the rules of lines 1, 2: these rewrites whose targets are not files lead in a circle",
    ],
    [
      "/x /a 200\n/a/* /b/:splat 200\n/b/* /a/:splat 200",
      "2: expected a target at the end of the rules of lines 2, 3: these rewrites whose targets are not files lead in a circle",
    ],
    [
      "/a /b 301\n/b /a",
      "1: expected a target at the end of the rules of lines 1, 2: these redirects lead in a circle",
    ],
    ["/docs/* /docs/en/:splat 302", "1: expected a target that this rule does not match: the redirect has no end"],
  ])("%j is a mistake", (text, expected) => {
    expect(answer(text, "/", file)).toBe(expected);
  });

  test.each<[string]>([
    ["/* /index.html 200"],
    ["/a /file 200\n/file /a 200"],
    ["/a /b 301\n/b /a 200"],
    ["/a /b 200\n/b /c 200"],
    ["/a https://other.test/b\n/b /a"],
    ["/old/:x /new/:x 301\n/new/:x/ /new/:x 301"],
  ])("%j is not one", (text) => {
    expect(answer(text, "/", file)).not.toMatch(/^\d+: /);
  });

  test("in a chain of 2,000 redirects is found", () => {
    const chain = numbered(2000, (n) => `/a${n} /a${(n + 1) % 2000}`);
    expect(answer(chain)).toStartWith("1: expected a target at the end of the rules of lines 1, 2, 3, 4, …: these");
    expect(answer(chain.replace("/a1999 /a0", "/a1999 /b"), "/a7")).toBe("302 /a8");
  });
});
