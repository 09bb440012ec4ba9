/** Listings read by programs: a crawler and a shell client copy folders, and the copies are compared with what is served. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, type Program, run } from "../support/binary.ts";
import { addEmptyFiles } from "../support/many-files.ts";
import { needs } from "../support/needs.ts";
import { Workshop } from "../support/workshop.ts";

const NAMES = [
  "Ocean's Eleven.txt",
  "X:Y.html",
  "a & b.txt",
  "50% off.txt",
  "(1) [two]!*.txt",
  "Grüße.txt",
  "#1 what?.txt",
];
const FOLDERS = ["films", "films/it's: new", "films/ordinary"];

/** Names in the folder of several pages. */
const MANY = Array.from({ length: 4100 }, (_, i) => `part-${i}.txt`);

let shop: Workshop;
let server: Program;
let inbox: string;

beforeAll(async () => {
  shop = await Workshop.open();
  for (const folder of [...FOLDERS, "many"]) mkdirSync(shop.path(folder));
  for (const folder of FOLDERS) for (const name of NAMES) shop.add(`${folder}/${name}`, `${folder}/${name}`);
  addEmptyFiles(shop.path("many"), MANY);
  server = await shop.start("--listing", "--inline");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

beforeEach(() => {
  inbox = shop.inbox();
});

/** All files below a folder, sorted. */
function filesBelow(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

const FILMS = FOLDERS.flatMap((folder) => NAMES.map((name) => `${folder}/${name}`.slice("films/".length))).toSorted();

needs("wget").describe("wget -r", () => {
  const wget = (...words: readonly string[]) =>
    run(
      [
        "env",
        "LC_ALL=C.UTF-8",
        "wget",
        "-q",
        "-r",
        "-np",
        "-nH",
        "--no-config",
        "-e",
        "robots=off",
        "-P",
        inbox,
        ...words,
      ],
      {
        cwd: shop.folder,
      },
    );

  test("copies every file, and of each folder one page", async () => {
    const { code, stderr } = await wget(`${server.url}/films/`);
    expect([code, stderr]).toEqual([0, ""]);
    const pages = FOLDERS.map((folder) => `${folder}/index.html`.slice("films/".length));
    expect(filesBelow(join(inbox, "films"))).toEqual([...FILMS, ...pages].toSorted());
    for (const file of FILMS) expect(readFileSync(join(inbox, "films", file), "utf8")).toBe(`films/${file}`);
  });

  test("reaches every file of a folder of several pages", async () => {
    const { code } = await wget(`${server.url}/many/`);
    expect(code).toBe(0);
    const files = filesBelow(join(inbox, "many")).filter((name) => !name.startsWith("index.html"));
    expect(files).toEqual(MANY.toSorted());
  }, 60_000);
});

needs("lftp").test("lftp mirror copies every file under its own name", async () => {
  const script = `set net:max-retries 1; mirror films "${inbox}"; exit`;
  const { code, stderr } = await run(["env", "LC_ALL=C.UTF-8", "lftp", "-c", `open ${server.url}/ && ${script}`], {
    cwd: shop.folder,
  });
  expect([code, stderr]).toEqual([0, ""]);
  expect(filesBelow(inbox)).toEqual(FILMS);
  for (const file of FILMS) expect(readFileSync(join(inbox, file), "utf8")).toBe(`films/${file}`);
});
