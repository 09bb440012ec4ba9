/** Cache-Control by path, the name of the index, and pages that are not there: what a site says about its files. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CachePolicy } from "../../../src/handlers/files/cache-policy.ts";
import { parseSetting } from "../../../src/settings/kinds.ts";
import { resolveServerSettings } from "../../../src/settings/resolve.ts";
import { serverTable } from "../../../src/settings/server-settings.ts";
import { ask, makeSite, post, type Site } from "../../support/site.ts";

const IMMUTABLE = "public, max-age=31536000, immutable";
const NAVIGATION = { Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

function site(files: Record<string, string>, settings: NonNullable<Parameters<typeof makeSite>[0]>): Site {
  const made = makeSite(settings);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(made.root, path)), { recursive: true });
    writeFileSync(join(made.root, path), content);
  }
  return made;
}

describe("a pattern of paths", () => {
  const cases: [pattern: string, matched: string[], others: string[]][] = [
    ["/assets/**", ["/assets/a.js", "/assets/x/y.css"], ["/assets", "/x/assets/a.js", "/assetsx/a.js"]],
    ["assets/**", ["/assets/a.js"], ["/x/assets/a.js"]],
    ["/assets/*", ["/assets/a.js"], ["/assets/x/a.js"]],
    ["*.woff2", ["/a.woff2", "/x/y/a.woff2"], ["/a.woff", "/a.woff2/x"]],
    ["/*.js", ["/a.js"], ["/x/a.js"]],
    ["/x/**/a.js", ["/x/a.js", "/x/y/z/a.js"], ["/y/a.js"]],
    ["app.????????.js", ["/app.3fa9c2d1.js", "/x/app.3fa9c2d1.js"], ["/app.js", "/app.3fa9c2d.js"]],
    ["/[ab].js", ["/a.js", "/b.js"], ["/c.js"]],
    ["/[!ab].js", ["/c.js"], ["/a.js"]],
    ["**", ["/", "/a", "/x/y"], []],
    ["/a(b)+$.js", ["/a(b)+$.js"], ["/abb.js"]],
    ["/A.js", ["/A.js"], ["/a.js"]],
    ["/é.js", ["/é.js"], ["/e.js"]],
  ];
  for (const [pattern, matched, others] of cases) {
    test(`${pattern} matches ${matched.join(" and ")}, not ${others.join(", ")}`, () => {
      const policy = new CachePolicy({ cacheControl: "no-cache", immutable: [pattern], isPrivate: false });
      for (const path of matched) expect([path, policy.lineFor(path)[1]]).toEqual([path, IMMUTABLE]);
      for (const path of others) expect([path, policy.lineFor(path)[1]]).toEqual([path, "no-cache"]);
      expect(resolveServerSettings({ immutable: [pattern] }).immutable).toEqual([pattern]);
    });
  }

  for (const pattern of ["!/a", "/a.{js", "{a}", "/a\\*", "/[a", "/a]", "/[]", "/[a/b]", ""]) {
    test(`${JSON.stringify(pattern)} is refused at the start`, () => {
      expect(() => resolveServerSettings({ immutable: [pattern] })).toThrow("immutable");
    });
  }

  test("may be one of several", () => {
    const policy = new CachePolicy({ cacheControl: "max-age=60", immutable: ["*.js", "*.css"], isPrivate: false });
    expect(["/a.js", "/a.css", "/a.png"].map((path) => policy.lineFor(path)[1])).toEqual([
      IMMUTABLE,
      IMMUTABLE,
      "max-age=60",
    ]);
  });

  test("makes nothing public that is for known people", () => {
    const policy = new CachePolicy({ cacheControl: "no-cache", immutable: ["**"], isPrivate: true });
    expect(policy.lineFor("/a")[1]).toBe("private, max-age=31536000, immutable");
  });
});

describe("Cache-Control", () => {
  test("is on files, whole, in part and not modified, and not on refusals", async () => {
    const files = { "index.html": "", "page.html": "0123", "assets/a b.js": "0123" };
    using www = site(files, { cacheControl: "public, max-age=60", immutable: ["/assets/**"] });
    for (const [path, expected] of [
      ["/page.html", "public, max-age=60"],
      ["/assets/a%20b.js", IMMUTABLE],
    ] as const) {
      const whole = await ask(www, `GET ${path}`);
      const part = await ask(www, `GET ${path}`, { Range: "bytes=1-2" });
      const same = await ask(www, `GET ${path}`, { "If-None-Match": whole.fields["etag"] ?? "" });
      expect([whole, part, same].map(({ status }) => status)).toEqual([200, 206, 304]);
      for (const { fields } of [whole, part, same]) expect(fields["cache-control"]).toBe(expected);
    }
    expect((await ask(www, "GET /assets/none.js")).fields["cache-control"]).toBe("no-store");
  });

  test("of a folder is that of its index", async () => {
    using www = site({ "index.html": "", "d/index.html": "" }, { immutable: ["/index.html", "/d/"] });
    expect((await ask(www, "GET /")).fields["cache-control"]).toBe(IMMUTABLE);
    expect((await ask(www, "GET /d/")).fields["cache-control"]).toBe("no-cache");
  });

  test("takes a field's value and nothing that would end it", () => {
    const parsed = (text: string) => parseSetting(serverTable.cacheControl, text);
    expect(parsed(" public, max-age=3600 ")).toBe("public, max-age=3600");
    for (const text of ["", "  ", "a\r\nX: y", "a\0", "ä", "a\tb"]) expect(parsed(text)).toBeUndefined();
  });
});

describe("the index", () => {
  test("has the name that was chosen, and no other", async () => {
    using www = site({ "home.htm": "home", "d/home.htm": "d", "e/index.html": "e" }, { index: "home.htm" });
    expect((await ask(www, "GET /")).text).toBe("home");
    expect((await ask(www, "GET /")).fields["content-type"]).toBe("text/html; charset=utf-8");
    expect((await ask(www, "GET /d/")).text).toBe("d");
    expect((await ask(www, "GET /d")).fields["location"]).toBe("/d/");
    expect([(await ask(www, "GET /e/")).status, (await ask(www, "GET /e")).status]).toEqual([404, 404]);
  });

  test("is one file's name", () => {
    const parsed = (text: string) => parseSetting(serverTable.index, text);
    expect([parsed("home.htm"), parsed("Übersicht")]).toEqual(["home.htm", "Übersicht"]);
    for (const text of ["", ".", "..", "../x", "a/b", "/a", "a\\b", ".hidden", "a\0"])
      expect(parsed(text)).toBeUndefined();
  });
});

describe("with a page for all routes", () => {
  const files = { "index.html": "the app", "about.html": "about", "d/index.html": "d", "bare/x.txt": "" };
  const settings = { spa: true };

  test("whoever goes to a page that is not there gets it, by GET and by HEAD", async () => {
    using www = site(files, settings);
    for (const path of ["/users", "/users/42", "/users/", "/a.b/c", "/bare", "/bare/", "/users?x=.js", "/%C3%A9"]) {
      const { status, text, fields } = await ask(www, `GET ${path}`, NAVIGATION);
      expect([path, status, text, fields["vary"]]).toEqual([path, 200, "the app", "Accept"]);
      expect(fields["content-type"]).toBe("text/html; charset=utf-8");
      expect((await ask(www, `HEAD ${path}`, NAVIGATION)).fields).toEqual(fields);
    }
  });

  test("what is there is itself", async () => {
    using www = site(files, settings);
    expect((await ask(www, "GET /about.html", NAVIGATION)).text).toBe("about");
    expect((await ask(www, "GET /about.html", NAVIGATION)).fields).not.toHaveProperty("vary");
    expect((await ask(www, "GET /d", NAVIGATION)).status).toBe(308);
    expect((await ask(www, "GET /d/", NAVIGATION)).text).toBe("d");
  });

  test("missing assets, programs and other methods hear that it is not there", async () => {
    using www = site(files, settings);
    for (const path of ["/app.js", "/users/photo.png", "/d/x.html", "/.env", "/.well-known/change-password"]) {
      expect([path, (await ask(www, `GET ${path}`, NAVIGATION)).status]).toEqual([path, 404]);
    }
    for (const accept of [
      "*/*",
      "application/json",
      "text/*",
      "text/html;q=0, */*",
      "text/html;q=9",
      "image/avif,*/*",
    ]) {
      expect([accept, (await ask(www, "GET /users", { Accept: accept })).status]).toEqual([accept, 404]);
    }
    expect((await ask(www, "GET /users")).status).toBe(404);
    expect((await ask(www, "POST /users", NAVIGATION)).status).toBe(404);
    expect((await ask(www, "POST /", NAVIGATION)).status).toBe(405);
    expect((await ask(www, "PUT /users", NAVIGATION)).status).toBe(405);
    expect((await ask(www, "GET /upload", NAVIGATION)).status).toBe(405);
    expect((await post(www, "{}")).status).toBe(201);
    expect((await ask(www, "GET /../users", NAVIGATION)).status).toBe(403);
  });

  test("it is the root's index in all else: tag, conditions, coding, policy", async () => {
    using www = site(
      { "index.html": "the app ".repeat(500) },
      { ...settings, compress: true, immutable: ["/users/**"] },
    );
    const root = await ask(www, "GET /", { ...NAVIGATION, "Accept-Encoding": "br" });
    const route = await ask(www, "GET /users/1", { ...NAVIGATION, "Accept-Encoding": "br" });
    expect(route.fields).toEqual(root.fields);
    expect(route.fields).toMatchObject({
      vary: "Accept-Encoding, Accept",
      "content-encoding": "br",
      "cache-control": "no-cache",
    });
    const { etag = "" } = route.fields;
    const same = await ask(www, "GET /users/2", { ...NAVIGATION, "Accept-Encoding": "br", "If-None-Match": etag });
    expect(same.status).toBe(304);
  });

  test("a root without an index stays without", async () => {
    using www = site({ "about.html": "" }, settings);
    for (const path of ["/", "/users"]) expect((await ask(www, `GET ${path}`, NAVIGATION)).status).toBe(404);
  });

  test("another index is used as well; without the flag nothing is", async () => {
    using www = site({ "home.html": "home" }, { ...settings, index: "home.html" });
    expect((await ask(www, "GET /users", NAVIGATION)).text).toBe("home");
    using plain = site(files, {});
    expect((await ask(plain, "GET /users", NAVIGATION)).status).toBe(404);
  });
});
