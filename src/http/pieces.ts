/**
 * Pieces of content that is a stream: the events of `text/event-stream` (HTML, "Server-sent events"), or lines. A piece is a range
 * of the content, so the pieces together are the content, byte for byte.
 *
 * The rule it guards: one piece of an event stream is one event for a client. A block of lines that dispatches no event (a
 * comment, `retry`, an `id` alone) belongs to the piece of the next event. Lines end with LF, because a CR is white space in JSON.
 */
import { COLON, CR, isWhitespace, LF, skipWhitespace } from "./ascii.ts";

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
  const reader = new PieceReader(kind);
  const ends: number[] = [];
  for (let at = 0; at < content.length && ends.length < max - 1; at++) {
    const end = reader.take(content[at] as number, at);
    if (end >= 0) ends.push(end);
  }
  if (content.length > (ends.at(-1) ?? 0)) ends.push(content.length);
  return ends;
}

/**
 * Returns the offset after the first block of an event stream with which a client's last event ID becomes `lastEventId`; 0 if none
 * does. `lastEventId` has one character a byte, as a field's value.
 */
export function eventsAfter(content: Uint8Array, lastEventId: string): number {
  if (lastEventId === "") return 0;
  const reader = new BlockReader();
  for (let at = 0; at < content.length; at++) {
    const end = reader.take(content[at] as number, at);
    if (end >= 0 && reader.id === lastEventId) return end;
  }
  const end = reader.settle();
  return end >= 0 && reader.id === lastEventId ? end : 0;
}

/** Finds the ends of pieces in content that comes byte by byte. */
export class PieceReader {
  /** Null: the pieces are lines. */
  readonly #blocks: BlockReader | null;

  constructor(kind: PieceKind) {
    this.#blocks = kind === "events" ? new BlockReader() : null;
  }

  /** Takes the byte at `position`. Returns the end of a piece of which nothing follows now; -1 if there is none. */
  take(byte: number, position: number): number {
    const blocks = this.#blocks;
    if (blocks === null) return byte === LF ? position + 1 : -1;
    const end = blocks.take(byte, position);
    return end >= 0 && blocks.hasData ? end : -1;
  }

  /** Returns the end of a piece that could only have LF as a further byte, and does not get it; -1 if there is none. */
  settle(): number {
    const end = this.#blocks?.settle() ?? -1;
    return end >= 0 && this.#blocks?.hasData === true ? end : -1;
  }
}

const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];
const DATA: readonly number[] = [0x64, 0x61, 0x74, 0x61];
const ID: readonly number[] = [0x69, 0x64];

/** Reads an event stream byte by byte. A block is one line or more, and the empty line that ends them. */
class BlockReader {
  /** True if the last block that ended dispatches an event: an event has data, which may be empty. */
  hasData = false;
  /**
   * Value of the last field `id` in that block, one character a byte; null if the block does not change the last event ID. White space
   * at its ends is left out, as the value of Last-Event-ID has none.
   */
  id: string | null = null;
  /** End of the block whose last byte, so far, is a CR; else -1. */
  #endedWithCr = -1;
  #wasCr = false;
  /** Bytes of the current line. */
  #column = 0;
  /** True while the current line may be this field. */
  #isData = true;
  #isId = true;
  /** Value of the current line if it is an `id`. */
  #value = "";
  /** State of the current block. */
  #hasLines = false;
  #hasDataNow = false;
  #idNow: string | null = null;
  /** Bytes of the mark that have come; -1: the content has none, or it is complete. */
  #markBytes = 0;

  /** Takes the byte at `position`. Returns the end of a block of which nothing follows now; -1 if there is none. */
  take(byte: number, position: number): number {
    const end = this.settle();
    const isSecond = this.#wasCr && byte === LF;
    this.#wasCr = byte === CR;
    if (isSecond) return end < 0 ? -1 : position + 1;
    if (byte !== LF && byte !== CR) {
      this.#takeText(byte);
      return end;
    }
    this.#markBytes = -1;
    if (this.#column > 0) this.#endLine();
    else if (this.#hasLines) {
      this.#endBlock();
      if (byte === LF) return position + 1;
      this.#endedWithCr = position + 1;
    }
    return end;
  }

  /** Returns the end of a block that could only have LF as a further byte, and does not get it; -1 if there is none. */
  settle(): number {
    const end = this.#endedWithCr;
    this.#endedWithCr = -1;
    return end;
  }

  #takeText(byte: number): void {
    const column = this.#column++;
    this.#isData &&= continues(DATA, column, byte);
    this.#isId &&= continues(ID, column, byte);
    if (this.#isId && column > ID.length) this.#value += String.fromCharCode(byte);
    if (this.#markBytes < 0) return;
    this.#markBytes = byte === BYTE_ORDER_MARK[this.#markBytes] ? this.#markBytes + 1 : -1;
    // The mark is not part of the first line.
    if (this.#markBytes < BYTE_ORDER_MARK.length) return;
    this.#markBytes = -1;
    this.#beginLine();
  }

  #beginLine(): void {
    this.#column = 0;
    this.#isData = true;
    this.#isId = true;
    this.#value = "";
  }

  #endLine(): void {
    this.#hasLines = true;
    if (this.#isData && this.#column >= DATA.length) this.#hasDataNow = true;
    // A value with NUL is ignored.
    if (this.#isId && this.#column >= ID.length && !this.#value.includes("\0")) {
      this.#idNow = trimmed(this.#value);
    }
    this.#beginLine();
  }

  #endBlock(): void {
    this.hasData = this.#hasDataNow;
    this.id = this.#idNow;
    this.#hasLines = false;
    this.#hasDataNow = false;
    this.#idNow = null;
  }
}

/** Returns true if a line with `byte` at `column` can still be the field `name`: a colon follows the name, or the line ends. */
function continues(name: readonly number[], column: number, byte: number): boolean {
  if (column === name.length) return byte === COLON;
  return column > name.length || byte === name[column];
}

function trimmed(text: string): string {
  const start = skipWhitespace(text, 0);
  let end = text.length;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}
