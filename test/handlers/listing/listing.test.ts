/** A folder without its index, shown to people and to programs: what is in it, what is not, and that no name can do harm. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { openDocumentRoot } from "../../../src/handlers/files/document-root.ts";
import { chooseNames } from "../../../src/handlers/listing/folder.ts";
import { renderJson, renderPage } from "../../../src/handlers/listing/listing-page.ts";
import {
  type Entry,
  parseView,
  type SortKey,
  type SortOrder,
  sortEntries,
} from "../../../src/handlers/listing/view.ts";
import { FolderStore } from "../../../src/handlers/uploads/folder-store.ts";
import { openBelow } from "../../support/descriptors.ts";
import { addEmptyFiles } from "../../support/many-files.ts";
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

/** The names `n0000`, `n0001` and so on. */
function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `n${String(i).padStart(4, "0")}`);
}

async function namesIn(site: Site, path: string): Promise<readonly string[]> {
  const { status, text } = await ask(site, `GET ${path}`, JSON_WANTED);
  expect(status).toBe(200);
  return (JSON.parse(text) as { name: string }[]).map((item) => item.name);
}

/** The first page of the root's entries, as it is rendered. */
function pageOf(path: string, entries: readonly Entry[]): string {
  return renderPage("site", path, { entries, before: 0, total: entries.length, next: null }, parseView(""));
}

/** The path of every entry, as a browser would follow its link from `/`. */
function linksOf(page: string): readonly string[] {
  return [...page.matchAll(/<td><bdi><a href="([^"]*)">/g)].map(([, href = ""]) => new URL(href, "http://a/").pathname);
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
    expect(text).toContain(`<bdi><a href="a.txt">a.txt</a></bdi></td><td><data value="3">3 B</data></td>`);
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
    for (const line of ["GET /", "GET /dir/", "HEAD /", "POST /dir/", "GET /dir", "GET /none/"]) await ask(site, line);
    expect(openBelow(site.root)).toEqual([]);
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
    const page = pageOf(`/${hostile}/sub/`, [entry]);
    expect(page).not.toContain("<img");
    expect(page).not.toContain("'>");
    expect(page).toContain(`"'&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;`);
    expect([...page.matchAll(/href="([^"?]*)"/g)].map((match) => match[1])).toEqual([
      "/",
      "/%22%27%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26amp%3B/",
      "%22%27%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26amp%3B/",
    ]);
  });

  test("stand in links with nothing but unreserved characters, which the link's text repeats", async () => {
    using site = listed();
    const names = [...NAMES, "Ocean's Eleven.txt", "X:Y.html", "it's (new)!*.txt", "a&amp;b"].filter(
      (name) => !/\u202e/.test(name),
    );
    for (const name of names) writeFileSync(join(site.root, name), name);
    const { text } = await ask(site, "GET /");
    const found = [...text.matchAll(/<a href="([^"]*)">(.*?)<\/a>/g)].map(([, href = "", label = ""]) => {
      expect(href).toMatch(/^(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+$/);
      const read = label.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
      expect(decodeURIComponent(href)).toBe(read);
      return read;
    });
    expect(found.toSorted()).toEqual(names.toSorted());
  });

  test("of folders are their pages' titles, and the root's is that of its folder", async () => {
    using site = listed();
    mkdirSync(join(site.root, "a & b"));
    expect((await ask(site, "GET /a%20%26%20b/")).text).toContain("<title>a &amp; b</title>");
    expect((await ask(site, "GET /")).text).toContain(`<title>${basename(site.root)}</title>`);
  });

  test("are shown with their controls and direction marks written out, and joiners as they are", () => {
    const entries = ["a\nb", "c\u202ed", "👩‍💻"].map((name): Entry => ({ name, type: "file", size: 1, modifiedMs: 0 }));
    const page = pageOf("/", entries);
    for (const text of ["a\\x0ab", "c\\u202ed", "👩‍💻"]) expect(page).toContain(`>${text}</a>`);
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
    expect(parseView(query)).toEqual({ key, order, filter: "", after: "" });
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
    expect(text).toContain(
      `<th scope="col" aria-sort="descending"><form><button name="sort" value="size">Size</button>`,
    );
    expect(text).toContain(`<th scope="col"><form><button name="sort" value="name">Name</button></form></th>`);
    const { text: byName } = await ask(site, "GET /");
    const kept = `<input type="hidden" name="order" value="desc">`;
    expect(byName).toContain(`aria-sort="ascending"><form>${kept}<button name="sort" value="name">Name</button>`);
  });
});

describe("a large folder", () => {
  test("is cut to its first names, whatever order the disk gives them in, and says how many there are", async () => {
    const all = Array.from({ length: 9000 }, (_, index) => String((index * 7919) % 9000).padStart(4, "0"));
    const { names, total } = await chooseNames(all, 100, { after: "", isWanted: (name) => name !== "0005" });
    expect(total).toBe(8999);
    expect(names).toEqual(
      all
        .toSorted()
        .filter((name) => name !== "0005")
        .slice(0, 100),
    );
  });

  test("lets others work while it is looked through", async () => {
    const all = Array.from({ length: 100_000 }, (_, index) => `file-${(index * 7919) % 100_000}`);
    let turns = 0;
    const counter = setInterval(() => turns++, 0);
    await chooseNames(all, 2000, { after: "", isWanted: () => true });
    clearInterval(counter);
    expect(turns).toBeGreaterThan(5);
  });

  test("is told by pages, each with a link to the next, which together have every entry once", async () => {
    using site = listed();
    mkdirSync(join(site.root, "many"));
    const all = Array.from({ length: 4100 }, (_, i) => `it's ${i}`);
    addEmptyFiles(join(site.root, "many"), all);
    const seen: string[] = [];
    const sizes: number[] = [];
    for (let query: string | undefined = ""; query !== undefined; ) {
      const { fields, text } = await ask(site, `GET /many/${query}`, JSON_WANTED);
      const entries = JSON.parse(text) as Entry[];
      seen.push(...entries.map(({ name }) => name));
      sizes.push(entries.length);
      expect(fields["x-total-count"]).toBe("4100");
      query = /^<(\?[^>]*)>; rel="next"$/.exec(fields["link"] ?? "")?.[1];
    }
    expect(sizes).toEqual([2000, 2000, 100]);
    expect(seen.toSorted()).toEqual(all.toSorted());
  });

  test("has pages for people too, with links that crawlers follow and a place among all", async () => {
    using site = listed();
    addEmptyFiles(site.root, numbered(2010));
    const first = await ask(site, "GET /?sort=size&order=desc");
    expect(first.text).toContain("Entries 1 to 2,000 of 2,010 by name.");
    const next = /<a href="([^"]*)" rel="next">Next page</.exec(first.text)?.[1];
    expect(next).toBe("?after=n1999&sort=size&order=desc");
    const second = await ask(site, `GET /${next}`);
    expect(second.text).toContain("Entries 2,001 to 2,010 of 2,010 by name.");
    expect(second.text).toContain(`<a href="?sort=size&order=desc">First page</a>`);
    expect(second.fields["link"]).toBeUndefined();
    expect(linksOf(second.text)).toHaveLength(10);
    expect((await ask(site, "GET /?after=n1999")).text).toContain(`<a href="./">First page</a>`);
  });

  test("counts the same entries on each page, whatever GET would refuse among them", async () => {
    using site = listed();
    const counts = async (path: string) => {
      const found: (string | undefined)[] = [];
      for (const after of ["", "?after=n0", "?after=n1999", "?after=z"]) {
        found.push((await ask(site, `GET ${path}${after}`, JSON_WANTED)).fields["x-total-count"]);
      }
      return found;
    };
    for (const folder of ["few", "many"]) mkdirSync(join(site.root, folder));
    for (const folder of ["few", "many"]) symlinkSync("/etc/hostname", join(site.root, folder, "n0-link"));
    addEmptyFiles(join(site.root, "many"), numbered(2010));
    for (const name of ["n1", "n2", "n3"]) add(site, `few/${name}`);
    expect(await counts("/few/")).toEqual(["3", "3", "3", "3"]);
    // Whether GET would refuse an entry of another page is not known.
    expect(await counts("/many/")).toEqual(["2011", "2011", "2011", "2011"]);
  });

  test("has nothing on a page past its end, and says so", async () => {
    using site = listed();
    for (const name of ["a", "b"]) add(site, name);
    const { text } = await ask(site, "GET /?after=z");
    expect(text).toContain("<p>No entries follow.</p>");
    expect(text).toContain(`<p>2 entries. <a href="./">First page</a></p>`);
    expect(text).not.toContain("This folder is empty");
  });

  test("is filtered by the server, whatever the case and the form of accents, and the order stays", async () => {
    using site = listed();
    for (let i = 0; i < 30; i++) add(site, `part ${i}.txt`);
    for (const name of ["Cafe\u0301.md", "50% <off>.md"]) add(site, name);
    expect((await namesIn(site, "/?filter=PART%201")).length).toBe(11);
    expect(await namesIn(site, "/?filter=caf%C3%A9")).toEqual(["Cafe\u0301.md"]);
    // curl sends UTF-8 as it is typed.
    expect(await namesIn(site, "/?filter=caf\u00c3\u00a9")).toEqual(["Cafe\u0301.md"]);
    const { text } = await ask(site, "GET /?filter=%3Coff%3E&sort=size");
    expect(linksOf(text)).toEqual(["/50%25%20%3Coff%3E.md"]);
    expect(text).toContain(
      `name="filter" value="&#60;off&#62;"></label><input type="hidden" name="sort" value="size">`,
    );
    expect((await ask(site, "GET /?filter=nothing")).text).toContain(
      "<p>No name in this folder contains that text.</p>",
    );
  });

  test("has a filter, and a short one does not", () => {
    const entries = Array.from(
      { length: 25 },
      (_, i): Entry => ({ name: `${i}`, type: "file", size: 1, modifiedMs: 0 }),
    );
    expect(pageOf("/", entries)).toContain(`<form role="search">`);
    expect(pageOf("/", entries.slice(1))).not.toContain(`role="search"`);
  });
});

test("sizes and times are short, and those that are not known are empty", () => {
  const sizes = [0, 999, 1000, 1024, 10_240, 1_048_575, 5 * 2 ** 30];
  const entries = sizes.map((size): Entry => ({ name: `n${size}`, type: "file", size, modifiedMs: 1e15 }));
  const page = pageOf("/", [...entries, { name: "x", type: "file", size: null, modifiedMs: null }]);
  expect([...page.matchAll(/<data value="\d+">([^<]*)</g)].map((match) => match[1])).toEqual([
    "0 B",
    "999 B",
    "1.0 KB",
    "1.0 KB",
    "10 KB",
    "1.0 MB",
    "5.0 GB",
  ]);
  expect(page).toContain(`<time datetime="9999-12-31T23:59:59Z">9999-12-31 23:59</time>`);
  expect(page).toContain(">x</a></bdi></td><td></td><td></td></tr>");
  expect(renderJson([])).toBe("[]\n");
});
