/**
 * The request target (RFC 9112 §3.2) in its four forms, and the authority it is for (§3.2.2, §3.3), decoded exactly
 * once.
 *
 * Strategy: one pass over the path. Plain ASCII is the text itself. A path with an escape, or with a byte above 0x7f, is
 * decoded into a scratch buffer, checked as UTF-8, and then made text. The query is opaque: any byte that a head may
 * have in its target may stand in it, as the WHATWG URL Standard lets browsers send it.
 *
 * The rule it guards: a target that breaks the grammar is a ParseError. A well-formed one that tries to leave the tree
 * (".." segments, encoded separators, a leading "//") gets a verdict, so that it can be answered 403 and logged as a
 * security event. A path that is only untidy gets one too, so that it can be redirected.
 */
import {
  ASTERISK,
  BACKSLASH,
  CLASS,
  DEL,
  DOT,
  equalsIgnoringCase,
  HEX_DIGIT,
  HEX_VALUE,
  latin1Text,
  PERCENT,
  QUESTION,
  SLASH,
  SP,
  utf8Text,
} from "./ascii.ts";
import { Authority, effectivePort, type HostAndPort, parseAuthority } from "./authority.ts";
import { Method } from "./method.ts";
import { ParseError } from "./parse-error.ts";
import { PathMemo } from "./path-memo.ts";
import { isUtf8 } from "./utf8.ts";

type TargetForm = "origin" | "absolute" | "asterisk" | "authority";

/** Quality of a well-formed path, from good to bad. A path with several has the worst. */
export enum Verdict {
  Clean = 0,
  /** "//" behind the start. The disk takes it for one slash. */
  RepeatedSlash,
  /** A segment is ".", literal or encoded. Some clients leave it in; it leads nowhere else. */
  CurrentSegment,
  /** "//" at the start: another host, when it is echoed into Location. */
  LeadingDoubleSlash,
  /** A segment is "..", literal or encoded. */
  ParentSegment,
  /** "%5c": a separator on Windows. */
  EncodedBackslash,
  /** "%2f": a separator to a program that decodes before it splits. */
  EncodedSlash,
}

/** Parts of a target that handlers read. */
export type RequestTarget = Readonly<
  Pick<Target, "form" | "path" | "query" | "scheme" | "verdict" | "hasDotName"> & { authority: HostAndPort }
>;

/** One per exchange, filled again for each request whose head is another than the last. */
const NO_BYTES = new Uint8Array(0);

/** Bytes of a path that is longer than those of most sites. */
const SCRATCH_KEPT_MAX = 4096;

export class Target {
  form: TargetForm;
  /** Decoded once, valid UTF-8, begins with "/"; "" in asterisk and authority form. Empty segments stay. */
  path: string;
  /** Query as sent, with its "?", as ISO-8859-1 and neither decoded nor checked; or "". `escapeTarget` makes it fit to be written. */
  query: string;
  /** Scheme of the absolute form, else "". */
  scheme: "" | "http" | "https";
  /** Authority that the request is for: of the absolute form, else of the Host field; empty if HTTP/1.0 has neither. */
  readonly authority: Authority;
  verdict: Verdict;
  /** Authority of an absolute or authority form target, while it is compared. */
  readonly own: Authority;
  /** A segment of the path begins with a dot. */
  hasDotName: boolean;
  readonly memo: PathMemo;
  #scratch: Uint8Array;

  /** Targets that share `memo` know each other's paths. */
  constructor(memo: PathMemo = new PathMemo()) {
    this.memo = memo;
    this.hasDotName = false;
    this.form = "origin";
    this.path = "";
    this.query = "";
    this.scheme = "";
    this.authority = new Authority();
    this.verdict = Verdict.Clean;
    this.own = new Authority();
    this.#scratch = NO_BYTES;
  }

  /**
   * Forgets the last target; `authority` and `own` keep their text for a peer that repeats itself, and are set anew by
   * each parse.
   */
  reset(): void {
    this.form = "origin";
    this.path = "";
    this.query = "";
    this.scheme = "";
    this.verdict = Verdict.Clean;
    this.hasDotName = false;
  }

  /** Returns room for `length` decoded bytes. It is kept for the next path, unless a long path has made it large. */
  scratch(length: number): Uint8Array {
    if (this.#scratch.length >= length) return this.#scratch;
    const room = new Uint8Array(length);
    if (length <= SCRATCH_KEPT_MAX) this.#scratch = room;
    return room;
  }
}

/**
 * Fills `target` from bytes[start, end). `target.authority` holds the request's own authority already, or is empty; an absolute
 * target has to agree with it. Returns 0 (then look at `verdict`) or a ParseError.
 */
export function parseTarget(method: Method, bytes: Uint8Array, start: number, end: number, target: Target): number {
  target.reset();
  if (method === Method.Connect) return parseAuthorityForm(bytes, start, end, target);
  if (bytes[start] === SLASH) return parseOriginForm(bytes, start, end, target);
  if (bytes[start] === ASTERISK && end - start === 1) {
    target.form = "asterisk";
    return method === Method.Options ? 0 : ParseError.TargetFormInvalid;
  }
  return parseAbsoluteForm(bytes, start, end, target);
}

/** absolute-path [ "?" query ] (RFC 9112 §3.2.1), which nearly all requests have, and mostly one that was seen before. */
function parseOriginForm(bytes: Uint8Array, start: number, end: number, target: Target): number {
  const known = target.memo.find(bytes, start, end);
  if (known !== null) {
    target.path = known;
    return 0;
  }
  const error = parsePathAndQuery(bytes, start, end, target);
  const isPlain = error === 0 && target.query === "" && target.verdict === Verdict.Clean && !target.hasDotName;
  if (isPlain) target.memo.keep(bytes, start, end, target.path);
  return error;
}

/** uri-host ":" port, with CONNECT only and its only form (RFC 9112 §3.2.3). The port may not be left out. */
function parseAuthorityForm(bytes: Uint8Array, start: number, end: number, target: Target): number {
  target.form = "authority";
  if (!parseAuthority(bytes, start, end, target.own)) return ParseError.TargetFormInvalid;
  return target.own.port > 0 ? 0 : ParseError.TargetFormInvalid;
}

/** "http" [ "s" ] "://" authority path-abempty [ "?" query ] (RFC 9112 §3.2.2); it wins over Host, and must agree with it. */
function parseAbsoluteForm(bytes: Uint8Array, start: number, end: number, target: Target): number {
  const scheme = schemeOf(bytes, start, end);
  if (scheme === "") return ParseError.TargetFormInvalid;
  target.form = "absolute";
  target.scheme = scheme;
  const authorityStart = start + scheme.length + "://".length;
  let authorityEnd = authorityStart;
  while (authorityEnd < end && bytes[authorityEnd] !== SLASH && bytes[authorityEnd] !== QUESTION) authorityEnd++;
  const own = target.own;
  if (!parseAuthority(bytes, authorityStart, authorityEnd, own)) return ParseError.TargetAuthorityInvalid;
  const host = target.authority;
  // RFC 9112 §3.2.2 lets an origin ignore Host here; a difference means that someone on the way routed by the other one.
  if (
    host.host !== "" &&
    (host.host !== own.host || effectivePort(host.port, scheme) !== effectivePort(own.port, scheme))
  ) {
    return ParseError.TargetHostMismatch;
  }
  host.set(bytes, authorityStart, authorityEnd, own.host, own.port);
  if (bytes[authorityEnd] === SLASH) return parsePathAndQuery(bytes, authorityEnd, end, target);
  target.path = "/"; // RFC 9110 §4.2.3: an empty path is "/".
  if (authorityEnd < end) target.query = latin1Text(bytes, authorityEnd, end);
  return 0;
}

/** The scheme before "://", or "" when it is neither http nor https. */
function schemeOf(bytes: Uint8Array, start: number, end: number): "" | "http" | "https" {
  if (end - start >= 7 && equalsIgnoringCase(bytes, start, start + 7, "http://")) return "http";
  if (end - start >= 8 && equalsIgnoringCase(bytes, start, start + 8, "https://")) return "https";
  return "";
}

/** absolute-path [ "?" query ]; bytes[start] is the slash. */
function parsePathAndQuery(bytes: Uint8Array, start: number, end: number, target: Target): number {
  let isPlain = true;
  let hasDot = false;
  let hasSlashes = false;
  let pos = start;
  for (; pos < end; pos++) {
    const byte = bytes[pos] as number;
    if (byte === QUESTION) break;
    if (byte === PERCENT || byte > DEL) isPlain = false;
    else if (byte === DOT) hasDot = true;
    else if (byte === SLASH && bytes[pos + 1] === SLASH) hasSlashes = true;
  }
  if (!isPlain) {
    const decoded = decodePath(bytes, start, pos, target);
    if (decoded < 0) return decoded;
  } else {
    if (hasDot || hasSlashes) target.verdict = judgeSegments(bytes, start, pos);
    target.path = latin1Text(bytes, start, pos);
  }
  target.hasDotName = (hasDot || !isPlain) && target.path.includes("/.");
  if (pos < end) target.query = latin1Text(bytes, pos, end);
  return 0;
}

/**
 * Percent-decodes the path once: "%2541" becomes "%41" and stays so. Raw bytes above 0x7f stay, and make UTF-8 together
 * with the decoded ones. Returns 0 or a ParseError.
 */
function decodePath(bytes: Uint8Array, start: number, end: number, target: Target): number {
  const decoded = target.scratch(end - start);
  let length = 0;
  let isAscii = true;
  let verdict: Verdict = Verdict.Clean;
  for (let pos = start; pos < end; pos++) {
    let byte = bytes[pos] as number;
    if (byte > DEL) isAscii = false;
    if (byte === PERCENT) {
      byte = escapedByte(bytes, pos, end);
      if (byte < 0) return ParseError.TargetEscapeInvalid;
      // NUL cuts names short in C; the other controls only serve to forge lines, and no file of ours needs them.
      if (byte < SP || byte === DEL) return ParseError.TargetControl;
      if (byte === SLASH) verdict = Verdict.EncodedSlash;
      else if (byte === BACKSLASH && verdict === Verdict.Clean) verdict = Verdict.EncodedBackslash;
      pos += 2;
    }
    decoded[length++] = byte;
  }
  if (!isUtf8(decoded, length)) return isAscii ? ParseError.TargetUtf8Invalid : ParseError.TargetCharacter;
  target.verdict = verdict === Verdict.Clean ? judgeSegments(decoded, 0, length) : verdict;
  target.path = utf8Text(decoded, 0, length);
  return 0;
}

/** The byte that "%" HEXDIG HEXDIG at `pos` stands for, or -1. */
function escapedByte(bytes: Uint8Array, pos: number, end: number): number {
  if (pos + 2 >= end) return -1;
  const high = bytes[pos + 1] as number;
  const low = bytes[pos + 2] as number;
  if (((CLASS[high] as number) & (CLASS[low] as number) & HEX_DIGIT) === 0) return -1;
  return (HEX_VALUE[high] as number) * 16 + (HEX_VALUE[low] as number);
}

/** Returns the worst that the segments of bytes[start, end) say. It begins with a slash. */
function judgeSegments(bytes: Uint8Array, start: number, end: number): Verdict {
  let verdict: Verdict = Verdict.Clean;
  for (let pos = start; pos < end; pos++) {
    if (bytes[pos] !== SLASH) continue;
    let next = pos + 1;
    while (next < end && bytes[next] === DOT) next++;
    const dots = next - pos - 1;
    if (next < end ? bytes[next] !== SLASH : dots === 0) continue;
    if (dots < SEGMENT_VERDICTS.length) verdict = Math.max(verdict, SEGMENT_VERDICTS[dots] as Verdict);
    if (dots === 0 && pos === start) verdict = Math.max(verdict, Verdict.LeadingDoubleSlash);
  }
  return verdict;
}

/** Verdicts on a segment that has only dots, by their number. */
const SEGMENT_VERDICTS = [Verdict.RepeatedSlash, Verdict.CurrentSegment, Verdict.ParentSegment];

/**
 * Returns a path without its `.` segments and repeated slashes: the path of the same file. It must have no `..` segment.
 * The result begins with exactly one slash, so it never names another host.
 */
export function cleanPath(path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  const isFolder = segments.length > 0 && /\/\.?$/.test(path);
  return `/${segments.join("/")}${isFolder ? "/" : ""}`;
}
