/** Files in content codings, through the whole handler: from neighbours, compressed here, kept, and noticed when they change. */
import { describe, expect, spyOn, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { DocumentRoot } from "../../../src/handlers/files/document-root.ts";
import { HOT_BYTES_MAX, IN_MEMORY_BYTES_MAX } from "../../../src/handlers/files/representation.ts";
import { acceptedCodings } from "../../../src/http/accept-encoding.ts";
import { ADMITTED } from "../../../src/http/message.ts";
import { openBelow } from "../../support/descriptors.ts";
import { type Answer, ask, type Fields, makeRequest, makeSite, respondTo, type Site } from "../../support/site.ts";

const BOTH = { compress: true, precompressed: true };
const BROWSER = { "Accept-Encoding": "gzip, deflate, br, zstd" };
const TEXT = "Text that says the same again and again. ".repeat(100);

const DECODERS: Readonly<Record<string, (content: Uint8Array) => Uint8Array>> = {
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
  gzip: gunzipSync,
};

type Settings = NonNullable<Parameters<typeof makeSite>[0]>;

function site(files: Record<string, string | Uint8Array>, settings: Settings, bytesMax = 1 << 24): Site {
  const made = makeSite(settings, { fileCache: { bytesMax, maxAgeMs: 0 } });
  for (const [path, content] of Object.entries(files)) add(made, path, content);
  return made;
}

function add(www: Site, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(www.root, path)), { recursive: true });
  writeFileSync(join(www.root, path), content);
}

function decoded(answer: Answer): Uint8Array {
  const coding = answer.fields["content-encoding"];
  return coding === undefined ? answer.content : (DECODERS[coding]?.(answer.content) ?? new Uint8Array(0));
}

function decodedText(answer: Answer): string {
  return new TextDecoder().decode(decoded(answer));
}

/** Text in which nothing repeats for long. */
function prose(bytes: number): string {
  let text = "";
  for (let i = 0; text.length < bytes; i++) text += `${Bun.hash(String(i)).toString(36)} `;
  return text.slice(0, bytes);
}

/** Bytes that no coding makes smaller. */
function noise(bytes: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

describe("compressed here", () => {
  for (const coding of ["br", "zstd", "gzip"]) {
    test(`${coding}: the same bytes once decoded, fewer on the way, with their own length and tag`, async () => {
      using www = site({ "a.html": TEXT }, { compress: true });
      const plain = await ask(www, "GET /a.html");
      // The second time it comes from memory.
      for (let i = 0; i < 2; i++) {
        const answer = await ask(www, "GET /a.html", { "Accept-Encoding": coding });
        expect(answer.status).toBe(200);
        expect(decodedText(answer)).toBe(TEXT);
        expect(answer.fields["content-length"]).toBe(String(answer.content.length));
        expect(answer.content.length).toBeLessThan(TEXT.length / 2);
        expect(answer.response.kind).toBe(`html-${coding}`);
        const { "content-length": _, "accept-ranges": __, ...same } = plain.fields;
        const etag = `${plain.fields["etag"]?.slice(0, -1)}-${coding}"`;
        const { "content-length": ___, ...fields } = answer.fields;
        expect(fields).toEqual({ ...same, etag, "content-encoding": coding });
      }
      expect([plain.fields["vary"], plain.text]).toEqual(["Accept-Encoding", TEXT]);
    });
  }

  test("by the client's weights", async () => {
    using www = site({ "a.html": TEXT }, { compress: true });
    const codingFor = async (value: string) =>
      (await ask(www, "GET /a.html", { "Accept-Encoding": value })).fields["content-encoding"] ?? "identity";
    const values = [
      "gzip, br;q=0.5",
      "zstd",
      "*",
      "br;q=0, *;q=0.1",
      "identity, br;q=0.9",
      "",
      "br;q=7",
      "identity;q=0",
    ];
    const codings = [];
    for (const value of values) codings.push(await codingFor(value));
    expect(codings).toEqual(["gzip", "zstd", "br", "zstd", "identity", "identity", "identity", "identity"]);
  });

  test("what is text by another name too, but not what is compressed already", async () => {
    const yes = [
      "a.css",
      "a.js",
      "a.json",
      "a.svg",
      "a.xml",
      "a.md",
      "a.txt",
      "a.wasm",
      "a.webmanifest",
      "a.ttf",
      "a.ico",
    ];
    const no = ["a.png", "a.jpg", "a.woff2", "a.zip", "a.gz", "a.pdf", "a.mp4", "a.unheardof", "noext"];
    using www = site(Object.fromEntries([...yes, ...no].map((name) => [name, TEXT])), { compress: true });
    for (const name of [...yes, ...no]) {
      const { fields } = await ask(www, `GET /${name}`, BROWSER);
      const expected = yes.includes(name) ? ["br", "Accept-Encoding"] : [undefined, undefined];
      expect([name, fields["content-encoding"], fields["vary"]]).toEqual([name, ...expected]);
    }
  });

  test("from 1 KiB to 1 MiB, when it becomes smaller", async () => {
    const sizes: [bytes: number, isCompressed: boolean][] = [
      [0, false],
      [1023, false],
      [1024, true],
      [IN_MEMORY_BYTES_MAX, true],
      [IN_MEMORY_BYTES_MAX + 1, true],
      [HOT_BYTES_MAX, true],
      [HOT_BYTES_MAX + 1, false],
    ];
    using www = site({ "noise.txt": noise(5000) }, { compress: true });
    for (const [bytes, isCompressed] of sizes) {
      const text = prose(bytes);
      add(www, `${bytes}.txt`, text);
      for (let i = 0; i < 2; i++) {
        const answer = await ask(www, `GET /${bytes}.txt`, BROWSER);
        expect([bytes, answer.fields["content-encoding"]]).toEqual([bytes, isCompressed ? "br" : undefined]);
        expect(decodedText(answer)).toBe(text);
        // Also where this one is sent as it is: a cache must not take it for what everybody gets.
        expect(answer.fields["vary"]).toBe("Accept-Encoding");
      }
    }
    const same = await ask(www, "GET /noise.txt", BROWSER);
    // All codings were tried for the first one.
    expect(www.handler.respond(makeRequest("GET /noise.txt", BROWSER), ADMITTED)).not.toBeInstanceOf(Promise);
    expect(same.fields).not.toHaveProperty("content-encoding");
    expect(same.content).toEqual(new Uint8Array(readFileSync(join(www.root, "noise.txt"))));
  });

  test("is one run for requests at the same time, and none for those after", async () => {
    using www = site({ "a.txt": prose(200_000) }, { compress: true });
    const contents = await Promise.all(
      Array.from({ length: 8 }, async () => (await respondTo(www.handler, makeRequest("GET /a.txt", BROWSER))).content),
    );
    expect(new Set(contents.map((content) => (content instanceof Uint8Array ? content.buffer : null))).size).toBe(1);
    const later = www.handler.respond(makeRequest("GET /a.txt", BROWSER), ADMITTED);
    expect(later).not.toBeInstanceOf(Promise);
  });

  test("stays within the memory of the hot files, and is made anew where there is none", async () => {
    using www = site({ "a.txt": TEXT }, { compress: true }, 0);
    for (let i = 0; i < 3; i++) {
      const made = www.handler.respond(makeRequest("GET /a.txt", BROWSER), ADMITTED);
      expect(made).toBeInstanceOf(Promise);
      expect(await made).toHaveProperty("status", 200);
      expect(decodedText(await ask(www, "GET /a.txt", BROWSER))).toBe(TEXT);
    }
  });

  test("is kept for a file behind a link, within the same memory, and made anew for another file there", async () => {
    const LARGE = prose(200_000);
    using www = site({ "one.txt": LARGE, "two.txt": `${LARGE}2`, "noise.txt": noise(200_000) }, { compress: true });
    using none = site({ "one.txt": LARGE }, { compress: true }, 0);
    for (const { root } of [www, none]) symlinkSync("one.txt", join(root, "link.txt"));
    symlinkSync("noise.txt", join(www.root, "other.txt"));
    const bufferOf = async (from: Site, path: string) => {
      const { content } = await respondTo(from.handler, makeRequest(`GET ${path}`, BROWSER));
      return content instanceof Uint8Array ? content.buffer : null;
    };
    const first = await bufferOf(www, "/link.txt");
    expect(await bufferOf(www, "/other.txt")).not.toBe(first);
    expect(await bufferOf(www, "/link.txt")).toBe(first);
    symlinkSync("two.txt", join(www.root, "link.new"));
    renameSync(join(www.root, "link.new"), join(www.root, "link.txt"));
    expect(decodedText(await ask(www, "GET /link.txt", BROWSER))).toBe(`${LARGE}2`);
    expect(await bufferOf(none, "/link.txt")).not.toBe(await bufferOf(none, "/link.txt"));
  });

  test("downloads and shown files alike", async () => {
    using downloads = site({ "a.txt": TEXT }, { compress: true });
    using inline = site({ "a.txt": TEXT }, { compress: true, inline: true });
    const download = await ask(downloads, "GET /a.txt", BROWSER);
    const shown = await ask(inline, "GET /a.txt", BROWSER);
    expect([decodedText(download), decodedText(shown)]).toEqual([TEXT, TEXT]);
    expect(download.fields["content-disposition"]).toBe('attachment; filename="a.txt"');
    expect(shown.fields["content-type"]).toBe("text/plain; charset=utf-8");
  });

  test("a folder's index", async () => {
    using www = site({ "index.html": TEXT, "d/index.html": TEXT }, { compress: true });
    for (const path of ["/", "/d/"]) {
      const answer = await ask(www, `GET ${path}`, BROWSER);
      expect([answer.fields["content-encoding"], decodedText(answer)]).toEqual(["br", TEXT]);
    }
  });

  test("nothing while it is switched off, whoever asks", async () => {
    using www = site({ "a.html": TEXT, "a.html.br": brotliCompressSync(TEXT) }, {});
    const { fields, text } = await ask(www, "GET /a.html", BROWSER);
    expect(text).toBe(TEXT);
    expect(fields).not.toHaveProperty("vary");
    expect(fields).not.toHaveProperty("content-encoding");
  });

  test("no uploads, which are read as they came", async () => {
    using www = site({}, { ...BOTH, serveUploads: true, spa: true, cacheControl: "max-age=9", immutable: ["**"] });
    writeFileSync(join(www.uploads, "a.json"), JSON.stringify(TEXT));
    const { fields, text } = await ask(www, "GET /uploads/a.json", BROWSER);
    expect(text).toBe(JSON.stringify(TEXT));
    expect(fields).not.toHaveProperty("vary");
    expect(fields["cache-control"]).toBe("no-cache");
    expect((await ask(www, "GET /uploads/none", { Accept: "text/html" })).status).toBe(404);
  });
});

describe("a neighbour", () => {
  const files = {
    "a.js": "source",
    "a.js.br": brotliCompressSync("by brotli"),
    "a.js.gz": gzipSync("by gzip"),
    "only.png": "source",
    "only.png.gz": gzipSync("by gzip"),
    "alone.js.br": brotliCompressSync("nobody's"),
  };

  test("is sent to who accepts it, whatever the type and the size of its file", async () => {
    using www = site(files, { precompressed: true });
    const cases: [path: string, accepted: string, text: string, coding: string | undefined][] = [
      ["/a.js", "gzip, br", "by brotli", "br"],
      ["/a.js", "gzip", "by gzip", "gzip"],
      ["/a.js", "zstd, gzip;q=0.5", "by gzip", "gzip"],
      ["/a.js", "zstd", "source", undefined],
      ["/a.js", "identity", "source", undefined],
      ["/only.png", "br, zstd, gzip", "by gzip", "gzip"],
    ];
    for (let i = 0; i < 2; i++) {
      for (const [path, accepted, text, coding] of cases) {
        const answer = await ask(www, `GET ${path}`, { "Accept-Encoding": accepted });
        expect([path, accepted, decodedText(answer)]).toEqual([path, accepted, text]);
        expect([answer.fields["content-encoding"], answer.fields["vary"]]).toEqual([coding, "Accept-Encoding"]);
        expect(answer.fields["content-length"]).toBe(String(answer.content.length));
      }
    }
    expect((await ask(www, "GET /a.js", BROWSER)).fields["content-type"]).toBe("text/javascript; charset=utf-8");
    expect((await ask(www, "GET /only.png", BROWSER)).fields["content-disposition"]).toContain('filename="only.png"');
  });

  test("without its file is not there, and asked for itself it is a file like others", async () => {
    using www = site(files, { precompressed: true });
    expect((await ask(www, "GET /alone.js", BROWSER)).status).toBe(404);
    const itself = await ask(www, "GET /alone.js.br", BROWSER);
    expect(itself.content).toEqual(new Uint8Array(files["alone.js.br"]));
    expect(itself.fields).not.toHaveProperty("content-encoding");
    expect(itself.fields).not.toHaveProperty("vary");
  });

  test("that is large comes from its source, and every descriptor goes back", async () => {
    const large = noise(HOT_BYTES_MAX + 5);
    using www = site({ "a.bin": "x", "a.bin.zst": large }, { precompressed: true });
    for (const condition of [{}, { "If-None-Match": "*" }, { "If-Match": '"x"' }]) {
      const answer = await ask(www, "GET /a.bin", { ...BROWSER, ...condition });
      if (answer.status === 200) expect(Buffer.compare(answer.content, large)).toBe(0);
    }
    expect(openBelow(www.folder)).toEqual([]);
  });

  test("that is a folder, a circle or a link out of the root is passed over silently; a link inside is followed", async () => {
    using www = site({ "a.txt": "a", "b.txt": "b", "c.txt": "c", "d.txt": "d" }, { precompressed: true });
    writeFileSync(join(www.folder, "secret"), brotliCompressSync("secret"));
    mkdirSync(join(www.root, "a.txt.br"));
    symlinkSync(join(www.folder, "secret"), join(www.root, "b.txt.br"));
    symlinkSync("c.txt.br", join(www.root, "c.txt.br"));
    add(www, "elsewhere/d", brotliCompressSync("linked"));
    symlinkSync("elsewhere/d", join(www.root, "d.txt.br"));
    const texts = [];
    for (const name of ["a", "b", "c", "d"]) {
      for (let i = 0; i < 2; i++) {
        const answer = await ask(www, `GET /${name}.txt`, BROWSER);
        expect([answer.status, answer.response.incident]).toEqual([200, null]);
        texts.push(decodedText(answer));
      }
    }
    expect(texts).toEqual(["a", "a", "b", "b", "c", "c", "linked", "linked"]);
    expect(openBelow(www.folder)).toEqual([]);
  });

  test("that is not there is looked for once, as long as nothing changes", async () => {
    using www = site({ "a.png": noise(2000), "large.bin": noise(HOT_BYTES_MAX + 1) }, BOTH);
    const opened = spyOn(DocumentRoot.prototype, "open");
    try {
      await ask(www, "GET /a.png", BROWSER);
      expect(opened).toHaveBeenCalledTimes(4);
      for (let i = 0; i < 3; i++) await ask(www, "GET /a.png", BROWSER);
      expect(opened).toHaveBeenCalledTimes(4);
      for (let i = 0; i < 3; i++) await ask(www, "GET /large.bin", BROWSER);
      expect(opened).toHaveBeenCalledTimes(4 + 4 + 1 + 1);
    } finally {
      opened.mockRestore();
    }
  });

  test("is sent in the next coding, when compression in the first one is no use", async () => {
    using www = site({ "a.txt": noise(2000), "a.txt.gz": gzipSync("by gzip") }, BOTH);
    for (let i = 0; i < 3; i++) expect(decodedText(await ask(www, "GET /a.txt", BROWSER))).toBe("by gzip");
  });

  test("goes before compression of the same coding; the client's order goes before both", async () => {
    using www = site({ "a.txt": TEXT, "a.txt.gz": gzipSync("by gzip") }, BOTH);
    expect(decodedText(await ask(www, "GET /a.txt", { "Accept-Encoding": "gzip" }))).toBe("by gzip");
    expect(decodedText(await ask(www, "GET /a.txt", { "Accept-Encoding": "gzip, br;q=0.9" }))).toBe("by gzip");
    expect((await ask(www, "GET /a.txt", BROWSER)).fields["content-encoding"]).toBe("br");
  });
});

describe("conditions and ranges", () => {
  test("each coding has a strong tag of its own, which is 304 for that coding alone", async () => {
    using www = site({ "a.html": TEXT, "b.html": TEXT, "b.html.zst": "any bytes" }, BOTH);
    for (const name of ["a", "b"]) {
      const tags = new Map<string, string>();
      for (const coding of ["identity", "br", "zstd", "gzip"]) {
        const { fields } = await ask(www, `GET /${name}.html`, { "Accept-Encoding": coding });
        expect(fields["etag"]).toMatch(/^"[^"]+"$/);
        tags.set(coding, fields["etag"] ?? "");
      }
      expect(new Set(tags.values()).size).toBe(4);
      for (const [asked, tag] of tags) {
        for (const coding of tags.keys()) {
          const fields = { "Accept-Encoding": coding, "If-None-Match": tag };
          const answer = await ask(www, `GET /${name}.html`, fields);
          expect([asked, coding, answer.status]).toEqual([asked, coding, asked === coding ? 304 : 200]);
          expect(answer.fields["vary"]).toBe("Accept-Encoding");
          if (answer.status === 304) {
            expect(Object.keys(answer.fields).sort()).toEqual(["cache-control", "etag", "last-modified", "vary"]);
            expect(answer.fields["etag"]).toBe(tag);
          }
          const failed = await ask(www, `GET /${name}.html`, { "Accept-Encoding": coding, "If-Match": tag });
          expect(failed.status).toBe(asked === coding ? 200 : 412);
        }
      }
    }
  });

  test("HEAD is GET without content, in every coding, also when it asks for a range", async () => {
    using www = site({ "a.html": TEXT, "b.html": TEXT, "b.html.gz": gzipSync(TEXT), "c.txt": noise(2000) }, BOTH);
    for (const name of ["a.html", "b.html", "c.txt"]) {
      for (const coding of ["identity", "br", "zstd", "gzip"]) {
        const head = await ask(www, `HEAD /${name}`, { "Accept-Encoding": coding, Range: "bytes=0-0" });
        const get = await ask(www, `GET /${name}`, { "Accept-Encoding": coding });
        expect(head.status).toBe(200);
        expect(head.fields).toEqual(get.fields);
      }
    }
  });

  test("a range is of the file itself; with the tag of a coding it is the whole file itself", async () => {
    using www = site({ "a.html": TEXT, "a.html.gz": gzipSync(TEXT) }, BOTH);
    const coded = await ask(www, "GET /a.html", BROWSER);
    expect(coded.fields).not.toHaveProperty("accept-ranges");
    const range = { ...BROWSER, Range: "bytes=5-8" };
    const part = await ask(www, "GET /a.html", range);
    expect([part.status, part.text, part.fields["vary"]]).toEqual([206, "that", "Accept-Encoding"]);
    expect(part.fields).not.toHaveProperty("content-encoding");
    expect(part.fields["content-range"]).toBe(`bytes 5-8/${TEXT.length}`);
    const plain = await ask(www, "GET /a.html");
    expect(plain.fields["accept-ranges"]).toBe("bytes");
    expect(part.fields["etag"]).toBe(plain.fields["etag"] ?? "");
    for (const [tag, status] of [
      [coded.fields["etag"], 200],
      [plain.fields["etag"], 206],
    ] as const) {
      const answer = await ask(www, "GET /a.html", { ...range, "If-Range": tag ?? "" });
      expect(answer.status).toBe(status);
      expect(answer.fields).not.toHaveProperty("content-encoding");
      expect(answer.text).toBe(status === 200 ? TEXT : "that");
    }
  });
});

describe("what is kept notices at once that", () => {
  const steps: [what: string, change: (www: Site) => void, text: string, coding: string | undefined][] = [
    ["the file changed", (www) => add(www, "a.txt", `${TEXT}!`), `${TEXT}!`, "br"],
    ["the file changed and became small", (www) => add(www, "a.txt", "small"), "small", undefined],
    ["a neighbour appeared", (www) => add(www, "a.txt.br", brotliCompressSync("one")), "one", "br"],
    ["the neighbour changed", (www) => add(www, "a.txt.br", brotliCompressSync("two")), "two", "br"],
    ["the neighbour was replaced", (www) => replace(www, "a.txt.br", brotliCompressSync("six")), "six", "br"],
    ["the neighbour became a folder", (www) => becomeFolder(www, "a.txt.br"), "small", undefined],
    ["the folder went", (www) => rmSync(join(www.root, "a.txt.br"), { recursive: true }), "small", undefined],
    ["a neighbour of the next coding appeared", (www) => add(www, "a.txt.gz", gzipSync("zip")), "zip", "gzip"],
    ["the file became large enough", (www) => add(www, "a.txt", TEXT), TEXT, "br"],
    ["the neighbour vanished", (www) => unlinkSync(join(www.root, "a.txt.gz")), TEXT, "br"],
  ];

  test("one thing after the other happened", async () => {
    using www = site({ "a.txt": TEXT }, BOTH);
    const get = () => ask(www, "GET /a.txt", { "Accept-Encoding": "br, gzip;q=0.5" });
    const tags = new Set([(await get()).fields["etag"]]);
    for (const [what, change, text, coding] of steps) {
      expect(await get()).toMatchObject({ status: 200 });
      change(www);
      const answer = await get();
      expect([what, answer.fields["content-encoding"], decodedText(answer)]).toEqual([what, coding, text]);
      tags.add(answer.fields["etag"]);
    }
    expect(tags.size).toBeGreaterThan(6);
  });

  test("the file vanished, though its neighbour did not", async () => {
    using www = site({ "a.txt": "a", "a.txt.br": brotliCompressSync("one") }, { precompressed: true });
    for (let i = 0; i < 3; i++) expect(decodedText(await ask(www, "GET /a.txt", BROWSER))).toBe("one");
    expect(www.handler.respond(makeRequest("GET /a.txt", BROWSER), ADMITTED)).not.toBeInstanceOf(Promise);
    unlinkSync(join(www.root, "a.txt"));
    expect((await ask(www, "GET /a.txt", BROWSER)).status).toBe(404);
    symlinkSync("/etc/hostname", join(www.root, "a.txt"));
    expect((await ask(www, "GET /a.txt", BROWSER)).status).toBe(403);
  });

  test("a file behind a link is another one", async () => {
    using www = site({ "one.txt": TEXT, "two.txt": `${TEXT}2` }, BOTH);
    const link = join(www.root, "link.txt");
    for (const name of ["one.txt", "two.txt", "one.txt"]) {
      symlinkSync(name, `${link}.new`);
      renameSync(`${link}.new`, link);
      for (let i = 0; i < 2; i++) {
        const answer = await ask(www, "GET /link.txt", BROWSER);
        expect(decodedText(answer)).toBe(readFileSync(join(www.root, name), "utf8"));
      }
    }
  });

  function replace(www: Site, path: string, content: Uint8Array): void {
    add(www, `${path}.new`, content);
    renameSync(join(www.root, `${path}.new`), join(www.root, path));
  }

  function becomeFolder(www: Site, path: string): void {
    unlinkSync(join(www.root, path));
    mkdirSync(join(www.root, path));
  }
});

test("every file of a tree decodes to the same bytes, whatever is accepted, the first time and from memory", async () => {
  const resources = join(import.meta.dir, "..", "..", "..", "resources");
  const files: Record<string, string | Uint8Array> = {};
  for (const name of readdirSync(resources)) {
    if (statSync(join(resources, name)).isFile()) files[name] = readFileSync(join(resources, name));
  }
  const extensions = ["html", "txt", "js", "css", "svg", "json", "png", "bin", "xml", "é.md"];
  for (const [index, extension] of extensions.entries()) {
    for (const size of [0, 1023, 1024, 65_537, 150_000]) {
      const content = index % 3 === 2 ? noise(size) : prose(size);
      files[`tree/${index % 2}/${size}.${extension}`] = content;
    }
  }
  const accepted: Fields[] = [
    {},
    BROWSER,
    { "Accept-Encoding": "gzip" },
    { "Accept-Encoding": "zstd;q=0.5, br;q=0.1" },
    { "Accept-Encoding": "*;q=0.2, br;q=0" },
  ];
  for (const inline of [false, true]) {
    using www = site(files, { compress: true, inline });
    for (const [name, content] of Object.entries(files)) {
      for (const fields of [...accepted, ...accepted]) {
        const answer = await ask(www, `GET /${encodeURI(name)}`, fields);
        expect(Buffer.compare(decoded(answer), Buffer.from(content))).toBe(0);
        expect(answer.fields["content-length"]).toBe(String(answer.content.length));
        const coding = answer.fields["content-encoding"];
        const taken: readonly string[] = acceptedCodings(fields["Accept-Encoding"] ?? null);
        if (coding !== undefined) expect(taken).toContain(coding);
      }
    }
  }
}, 60_000);
