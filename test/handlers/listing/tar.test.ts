/** `GET /dir/?tar`: what is in the archive, what is not, and what a client sees when the folder changes meanwhile. */
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { sortNames } from "../../../src/handlers/listing/folder.ts";
import { wantsArchive } from "../../../src/handlers/listing/view.ts";
import type { LiveSource, Response } from "../../../src/http/message.ts";
import { limits } from "../../../src/settings/limits.ts";
import { answerOf, ask, makeRequest, makeSite, responseTo, type Site } from "../../support/site.ts";
import { type Unpacked, unpack } from "../../support/tar.ts";
import { until } from "../../support/waiting.ts";

function listed(settings: Parameters<typeof makeSite>[0] = {}): Site {
  return makeSite({ listing: true, ...settings });
}

/** Writes files, by their paths below the root. */
function add(site: Site, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(site.root, path)), { recursive: true });
    writeFileSync(join(site.root, path), content);
  }
}

/** Files in a folder, and links to it, that make the length of an archive unknown: fifty times fifty entries. */
const MANY = 50;

/** Makes a folder in which links lead to as many empty files, because making so many takes seconds. */
function addMany(site: Site, folder: string): void {
  for (let i = 0; i < MANY; i++) add(site, { [`few/${i}`]: "" });
  mkdirSync(join(site.root, folder));
  for (let i = 0; i < MANY; i++) symlinkSync("../few", join(site.root, folder, `n${String(i).padStart(2, "0")}`));
  expect(MANY * MANY).toBeGreaterThan(limits.archiveKnownEntriesMax);
}

function archive(site: Site, path: string, fields = {}): Promise<Response> {
  return responseTo(site.handler, makeRequest(`GET ${path}`, fields));
}

function sourceOf({ content }: Response): LiveSource {
  if (content === null || !("whenMore" in content)) throw new Error("it is not live");
  return content;
}

/** Reads as a connection does to a kernel that takes at most `taken` bytes of each slice. Closes the source. */
async function read(source: LiveSource, limit = 65_536, taken = limit): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let position = 0;
  let isCalled = false;
  source.whenMore(() => {
    isCalled = true;
  });
  while (position < source.size) {
    const piece = Buffer.alloc(limit + 2, 0x21);
    const count = source.read(position, piece, 1, limit);
    expect([piece[0], piece[count + 1]]).toEqual([0x21, 0x21]);
    pieces.push(piece.subarray(1, 1 + Math.min(count, taken)));
    position += Math.min(count, taken);
    if (count > 0) continue;
    if (source.isOver || source.isCut === true) break;
    await until(() => isCalled, "the source to say that there is more");
    isCalled = false;
  }
  source.close();
  return Buffer.concat(pieces);
}

async function entriesOf(site: Site, path: string): Promise<readonly Unpacked[]> {
  return unpack(await read(sourceOf(await archive(site, path))));
}

async function pathsOf(site: Site, path: string): Promise<readonly string[]> {
  return (await entriesOf(site, path)).map((entry) => entry.path);
}

describe("the archive of a folder", () => {
  test("has everything in it, in the order of names, with times and modes", async () => {
    using site = listed();
    add(site, { "photos/b/2.txt": "two", "photos/a.txt": "", "photos/c": "x".repeat(300_000), "other/no": "" });
    mkdirSync(join(site.root, "photos/empty"));
    chmodSync(join(site.root, "photos/a.txt"), 0o700);
    const modified = new Date(Date.UTC(2026, 2, 15, 10, 30, 15));
    utimesSync(join(site.root, "photos/a.txt"), modified, modified);
    const entries = await entriesOf(site, "/photos/?tar");
    expect(entries.map(({ path, mode, size }) => [path, mode.toString(8), size])).toEqual([
      ["photos/", "755", 0],
      ["photos/a.txt", "755", 0],
      ["photos/b/", "755", 0],
      ["photos/b/2.txt", "644", 3],
      ["photos/c", "644", 300_000],
      ["photos/empty/", "755", 0],
    ]);
    expect(entries[1]?.mtime).toBe(modified.getTime() / 1000);
    expect(entries[3]?.content.toString()).toBe("two");
    expect(entries[4]?.content.toString()).toBe("x".repeat(300_000));
  });

  test("is a download under the folder's name, whose length is announced", async () => {
    using site = listed();
    add(site, { "Größe 1/a": "a" });
    const response = await archive(site, "/Gr%C3%B6%C3%9Fe%201/?tar=");
    const bytes = await read(sourceOf(response));
    expect([response.status, response.kind, response.fields.lines]).toEqual([
      200,
      "tar",
      [
        ["Content-Disposition", `attachment; filename="Gr__e 1.tar"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.tar`],
        ["Cache-Control", "no-store"],
        ["Accept-Ranges", "none"],
        ["X-Content-Type-Options", "nosniff"],
        ["Content-Type", "application/x-tar"],
        ["Content-Length", String(bytes.length)],
      ],
    ]);
    const head = await responseTo(site.handler, makeRequest("HEAD /Gr%C3%B6%C3%9Fe%201/?tar"));
    expect(head.fields.lines).toEqual(response.fields.lines);
    sourceOf(head).close();
  });

  test("of the root has the name of the root, and a range is not served", async () => {
    using site = listed();
    add(site, { a: "a" });
    const response = await archive(site, "/?tar", { Range: "bytes=0-1" });
    expect([response.status, response.fields.value("Content-Disposition")]).toEqual([
      200,
      `attachment; filename="www.tar"`,
    ]);
    expect(unpack(await read(sourceOf(response))).map(({ path }) => path)).toEqual(["www/", "www/a"]);
  });

  test("has no length if it has many entries, and is the same bytes however it is read", async () => {
    using site = listed();
    addMany(site, "many");
    add(site, { "many/m": "m".repeat(1000), "many/z": "z".repeat(200_000), "many/zz": "after" });
    const first = await archive(site, "/many/?tar");
    expect(first.fields.value("Content-Length")).toBeNull();
    const bytes = await read(sourceOf(first));
    expect(unpack(bytes).length).toBe(1 + MANY * (MANY + 1) + 3);
    for (const [limit, taken] of [
      [262_144, 262_144],
      [4096, 1000],
      [100_000, 70_001],
    ]) {
      expect((await read(sourceOf(await archive(site, "/many/?tar")), limit, taken)).equals(bytes)).toBe(true);
    }
  });

  test("is offered by a button of the listing, which no crawler follows", async () => {
    using site = listed();
    expect((await ask(site, "GET /")).text).not.toContain(`<button name="tar">`);
    add(site, { a: "" });
    const { text } = await ask(site, "GET /");
    expect(text).toContain(`<form><button name="tar">Download all as .tar</button></form>`);
    expect(text).not.toMatch(/href="[^"]*tar/);
  });

  test.each([
    ["tar", true],
    ["tar=", true],
    ["sort=size&tar", true],
    ["tart", false],
    ["filter=tar", false],
    ["", false],
  ])("is asked for by a parameter of that name: %j", (query, isWanted) => {
    expect(wantsArchive(query)).toBe(isWanted);
  });

  test("is not there without --listing, or where there is an index", async () => {
    using site = makeSite();
    add(site, { "dir/a": "a", "index.html": "index" });
    expect((await ask(site, "GET /dir/?tar")).status).toBe(404);
    using other = listed();
    add(other, { "index.html": "index" });
    expect((await ask(other, "GET /?tar")).text).toBe("index");
    expect((await ask(other, "POST /?tar")).status).toBe(405);
  });
});

describe("an archive leaves out", () => {
  test("what a listing leaves out: hidden names, special files, links that lead out or nowhere", async () => {
    using site = listed();
    add(site, {
      "dir/seen": "",
      "dir/.hidden": "",
      "dir/.git/config": "",
      "dir/back\\slash": "",
      "dir/two\nlines": "",
    });
    const dir = join(site.root, "dir");
    symlinkSync("seen", join(dir, "inside"));
    symlinkSync("/etc/hostname", join(dir, "outside"));
    symlinkSync("/etc", join(dir, "folder outside"));
    symlinkSync("nowhere", join(dir, "broken"));
    symlinkSync("loop", join(dir, "loop"));
    Bun.spawnSync(["mkfifo", join(dir, "pipe")]);
    expect(await pathsOf(site, "/dir/?tar")).toEqual(["dir/", "dir/inside", "dir/seen"]);
  });

  test("files that --strict-types refuses, and the uploads, which have an archive of their own", async () => {
    using site = listed({ strictTypes: true, serveUploads: true });
    add(site, { "a.html": "", "b.js": "", "uploads/secret.html": "" });
    writeFileSync(join(site.uploads, "one.json"), "{}");
    expect(await pathsOf(site, "/?tar")).toEqual(["www/", "www/a.html"]);
    expect(await pathsOf(site, "/uploads/?tar")).toEqual(["uploads/", "uploads/one.json"]);
  });

  test("links to a folder that they are in, and links to folders behind such links", async () => {
    using site = listed();
    add(site, { "a/x": "x", "b/y": "y" });
    symlinkSync("..", join(site.root, "a/up"));
    symlinkSync(".", join(site.root, "a/self"));
    symlinkSync("../b", join(site.root, "a/to b"));
    symlinkSync("../a", join(site.root, "b/to a"));
    expect(await pathsOf(site, "/?tar")).toEqual([
      "www/",
      ...["www/a/", "www/a/to b/", "www/a/to b/y", "www/a/x"],
      ...["www/b/", "www/b/to a/", "www/b/to a/x", "www/b/y"],
    ]);
  });

  test("nothing of a folder that is another place: links between ten folders have an end", async () => {
    using site = listed();
    const names = Array.from({ length: 10 }, (_, i) => `f${i}`);
    for (const name of names) add(site, { [`${name}/own`]: "" });
    for (const from of names) for (const to of names) symlinkSync(`../${to}`, join(site.root, from, to));
    // Ten folders, each with its own file and nine others, each of which has its own file.
    expect((await pathsOf(site, "/?tar")).length).toBe(1 + 10 * (2 + 9 * 2));
  });
});

describe("a folder that changes while its archive is sent", () => {
  test("cuts an archive of known length if a file has gone or become shorter", async () => {
    for (const change of [rmSync, (path: string) => truncateSync(path, 10)]) {
      using site = listed();
      add(site, { "dir/a": "a", "dir/b": "b".repeat(1000) });
      const source = sourceOf(await archive(site, "/dir/?tar"));
      change(join(site.root, "dir/b"));
      expect((await read(source)).length).toBeLessThan(source.size);
      expect([source.isCut, site.lines]).toEqual([true, ["the archive of /dir/ was cut: /dir/b has changed"]]);
    }
  });

  test("cuts an archive at a large file that becomes shorter within", async () => {
    using site = listed();
    add(site, { "dir/a": "a".repeat(400_000) });
    const source = sourceOf(await archive(site, "/dir/?tar"));
    let isCalled = false;
    source.whenMore(() => {
      isCalled = true;
    });
    expect(source.read(0, new Uint8Array(10), 0, 10)).toBe(0);
    await until(() => isCalled, "the first part");
    truncateSync(join(site.root, "dir/a"), 200_000);
    expect((await read(source)).length).toBe(2 * 512 + 200_000);
    expect(source.isCut).toBe(true);
  });

  test("gives no more of a file that has grown than its head says", async () => {
    using site = listed();
    add(site, { "dir/a": "a", "dir/b": "b" });
    const source = sourceOf(await archive(site, "/dir/?tar"));
    for (const name of ["a", "b"]) appendFileSync(join(site.root, "dir", name), "more".repeat(50_000));
    const contents = unpack(await read(source)).map(({ content }) => content.toString());
    expect(contents).toEqual(["", "a", "b"]);
  });

  test("gives what is there, if no length was announced", async () => {
    using site = listed();
    addMany(site, "dir");
    add(site, { "dir/a": "a", "dir/b": "b", "dir/z/1": "1", "dir/z/2": "2" });
    const source = sourceOf(await archive(site, "/dir/?tar"));
    rmSync(join(site.root, "dir/a"));
    appendFileSync(join(site.root, "dir/b"), "c");
    rmSync(join(site.root, "dir/z/1"));
    const entries = unpack(await read(source));
    expect(entries.filter(({ path }) => !path.includes("/n")).map(({ path, content }) => [path, `${content}`])).toEqual(
      [
        ["dir/", ""],
        ["dir/b", "bc"],
        ["dir/z/", ""],
        ["dir/z/2", "2"],
      ],
    );
  });
});

describe("one archive is sent at a time", () => {
  test("the next one is 503 until the first is closed, whichever folder it is of", async () => {
    using site = listed({ serveUploads: true });
    add(site, { "dir/a": "" });
    const first = await archive(site, "/dir/?tar");
    for (const path of ["/dir/?tar", "/?tar", "/uploads/?tar"]) {
      const next = answerOf(await archive(site, path));
      expect([next.status, next.fields["retry-after"]]).toEqual([503, "1"]);
    }
    expect((await ask(site, "GET /dir/")).status).toBe(200);
    sourceOf(first).close();
    expect(await pathsOf(site, "/dir/?tar")).toEqual(["dir/", "dir/a"]);
  });

  test("a page of another site cannot begin one", async () => {
    using site = listed();
    for (const [value, status] of [
      ["cross-site", 403],
      ["same-site", 200],
      ["same-origin", 200],
      ["none", 200],
    ] as const) {
      const response = await archive(site, "/?tar", { "Sec-Fetch-Site": value });
      expect([value, response.status]).toEqual([value, status]);
      if (status === 200) sourceOf(response).close();
    }
  });

  test("all descriptors come back, wherever its client leaves", async () => {
    using site = listed();
    add(site, { "dir/a": "a".repeat(300_000), "dir/b": "b".repeat(300_000), "dir/c": "c" });
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    for (const limit of [0, 1, 2000, 310_000, 700_000]) {
      const source = sourceOf(await archive(site, "/dir/?tar"));
      let isCalled = false;
      source.whenMore(() => {
        isCalled = true;
      });
      for (let position = 0; position < limit; ) {
        const count = source.read(position, new Uint8Array(1000), 0, Math.min(1000, limit - position));
        position += count;
        if (count > 0) continue;
        if (source.isOver) break;
        await until(() => isCalled, "more");
        isCalled = false;
      }
      source.close();
      source.close();
      await until(() => open() === before, "the descriptors to come back");
    }
  });
});

test("names are sorted by code unit, however many are sorted at once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ minLength: 1 })),
      fc.integer({ min: 1, max: 8 }),
      async (all, atOnce) => {
        const isWanted = (name: string) => !name.includes("a");
        const names = all.filter((name) => isWanted(name) && !name.startsWith(".") && !name.includes("\\"));
        expect(await sortNames(all, isWanted, atOnce)).toEqual(names.sort());
      },
    ),
  );
});
