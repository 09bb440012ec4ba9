/**
 * Media types by extension, from the `mime` package with its whole table. The package takes about 20 ms to load, more
 * than everything else at the start. So a small table answers for the types of an ordinary site, and the first file
 * outside of it loads the package.
 */

/** Type of bytes of unknown type (RFC 2046 §4.5.1). It also makes a browser store a file instead of showing it. */
export const OCTET_STREAM = "application/octet-stream";

/** The Content-Type of a file named `name` (a path will do), with a charset on text; OCTET_STREAM when unknown. */
export function contentTypeOf(name: string): string {
  const extension = extensionOf(name);
  const known = cache.get(extension);
  if (known !== undefined) return known;
  const type = withCharset(lookUp(extension));
  if (cache.size < CACHED_TYPES_MAX) cache.set(extension, type);
  return type;
}

/** In lower case, without its dot; "" when there is none. A name that only starts with a dot has none. */
export function extensionOf(name: string): string {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  return dot <= 0 ? "" : base.slice(dot + 1).toLowerCase();
}

/** Bound of the cache: a client chooses the extensions, and their number has no bound. */
const CACHED_TYPES_MAX = 1_000;

const JAVASCRIPT = "text/javascript; charset=utf-8";

/**
 * JavaScript has one type (RFC 9239). Beside `js` and `mjs`, builds are named `lib.umd.cjs` (Vite), `lib.es` and
 * `lib.es6` (older bundlers), `lib.esm` and `lib.jsm` (modules). A browser refuses to run them with another type, because
 * of nosniff. TypeScript and JSX stay what the package says: a browser runs neither, and `ts` is a video segment.
 */
const cache = new Map<string, string>([
  ["", OCTET_STREAM],
  ["html", "text/html; charset=utf-8"],
  ["htm", "text/html; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["js", JAVASCRIPT],
  ["mjs", JAVASCRIPT],
  ["cjs", JAVASCRIPT],
  ["es", JAVASCRIPT],
  ["es6", JAVASCRIPT],
  ["esm", JAVASCRIPT],
  ["jsm", JAVASCRIPT],
  ["txt", "text/plain; charset=utf-8"],
  ["json", "application/json"],
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["gif", "image/gif"],
  ["svg", "image/svg+xml"],
  ["webp", "image/webp"],
  ["ico", "image/vnd.microsoft.icon"],
  ["woff2", "font/woff2"],
  ["pdf", "application/pdf"],
  ["mp4", "video/mp4"],
]);

function lookUp(extension: string): string {
  // A require, not an import: it is looked up late, and synchronously, so that answering a file stays so.
  const { default: mime } = require("mime") as typeof import("mime");
  return mime.getType(extension) ?? OCTET_STREAM;
}

/**
 * Adds the charset to text: files count as UTF-8. JSON has no charset parameter (RFC 8259 §11), and XML names its own.
 */
function withCharset(type: string): string {
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
