/** The site below a prefix: the same answers as without it, and nothing outside. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { BaseMount } from "../../src/handlers/base.ts";
import type { HandlerOptions } from "../../src/handlers/compose.ts";
import { Httpbin } from "../../src/handlers/httpbin/httpbin.ts";
import { openStubs } from "../../src/handlers/stubs/stubs.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { ask, makeRequest, NOW_MS, responseTo, type Site } from "../support/site.ts";
import { makeRuled, openRuled, outcome, writeFiles } from "./site/ground.ts";
import { message, StubGround } from "./stubs/folder.ts";

const FILES = {
  "index.html": "home",
  "about.html": "about",
  "404.html": "lost",
  "docs/index.html": "docs",
  "list/a b.txt": "a",
  "list/sub/ü.txt": "u",
  upload: "a file called upload",
  "uploads/x.txt": "a file below uploads",
  ".env": "secret",
  _redirects: "/old/* /docs/:splat\n/away https://other.test/repo/\n/app/* /about 200\n/:a/to/:b /:b/:a?x#f 307\n",
  _headers: "/docs/*\n  X-Docs: :splat\n",
};

const BASED = { base: "/repo" };

describe("with --base", () => {
  test("the site stands below it, and its root and the path without a slash are redirected to it", async () => {
    using site = makeRuled(FILES, BASED, { base: BaseMount });
    expect(await outcome(site, "GET /repo/")).toBe("200 home");
    expect(await outcome(site, "GET /repo/about")).toBe("200 about");
    expect(await outcome(site, "GET /%72epo/about?x")).toBe("200 about");
    expect(await outcome(site, "GET /?a=1&b")).toBe("308 /repo/?a=1&b");
    expect(await outcome(site, "GET /repo?a")).toBe("308 /repo/?a");
    expect(await outcome(site, "POST /")).toBe("308 /repo/");
    expect(await outcome(site, "OPTIONS /")).toBe("204 GET, HEAD, OPTIONS");
  });

  test("other paths are 404, also such that begin alike", async () => {
    using site = makeRuled(FILES, BASED, { base: BaseMount });
    for (const path of ["/about", "/repository", "/repo.html", "/Repo/", "/index.html", "/repos/about"]) {
      expect(await outcome(site, `GET ${path}`)).toBe("404");
      expect(await outcome(site, `PUT ${path}`)).toBe("404");
    }
    expect(await outcome(site, "GET /repo//evil.test/")).toBe("403");
    expect(await outcome(site, "GET /repo/../about")).toBe("403");
    expect(await outcome(site, "GET /repo/%2e%2e/repo/about")).toBe("403");
  });

  test("the prefix is in every redirect, link and Location of this server, and in no other", async () => {
    using site = makeRuled(FILES, { ...BASED, listing: true, cleanPaths: true }, { base: BaseMount });
    expect(await outcome(site, "GET /repo/docs?q")).toBe("308 /repo/docs/?q");
    expect(await outcome(site, "GET /repo/about/")).toBe("308 /repo/about");
    expect(await outcome(site, "GET /repo/old/x?q")).toBe("302 /repo/docs/x?q");
    expect(await outcome(site, "GET /repo/1/to/2")).toBe("307 /repo/2/1?x#f");
    expect(await outcome(site, "GET /repo/away")).toBe("302 https://other.test/repo/");
    expect(await outcome(site, "GET /repo//./about")).toBe("308 /repo/about");
    const { text } = await ask(site, "GET /repo/list/sub/");
    expect([...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual([
      "/repo/",
      "/repo/list/",
      "%C3%BC.txt",
    ]);
  });

  test("uploads stay where they are, and their names below the prefix are files", async () => {
    using site = makeRuled(FILES, { ...BASED, listing: true, serveUploads: true }, { base: BaseMount });
    const head = { "Content-Type": "application/json", "Content-Length": "2" };
    const made = await responseTo(site.handler, makeRequest("POST /upload", head, new TextEncoder().encode("{}")));
    expect(made.status).toBe(201);
    expect(await outcome(site, `GET ${made.fields.value("Location")}`)).toBe("200 {}");
    expect(await outcome(site, "GET /repo/upload")).toBe("200 a file called upload");
    expect(await outcome(site, "GET /repo/uploads/x.txt")).toBe("200 a file below uploads");
    const listed = await ask(site, "GET /repo/uploads/", { Accept: "application/json" });
    expect(listed.text).toContain('"x.txt"');
  });

  test("stubs and httpbin are matched below it; a stub's Location is its own", async () => {
    using ground = new StubGround({
      "api/GET.http": message("api", 201, "Location: /api/7\n"),
      "form/POST.http": "posted",
    });
    const stubs = openStubs({ realPath: ground.path, shown: "stubs", warn: () => {} }, null);
    const settings = { host: "127.0.0.1", fixtureToken: "", maxBodyBytes: 1000, httpbin: "/bin", ...BASED };
    const httpbin = new Httpbin({ settings, time: new ManualClock(NOW_MS) });
    using site = makeRuled(FILES, { ...BASED, cors: ["https://app.test"] }, { base: BaseMount, stubs, httpbin });
    expect(await outcome(site, "GET /repo/api")).toBe("201 /api/7");
    expect(await outcome(site, "GET /api")).toBe("404");
    expect(await outcome(site, "POST /repo/form")).toBe("200 posted");
    expect(await outcome(site, "GET /repo/bin/relative-redirect/2")).toBe("302 /repo/bin/relative-redirect/1");
    expect(await outcome(site, "OPTIONS /repo/form")).toBe("204 POST, OPTIONS");
    const preflight = { Origin: "https://app.test", "Access-Control-Request-Method": "POST" };
    expect((await ask(site, "OPTIONS /repo/form", preflight)).fields["access-control-allow-methods"]).toBe(
      "POST, OPTIONS",
    );
  });
});

describe("for every path, the base and the path", () => {
  let folder: string;
  let plain: Site;
  let based: Site;

  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "base-")));
    // Names that another part answers for without a base are compared above.
    const { upload: _upload, "uploads/x.txt": _uploaded, ...files } = FILES;
    writeFiles(folder, files);
    const settings: Partial<HandlerOptions["settings"]> = { listing: true };
    const uploads = { uploads: null };
    plain = openRuled(folder, settings, uploads);
    based = openRuled(folder, { ...settings, ...BASED }, { ...uploads, base: BaseMount });
  });

  afterAll(() => {
    plain[Symbol.dispose]();
    based[Symbol.dispose]();
  });

  const segment = fc.oneof(
    fc.constantFrom(
      "",
      "about",
      "about.html",
      "docs",
      "list",
      "sub",
      "old",
      "app",
      "away",
      "to",
      "a%20b.txt",
      "%C3%BC.txt",
      "404",
    ),
    fc.constantFrom(
      ".",
      "..",
      ".env",
      "%2e",
      "%2e%2e",
      "_redirects",
      "_headers",
      "%5fheaders",
      "index.html",
      "%2f",
      "%5c",
      "x%25",
    ),
    fc
      .string({ unit: fc.constantFrom("a", "b", "-", "~", "[", "é", "%41"), maxLength: 4 })
      .map((text) => encodeURI(text).replaceAll("%25", "%")),
  );
  const target = fc.tuple(fc.array(segment, { maxLength: 5 }), fc.constantFrom("", "?", "?a=1", "?filter=a&x=%zz"));
  const method = fc.constantFrom("GET", "HEAD", "POST", "PUT", "OPTIONS");

  test("answer as the path does without a base, but for the prefix", async () => {
    await fc.assert(
      fc.asyncProperty(method, target, async (verb, [segments, query]) => {
        const path = `/${segments.join("/")}${query}`;
        const [without, below] = [await ask(plain, `${verb} ${path}`), await ask(based, `${verb} /repo${path}`)];
        expect(below.status).toBe(without.status);
        const { location, ...fields } = without.fields;
        const { location: prefixed, ...others } = below.fields;
        const isOwn = location?.startsWith("/") === true;
        expect(prefixed).toBe(isOwn ? `/repo${location}` : location);
        if (below.response.kind === "listing") {
          expect(below.text.replaceAll('href="/repo/', 'href="/')).toBe(without.text);
        } else {
          expect([others, below.text]).toEqual([fields, without.text]);
        }
      }),
      { numRuns: 1500, seed: 7 },
    );
  });
});
