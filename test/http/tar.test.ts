/** Heads of archives: every name, size and time comes back, from our own reader and from three that people have. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { paddingOf, type TarEntry, tarBytes, tarHead } from "../../src/http/tar.ts";
import { GIB } from "../../src/http/units.ts";
import { hasCommand, needs } from "../support/needs.ts";
import { readEntry, unpack } from "../support/tar.ts";

const MODIFIED_MS = Date.UTC(2026, 2, 15, 10, 30, 15, 999);

function entry(path: string, size = 0, modifiedMs = MODIFIED_MS): TarEntry {
  return { path, size, modifiedMs, isExecutable: false };
}

/** An archive of files without content. */
function archiveOf(paths: readonly string[]): Buffer {
  return Buffer.concat([...paths.map((path) => tarHead(entry(path))), new Uint8Array(1024)]);
}

const x = (count: number) => "x".repeat(count);

/** Paths, each with the number of blocks of its head: three for a pax header. */
const PATHS: readonly (readonly [path: string, blocks: number])[] = [
  ["a", 1],
  ["folder/", 1],
  ["folder/a b", 1],
  ["-rf", 1],
  [`it's "quoted" \\ & $HOME *`, 1],
  [x(100), 1],
  [x(101), 3],
  [`${x(99)}/`, 1],
  [`${x(100)}/`, 3],
  [`${x(155)}/${x(100)}`, 1],
  [`${x(156)}/${x(99)}`, 3],
  [`${x(155)}/${x(101)}`, 3],
  [`${x(50)}/${x(99)}/`, 1],
  [`a/${x(100)}`, 1],
  [`/${x(100)}`, 3],
  [`a/${x(255)}`, 3],
  [`${x(200)}/${x(255)}`, 3],
  [Array.from({ length: 40 }, () => x(100)).join("/"), 10],
  ["Grüße", 3],
  ["🍣/é", 3],
  ["two\nlines", 1],
  [`two\nlines${x(100)}`, 3],
  ["a=b 12 c=d", 1],
];

describe("a path", () => {
  test.each(PATHS)("comes back: %j", (path, blocks) => {
    const head = tarHead(entry(path));
    expect(head.length).toBe(blocks * 512);
    expect(unpack(Buffer.concat([head, new Uint8Array(1024)])).map((found) => found.path)).toEqual([path]);
  });

  test("that a reader without pax does not get is cut between characters", () => {
    const head = Buffer.from(tarHead(entry(`${x(98)}ééé`)));
    expect(head.toString("utf8", 1024, 1124).replaceAll("\0", "")).toBe(`${x(98)}é`);
  });
});

test("any entry comes back, in as many bytes as were announced", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 120 }).map((text) => text.replace(/[\0/]/g, "_"));
  const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join("/"));
  const size = fc.oneof(fc.nat(2000), fc.integer({ min: 8 * GIB - 2, max: 8 * GIB + 2 }), fc.maxSafeNat());
  const time = fc.oneof(fc.integer({ min: -1e14, max: 1e14 }), fc.double());
  fc.assert(
    fc.property(path, size, time, fc.boolean(), fc.boolean(), (text, bytes, modifiedMs, isExecutable, isFolder) => {
      const given = isFolder
        ? { path: `${text}/`, size: 0, modifiedMs, isExecutable }
        : { path: text, size: bytes, modifiedMs, isExecutable };
      const head = Buffer.from(tarHead(given));
      expect(tarBytes(given)).toBe(head.length + given.size + paddingOf(given.size));
      const [found] = readEntry(head, 0);
      expect([found.path, found.size]).toEqual([given.path.toWellFormed(), given.size]);
      expect(found.mtime).toBe(Number.isFinite(modifiedMs) ? Math.floor(modifiedMs / 1000) + 0 : 0);
      expect(found.mode).toBe(isFolder || isExecutable ? 0o755 : 0o644);
    }),
    { numRuns: 500 },
  );
});

describe("the readers that people have", () => {
  /** Lists an archive as a JSON list of [path, size, seconds]. */
  const PYTHON = `import json, sys, tarfile
print(json.dumps([[m.name + ("/" if m.isdir() else ""), m.size, int(m.mtime)] for m in tarfile.open(sys.argv[1])]))`;

  function inFolder(body: (folder: string) => void): void {
    const folder = mkdtempSync(join(tmpdir(), "tar-"));
    try {
      body(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  function output(...words: readonly string[]): string {
    const { stdout, stderr, exitCode } = Bun.spawnSync([...words], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
    expect([stderr.toString(), exitCode]).toEqual(["", 0]);
    return stdout.toString();
  }

  const readable = PATHS.map(([path]) => path).filter((path) => !path.startsWith("/"));

  needs("tar").test("GNU tar lists the same paths", () =>
    inFolder((folder) => {
      const file = join(folder, "a.tar");
      writeFileSync(file, archiveOf(readable));
      expect(output("tar", "--quoting-style=literal", "-tf", file)).toBe(`${readable.join("\n")}\n`);
    }),
  );

  needs("bsdtar").test("bsdtar, the tar of macOS and Windows, lists the same paths", () =>
    inFolder((folder) => {
      const file = join(folder, "a.tar");
      const paths = readable.filter((path) => !/[\n\\]/.test(path));
      writeFileSync(file, archiveOf(paths));
      expect(output("bsdtar", "-tf", file)).toBe(`${paths.join("\n")}\n`);
    }),
  );

  needs("python3").test("Python's tarfile lists the same paths and times", () =>
    inFolder((folder) => {
      const file = join(folder, "a.tar");
      writeFileSync(file, archiveOf(readable));
      const listed = JSON.parse(output("python3", "-c", PYTHON, file));
      expect(listed).toEqual(readable.map((path) => [path, 0, Math.floor(MODIFIED_MS / 1000)]));
    }),
  );

  needs("tar", "python3").test("a file of more than 8 GiB, and the one after it, have their sizes and times", () =>
    inFolder((folder) => {
      const file = join(folder, "a.tar");
      const size = 9 * GIB + 1;
      const entries = [entry("large", size, Date.UTC(1960, 0, 1)), entry("after", 0, Date.UTC(2300, 0, 1))];
      let end = 0;
      for (const each of entries) {
        appendFileSync(file, tarHead(each));
        end += tarBytes(each);
        // The content is a hole in the file.
        truncateSync(file, end);
      }
      appendFileSync(file, new Uint8Array(1024));
      expect(JSON.parse(output("python3", "-c", PYTHON, file))).toEqual(
        entries.map((each) => [each.path, each.size, each.modifiedMs / 1000]),
      );
      for (const command of ["tar", "bsdtar"].filter(hasCommand)) {
        expect(output(command, "-tvf", file)).toMatch(/ 9663676417 .* large\n.* 0 .* after\n$/);
      }
    }),
  );
});
