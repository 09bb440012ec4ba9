/** The compiled file with content codings, asked by a real curl: every file arrives as it is on the disk, in fewer bytes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { BUILD_MS, curl, type Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { noise, sha256OfFile, Workshop } from "../support/workshop.ts";

const BROWSER = ["--header", "Accept-Encoding: gzip, deflate, br, zstd"];
const DECODERS: Readonly<Record<string, (content: Uint8Array) => Uint8Array>> = {
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
  gzip: gunzipSync,
};

let shop: Workshop;
let compressing: Program;
let inline: Program;
let precompressed: Program;
/** Paths of all files below the root, with "/" in front. */
let paths: readonly string[] = [];

beforeAll(async () => {
  shop = await Workshop.open();
  const prose = Array.from({ length: 4000 }, (_, i) => Bun.hash(String(i)).toString(36)).join(" ");
  const contents = { empty: "", small: "x", prose, repeated: "again and ".repeat(20_000), noise: noise(50_000) };
  for (const [name, content] of Object.entries(contents)) {
    for (const extension of ["html", "txt", "js", "svg", "bin"]) {
      const path = join(shop.root, "tree", extension, `${name} é.${extension}`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }
  shop.add("beside.js", "the source");
  shop.add("beside.js.br", brotliCompressSync("the source"));
  shop.add("beside.js.gz", gzipSync("the source"));
  paths = filesBelow(shop.root);
  [compressing, inline, precompressed] = await Promise.all([
    shop.start("--compress"),
    shop.start("--compress", "--inline"),
    shop.start("--precompressed", "--immutable", "/tree/**", "--cache-control", "public, max-age=60", "--spa"),
  ]);
}, BUILD_MS);

afterAll(async () => {
  for (const program of [compressing, inline, precompressed]) await program[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith(".") && statSync(join(folder, name)).isFile())
    .map((name) => `/${name}`);
}

/** Gets all files over one connection, each into its own. Returns where they are, and what curl said of each. */
async function getAll(program: Program, ...words: readonly string[]): Promise<{ inbox: string; told: string[] }> {
  const inbox = shop.inbox();
  const transfers = paths.flatMap((path, index) => [
    "--output",
    join(inbox, String(index)),
    program.url + encodeURI(path),
  ]);
  const { stdout, code } = await curl(
    ...words,
    "--write-out",
    "%{http_code} %{size_download} %header{content-length} %header{content-encoding}\n",
    ...transfers,
  );
  expect(code).toBe(0);
  return { inbox, told: stdout.trimEnd().split("\n") };
}

needs("curl").describe("curl", () => {
  test("--compressed gets every file as it is, though fewer bytes of it, as a download and shown", async () => {
    for (const program of [compressing, inline]) {
      const { inbox, told } = await getAll(program, "--compressed");
      const coded = told.filter((line) => / (br|zstd|gzip)$/.test(line));
      expect(coded.length).toBeGreaterThan(8);
      for (const [index, path] of paths.entries()) {
        expect(told[index]).toStartWith("200 ");
        expect([path, sha256OfFile(join(inbox, String(index)))]).toEqual([path, sha256OfFile(shop.path(path))]);
      }
    }
  });

  test("what a browser accepts decodes to every file, and has the length that was said", async () => {
    for (const program of [compressing, inline]) {
      const { inbox, told } = await getAll(program, ...BROWSER);
      for (const [index, path] of paths.entries()) {
        const [status, received, length, coding = ""] = (told[index] ?? "").split(" ");
        const content = readFileSync(join(inbox, String(index)));
        expect([path, status, received, length]).toEqual([path, "200", String(content.length), String(content.length)]);
        const decoded = DECODERS[coding]?.(content) ?? content;
        expect(Buffer.compare(decoded, readFileSync(shop.path(path)))).toBe(0);
      }
    }
  });

  test("a neighbour is sent as it lies there, and its tag is 304 for it", async () => {
    const url = `${precompressed.url}/beside.js`;
    const head = (await curl("--head", ...BROWSER, url)).stdout.toLowerCase();
    expect(head).toContain("content-encoding: br\r\n");
    expect(head).toContain("vary: accept-encoding\r\n");
    expect(head).toContain(`content-length: ${brotliCompressSync("the source").length}\r\n`);
    expect((await curl("--compressed", url)).stdout).toBe("the source");
    expect((await curl(url)).stdout).toBe("the source");
    const etag = /etag: (\S+)/.exec(head)?.[1] ?? "";
    const status = async (...words: string[]) =>
      (
        await curl(
          "--write-out",
          "%{http_code}",
          "--output",
          "/dev/null",
          "--header",
          `If-None-Match: ${etag}`,
          ...words,
          url,
        )
      ).stdout;
    expect([await status(...BROWSER), await status()]).toEqual(["304", "200"]);
  });

  test("an interrupted download goes on with the file itself", async () => {
    const path = shop.path("/tree/txt/prose é.txt");
    const partial = join(shop.inbox(), "partial.txt");
    writeFileSync(partial, readFileSync(path).subarray(0, 10_000));
    const url = `${compressing.url}/tree/txt/${encodeURIComponent("prose é.txt")}`;
    expect((await curl("--compressed", "--continue-at", "-", "--output", partial, url)).code).toBe(0);
    expect(sha256OfFile(partial)).toBe(sha256OfFile(path));
  });
});

needs("curl").describe("the other flags of a site", () => {
  test("reach the answers: what never changes, what may be kept a minute, and pages that are routes", async () => {
    const fieldOf = async (path: string, ...words: string[]) =>
      (
        await curl(
          "--write-out",
          "%{http_code} %header{cache-control}",
          "--output",
          "/dev/null",
          ...words,
          precompressed.url + path,
        )
      ).stdout;
    expect(await fieldOf(`/tree/js/${encodeURIComponent("small é.js")}`)).toBe(
      "200 public, max-age=31536000, immutable",
    );
    expect(await fieldOf("/")).toBe("200 public, max-age=60");
    expect(await fieldOf("/users/42", "--header", "Accept: text/html")).toBe("200 public, max-age=60");
    expect(await fieldOf("/users/42")).toBe("404 no-store");
    expect(await fieldOf("/users.js", "--header", "Accept: text/html")).toBe("404 no-store");
  });
});
