/**
 * One server of the ladder's lower rungs, which do ever more of what the product does and always send the same constant
 * answer. Usage: bun rung.ts echo|parse|route <file with the answer's bytes> <root>. Prints "Listening on port N".
 *
 * Requests come one at a time here, so a chunk is a request: no rung gathers, and none handles a split head.
 */
import { readFileSync } from "node:fs";
import { BodyMemory } from "../../src/connection/body-buffer.ts";
import { Exchange } from "../../src/connection/exchange.ts";
import { openDocumentRoot } from "../../src/handlers/document-root.ts";
import { createHandler } from "../../src/handlers/router.ts";
import { decideFraming } from "../../src/http/framing.ts";
import { PathMemo } from "../../src/http/path-memo.ts";
import { parseRequestHead } from "../../src/http/request-head.ts";
import { parseTarget } from "../../src/http/target.ts";
import { limits, resolveOptions } from "../../src/options.ts";

const [rung = "", answerFile = "", rootFolder = "."] = process.argv.slice(2);
const answer = new Uint8Array(readFileSync(answerFile));
const settings = resolveOptions({ root: rootFolder });
const root = openDocumentRoot(rootFolder, "root");
if (root instanceof Error) throw root;

const handler = createHandler({
  settings,
  root,
  uploads: root,
  port: () => listener.port,
  now: () => Date.now(),
  log: (line) => process.stderr.write(`${line}\n`),
});
const headLimits = {
  maxHeaderBytes: settings.maxHeaderBytes,
  maxUriBytes: settings.maxUriBytes,
  maxFieldBytes: limits.fieldBytesMax,
  maxFields: limits.fieldsMax,
  maxEmptyLines: limits.emptyLinesMax,
};
const exchange = new Exchange(headLimits, new BodyMemory(limits.bodyMemoryBytesMax), new PathMemo());
const { head, framing, target } = exchange;

/** What each rung does before it answers; false ends the connection, which the measurement shows as an error. */
const rungs: Readonly<Record<string, (bytes: Uint8Array) => boolean>> = {
  echo: () => true,
  parse: (bytes) => parseRequestHead(bytes, 0, bytes.length, head) === bytes.length,
  route: (bytes) =>
    parseRequestHead(bytes, 0, bytes.length, head) === bytes.length &&
    decideFraming(head, framing) === 0 &&
    parseTarget(head, target) === 0 &&
    handler.admit(exchange) === null,
};
const accept = rungs[rung];
if (accept === undefined) throw new Error(`no rung is called ${JSON.stringify(rung)}`);

const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    binaryType: "uint8array",
    data(socket, bytes) {
      if (accept(bytes)) socket.write(answer);
      else socket.terminate();
    },
  },
});
process.stdout.write(`Listening on port ${listener.port}\n`);
