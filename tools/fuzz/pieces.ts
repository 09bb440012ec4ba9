/** Pieces of a stream. Properties: together they are the content, whole or split they are the same, and their chunks carry it. */
import { eventsAfter, type PieceKind, pieceEnds } from "../../src/http/pieces.ts";
import { ChunkedPieces } from "../../src/http1/transfer-coding.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

export const piecesTarget: FuzzTarget = {
  name: "pieces",
  dictionary: [
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\r\n\r\n",
    "data:",
    "data",
    "id: 1",
    "id:\0",
    "retry: 1",
    ": ",
    "\u00ef\u00bb\u00bf",
  ],
  check(input, random) {
    const kind = random.pick<PieceKind>(["events", "lines"]);
    const ends = pieceEnds(input, kind);
    if ((ends.at(-1) ?? 0) !== input.length) return "the pieces are not the content";
    if (ends.some((end, i) => end <= (ends[i - 1] ?? 0))) return "a piece is empty";
    const cut = random.below(input.length + 1);
    const before = (all: readonly number[]) => all.filter((end) => end < cut);
    if (!Bun.deepEquals(before(pieceEnds(input.subarray(0, cut), kind)), before(ends))) return "split, they are others";
    const after = eventsAfter(input, "1");
    if (after > 0 && eventsAfter(input.subarray(0, after), "1") !== after) return "the rest begins at another place";
    const source = new ChunkedPieces({ bytes: input, ends });
    const wire = readAll(source, random.pick([1, 2, 7, 1000]));
    if (wire.length !== source.size) return `${wire.length} bytes on the wire of ${source.size}`;
    if (contentOf(wire) !== textOf(input)) return "the chunks carry something else";
    const carried = contentOf(`${wire.slice(0, source.wireBytes(cut))}`);
    return carried === textOf(input.subarray(0, cut)) ? "" : "a cut is in the wrong place";
  },
};

function readAll(source: ChunkedPieces, limit: number): string {
  const buffer = new Uint8Array(limit);
  let text = "";
  for (;;) {
    const count = source.read(text.length, buffer, 0, limit);
    if (count === 0) return text;
    text += textOf(buffer.subarray(0, count));
  }
}

/** Returns the content of the chunks in `wire`, which may end within one. */
function contentOf(wire: string): string {
  let content = "";
  for (let at = 0; at < wire.length; ) {
    const start = wire.indexOf("\r\n", at) + 2;
    const size = Number.parseInt(wire.slice(at, start), 16);
    content += wire.slice(start, start + size);
    at = start + size + 2;
  }
  return content;
}
