/**
 * Responses in go-httpbin's shapes. Each is JSON, plain text or bytes with `nosniff`, so that no page of a browser is made of the
 * bytes of a request.
 */
import { type FieldLine, type FieldLines, Fields, RETRY_SOON } from "../../http/fields.ts";
import { type ContentSource, type LiveSource, type Response, response } from "../../http/message.ts";
import { reasonPhrase } from "../../http/status.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
export const TEXT_TYPE = "text/plain; charset=utf-8";

const ENCODER = new TextEncoder();

/** Nothing here may be kept: a 301 that a browser remembers would outlive its test. */
const OWN_LINES: FieldLines = [
  ["Cache-Control", "no-store"],
  ["X-Content-Type-Options", "nosniff"],
];

/** Makes a response with content, or without. `type` is "" for one that has no type. */
export function answer(
  status: number,
  content: Uint8Array | ContentSource | null,
  type: string,
  further: FieldLines = [],
): Response {
  const lines: FieldLine[] = [...further, ...OWN_LINES];
  const size = content === null ? 0 : "size" in content ? content.size : content.length;
  if (type !== "" && status !== 304) lines.unshift(["Content-Type", type]);
  // RFC 9110 §8.6: neither a 204 nor a 304 has a length of its own.
  if (status !== 204 && status !== 304) lines.unshift(["Content-Length", String(size)]);
  return response(status, Fields.of(lines), content, "httpbin");
}

/** Makes a response with text. */
export function textAnswer(status: number, text: string, type = TEXT_TYPE, further: FieldLines = []): Response {
  return answer(status, ENCODER.encode(text), type, further);
}

/** Makes a response whose content comes while it is sent. */
export function streamAnswer(type: string, content: LiveSource): Response {
  return response(200, Fields.of([["Content-Type", type], ...OWN_LINES]), content, "httpbin");
}

/** Makes a response with an error in go-httpbin's shape. `detail` names the mistake, or is "". */
export function errorAnswer(status: number, detail: string, further: FieldLines = []): Response {
  const error = { status_code: status, error: reasonPhrase(status), ...(detail === "" ? {} : { detail }) };
  return textAnswer(status, jsonText(error), JSON_TYPE, further);
}

/** Writes JSON as go-httpbin does: two spaces for each level, and a line end. `isFlat`: on one line. */
export function jsonText(value: unknown, isFlat = false): string {
  return `${JSON.stringify(value, null, isFlat ? 0 : 2)}\n`;
}

/** Returns the entries as an object for JSON, in the order of their names. It has no prototype, so every name is a name. */
export function sorted<Value>(entries: Iterable<readonly [string, Value]>): Record<string, Value> {
  const object: Record<string, Value> = Object.create(null);
  for (const [name, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) object[name] = value;
  return object;
}

/** Content up to this size is copied to the client's socket with its head, and is not counted. */
const SMALL_BYTES_MAX = 65_536;

/** Bytes of larger content in memory over all responses: an echo can be a dozen times as long as the request's content. */
const KEPT_BYTES_MAX = 128 * 1024 * 1024;

/**
 * The large content of responses that wait for their clients. It has a budget of its own, and an echo that does not fit is refused. If it
 * counted among the memory of connections, it could be cut while its client reads it.
 */
export class KeptContent {
  #bytes = 0;

  /** Makes a response with text, or refuses to: 413 for text that never fits, 503 for one that does not fit now. */
  answer(text: string, type: string, further: FieldLines): Response {
    const content = ENCODER.encode(text);
    const size = content.length;
    if (size <= SMALL_BYTES_MAX) return answer(200, content, type, further);
    if (size > KEPT_BYTES_MAX) return errorAnswer(413, `the answer would have more than ${KEPT_BYTES_MAX} bytes`);
    if (this.#bytes + size > KEPT_BYTES_MAX) {
      return errorAnswer(503, "too much content waits for its clients", RETRY_SOON);
    }
    this.#bytes += size;
    const kept = new Kept(content, () => {
      this.#bytes -= size;
    });
    return answer(200, kept, type, further);
  }
}

class Kept implements ContentSource {
  readonly size: number;
  #content: Uint8Array | null;
  readonly #closed: () => void;

  constructor(content: Uint8Array, closed: () => void) {
    this.size = content.length;
    this.#content = content;
    this.#closed = closed;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const bytes = this.#content?.subarray(position, position + limit) ?? new Uint8Array(0);
    into.set(bytes, offset);
    return bytes.length;
  }

  close(): void {
    if (this.#content === null) return;
    this.#content = null;
    this.#closed();
  }
}
