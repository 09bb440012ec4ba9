/** Weakened rules about the meaning of a request, and of the connection. */
import { gone, type Mutation, swap } from "./mutation.ts";

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
const ERRORS = "http/parse-error.ts";
const CONNECTION = "http1/connection.ts";
const STATE = "http1/state.ts";
const EXCHANGE = "exchange/exchange.ts";

export const MEANING_MUTATIONS: readonly Mutation[] = [
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
  swap(
    TARGET,
    "raw bytes above 0x7f are decoded",
    "if (byte === PERCENT || byte > DEL) isPlain = false;",
    "if (byte === PERCENT) isPlain = false;",
  ),
  gone(
    TARGET,
    "no two slashes at the start",
    "if (dots === 0 && pos === start) verdict = Math.max(verdict, Verdict.LeadingDoubleSlash);",
  ),
  gone(TARGET, "no dot segments", "if (hasDot || hasSlashes) target.verdict = judgeSegments(bytes, start, pos);"),
  swap(TARGET, "repeated slashes without a dot", "if (hasDot || hasSlashes)", "if (hasDot)"),
  swap(TARGET, "one dot is a segment", "Verdict.CurrentSegment, Verdict.ParentSegment];", "0, Verdict.ParentSegment];"),
  swap(TARGET, "two dots are a segment", "Verdict.CurrentSegment, Verdict.ParentSegment];", "Verdict.CurrentSegment];"),
  swap(TARGET, "the path ends before its query", "if (byte === QUESTION) break;", ""),
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
  swap(TARGET, "no escaped slash", "if (byte === SLASH) verdict = Verdict.EncodedSlash;\n      else ", ""),
  gone(
    TARGET,
    "no escaped backslash",
    "else if (byte === BACKSLASH && verdict === Verdict.Clean) verdict = Verdict.EncodedBackslash;",
  ),
  gone(
    TARGET,
    "UTF-8 is checked",
    "if (!isUtf8(decoded, length)) return isAscii ? ParseError.TargetUtf8Invalid : ParseError.TargetCharacter;",
  ),
  swap(
    TARGET,
    "raw bytes that are not UTF-8 have an error of their own",
    "return isAscii ? ParseError.TargetUtf8Invalid : ParseError.TargetCharacter;",
    "return ParseError.TargetUtf8Invalid;",
  ),
  swap(
    TARGET,
    "no escaped dot segments",
    "verdict === Verdict.Clean ? judgeSegments(decoded, 0, length) : verdict;",
    "verdict;",
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
  swap(RANGE, "a bound on bytes", "if (bytes > size || bytes + ", "if (bytes + "),
  swap(RANGE, "a bound on the heads of parts", "ranges.length * PART_HEAD_BYTES > size", "0 > size"),
  swap(RANGE, "a bound on overlap", "return countOverlapping(ranges) <= 2;", "return true;"),
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
    "} else if (ifModifiedSince !== null && isReading) {",
    "}\n  if (ifModifiedSince !== null && isReading) {",
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
  swap(CONNECTION, "no content in an answer to HEAD", "outbox.put(response, isHead,", "outbox.put(response, false,"),
  swap(
    CONNECTION,
    "no 100 when the content is there",
    "framing.expectsContinue && this.#inbox.length === 0",
    "framing.expectsContinue",
  ),
  swap(EXCHANGE, "100 when the content is wanted", "const waits = this.#waitsForContinue;", "const waits = false;"),
  swap(
    EXCHANGE,
    "no request behind content that was not waited for",
    "if (waits || length > this.#context.limits.unwantedBodyBytesMax)",
    "if (length > this.#context.limits.unwantedBodyBytesMax)",
  ),
  swap(
    EXCHANGE,
    "a bound on content nobody wants, by its length",
    "if (waits || length > this.#context.limits.unwantedBodyBytesMax)",
    "if (waits)",
  ),
  swap(
    EXCHANGE,
    "a bound on content nobody wants, by what came",
    "if (announced <= this.#context.limits.unwantedBodyBytesMax) return true;",
    "return true;",
  ),
  swap(REQUEST, "content is checked", "if (consumed <= 0) return consumed;", "if (consumed <= 0) return 0;"),
  swap(
    REQUEST,
    "content that is skipped is checked",
    "if (consumed <= 0 || decoder.announced > max) return false;",
    "if (consumed <= 0) return true;",
  ),
  swap(
    CONNECTION,
    "no request behind the middle of content that is skipped",
    "this.#read = readEdge(this.#read, this.#read === ReadState.Body ? ReadState.Rest : ReadState.Head);",
    "this.#read = ReadState.Head;",
  ),
  swap(EXCHANGE, "no content before it is admitted", "return this.admission.later !== null || ", "return "),
  swap(
    EXCHANGE,
    "no bound is told before a request is admitted",
    "if (this.admission.later === null) this.#decideContent(length, waits);",
    "this.#decideContent(length, waits);",
  ),
  swap(EXCHANGE, "a refusal does not wait for content", 'content === "skip" && fault', "false && fault"),
  swap(EXCHANGE, "an upload's bound", "} else if (announced > use.collectMax)", "} else if (announced < 0)"),
  swap(
    REQUEST,
    "a chunk's size counts before its bytes",
    "const { contentStart, contentEnd, announced } = decoder;",
    "const { contentStart, contentEnd, received: announced } = decoder;",
  ),
  swap(
    CONNECTION,
    "FIN in the middle of content",
    "else if (this.#closing.isPeerFinished && !exchange.isStalled)\n      exchange.refuseMalformed(ParseError.IncompleteMessage);",
    "",
  ),
  swap(
    CONNECTION,
    "FIN in the middle of a head",
    "this.exchange.refuseMalformed(ParseError.IncompleteMessage);\n    return true;",
    "return false;",
  ),
  gone(STATE, "the last request says so", 'if (left <= 0) return "last request";'),
  gone(STATE, "a connection that is to close does", 'if (isRead && !isPersistent) return "client asked";'),
  swap(STATE, "a refusal that closes does", "if (isRead && !isLast) return null;", "return null;"),
];
