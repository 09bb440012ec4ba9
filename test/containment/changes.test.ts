/**
 * Files that change while they are sent, and between two requests. A client can always tell a short answer, never gets bytes that
 * no version of the file had, and the next request sees what is there then.
 */
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  constants,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  type ContainedPath,
  DocumentRoot,
  OpenedFile,
  type OpenFailure,
} from "../../src/handlers/files/document-root.ts";
import { startServer } from "../../src/index.ts";
import { openBelow } from "../support/descriptors.ts";
import { asNobody, isRoot } from "../support/needs.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { makeRequest, makeSite, respondTo, type Site } from "../support/site.ts";
import { turns, until } from "../support/waiting.ts";
import { isLinux, Lane, makeFifo, makeGround, PAGE, plant } from "./ground.ts";
import { Swapping, startRace } from "./swapper.ts";

const MIB = 1024 * 1024;

/** More than the kernel keeps for a client that does not read. */
const LARGE_BYTES = 12 * MIB;

/** Every four bytes tell their own place. */
const LARGE = Buffer.from(Uint32Array.from({ length: LARGE_BYTES / 4 }, (_, place) => place * 2_654_435_761).buffer);

interface Change {
  readonly what: string;
  readonly make: (path: string, outside: string) => void;
  /** True when a client in the middle of the old file gets the rest of it. */
  readonly isWholeSent: boolean;
  /** The next answer: its status, and for 200 the size. */
  readonly next: readonly number[];
}

/** A file of `size` bytes under a name; what may become of it. */
function changes(size: number): readonly Change[] {
  const inPlace = (make: (path: string, outside: string) => void) => (path: string, outside: string) => {
    rmSync(path);
    make(path, outside);
  };
  return [
    {
      what: "cut in the middle",
      make: (path) => truncateSync(path, size / 2),
      isWholeSent: false,
      next: [200, size / 2],
    },
    { what: "cut to nothing", make: (path) => truncateSync(path, 0), isWholeSent: false, next: [200, 0] },
    { what: "grown", make: (path) => appendFileSync(path, "more"), isWholeSent: true, next: [200, size + 4] },
    { what: "replaced", make: replaceFile, isWholeSent: true, next: [200, 3] },
    { what: "deleted", make: (path) => rmSync(path), isWholeSent: true, next: [404] },
    { what: "a folder now", make: inPlace((path) => mkdirSync(path)), isWholeSent: true, next: [404] },
    { what: "a FIFO now", make: inPlace(makeFifo), isWholeSent: true, next: [404] },
    {
      what: "a link to the outside now",
      make: inPlace((path, outside) => symlinkSync(join(outside, "canary.txt"), path)),
      isWholeSent: true,
      next: [403],
    },
    {
      what: "a link to itself now",
      make: inPlace((path) => symlinkSync(path, path)),
      isWholeSent: true,
      next: [404],
    },
    { what: "forbidden now", make: (path) => chmodSync(path, 0), isWholeSent: true, next: [403] },
  ];
}

function replaceFile(path: string): void {
  writeFileSync(`${path}.next`, "new");
  renameSync(`${path}.next`, path);
}

describe("a large file that a slow client is reading is", () => {
  for (const { what, make, isWholeSent, next } of changes(LARGE_BYTES)) {
    test(what, async () => {
      using ground = makeGround();
      const path = join(ground.root, "large.bin");
      writeFileSync(path, LARGE, { mode: 0o644 });
      await using server = await startServer(ground.options);
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, "GET /large.bin"));
      await client.received(1);
      client.pause();
      await turns(20); // The kernel's buffers are full by then.
      if (isLinux) expect(openBelow(ground.root)).toEqual([path]);
      make(path, ground.outside);
      client.resume();
      if (isWholeSent) {
        const answer = await client.answer();
        expect(answer.status).toBe(200);
        expect(LARGE.equals(answer.body)).toBe(true);
        // The connection goes on.
        expect((await client.send(request(server.port, "GET /")).answer()).text).toBe(PAGE);
      } else {
        await client.left();
        const came = Buffer.from(client.text, "latin1");
        const start = came.indexOf("\r\n\r\n") + 4;
        expect(came.subarray(0, start).toString()).toContain(`Content-Length: ${LARGE_BYTES}\r\n`);
        const body = came.subarray(start);
        expect(body.length).toBeLessThan(LARGE_BYTES);
        expect(LARGE.subarray(0, body.length).equals(body)).toBe(true);
      }
      await asNobody(async () => {
        using lane = new Lane(server.port);
        const answer = await lane.ask("HEAD /large.bin");
        expect([
          answer.status,
          ...(answer.status === 200 ? [Number(answer.fields.get("content-length"))] : []),
        ]).toEqual([...next]);
      });
      if (isLinux) await until(() => openBelow(ground.root).length === 0, "the descriptor to be closed");
    });
  }
});

test("a range of a file that was cut meanwhile ends early, and the server closes", async () => {
  using ground = makeGround();
  const path = join(ground.root, "large.bin");
  writeFileSync(path, LARGE);
  await using server = await startServer(ground.options);
  for (const range of [`bytes=1000-`, `bytes=0-9,1000-${LARGE_BYTES - 1000}`]) {
    writeFileSync(path, LARGE);
    using client = await RawClient.connect(server.port, { onlyCount: true });
    client.send(request(server.port, "GET /large.bin", `Range: ${range}\r\n`));
    await client.received(1);
    client.pause();
    await turns(20); // The kernel's buffers are full by then.
    truncateSync(path, 500);
    client.resume();
    await client.left();
    expect(client.receivedBytes).toBeLessThan(LARGE_BYTES - 1000);
  }
  expect(await (await fetch(server.url)).text()).toBe(PAGE);
});

/** Sizes of files that are read at once, read whole when they are asked for again, and never read whole. */
const SIZES = { small: 100, medium: 200_000, large: 3 * MIB };

for (const [name, size] of Object.entries(SIZES)) {
  describe(`between two requests a ${name} file, asked for before, is`, () => {
    for (const { what, make, next } of changes(size)) {
      test(what, async () => {
        // The handler's clock is far from the file's times, so what may be kept in memory is kept.
        using site = makeSite({}, { fileCache: { bytesMax: 64 * MIB, maxAgeMs: 0 } });
        using ground = makeGround();
        for (const folder of [site.folder, site.root]) chmodSync(folder, 0o755);
        const path = join(site.root, "file.bin");
        writeFileSync(path, "x".repeat(size), { mode: 0o644 });
        for (let i = 0; i < 3; i++) expect(await askedOf(site)).toEqual([200, size]);
        make(path, ground.outside);
        await asNobody(async () => {
          for (let i = 0; i < 3; i++) expect(await askedOf(site)).toEqual([...next]);
        });
        if (isLinux) expect(openBelow(site.root)).toEqual([]);
      });
    }
  });
}

/** Status, and for 200 the bytes that came. */
async function askedOf(site: Site, path = "/file.bin"): Promise<number[]> {
  const { status, content } = await respondTo(site.handler, makeRequest(`GET ${path}`));
  if (content === null || !("size" in content))
    return status === 200 ? [status, content === null || "ends" in content ? 0 : content.length] : [status];
  const bytes = new Uint8Array(content.size + 1);
  const count = content.read(0, bytes, 0, bytes.length);
  content.close();
  return [status, count];
}

test("a folder on the way that may not be entered any more hides what was read before", async () => {
  using site = makeSite({}, { fileCache: { bytesMax: MIB, maxAgeMs: 0 } });
  for (const folder of [site.folder, site.root]) chmodSync(folder, 0o755);
  plant(site.root, { "a/b/file.bin": "x" });
  const folder = join(site.root, "a");
  await asNobody(async () => expect(await askedOf(site, "/a/b/file.bin")).toEqual([200, 1]));
  chmodSync(folder, 0o700);
  if (!isRoot) chmodSync(folder, 0);
  await asNobody(async () => expect(await askedOf(site, "/a/b/file.bin")).toEqual([403]));
  chmodSync(folder, 0o755);
  await asNobody(async () => expect(await askedOf(site, "/a/b/file.bin")).toEqual([200, 1]));
});

test("a root that became a link to the outside serves nothing of it, and is itself again when it comes back", async () => {
  using ground = makeGround();
  await using server = await startServer(ground.options);
  using lane = new Lane(server.port);
  expect((await lane.ask("GET /")).text).toBe(PAGE);
  renameSync(ground.root, `${ground.root}-moved`);
  expect((await lane.ask("GET /")).status).toBe(404);
  symlinkSync(ground.outside, ground.root);
  expect((await lane.ask("GET /")).status).toBe(403);
  expect((await lane.ask("GET /sub/canary.txt")).status).toBe(403);
  rmSync(ground.root);
  renameSync(`${ground.root}-moved`, ground.root);
  expect((await lane.ask("GET /")).text).toBe(PAGE);
});

describe("a file that is saved again and again while it is read", () => {
  const saves: readonly [what: string, kind: "replace" | "rewrite", sizes: readonly [number, number]][] = [
    ["in one step, small", "replace", [2000, 2100]],
    ["in one step, large", "replace", [100_000, 160_000]],
    ["in place, small", "rewrite", [2000, 2100]],
    ["in place, large", "rewrite", [100_000, 160_000]],
  ];
  for (const [what, kind, [first, second]] of saves) {
    test(`${what}: ${kind === "replace" ? "each answer is one version, and its ETag no other's" : "no answer is longer or shorter than it says without a close"}`, async () => {
      using ground = makeGround();
      const states: readonly [string, string] = ["A".repeat(first), "B".repeat(second)];
      const path = join(ground.root, "file.bin");
      writeFileSync(path, states[0]);
      await using server = await startServer(ground.options);
      const swapping = await Swapping.start({ kind, name: path, states });
      const versions = new Map<string, string>();
      let whole = 0;
      let short = 0;
      const isOver = startRace(() => whole > 5 && swapping.swaps > 50);
      const ask = async () => {
        while (!isOver()) {
          using client = await RawClient.connect(server.port);
          client.send(request(server.port, "GET /file.bin", "Connection: close\r\n"));
          await client.left();
          const [head = "", body = ""] = client.text.split("\r\n\r\n");
          expect(head).toStartWith("HTTP/1.1 200 OK\r\n");
          // Zeros too: the kernel clears the page of a file that is cut while it is copied to a reader.
          expect(body.split("\0").join("")).toMatch(/^[AB]*$/);
          const promised = Number(/^Content-Length: (\d+)$/m.exec(head)?.[1]);
          expect(body.length).toBeLessThanOrEqual(promised);
          if (body.length < promised) short++;
          else whole++;
          if (kind === "rewrite") continue;
          expect(states).toContain(body);
          const etag = /^ETag: (.+)$/m.exec(head)?.[1] ?? "";
          expect(versions.get(etag) ?? body).toBe(body);
          versions.set(etag, body);
        }
      };
      try {
        await Promise.all([ask(), ask()]);
      } finally {
        await swapping.stop();
      }
      expect(swapping.swaps).toBeGreaterThan(50);
      expect(whole).toBeGreaterThan(5);
      if (kind === "replace") expect(short).toBe(0);
      using lane = new Lane(server.port);
      expect((await lane.ask("GET /file.bin")).text).toBe(states[0]);
      if (isLinux) expect(openBelow(ground.folder)).toEqual([]);
    });
  }
});

test("a file is kept in memory only when its next change must show in its times", async () => {
  let nowMs = 0;
  using site = makeSite({}, { now: () => nowMs, fileCache: { bytesMax: MIB, maxAgeMs: 0 } });
  const path = join(site.root, "file.bin");
  writeFileSync(path, "x");
  // A time of modification says nothing, it can be set.
  utimesSync(path, 1, 1);
  const { ctimeMs } = statSync(path);
  const ask = async () => await respondTo(site.handler, makeRequest("GET /file.bin"));
  for (const [ageMs, isKept] of [
    [-60_000, false],
    [0, false],
    [10, false],
    [2000, false],
    [2200, true],
  ] as const) {
    nowMs = ctimeMs + ageMs;
    await ask();
    const before = await ask();
    expect([ageMs, before === (await ask())]).toEqual([ageMs, isKept]);
  }
});

test("what the disk does not give is 500 and a line for the operator, never a short file that passes for whole", async () => {
  /** Opens for writing alone, so that reading fails as on a broken disk. */
  class UnreadableRoot extends DocumentRoot {
    override open(path: string): OpenedFile | OpenFailure {
      const real = join(this.realPath, path);
      return new OpenedFile(openSync(real, constants.O_WRONLY), statSync(real), real as ContainedPath);
    }
  }
  using ground = makeGround();
  for (const [name, size] of Object.entries(SIZES)) writeFileSync(join(ground.root, name), "x".repeat(size));
  using site = makeSite({}, { root: new UnreadableRoot(ground.root), fileCache: { bytesMax: 64 * MIB, maxAgeMs: 0 } });
  expect(await askedOf(site, "/small")).toEqual([500]);
  expect(site.lines).toEqual([expect.stringMatching(/^cannot read a file: E[A-Z]+ in .*small$/)]);
  // The head of a larger one is on its way before it is read: then nothing comes, and the connection closes.
  expect(await askedOf(site, "/medium")).toEqual([200, 0]);
  expect(await askedOf(site, "/medium")).toEqual([500]);
  expect(await askedOf(site, "/large")).toEqual([200, 0]);
  if (isLinux) expect(openBelow(ground.folder)).toEqual([]);
});

test("a file that is cut between the look at its size and the reading is as long as it is, and not filled up with zeros", async () => {
  /** Tells the size that the file had a moment ago. */
  class LateRoot extends DocumentRoot {
    override open(path: string): OpenedFile | OpenFailure {
      const real = join(this.realPath, path);
      const stats = statSync(real);
      truncateSync(real, 50);
      return new OpenedFile(openSync(real, constants.O_RDONLY), stats, real as ContainedPath);
    }
  }
  using ground = makeGround();
  using site = makeSite({}, { root: new LateRoot(ground.root), fileCache: { bytesMax: 64 * MIB, maxAgeMs: 0 } });
  for (const [name, size] of Object.entries(SIZES)) {
    writeFileSync(join(ground.root, name), "x".repeat(size));
    expect(await askedOf(site, `/${name}`)).toEqual([200, 50]);
  }
});
