/** A folder without its index, shown to people and to programs: what is in it, what is not, and that no name can do harm. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDocumentRoot } from "../../../src/handlers/files/document-root.ts";
import { chooseNames } from "../../../src/handlers/listing/folder.ts";
import {
  type Entry,
  parseSorting,
  renderJson,
  renderPage,
  type SortKey,
  type SortOrder,
  sortEntries,
} from "../../../src/handlers/listing/listing-page.ts";
import { FolderStore } from "../../../src/handlers/uploads/folder-store.ts";
import { ask, makeSite, type Site, usable } from "../../support/site.ts";

const JSON_WANTED = { Accept: "application/json" };
const HOSTILE = `<img src=x onerror=alert("1")>.txt`;
/** In JSON and as links; each must come back as the file of that name. */
const NAMES = [
  HOSTILE.replace("/", ""),
  `it's "quoted" & more`,
  "a space",
  "50% off",
  "what?",
  "#1",
  "javascript:alert(1)",
  "Grüße 🍣",
  "right\u202eto left",
  "a+b;c=d",
];

function listed(settings: Parameters<typeof makeSite>[0] = {}): Site {
  return makeSite({ listing: true, ...settings });
}

function add(site: Site, name: string, size = 0): void {
  writeFileSync(join(site.root, name), "");
  truncateSync(join(site.root, name), size);
}

async function namesIn(site: Site, path: string): Promise<readonly string[]> {
  const { status, text } = await ask(site, `GET ${path}`, JSON_WANTED);
  expect(status).toBe(200);
  return (JSON.parse(text) as { name: string }[]).map((item) => item.name);
}

/** Decoded `href` of every entry, as a browser would follow it from `/`. */
function linksOf(page: string): readonly string[] {
  return [...page.matchAll(/<td><a href="([^"]*)">/g)].map(
    ([, href = ""]) =>
      new URL(
        href.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
        "http://a/",
      ).pathname,
  );
}

describe("a folder without its index", () => {
  test("is 404 without the flag, with the slash and without", async () => {
    using site = makeSite();
    mkdirSync(join(site.root, "dir"));
    for (const path of ["/", "/dir/", "/dir"]) expect((await ask(site, `GET ${path}`)).status).toBe(404);
  });

  test("is a page with its fields, and the same head for HEAD", async () => {
    using site = listed();
    add(site, "a.txt", 3);
    const { status, fields, text, response } = await ask(site, "GET /");
    expect(status).toBe(200);
    expect(response.kind).toBe("listing");
    expect(fields).toEqual({
      etag: expect.stringMatching(/^"\w+"$/),
      "cache-control": "no-cache",
      vary: "Accept",
      "x-content-type-options": "nosniff",
      "x-total-count": "1",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "content-type": "text/html; charset=utf-8",
      "content-length": String(Buffer.byteLength(text)),
    });
    expect(text).toContain(`<a href="./a.txt"><bdi>a.txt</bdi></a></td><td><data value="3">3 B</data></td>`);
    expect((await ask(site, "HEAD /")).fields).toEqual(fields);
  });

  test("is asked for with the slash: without it the answer is a redirect that keeps the query", async () => {
    using site = listed();
    mkdirSync(join(site.root, "a dir"));
    const { status, fields } = await ask(site, "GET /a%20dir?sort=size");
    expect([status, fields["location"]]).toEqual([308, "/a%20dir/?sort=size"]);
    expect((await ask(site, "GET /a%20dir/")).text).toContain("<p>This folder is empty.</p>");
  });

  test("is not listed where there is an index, of whatever name", async () => {
    using site = listed({ index: "home.html" });
    writeFileSync(join(site.root, "home.html"), "home");
    expect((await ask(site, "GET /")).text).toBe("home");
  });

  test("is 404 where there is none, and a file with a slash behind it is none", async () => {
    using site = listed();
    add(site, "a.txt");
    for (const path of ["/none/", "/none", "/a.txt/"]) expect((await ask(site, `GET ${path}`)).status).toBe(404);
  });

  test("is 405 for what cannot be done with it", async () => {
    using site = listed();
    const { status, fields } = await ask(site, "POST /");
    expect([status, fields["allow"]]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });

  test("is JSON for who prefers that", async () => {
    using site = listed();
    add(site, "b.bin", 2048);
    mkdirSync(join(site.root, "sub"));
    const modified = new Date(Date.UTC(2026, 2, 15, 10, 30, 15));
    for (const name of ["b.bin", "sub"]) utimesSync(join(site.root, name), modified, modified);
    const { fields, text } = await ask(site, "GET /", JSON_WANTED);
    expect(fields["content-type"]).toBe("application/json");
    expect(JSON.parse(text)).toEqual([
      { name: "sub", type: "directory", size: null, modified: "2026-03-15T10:30:15Z" },
      { name: "b.bin", type: "file", size: 2048, modified: "2026-03-15T10:30:15Z" },
    ]);
  });

  test("is 304 for who has it, until a file in it changes", async () => {
    using site = listed();
    add(site, "a.bin", 1);
    const { etag = "" } = (await ask(site, "GET /")).fields;
    const again = await ask(site, "GET /", {
      "If-None-Match": etag,
      "If-Modified-Since": "Fri, 31 Dec 2055 00:00:00 GMT",
    });
    expect([again.status, again.fields]).toEqual([304, { etag, "cache-control": "no-cache", vary: "Accept" }]);
    // The JSON is another representation, with a tag of its own.
    expect((await ask(site, "GET /", { ...JSON_WANTED, "If-None-Match": etag })).status).toBe(200);
    expect((await ask(site, "GET /", { "If-Match": '"other"' })).status).toBe(412);
    // A time says nothing about a folder: there is no Last-Modified to compare it with.
    expect((await ask(site, "GET /", { "If-Modified-Since": "Fri, 31 Dec 2055 00:00:00 GMT" })).status).toBe(200);
    truncateSync(join(site.root, "a.bin"), 2);
    expect((await ask(site, "GET /", { "If-None-Match": etag })).status).toBe(200);
  });

  test("stays a page of its own beside --spa, whose routes never show the root", async () => {
    using site = listed({ spa: true });
    mkdirSync(join(site.root, "dir"));
    const navigating = { Accept: "text/html" };
    expect((await ask(site, "GET /dir/", navigating)).response.kind).toBe("listing");
    for (const path of ["/route", "/route/"]) expect((await ask(site, `GET ${path}`, navigating)).status).toBe(404);
    writeFileSync(join(site.root, "index.html"), "app");
    expect((await ask(site, "GET /route/", navigating)).text).toBe("app");
    expect((await ask(site, "GET /dir/", navigating)).response.kind).toBe("listing");
  });

  test("gives its descriptor back, whatever the answer", async () => {
    using site = listed();
    mkdirSync(join(site.root, "dir"));
    symlinkSync("dir", join(site.root, "link"));
    const before = readdirSync("/proc/self/fd").length;
    for (const line of ["GET /", "GET /dir/", "HEAD /", "POST /dir/", "GET /dir", "GET /none/"]) await ask(site, line);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

describe("a listing leaves out", () => {
  test("hidden names, those that every target is refused for, special files, and links that lead out or nowhere", async () => {
    using site = listed();
    for (const name of ["seen", ".hidden", "back\\slash", "two\nlines", "delete\x7f"]) add(site, name);
    mkdirSync(join(site.root, ".git"));
    symlinkSync("seen", join(site.root, "inside"));
    symlinkSync("/etc/hostname", join(site.root, "outside"));
    symlinkSync("/etc", join(site.root, "folder outside"));
    symlinkSync("nowhere", join(site.root, "broken"));
    Bun.spawnSync(["mkfifo", join(site.root, "pipe")]);
    expect(await namesIn(site, "/")).toEqual(["inside", "seen"]);
  });

  test("a name that is no UTF-8, because no target can name it", async () => {
    using site = listed();
    add(site, "good");
    writeFileSync(Buffer.concat([Buffer.from(`${site.root}/bad`), Buffer.from([0xff, 0xfe])]), "");
    expect(readdirSync(site.root).length).toBe(2);
    expect(await namesIn(site, "/")).toEqual(["good"]);
  });

  test("files that --strict-types refuses", async () => {
    using site = listed({ strictTypes: true });
    for (const name of ["a.html", "b.js"]) add(site, name);
    mkdirSync(join(site.root, "c.d"));
    expect(await namesIn(site, "/")).toEqual(["c.d", "a.html"]);
  });

  test("the uploads in the root, unless they are shown, and what stands behind the upload", async () => {
    for (const serveUploads of [false, true]) {
      using site = makeSite();
      for (const name of ["uploads", "own"]) mkdirSync(join(site.root, name));
      add(site, "upload");
      writeFileSync(join(site.root, "uploads/one.json"), "{}");
      writeFileSync(join(site.root, "uploads/.unfinished"), "{");
      const uploads = new FolderStore(usable(openDocumentRoot(join(site.root, "uploads"), "--uploads")), {
        now: Date.now,
      });
      const root = usable(openDocumentRoot(site.root, "--root")).without(uploads.root.realPath);
      using shop = makeSite({ listing: true, serveUploads }, { root, uploads });
      expect(await namesIn(shop, "/")).toEqual(serveUploads ? ["own", "uploads"] : ["own"]);
      if (serveUploads) expect(await namesIn(shop, "/uploads/")).toEqual(["one.json"]);
      else expect((await ask(shop, "GET /uploads/")).status).toBe(404);
    }
  });

  test("no folder that only has the name of the uploads", async () => {
    using site = listed();
    mkdirSync(join(site.root, "uploads"));
    expect(await namesIn(site, "/")).toEqual(["uploads"]);
    expect((await ask(site, "GET /uploads/")).status).toBe(200);
  });
});

describe("names", () => {
  test("of every kind come whole to programs, and each link of the page leads to its file", async () => {
    using site = listed();
    for (const name of NAMES) writeFileSync(join(site.root, name), name);
    expect((await namesIn(site, "/")).toSorted()).toEqual(NAMES.toSorted());
    const links = linksOf((await ask(site, "GET /")).text);
    const contents = await Promise.all(links.map(async (link) => (await ask(site, `GET ${link}`)).text));
    expect(contents.toSorted()).toEqual(NAMES.toSorted());
  });

  test("cannot become markup, in entries, title or breadcrumbs", () => {
    const hostile = `"'><img src=x onerror=alert(1)>&amp;`;
    const entry: Entry = { name: hostile, type: "directory", size: null, modifiedMs: 0 };
    const page = renderPage(`/${hostile}/sub/`, [entry], 0, parseSorting(""));
    expect(page).not.toContain("<img");
    expect(page).not.toContain("'>");
    expect(page).toContain("&#34;&#39;&#62;&#60;img src=x onerror=alert(1)&#62;&#38;amp;");
    expect([...page.matchAll(/href="([^"?]*)"/g)].map((match) => match[1])).toEqual([
      "/",
      "/%22&#39;%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%26amp%3B/",
      "./%22&#39;%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%26amp%3B/",
    ]);
  });

  test("are shown with their controls and direction marks written out, and joiners as they are", () => {
    const entries = ["a\nb", "c\u202ed", "👩‍💻"].map((name): Entry => ({ name, type: "file", size: 1, modifiedMs: 0 }));
    const page = renderPage("/", entries, 0, parseSorting(""));
    for (const text of ["a\\x0ab", "c\\u202ed", "👩‍💻"]) expect(page).toContain(`<bdi>${text}</bdi>`);
  });
});

describe("the order", () => {
  const entry = (name: string, size: number | null, modifiedMs: number): Entry => ({
    name,
    type: size === null ? "directory" : "file",
    size,
    modifiedMs,
  });
  const ENTRIES = [
    entry("f10", 5, 3),
    entry("f9", 5, 2),
    entry("F1", 7, 1),
    entry("zoo", null, 9),
    entry("ant", null, 8),
  ];

  test.each([
    ["name", "asc", "ant zoo F1 f9 f10"],
    ["name", "desc", "zoo ant f10 f9 F1"],
    ["size", "asc", "ant zoo f9 f10 F1"],
    ["size", "desc", "ant zoo F1 f9 f10"],
    ["time", "asc", "ant zoo F1 f9 f10"],
    ["time", "desc", "zoo ant f10 f9 F1"],
  ] as [SortKey, SortOrder, string][])("by %s, %s, has folders first and equal ones by name", (key, order, names) => {
    for (const entries of [ENTRIES, ENTRIES.toReversed()]) {
      expect(
        sortEntries(entries, { key, order })
          .map((item) => item.name)
          .join(" "),
      ).toBe(names);
    }
  });

  test.each([
    ["", "name", "asc"],
    ["?sort=size&order=desc", "size", "desc"],
    ["?order=desc&sort=time&x=1", "time", "desc"],
    ["?sort=Size&order=DESC", "name", "asc"],
    ["?sort=__proto__&order=%22%3E", "name", "asc"],
    ["?sort", "name", "asc"],
  ] as const)("asked for by %p is by %s, %s", (query, key, order) => {
    expect(parseSorting(query)).toEqual({ key, order });
  });

  test("is the one that the query asks for, in the page and in JSON", async () => {
    using site = listed();
    for (const [name, size] of [
      ["a", 1],
      ["b", 3],
      ["c", 2],
    ] as const)
      add(site, name, size);
    expect(await namesIn(site, "/?sort=size&order=desc")).toEqual(["b", "c", "a"]);
    const { text } = await ask(site, "GET /?sort=size&order=desc");
    expect(linksOf(text)).toEqual(["/b", "/c", "/a"]);
    expect(text).toContain(`<th scope="col" aria-sort="descending"><a href="?sort=size&amp;order=asc">Size</a>`);
    expect(text).toContain(`<th scope="col"><a href="?sort=name&amp;order=asc">Name</a></th>`);
  });
});

describe("a large folder", () => {
  test("is cut to its first names, whatever order the disk gives them in, and says how many there are", async () => {
    const all = Array.from({ length: 9000 }, (_, index) => String((index * 7919) % 9000).padStart(4, "0"));
    const { names, total } = await chooseNames(all, 100, (name) => name !== "0005");
    expect(total).toBe(8999);
    expect(names).toEqual(
      all
        .toSorted()
        .filter((name) => name !== "0005")
        .slice(0, 100),
    );
    const page = renderPage("/", [{ name: "0000", type: "file", size: 1, modifiedMs: 0 }], 12345, parseSorting(""));
    expect(page).toContain("The first 1 by name are shown, and there are 12,345 more.");
  });

  test("lets others work while it is looked through", async () => {
    const all = Array.from({ length: 100_000 }, (_, index) => `file-${(index * 7919) % 100_000}`);
    let turns = 0;
    const counter = setInterval(() => turns++, 0);
    await chooseNames(all, 2000, () => true);
    clearInterval(counter);
    expect(turns).toBeGreaterThan(5);
  });

  test("tells programs how many entries there are", async () => {
    using site = listed();
    for (let i = 0; i < 2010; i++) add(site, `n${i}`);
    const { fields, text } = await ask(site, "GET /", JSON_WANTED);
    expect([fields["x-total-count"], JSON.parse(text).length]).toEqual(["2010", 2000]);
  });
});

test("sizes and times are short, and those that are not known are empty", () => {
  const sizes = [0, 999, 1000, 1024, 10_240, 1_048_575, 5 * 2 ** 30];
  const entries = sizes.map((size): Entry => ({ name: `n${size}`, type: "file", size, modifiedMs: 1e15 }));
  const page = renderPage(
    "/",
    [...entries, { name: "x", type: "file", size: null, modifiedMs: null }],
    0,
    parseSorting(""),
  );
  expect([...page.matchAll(/<data value="\d+">([^<]*)</g)].map((match) => match[1])).toEqual([
    "0 B",
    "999 B",
    "1.0 KB",
    "1.0 KB",
    "10 KB",
    "1.0 MB",
    "5.0 GB",
  ]);
  expect(page).toContain(`<time datetime="9999-12-31T23:59:59Z"><span>9999-12-31</span> <span>23:59</span></time>`);
  expect(page).toContain("<bdi>x</bdi></a></td><td></td><td></td></tr>");
  expect(renderJson([])).toBe("[]\n");
});
