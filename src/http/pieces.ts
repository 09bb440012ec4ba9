/**
 * Pieces of content that is a stream: the events of `text/event-stream` (HTML, "Server-sent events"), or lines. A piece is a range
 * of the content, so the pieces together are the content, byte for byte.
 *
 * The rule it guards: one piece of an event stream is one event for a client. A block of lines that dispatches no event (a
 * comment, `retry`, an `id` alone) belongs to the piece of the next event. Lines end with LF, because a CR is white space in JSON.
 */
import { COLON, CR, LF } from "./ascii.ts";

export type PieceKind = "events" | "lines";

/** Types of content that is sent piece by piece. */
const KINDS: ReadonlyMap<string, PieceKind> = new Map([
  ["text/event-stream", "events"],
  ["application/x-ndjson", "lines"],
]);

/** Returns the kind of pieces of a stream, or null if the value of Content-Type is not that of a stream. */
export function pieceKindOf(contentType: string | null): PieceKind | null {
  const [type = ""] = (contentType ?? "").split(";");
  return KINDS.get(type.trim().toLowerCase()) ?? null;
}

/**
 * Returns the end of each piece, as offsets in `content`. The last one is the end of the content, also if it ends within a
 * piece. If there are more than `max` pieces, the last of that many contains the rest.
 */
export function pieceEnds(content: Uint8Array, kind: PieceKind, max = Number.POSITIVE_INFINITY): number[] {
  const ends = kind === "events" ? eventEnds(content, max - 1) : lineEnds(content, max - 1);
  if (content.length > (ends.at(-1) ?? 0)) ends.push(content.length);
  return ends;
}

function lineEnds(content: Uint8Array, max: number): number[] {
  const ends: number[] = [];
  let at = content.indexOf(LF);
  while (at >= 0 && ends.length < max) {
    ends.push(at + 1);
    at = content.indexOf(LF, at + 1);
  }
  return ends;
}

function eventEnds(content: Uint8Array, max: number): number[] {
  const ends: number[] = [];
  let block = nextBlock(content, startOf(content));
  while (block !== null && ends.length < max) {
    if (block.hasData) ends.push(block.end);
    block = nextBlock(content, block.end);
  }
  return ends;
}

/** Lines up to and including an empty one. */
interface Block {
  readonly end: number;
  /** True if the block dispatches an event: an event has data, which may be empty. */
  readonly hasData: boolean;
}

/** Returns the offset after a leading byte order mark. */
function startOf(content: Uint8Array): number {
  return content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? 3 : 0;
}

/** Returns the block that begins at `start`; null if no empty line follows. */
function nextBlock(content: Uint8Array, start: number): Block | null {
  let hasData = false;
  let line = start;
  for (let at = start; at < content.length; at++) {
    const byte = content[at];
    if (byte !== LF && byte !== CR) continue;
    const end = at;
    if (byte === CR && content[at + 1] === LF) at++;
    if (end === line) return { end: at + 1, hasData };
    hasData ||= isField(content, line, end, DATA);
    line = at + 1;
  }
  return null;
}

const DATA: readonly number[] = [0x64, 0x61, 0x74, 0x61];

/** Returns true if the line is the field `name`, which a colon or the end of the line follows. */
function isField(content: Uint8Array, line: number, end: number, name: readonly number[]): boolean {
  const behind = line + name.length;
  if (behind > end || (behind < end && content[behind] !== COLON)) return false;
  return name.every((byte, i) => content[line + i] === byte);
}
