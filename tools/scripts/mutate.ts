/**
 * Shows that the conformance rows guard the rules: each mutation below weakens one rule in a copy of the tree, and at least one
 * row of the parser or the machine floor has to turn red. `bun tools/scripts/mutate.ts [part of a name]`; prints the survivors,
 * exits 1 when there are any or when a snippet is not found once in its file.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Mutation {
  /** Below src/. */
  readonly file: string;
  /** The rule that is gone. */
  readonly name: string;
  readonly original: string;
  readonly replacement: string;
}

const TOP = join(import.meta.dir, "..", "..");
const COPIED = ["src", "test", "tools", "docs", "package.json", "bunfig.toml", "tsconfig.json", "bun.lock"];
const SUITES = ["test/conformance/parser.test.ts", "test/conformance/machine.test.ts"];

/** Longest time of one suite, ms: a mutation may make a loop endless, and that is a way of being noticed. */
const SUITE_MS_MAX = 60_000;

const HEAD = "http1/request-head.ts";
const FRAMING = "http1/framing.ts";
const BODY = "http1/body-decoder.ts";
const TARGET = "http/target.ts";
const HOST = "http/authority.ts";
const IP_ADDRESS = "http/ip-address.ts";
const UTF8 = "http/utf8.ts";
const REQUEST_TARGET = "http1/request-target.ts";
const REQUEST = "http1/request.ts";
const RANGE = "http/range.ts";
const CONDITIONAL = "http/conditional.ts";
const DATE = "http/date.ts";
const ACCEPT = "http/accept.ts";
const CLASSES = "http/ascii.ts";
const ERRORS = "http/parse-error.ts";
const CONNECTION = "http1/connection.ts";

const MUTATIONS: readonly Mutation[] = [
  // Request line
  gone(HEAD, "a bound on empty lines", "if (lines === linesMax) return ParseError.TooManyEmptyLines;"),
  gone(HEAD, "LF behind the CR of an empty line", "if (bytes[pos + 1] !== LF) return ParseError.BareCr;"),
  gone(HEAD, "a bound on the method", "if (pos - start > METHOD_BYTES_MAX) return ParseError.MethodTooLong;"),
  swap(
    HEAD,
    "SP alone behind the method",
    "if (afterMethod !== SP || pos === start) {",
    "if ((afterMethod !== SP && afterMethod !== HTAB) || pos === start) {",
  ),
  swap(HEAD, "a method has a byte at least", "if (afterMethod !== SP || pos === start) {", "if (afterMethod !== SP) {"),
  gone(HEAD, "a bound on the target", "if (pos - targetStart > uriBytesMax) return ParseError.TargetTooLong;"),
  swap(
    HEAD,
    "the bound on the target is inclusive",
    "if (pos - targetStart > uriBytesMax)",
    "if (pos - targetStart >= uriBytesMax)",
  ),
  swap(
    HEAD,
    "SP alone behind the target",
    "if (afterTarget !== SP) {",
    "if (afterTarget !== SP && afterTarget !== HTAB) {",
  ),
  gone(HEAD, "a target has a byte at least", "if (pos === targetStart) return ParseError.TargetEmpty;"),
  swap(
    HEAD,
    "the version is compared exactly",
    ": byte === wanted) continue;",
    ": (byte | 0x20) === ((wanted ?? 0) | 0x20)) continue;",
  ),
  gone(HEAD, "major version 1", "if (bytes[start + MAJOR_AT] !== DIGIT_ONE) return ParseError.VersionUnsupported;"),
  swap(
    HEAD,
    "the minor version is kept",
    "head.minorVersion = (bytes[start + MINOR_AT] as number) - 0x30;",
    "head.minorVersion = 1;",
  ),
  swap(
    HEAD,
    "methods are case-sensitive",
    "if (bytes[start + i] !== name.charCodeAt(i)) return Method.Other;",
    "if (((bytes[start + i] as number) & 0xdf) !== name.charCodeAt(i)) return Method.Other;",
  ),
  // Field section
  swap(
    HEAD,
    "a bound on the section",
    "const sectionMax = head.start + maxHeaderBytes;",
    "const sectionMax = head.start + 4 * maxHeaderBytes;",
  ),
  swap(
    HEAD,
    "the bound on the section is inclusive",
    "const sectionMax = head.start + maxHeaderBytes;",
    "const sectionMax = head.start + maxHeaderBytes - 1;",
  ),
  swap(
    HEAD,
    "a bound on a line",
    "const lineMax = Math.min(sectionMax, lineStart + maxFieldBytes);",
    "const lineMax = sectionMax;",
  ),
  swap(HEAD, "the bound on a line is inclusive", "lineStart + maxFieldBytes);", "lineStart + maxFieldBytes - 1);"),
  gone(HEAD, "a bound on the number of lines", "if (count === maxFields) return ParseError.TooManyFields;"),
  swap(
    HEAD,
    "LF behind the CR of the last line",
    "if (bytes[pos] !== LF) return ParseError.BareCr;\n      head.fieldCount",
    "head.fieldCount",
  ),
  swap(
    HEAD,
    "no space before the colon",
    "const nameEnd = pos;",
    "const nameEnd = pos;\n    while (bytes[pos] === SP) pos++;",
  ),
  swap(
    HEAD,
    "a name has a byte at least",
    "if (bytes[pos] !== COLON || nameEnd === lineStart)",
    "if (bytes[pos] !== COLON)",
  ),
  swap(
    HEAD,
    "no bare LF behind a value",
    "if (bytes[pos] !== CR) return bytes[pos] === LF ? ParseError.BareLf : ParseError.FieldValueInvalid;\n    pos++;",
    "if (bytes[pos] !== CR && bytes[pos] !== LF) return ParseError.FieldValueInvalid;\n    if (bytes[pos] === CR) pos++;",
  ),
  swap(
    HEAD,
    "no control in a value",
    "return bytes[pos] === LF ? ParseError.BareLf : ParseError.FieldValueInvalid;\n",
    "{\n      if (bytes[pos] === LF) return ParseError.BareLf;\n      while (bytes[pos] !== CR && pos < stop - 1) pos++;\n    }\n",
  ),
  swap(
    HEAD,
    "no bare CR behind a value",
    "if (pos >= stop) return exhausted(pos, lineMax, sectionMax);\n    if (bytes[pos] !== LF) return ParseError.BareCr;\n    pos++;",
    "if (pos >= stop) return exhausted(pos, lineMax, sectionMax);\n    pos++;",
  ),
  swap(
    HEAD,
    "white space behind a value is no part of it",
    "while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;",
    "",
  ),
  gone(HEAD, "a repeated field is known to be", "else head.repeated |= 1 << field;"),
  swap(
    HEAD,
    "folding has its name",
    "if (byte === SP || byte === HTAB) return isFirst ? ParseError.FieldFolded",
    "if (byte === SP) return isFirst ? ParseError.FieldFolded",
  ),
  // Byte classes
  swap(CLASSES, "no # in a target", "%:@/?[]`, TARGET_CHAR", "%:@/?[]#`, TARGET_CHAR"),
  swap(CLASSES, "no DEL in a value", "(byte >= SP && byte !== DEL)", "byte >= SP"),
  swap(
    CLASSES,
    "no high bytes in a token",
    "mark(digits, DIGIT);",
    "mark(digits, DIGIT);\n  for (let byte = 0x80; byte < 256; byte++) table[byte] = TCHAR;",
  ),
  swap(
    CLASSES,
    "no high bytes in a target",
    "mark(digits, DIGIT);",
    "mark(digits, DIGIT);\n  for (let byte = 0x80; byte < 256; byte++) table[byte] = TARGET_CHAR;",
  ),
  swap(CLASSES, "no slash in a token", "mark(`!#$%&'", "mark(`/!#$%&'"),
  swap(CLASSES, "no underscore among digits", "mark(digits, DIGIT);", "mark('_'.concat(digits), DIGIT);"),
  // Framing
  gone(FRAMING, "no coding in HTTP/1.0", "if (head.minorVersion === 0) return ParseError.TransferEncodingInHttp10;"),
  gone(
    FRAMING,
    "no coding beside a length",
    "if (known[Field.ContentLength] !== 0) return ParseError.TransferEncodingWithLength;",
  ),
  gone(
    FRAMING,
    "one Transfer-Encoding",
    "if (head.isRepeated(Field.TransferEncoding)) return ParseError.TransferEncodingInvalid;",
  ),
  swap(
    FRAMING,
    "chunked alone",
    "return transferEncodingError(head.bytes, start, end);",
    "transferEncodingError(head.bytes, start, end);",
  ),
  gone(
    FRAMING,
    "one Content-Length",
    "if (head.isRepeated(Field.ContentLength)) return ParseError.ContentLengthRepeated;",
  ),
  gone(FRAMING, "a length has a digit", "if (start === end) return ParseError.ContentLengthInvalid;"),
  swap(
    FRAMING,
    "a length has digits only",
    "if (((CLASS[byte] as number) & DIGIT) === 0) return ParseError.ContentLengthInvalid;",
    "if (((CLASS[byte] as number) & DIGIT) === 0) continue;",
  ),
  swap(
    FRAMING,
    "a length has a bound",
    "if (pos - start >= LENGTH_DIGITS_MAX || length > (Number.MAX_SAFE_INTEGER - digit) / 10) {",
    "if (false) {",
  ),
  swap(FRAMING, "a length has a bound of digits", "if (pos - start >= LENGTH_DIGITS_MAX || length", "if (length"),
  swap(FRAMING, "a length stays exact", "|| length > (Number.MAX_SAFE_INTEGER - digit) / 10) {", ") {"),
  gone(FRAMING, "a coding has a name", "if (codingEnd === codingStart) return ParseError.TransferEncodingInvalid;"),
  gone(
    FRAMING,
    "chunked comes last",
    'if (equalsIgnoringCase(bytes, codingStart, codingEnd, "chunked")) return ParseError.TransferEncodingInvalid;',
  ),
  gone(
    FRAMING,
    "a bound on empty elements",
    "if (++emptyElements > EMPTY_ELEMENTS_MAX) return ParseError.ConnectionInvalid;",
  ),
  swap(
    FRAMING,
    "Connection is a list of tokens",
    "if (bytes[pos] !== COMMA) return ParseError.ConnectionInvalid;",
    "if (bytes[pos] !== COMMA) return seen;",
  ),
  gone(FRAMING, "close ends the connection", "if ((seen & SAW_CLOSE) !== 0) return 0;"),
  swap(
    FRAMING,
    "HTTP/1.0 does not persist by itself",
    "return head.minorVersion >= 1 || (seen",
    "return head.minorVersion >= 0 || (seen",
  ),
  swap(
    FRAMING,
    "HTTP/1.0 persists on request",
    "return head.minorVersion >= 1 || (seen & SAW_KEEP_ALIVE) !== 0 ? 1 : 0;",
    "return head.minorVersion >= 1 ? 1 : 0;",
  ),
  swap(
    FRAMING,
    "every Connection line counts",
    "i = head.isRepeated(Field.Connection) ? head.next(Field.Connection, i) : -1;",
    "i = -1;",
  ),
  gone(FRAMING, "HTTP/1.0 has no expectations", "if (head.minorVersion === 0) return 0;"),
  swap(
    FRAMING,
    "every Expect line counts",
    "i = head.isRepeated(Field.Expect) ? head.next(Field.Expect, i) : -1;",
    "i = -1;",
  ),
  swap(
    FRAMING,
    "no 100 without content",
    'framing.expectsContinue = framing.kind === "chunked" || framing.contentLength > 0;',
    "framing.expectsContinue = true;",
  ),
  // Content
  swap(
    BODY,
    "a size has a digit",
    "if (this.#state === State.SizeStart) return byte === LF ? ParseError.BareLf : ParseError.ChunkSizeInvalid;",
    "",
  ),
  swap(
    BODY,
    "nothing around a size",
    "return this.#afterExtension(byte, ParseError.ChunkSizeInvalid);",
    "return byte === 0x20 || byte === 0x09 ? 0 : this.#afterExtension(byte, ParseError.ChunkSizeInvalid);",
  ),
  swap(
    BODY,
    "CR behind a chunk",
    "if (byte !== CR) return byte === LF ? ParseError.BareLf : ParseError.ChunkDataUnterminated;",
    "",
  ),
  swap(
    BODY,
    "LF behind a chunk's CR",
    "if (byte !== LF) return ParseError.BareCr;\n        this.#sizeDigits = 0;",
    "this.#sizeDigits = 0;",
  ),
  swap(
    BODY,
    "LF behind a size's CR",
    "return byte === LF ? this.#sizeLineEnd() : ParseError.BareCr;",
    "return this.#sizeLineEnd();",
  ),
  gone(
    BODY,
    "a bound on a size's digits",
    "if (this.#sizeDigits === CHUNK_SIZE_DIGITS_MAX) return ParseError.ChunkSizeTooLarge;",
  ),
  gone(
    BODY,
    "a size stays exact",
    "if (this.#remaining > (Number.MAX_SAFE_INTEGER - digit) / 16) return ParseError.ChunkSizeTooLarge;",
  ),
  swap(
    BODY,
    "no bare LF behind a size",
    "else return byte === LF ? ParseError.BareLf : otherwise;",
    "else if (byte === LF) return this.#sizeLineEnd();\n    else return otherwise;",
  ),
  swap(
    BODY,
    "a bound on extensions",
    "if (++this.#extensionBytes > CHUNK_EXTENSION_BYTES_MAX) return ParseError.ChunkExtensionsTooLong;",
    "this.#extensionBytes++;",
  ),
  swap(
    BODY,
    "an extension has a name",
    "if ((flags & TCHAR) === 0) break;\n        this.#state = State.ExtensionNameMore;\n        return 0;",
    "if ((flags & TCHAR) === 0) return this.#afterExtension(byte, ParseError.ChunkExtensionInvalid);\n        this.#state = State.ExtensionNameMore;\n        return 0;",
  ),
  swap(
    BODY,
    "an extension's value has a byte",
    "else break;\n        return 0;\n      case State.ExtensionToken:",
    "else return this.#afterExtension(byte, ParseError.ChunkExtensionInvalid);\n        return 0;\n      case State.ExtensionToken:",
  ),
  swap(
    BODY,
    "no control in a quoted value",
    "if ((flags & QUOTED_TEXT) !== 0) return 0;",
    "if ((flags & QUOTED_TEXT) !== 0 || byte === CR || byte === 0) return 0;",
  ),
  gone(BODY, "no control behind a backslash", "if ((flags & FIELD_BYTE) === 0) break;"),
  gone(BODY, "a bound on the framing of small chunks", "return ParseError.ChunkOverhead;"),
  swap(
    BODY,
    "a bound on trailers",
    "if (++this.#trailerBytes > TRAILER_BYTES_MAX) return ParseError.TrailersTooLarge;",
    "this.#trailerBytes++;",
  ),
  gone(
    BODY,
    "a bound on the number of trailers",
    "if (++this.#trailerFields > TRAILER_FIELDS_MAX) return ParseError.TrailersTooLarge;",
  ),
  gone(
    BODY,
    "a trailer begins with a token",
    "if (((CLASS[byte] as number) & TCHAR) === 0) return fieldNameError(byte, true);",
  ),
  gone(
    BODY,
    "a trailer's name is a token",
    "if (((CLASS[byte] as number) & TCHAR) === 0) return fieldNameError(byte, false);",
  ),
  swap(BODY, "forbidden trailers", "return this.#isForbidden() ? ParseError.TrailerForbidden : 0;", "return 0;"),
  swap(
    BODY,
    "forbidden trailers in any case",
    "this.#name[this.#nameLength] = LOWER[byte] as number;",
    "this.#name[this.#nameLength] = byte;",
  ),
  gone(
    BODY,
    "forbidden trailers by their first letters",
    'if (name.startsWith("if-") || name.startsWith("proxy-") || name.startsWith("x-forwarded-")) return true;',
  ),
  swap(
    BODY,
    "no control in a trailer's value",
    "if (byte !== CR) return byte === LF ? ParseError.BareLf : ParseError.FieldValueInvalid;",
    "if (byte === LF) return ParseError.BareLf;\n        if (byte !== CR) return 0;",
  ),
  swap(
    BODY,
    "no bare LF behind a trailer",
    "if (byte !== CR) return byte === LF ? ParseError.BareLf : ParseError.FieldValueInvalid;",
    "if (byte !== CR && byte !== LF) return ParseError.FieldValueInvalid;\n        if (byte === LF) this.#state = State.TrailerStart;\n        if (byte === LF) return 0;",
  ),
  swap(
    BODY,
    "LF behind a trailer's CR",
    "if (byte !== LF) return ParseError.BareCr;\n        this.#state = State.TrailerStart;",
    "this.#state = State.TrailerStart;",
  ),
  swap(
    BODY,
    "LF behind the last CR",
    "if (byte !== LF) return ParseError.BareCr;\n        this.#finish();",
    "this.#finish();",
  ),
  // Target and host
  swap(
    TARGET,
    "CONNECT's form",
    "if (method === Method.Connect) return parseAuthorityForm(bytes, start, end, target);",
    "",
  ),
  swap(
    TARGET,
    "* with OPTIONS only",
    "return method === Method.Options ? 0 : ParseError.TargetFormInvalid;",
    "return 0;",
  ),
  swap(TARGET, "CONNECT needs a port", "return target.own.port > 0 ? 0 : ParseError.TargetFormInvalid;", "return 0;"),
  swap(
    TARGET,
    "no other scheme",
    'if (scheme === "") return ParseError.TargetFormInvalid;',
    'if (scheme === "") return 0;',
  ),
  gone(TARGET, "target and Host agree", "return ParseError.TargetHostMismatch;"),
  swap(
    TARGET,
    "ports agree",
    "(host.host !== own.host || effectivePort(host.port, scheme) !== effectivePort(own.port, scheme))",
    "host.host !== own.host",
  ),
  gone(
    TARGET,
    "no brackets in a path",
    "else if (byte === LBRACKET || byte === RBRACKET) return ParseError.TargetCharacter;",
  ),
  gone(
    TARGET,
    "no two slashes at the start",
    "if (bytes[start + 1] === SLASH && start + 1 < pos) target.verdict = Verdict.LeadingDoubleSlash;\n    else ",
    "",
  ),
  gone(
    TARGET,
    "no dot segments",
    "if (hasDot && hasDotSegment(bytes, start, pos)) target.verdict = Verdict.DotSegment;",
    ";",
  ),
  swap(
    TARGET,
    "escapes of a query are complete",
    "if (bytes[pos] === PERCENT && escapedByte(bytes, pos, end) < 0) return ParseError.TargetEscapeInvalid;",
    "",
  ),
  swap(
    TARGET,
    "escapes are complete",
    "if (byte < 0) return ParseError.TargetEscapeInvalid;",
    "if (byte < 0) byte = PERCENT;",
  ),
  gone(TARGET, "no control in a path", "if (byte < SP || byte === DEL) return ParseError.TargetControl;"),
  swap(
    TARGET,
    "no DEL in a path",
    "if (byte < SP || byte === DEL) return ParseError.TargetControl;",
    "if (byte < SP) return ParseError.TargetControl;",
  ),
  swap(
    TARGET,
    "no escaped slash",
    "if (separator === Verdict.Clean && byte === SLASH) separator = Verdict.EncodedSlash;\n      else ",
    "",
  ),
  gone(
    TARGET,
    "no escaped backslash",
    "else if (separator === Verdict.Clean && byte === BACKSLASH) separator = Verdict.EncodedBackslash;",
  ),
  gone(TARGET, "UTF-8 is checked", "if (!isUtf8(decoded, length)) return ParseError.TargetUtf8Invalid;"),
  swap(
    TARGET,
    "no escaped dot segments",
    "else if (hasDotSegment(decoded, 0, length)) target.verdict = Verdict.DotSegment;",
    "",
  ),
  swap(
    UTF8,
    "no overlong two bytes",
    "if (lead < 0xc2 || lead > 0xf4) return -1;",
    "if (lead < 0xc0 || lead > 0xf4) return -1;",
  ),
  swap(UTF8, "no lead above F4", "if (lead < 0xc2 || lead > 0xf4) return -1;", "if (lead < 0xc2) return -1;"),
  swap(UTF8, "no overlong three bytes", "lead === 0xe0 ? 0xa0 :", "lead === 0xe0 ? 0x80 :"),
  swap(UTF8, "no overlong four bytes", "lead === 0xf0 ? 0x90 :", "lead === 0xf0 ? 0x80 :"),
  swap(UTF8, "no surrogates", "lead === 0xed ? 0x9f :", "lead === 0xed ? 0xbf :"),
  swap(UTF8, "nothing above U+10FFFF", "lead === 0xf4 ? 0x8f :", "lead === 0xf4 ? 0xbf :"),
  gone(UTF8, "no sequence that is cut", "if (after > end) return -1;"),
  swap(
    REQUEST_TARGET,
    "HTTP/1.1 needs a Host",
    "return head.minorVersion === 0 ? 0 : ParseError.HostMissing;",
    "return 0;",
  ),
  swap(
    REQUEST_TARGET,
    "HTTP/1.0 needs none",
    "return head.minorVersion === 0 ? 0 : ParseError.HostMissing;",
    "return ParseError.HostMissing;",
  ),
  swap(REQUEST_TARGET, "one Host", "return ParseError.HostRepeated;", "return 0;"),
  swap(
    HOST,
    "a bound on a host",
    "if (start === end || end - start > AUTHORITY_BYTES_MAX) return false;",
    "if (start === end) return false;",
  ),
  gone(HOST, "a port of digits", "if (port < -1) return false;"),
  swap(HOST, "no comma in a host", "=== 0 || byte === COMMA) return -1;", "=== 0) return -1;"),
  gone(HOST, "escapes of a host are complete", "if (byte === PERCENT && !isEscape(bytes, pos, end)) return -1;"),
  gone(HOST, "no empty labels at the end", "if (last === start || bytes[last - 1] === DOT) return null;"),
  swap(
    HOST,
    "one case",
    "return latin1Text(bytes, start, last).toLowerCase();",
    "return latin1Text(bytes, start, last);",
  ),
  swap(HOST, "one trailing dot", "const last = bytes[end - 1] === DOT ? end - 1 : end;", "const last = end;"),
  swap(HOST, "a port has a bound", "return port > PORT_MAX ? -2 : port;", "return port;"),
  gone(
    HOST,
    "a port has a bound of digits",
    "if (bytes[start] !== COLON || end - start - 1 > PORT_DIGITS_MAX) return -2;",
  ),
  gone(
    IP_ADDRESS,
    "IPv6 has eight groups",
    "if (gapAt < 0 ? groups.length !== GROUPS : groups.length >= GROUPS) return null;",
  ),
  gone(IP_ADDRESS, "one gap in IPv6", "if (gapAt >= 0) return null;"),
  swap(IP_ADDRESS, "no leading zeros in IPv4", "[1-9]?[0-9])(?:", "[0-9]?[0-9])(?:"),
  swap(IP_ADDRESS, "octets up to 255", "(?:25[0-5]|", "(?:2[0-9][0-9]|"),
  swap(IP_ADDRESS, "IPv4 has four octets", "(?!$)|$)){4}$/", "(?!$)|$)){4,}$/"),
  // Semantics
  gone(
    RANGE,
    "bytes is the one unit",
    "if (value.slice(0, UNIT.length).toLowerCase() !== UNIT) return RangeVerdict.Ignore;",
  ),
  gone(
    RANGE,
    "nothing behind the =",
    "if (skipWhitespace(value, UNIT.length) > UNIT.length) return RangeVerdict.Ignore;",
  ),
  gone(
    RANGE,
    "a range has a minus and a digit",
    "if (value.charCodeAt(firstEnd) !== MINUS || lastEnd === firstStart + 1) return RangeVerdict.Ignore;",
  ),
  gone(
    RANGE,
    "a comma between ranges",
    "if (at < value.length && value.charCodeAt(at) !== COMMA) return RangeVerdict.Ignore;",
  ),
  gone(RANGE, "a bound on ranges", "if (++asked > RANGES_MAX) return RangeVerdict.Ignore;", "asked++;"),
  gone(RANGE, "first before last", "if (last < first) return RangeVerdict.Ignore;"),
  swap(RANGE, "the last position is cut", "last: Math.min(last, size - 1) });", "last });"),
  swap(RANGE, "a suffix of no bytes", "} else if (last > 0) {", "} else {"),
  gone(RANGE, "an empty file has no suffix", "if (size === 0) return RangeVerdict.Ignore;"),
  swap(RANGE, "a suffix is cut", "first: Math.max(0, size - last)", "first: size - last"),
  gone(RANGE, "a set that is empty", "if (asked === 0) return RangeVerdict.Ignore;"),
  swap(RANGE, "a bound on bytes", "return bytes <= size && overlapping <= 2;", "return overlapping <= 2;"),
  swap(RANGE, "a bound on overlap", "return bytes <= size && overlapping <= 2;", "return bytes <= size;"),
  gone(
    CONDITIONAL,
    "If-Match fails",
    'if (ifMatch !== "*" && !listHasStrong(ifMatch, etag)) return Precondition.Failed;',
    ";",
  ),
  swap(CONDITIONAL, "If-Match compares strongly", "!listHasStrong(ifMatch, etag)", "!listHasWeak(ifMatch, etag)"),
  swap(
    CONDITIONAL,
    "If-None-Match compares weakly",
    "listHasWeak(ifNoneMatch, etag)) {",
    "listHasStrong(ifNoneMatch, etag)) {",
  ),
  swap(
    CONDITIONAL,
    "If-Match outdoes If-Unmodified-Since",
    "} else if (ifUnmodifiedSince !== null) {",
    "}\n  if (ifUnmodifiedSince !== null) {",
  ),
  swap(
    CONDITIONAL,
    "If-None-Match outdoes If-Modified-Since",
    "} else if (ifModifiedSince !== null && isRead) {",
    "}\n  if (ifModifiedSince !== null && isRead) {",
  ),
  swap(
    CONDITIONAL,
    "If-Unmodified-Since at the same second",
    "lastModified > date) return Precondition.Failed;",
    "lastModified >= date) return Precondition.Failed;",
  ),
  swap(
    CONDITIONAL,
    "If-Modified-Since at the same second",
    "lastModified <= date) return Precondition.NotModified;",
    "lastModified < date) return Precondition.NotModified;",
  ),
  swap(
    CONDITIONAL,
    "If-Range compares strongly",
    "&& strongEquals(value, etag);",
    "&& opaqueTag(value) === opaqueTag(etag);",
  ),
  swap(CONDITIONAL, "If-Range's date is exact", "date === lastModified &&", "date >= lastModified &&"),
  gone(CONDITIONAL, "a list is commas", "if (at < list.length && list.charCodeAt(at) !== COMMA) return false;"),
  swap(
    CONDITIONAL,
    "no list with * in it",
    "if (end < 0) return false;",
    "if (end < 0) return list.charCodeAt(at) === 0x2a;",
  ),
  swap(DATE, "the RFC 850 form", "return parseRfc850Date(text, nowSeconds);", "return -1;"),
  swap(DATE, "the asctime form", "if (separator === SP) return parseAsctimeDate(text);", ""),
  swap(
    DATE,
    "a zone of GMT",
    'if (text.charCodeAt(16) !== SP || !text.endsWith(" GMT")) return -1;',
    "if (text.charCodeAt(16) !== SP) return -1;",
  ),
  gone(DATE, "days within their month", "if (day < 1 || day > days) return -1;"),
  swap(DATE, "hours up to 23", "hour > 23 ||", ""),
  swap(DATE, "minutes up to 59", "minute > 59 ||", ""),
  swap(
    DATE,
    "years of two digits",
    "return time > nowSeconds + SECONDS_AHEAD_MAX ?",
    "return time < nowSeconds + SECONDS_AHEAD_MAX ?",
  ),
  swap(
    ACCEPT,
    "the most exact range decides",
    "if (itemExactness <= exactness) continue;",
    "if (itemExactness === 0) continue;",
  ),
  swap(
    ACCEPT,
    "a weight of 0 is a no",
    "return quality === 0 ? 0 : quality * 4 + exactness;",
    "return quality * 4 + exactness;",
  ),
  swap(ACCEPT, "weights have a grammar", "if (quality < 0) return [];", ""),
  swap(ACCEPT, "weights count", "if (isWeight) quality = parseQuality(value.slice(equals + 1, at));", ""),
  // The machine
  swap(ERRORS, "an unknown error closes", "closes = true,\n): readonly", "closes = false,\n): readonly"),
  swap(
    REQUEST,
    "a missing Host before an unknown expectation",
    "if (error === 0 || error === ParseError.ExpectationUnknown) error = readTarget(this.head, this.target) || error;",
    "if (error === 0) error = readTarget(this.head, this.target);",
  ),
  swap(
    CONNECTION,
    "no content in an answer to HEAD",
    "if (content === null || this.#exchange?.head.method === Method.Head) {",
    "if (content === null) {",
  ),
  swap(
    CONNECTION,
    "no 100 when the content is there",
    "if (framing.expectsContinue && this.#inbox.length === 0) {",
    "if (framing.expectsContinue) {",
  ),
  swap(
    CONNECTION,
    "100 when the content is wanted",
    "if (wanted) this.#outbox.gather(CONTINUE);",
    "if (wanted) return true;",
  ),
  swap(
    CONNECTION,
    "no request behind content that was not waited for",
    "else this.#stopReading();\n    } else if",
    "else this.#moveRead(ReadState.Done);\n    } else if",
  ),
  swap(
    CONNECTION,
    "a bound on content nobody wants, by its length",
    "framing.contentLength > this.#context.limits.unwantedBodyBytesMax) {\n      this.#stopReading();",
    "false) {\n      this.#stopReading();",
  ),
  swap(
    CONNECTION,
    "a bound on content nobody wants, by what came",
    "if (!wanted && decoder.received > this.#context.limits.unwantedBodyBytesMax) {",
    "if (false) {",
  ),
  swap(
    CONNECTION,
    "content nobody wants is checked",
    "if (consumed < 0) return this.#malformed(consumed, exchange);\n      if (wanted)",
    "if (consumed < 0 && wanted) return this.#malformed(consumed, exchange);\n      if (consumed < 0) {\n        this.#moveRead(ReadState.Done);\n        return true;\n      }\n      if (wanted)",
  ),
  gone(
    CONNECTION,
    "an upload's bound",
    "if (decoder.received > collectMax) {\n          this.#stopReading();",
    "if (false) {\n          this.#stopReading();",
  ),
  swap(
    CONNECTION,
    "FIN in the middle of content",
    "return this.#peerFinished ? this.#malformed(ParseError.IncompleteMessage, exchange) : false;",
    "return false;",
  ),
  swap(
    CONNECTION,
    "FIN in the middle of a head",
    "if (this.#isHeadBegun) return this.#malformed(ParseError.IncompleteMessage, null);",
    "",
  ),
  gone(CONNECTION, "the last request says so", 'if (left <= 0) return "last request";'),
  gone(CONNECTION, "a connection that is to close does", 'if (!exchange.framing.persistent) return "client asked";'),
  swap(CONNECTION, "a refusal that closes does", "if (!response.isLast) return null;", "return null;"),
];

function swap(file: string, name: string, original: string, replacement: string): Mutation {
  return { file, name, original, replacement };
}

/** The rule's line is left out, or `instead` stands there. */
function gone(file: string, name: string, original: string, instead = ""): Mutation {
  return { file, name, original, replacement: instead };
}

const wanted = process.argv[2] ?? "";
const chosen = MUTATIONS.filter((mutation) => `${mutation.file} ${mutation.name}`.includes(wanted));
const copy = mkdtempSync(join(tmpdir(), "mutate-"));
const survivors: string[] = [];
const stale: string[] = [];
try {
  for (const name of COPIED) cpSync(join(TOP, name), join(copy, name), { recursive: true });
  symlinkSync(join(TOP, "node_modules"), join(copy, "node_modules"));
  if (!isGreen()) throw new Error("the suites are red without a mutation");
  for (const mutation of chosen) tryOut(mutation);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.stdout.write(`${chosen.length} mutations, ${survivors.length} survived, ${stale.length} not found\n`);
for (const name of survivors) process.stdout.write(`  survived: ${name}\n`);
for (const name of stale) process.stdout.write(`  not found once: ${name}\n`);
if (survivors.length + stale.length > 0) process.exitCode = 1;

function tryOut({ file, name, original, replacement }: Mutation): void {
  const path = join(copy, "src", file);
  const text = readFileSync(path, "utf8");
  if (text.split(original).length !== 2) {
    stale.push(`${file}: ${name}`);
    return;
  }
  writeFileSync(
    path,
    text.replace(original, () => replacement),
  );
  if (isGreen()) survivors.push(`${file}: ${name}`);
  writeFileSync(path, text);
}

/** Every suite is green; the first that is not decides. */
function isGreen(): boolean {
  return SUITES.every((suite) => {
    const { exitCode } = Bun.spawnSync(["bun", "test", "--bail", suite], {
      cwd: copy,
      // A suite that is stopped at its first red row leaves its site behind; it goes with the copy.
      env: { ...process.env, TMPDIR: copy },
      stdout: "ignore",
      stderr: "ignore",
      timeout: SUITE_MS_MAX,
    });
    return exitCode === 0;
  });
}
