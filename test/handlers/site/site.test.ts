/** The folder by its own rules: which answer comes first, and what the rules cannot reach. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openStubs } from "../../../src/handlers/stubs/stubs.ts";
import { StartError } from "../../../src/settings/start-error.ts";
import { ask, type Site } from "../../support/site.ts";
import { StubGround } from "../stubs/folder.ts";
import { makeRuled, openRuled, outcome } from "./ground.ts";

const PAGES = {
  "index.html": "home",
  "about.html": "about",
  "docs/index.html": "docs",
  "docs/a.html": "a",
  "x.txt": "x",
};

describe("a redirect", () => {
  test("comes before a file, for every method but OPTIONS, and keeps the query", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/about.html /x.txt 301\n/old/* /docs/:splat 308\n" });
    expect(await outcome(site, "GET /about.html")).toBe("301 /x.txt");
    expect(await outcome(site, "HEAD /old/a?q=1&r")).toBe("308 /docs/a?q=1&r");
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "BREW"]) {
      expect(await outcome(site, `${method} /old/a`)).toBe("308 /docs/a");
    }
    expect(await outcome(site, "OPTIONS /old/a")).toBe("204 GET, HEAD, OPTIONS");
    expect(await outcome(site, "GET /old")).toBe("404");
  });

  test("is found by the decoded path, whatever its spelling", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/caf%C3%A9 /x.txt\n/b/:x /c/:x\n" });
    expect(await outcome(site, "GET /caf%c3%a9")).toBe("302 /x.txt");
    expect(await outcome(site, "GET /%63af%C3%A9")).toBe("302 /x.txt");
    expect(await outcome(site, "GET /b/%41%25%3F%23")).toBe("302 /c/A%25%3F%23");
  });

  test("never leads to another host by the request", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/go/* /:splat\n" });
    expect(await outcome(site, "GET /go//evil.test/")).toBe("302 /evil.test/");
    expect(await outcome(site, "GET /go/http://evil.test/")).toBe("302 /http:/evil.test/");
    expect(await outcome(site, "GET /go/%5cevil.test/")).toBe("403");
    expect(await outcome(site, "GET /go/..//evil.test/")).toBe("403");
  });

  test("whose Location is too long is refused", async () => {
    using site = makeRuled({ ...PAGES, _redirects: `/go/* /${":splat/".repeat(90)}\n` });
    expect(await outcome(site, `GET /go/${"x".repeat(1000)}`)).toBe("414");
  });
});

describe("a rewrite", () => {
  test("answers where there is no file, with the file, its type and its validators", async () => {
    using site = makeRuled({
      ...PAGES,
      _redirects: "/about.html /index.html 200\n/p/* /docs/:splat 200\n/* /index.html 200\n",
    });
    expect(await outcome(site, "GET /about.html")).toBe("200 about");
    const rewritten = await ask(site, "GET /p/a.html");
    const itself = await ask(site, "GET /docs/a.html");
    expect([rewritten.text, rewritten.fields]).toEqual(["a", itself.fields]);
    expect(await outcome(site, "GET /none/at/all")).toBe("200 home");
    expect(await outcome(site, "GET /none", { "If-None-Match": rewritten.fields["etag"] as string })).toBe("200 home");
    expect(await outcome(site, "GET /p/a.html", { "If-None-Match": rewritten.fields["etag"] as string })).toBe("304");
    expect(await outcome(site, "GET /p/a.html", { Range: "bytes=0-0" })).toBe("206 a");
    expect(await outcome(site, "POST /none")).toBe("405 GET, HEAD, OPTIONS");
  });

  test("finds a page without its extension, and the index of a folder, with and without a slash", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/1 /about 200\n/2 /docs/ 200\n/3 /docs 200\n/4 /none 200\n" });
    expect(await outcome(site, "GET /1")).toBe("200 about");
    expect(await outcome(site, "GET /2")).toBe("200 docs");
    expect(await outcome(site, "GET /3")).toBe("200 docs");
    expect(await outcome(site, "GET /4")).toBe("404");
  });

  test("applies once: the rule for its target does not", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/1 /2 200\n/2 /about 200\n/3 /4 200\n/4 /x.txt 301\n" });
    expect(await outcome(site, "GET /1")).toBe("404");
    expect(await outcome(site, "GET /2")).toBe("200 about");
    expect(await outcome(site, "GET /3")).toBe("404");
  });

  test("comes before a listing and before the index of an application", async () => {
    using site = makeRuled(
      { ...PAGES, "files/a.txt": "a", "other/b.txt": "b", _redirects: "/files/* /about 200\n/app/* /about 200\n" },
      { listing: true, spa: true },
    );
    expect(await outcome(site, "GET /files/")).toBe("200 about");
    expect(await outcome(site, "GET /app/x", { Accept: "text/html" })).toBe("200 about");
    expect(await outcome(site, "GET /route", { Accept: "text/html" })).toBe("200 home");
    expect((await ask(site, "GET /other/")).response.kind).toBe("listing");
  });

  test("never leads to a hidden file, the rules, or out of the folder", async () => {
    using site = makeRuled({
      ...PAGES,
      ".env": "secret",
      "in/.x": "secret",
      _REDIRECTS: "the rules themselves, on a disk without case",
      _redirects:
        "/1 /.env 200\n/2-:x /in/.:x 200\n/3 /_redirects 200\n/4-:x /docs/.:x/index.html 200\n/5 /_REDIRECTS 200\n",
    });
    for (const path of ["/1", "/2-x", "/3", "/4-.", "/4-x", "/5"])
      expect(await outcome(site, `GET ${path}`)).toBe("404");
  });
});

describe("a page", () => {
  test("is found without its extension, and redirected to from a path with a slash", async () => {
    using site = makeRuled({ ...PAGES, "guide.html": "guide", "guide/intro.html": "intro" }, { listing: true });
    expect(await outcome(site, "GET /about")).toBe("200 about");
    expect(await outcome(site, "GET /about.html")).toBe("200 about");
    expect(await outcome(site, "GET /about/?q")).toBe("308 /about?q");
    expect(await outcome(site, "GET /guide")).toBe("200 guide");
    expect(await outcome(site, "GET /guide/")).toBe("308 /guide");
    expect(await outcome(site, "GET /guide/intro")).toBe("200 intro");
    expect(await outcome(site, "GET /docs")).toBe("308 /docs/");
    expect(await outcome(site, "GET /docs/a")).toBe("200 a");
    expect(await outcome(site, "GET /x")).toBe("404");
    expect(await outcome(site, "PUT /about")).toBe("405 GET, HEAD, OPTIONS");
  });

  test("and a folder with an index come before a rewrite", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/docs /about 200\n/about /docs/a 200\n" });
    expect(await outcome(site, "GET /docs")).toBe("308 /docs/");
    expect(await outcome(site, "GET /about")).toBe("200 about");
  });

  test("is not found so without --site", async () => {
    using site = makeRuled(PAGES, {}, { site: null });
    expect(await outcome(site, "GET /about")).toBe("404");
  });

  test("gets a precompressed form", async () => {
    using site = makeRuled({ ...PAGES, "about.html.gz": "coded" }, { precompressed: true });
    const answer = await ask(site, "GET /about", { "Accept-Encoding": "gzip" });
    expect([answer.text, answer.fields["content-encoding"]]).toEqual(["coded", "gzip"]);
  });
});

describe("the rules file", () => {
  test("is 404 by every name, and in no listing", async () => {
    using site = makeRuled({ "a.txt": "a", _redirects: "/x /y\n" }, { listing: true, cleanPaths: true });
    symlinkSync("_redirects", join(site.root, "link"));
    symlinkSync(".", join(site.root, "self"));
    for (const path of ["/_redirects", "/%5fredirects", "/_REDIRECTS", "/self/_redirects", "/link", "/_redirects/"]) {
      expect(await outcome(site, `GET ${path}`)).toBe("404");
    }
    expect(await outcome(site, "GET /.//_redirects")).toBe("308 /_redirects");
    const listed = await ask(site, "GET /", { Accept: "application/json" });
    expect(JSON.parse(listed.text).map(({ name }: { name: string }) => name)).toEqual(["self", "a.txt"]);
  });

  test("is an ordinary file without --site", async () => {
    using site = makeRuled({ _redirects: "/x /y\n" }, {}, { site: null });
    expect(await outcome(site, "GET /_redirects")).toBe("200 /x /y");
    expect(await outcome(site, "GET /x")).toBe("404");
  });

  test("with a mistake ends the start, with file and line", () => {
    expect(() => makeRuled({ _redirects: "# rules\n\n/a\n" })).toThrow(
      new StartError("dist/_redirects:3: expected a target after the path: FROM TO [CODE]"),
    );
    expect(() => makeRuled({ "_redirects/a": "" })).toThrow(
      new StartError("dist/_redirects: expected a file, got a folder"),
    );
  });

  test("that leads out of the folder ends the start", () => {
    using outer = makeRuled({ rules: "/a /b\n", "www/a.txt": "a" });
    symlinkSync("../rules", join(outer.root, "www/_redirects"));
    expect(() => openRuled(join(outer.root, "www"))).toThrow(
      new StartError("dist/_redirects: expected a file, got a link that leads out of the folder"),
    );
  });

  test("is read again when it has changed; a mistake keeps the old rules and is told once", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/a /1\n" });
    const path = join(site.root, "_redirects");
    expect(await outcome(site, "GET /a")).toBe("302 /1");
    writeFileSync(path, "/a /2\n");
    expect(await outcome(site, "GET /a")).toBe("302 /2");
    writeFileSync(path, "/a\n");
    for (let i = 0; i < 3; i++) expect(await outcome(site, "GET /a")).toBe("302 /2");
    expect(site.warnings).toEqual([
      "dist/_redirects:1: expected a target after the path: FROM TO [CODE]; the rules before this change stay",
    ]);
    rmSync(path);
    expect(await outcome(site, "GET /a")).toBe("404");
    mkdirSync(path);
    expect(await outcome(site, "GET /a")).toBe("404");
    expect(await outcome(site, "GET /_redirects/")).toBe("404");
    rmSync(path, { recursive: true });
    writeFileSync(join(site.root, "new"), "/a /3 308\n");
    renameSync(join(site.root, "new"), path);
    expect(await outcome(site, "GET /a")).toBe("308 /3");
    expect(site.warnings).toHaveLength(2);
  });

  test("with the same mistake again, after it was mended, is told again", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/a /1\n" });
    for (const text of ["/a\n", "/a /1\n", "/a\n"]) {
      writeFileSync(join(site.root, "_redirects"), text);
      expect(await outcome(site, "GET /a")).toBe("302 /1");
    }
    expect(site.warnings).toHaveLength(2);
  });

  test("that is old is not read again", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/a /1\n" });
    const path = join(site.root, "_redirects");
    utimesSync(path, new Date(0), new Date(0));
    expect(await outcome(site, "GET /a")).toBe("302 /1");
  });
});

describe("beside other parts", () => {
  test("a stub comes before the rules, and a redirect counts as GET", async () => {
    using ground = new StubGround({ "old/GET.http": "stub", "form/POST.http": "posted" });
    const stubs = openStubs({ realPath: ground.path, shown: "stubs", warn: () => {} }, null);
    using site = makeRuled({ ...PAGES, _redirects: "/old /about\n/form /about 303\n" }, {}, { stubs });
    expect(await outcome(site, "GET /old")).toBe("200 stub");
    expect(await outcome(site, "POST /form")).toBe("200 posted");
    expect(await outcome(site, "GET /form")).toBe("303 /about");
    expect(await outcome(site, "OPTIONS /form")).toBe("204 GET, HEAD, POST, OPTIONS");
    expect(await outcome(site, "GET /about")).toBe("200 about");
  });

  test("origins of other sites are named in a redirect, and a preflight is granted", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/old /about\n" }, { cors: ["https://app.test"] });
    const origin = { Origin: "https://app.test" };
    expect((await ask(site, "GET /old", origin)).fields["access-control-allow-origin"]).toBe("https://app.test");
    const preflight = await ask(site, "OPTIONS /old", { ...origin, "Access-Control-Request-Method": "GET" });
    expect(preflight.fields["access-control-allow-methods"]).toBe("GET, HEAD, OPTIONS");
  });

  test("uploads and their folder are not reached by rules", async () => {
    using site = makeRuled({ ...PAGES, _redirects: "/upload /about 307\n/* /about 200\n" });
    expect(await outcome(site, "GET /upload")).toBe("405 POST, OPTIONS");
    expect(await outcome(site, "GET /other")).toBe("200 about");
  });
});

describe("fields", () => {
  const RULES =
    "/*\n  X-All: 1\n/about\n  Cache-Control: max-age=60\n  Content-Type: text/x-about\n  ! X-Content-Type-Options\n";

  test("of _headers go with files, also with parts of them, without change, and in place of the server's", async () => {
    using site = makeRuled({ ...PAGES, _headers: RULES });
    const { fields } = await ask(site, "GET /about");
    expect([fields["x-all"], fields["cache-control"], fields["content-type"]]).toEqual([
      "1",
      "max-age=60",
      "text/x-about",
    ]);
    expect(fields).not.toHaveProperty("x-content-type-options");
    expect((await ask(site, "GET /about.html")).fields["cache-control"]).toBe("no-cache");
    const unchanged = await ask(site, "GET /about", { "If-None-Match": fields["etag"] as string });
    expect([unchanged.status, unchanged.fields["x-all"], unchanged.fields["content-type"]]).toEqual([
      304,
      "1",
      undefined,
    ]);
    const part = await ask(site, "GET /about", { Range: "bytes=0-1" });
    expect([part.status, part.fields["content-type"]]).toEqual([206, "text/x-about"]);
    const parts = await ask(site, "GET /about", { Range: "bytes=0-0,2-2" });
    expect(parts.fields["content-type"]).toStartWith("multipart/byteranges; boundary=");
    expect((await ask(site, "HEAD /about")).fields).toEqual(fields);
  });

  test("go with a hot file each time, by the path of the request", async () => {
    using site = makeRuled({ ...PAGES, _headers: RULES });
    for (const path of ["/about.html", "/about.html", "/about", "/about.html"]) {
      const expected = path === "/about" ? "max-age=60" : "no-cache";
      expect((await ask(site, `GET ${path}`)).fields["cache-control"]).toBe(expected);
    }
  });

  test("do not go with redirects, listings, stubs and refusals", async () => {
    using ground = new StubGround({ "api/GET.http": "stub" });
    const stubs = openStubs({ realPath: ground.path, shown: "stubs", warn: () => {} }, null);
    using site = makeRuled(
      { "a.txt": "a", _headers: RULES, _redirects: "/old /a.txt\n" },
      { listing: true },
      { stubs },
    );
    for (const line of ["GET /old", "GET /", "GET /api", "POST /a.txt", "GET /none", "GET /x/%2e%2e/"]) {
      expect((await ask(site, line)).fields).not.toHaveProperty("x-all");
    }
    expect((await ask(site, "GET /a.txt")).fields).toHaveProperty("x-all");
  });

  test("that a flag sets are the flag's, and Strict-Transport-Security is --hsts's", async () => {
    const _headers =
      "/*\n  X-Robots-Tag: all\n  Access-Control-Allow-Origin: *\n  X-Frame-Options: DENY\n  Strict-Transport-Security: max-age=1\n  X-B: 1\n";
    using free = makeRuled({ ...PAGES, _headers });
    const all = Object.keys((await ask(free, "GET /about")).fields);
    expect(all).toContain("x-robots-tag");
    expect(all).toContain("access-control-allow-origin");
    expect(all).toContain("x-frame-options");
    expect(all).not.toContain("strict-transport-security");
    using bound = makeRuled(
      { ...PAGES, _headers },
      { headers: ["X-Robots-Tag: noindex"], cors: ["https://app.test"], securityHeaders: true },
    );
    const left = Object.keys((await ask(bound, "GET /about")).fields);
    expect(left.filter((name) => /^(?:x-robots|access-|x-frame|strict)/.test(name))).toEqual([]);
    expect(left).toContain("x-b");
  });

  test("come from a file that is 404 itself, ends the start with a mistake, and is read again", async () => {
    using site = makeRuled({ ...PAGES, _headers: "/*\n  X-A: 1\n" });
    expect(await outcome(site, "GET /_headers")).toBe("404");
    expect(() => makeRuled({ _headers: "/*\n  Connection: close\n" })).toThrow(
      new StartError("dist/_headers:2: Connection cannot be set: it belongs to the connection, not to an answer"),
    );
    writeFileSync(join(site.root, "_headers"), "/*\n  X-A: 2\n");
    expect((await ask(site, "GET /about")).fields["x-a"]).toBe("2");
    writeFileSync(join(site.root, "_headers"), "/*\n  X-A 3\n");
    expect((await ask(site, "GET /about")).fields["x-a"]).toBe("2");
    expect(site.warnings).toEqual([
      "dist/_headers:2: expected a field line, 'Name: value', or '! Name'; the rules before this change stay",
    ]);
  });
});

describe("404.html", () => {
  const SITE = { ...PAGES, "404.html": "top page", "docs/404.html": "docs page", _headers: "/none\n  X-A: 1\n" };
  const textOf = async (site: Site, line: string, fields: Record<string, string> = {}) => {
    const { status, text } = await ask(site, line, fields);
    return `${status} ${text}`;
  };

  test("of the nearest folder answers for a missing path, with 404 and the fields of the path", async () => {
    using site = makeRuled(SITE);
    expect(await textOf(site, "GET /none")).toBe("404 top page");
    expect(await textOf(site, "GET /docs/none")).toBe("404 docs page");
    expect(await textOf(site, "GET /docs/none/at/all/")).toBe("404 docs page");
    expect(await textOf(site, "GET /other/none")).toBe("404 top page");
    expect(await textOf(site, "GET /about.html/x")).toBe("404 top page");
    expect(await textOf(site, "GET /.git/config")).toBe("404 top page");
    expect(await textOf(site, "GET /_headers")).toBe("404 top page");
    expect(await textOf(site, "POST /none")).toBe("404 top page");
    expect(await textOf(site, `GET ${"/a".repeat(4000)}`)).toBe("404 top page");
    const { fields } = await ask(site, "GET /none", { Accept: "application/json" });
    expect(fields).toEqual({
      "content-type": "text/html; charset=utf-8",
      "content-length": "8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-a": "1",
    });
    expect(await textOf(site, "GET /404.html")).toBe("200 top page");
    expect(await textOf(site, "GET /404")).toBe("200 top page");
  });

  test("knows no conditions and ranges", async () => {
    using site = makeRuled(SITE);
    expect(await textOf(site, "GET /none", { "If-None-Match": "*", Range: "bytes=0-1" })).toBe("404 top page");
    expect(await textOf(site, "GET /none", { "If-Match": '"x"' })).toBe("404 top page");
  });

  test("is read again, and not missed when it is gone, a folder, too large, or a link that leads out", async () => {
    using site = makeRuled({ ...SITE, "outer/404.html/x": "" });
    const page = join(site.root, "404.html");
    writeFileSync(page, "new");
    expect(await textOf(site, "GET /none")).toBe("404 new");
    expect(await textOf(site, "GET /outer/none")).toBe("404 new");
    const OWN = expect.stringContaining("There is no such file here.");
    writeFileSync(page, "x".repeat((1 << 20) + 1));
    expect(await textOf(site, "GET /none")).toEqual(OWN);
    rmSync(page);
    expect(await textOf(site, "GET /none")).toEqual(OWN);
    symlinkSync("/etc/passwd", page);
    expect(await textOf(site, "GET /none")).toEqual(OWN);
  });

  test("is not looked for in hidden folders, and no deeper than 32 folders", async () => {
    const deep = "d/".repeat(40);
    using site = makeRuled({ ...SITE, ".git/404.html": "hidden", [`${deep}404.html`]: "deep", "d/404.html": "d" });
    expect(await textOf(site, "GET /.git/config")).toBe("404 top page");
    expect(await textOf(site, `GET /${deep}none`)).toBe("404 d");
  });

  test("is not shown for a rewrite, a listing or the index of an application", async () => {
    using site = makeRuled({ ...SITE, _redirects: "/app/* /about 200\n" }, { spa: true });
    expect(await textOf(site, "GET /app/x")).toBe("200 about");
    expect(await textOf(site, "GET /route", { Accept: "text/html" })).toBe("200 home");
    expect(await textOf(site, "GET /route")).toBe("404 top page");
  });

  test("is an ordinary file without --site", async () => {
    using site = makeRuled(SITE, {}, { site: null });
    expect(await outcome(site, "GET /none")).toBe("404");
  });
});
