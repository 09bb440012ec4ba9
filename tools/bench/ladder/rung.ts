/**
 * One server of the ladder's lower rungs, which do ever more of what the product does and always send the same constant answer.
 * Usage: bun rung.ts echo|parse|target|admit <file with the answer's bytes> <root> <requests sent at a time>.
 * Prints "Listening on port N".
 *
 * With one request at a time a chunk is a request for `echo`, which then looks at nothing. Otherwise each rung answers as many
 * heads as it finds, in one write; what is left of a chunk waits for the next one.
 */
import { readFileSync } from "node:fs";
import { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import { composeHandler } from "../../../src/handlers/compose.ts";
import { openDocumentRoot } from "../../../src/handlers/files/document-root.ts";
import { FolderStore } from "../../../src/handlers/uploads/folder-store.ts";
import { CR, LF } from "../../../src/http/ascii.ts";
import { PathMemo } from "../../../src/http/path-memo.ts";
import { RequestReader } from "../../../src/http1/request.ts";
import { limits } from "../../../src/settings/limits.ts";
import { resolveServerSettings } from "../../../src/settings/resolve.ts";

/** Answers that leave in one write at most. */
const ANSWERS_MAX = 64;

const [rung = "", answerFile = "", rootFolder = ".", batch = "1"] = process.argv.slice(2);
const answer = new Uint8Array(readFileSync(answerFile));
const answers = new Uint8Array(answer.length * ANSWERS_MAX);
for (let i = 0; i < ANSWERS_MAX; i++) answers.set(answer, i * answer.length);
const settings = resolveServerSettings({ root: rootFolder });
const root = openDocumentRoot(rootFolder, "root");
if (root instanceof Error) throw root;

const handler = composeHandler({
  settings,
  endpoints: null,
  faults: null,
  fileCache: { bytesMax: 1 << 20, maxAgeMs: 0 },
  root,
  uploads: new FolderStore(root, { now: () => Date.now() }),
  port: () => listener.port,
  now: () => Date.now(),
  log: (line) => process.stderr.write(`${line}\n`),
});
const headLimits = {
  maxHeaderBytes: settings.maxHeaderBytes,
  maxFields: limits.fieldsMax,
  maxEmptyLines: limits.emptyLinesMax,
};
const exchange = new RequestReader(headLimits, new ContentMemory(limits.bodyMemoryBytesMax), new PathMemo());

/** Takes one request from bytes[start, end): bytes consumed, 0 when more are needed, below 0 for a request that must not be answered. */
type Take = (bytes: Uint8Array, start: number, end: number) => number;

const takers: Readonly<Record<string, Take>> = {
  echo: batch === "1" ? (_, start, end) => end - start : findHeadEnd,
  parse: (bytes, start, end) => exchange.readHead(bytes, start, end),
  target: (bytes, start, end) => {
    const consumed = exchange.readHead(bytes, start, end);
    return consumed > 0 && exchange.understand() < 0 ? -1 : consumed;
  },
  admit: (bytes, start, end) => {
    const consumed = exchange.readHead(bytes, start, end);
    if (consumed <= 0) return consumed;
    if (exchange.understand() < 0) return -1;
    return handler.admit(exchange).refusal === null ? consumed : -1;
  },
};
const take = takers[rung];
if (take === undefined) throw new Error(`no rung is called ${JSON.stringify(rung)}`);

/** Bytes of the first head up to its empty line, 0 when that has not come: no rule is looked at. */
function findHeadEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start + 3; i < end; i++) {
    if (bytes[i] === LF && bytes[i - 1] === CR && bytes[i - 2] === LF && bytes[i - 3] === CR) return i + 1 - start;
  }
  return 0;
}

const listener = Bun.listen<{ rest: Uint8Array | null }>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    binaryType: "uint8array",
    open(socket) {
      socket.data = { rest: null };
    },
    data(socket, chunk) {
      const { rest } = socket.data;
      const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      let count = 0;
      while (start < bytes.length && count < ANSWERS_MAX) {
        const consumed = take(bytes, start, bytes.length);
        if (consumed < 0) {
          socket.terminate(); // which the measurement shows as an error
          return;
        }
        if (consumed === 0) break;
        start += consumed;
        count++;
      }
      socket.data.rest = start === bytes.length ? null : bytes.slice(start);
      const length = count * answer.length;
      if (length > 0 && socket.write(answers, 0, length) < length) socket.terminate();
    },
  },
});
process.stdout.write(`Listening on port ${listener.port}\n`);
