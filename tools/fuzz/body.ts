/** Content and its framing. Properties: consumed within given, whole equals split, content never more than given, and what was read can be framed and read again. */
import { BodyDecoder } from "../../src/http1/body-decoder.ts";
import { Framing } from "../../src/http1/framing.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import { pieces } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

const decoder = new BodyDecoder();
const framing = new Framing();

interface Reading {
  readonly content: string;
  readonly error: number;
  readonly done: boolean;
  readonly consumed: number;
}

export const bodyTarget: FuzzTarget = {
  name: "body",
  dictionary: [
    "\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    ";a=b",
    ';a="b\\"c"',
    ";",
    '"',
    "\\",
    "A: b\r\n",
    "Content-Length: 1\r\n",
    "ffffffffffffffff",
    "1fffffffffffff",
    "00000000000000001",
    "0x1",
  ],
  check(input, random) {
    framing.reset();
    framing.kind = random.oneIn(8) ? "length" : "chunked";
    if (framing.kind === "length") framing.contentLength = random.below(input.length + 4);

    const whole = read([input]);
    if (typeof whole === "string") return whole;
    const split = read(pieces(input, random));
    if (typeof split === "string") return split;
    if (whole.error !== split.error) return `whole ${whole.error}, split ${split.error}`;
    if (whole.content !== split.content) return "whole and split differ in their content";
    if (whole.done !== split.done || whole.consumed !== split.consumed) return "whole and split differ in their end";
    if (whole.content.length > input.length) return "more content than bytes";
    if (!whole.done) return "";

    const framed = bytesOf(
      whole.content === "" ? "0\r\n\r\n" : `${whole.content.length.toString(16)}\r\n${whole.content}\r\n0\r\n\r\n`,
    );
    framing.reset();
    framing.kind = "chunked";
    const again = read([framed]);
    if (typeof again === "string") return again;
    return again.done && again.content === whole.content && again.consumed === framed.length
      ? ""
      : "framed and read again, it is another";
  },
};

function read(given: readonly Uint8Array[]): Reading | string {
  decoder.reset(framing);
  let content = "";
  let consumedAll = 0;
  for (const piece of given) {
    let at = 0;
    while (!decoder.done && at < piece.length) {
      const consumed = decoder.step(piece, at, piece.length);
      if (consumed < 0) return { content, error: consumed, done: false, consumed: 0 };
      if (consumed === 0) return "no step forward with bytes left";
      if (consumed > piece.length - at) return `consumed ${consumed} of ${piece.length - at}`;
      if (decoder.contentStart < at || decoder.contentEnd > at + consumed)
        return "content outside of what was consumed";
      content += textOf(piece.subarray(decoder.contentStart, decoder.contentEnd));
      at += consumed;
      consumedAll += consumed;
    }
  }
  if (decoder.received !== content.length) return `received says ${decoder.received}, handed out ${content.length}`;
  return { content, error: 0, done: decoder.done, consumed: consumedAll };
}
