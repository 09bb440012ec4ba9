/** Archives of a release: other programs read them, and the same content gives the same bytes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ar } from "../../tools/packaging/formats/ar.ts";
import { gzip } from "../../tools/packaging/formats/gzip.ts";
import { type PackedFile, tar, textFile } from "../../tools/packaging/formats/tar.ts";
import { zip } from "../../tools/packaging/formats/zip.ts";
import { run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";

/** An even second, because zip has no others. */
const DATE_MS = Date.UTC(2026, 10, 26, 4, 30, 20);

const FILES: readonly PackedFile[] = [
  textFile("top/run", "#!/bin/sh\n", 0o755),
  textFile("top/docs/a.md", "# A\n"),
  textFile("top/docs/ä.md", "# Ä\n".repeat(1000)),
  textFile("top/empty", ""),
];

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "formats-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Unpacks an archive by another program, and returns the folder. */
async function unpack(name: string, archive: Uint8Array): Promise<string> {
  const place = join(folder, `${name}-unpacked`);
  mkdirSync(place);
  writeFileSync(join(folder, name), archive);
  const done = await run(["bsdtar", "-xpf", join(folder, name), "-C", place], { cwd: folder });
  expect(done).toEqual({ code: 0, stdout: "", stderr: "" });
  return place;
}

function expectFiles(place: string): void {
  for (const { path, content, mode = 0o644 } of FILES) {
    expect(readFileSync(join(place, path)).equals(content)).toBe(true);
    const stats = statSync(join(place, path));
    expect([path, stats.mode & 0o777, stats.mtimeMs]).toEqual([path, mode, DATE_MS]);
  }
}

describe("tar", () => {
  needs("bsdtar").test("keeps names, contents, modes and the one time", async () => {
    expectFiles(await unpack("a.tar", tar(FILES, DATE_MS)));
    const zipped = await gzip(tar(FILES, DATE_MS));
    expectFiles(await unpack("a.tar.gz", zipped));
  });

  needs("tar").test("has owner 0, folders before their files, and the mode of a folder", async () => {
    const files = [...FILES, { path: "tmp/", content: new Uint8Array(0), mode: 0o1777 }];
    writeFileSync(join(folder, "b.tar"), tar(files, DATE_MS));
    const listed = await run(["tar", "--numeric-owner", "--full-time", "--utc", "-tvf", "b.tar"], { cwd: folder });
    const lines = listed.stdout.trim().split("\n");
    expect(lines.map((line) => line.replace(/ +/g, " ").split(" ").slice(0, 2).join(" "))).toEqual([
      "drwxrwxrwt 0/0",
      "drwxr-xr-x 0/0",
      "drwxr-xr-x 0/0",
      "-rw-r--r-- 0/0",
      "-rw-r--r-- 0/0",
      "-rw-r--r-- 0/0",
      "-rwxr-xr-x 0/0",
    ]);
    expect(lines[1]).toContain("2026-11-26 04:30:20 top/");
  });

  test("is the same for the same files in another order", () => {
    expect(tar(FILES.toReversed(), DATE_MS)).toEqual(tar(FILES, DATE_MS));
  });

  test("refuses two entries of one name", () => {
    expect(() => tar([...FILES, textFile("top/empty", "")], DATE_MS)).toThrow("two entries of the name top/empty");
  });
});

describe("gzip", () => {
  test("has neither a time nor a name nor a system in its head", async () => {
    const packed = await gzip(new TextEncoder().encode("content"));
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    expect(new TextDecoder().decode(Bun.gunzipSync(packed))).toBe("content");
  });
});

describe("zip", () => {
  needs("bsdtar").test("keeps names, contents, modes and the one time", async () => {
    expectFiles(await unpack("a.zip", await zip(FILES, DATE_MS)));
  });

  needs("python3").test("has right checksums", async () => {
    writeFileSync(join(folder, "b.zip"), await zip(FILES, DATE_MS));
    const tested = await run(["python3", "-m", "zipfile", "-t", "b.zip"], { cwd: folder });
    expect(tested).toMatchObject({ code: 0, stdout: "Done testing\n" });
  });

  test("is the same for the same files in another order", async () => {
    expect(await zip(FILES.toReversed(), DATE_MS)).toEqual(await zip(FILES, DATE_MS));
  });
});

describe("ar", () => {
  needs("bsdtar").test("keeps members of even and odd lengths", async () => {
    const members = [
      ["odd", new TextEncoder().encode("odd")],
      ["even", new TextEncoder().encode("even")],
    ] as const;
    const place = await unpack("a.ar", ar(members, DATE_MS));
    for (const [name, content] of members) expect(readFileSync(join(place, name)).equals(content)).toBe(true);
  });

  test("refuses a name that its field does not hold", () => {
    expect(() => ar([["a-name-of-17-byte", new Uint8Array(0)]], DATE_MS)).toThrow("too long for ar");
  });
});
