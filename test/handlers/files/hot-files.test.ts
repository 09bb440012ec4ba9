import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HotFile, HotFiles } from "../../../src/handlers/files/hot-files.ts";
import { Fields } from "../../../src/http/fields.ts";
import { response } from "../../../src/http/message.ts";

const folder = mkdtempSync(join(tmpdir(), "hot-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Time moves when the test says so. */
function makeCache(bytesMax: number, maxAgeMs = 100) {
  const time = { nowMs: 0 };
  return { hot: new HotFiles({ bytesMax, maxAgeMs, now: () => time.nowMs }), time };
}

function write(name: string, content: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

function fileAt(path: string, bytes = 10): HotFile {
  const content = new Uint8Array(bytes);
  // With the empty line, 100 bytes.
  const whole = response(200, Fields.of([["X-Name", "x".repeat(88)]]), content, "text");
  const snapshot = { stats: statSync(path), coding: null, content, etag: '"x"', lastModified: 0 };
  return { ...snapshot, isAbsent: false, whole, notModified: whole };
}

describe("a hot file", () => {
  test("is the same object as long as the disk says the same", () => {
    const { hot } = makeCache(100_000);
    const path = write("a.txt", "one");
    const file = fileAt(path);
    hot.set("/a.txt", path, path, file);
    expect(hot.get("/a.txt")).toBe(file);
    expect(hot.get("/a.txt")).toBe(file);
  });

  const changes: [string, (path: string) => void][] = [
    ["rewritten", (path) => writeFileSync(path, "two!!")],
    [
      "rewritten with the same size and its old times",
      (path) => {
        const before = statSync(path);
        writeFileSync(path, "eno");
        utimesSync(path, before.atime, before.mtime);
      },
    ],
    [
      "replaced",
      (path) => {
        writeFileSync(`${path}.new`, "one");
        renameSync(`${path}.new`, path);
      },
    ],
    ["truncated", (path) => truncateSync(path, 1)],
    ["deleted", (path) => unlinkSync(path)],
    [
      "turned into a folder",
      (path) => {
        unlinkSync(path);
        mkdirSync(path);
      },
    ],
    [
      "turned into a link that leads elsewhere",
      (path) => {
        unlinkSync(path);
        symlinkSync("/etc/hostname", path);
      },
    ],
  ];
  for (const [what, change] of changes) {
    test(`that is ${what} is noticed at once, and forgotten`, () => {
      const { hot } = makeCache(100_000);
      const path = write(`changes/${what.replaceAll(" ", "-")}`, "one");
      hot.set("/x", path, path, fileAt(path));
      expect(hot.get("/x")).not.toBeNull();
      change(path);
      expect(hot.get("/x")).toBeNull();
      expect(hot.bytes).toBe(0);
    });
  }

  const moves: [string, (folder: string) => void][] = [
    ["became a file", (path) => rmSync(path, { recursive: true }) ?? writeFileSync(path, "x")],
    ["became a link to itself", (path) => rmSync(path, { recursive: true }) ?? symlinkSync(path, path)],
    [
      "was moved away and linked to",
      (path) => {
        renameSync(path, `${path}-elsewhere`);
        symlinkSync(`${path}-elsewhere`, path);
      },
    ],
  ];
  for (const [what, move] of moves) {
    test(`whose folder ${what} is forgotten`, () => {
      const { hot, time } = makeCache(100_000);
      const path = write(`moves ${what}/a.txt`, "one");
      hot.set("/x", path, path, fileAt(path));
      expect(hot.get("/x")).not.toBeNull();
      move(join(path, ".."));
      time.nowMs = 1;
      expect(hot.get("/x")).toBeNull();
    });
  }

  test("is not kept when a link was on the way to it", () => {
    const { hot } = makeCache(100_000);
    const path = write("real/a.txt", "one");
    hot.set("/link/a.txt", join(folder, "link/a.txt"), path, fileAt(path));
    expect(hot.get("/link/a.txt")).toBeNull();
  });

  test("is used unchecked in a flood alone, and no longer than its age", () => {
    const { hot, time } = makeCache(100_000, 50);
    const path = write("aged.txt", "one");
    hot.set("/aged.txt", path, path, fileAt(path));
    const flood = () => {
      for (let i = 0; i < 4; i++) hot.get("/aged.txt");
    };
    flood();
    unlinkSync(path);
    expect(hot.get("/aged.txt")).not.toBeNull();
    time.nowMs = 1;
    expect(hot.get("/aged.txt")).toBeNull();
  });

  test("of a flood is looked at when its age is reached", () => {
    const { hot, time } = makeCache(100_000, 50);
    const other = write("other.txt", "two");
    const path = write("aged.txt", "one");
    hot.set("/other.txt", other, other, fileAt(other));
    hot.set("/aged.txt", path, path, fileAt(path));
    unlinkSync(path);
    for (const [nowMs, isThere] of [
      [49, true],
      [50, false],
    ] as const) {
      time.nowMs = nowMs;
      for (let i = 0; i < 4; i++) hot.get("/other.txt");
      expect(hot.get("/aged.txt") !== null).toBe(isThere);
    }
  });

  test("is never used unchecked when the age is 0", () => {
    const { hot } = makeCache(100_000, 0);
    const path = write("strict.txt", "one");
    hot.set("/strict.txt", path, path, fileAt(path));
    for (let i = 0; i < 20; i++) expect(hot.get("/strict.txt")).not.toBeNull();
    unlinkSync(path);
    expect(hot.get("/strict.txt")).toBeNull();
  });
});

describe("a hot file with a neighbour", () => {
  const changes: [string, boolean, (path: string) => void][] = [
    ["appeared", false, (path) => writeFileSync(path, "x")],
    ["appeared as a link to nowhere", false, (path) => symlinkSync("nowhere", path)],
    ["changed", true, (path) => writeFileSync(path, "y")],
    ["vanished", true, (path) => unlinkSync(path)],
  ];
  for (const [what, isThere, change] of changes) {
    test(`that ${what} is forgotten`, () => {
      const { hot } = makeCache(100_000);
      const path = write(`neighbours/${what.replaceAll(" ", "-")}`, "one");
      const beside = `${path}.gz`;
      if (isThere) writeFileSync(beside, "x");
      hot.set("/x", path, path, fileAt(path), [{ path: beside, stats: isThere ? statSync(beside) : null }]);
      expect(hot.get("/x")).not.toBeNull();
      change(beside);
      expect(hot.get("/x")).toBeNull();
      expect(hot.bytes).toBe(0);
    });
  }

  test("costs more memory than one without", () => {
    const { hot } = makeCache(100_000);
    const path = write("beside.txt", "one");
    hot.set("/x", path, path, fileAt(path));
    const alone = hot.bytes;
    hot.set("/x", path, path, fileAt(path), [{ path: `${path}.gz`, stats: null }]);
    expect(hot.bytes).toBeGreaterThan(alone + 2 * path.length);
  });
});

describe("the memory of hot files", () => {
  test("never exceeds its bound, and keeps those that are used", () => {
    const { hot } = makeCache(20_000);
    const path = write("small.txt", "x");
    hot.set("/used", path, path, fileAt(path, 1000));
    for (let i = 0; i < 100; i++) {
      hot.set(`/${i}`, path, path, fileAt(path, 1000));
      expect(hot.bytes).toBeLessThanOrEqual(20_000);
      expect(hot.get("/used")).not.toBeNull();
    }
    expect(hot.get("/0")).toBeNull();
    expect(hot.get("/99")).not.toBeNull();
  });

  test("takes no file that is larger than all of it, and none when it is 0", () => {
    const { hot } = makeCache(5000);
    const path = write("large.txt", "x");
    hot.set("/large", path, path, fileAt(path, 6000));
    expect([hot.get("/large"), hot.bytes]).toEqual([null, 0]);
    const none = makeCache(0).hot;
    none.set("/any", path, path, fileAt(path, 1));
    expect(none.get("/any")).toBeNull();
  });

  test("is wanted by a larger file when it is asked for again, unless it is too large for that", () => {
    const { hot } = makeCache(1_600_000);
    expect([hot.noteRequest("/a", 100_000), hot.noteRequest("/b", 100_000), hot.noteRequest("/a", 100_000)]).toEqual([
      false,
      false,
      true,
    ]);
    expect([hot.noteRequest("/c", 100_001), hot.noteRequest("/c", 100_001)]).toEqual([false, false]);
    for (let i = 0; i < 1000; i++) hot.noteRequest(`/scan-${i}`, 1000);
    expect(hot.noteRequest("/b", 100_000)).toBe(false);
  });

  test("counts a file once that is kept again", () => {
    const { hot } = makeCache(20_000);
    const path = write("twice.txt", "x");
    hot.set("/twice", path, path, fileAt(path));
    const once = hot.bytes;
    hot.set("/twice", path, path, fileAt(path));
    expect(hot.bytes).toBe(once);
  });
});
