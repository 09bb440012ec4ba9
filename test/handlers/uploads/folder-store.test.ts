/** A folder as a store: what a sink promises, and what is in the folder meanwhile. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, link, mkdir, open, rename, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "../../../src/handlers/digest.ts";
import { FolderStore, openFolderStore, type UploadDisk } from "../../../src/handlers/uploads/folder-store.ts";
import type { UploadSink } from "../../../src/handlers/uploads/store.ts";
import { bytesOf } from "../../support/bytes.ts";
import { NOW_MS } from "../../support/site.ts";
import { until } from "../../support/waiting.ts";

const DISK: UploadDisk = { mkdir, open, link, rename, unlink };

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function store(disk: UploadDisk = DISK, path = folder): FolderStore {
  const made = openFolderStore({ folder: path, flag: "--uploads", now: () => NOW_MS, disk });
  if (!(made instanceof FolderStore)) throw made;
  return made;
}

/** A disk whose writes wait until the test lets them go, and whose `steps` are counted. */
function heldDisk() {
  const writes: (() => void)[] = [];
  const disk: UploadDisk = {
    ...DISK,
    open: async (...given) => {
      const handle = await open(...given);
      const write = handle.writeFile.bind(handle);
      handle.writeFile = (async (content: Uint8Array) => {
        await new Promise<void>((resolve) => writes.push(resolve));
        await write(content);
      }) as FileHandle["writeFile"];
      return handle;
    },
  };
  return { disk, writes };
}

function put(sink: UploadSink, ...pieces: string[]) {
  for (const piece of pieces) sink.write(bytesOf(piece));
  sink.ended();
  return sink.commit();
}

describe("an upload", () => {
  test("in pieces is one file of all bytes, with their number and digest", async () => {
    const stored = await put(store().create("a.txt"), "one ", "two ", "three");
    expect(stored).toEqual({
      name: "a.txt",
      path: join(folder, "a.txt"),
      bytes: 13,
      sha256: sha256Hex("one two three"),
      receivedMs: Math.round(NOW_MS),
    });
    expect(readFileSync(stored.path, "utf8")).toBe("one two three");
    expect(readdirSync(folder)).toEqual(["a.txt"]);
  });

  test("of one large piece, and of nothing, has the digest of its bytes", async () => {
    const large = "x".repeat(100_000);
    expect((await put(store().create("large"), large)).sha256).toBe(sha256Hex(large));
    expect(await put(store().create("empty"))).toMatchObject({ bytes: 0, sha256: sha256Hex("") });
    expect(readFileSync(join(folder, "empty"), "utf8")).toBe("");
  });

  test("may be committed before it has ended", async () => {
    const sink = store().create("a.txt");
    const committed = sink.commit();
    sink.write(bytesOf("late"));
    sink.ended();
    expect((await committed).bytes).toBe(4);
  });

  test("never takes the name of another: EEXIST, and the other stays", async () => {
    for (const disk of [DISK, { ...DISK, link: () => Promise.reject(Object.assign(new Error(), { code: "EPERM" })) }]) {
      writeFileSync(join(folder, "taken"), "theirs");
      await expect(put(store(disk).create("taken"), "ours")).rejects.toHaveProperty("code", "EEXIST");
      expect(readFileSync(join(folder, "taken"), "utf8")).toBe("theirs");
      expect(readdirSync(folder)).toEqual(["taken"]);
    }
  });

  test("cannot have a name that is a path, hidden, empty or too long", () => {
    for (const name of ["", ".", "..", ".hidden", "a/b", "/a", "a\\b", "a\0b", "é".repeat(128)])
      expect(() => store().create(name)).toThrow(RangeError);
    for (const name of ["a", "a.b", "a..", " ", "é".repeat(127)]) expect(() => store().create(name)).not.toThrow();
  });
});

describe("a folder that is missing", () => {
  const inner = () => join(folder, "a", "b");

  test("is made by the first upload, with the folders above it, once for uploads at the same moment", async () => {
    const kept = store(DISK, inner());
    expect([kept.place, kept.has("a.txt"), await kept.usedBytes(), readdirSync(folder)]).toEqual([
      inner(),
      false,
      0,
      [],
    ]);
    expect(kept.freeBytes()).toBeGreaterThan(0);
    await Promise.all(["1", "2", "3"].map((name) => put(kept.create(name), name)));
    expect(readdirSync(inner()).sort()).toEqual(["1", "2", "3"]);
  });

  test("is flushed in every folder that has got a new name", async () => {
    const flushed: string[] = [];
    const disk: UploadDisk = {
      ...DISK,
      open: async (path, ...rest) => {
        const handle = await open(path, ...rest);
        const sync = handle.sync.bind(handle);
        handle.sync = () => {
          flushed.push(String(path));
          return sync();
        };
        return handle;
      },
    };
    await put(store(disk, inner()).create("x"), "x");
    expect(flushed.filter((path) => path === folder || path === join(folder, "a"))).toEqual([
      folder,
      join(folder, "a"),
    ]);
  });

  test("fails the upload if it cannot be made, and the next upload tries again", async () => {
    let failures = 1;
    const refuse = () => Promise.reject(Object.assign(new Error(), { code: "EROFS" }));
    const disk = {
      ...DISK,
      mkdir: ((...given: Parameters<typeof mkdir>) =>
        failures-- > 0 ? refuse() : mkdir(...given)) as UploadDisk["mkdir"],
    };
    const kept = store(disk, inner());
    await expect(put(kept.create("x"), "x")).rejects.toHaveProperty("code", "EROFS");
    expect(readdirSync(folder)).toEqual([]);
    await put(kept.create("x"), "x");
    expect(readdirSync(inner())).toEqual(["x"]);
  });

  test("is not followed when it has become a link to another folder", async () => {
    const kept = store(DISK, join(folder, "later"));
    mkdirSync(join(folder, "elsewhere"));
    symlinkSync("elsewhere", join(folder, "later"));
    await expect(put(kept.create("x"), "x")).rejects.toThrow("has become a link");
    expect(readdirSync(join(folder, "elsewhere"))).toEqual([]);
  });

  test("is not made through a folder above it that has become a link", async () => {
    const kept = store(DISK, inner());
    mkdirSync(join(folder, "elsewhere"));
    symlinkSync("elsewhere", join(folder, "a"));
    await expect(put(kept.create("x"), "x")).rejects.toThrow("has become a link");
    expect(readdirSync(join(folder, "elsewhere"))).toEqual([]);
  });

  test("is not made again when it vanishes after it was made", async () => {
    const kept = store(DISK, inner());
    await put(kept.create("x"), "x");
    rmSync(inner(), { recursive: true });
    await expect(put(kept.create("y"), "y")).rejects.toHaveProperty("code", "ENOENT");
  });
});

describe("a folder that is moved, and whose place a link takes", () => {
  const inner = () => join(folder, "a", "b");
  const elsewhere = () => join(folder, "elsewhere", "b");

  /** Moves `name` away and puts a link to `elsewhere` in its place. */
  function replace(name: string): void {
    renameSync(join(folder, name), join(folder, "moved"));
    symlinkSync(join(folder, name === "a" ? "elsewhere" : "elsewhere/b"), join(folder, name));
  }

  beforeEach(() => {
    for (const path of [inner(), elsewhere()]) mkdirSync(path, { recursive: true });
    for (const path of [inner(), elsewhere()]) writeFileSync(join(path, "old"), "old");
  });

  for (const [what, name] of [
    ["itself", "a/b"],
    ["a folder above it", "a"],
  ] as const) {
    test(`takes no upload, if it was ${what}; nothing there is found or removed`, async () => {
      const kept = store(DISK, inner());
      replace(name);
      await expect(put(kept.create("x"), "x")).rejects.toThrow("was moved or has become a link");
      expect(kept.has("old")).toBe(false);
      kept.remove("old");
      expect(readdirSync(elsewhere())).toEqual(["old"]);
    });

    test(`takes back an upload that was under way, if it was ${what}`, async () => {
      const { disk, writes } = heldDisk();
      const stored = put(store(disk, inner()).create("x"), "x");
      await until(() => writes.length === 1, "the write");
      replace(name);
      writes[0]?.();
      await expect(stored).rejects.toThrow("was moved or has become a link");
      expect(readdirSync(elsewhere())).toEqual(["old"]);
      expect(readdirSync(join(folder, name === "a" ? "moved/b" : "moved"))).toEqual(["old"]);
    });
  }
});

describe("a sink", () => {
  test("touches nothing before its first piece", async () => {
    let opened = 0;
    const disk: UploadDisk = {
      ...DISK,
      open: (...given) => {
        opened++;
        return open(...given);
      },
    };
    const sink = store(disk).create(null);
    sink.abort();
    await Promise.resolve();
    expect([opened, readdirSync(folder)]).toEqual([0, []]);
  });

  test("says no while much waits for the disk, and calls once when it may go on", async () => {
    const { disk, writes } = heldDisk();
    const sink = store(disk).create("slow");
    const piece = new Uint8Array(100_000);
    const answers = Array.from({ length: 4 }, () => sink.write(piece));
    expect(answers).toEqual([true, true, false, false]);
    let resumed = 0;
    sink.whenReady(() => {
      resumed++;
    });
    expect(resumed).toBe(0);
    await until(() => writes.length === 1, "write 1");
    writes[0]?.();
    // 300,000 bytes wait.
    await until(() => writes.length === 2, "write 2");
    expect(resumed).toBe(0);
    writes[1]?.();
    await until(() => writes.length === 3, "write 3");
    expect(resumed).toBe(1);
    writes[2]?.();
    await until(() => writes.length === 4, "write 4");
    writes[3]?.();
    expect(sink.write(bytesOf("end"))).toBe(true);
    sink.ended();
    await until(() => writes.length === 5, "write 5");
    writes[4]?.();
    expect((await sink.commit()).bytes).toBe(400_003);
    expect(resumed).toBe(1);
  });

  test("says no while many small pieces wait, which are written as one", async () => {
    const { disk, writes } = heldDisk();
    const sink = store(disk).create("slow");
    const answers = Array.from({ length: 1026 }, () => sink.write(bytesOf("x")));
    expect(answers.indexOf(false)).toBe(1024);
    let resumed = 0;
    sink.whenReady(() => {
      resumed++;
    });
    await until(() => writes.length === 1, "write 1");
    expect(resumed).toBe(0);
    writes[0]?.();
    await until(() => resumed === 1, "the sink to be ready");
    sink.write(bytesOf("end"));
    sink.ended();
    await until(() => writes.length === 2, "write 2");
    writes[1]?.();
    expect((await sink.commit()).bytes).toBe(1029);
    expect(readFileSync(join(folder, "slow"), "utf8")).toBe(`${"x".repeat(1026)}end`);
  });

  for (const [how, end] of [
    ["whose content fails", (sink: UploadSink) => sink.failed("client")],
    ["that is aborted", (sink: UploadSink) => sink.abort()],
  ] as const) {
    test(`${how} leaves nothing, with a waiting caller or without`, async () => {
      for (const isAwaited of [true, false]) {
        const { disk, writes } = heldDisk();
        const sink = store(disk).create("a.txt");
        const committed = isAwaited ? sink.commit() : null;
        sink.write(bytesOf("one"));
        sink.write(bytesOf("two"));
        await until(() => writes.length === 1, "write 1");
        end(sink);
        expect(sink.write(bytesOf("three"))).toBe(true);
        writes[0]?.();
        if (committed !== null) await expect(committed).rejects.toThrow();
        await until(() => readdirSync(folder).length === 0, "the file to go");
        expect(writes).toHaveLength(1);
        await expect(sink.commit()).rejects.toThrow();
      }
    });
  }

  test("is not undone after it has been kept", async () => {
    const sink = store().create("a.txt");
    await put(sink, "kept");
    sink.abort();
    await sink.commit();
    expect(readdirSync(folder)).toEqual(["a.txt"]);
  });

  test("tells of a failing disk before the content has ended, and takes what still comes without keeping it", async () => {
    const disk: UploadDisk = {
      ...DISK,
      open: async (...given) => {
        const handle = await open(...given);
        handle.writeFile = () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" }));
        return handle;
      },
    };
    const sink = store(disk).create("a.txt");
    sink.write(bytesOf("one"));
    await expect(sink.commit()).rejects.toHaveProperty("code", "ENOSPC");
    expect(readdirSync(folder)).toEqual([]);
    expect(sink.write(new Uint8Array(1_000_000))).toBe(true);
    sink.failed("answered");
  });
});

describe("kept uploads", () => {
  test("are found by their names, as everything else is that has taken a name", () => {
    for (const name of ["a", ".hidden"]) writeFileSync(join(folder, name), "");
    mkdirSync(join(folder, "folder"));
    symlinkSync("nowhere", join(folder, "link"));
    for (const name of ["a", "folder", "link"]) expect(store().has(name)).toBe(true);
    for (const name of ["none", ".hidden", "..", "../a", "/a", "folder/../a", ".", ""])
      expect(store().has(name)).toBe(false);
  });

  test("count with their bytes, as hidden and foreign files do, but not an upload that this process is writing", async () => {
    const { disk, writes } = heldDisk();
    const kept = store(disk);
    for (const [name, bytes] of [
      ["a", 5],
      [".b", 7],
      [".upload-0000-1-1-ab.tmp", 11],
    ] as const)
      writeFileSync(join(folder, name), "x".repeat(bytes));
    mkdirSync(join(folder, "folder"));
    const stored = put(kept.create("c"), "four");
    await until(() => writes.length === 1, "the write");
    expect(await kept.usedBytes()).toBe(23);
    writes[0]?.();
    await stored;
    expect(await kept.usedBytes()).toBe(27);
  });

  test("are removed by their names, once or twice", () => {
    for (const name of ["a", ".hidden"]) writeFileSync(join(folder, name), "");
    for (const name of ["a", "a", ".hidden", "../a", ""]) store().remove(name);
    expect(readdirSync(folder)).toEqual([".hidden"]);
  });
});
