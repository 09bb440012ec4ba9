/**
 * Mistakes of a peer as numbers: parsers return one of these codes instead of throwing. The table beside them gives,
 * for each, the response, the rule that was broken, the attack that accepting it would allow, and whether the
 * connection must close.
 */

/** All negative: a parser's result is > 0 consumed, 0 need more (or fine), < 0 one of these. */
export enum ParseError {
  TooManyEmptyLines = -1,
  MethodInvalid = -2,
  MethodTooLong = -3,
  TargetEmpty = -4,
  TargetCharacter = -5,
  TargetTooLong = -6,
  RequestLineWithoutVersion = -7,
  VersionInvalid = -8,
  VersionUnsupported = -9,
  BareCr = -10,
  BareLf = -11,
  FieldFolded = -12,
  FieldNameEmpty = -13,
  FieldNameInvalid = -14,
  FieldSpaceBeforeColon = -15,
  FieldValueInvalid = -16,
  FieldsTooLarge = -17,
  TooManyFields = -18,
  HostMissing = -19,
  HostRepeated = -20,
  HostInvalid = -21,
  TargetFormInvalid = -22,
  TargetAuthorityInvalid = -23,
  TargetHostMismatch = -24,
  TargetEscapeInvalid = -25,
  TargetControl = -26,
  TargetUtf8Invalid = -27,
  ContentLengthInvalid = -28,
  ContentLengthRepeated = -29,
  ContentLengthTooLarge = -30,
  TransferEncodingInHttp10 = -31,
  TransferEncodingWithLength = -32,
  TransferEncodingInvalid = -33,
  TransferEncodingUnknown = -34,
  ConnectionInvalid = -35,
  ExpectationUnknown = -36,
  ChunkSizeInvalid = -37,
  ChunkSizeTooLarge = -38,
  ChunkExtensionInvalid = -39,
  ChunkExtensionsTooLong = -40,
  ChunkDataUnterminated = -41,
  ChunkOverhead = -42,
  TrailerForbidden = -43,
  TrailersTooLarge = -44,
  IncompleteMessage = -45,
  TlsHello = -46,
  ForwardedInvalid = -47,
  XForwardedInvalid = -48,
  ForwardedConflict = -49,
  PseudoFieldUnknown = -50,
  PseudoFieldRepeated = -51,
  PseudoFieldMissing = -52,
  PseudoFieldMisplaced = -53,
  PseudoFieldInvalid = -54,
  FieldNameUpperCase = -55,
  FieldOfConnection = -56,
  ContentLengthMismatch = -57,
  AuthorityMismatch = -58,
}

interface ParseErrorEntry {
  /** Status code of the answer. */
  readonly status: number;
  /** The rule that was broken. */
  readonly section: string;
  /** One plain sentence for the client's error page. */
  readonly sentence: string;
  /** Attack that accepting it would allow. */
  readonly attack: string;
  /** True: where this message ends is in doubt, so the answer is the connection's last. */
  readonly closes: boolean;
}

/** The table's row for a code. An unknown code is our own mistake and reads as a plain 400 that closes. */
export function describeParseError(code: number): ParseErrorEntry {
  return ENTRIES.get(code) ?? UNKNOWN;
}

/** A broken rule in words, for logs. */
export interface Violation {
  /** Name of the rule, such as `FieldSpaceBeforeColon`. */
  readonly rule: string;
  /** Section of the RFC that states it. */
  readonly section: string;
  /** Attack that accepting the request would allow. */
  readonly attack: string;
}

/** Returns the broken rule of a code; null for 0. */
export function violationOf(code: number): Violation | null {
  if (code === 0) return null;
  const { section, attack } = describeParseError(code);
  return { rule: ParseError[code] ?? "Unknown", section, attack };
}

const SMUGGLING = "request smuggling: the next hop may see another boundary than we do";

const UNKNOWN: ParseErrorEntry = {
  status: 400,
  section: "RFC 9112 §2.2",
  sentence: "The request is malformed.",
  attack: SMUGGLING,
  closes: true,
};

const ENTRIES: ReadonlyMap<number, ParseErrorEntry> = new Map([
  // Request line
  row(
    ParseError.TooManyEmptyLines,
    400,
    "RFC 9112 §2.2",
    "Too many empty lines stand before the request line.",
    "an endless request that costs nothing to send",
  ),
  row(
    ParseError.MethodInvalid,
    400,
    "RFC 9112 §3.1",
    "The request line does not begin with a method and one space.",
    "another protocol spoken at this port",
  ),
  row(
    ParseError.TlsHello,
    400,
    "RFC 8446 §5.1",
    "This port speaks plain HTTP, and a TLS handshake came; use http:// instead of https://.",
    "bytes of a handshake read as a request",
  ),
  row(
    ParseError.MethodTooLong,
    501,
    "RFC 9112 §3",
    "The method is longer than all methods of this server.",
    "unbounded memory before the request line ends",
  ),
  row(
    ParseError.TargetEmpty,
    400,
    "RFC 9112 §3",
    "The request line has no target, or more than one space before it.",
    SMUGGLING,
  ),
  row(
    ParseError.TargetCharacter,
    400,
    "RFC 9112 §3.2",
    "The request target has a character that must be percent-encoded.",
    "forged log lines and request line splitting",
  ),
  row(
    ParseError.TargetTooLong,
    414,
    "RFC 9112 §3",
    "The request target is too long.",
    "unbounded memory before the request line ends",
  ),
  row(
    ParseError.RequestLineWithoutVersion,
    400,
    "RFC 9112 §3",
    "The request line has no HTTP version.",
    "HTTP/0.9, whose answers carry no framing",
  ),
  row(
    ParseError.VersionInvalid,
    400,
    "RFC 9112 §2.3",
    "The HTTP version is malformed; it must read HTTP/1.1.",
    SMUGGLING,
  ),
  row(
    ParseError.VersionUnsupported,
    505,
    "RFC 9110 §15.6.6",
    "The request line names a version of HTTP other than 1.0 and 1.1.",
    "a message read by the rules of another version",
  ),
  row(ParseError.BareCr, 400, "RFC 9112 §2.2", "A carriage return is not followed by a line feed.", SMUGGLING),
  row(
    ParseError.BareLf,
    400,
    "RFC 9112 §2.2",
    "A line ends with a line feed alone; it must end with CR LF.",
    SMUGGLING,
  ),
  // Field lines, of the head and of trailers
  row(ParseError.FieldFolded, 400, "RFC 9112 §5.2", "A header line begins with white space.", SMUGGLING),
  row(ParseError.FieldNameEmpty, 400, "RFC 9112 §5", "A header line has no name before its colon.", SMUGGLING),
  row(
    ParseError.FieldNameInvalid,
    400,
    "RFC 9110 §5.1",
    "A header name has a character that is not allowed, or no colon after it.",
    SMUGGLING,
  ),
  row(
    ParseError.FieldSpaceBeforeColon,
    400,
    "RFC 9112 §5.1",
    "A header name is followed by white space before its colon.",
    SMUGGLING,
  ),
  row(
    ParseError.FieldValueInvalid,
    400,
    "RFC 9110 §5.5",
    "A header value has a control character.",
    "header injection and forged log lines",
  ),
  row(
    ParseError.FieldsTooLarge,
    431,
    "RFC 6585 §5",
    "The headers as a whole are too large.",
    "unbounded memory for one request",
  ),
  row(
    ParseError.TooManyFields,
    431,
    "RFC 6585 §5",
    "There are too many headers.",
    "quadratic work and unbounded memory for one request",
  ),
  // Host and target. Where only the host or the path is wrong, the framing is sound, so the connection may persist.
  row(
    ParseError.HostMissing,
    400,
    "RFC 9110 §7.2",
    "The Host header is missing.",
    "routing by guess: cache poisoning and DNS rebinding",
    false,
  ),
  row(
    ParseError.HostRepeated,
    400,
    "RFC 9112 §3.2",
    "The Host header occurs more than once.",
    "one hop routes by the first, the next by the last",
    false,
  ),
  row(
    ParseError.HostInvalid,
    400,
    "RFC 9110 §7.2",
    "The Host header is malformed.",
    "a host check passed by one spelling and used in another",
    false,
  ),
  row(
    ParseError.TargetFormInvalid,
    400,
    "RFC 9112 §3.2",
    "The request target has a form that this method does not allow.",
    "open proxying and confused routing",
  ),
  row(
    ParseError.TargetAuthorityInvalid,
    400,
    "RFC 9110 §4.2",
    "The host in the request target is malformed.",
    "a host check passed by one spelling and used in another",
  ),
  row(
    ParseError.TargetHostMismatch,
    400,
    "RFC 9112 §3.2.2",
    "The request target and the Host header name different hosts.",
    "one hop routes by the target, the next by Host",
    false,
  ),
  row(
    ParseError.TargetEscapeInvalid,
    400,
    "RFC 3986 §2.1",
    "The request target has a percent sign without two hexadecimal digits.",
    "two decoders that see two paths",
    false,
  ),
  row(
    ParseError.TargetControl,
    400,
    "RFC 3986 §7.3",
    "The path has an encoded control character.",
    "a file name cut at NUL, forged log lines",
    false,
  ),
  row(
    ParseError.TargetUtf8Invalid,
    400,
    "RFC 3629 §10",
    "The path is not valid UTF-8.",
    "overlong forms that hide a slash or a dot",
    false,
  ),
  // Fields of trusted proxies
  row(
    ParseError.ForwardedInvalid,
    400,
    "RFC 7239 §4",
    "The Forwarded header is malformed.",
    "a client that writes its own address into the logs and past the access rules",
    false,
  ),
  row(
    ParseError.XForwardedInvalid,
    400,
    "RFC 7239 §7.4",
    "An X-Forwarded header is malformed.",
    "a client that writes its own address into the logs and past the access rules",
    false,
  ),
  row(
    ParseError.ForwardedConflict,
    400,
    "RFC 7239 §7.4",
    "The Forwarded header and the X-Forwarded headers differ.",
    "a client that writes the kind of header that its proxy leaves as it is",
    false,
  ),
  // Framing
  row(
    ParseError.ContentLengthInvalid,
    400,
    "RFC 9110 §8.6",
    "The Content-Length header is not one decimal number.",
    SMUGGLING,
  ),
  row(
    ParseError.ContentLengthRepeated,
    400,
    "RFC 9112 §6.3",
    "The Content-Length header occurs more than once.",
    SMUGGLING,
  ),
  row(
    ParseError.ContentLengthTooLarge,
    400,
    "RFC 9110 §8.6",
    "The Content-Length header is larger than any message can be.",
    "a length that wraps around to a small one",
  ),
  row(ParseError.TransferEncodingInHttp10, 400, "RFC 9112 §6.1", "HTTP/1.0 has no Transfer-Encoding.", SMUGGLING),
  row(
    ParseError.TransferEncodingWithLength,
    400,
    "RFC 9112 §6.1",
    "Transfer-Encoding and Content-Length exclude each other.",
    SMUGGLING,
  ),
  row(
    ParseError.TransferEncodingInvalid,
    400,
    "RFC 9112 §6.3",
    "Transfer-Encoding must be chunked, once and last.",
    SMUGGLING,
  ),
  row(
    ParseError.TransferEncodingUnknown,
    501,
    "RFC 9112 §6.1",
    "This server supports no transfer coding except chunked.",
    SMUGGLING,
  ),
  row(
    ParseError.ConnectionInvalid,
    400,
    "RFC 9110 §7.6.1",
    "The Connection header is not a list of tokens.",
    "a connection that one side takes for closed",
  ),
  // The framing itself is sound, so the connection may persist.
  row(
    ParseError.ExpectationUnknown,
    417,
    "RFC 9110 §10.1.1",
    "This server supports no expectation except 100-continue.",
    "a promise to the client that nobody keeps",
    false,
  ),
  // Chunked content
  row(
    ParseError.ChunkSizeInvalid,
    400,
    "RFC 9112 §7.1",
    "A chunk does not begin with its size in hexadecimal digits.",
    SMUGGLING,
  ),
  row(
    ParseError.ChunkSizeTooLarge,
    400,
    "RFC 9112 §7.1",
    "A chunk is larger than any message can be.",
    "a size that wraps around to a small one",
  ),
  row(ParseError.ChunkExtensionInvalid, 400, "RFC 9112 §7.1.1", "A chunk extension is malformed.", SMUGGLING),
  row(
    ParseError.ChunkExtensionsTooLong,
    400,
    "RFC 9112 §7.1.1",
    "The chunk extensions are too long.",
    "endless framing that no body limit counts",
  ),
  row(ParseError.ChunkDataUnterminated, 400, "RFC 9112 §7.1", "A chunk is not followed by CR LF.", SMUGGLING),
  row(
    ParseError.ChunkOverhead,
    400,
    "RFC 9112 §7.1",
    "The content has too many small chunks.",
    "framing work without end for next to no content",
  ),
  row(
    ParseError.TrailerForbidden,
    400,
    "RFC 9110 §6.5.1",
    "A trailer has a name that is only allowed in the header section.",
    "framing, routing or access changed after it was checked",
  ),
  row(
    ParseError.TrailersTooLarge,
    431,
    "RFC 6585 §5",
    "The trailers are too large or too many.",
    "unbounded work after the content",
  ),
  row(
    ParseError.IncompleteMessage,
    400,
    "RFC 9112 §8",
    "The connection was closed in the middle of the request.",
    "a cut request taken for a whole one",
  ),
  // HTTP/2: such a request is malformed, and its stream is reset (RFC 9113 §8.1.1).
  row(
    ParseError.PseudoFieldUnknown,
    400,
    "RFC 9113 §8.3",
    "A pseudo-header has a name that requests do not have.",
    "a field that one hop obeys and the next ignores",
  ),
  row(
    ParseError.PseudoFieldRepeated,
    400,
    "RFC 9113 §8.3",
    "A pseudo-header occurs more than once.",
    "one hop routes by the first, the next by the last",
  ),
  row(
    ParseError.PseudoFieldMissing,
    400,
    "RFC 9113 §8.3.1",
    "The request has no method, scheme or path.",
    "a request that each hop completes in its own way",
  ),
  row(
    ParseError.PseudoFieldMisplaced,
    400,
    "RFC 9113 §8.3",
    "A pseudo-header stands after a header, or in the trailers.",
    "routing changed after it was checked",
  ),
  row(
    ParseError.PseudoFieldInvalid,
    400,
    "RFC 9113 §8.3.1",
    "A pseudo-header has an invalid value.",
    "a request line of HTTP/1 that is split where the request is passed on",
  ),
  row(
    ParseError.FieldNameUpperCase,
    400,
    "RFC 9113 §8.2.1",
    "A header name has a capital letter.",
    "a field that a filter does not see",
  ),
  row(
    ParseError.FieldOfConnection,
    400,
    "RFC 9113 §8.2.2",
    "A header belongs to a connection of HTTP/1 and is not allowed in HTTP/2.",
    SMUGGLING,
  ),
  row(
    ParseError.ContentLengthMismatch,
    400,
    "RFC 9113 §8.1.1",
    "The content is not as long as its Content-Length says.",
    SMUGGLING,
  ),
  row(
    ParseError.AuthorityMismatch,
    400,
    "RFC 9113 §8.3.1",
    "The pseudo-header :authority and the Host header name different hosts.",
    "one hop routes by :authority, the next by Host",
  ),
]);

function row(
  code: ParseError,
  status: number,
  section: string,
  sentence: string,
  attack: string,
  closes = true,
): readonly [number, ParseErrorEntry] {
  return [code, { status, section, sentence, attack, closes }];
}
