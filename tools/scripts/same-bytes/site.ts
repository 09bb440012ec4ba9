/** The folder that both executables serve: the same files with the same times, so that validators are the same too. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeConformanceSite } from "../../../test/conformance/site.ts";

/** 1994-11-06T08:49:37Z, seconds. */
const MODIFIED_SECONDS = 784_111_777;

/** Lines of a text that is worth compressing. */
const TEXT_LINES = 200;

export interface ComparedSite extends Disposable {
  /** What conformance rows are about. */
  readonly conformance: string;
  /** What generated conversations are about. */
  readonly general: string;
  /** What faults are about; files are added by `addFiles`. */
  readonly fixture: string;
  /** A page for `--error-page`. */
  readonly errorPage: string;
  /** Makes a new folder for the uploads of one server. */
  freshUploads(): string;
}

export function makeSite(): ComparedSite {
  const conformance = makeConformanceSite();
  const folder = mkdtempSync(join(tmpdir(), "same-bytes-"));
  const general = join(folder, "general");
  const fixture = join(folder, "fixture");
  const errorPage = join(folder, "missing.html");
  writeFileSync(errorPage, "<!doctype html><title>our own 404</title>\n");
  mkdirSync(fixture);
  addGeneralFiles(general);
  settle(conformance.root);
  let uploads = 0;
  return {
    conformance: conformance.root,
    general,
    fixture,
    errorPage,
    freshUploads() {
      const path = join(folder, `uploads-${uploads++}`);
      mkdirSync(path);
      return path;
    },
    [Symbol.dispose]() {
      conformance[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Writes files below `root`, makes their folders, and gives all of them one time. */
export function addFiles(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
  }
  settle(root);
}

function addGeneralFiles(root: string): void {
  const text = Array.from({ length: TEXT_LINES }, (_, line) => `line ${line} of a text that compresses well\n`).join(
    "",
  );
  const style = `/* ${"style ".repeat(400)}*/\n`;
  addFiles(root, {
    "index.html": "<!doctype html><title>index</title>\n",
    "page.html": `<!doctype html><title>page</title>\n${"<p>paragraph</p>\n".repeat(60)}`,
    "probe.html": "<!doctype html><title>probe</title>\n",
    "data.txt": "abcdefghijklmnopqrstuvwxyz",
    "empty.txt": "",
    "text.txt": text,
    "large.bin": Uint8Array.from({ length: 300_000 }, (_, position) => position % 251),
    "style.css": style,
    "style.css.gz": Bun.gzipSync(style),
    "style.css.br": "not really brotli, but sent as it is",
    "style.css.zst": Bun.zstdCompressSync(style),
    "assets/app.0123abcd.js": `export const text = ${JSON.stringify(text)};\n`,
    "assets/image.png": Uint8Array.from({ length: 2000 }, (_, position) => position % 256),
    "assets/vector.svg": '<svg xmlns="http://www.w3.org/2000/svg"><title>vector</title></svg>\n',
    "docs/index.html": "<!doctype html><title>docs</title>\n",
    "docs/default.html": "<!doctype html><title>default</title>\n",
    "bare/one.txt": "one",
    "bare/two words.txt": "two",
    "bare/<three>&.txt": "three",
    "bare/deep/four.json": '{"four":4}\n',
    "ü.html": "<!doctype html><title>ü</title>\n",
    "a b/c d.html": "<!doctype html><title>blank</title>\n",
    "%41.html": "literal",
    ".hidden": "secret",
    ".well-known/security.txt": "Contact: nobody\n",
    "unknown.type": "bytes",
    "data.json": '{"data":[1,2,3]}\n',
  });
  symlinkSync("page.html", join(root, "inside.html"));
  symlinkSync("../missing.html", join(root, "outside.html"));
}

/** One time for all files and folders, which listings and validators show. */
function settle(root: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) utimesSync(join(entry.parentPath, entry.name), MODIFIED_SECONDS, MODIFIED_SECONDS);
  }
  utimesSync(root, MODIFIED_SECONDS, MODIFIED_SECONDS);
}
