/** Clients that fetch a file in pieces, or compare a folder with a copy: rclone, zsync and aria2. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, type Finished, type Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { until } from "../support/waiting.ts";
import { noise, sha256OfFile, Workshop } from "../support/workshop.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 24 * MIB;
/** More ranges than zsync asks for in two requests of twenty. */
const DAMAGES = 45;
const NAMES = [
  "Ocean's Eleven.txt",
  "X:Y.html",
  "a & b.txt",
  "50% off.txt",
  "(1) [two]!*.txt",
  "Grüße.txt",
  "#1 what?.txt",
];
/** None with a colon: rclone 1.60 lists such a folder as empty, whichever server it asks. */
const FOLDERS = ["films", "films/it's new"];

let shop: Workshop;
let server: Program;
let large = "";

beforeAll(async () => {
  shop = await Workshop.open();
  large = shop.add("large.bin", noise(LARGE_BYTES));
  for (const folder of FOLDERS) mkdirSync(shop.path(folder));
  for (const folder of FOLDERS) for (const name of NAMES) shop.add(`${folder}/${name}`, `${folder}/${name}`);
  server = await shop.start("resources");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

/** The connections' ports in the lines of the log so far that match. */
function portsIn(line: RegExp): readonly string[] {
  return [...server.stdout.matchAll(line)].map(([, port]) => port ?? "");
}

needs("rclone").describe("rclone check", () => {
  /** Compares a folder of this machine with the one that is served, byte by byte. */
  const check = (folder: string, ...words: readonly string[]): Promise<Finished> => {
    const url = ["--http-url", `${server.url}/films/`];
    return run(["rclone", "check", "--download", "--retries", "1", ...url, ...words, folder, ":http:"], {
      cwd: shop.folder,
      env: { RCLONE_CONFIG: "/dev/null" },
    });
  };

  test("finds every file of a folder and of those below it, and no difference", async () => {
    const { code, stderr } = await check(shop.path("films"));
    expect(stderr).toContain(`${NAMES.length * FOLDERS.length} matching files`);
    expect(stderr).toContain("0 differences found");
    expect(code).toBe(0);
    expect(server.stderr).not.toContain("Security");
  });

  test("tells which file of a copy differs", async () => {
    const copy = shop.inbox();
    cpSync(shop.path("films"), copy, { recursive: true });
    writeFileSync(join(copy, "X:Y.html"), "films/x:y.html");
    const { code, stdout } = await check(copy, "--differ", "-");
    expect([code, stdout]).toEqual([1, "X:Y.html\n"]);
  });
});

needs("zsync", "zsyncmake").test("zsync fetches only the parts of a file that an older copy lacks", async () => {
  const image = shop.add("image.bin", noise(4 * MIB));
  const made = await run(["zsyncmake", "-u", "image.bin", "-o", `${image}.zsync`, image], { cwd: shop.root });
  expect(made.code).toBe(0);
  const inbox = shop.inbox();
  const older = readFileSync(image);
  for (let i = 0; i < DAMAGES; i++) older.fill(0, 5000 + i * 93_000, 6000 + i * 93_000);
  writeFileSync(join(inbox, "older"), older);
  const { code, stderr } = await run(["zsync", "-q", "-i", "older", `${server.url}/image.bin.zsync`], { cwd: inbox });
  expect([code, stderr]).toEqual([0, ""]);
  expect(sha256OfFile(join(inbox, "image.bin"))).toBe(sha256OfFile(image));
  // Twenty ranges, twenty, and the rest; the whole file never.
  const requests = /:(\d+) "GET \/image\.bin HTTP\/1\.1" host=ok 206 \d+ ranges /g;
  await until(() => portsIn(requests).length === 3, "three requests of several ranges");
  expect(server.stdout).not.toMatch(/"GET \/image\.bin HTTP\/1\.1" host=ok 200 /);
});

needs("aria2c").test("aria2c -x16 puts a file together from ranges of several connections", async () => {
  const inbox = shop.inbox();
  const words = ["--no-conf", "-q", "-x16", "-s16", "-k1M", "--max-tries=1", `${server.url}/large.bin`];
  const { code } = await run(["aria2c", ...words], { cwd: inbox });
  expect(code).toBe(0);
  expect(sha256OfFile(join(inbox, "large.bin"))).toBe(sha256OfFile(large));
  const ranges = /:(\d+) "GET \/large\.bin HTTP\/1\.1" host=ok 206 \d+ range /g;
  await until(() => new Set(portsIn(ranges)).size > 1, "ranges asked for on several connections");
});
