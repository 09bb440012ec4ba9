import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DocumentRoot, OpenFailure } from "../../../src/handlers/files/document-root.ts";
import { entityTag } from "../../../src/handlers/files/file-conditions.ts";
import { IN_MEMORY_BYTES_MAX } from "../../../src/handlers/files/representation.ts";
import type { Response } from "../../../src/http/message.ts";
import { openBelow } from "../../support/descriptors.ts";
import {
  answerOf,
  ask,
  contentOf,
  makeRequest,
  makeSite,
  NOW_MS,
  respondTo,
  responseTo,
  type Site,
} from "../../support/site.ts";

const LARGE_BYTES = IN_MEMORY_BYTES_MAX + 1;

/** Every position has a byte that tells it from its neighbours. */
function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 255);
}

function site(files: Record<string, string | Uint8Array>, settings: Parameters<typeof makeSite>[0] = {}): Site {
  const made = makeSite(settings);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(made.root, path, ".."), { recursive: true });
    writeFileSync(join(made.root, path), content);
  }
  return made;
}

test("a page is sent with its type, its validators and its length", async () => {
  using www = site({ "a.html": "<p>é" });
  const { status, fields, text } = await ask(www, "GET /a.html?x=1");
  expect(status).toBe(200);
  expect(text).toBe("<p>é");
  expect(fields).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "content-length": "5",
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    etag: expect.stringMatching(/^"[!#-~]+"$/),
    "last-modified": expect.stringMatching(/ GMT$/),
  });
  expect(fields).not.toHaveProperty("content-disposition");
});

test("the root and a folder give their index; a folder without one is not there", async () => {
  using www = site({
    "index.html": "root",
    "dir/index.html": "dir",
    "bare/x.html": "x",
    "odd/index.html/index.html": "x",
  });
  expect((await ask(www, "GET /")).text).toBe("root");
  expect((await ask(www, "GET /dir/")).text).toBe("dir");
  for (const path of ["/bare", "/bare/", "/odd", "/odd/", "/none", "/none/", "/index.html/", "/index.html/x"]) {
    expect([path, (await ask(www, `GET ${path}`)).status]).toEqual([path, 404]);
  }
});

test("a folder without its slash is redirected to a path of this server, encoded again and with the query", async () => {
  using www = site({ "dir/index.html": "", "a b?#%é/index.html": "", "a/evil.com/index.html": "" });
  const cases = [
    ["/dir?a=%2f&b", "/dir/?a=%2f&b"],
    ["/a%20b%3F%23%25%C3%A9", "/a%20b%3F%23%25%C3%A9/"],
    ["/a//evil.com", "/a//evil.com/"],
    ['/dir?q=50%&f={"a":1}', "/dir/?q=50%25&f=%7B%22a%22:1%7D"],
    ["/dir?p=C:\\x|\xc3\xa9[]", "/dir/?p=C:%5Cx%7C%C3%A9[]"],
  ] as const;
  for (const [path, location] of cases) {
    const { status, fields, content } = await ask(www, `GET ${path}`);
    expect([status, fields["location"], fields["content-length"], content.length]).toEqual([308, location, "0", 0]);
  }
});

test("a redirect cannot name another host, even where nothing has refused the path before", async () => {
  using www = site({ "evil.com/index.html": "" });
  const response = await respondTo(www.handler, makeRequest("GET //evil.com"));
  expect(answerOf(response).fields["location"]).toBe("/evil.com/");
});

test("txt, png, jpg and jpeg are downloads with their name", async () => {
  using www = site({ "a.txt": "", "b.PNG": "", "c.jpg": "", "d.jpeg": "" });
  for (const name of ["a.txt", "b.PNG", "c.jpg", "d.jpeg"]) {
    const { fields } = await ask(www, `GET /${name}`);
    expect(fields["content-type"]).toBe("application/octet-stream");
    expect(fields["content-disposition"]).toBe(`attachment; filename="${name}"`);
  }
});

test("inline sends every file with its own type and no disposition", async () => {
  using www = site({ "a.txt": "", "b.png": "", "c.jpeg": "" }, { inline: true });
  const types = { "a.txt": "text/plain; charset=utf-8", "b.png": "image/png", "c.jpeg": "image/jpeg" };
  for (const [name, type] of Object.entries(types)) {
    const { fields } = await ask(www, `GET /${name}`);
    expect(fields["content-type"]).toBe(type);
    expect(fields).not.toHaveProperty("content-disposition");
  }
});

test("download names are quoted, and given in UTF-8 where ASCII cannot say them", async () => {
  const cases: [name: string, disposition: string][] = [
    ["a b;c.txt", 'attachment; filename="a b;c.txt"'],
    ['q"q.txt', `attachment; filename="q\\"q.txt"; filename*=UTF-8''q%22q.txt`],
    ["é€😀.txt", `attachment; filename="___.txt"; filename*=UTF-8''%C3%A9%E2%82%AC%F0%9F%98%80.txt`],
    ["100%41.txt", `attachment; filename="100%41.txt"; filename*=UTF-8''100%2541.txt`],
    ["(x)'*!.txt", `attachment; filename="(x)'*!.txt"`],
    ["é(x)'*!.txt", `attachment; filename="_(x)'*!.txt"; filename*=UTF-8''%C3%A9%28x%29%27%2A!.txt`],
  ];
  using www = site(Object.fromEntries(cases.map(([name]) => [name, "x"])));
  for (const [name, disposition] of cases) {
    const { status, fields } = await ask(www, `GET /${encodeURIComponent(name)}`);
    expect([name, status, fields["content-disposition"]]).toEqual([name, 200, disposition]);
  }
});

test("a name with any byte that a file system and a target allow is found", async () => {
  using www = makeSite();
  for (let code = 0x20; code < 0x250; code++) {
    const character = String.fromCharCode(code);
    if (character === "/" || character === "\\" || (code >= 0x7f && code < 0xa0)) continue;
    const name = `n${character}.html`;
    writeFileSync(join(www.root, name), name);
    expect([code, (await ask(www, `GET /${encodeURIComponent(name)}`)).text]).toEqual([code, name]);
  }
});

test("strict types refuses what the seeds refused, and only what exists", async () => {
  using www = site({ "a.html": "", "a.txt": "", "a.css": "", "b.js": "", noext: "" }, { strictTypes: true });
  const statuses = { "a.html": 200, "a.txt": 200, "a.css": 415, "b.js": 415, noext: 415, "none.css": 404 };
  for (const [name, status] of Object.entries(statuses)) {
    expect([name, (await ask(www, `GET /${name}`)).status]).toEqual([name, status]);
  }
});

test("HEAD is GET without content: the same fields, small and large", async () => {
  using www = site({ "small.html": "x", "large.bin": pattern(LARGE_BYTES) });
  for (const name of ["small.html", "large.bin"]) {
    const get = await ask(www, `GET /${name}`);
    const head = await ask(www, `HEAD /${name}`, { Range: "bytes=0-0" });
    expect(head.status).toBe(200);
    expect(head.fields).toEqual(get.fields);
  }
});

test("a large file comes whole from its source, whatever the pieces", async () => {
  const content = pattern(LARGE_BYTES + 5000);
  using www = site({ "large.bin": content });
  const answer = await ask(www, "GET /large.bin");
  expect(answer.response.content).not.toBeInstanceOf(Uint8Array);
  expect(Buffer.compare(answer.content, content)).toBe(0);
  expect(answer.fields["content-length"]).toBe(String(content.length));
});

test("an entity tag changes with the bytes, even when size and times do not", async () => {
  using www = site({ "a.html": "one" });
  const path = join(www.root, "a.html");
  utimesSync(path, 1000, 1000);
  const first = (await ask(www, "GET /a.html")).fields;
  writeFileSync(path, "two");
  utimesSync(path, 1000, 1000);
  const second = (await ask(www, "GET /a.html")).fields;
  expect(second["last-modified"]).toBe(first["last-modified"] as string);
  expect(second["etag"]).not.toBe(first["etag"] as string);
});

test("a larger file keeps its entity tag when it moves into memory, and its bytes are the same", async () => {
  const content = pattern(LARGE_BYTES);
  using www = makeSite({}, { fileCache: { bytesMax: 1 << 24, maxAgeMs: 0 } });
  writeFileSync(join(www.root, "large.bin"), content);
  utimesSync(join(www.root, "large.bin"), 1000, 1000);
  const tags = new Set<string | null>();
  const isInMemory: boolean[] = [];
  for (let i = 0; i < 3; i++) {
    const answer = await respondTo(www.handler, makeRequest("GET /large.bin"));
    tags.add(answer.fields.value("ETag"));
    isInMemory.push(answer.content instanceof Uint8Array);
    if (answer.content instanceof Uint8Array) expect(Buffer.compare(answer.content, content)).toBe(0);
    else if (answer.content !== null && "close" in answer.content) answer.content.close();
  }
  expect(isInMemory).toEqual([false, true, true]);
  expect(tags.size).toBe(1);
});

test("an entity tag tells apart any two of times, size, inode and bytes", () => {
  const stats = { mtimeMs: 1.001, ctimeMs: 23, size: 4, ino: 5 };
  const bytes = new Uint8Array([1, 2, 3, 4]);
  const tags = [
    entityTag(stats, null),
    entityTag(stats, bytes),
    entityTag(stats, new Uint8Array([1, 2, 3, 5])),
    entityTag({ ...stats, mtimeMs: 1.002 }, null),
    entityTag({ ...stats, ctimeMs: 23.001 }, null),
    entityTag({ ...stats, size: 5 }, null),
    entityTag({ ...stats, ino: 4 }, null),
    // The same digits, parted elsewhere.
    entityTag({ ...stats, size: 45, ino: 0 }, null),
  ];
  expect(new Set(tags).size).toBe(tags.length);
  expect(entityTag({ ...stats }, bytes.slice())).toBe(tags[1] as string);
});

test("Last-Modified is never later than now, nor before 1970", async () => {
  using www = site({ "future.html": "", "past.html": "" });
  utimesSync(join(www.root, "future.html"), NOW_MS / 1000 + 9999, NOW_MS / 1000 + 9999);
  execFileSync("touch", ["-d", "@-5000", join(www.root, "past.html")]);
  expect((await ask(www, "GET /future.html")).fields["last-modified"]).toBe("Fri, 15 Mar 2030 12:34:56 GMT");
  expect((await ask(www, "GET /past.html")).fields["last-modified"]).toBe("Thu, 01 Jan 1970 00:00:00 GMT");
});

test("what the client has is 304 with the validators, and no content", async () => {
  using www = site({ "a.html": "x", "large.bin": pattern(LARGE_BYTES) });
  for (const name of ["a.html", "large.bin"]) {
    const { fields } = await ask(www, `GET /${name}`);
    const { etag = "", "last-modified": modified = "" } = fields;
    for (const condition of [{ "If-None-Match": etag }, { "If-None-Match": "*" }, { "If-Modified-Since": modified }]) {
      const answer = await ask(www, `GET /${name}`, condition);
      expect(answer.status).toBe(304);
      expect(answer.fields).toEqual({
        etag,
        "last-modified": modified,
        "cache-control": "no-cache",
      });
      expect(answer.response.content).toBeNull();
    }
    const other = await ask(www, `GET /${name}`, { "If-None-Match": '"other"', "If-Modified-Since": modified });
    expect(other.status).toBe(200);
  }
});

test("a precondition that fails is 412; on a missing file the file's absence wins", async () => {
  using www = site({ "a.html": "x" });
  expect((await ask(www, "GET /a.html", { "If-Match": '"other"' })).status).toBe(412);
  expect((await ask(www, "GET /a.html", { "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT" })).status).toBe(412);
  expect((await ask(www, "GET /none.html", { "If-Match": '"other"' })).status).toBe(404);
});

test("a range is 206 with exactly its bytes", async () => {
  const content = pattern(LARGE_BYTES);
  using www = site({ "small.bin": content.subarray(0, 1000), "large.bin": content });
  for (const [name, size] of [
    ["small.bin", 1000],
    ["large.bin", LARGE_BYTES],
  ] as const) {
    const cases: [range: string, first: number, last: number][] = [
      ["bytes=0-0", 0, 0],
      ["bytes=10-19", 10, 19],
      [`bytes=${size - 1}-`, size - 1, size - 1],
      ["bytes=-7", size - 7, size - 1],
      ["bytes=990-99999999", 990, size - 1],
    ];
    for (const [range, first, last] of cases) {
      const { status, fields, content: part } = await ask(www, `GET /${name}`, { Range: range });
      expect([status, fields["content-range"]]).toEqual([206, `bytes ${first}-${last}/${size}`]);
      expect(fields["content-length"]).toBe(String(last - first + 1));
      expect(Buffer.compare(part, content.subarray(first, last + 1))).toBe(0);
    }
  }
});

test("several ranges are one multipart content of the length it says", async () => {
  const content = pattern(LARGE_BYTES);
  using www = site({ "small.bin": content.subarray(0, 1000), "large.bin": content });
  for (const [name, size] of [
    ["small.bin", 1000],
    ["large.bin", LARGE_BYTES],
  ] as const) {
    const answer = await ask(www, `GET /${name}`, { Range: "bytes=0-1,500-699,-3" });
    expect(answer.status).toBe(206);
    expect(answer.fields).not.toHaveProperty("content-range");
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{24})$/.exec(answer.fields["content-type"] ?? "")?.[1];
    const part = (first: number, last: number) =>
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n` +
      Buffer.from(content.subarray(first, last + 1)).toString("latin1");
    const expected = `${part(0, 1)}${part(500, 699)}${part(size - 3, size - 1)}\r\n--${boundary}--\r\n`;
    expect(Buffer.from(answer.content).toString("latin1")).toBe(expected);
    expect(answer.fields["content-length"]).toBe(String(expected.length));
  }
});

test("a multipart content is the same whatever the pieces it is pulled in, and a cut file ends it early", async () => {
  using www = site({ "large.bin": pattern(LARGE_BYTES) });
  const make = () => responseTo(www.handler, makeRequest("GET /large.bin", { Range: "bytes=0-9,60000-60999,-50" }));
  const boundaryOf = (text: string) => text.slice(4, 28);
  const texts = [];
  for (const limit of [1, 7, 100, 100_000]) {
    const text = Buffer.from(contentOf(await make(), limit)).toString("latin1");
    texts.push(text.replaceAll(boundaryOf(text), "boundary"));
  }
  expect(new Set(texts).size).toBe(1);
  const cut = await make();
  truncateSync(join(www.root, "large.bin"), 60_500);
  const text = Buffer.from(contentOf(cut, 100_000)).toString("latin1");
  const [whole = ""] = texts;
  expect(text.length).toBeGreaterThan(500);
  expect(whole).toStartWith(text.replaceAll(boundaryOf(text), "boundary"));
  expect(whole.length - text.length).toBeGreaterThan(500);
});

test("ranges of a file in memory hold no copy of it, one or several", async () => {
  const content = pattern(1_048_576);
  using www = makeSite({}, { fileCache: { bytesMax: 1 << 24, maxAgeMs: 0 } });
  writeFileSync(join(www.root, "hot.bin"), content);
  utimesSync(join(www.root, "hot.bin"), 1000, 1000);
  for (let i = 0; i < 3; i++) (await ask(www, "GET /hot.bin")).content;
  for (const range of ["bytes=0-524000", "bytes=0-524000,524001-1048575"]) {
    const held: Response[] = [];
    Bun.gc(true);
    const before = heapStats().extraMemorySize;
    for (let i = 0; i < 100; i++)
      held.push(await responseTo(www.handler, makeRequest("GET /hot.bin", { Range: range })));
    Bun.gc(true);
    expect(heapStats().extraMemorySize - before).toBeLessThan(held.length * 8192);
    const text = Buffer.from(contentOf(held[0] as Response, 100_000)).toString("latin1");
    expect(text).toContain(Buffer.from(content.subarray(0, 524_001)).toString("latin1"));
  }
});

test("a large file that is not kept is read while it is sent, however often it is requested", async () => {
  using www = makeSite({}, { fileCache: { bytesMax: 1 << 24, maxAgeMs: 0 } });
  for (const name of ["old.bin", "new.bin"]) writeFileSync(join(www.root, name), pattern(1_048_576));
  utimesSync(join(www.root, "old.bin"), 1000, 1000);
  utimesSync(join(www.root, "new.bin"), NOW_MS / 1000 + 9999, NOW_MS / 1000 + 9999);
  symlinkSync("old.bin", join(www.root, "link.bin"));
  for (const path of ["/link.bin", "/new.bin"]) {
    for (let i = 0; i < 4; i++) {
      const { content } = await responseTo(www.handler, makeRequest(`GET ${path}`));
      expect([path, content !== null && "size" in content && content.memory]).toEqual([path, null]);
      if (content !== null && "size" in content) content.close();
    }
  }
});

test("a range beyond the end is 416 and says the size; If-Range of another version gives the whole", async () => {
  using www = site({ "a.html": "0123456789", "empty.html": "" });
  const beyond = await ask(www, "GET /a.html", { Range: "bytes=10-" });
  expect([beyond.status, beyond.fields["content-range"]]).toEqual([416, "bytes */10"]);
  expect((await ask(www, "GET /empty.html", { Range: "bytes=0-" })).fields["content-range"]).toBe("bytes */0");
  const { etag = "" } = (await ask(www, "GET /a.html")).fields;
  expect((await ask(www, "GET /a.html", { Range: "bytes=1-2", "If-Range": etag })).text).toBe("12");
  expect((await ask(www, "GET /a.html", { Range: "bytes=1-2", "If-Range": '"old"' })).text).toBe("0123456789");
});

test("no descriptor stays open, whatever is answered", async () => {
  using www = site({ "a.html": "x", "large.bin": pattern(LARGE_BYTES), "d/index.html": "", "bare/x": "" });
  const { etag = "" } = (await ask(www, "GET /large.bin")).fields;
  const conditions = [
    {},
    { "If-None-Match": etag },
    { "If-Match": '"x"' },
    { Range: "bytes=999999999-" },
    { Range: "bytes=1-2" },
    { Range: "bytes=1-2,5-6" },
  ];
  for (const method of ["GET", "HEAD", "POST"]) {
    for (const path of ["/a.html", "/large.bin", "/d", "/d/", "/bare", "/bare/", "/none", "/bare/none"]) {
      for (const condition of conditions) await ask(www, `${method} ${path}`, condition);
    }
  }
  expect(openBelow(www.folder)).toEqual([]);
});

test("a source that is closed twice closes one descriptor, and reads nothing after", async () => {
  using www = site({ "large.bin": pattern(LARGE_BYTES) });
  const response = await responseTo(www.handler, makeRequest("GET /large.bin"));
  const { content } = response;
  if (content === null || !("size" in content)) throw new Error("not a source");
  expect(openBelow(www.folder)).toHaveLength(1);
  content.close();
  content.close();
  expect(openBelow(www.folder)).toEqual([]);
  expect(content.read(0, new Uint8Array(10), 0, 10)).toBe(0);
});

test("a file deleted while it is sent is sent to its end; one that is cut ends early", async () => {
  const content = pattern(LARGE_BYTES);
  using www = site({ "gone.bin": content, "cut.bin": content });
  const gone = await responseTo(www.handler, makeRequest("GET /gone.bin"));
  unlinkSync(join(www.root, "gone.bin"));
  expect(Buffer.compare(answerOf(gone).content, content)).toBe(0);
  const cut = await responseTo(www.handler, makeRequest("GET /cut.bin"));
  truncateSync(join(www.root, "cut.bin"), 5000);
  expect(answerOf(cut).content.length).toBe(5000);
});

test("a link that stays inside is followed, also to a hidden place", async () => {
  using www = site({ "a.html": "a", ".data/x.html": "hidden" });
  symlinkSync("a.html", join(www.root, "link.html"));
  symlinkSync(".data", join(www.root, "volume"));
  expect((await ask(www, "GET /link.html")).text).toBe("a");
  expect((await ask(www, "GET /volume/x.html")).text).toBe("hidden");
});

test("a link that leaves the root is refused and reported, in the last component and in an ancestor", async () => {
  using www = site({ "index.html": "" });
  // A sibling whose path starts with the root's own: a test of the bare prefix would let it through.
  const outside = `${www.root}-backup`;
  mkdirSync(join(outside, "sub"), { recursive: true });
  for (const name of ["canary.html", "sub/canary.html", "sub/index.html"]) writeFileSync(join(outside, name), "canary");
  symlinkSync(join(outside, "canary.html"), join(www.root, "last.html"));
  symlinkSync("../www-backup", join(www.root, "ancestor"));
  mkdirSync(join(www.root, "deep"));
  symlinkSync("..", join(www.root, "deep", "up"));
  symlinkSync("../..", join(www.root, "deep", "out"));
  const refused = [
    "/last.html",
    "/ancestor",
    "/ancestor/",
    "/ancestor/canary.html",
    "/ancestor/sub",
    "/ancestor/sub/",
    "/ancestor/sub/canary.html",
    "/deep/out/www-backup/canary.html",
    // Nor does a refusal tell what exists outside.
    "/ancestor/none.html",
    "/ancestor/none/none",
  ];
  for (const path of refused) {
    const { status, text, response } = await ask(www, `GET ${path}`);
    expect([path, status]).toEqual([path, 403]);
    expect(text).not.toContain("canary");
    expect(response.incident).toContain(path);
  }
  expect((await ask(www, "GET /deep/up/deep/out/www/index.html")).status).toBe(200);
  expect(openBelow(www.folder)).toEqual([]);
});

test("a FIFO, a socket, a circle of links and an endless name are not there, at once", async () => {
  using www = makeSite();
  execFileSync("mkfifo", [join(www.root, "fifo.html")]);
  using listener = Bun.listen({ unix: join(www.root, "socket.html"), socket: { data() {} } });
  symlinkSync("circle.html", join(www.root, "circle.html"));
  symlinkSync("/dev/zero", join(www.root, "zero.html"));
  for (const path of [
    "/fifo.html",
    "/socket.html",
    "/circle.html",
    "/zero.html",
    `/${"n".repeat(300)}`,
    `/${"n/".repeat(3000)}`,
  ]) {
    expect([path, (await ask(www, `GET ${path}`)).status]).toEqual([path, 404]);
  }
  expect(listener.unix).toContain("socket.html");
});

test("a hard link is the file it is, and a file without a known type is bytes", async () => {
  using www = site({ "a.unheardof": "a" });
  linkSync(join(www.root, "a.unheardof"), join(www.root, "b.unheardof"));
  const { text, fields } = await ask(www, "GET /b.unheardof");
  expect([text, fields["content-type"]]).toEqual(["a", "application/octet-stream"]);
});

test("a failing disk is 500, no descriptors left is 503 for a moment, both told to the operator; no permission is 403", async () => {
  const cases: [failure: OpenFailure, status: number, lines: number][] = [
    [OpenFailure.Broken, 500, 1],
    [OpenFailure.Busy, 503, 1],
    [OpenFailure.Forbidden, 403, 0],
  ];
  for (const [failure, status, lines] of cases) {
    class FailingRoot extends DocumentRoot {
      override open(): OpenFailure {
        return failure;
      }
    }
    using www = makeSite({}, { root: new FailingRoot("/nowhere") });
    for (const method of ["GET", "HEAD", "POST"]) {
      const answer = await ask(www, `${method} /a.html`);
      expect([answer.status, answer.response.incident]).toEqual([status, null]);
      expect("retry-after" in answer.fields).toBe(status === 503);
    }
    expect(www.lines).toHaveLength(lines);
  }
});
