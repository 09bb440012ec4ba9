/** The contract's table of answers, row by row, by a server in this process and a client that is nothing but a socket. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, type ServerLog, type StartOptions, startServer } from "../../src/index.ts";
import { type Answer, RawClient, request } from "../support/raw-client.ts";

const PAGE = "<!doctype html><title>page</title>";
const IMAGE = Uint8Array.from({ length: 3000 }, (_, i) => (i * 7) % 256);
const JSON_BODY = '{"name": "example",  "n": 1}\n';

let folder = "";
let server: RunningServer;
const warnings: string[] = [];

const log: ServerLog = {
  access: null,
  info() {},
  detail: null,
  warn: (text) => warnings.push(text),
  error: (text, cause) => warnings.push(`error: ${text} ${cause}`),
};

function options(more: StartOptions = {}): StartOptions {
  return { port: 0, root: join(folder, "root"), uploads: join(folder, "uploads"), log, ...more };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "answers-"));
  const root = join(folder, "root");
  for (const name of ["root/docs", "root/empty", "root/.well-known", "root/.git", "outside", "root-backup"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  writeFileSync(join(root, "index.html"), PAGE);
  writeFileSync(join(root, "x.html"), PAGE);
  writeFileSync(join(root, "docs", "index.html"), PAGE);
  writeFileSync(join(root, "logo.png"), IMAGE);
  writeFileSync(join(root, "photo.jpg"), IMAGE);
  writeFileSync(join(root, "photo.jpeg"), IMAGE);
  writeFileSync(join(root, "note.txt"), "note");
  writeFileSync(join(root, "naïve.txt"), "note");
  writeFileSync(join(root, "100%25.txt"), "literal");
  writeFileSync(join(root, "style.css"), "p { color: red }");
  writeFileSync(join(root, "clip.mp4"), IMAGE);
  writeFileSync(join(root, ".env"), "SECRET=1");
  writeFileSync(join(root, ".git", "config"), "secret");
  writeFileSync(join(root, ".well-known", "security.txt"), "Contact: us");
  writeFileSync(join(folder, "outside", "secret.txt"), "secret");
  writeFileSync(join(folder, "root-backup", "secret.txt"), "secret");
  symlinkSync(join(folder, "outside", "secret.txt"), join(root, "leak.txt"));
  symlinkSync(join(folder, "outside"), join(root, "leak"));
  server = await startServer(options());
});

afterAll(async () => {
  await server.stop({ force: true });
  rmSync(folder, { recursive: true, force: true });
});

/** Sends `bytes` on a connection of its own and returns the first answer. `{port}` becomes the server's. */
async function exchange(bytes: string, at = server): Promise<Answer> {
  using client = await RawClient.connect(at.port);
  client.send(bytes.replaceAll("{port}", String(at.port)));
  return await client.answer(bytes.slice(0, bytes.indexOf(" ")));
}

/** A request without surprises. */
function plain(line: string, fields = "", body = ""): string {
  return `${line} HTTP/1.1\r\nHost: localhost:{port}\r\n${fields}\r\n${body}`;
}

function upload(body: string, type = "application/json"): string {
  return plain("POST /upload", `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n`, body);
}

interface Expected {
  readonly status: number;
  /** Exact values, patterns, or null for a field that must not be there. */
  readonly fields?: Readonly<Record<string, string | RegExp | null>>;
  /** True: the answer says `Connection: close`; false: it persists. */
  readonly closes?: boolean;
  /** A warning that the log must have got. */
  readonly logged?: RegExp;
}

const HTML = "text/html; charset=utf-8";
const DOWNLOAD = (name: string) => ({
  "content-type": "application/octet-stream",
  "content-disposition": `attachment; filename="${name}"`,
});

const rows: readonly [name: string, bytes: string, expected: Expected][] = [
  ["the start page", plain("GET /"), { status: 200, fields: { "content-type": HTML }, closes: false }],
  ["a page", plain("GET /x.html"), { status: 200, fields: { "content-type": HTML, "content-disposition": null } }],
  ["a folder's index", plain("GET /docs/"), { status: 200, fields: { "content-type": HTML } }],
  ["a page with a query", plain("GET /x.html?a=../b&c"), { status: 200 }],
  ["a png", plain("GET /logo.png"), { status: 200, fields: DOWNLOAD("logo.png") }],
  ["a jpg", plain("GET /photo.jpg"), { status: 200, fields: DOWNLOAD("photo.jpg") }],
  ["a jpeg", plain("GET /photo.jpeg"), { status: 200, fields: DOWNLOAD("photo.jpeg") }],
  ["a text", plain("GET /note.txt"), { status: 200, fields: DOWNLOAD("note.txt") }],
  [
    "a name outside ASCII",
    plain("GET /na%C3%AFve.txt"),
    {
      status: 200,
      fields: { "content-disposition": /^attachment; filename="[ -~]*"; filename\*=UTF-8''na%C3%AFve\.txt$/ },
    },
  ],
  ["a name decoded once", plain("GET /100%2525.txt"), { status: 200 }],
  ["a style sheet", plain("GET /style.css"), { status: 200, fields: { "content-type": "text/css; charset=utf-8" } }],
  ["a film", plain("GET /clip.mp4"), { status: 200, fields: { "content-type": "video/mp4" } }],
  ["/.well-known/", plain("GET /.well-known/security.txt"), { status: 200 }],
  [
    "OPTIONS of a file",
    plain("OPTIONS /x.html"),
    { status: 204, fields: { allow: /GET.*HEAD.*OPTIONS/, "content-length": null } },
  ],
  ["OPTIONS *", plain("OPTIONS *"), { status: 204, fields: { allow: /GET.*POST/ } }],
  ["OPTIONS of the upload", plain("OPTIONS /upload"), { status: 204, fields: { allow: "POST, OPTIONS" } }],
  ["a missing file", plain("GET /none.html"), { status: 404, fields: { "content-type": HTML }, closes: false }],
  ["a folder without index", plain("GET /empty/"), { status: 404 }],
  ["a folder without its slash", plain("GET /docs?a=b"), { status: 308, fields: { location: "/docs/?a=b" } }],
  ["a folder of uploads that are not shown", plain("GET /uploads/"), { status: 404 }],
  ["PUT", plain("PUT /x.html", "Content-Length: 0\r\n"), { status: 405, fields: { allow: /GET/ }, closes: false }],
  ["DELETE", plain("DELETE /x.html"), { status: 405, fields: { allow: /GET/ } }],
  ["TRACE", plain("TRACE /x.html"), { status: 405, fields: { allow: /GET/ } }],
  ["GET of the upload", plain("GET /upload"), { status: 405, fields: { allow: "POST, OPTIONS" } }],
  ["POST on a file", plain("POST /x.html", "Content-Length: 2\r\n", "{}"), { status: 405, fields: { allow: /GET/ } }],
  ["POST on nothing", plain("POST /none", "Content-Length: 2\r\n", "{}"), { status: 404 }],
  ["an upload without length", plain("POST /upload", "Content-Type: application/json\r\n"), { status: 411 }],
  ["an upload of text", upload("{}", "text/plain"), { status: 415 }],
  [
    "an upload that is no JSON",
    upload("{nope"),
    { status: 400, fields: { "content-type": "application/json" }, closes: false },
  ],
  ["an upload that is no UTF-8", upload('"\xff\xfe"'), { status: 400 }],
  [
    "an upload too large",
    plain("POST /upload", "Content-Type: application/json\r\nContent-Length: 99999999\r\n"),
    { status: 413, closes: true },
  ],
  [
    "dot segments",
    plain("GET /../outside/secret.txt"),
    { status: 403, logged: /^Security: path traversal: \/\.\.\/outside/ },
  ],
  ["dot segments into a sibling", plain("GET /../root-backup/secret.txt"), { status: 403 }],
  ["dot segments in the middle", plain("GET /docs/../x.html"), { status: 403 }],
  ["a single dot", plain("GET /./x.html"), { status: 403 }],
  ["encoded dots", plain("GET /%2e%2e/outside/secret.txt"), { status: 403, logged: /path traversal: \/%2e%2e/ }],
  ["two slashes at the start", plain("GET //x.html"), { status: 403 }],
  ["another host by two slashes", plain("GET //evil.test/.."), { status: 403, fields: { location: null } }],
  ["an encoded slash", plain("GET /docs%2findex.html"), { status: 403 }],
  ["an encoded backslash", plain("GET /docs%5cindex.html"), { status: 403 }],
  ["a link to a file outside", plain("GET /leak.txt"), { status: 403, logged: /Security: .*leak\.txt/ }],
  ["a linked folder outside", plain("GET /leak/secret.txt"), { status: 403 }],
  ["a broken escape", plain("GET /a%zz"), { status: 400 }],
  ["an encoded NUL", plain("GET /x.html%00.png"), { status: 400 }],
  ["a hidden file", plain("GET /.env"), { status: 404 }],
  ["a file in a hidden folder", plain("GET /.git/config"), { status: 404 }],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", { status: 400 }],
  ["Host twice", "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: localhost:{port}\r\n\r\n", { status: 400 }],
  ["a malformed Host", "GET / HTTP/1.1\r\nHost: local host\r\n\r\n", { status: 400 }],
  ["no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", { status: 200, closes: true }],
  [
    "the Host of someone else",
    "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    { status: 403, logged: /evil\.test.*--allowed-host[= ]evil\.test/ },
  ],
  ["our Host with another port", "GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n", { status: 403 }],
  ["the Host with a trailing dot", "GET / HTTP/1.1\r\nHost: LocalHost.:{port}\r\n\r\n", { status: 200 }],
  ["a name below localhost", "GET / HTTP/1.1\r\nHost: app.localhost:{port}\r\n\r\n", { status: 200 }],
  ["a malformed request line", "GET  / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n", { status: 400, closes: true }],
  ["a space before the colon", plain("GET /", "A : b\r\n"), { status: 400, closes: true }],
  ["a bare LF", "GET / HTTP/1.1\nHost: localhost:{port}\n\n", { status: 400, closes: true }],
  [
    "two framings",
    plain("POST /upload", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    { status: 400, closes: true },
  ],
  ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", { status: 400, closes: true }],
  ["a header section too large", plain("GET /", `A: ${"a".repeat(8000)}\r\n`.repeat(3)), { status: 431, closes: true }],
  ["a target too large", plain(`GET /${"a".repeat(17_000)}`), { status: 414, closes: true }],
  ["HTTP/2", "GET / HTTP/2.0\r\nHost: localhost:{port}\r\n\r\n", { status: 505, closes: true }],
];

describe("the table of answers", () => {
  for (const [name, bytes, expected] of rows) {
    test(`${name}: ${expected.status}`, async () => {
      warnings.length = 0;
      const answer = await exchange(bytes);
      expect(`${answer.status}\n${answer.head}`).toStartWith(`${expected.status}\nHTTP/1.1 ${expected.status} `);
      for (const [field, value] of Object.entries(expected.fields ?? {})) {
        const got = answer.fields.get(field);
        if (value === null) expect(got).toBeUndefined();
        else if (typeof value === "string") expect(got).toBe(value);
        else expect(got ?? `no ${field}`).toMatch(value);
      }
      if (expected.closes !== undefined) {
        expect(answer.fields.get("connection")).toBe(expected.closes ? "close" : "keep-alive");
        if (!expected.closes) expect(answer.fields.get("keep-alive")).toBe("timeout=30, max=99");
      }
      if (expected.logged !== undefined) expect(warnings.join("\n")).toMatch(expected.logged);
      expect(answer.fields.get("server")).toBe("httpserver");
      expect(answer.fields.get("date")).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
      if (answer.status >= 400) {
        expect(answer.text).toContain(String(answer.status));
        expect(answer.text).not.toContain("secret");
      }
    });
  }

  test("files come whole, with what a cache and a browser need", async () => {
    const answer = await exchange(plain("GET /logo.png"));
    expect(answer.body).toEqual(Buffer.from(IMAGE));
    expect(answer.fields.get("etag")).toMatch(/^"[^"]+"$/);
    expect(answer.fields.get("last-modified")).toMatch(/GMT$/);
    expect(answer.fields.get("accept-ranges")).toBe("bytes");
    expect(answer.fields.get("cache-control")).toBe("no-cache");
    expect(answer.fields.get("x-content-type-options")).toBe("nosniff");
  });

  for (const target of ["/", "/logo.png", "/none", "/docs", "/upload", "/.."]) {
    test(`HEAD ${target} is GET's head and nothing behind it`, async () => {
      const get = await exchange(plain(`GET ${target}`));
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, `HEAD ${target}`, "Connection: close\r\n"));
      const head = await client.answer("HEAD");
      expect(await client.left()).toBe("fin");
      expect(client.text).toBe("");
      const stable = (text: string) => text.replace(/\r\n(Date|Connection|Keep-Alive): .*/g, "");
      expect(stable(head.head)).toBe(stable(get.head));
    });
  }

  test("a valid upload is kept as it was sent, without being shown", async () => {
    const answer = await exchange(upload(JSON_BODY));
    expect(answer.status).toBe(201);
    expect(answer.fields.get("location")).toBeUndefined();
    const told = JSON.parse(answer.text) as Record<string, unknown>;
    expect(told).toMatchObject({ status: "success", message: "File created successfully" });
    const name = /^\/uploads\/(upload_\d{8}_\d{6}_[0-9a-z]{6}\.json)$/.exec(String(told["filepath"]))?.[1] ?? "";
    expect(readFileSync(join(folder, "uploads", name), "latin1")).toBe(JSON_BODY);
    expect((await exchange(plain(`GET /uploads/${name}`))).status).toBe(404);
  });

  test("failed uploads leave nothing behind", async () => {
    const before = readdirSync(join(folder, "uploads"));
    await exchange(upload("{nope"));
    await exchange(upload("{}", "text/plain"));
    using aborted = await RawClient.connect(server.port);
    aborted.send(request(server.port, "POST /upload", "Content-Type: application/json\r\nContent-Length: 9\r\n", "{"));
    await exchange(plain("GET /"));
    aborted.reset();
    await exchange(plain("GET /"));
    expect(readdirSync(join(folder, "uploads"))).toEqual(before);
  });

  test("an error is JSON where JSON is preferred", async () => {
    const answer = await exchange(plain("GET /none", "Accept: application/json, text/html;q=0.5\r\n"));
    expect(answer.fields.get("content-type")).toBe("application/json");
    expect(JSON.parse(answer.text)).toMatchObject({ code: 404 });
  });

  test("a folder that has vanished makes the upload our failure, which is told and survived", async () => {
    mkdirSync(join(folder, "vanishing"));
    await using other = await startServer(options({ uploads: join(folder, "vanishing") }));
    rmSync(join(folder, "vanishing"), { recursive: true });
    warnings.length = 0;
    const answer = await exchange(upload("{}"), other);
    expect(answer.status).toBe(500);
    expect(warnings).not.toEqual([]);
    expect((await exchange(plain("GET /"), other)).status).toBe(200);
  });
});

describe("settings", () => {
  test("--inline sends files with their own type and no disposition", async () => {
    await using other = await startServer(options({ inline: true }));
    const answer = await exchange(plain("GET /logo.png"), other);
    expect(answer.fields.get("content-type")).toBe("image/png");
    expect(answer.fields.get("content-disposition")).toBeUndefined();
  });

  test("--strict-types refuses other files with 415", async () => {
    await using other = await startServer(options({ strictTypes: true }));
    expect((await exchange(plain("GET /style.css"), other)).status).toBe(415);
    expect((await exchange(plain("GET /logo.png"), other)).status).toBe(200);
  });

  test("--serve-uploads says where the upload is, and it is there", async () => {
    await using other = await startServer(options({ serveUploads: true }));
    const location = (await exchange(upload(JSON_BODY), other)).fields.get("location") ?? "";
    expect(location).toStartWith("/uploads/upload_");
    expect((await exchange(plain(`GET ${location}`), other)).text).toBe(JSON_BODY);
  });

  test("--allowed-host adds a name, and * takes any", async () => {
    const evil = "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    await using named = await startServer(options({ allowedHosts: ["files.test"] }));
    expect((await exchange("GET / HTTP/1.1\r\nHost: files.test\r\n\r\n", named)).status).toBe(200);
    expect((await exchange(evil, named)).status).toBe(403);
    await using any = await startServer(options({ allowedHosts: ["*"] }));
    expect((await exchange(evil, any)).status).toBe(200);
  });

  test("--max-requests counts down and closes", async () => {
    await using other = await startServer(options({ maxRequests: 3 }));
    using client = await RawClient.connect(other.port);
    const told: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const { fields } = await client.send(request(other.port, "GET /")).answer();
      told.push(fields.get("keep-alive") ?? fields.get("connection"));
    }
    expect(told).toEqual(["timeout=30, max=2", "timeout=30, max=1", "close"]);
    expect(await client.left()).toBe("fin");
  });
});
