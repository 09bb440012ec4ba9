/** Large files over real sockets: whole for every reader, and never a byte on another connection. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "bun";
import { type RunningServer, startServer } from "../../src/index.ts";
import { HAS_SEND_FILE, sendFile } from "../../src/server/send-file.ts";
import { needs, unless } from "../support/needs.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { turns } from "../support/waiting.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 100 * MIB;
const linux = unless(HAS_SEND_FILE ? null : "a kernel with Linux's sendfile");

let folder = "";
let largeHash = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "send-file-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "page.html"), PAGE);
  largeHash = writeNumbered(join(folder, "root", "large.bin"), LARGE_BYTES);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PAGE = "page ".repeat(200);

/** Writes a file of which no two blocks are the same. Returns its hash. */
function writeNumbered(path: string, size: number): string {
  const hash = new Bun.CryptoHasher("sha256");
  const block = new Uint8Array(MIB);
  const numbers = new Uint32Array(block.buffer);
  const file = openSync(path, "w");
  for (let at = 0; at < size; at += block.length) {
    for (let i = 0; i < numbers.length; i++) numbers[i] = Math.imul(at / 4 + i, 0x9e3779b1);
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  return hash.digest("hex");
}

function serve(): Promise<RunningServer> {
  return startServer({ port: 0, root: join(folder, "root"), uploads: join(folder, "uploads"), maxRequests: 0 });
}

/** Reads a response to the end of the connection, with a pause after each portion. Returns the hash of its content. */
async function hashOf(port: number, path: string, portionBytes: number): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  const ended = Promise.withResolvers<void>();
  let isContent = false;
  let portion = 0;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      binaryType: "uint8array",
      data(from, bytes) {
        const start = isContent ? 0 : Buffer.from(bytes).indexOf("\r\n\r\n") + 4;
        isContent = true;
        hash.update(bytes.subarray(start));
        portion += bytes.length;
        if (portion < portionBytes) return;
        portion = 0;
        from.pause();
        void turns(3).then(() => from.resume());
      },
      close: () => ended.resolve(),
      error() {},
    },
  });
  socket.write(request(port, `GET ${path}`, "Connection: close\r\n"));
  await ended.promise;
  return hash.digest("hex");
}

test("100 MiB arrive whole at fast and slow readers at the same time", async () => {
  await using server = await serve();
  const portions = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 4 * MIB, MIB];
  const hashes = await Promise.all(portions.map((portion) => hashOf(server.port, "/large.bin", portion)));
  expect(hashes).toEqual(portions.map(() => largeHash));
});

test("ranges and their multipart arrive as they are in the file", async () => {
  await using server = await serve();
  using client = await RawClient.connect(server.port);
  const file = Bun.file(join(folder, "root", "large.bin"));
  const part = async (first: number, last: number) =>
    Buffer.from(await file.slice(first, last + 1).arrayBuffer()).toString("latin1");
  const one = await client.send(request(server.port, "GET /large.bin", "Range: bytes=1000001-3000002\r\n")).answer();
  expect(one.text === (await part(1_000_001, 3_000_002))).toBe(true);
  const ranges = "Range: bytes=7-700000,50000000-50000009,60000000-61234567\r\n";
  const several = await client.send(request(server.port, "GET /large.bin", ranges)).answer();
  const boundary = /boundary=(\w+)/.exec(several.fields.get("content-type") ?? "")?.[1] ?? "";
  const parts = several.text.split(`\r\n--${boundary}`).slice(1, -1);
  const contents = parts.map((text) => text.slice(text.indexOf("\r\n\r\n") + 4));
  const expected = [await part(7, 700_000), await part(50_000_000, 50_000_009), await part(60_000_000, 61_234_567)];
  expect(contents.map((content, at) => content === expected[at])).toEqual([true, true, true]);
});

test("a file that is cut while it is sent ends its connection early, and only that one", async () => {
  const path = join(folder, "root", "shrinking.bin");
  writeNumbered(path, 64 * MIB);
  await using server = await serve();
  using reader = await RawClient.connect(server.port, { onlyCount: true });
  reader.send(request(server.port, "GET /shrinking.bin"));
  await reader.received(MIB);
  reader.pause();
  truncateSync(path, 40 * MIB);
  reader.resume();
  expect(await reader.left()).toBe("fin");
  expect(reader.receivedBytes).toBeLessThan(64 * MIB);
  using other = await RawClient.connect(server.port);
  expect((await other.send(request(server.port, "GET /page.html")).answer()).text).toBe(PAGE);
});

test("a download that is cut leaves no byte of its file on another connection", async () => {
  await using server = await serve();
  const { port } = server;
  const pages: Promise<string>[] = [];
  for (let round = 0; round < 40; round++) {
    const downloads = await Promise.all(Array.from({ length: 8 }, () => RawClient.connect(port, { onlyCount: true })));
    for (const download of downloads) download.send(request(port, "GET /large.bin"));
    await Promise.all(downloads.map((download) => download.received(1)));
    // Half of them leave in the middle of their turns, and new connections take their descriptors.
    for (const [at, download] of downloads.entries()) {
      if (at % 2 === 0) download.reset();
      else download.finish();
      pages.push(pageOf(port));
    }
    await Promise.all(pages.slice(-4));
    for (const download of downloads) download[Symbol.dispose]();
  }
  expect(new Set(await Promise.all(pages))).toEqual(new Set([PAGE]));
});

/** Asks for the page twice on a new connection, and returns what came besides the heads. */
async function pageOf(port: number): Promise<string> {
  using client = await RawClient.connect(port);
  const first = (await client.send(request(port, "GET /page.html")).answer()).text;
  const second = (await client.send(request(port, "GET /page.html")).answer()).text;
  return first === second ? first : `${first}, then ${second}`;
}

needs(linux).describe("sendFile", () => {
  /** A socket of a server, and its client. */
  async function pair(): Promise<{ socket: Socket & { fd: number }; client: RawClient; stop: () => void }> {
    const opened = Promise.withResolvers<Socket>();
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: (socket) => opened.resolve(socket), data() {}, error() {} },
    });
    const client = await RawClient.connect(listener.port);
    const socket = (await opened.promise) as Socket & { fd: number };
    return { socket, client, stop: () => listener.stop(true) };
  }

  test("sends the part of the file that it is given, also beyond 4 GiB", async () => {
    const { socket, client, stop } = await pair();
    const path = join(folder, "sparse.bin");
    const start = 5 * 1024 * MIB + 3;
    writeFileSync(path, "");
    truncateSync(path, start);
    const file = openSync(path, "r+");
    writeSync(file, "beyond", start);
    expect(sendFile.call(socket, file, start, 6)).toBe(6);
    expect(sendFile.call(socket, file, start + 6, 6)).toBe(0);
    await client.received(6);
    expect(client.receivedBytes).toBe(6);
    closeSync(file);
    stop();
  });

  test("sends nothing from a descriptor that is closed, and nothing to a socket that is", async () => {
    const { socket, client, stop } = await pair();
    const file = openSync(join(folder, "root", "page.html"), "r");
    expect(sendFile.call(socket, -1, 0, 10)).toBe(-1);
    const { fd } = socket;
    expect(fd).toBeGreaterThan(2);
    socket.terminate();
    expect([socket.fd, sendFile.call(socket, file, 0, 10)]).toEqual([-1, -1]);
    closeSync(file);
    client[Symbol.dispose]();
    stop();
  });
});
