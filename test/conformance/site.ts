/** The folder that the rows are about, and the rules of the server that shows it. Removed when the scope ends. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ALPHABET = "abcdefghijklmnopqrstuvwxyz";
export const PAGE = "<!doctype html><title>page</title>\n";
export const PROBE = "<!doctype html><title>probe</title>\n";
const LARGE_BYTES = 100_000;

/** 784111777 s, the RFC's own example. */
export const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";

/** Most content of an upload, bytes: small, so that rows can go beyond it. */
export const BODY_BYTES_MAX = 2000;

/** Names that every floor answers for, with any port, whatever it is bound to. */
export const HOSTS = ["localhost", "127.0.0.1", "[::1]", "example.com", "a%2fb", "x_y", "[2001:db8::1]"];

export interface ConformanceSite extends Disposable {
  readonly root: string;
  readonly uploads: string;
}

export function makeConformanceSite(): ConformanceSite {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  const root = join(folder, "www");
  const uploads = join(folder, "up");
  for (const path of [root, uploads]) mkdirSync(path);
  for (const path of ["dir", "bare", ".git", ".well-known", "a b"]) mkdirSync(join(root, path));
  const files: Readonly<Record<string, string | Uint8Array>> = {
    "index.html": PAGE,
    "page.html": PAGE,
    "probe.html": PROBE,
    "data.txt": ALPHABET,
    "empty.txt": "",
    "large.bin": Uint8Array.from({ length: LARGE_BYTES }, (_, position) => position % 251),
    "dir/index.html": PAGE,
    "dir/..data.html": PAGE,
    "%41.html": "literal",
    "A.html": "decoded",
    "a b/c d.html": PAGE,
    "ü.html": PAGE,
    "ü.txt": ALPHABET,
    'a"b.txt': ALPHABET,
    "a%b.txt": ALPHABET,
    "\u{1f600}.html": PAGE,
    "100%.html": PAGE,
    "a;b=c,d.html": PAGE,
    "a+b.html": PAGE,
    "a:b@c!$&'()*=~-_.html": PAGE,
    "a#b?c.html": PAGE,
    "page[1].html": PAGE,
    "...html": PAGE,
    ".hidden": "secret",
    ".git/config": "secret",
    ".well-known/security.txt": "contact",
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, name), content);
  writeFileSync(join(folder, "secret.html"), "secret");
  symlinkSync(join(folder, "secret.html"), join(root, "link.html"));
  symlinkSync("page.html", join(root, "inside.html"));
  for (const name of ["data.txt", "empty.txt", "large.bin"]) utimesSync(join(root, name), 784_111_777, 784_111_777);
  return { root, uploads, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The request behind a row that shows whether the connection persists. */
export const PROBE_REQUEST = "GET /probe.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** `raw` with the validators of this site's /data.txt in place. */
export function filledIn(raw: string, etag: string): string {
  return raw.replaceAll("{{etag}}", etag).replaceAll("{{modified}}", MODIFIED);
}
