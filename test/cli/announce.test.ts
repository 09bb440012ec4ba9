/** The files by which a server says that it is ready: what they may replace, and what they leave alone. */
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFiles } from "../../src/cli/announce.ts";
import { StartError } from "../../src/settings/start-error.ts";

const PLACE = { port: 8080, url: "http://127.0.0.1:8080/", urls: ["http://127.0.0.1:8080/"] };

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "announce-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function fifo(path: string): string {
  execFileSync("mkfifo", [path]);
  return path;
}

describe("the port's file", () => {
  const refused: readonly [what: string, make: (path: string) => void][] = [
    ["a FIFO", fifo],
    ["a folder", (path) => mkdirSync(path)],
    ["a link to a device", (path) => symlinkSync("/dev/null", path)],
    ["a link to a FIFO", (path) => symlinkSync(fifo(`${path}.fifo`), path)],
  ];
  test.each(refused)("does not replace %s", (_, make) => {
    inFolder((folder) => {
      const path = join(folder, "port");
      make(path);
      const before = [readdirSync(folder), lstatSync(path).ino];
      expect(() => writeFiles({ envFile: "", portFile: path }, PLACE)).toThrow(StartError);
      expect([readdirSync(folder), lstatSync(path).ino]).toEqual(before);
    });
  });

  const replaced: readonly [what: string, make: (path: string) => void][] = [
    ["nothing", () => {}],
    ["an old file", (path) => writeFileSync(path, "1\n")],
    ["a link to nothing", (path) => symlinkSync("missing", path)],
  ];
  test.each(replaced)("takes the place of %s, and goes at the end", (_, make) => {
    inFolder((folder) => {
      const path = join(folder, "port");
      make(path);
      const withdraw = writeFiles({ envFile: "", portFile: path }, PLACE);
      expect(readFileSync(path, "latin1")).toBe("8080\n");
      withdraw();
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  test("behind a link leaves the file that the link names", () => {
    inFolder((folder) => {
      const path = join(folder, "port");
      writeFileSync(join(folder, "victim"), "kept");
      symlinkSync("victim", path);
      writeFiles({ envFile: "", portFile: path }, PLACE)();
      expect(readdirSync(folder)).toEqual(["victim"]);
      expect(readFileSync(join(folder, "victim"), "latin1")).toBe("kept");
    });
  });
});

test("the env file may be a device, which stays", () => {
  const before = lstatSync("/dev/null").ino;
  writeFiles({ envFile: "/dev/null", portFile: "" }, PLACE)();
  expect(lstatSync("/dev/null").ino).toBe(before);
});
