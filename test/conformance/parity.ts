/**
 * The parity matrix: each malformed byte at each place of a message, generated. A rule that holds for field values and not
 * for trailers, or for chunk sizes and not for their extensions, is how two readers of one message come to differ.
 */
import { ParseError } from "../../src/http/parse-error.ts";
import {
  chunked,
  declined,
  get,
  post,
  type Row,
  type RowBody,
  refused,
  request,
  SMUGGLED,
  section,
  served,
} from "./row.ts";

const BYTES = [
  ["a bare LF", "\n"],
  ["a bare CR", "\r"],
  ["NUL", "\0"],
  ["SOH", "\x01"],
  ["a vertical tab", "\x0b"],
  ["a form feed", "\x0c"],
  ["ESC", "\x1b"],
  ["DEL", "\x7f"],
  ["the byte 80", "\x80"],
  ["the byte A0", "\xa0"],
  ["the byte FF", "\xff"],
  ["SP", " "],
  ["HTAB", "\t"],
] as const;

/** What a byte is to the grammar: a name for each group that a place may treat alike. */
type Kind = "lf" | "cr" | "control" | "high" | "blank";

/** Null: the grammar has it there. */
type Outcome = ParseError | null;

interface Place {
  readonly name: string;
  readonly section: string;
  /** The message with the byte in its place; complete, so that the place is all that may be wrong. */
  readonly raw: (byte: string) => string;
  readonly outcomes: Readonly<Record<Kind, Outcome>>;
  /** Of SP, where it is not what a tab is. */
  readonly space?: ParseError;
  /** Status where `outcomes` allows the byte. */
  readonly allowed?: number;
}

const HOST = "Host: localhost";
const SIZE = "3\r\n[1]\r\n0\r\n\r\n";

/** A bare LF ends a line for some readers and a bare CR for others, so both have their own name nearly everywhere. */
function outcomes(lf: Outcome, cr: Outcome, control: Outcome, high: Outcome, blank: Outcome): Record<Kind, Outcome> {
  return { lf, cr, control, high, blank };
}

const NAME_OUTCOMES = outcomes(
  ParseError.BareLf,
  ParseError.FieldNameInvalid,
  ParseError.FieldNameInvalid,
  ParseError.FieldNameInvalid,
  ParseError.FieldSpaceBeforeColon,
);

const LINE_START_OUTCOMES = outcomes(
  ParseError.BareLf,
  ParseError.BareCr,
  ParseError.FieldNameInvalid,
  ParseError.FieldNameInvalid,
  ParseError.FieldFolded,
);

const VALUE_OUTCOMES = outcomes(ParseError.BareLf, ParseError.BareCr, ParseError.FieldValueInvalid, null, null);

/** The value of a field that is read: what is a valid field value may still be no valid value of this field. */
function readValueOutcomes(error: ParseError): Record<Kind, Outcome> {
  return outcomes(ParseError.BareLf, ParseError.BareCr, ParseError.FieldValueInvalid, error, error);
}

/** Everywhere else one error stands for all bytes but CR and LF. */
function plainOutcomes(error: ParseError): Record<Kind, Outcome> {
  return outcomes(ParseError.BareLf, ParseError.BareCr, error, error, error);
}

const PLACES: readonly Place[] = [
  {
    name: "the method",
    section: "RFC 9112 §3.1",
    raw: (byte) => request(`G${byte}ET /page.html HTTP/1.1`, HOST) + SMUGGLED,
    outcomes: outcomes(
      ParseError.BareLf,
      ParseError.RequestLineWithoutVersion,
      ParseError.MethodInvalid,
      ParseError.MethodInvalid,
      ParseError.MethodInvalid,
    ),
    // "G ET" is a method and a target, and what follows them no version.
    space: ParseError.VersionInvalid,
  },
  {
    name: "the target",
    section: "RFC 9112 §3.2",
    raw: (byte) => get(`/pa${byte}ge.html`) + SMUGGLED,
    outcomes: outcomes(
      ParseError.BareLf,
      ParseError.RequestLineWithoutVersion,
      ParseError.TargetCharacter,
      ParseError.TargetCharacter,
      ParseError.TargetCharacter,
    ),
    space: ParseError.VersionInvalid,
  },
  {
    name: "the version",
    section: "RFC 9112 §2.3",
    raw: (byte) => request(`GET /page.html HTTP/1${byte}.1`, HOST) + SMUGGLED,
    outcomes: outcomes(
      ParseError.BareLf,
      ParseError.VersionInvalid,
      ParseError.VersionInvalid,
      ParseError.VersionInvalid,
      ParseError.VersionInvalid,
    ),
  },
  {
    name: "the end of the request line",
    section: "RFC 9112 §2.2",
    raw: (byte) => request(`GET /page.html HTTP/1.1${byte}`, HOST) + SMUGGLED,
    outcomes: plainOutcomes(ParseError.VersionInvalid),
  },
  {
    name: "the place before the first field line",
    section: "RFC 9112 §2.2",
    raw: (byte) => request("GET /page.html HTTP/1.1", `${byte}${HOST}`) + SMUGGLED,
    outcomes: LINE_START_OUTCOMES,
  },
  {
    name: "the place before a later field line",
    section: "RFC 9112 §5.2",
    raw: (byte) => get("/page.html", `${byte}X: 1`) + SMUGGLED,
    outcomes: LINE_START_OUTCOMES,
  },
  {
    name: "a field name",
    section: "RFC 9112 §5.1",
    raw: (byte) => get("/page.html", `X${byte}Y: 1`) + SMUGGLED,
    outcomes: NAME_OUTCOMES,
  },
  {
    name: "the place before a field's colon",
    section: "RFC 9112 §5.1",
    raw: (byte) => get("/page.html", `X${byte}: 1`) + SMUGGLED,
    outcomes: NAME_OUTCOMES,
  },
  {
    name: "a field value",
    section: "RFC 9110 §5.5",
    raw: (byte) => get("/page.html", `X: a${byte}b`),
    outcomes: VALUE_OUTCOMES,
    allowed: 200,
  },
  {
    name: "the end of a field value",
    section: "RFC 9110 §5.5",
    raw: (byte) => get("/page.html", `X: a${byte}`),
    outcomes: VALUE_OUTCOMES,
    allowed: 200,
  },
  {
    name: "Host",
    section: "RFC 9112 §3.2",
    raw: (byte) => request("GET /page.html HTTP/1.1", `Host: local${byte}host`),
    outcomes: readValueOutcomes(ParseError.HostInvalid),
  },
  {
    name: "Content-Length",
    section: "RFC 9112 §6.2",
    raw: (byte) => post([`Content-Length: 0${byte}3`], `[1]${SMUGGLED}`),
    outcomes: readValueOutcomes(ParseError.ContentLengthInvalid),
  },
  {
    name: "Transfer-Encoding",
    section: "RFC 9112 §6.1",
    raw: (byte) => post([`Transfer-Encoding: chun${byte}ked`], `${SIZE}${SMUGGLED}`),
    outcomes: readValueOutcomes(ParseError.TransferEncodingInvalid),
  },
  {
    name: "Connection",
    section: "RFC 9110 §7.6.1",
    raw: (byte) => get("/page.html", `Connection: keep-${byte}alive`) + SMUGGLED,
    outcomes: readValueOutcomes(ParseError.ConnectionInvalid),
  },
  {
    name: "the place before a chunk size",
    section: "RFC 9112 §7.1",
    raw: (byte) => chunked(`${byte}${SIZE}${SMUGGLED}`),
    outcomes: outcomes(
      ParseError.BareLf,
      ParseError.ChunkSizeInvalid,
      ParseError.ChunkSizeInvalid,
      ParseError.ChunkSizeInvalid,
      ParseError.ChunkSizeInvalid,
    ),
  },
  {
    name: "a chunk size",
    section: "RFC 9112 §7.1",
    raw: (byte) => chunked(`0${byte}${SIZE}${SMUGGLED}`),
    outcomes: plainOutcomes(ParseError.ChunkSizeInvalid),
  },
  {
    name: "a chunk extension's name",
    section: "RFC 9112 §7.1.1",
    raw: (byte) => chunked(`3;a${byte}a\r\n[1]\r\n0\r\n\r\n`),
    outcomes: plainOutcomes(ParseError.ChunkExtensionInvalid),
  },
  {
    name: "the place behind an extension's semicolon",
    section: "RFC 9112 §7.1.1",
    raw: (byte) => chunked(`3;${byte}a\r\n[1]\r\n0\r\n\r\n`),
    outcomes: { ...plainOutcomes(ParseError.ChunkExtensionInvalid), cr: ParseError.ChunkExtensionInvalid },
  },
  {
    name: "a chunk extension's value",
    section: "RFC 9112 §7.1.1",
    raw: (byte) => chunked(`3;a=b${byte}b\r\n[1]\r\n0\r\n\r\n`),
    outcomes: plainOutcomes(ParseError.ChunkExtensionInvalid),
  },
  {
    name: "a chunk extension's quoted value",
    section: "RFC 9112 §7.1.1",
    raw: (byte) => chunked(`3;a="b${byte}b"\r\n[1]\r\n0\r\n\r\n`),
    outcomes: outcomes(
      ParseError.BareLf,
      ParseError.ChunkExtensionInvalid,
      ParseError.ChunkExtensionInvalid,
      null,
      null,
    ),
    allowed: 201,
  },
  {
    name: "the end of a chunk's data",
    section: "RFC 9112 §7.1",
    raw: (byte) => chunked(`3\r\n[1]${byte}\r\n0\r\n\r\n${SMUGGLED}`),
    outcomes: plainOutcomes(ParseError.ChunkDataUnterminated),
  },
  {
    name: "the last chunk's size line",
    section: "RFC 9112 §7.1",
    raw: (byte) => chunked(`3\r\n[1]\r\n0${byte}\r\n\r\n${SMUGGLED}`),
    outcomes: plainOutcomes(ParseError.ChunkSizeInvalid),
  },
  {
    name: "the place before the last empty line",
    section: "RFC 9112 §7.1.2",
    raw: (byte) => chunked(`3\r\n[1]\r\n0\r\n${byte}\r\n${SMUGGLED}`),
    outcomes: LINE_START_OUTCOMES,
  },
  {
    name: "a trailer's name",
    section: "RFC 9112 §7.1.2",
    raw: (byte) => chunked(`3\r\n[1]\r\n0\r\nA${byte}B: 1\r\n\r\n${SMUGGLED}`),
    outcomes: NAME_OUTCOMES,
  },
  {
    name: "the place before a trailer's colon",
    section: "RFC 9112 §7.1.2",
    raw: (byte) => chunked(`3\r\n[1]\r\n0\r\nA${byte}: 1\r\n\r\n${SMUGGLED}`),
    outcomes: NAME_OUTCOMES,
  },
  {
    name: "a trailer's value",
    section: "RFC 9112 §7.1.2",
    raw: (byte) => chunked(`3\r\n[1]\r\n0\r\nA: a${byte}b\r\n\r\n`),
    outcomes: VALUE_OUTCOMES,
    allowed: 201,
  },
];

export const parity: readonly Row[] = PLACES.flatMap((place) =>
  section(
    place.section,
    BYTES.map(([name, byte]) => rowOf(place, name, byte)),
  ),
);

function rowOf(place: Place, byteName: string, byte: string): RowBody {
  const name = `${byteName} in ${place.name}`;
  const error = byte === " " && place.space !== undefined ? place.space : place.outcomes[kindOf(byte)];
  const raw = place.raw(byte);
  if (error === null) return served(name, raw, place.allowed ?? 200);
  if (error === ParseError.HostInvalid) return declined(name, raw, 400, error);
  return refused(name, raw, 400, error);
}

function kindOf(byte: string): Kind {
  if (byte === "\n") return "lf";
  if (byte === "\r") return "cr";
  if (byte === " " || byte === "\t") return "blank";
  return byte >= "\x80" ? "high" : "control";
}
