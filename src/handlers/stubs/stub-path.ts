/**
 * Names in a stub folder: folders are segments of a path, files are methods.
 *
 *     api/orders/GET.http       GET /api/orders
 *     api/orders/POST.2.http    the second POST
 *     api/[id]/GET.http         any one segment
 *     api/[...rest]/GET.http    one or more segments, down to the end
 *
 * A name stands for itself, as the name of a served file does: a request's path is decoded once and then compared, so a space in a
 * URL is a space in the name. Names that no request can reach are mistakes. Pure.
 */
import { isReserved, RESERVED_NAME } from "../endpoints/endpoint.ts";
import { isBelowUploads, UPLOAD_PATH, UPLOADS_PATH } from "../uploads/paths.ts";

/** Kinds of segments, the most specific first. */
export enum Segment {
  Literal = 0,
  /** Stands for any one segment. */
  One,
  /** Stands for one segment or more, down to the end of the path. */
  Rest,
}

/** The meaning of a file's name. */
interface StubName {
  readonly method: string;
  /** Place in a sequence, from 1; 0 for a file that stands alone. */
  readonly number: number;
}

/** End of the names of stub files. Other files beside them are ignored. */
const STUB_FILE = ".http";

/** Longest method of a request, as http1/request-head.ts reads it. */
const METHOD_CHARS_MAX = 32;

/** Places of a sequence. All files of one are looked at with each request. */
export const NUMBER_MAX = 1000;

/** Returns true for a name that is passed over: notes beside the stubs, and the hidden files of editors and systems. */
export function isIgnored(name: string, isFolder: boolean): boolean {
  return isHidden(name) || (!isFolder && !name.endsWith(STUB_FILE));
}

/** Hidden names are not served either, but for the one of RFC 8615. */
function isHidden(name: string): boolean {
  return name.startsWith(".") && name !== ".well-known";
}

/** Returns the kind of segment that a folder's name is, or the mistake in it. */
export function segmentOf(name: string): Segment | string {
  if (/^\[[A-Za-z0-9_]+\]$/.test(name)) return Segment.One;
  if (/^\[\.\.\.[A-Za-z0-9_]+\]$/.test(name)) return Segment.Rest;
  if (/[[\]]/.test(name)) return "expected [name] or [...name] as the whole name of a folder, of letters, digits and _";
  if (/%[0-9A-Fa-f]{2}/.test(name)) return "expected the character itself in the name of a folder, not its %XX";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names of a disk may have them.
  if (/[\x00-\x1f\x7f\\]/.test(name)) return "expected a name that a URL can have, without controls and backslashes";
  return name.includes("\ufffd") ? "expected a name in UTF-8" : Segment.Literal;
}

/** Returns the meaning of a stub file's name, or the mistake in it. */
export function stubNameOf(file: string): StubName | string {
  const [, method = "", digits = ""] = /^([^.]*)(?:\.([0-9]+))?\.http$/.exec(file) ?? [];
  if (!/^[A-Z][A-Z0-9_-]*$/.test(method) || method.length > METHOD_CHARS_MAX) {
    const upper = file.replace(/^[^.]*/, (name) => name.toUpperCase());
    const isLower = upper !== file && /^[a-z][a-z0-9_-]*(?:\.[0-9]+)?\.http$/i.test(file);
    return isLower
      ? `expected a method in capital letters: ${upper}`
      : "expected METHOD.http, or METHOD.1.http, METHOD.2.http and so on";
  }
  if (method === "CONNECT") return "expected a method other than CONNECT, which asks for a tunnel";
  if (digits === "") return { method, number: 0 };
  if (digits.startsWith("0") || Number(digits) > NUMBER_MAX) {
    return `expected a number from 1 to ${NUMBER_MAX}, without zeros before it`;
  }
  return { method, number: Number(digits) };
}

/** Returns the name of a stub file; `number` is its place in a sequence, 0 for a file that stands alone. */
export function fileNameOf(method: string, number: number): string {
  return number === 0 ? `${method}.http` : `${method}.${number}.http`;
}

/** Returns the segments of a decoded path. A slash at its end, and repeated ones, make no difference. */
export function segmentsOf(path: string): readonly string[] {
  return path.split("/").filter((segment) => segment !== "");
}

/** Returns true for paths that the server keeps for itself, whether it answers there or not. */
export function isKept(segments: readonly string[]): boolean {
  const path = `/${segments.join("/")}`;
  return path === UPLOAD_PATH || isBelowUploads(path) || isReserved(path);
}

export const KEPT_PATH = `expected another path: ${UPLOAD_PATH}, ${UPLOADS_PATH}/ and /${RESERVED_NAME}/ are the server's own`;
