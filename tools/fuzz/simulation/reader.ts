/**
 * Reads what a client receives, byte by byte or at once, as a strict client would (RFC 9112 §4, §6.3): status line, field lines,
 * content by Content-Length. Shares no code with the server's own parsers. Content is compared as it comes and never kept.
 */
import { isContentAt } from "./content.ts";

/** What follows a head. */
export interface ExpectedContent {
  /** Where it stands in the text of content.ts. */
  readonly place: number;
  /** As Content-Length says; 0 for an answer to HEAD. */
  readonly length: number;
  /** Bytes after which it ends early, or `length`. */
  readonly available: number;
}

export interface ReaderRules {
  /** Judges a head. Returns what must follow; null behind an interim answer. */
  headRead(status: number, fields: ReadonlyMap<string, string>): ExpectedContent | null;
  /** The last byte of an answer was read. */
  answerRead(): void;
  fail(sentence: string): void;
}

/** Longest head that we send, bytes. */
const HEAD_BYTES_MAX = 1000;

export class AnswerReader {
  readonly #rules: ReaderRules;
  #head = "";
  #content: ExpectedContent | null = null;
  /** Bytes of the current content so far. */
  contentBytes = 0;

  constructor(rules: ReaderRules) {
    this.#rules = rules;
  }

  /** True when no answer has begun that is not complete. */
  get isBetween(): boolean {
    return this.#head === "" && this.#content === null;
  }

  get isInContent(): boolean {
    return this.#content !== null;
  }

  /** True when an answer's content has come as far as there is any, short of what its head promised. */
  get isAtShortEnd(): boolean {
    const content = this.#content;
    return content !== null && content.available < content.length && this.contentBytes === content.available;
  }

  /** True when a head was read and nothing of its content. */
  get isBehindHead(): boolean {
    return this.#content !== null && this.contentBytes === 0;
  }

  accept(bytes: Uint8Array, offset: number, length: number): void {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const taken =
        this.#content === null ? this.#readHead(bytes, at, end) : this.#readContent(this.#content, bytes, at, end);
      if (taken === 0) return;
      at += taken;
    }
  }

  #readHead(bytes: Uint8Array, at: number, end: number): number {
    const before = this.#head.length;
    const shown = Math.min(end, at + HEAD_BYTES_MAX);
    const text = this.#head + Buffer.from(bytes.buffer, bytes.byteOffset + at, shown - at).toString("latin1");
    const headEnd = text.indexOf("\r\n\r\n");
    if (headEnd < 0) {
      this.#head = text;
      if (text.length >= HEAD_BYTES_MAX) this.#rules.fail(`an answer's head does not end: ${JSON.stringify(text)}`);
      return shown - at;
    }
    this.#head = "";
    this.#judgeHead(text.slice(0, headEnd));
    return headEnd + 4 - before;
  }

  #judgeHead(head: string): void {
    const [statusLine = "", ...lines] = head.split("\r\n");
    const status = /^HTTP\/1\.1 ([1-5]\d\d) [A-Za-z' -]+$/.exec(statusLine)?.[1];
    if (status === undefined) {
      this.#rules.fail(`no status line: ${JSON.stringify(head)}`);
      return;
    }
    const fields = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(": ");
      const name = line.slice(0, colon).toLowerCase();
      if (colon < 1 || fields.has(name)) {
        this.#rules.fail(`no field line, or a second one: ${JSON.stringify(head)}`);
        return;
      }
      fields.set(name, line.slice(colon + 2));
    }
    const content = this.#rules.headRead(Number(status), fields);
    if (content === null) return;
    this.contentBytes = 0;
    this.#content = content;
    this.#endIfComplete(content);
  }

  #readContent(content: ExpectedContent, bytes: Uint8Array, at: number, end: number): number {
    const taken = Math.min(content.available - this.contentBytes, end - at);
    if (taken === 0) {
      this.#rules.fail(`bytes behind the end of short content: ${JSON.stringify(textOf(bytes, at, end))}`);
      return 0;
    }
    if (!isContentAt(content.place + this.contentBytes, bytes, at, taken)) {
      this.#rules.fail(
        `content differs behind byte ${this.contentBytes}: ${JSON.stringify(textOf(bytes, at, at + taken))}`,
      );
      return 0;
    }
    this.contentBytes += taken;
    this.#endIfComplete(content);
    return taken;
  }

  #endIfComplete(content: ExpectedContent): void {
    if (this.contentBytes < content.length) return;
    this.#content = null;
    this.#rules.answerRead();
  }
}

/** The first bytes of [start, end), for a message. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.min(80, end - start)).toString("latin1");
}
