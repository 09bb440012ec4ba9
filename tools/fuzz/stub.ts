/**
 * Stub files. Properties: a mistake names a line that the file has; a message that was read, written and read again is the same; its
 * answer, if it can be one, has fields that the server may send and the whole content.
 */
import { StubMistake, stubAnswer } from "../../src/handlers/stubs/answer.ts";
import { readStubMessage, writeStubMessage } from "../../src/handlers/stubs/stub-message.ts";
import { textOf } from "../../test/support/bytes.ts";
import { unchunk } from "../../test/support/live-content.ts";
import { contentOf, makeRequest } from "../../test/support/site.ts";
import type { FuzzTarget } from "./target.ts";

const REQUESTS = [makeRequest("GET /"), makeRequest("GET /", { Host: "" })];

export const stubTarget: FuzzTarget = {
  name: "stub",
  dictionary: [
    "HTTP/1.1 200 OK",
    "HTTP/2 204 \r\n",
    "HTTP/1.0 304",
    "\n",
    "\r\n",
    "\n\n",
    "\r\n\r\n",
    ":",
    ": ",
    " ",
    "\t",
    "Content-Type: text/event-stream\n",
    "Content-Length: 5\n",
    "Content-Encoding: gzip\n",
    "Connection: close\r\n",
    "Set-Cookie: a=b\n",
    "\xef\xbb\xbf",
    "\xff\xfe",
    "\xc3\xbc",
  ],
  check(input) {
    const message = readStubMessage(input);
    if (message instanceof StubMistake) return mistakeIn(message, input);
    const again = readStubMessage(writeStubMessage(message));
    if (!Bun.deepEquals(again, message)) return "written and read again, it is another";
    const answer = stubAnswer("stub", message.status, message.lines, message.content);
    if (answer instanceof StubMistake) return mistakeIn(answer, input);
    for (const request of REQUESTS) {
      const response = answer.respondTo(request);
      const head = textOf(response.fields.http1(null));
      if (/^(?:date|server|connection|keep-alive|content-encoding):/im.test(head))
        return `a field of the server's own: ${head}`;
      const isChunked = response.fields.value("Transfer-Encoding") !== null;
      const content = isChunked ? unchunk(Buffer.from(contentOf(response))).content : contentOf(response);
      if (textOf(content) !== textOf(message.content)) return "the content is not whole";
    }
    return "";
  },
};

function mistakeIn({ line, message }: StubMistake, input: Uint8Array): string {
  const lines = textOf(input).split("\n").length;
  if (line < 1 || line > lines) return `a mistake in line ${line} of ${lines}`;
  return message === "" || message.includes("\n") ? "a mistake that is not one line" : "";
}
