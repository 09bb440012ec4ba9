/**
 * Reads multipart/form-data (RFC 7578) piece by piece, as a form of a page sends it.
 *
 * Strategy: content is searched for the delimiter natively, and passed on without a copy. A delimiter begins with a CR, which no
 * boundary has. So of the bytes at the end of a piece, only those from the last CR on can begin one, and they are remembered by
 * their number. The result is the same however the content is cut.
 *
 * The rule it guards: exactly the grammar that browsers and curl write is taken. Nothing stands before the first delimiter, in the
 * line of a delimiter, or after the last one. Two readers can then not disagree about where a part ends.
 */
import { CR, LF, MINUS } from "./ascii.ts";

/** Head of a part: its `Content-Disposition`. */
export interface PartHead {
  /** Name of the form's field. */
  readonly name: string;
  /** Name of the file, as the client has written it; null for a part that is not a file. */
  readonly fileName: string | null;
}

/** Takes the parts in their order. A piece of content never changes afterwards. */
export interface PartReceiver {
  /** A part begins. Returns the mistake that ends the reading, or null. */
  begin(head: PartHead): string | null;
  content(bytes: Uint8Array): void;
  end(): void;
}

enum State {
  /** In the content of a part, or before the first delimiter. */
  Content = 0,
  /** After a delimiter: CR LF, or "--". */
  Delimited,
  DelimitedCr,
  DelimitedDash,
  Head,
  /** After the last delimiter: nothing, or CR LF. */
  Closed,
  ClosedCr,
  Over,
}

/** Bytes of a part's head. A file's name has 255 bytes, and `%22` or `%C3` triple each. */
const HEAD_BYTES_MAX = 4096;

/** Parts of one content. A form for files has a few fields. */
const PARTS_MAX = 32;

export class MultipartReader {
  readonly #delimiter: Uint8Array;
  readonly #receiver: PartReceiver;
  readonly #head = new Uint8Array(HEAD_BYTES_MAX);
  #headLength = 0;
  #state = State.Content;
  /** First bytes of a delimiter that have come. The first delimiter has no line end before it. */
  #matched = 2;
  #parts = 0;

  /** `boundary` is the one of `formBoundary`. */
  constructor(boundary: string, receiver: PartReceiver) {
    this.#delimiter = new TextEncoder().encode(`\r\n--${boundary}`);
    this.#receiver = receiver;
  }

  /** Reads the next piece. Returns null, or the mistake in it as a sentence; then nothing may follow. */
  read(bytes: Uint8Array): string | null {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === State.Content) {
        at = this.#readContent(bytes, at);
        if (at < 0) return "The form's content does not begin with its boundary.";
        continue;
      }
      const mistake = this.#readByte(bytes[at++] as number);
      if (mistake !== null) return mistake;
    }
    return null;
  }

  /** Notes that no piece follows. Returns null if the content was complete, or the mistake as a sentence. */
  finish(): string | null {
    return this.#state === State.Closed || this.#state === State.Over
      ? null
      : "The form's content ends before its last boundary.";
  }

  /** Passes content on up to the next delimiter. Returns the position after the read bytes, or -1 if no delimiter comes first. */
  #readContent(bytes: Uint8Array, start: number): number {
    const delimiter = this.#delimiter;
    let at = start;
    if (this.#matched > 0) {
      const before = this.#matched;
      while (at < bytes.length && this.#matched < delimiter.length && bytes[at] === delimiter[this.#matched]) {
        this.#matched++;
        at++;
      }
      if (this.#matched === delimiter.length) return this.#delimited(at);
      if (at === bytes.length) return at;
      if (this.#parts === 0) return -1;
      // The bytes that were remembered are content. Those of this piece are searched again: none is a CR.
      this.#pass(delimiter.subarray(0, before));
      this.#matched = 0;
      at = start;
    }
    const found = indexOf.call(bytes, delimiter, at);
    if (found >= 0) {
      this.#pass(bytes.subarray(at, found));
      return this.#delimited(found + delimiter.length);
    }
    const end = bytes.length - this.#beginning(bytes, at);
    this.#pass(bytes.subarray(at, end));
    this.#matched = bytes.length - end;
    return bytes.length;
  }

  /** Returns the number of bytes at the end of `bytes` that begin a delimiter. */
  #beginning(bytes: Uint8Array, start: number): number {
    const delimiter = this.#delimiter;
    const from = Math.max(start, bytes.length - delimiter.length + 1);
    const cr = bytes.lastIndexOf(CR);
    if (cr < from) return 0;
    for (let at = cr + 1; at < bytes.length; at++) if (bytes[at] !== delimiter[at - cr]) return 0;
    return bytes.length - cr;
  }

  #pass(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#receiver.content(bytes);
  }

  #delimited(at: number): number {
    this.#matched = 0;
    this.#state = State.Delimited;
    if (this.#parts > 0) this.#receiver.end();
    return at;
  }

  /** Reads a byte that is not content. */
  #readByte(byte: number): string | null {
    switch (this.#state) {
      case State.Delimited:
        if (byte !== CR && byte !== MINUS) return DELIMITER_MISTAKE;
        this.#state = byte === CR ? State.DelimitedCr : State.DelimitedDash;
        return null;
      case State.DelimitedCr:
        if (byte !== LF) return DELIMITER_MISTAKE;
        this.#state = State.Head;
        this.#headLength = 0;
        return null;
      case State.DelimitedDash:
        if (byte !== MINUS) return DELIMITER_MISTAKE;
        this.#state = State.Closed;
        return null;
      case State.Head:
        return this.#readHead(byte);
      case State.Closed:
        this.#state = State.ClosedCr;
        return byte === CR ? null : AFTER_END;
      case State.ClosedCr:
        this.#state = State.Over;
        return byte === LF ? null : AFTER_END;
      default:
        return AFTER_END;
    }
  }

  #readHead(byte: number): string | null {
    if (this.#headLength === HEAD_BYTES_MAX) return `The head of a part is larger than ${HEAD_BYTES_MAX} bytes.`;
    const head = this.#head;
    head[this.#headLength++] = byte;
    const length = this.#headLength;
    if (byte !== LF || head[length - 2] !== CR) return null;
    // A head without a line is an empty line alone.
    if (length > 2 && (head[length - 3] !== LF || head[length - 4] !== CR)) return null;
    if (++this.#parts > PARTS_MAX) return `The form has more than ${PARTS_MAX} parts.`;
    const part = parsePartHead(head.subarray(0, length));
    if (typeof part === "string") return part;
    this.#state = State.Content;
    return this.#receiver.begin(part);
  }
}

const DELIMITER_MISTAKE = "A boundary of the form is not followed by a line end.";
const AFTER_END = "There are bytes after the last boundary of the form.";

/** Searches natively: a search for each CR of a file takes five times as long. It takes a Uint8Array. */
const { indexOf } = Buffer.prototype as unknown as {
  indexOf(this: Uint8Array, value: Uint8Array, from: number): number;
};

const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s;

/** Reads the head of a part, with its line ends. Returns a sentence with the mistake. */
function parsePartHead(bytes: Uint8Array): PartHead | string {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return "The head of a part is not valid UTF-8.";
  }
  let disposition: string | null = null;
  for (const line of text.split("\r\n").slice(0, -2)) {
    const [, name = "", value = ""] = LINE.exec(line) ?? [];
    if (name === "" || CONTROLS.test(value)) return "A line in the head of a part is malformed.";
    if (/^content-transfer-encoding$/i.test(name) && !/^(?:binary|8bit|7bit)$/i.test(value)) {
      return "A part of a form must not have a transfer encoding (RFC 7578, section 4.7).";
    }
    if (!/^content-disposition$/i.test(name)) continue;
    if (disposition !== null) return "A part has Content-Disposition twice.";
    disposition = value;
  }
  if (disposition === null) return "A part has no Content-Disposition.";
  return parseDisposition(disposition) ?? "The Content-Disposition of a part is malformed.";
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** All controls but the tab. */
const CONTROLS = /[^\t\P{Cc}]/u;

const PARAMETER = /[ \t]*;[ \t]*([A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))/y;

/** Reads `form-data; name="file"; filename="a.txt"`. Returns null if it is malformed. */
function parseDisposition(value: string): PartHead | null {
  const type = /^form-data(?=[ \t]*;)/i.exec(value);
  if (type === null) return null;
  const parameters = new Map<string, string>();
  PARAMETER.lastIndex = type[0].length;
  while (PARAMETER.lastIndex < value.length) {
    const match = PARAMETER.exec(value);
    if (match === null) return null;
    const [, key = "", quoted, token = ""] = match;
    const name = key.toLowerCase();
    if (parameters.has(name)) return null;
    parameters.set(name, quoted === undefined ? token : unquoted(quoted));
  }
  const name = parameters.get("name");
  const extended = parameters.get("filename*");
  const fileName = extended === undefined ? (parameters.get("filename") ?? null) : parseExtended(extended);
  return name === undefined || fileName === undefined ? null : { name, fileName };
}

/**
 * Browsers write `"`, CR and LF as `%22`, `%0D` and `%0A`, and nothing else (HTML, "multipart/form-data encoding algorithm"). Others
 * write a backslash before `"` and `\`.
 */
function unquoted(text: string): string {
  return text
    .replace(/\\(["\\])/g, "$1")
    .replace(/%(?:22|0d|0a)/gi, (escaped) => String.fromCharCode(Number.parseInt(escaped.slice(1), 16)));
}

/** Reads `UTF-8''%e2%82%ac.txt` (RFC 8187), which RFC 7578 does not allow, but old libraries send. Undefined if malformed. */
function parseExtended(text: string): string | undefined {
  const [, value] = /^utf-8'[A-Za-z0-9-]*'((?:%[0-9a-f]{2}|[!#$&+.^_`|~0-9a-z-])*)$/i.exec(text) ?? [];
  try {
    return value === undefined ? undefined : decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
