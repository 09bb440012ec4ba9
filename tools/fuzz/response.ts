/**
 * Responses of an upstream. Properties: whole equals split; a response that is done ends within its bytes; and one that was read, framed
 * anew by its content, is read as the same.
 */
import { ResponseReader } from "../../src/http1/response-reader.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import { pieces } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

interface Reading {
  readonly status: number;
  readonly content: string;
  readonly error: number;
  readonly isDone: boolean;
  /** Bytes after the response, or of an incomplete part. */
  readonly left: number;
}

export const responseTarget: FuzzTarget = {
  name: "response",
  dictionary: [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5, 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "X: y\r\n z\r\n",
    "\r\n",
    "\n",
    "\r",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "hello",
  ],
  check(input, random) {
    const isHead = random.oneIn(6);
    const whole = read([input], isHead);
    const split = read(pieces(input, random), isHead);
    if (typeof whole === "string") return whole;
    if (typeof split === "string") return split;
    if (JSON.stringify(whole) !== JSON.stringify(split))
      return `whole ${JSON.stringify(whole)}, split ${JSON.stringify(split)}`;
    if (!whole.isDone || whole.error < 0 || whole.content === "") return "";
    if (isHead) return "HEAD with content";

    const framed = `HTTP/1.1 ${whole.status} \r\nContent-Length: ${whole.content.length}\r\n\r\n${whole.content}`;
    const again = read([bytesOf(framed)], false);
    if (typeof again === "string") return again;
    const isSame = again.isDone && again.content === whole.content && again.status === whole.status && again.left === 0;
    return isSame ? "" : "framed and read again, it is another";
  },
};

function read(given: readonly Uint8Array[], isHead: boolean): Reading | string {
  const reader = new ResponseReader();
  reader.begin(isHead);
  let rest = new Uint8Array(0);
  let content = "";
  let error = 0;
  for (const piece of given) {
    if (error < 0) break;
    rest = Buffer.concat([rest, piece]);
    for (;;) {
      const consumed = reader.step(rest, 0, rest.length);
      if (consumed > rest.length) return `consumed ${consumed} of ${rest.length}`;
      if (consumed < 0) error = consumed;
      if (consumed <= 0) break;
      if (reader.contentEnd > consumed) return "content outside of what was consumed";
      content += textOf(rest.subarray(reader.contentStart, reader.contentEnd));
      rest = rest.subarray(consumed);
    }
  }
  const { status, isDone } = reader;
  // After an error it does not matter how much was read before.
  return error < 0
    ? { status, content: "", error, isDone: false, left: 0 }
    : { status, content, error, isDone, left: rest.length };
}
