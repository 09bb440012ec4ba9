/**
 * The floors a row runs on. Each takes the bytes of a row in the pieces it is given and returns what was observed, in words
 * that are the same for every way of cutting, so that two runs are compared by comparing text.
 */

import type { TrustedProxies } from "../../src/exchange/forwarding.ts";
import { composeHandler } from "../../src/handlers/compose.ts";
import { FolderError, openDocumentRoot } from "../../src/handlers/files/document-root.ts";
import { openFolderStore, type UploadDisk } from "../../src/handlers/uploads/folder-store.ts";
import { describeParseError, ParseError } from "../../src/http/parse-error.ts";
import { Target } from "../../src/http/target.ts";
import { BodyDecoder } from "../../src/http1/body-decoder.ts";
import { decideFraming, Framing } from "../../src/http1/framing.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { readTarget } from "../../src/http1/request-target.ts";
import { resolveServerSettings } from "../../src/settings/resolve.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { type FakeClient, FakeServer, WALL_MS } from "../support/conversation.ts";
import { HEAD_LIMITS } from "../support/limits.ts";
import { difference, readAnswers } from "./answers.ts";
import type { Expected, Row } from "./row.ts";
import { BODY_BYTES_MAX, type ConformanceSite, HOSTS, PROBE, PROBE_REQUEST } from "./site.ts";

/** Rows up to this length are cut at every byte; of longer ones, at these many places and near both ends. */
const EVERY_SPLIT_MAX = 640;
const SPLITS_OF_LONG = 24;
const NEAR_END = 6;

/** Places at which a row of `length` bytes is cut in two. */
export function splitPoints(length: number): readonly number[] {
  const points: number[] = [];
  const step = length <= EVERY_SPLIT_MAX ? 1 : Math.floor(length / SPLITS_OF_LONG);
  for (let at = 1; at < length; at++) {
    if (at % step === 0 || at <= NEAR_END || at >= length - NEAR_END) points.push(at);
  }
  return points;
}

/** One piece of a single byte each; of rows that would take too long, the last thousand bytes. */
export function bytewise(bytes: Uint8Array): readonly Uint8Array[] {
  const from = Math.max(0, bytes.length - 1000);
  const pieces = from > 0 ? [bytes.subarray(0, from)] : [];
  for (let at = from; at < bytes.length; at++) pieces.push(bytes.subarray(at, at + 1));
  return pieces;
}

// Parser ------------------------------------------------------------------------------------------------------------

interface ParserReading {
  /** One word for each request and each refusal, with the content's text. */
  readonly events: readonly string[];
  /** Requests that were understood to their end. */
  readonly complete: number;
  /** The last error, or 0. */
  readonly error: number;
  /** No request may follow: an error in the framing, or a connection that does not persist. */
  readonly closed: boolean;
  /** Bytes of an unfinished request are left. */
  readonly partial: boolean;
  /** A rule of the parsers' own contract that was broken; "" when none was. */
  readonly fault: string;
}

/** Head, framing, target and content alone, without a conversation around them. */
export class ParserFloor {
  readonly #head = new ParsedHead(HEAD_LIMITS);
  readonly #framing = new Framing();
  readonly #target = new Target();
  readonly #decoder = new BodyDecoder();

  /** Feeds `pieces`, one after the other, as a connection does. Never throws unless a parser does. */
  read(pieces: readonly Uint8Array[]): ParserReading {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const bytes = new Uint8Array(length);
    const events: string[] = [];
    let end = 0;
    let start = 0;
    let inBody = false;
    let content = "";
    let complete = 0;
    let error = 0;
    let closed = false;
    const stop = (code: number) => {
      events.push(`error ${ParseError[code]}`);
      error = code;
      closed = true;
    };
    for (const piece of pieces) {
      bytes.set(piece, end);
      end += piece.length;
      while (!closed) {
        if (!inBody) {
          const consumed = parseRequestHead(bytes, start, end, this.#head);
          if (consumed > end - start) return this.#broken(events, "the head consumed more than there was");
          if (consumed === 0) break;
          if (consumed < 0) {
            stop(consumed);
            break;
          }
          start += consumed;
          let refusal = decideFraming(this.#head, this.#framing);
          if (refusal === 0 || refusal === ParseError.ExpectationUnknown) {
            refusal = readTarget(this.#head, this.#target) || refusal;
          }
          if (refusal < 0 && describeParseError(refusal).closes) {
            stop(refusal);
            break;
          }
          if (refusal < 0) error = refusal;
          this.#decoder.reset(this.#framing);
          const what = refusal < 0 ? `declined ${ParseError[refusal]}` : `${this.#target.path}${this.#target.query}`;
          events.push(`${this.#head.methodText} ${what} ${this.#fields()}`);
          inBody = true;
          content = "";
        }
        while (!this.#decoder.done) {
          const consumed = this.#decoder.step(bytes, start, end);
          if (consumed > end - start) return this.#broken(events, "the body consumed more than there was");
          if (consumed === 0) break;
          if (consumed < 0) {
            stop(consumed);
            break;
          }
          content += textOf(bytes.subarray(this.#decoder.contentStart, this.#decoder.contentEnd));
          start += consumed;
        }
        if (!this.#decoder.done || closed) break;
        events.push(`content ${JSON.stringify(content)}`);
        inBody = false;
        complete++;
        if (!this.#framing.persistent) closed = true;
      }
    }
    const partial = !closed && (inBody || start < end);
    return { events, complete, error, closed, partial, fault: "" };
  }

  #fields(): string {
    const lines: string[] = [];
    for (let i = 0; i < this.#head.fieldCount; i++)
      lines.push(`${this.#head.fieldName(i)}:${this.#head.fieldValue(i)}`);
    return lines.join("|");
  }

  #broken(events: readonly string[], fault: string): ParserReading {
    return { events, complete: 0, error: 0, closed: true, partial: false, fault };
  }
}

/** What differs between a parser's reading and the row; "" when nothing does. */
export function parserDifference(row: Row, reading: ParserReading): string {
  if (reading.fault !== "") return reading.fault;
  const error = row.error ?? 0;
  // An incomplete message is found by its FIN, which this floor does not know.
  if (error === ParseError.IncompleteMessage)
    return reading.error === 0 ? "" : `unexpected ${ParseError[reading.error]}`;
  if (reading.error !== error)
    return `expected ${ParseError[error] ?? "no error"}, got ${ParseError[reading.error] ?? "none"}`;
  const finals = row.answers.filter((answer) => answer.status >= 200).length;
  if (row.end === "open" && (reading.complete !== finals || reading.closed || reading.partial)) {
    return `expected ${finals} complete requests on an open connection, got ${reading.complete}`;
  }
  if (row.end === "waits" && (reading.complete !== (row.isEarly ? finals - 1 : finals) || !reading.partial)) {
    return `expected ${finals} complete requests and a part, got ${reading.complete}`;
  }
  // A message whose end is known is complete, also where it is refused.
  const complete = error !== 0 && describeParseError(error).closes ? finals - 1 : finals;
  if (row.end === "closed" && error !== 0 && reading.complete !== complete) {
    return `expected ${complete} complete requests up to the error, got ${reading.complete}`;
  }
  return "";
}

// Machine -----------------------------------------------------------------------------------------------------------

/** The whole conversation with the real handler over a real folder, on a fake transport and a clock that stands still. */
export class MachineFloor {
  readonly #server: FakeServer;

  #judged: { row: Row; received: string; isClosed: boolean | null; found: string } | null = null;

  /** `relays` are the proxies that are trusted. */
  constructor(site: ConformanceSite, relays: TrustedProxies | null = null) {
    this.#server = new FakeServer({
      limits: { unwantedBodyBytesMax: 20_000, receiveBytesMax: 65_536, lingerBytesMax: 1 << 20, sliceBytes: 32_768 },
      relays,
    });
    const handler = composeHandler({
      settings: resolveServerSettings({ host: "127.0.0.1", allowedHosts: HOSTS, maxBodyBytes: BODY_BYTES_MAX }),
      endpoints: null,
      faults: null,
      fileCache: { bytesMax: 1 << 20, maxAgeMs: 0 },
      root: usable(openDocumentRoot(site.root, "--root")),
      uploads: usable(
        openFolderStore({ folder: site.uploads, flag: "--uploads", now: () => WALL_MS, disk: MEMORY_DISK }),
      ),
      port: () => 8080,
      now: () => WALL_MS,
      log: () => {},
    });
    this.#server.handler.admit = (request) => handler.admit(request);
    this.#server.handler.respond = (...admitted) => handler.respond(...admitted);
    this.#server.handler.failure = (...failure) => handler.failure(...failure);
  }

  /** Runs a row in these pieces. Returns what differs from it, or "". */
  async run(row: Row, pieces: readonly Uint8Array[]): Promise<string> {
    const client = this.#server.connect();
    const { connection, transport } = client;
    transport.write = (bytes, offset, length) => {
      // As the fake does without back-pressure, but fast enough for a hundred thousand conversations.
      if (transport.finSent) throw new Error("written after FIN");
      if (transport.isClosed) return -1;
      transport.sent += textOf(bytes.subarray(offset, offset + length));
      return length;
    };
    for (const piece of pieces) if (!transport.isClosed) connection.received(piece.slice());
    if (row.finish) client.finish();
    await this.#settle();
    const isClosed = transport.finSent || transport.isClosed;
    if (!row.finish && row.end !== "waits") {
      this.#probe(client);
      await this.#settle();
    }
    const found = this.#judge(row, transport.sent, row.finish ? null : isClosed);
    const fault = this.#server.observer.failures.pop();
    if (!transport.isClosed) connection.terminate();
    if (fault !== undefined) return `the server failed: ${fault}`;
    return found;
  }

  /** The entity tag of a file, as it is sent. */
  async etag(path: string): Promise<string> {
    const client = this.#server.connect();
    client.connection.received(bytesOf(`HEAD ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    await this.#settle();
    client.connection.terminate();
    const etag = readAnswers(client.transport.sent, () => true).answers[0]?.fields.get("etag");
    if (etag === undefined) throw new Error(`${path} has no entity tag`);
    return etag;
  }

  /** Judges as `judge` does, and the same observation of the same row only once: most ways of cutting lead to the same bytes. */
  #judge(row: Row, received: string, isClosed: boolean | null): string {
    const last = this.#judged;
    if (row === last?.row && isClosed === last.isClosed && received === last.received) return last.found;
    const found = judge(row, received, isClosed);
    this.#judged = { row, received, isClosed, found };
    return found;
  }

  #probe(client: FakeClient): void {
    if (!client.transport.isClosed) client.connection.received(bytesOf(PROBE_REQUEST));
  }

  /** Lets an upload's promises and a large file's turns go by. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      this.#server.runDeferred();
      if (this.#server.pool.active === 0 && this.#server.deferred.length === 0) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Turns of the event loop that a row may take; none needs more than a few. */
const TURNS_MAX = 200;

/** Content that nobody keeps: the disk is not what these rows are about. */
const MEMORY_DISK: UploadDisk = {
  mkdir: (async () => undefined) as UploadDisk["mkdir"],
  open: (async () => ({
    writeFile: async () => {},
    sync: async () => {},
    close: async () => {},
  })) as unknown as UploadDisk["open"],
  link: async () => {},
  rename: async () => {},
  unlink: async () => {},
};

function usable<Folder extends object>(root: Folder | FolderError): Folder {
  if (root instanceof FolderError) throw root;
  return root;
}

/**
 * Holds everything that came, the answer to the probe included, against the row. `isClosed`: whether the connection had
 * ended before the probe, or null where that is not known.
 */
export function judge(row: Row, received: string, isClosed: boolean | null): string {
  const isOpen = row.end === "open";
  const expected: readonly Expected[] = isOpen ? [...row.answers, { status: 200, body: PROBE }] : row.answers;
  const finals = expected.filter((answer) => answer.status >= 200);
  const { answers, fault } = readAnswers(received, (index) => finals[index]?.toHead === true);
  if (fault !== "") return fault;
  const found = difference(answers, expected);
  if (found !== "") return found;
  if (isClosed !== null && isClosed !== (row.end === "closed")) {
    return `expected the connection to be ${row.end}, and it was ${isClosed ? "closed" : "open"}`;
  }
  const final = answers[row.answers.length - 1];
  if (final !== undefined && final.status >= 200 && row.end !== "waits" && !row.finish) {
    const told = final.fields.get("connection");
    if (told !== (isOpen || row.isEarly ? "keep-alive" : "close"))
      return `expected the connection to be ${row.end}, told ${told}`;
  }
  return "";
}
