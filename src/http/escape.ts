/**
 * Makes text from the wire fit for a log: a peer can neither end a line, nor control a terminal, nor imitate a line of
 * ours (CWE-117). There are two forms: inside quotes, where the bytes stay readable one by one, and in a message for
 * people, where letters of every script stay letters. A third form is for a name inside a URI.
 */
import { BACKSLASH, DEL, DQUOTE, SP } from "./ascii.ts";

/**
 * For text between double quotes: printable ASCII as it is, `"` and `\` after a backslash, every other byte of a latin1
 * string as `\x1b`, as Apache does. Nothing is lost: the result can be read back.
 */
export function escapeQuoted(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (!isPlain(text.charCodeAt(i))) return escapeQuotedFrom(text, i);
  }
  return text;
}

function isPlain(code: number): boolean {
  return code >= SP && code < DEL && code !== DQUOTE && code !== BACKSLASH;
}

function escapeQuotedFrom(text: string, start: number): string {
  let escaped = text.slice(0, start);
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isPlain(code)) escaped += text[i];
    else if (code === DQUOTE || code === BACKSLASH) escaped += `\\${text[i]}`;
    else escaped += escapeCode(code);
  }
  return escaped;
}

/** For a message: control characters, line separators and those that reorder text are written as `\x1b` or `\u202e`. */
export function escapeControls(text: string): string {
  let escaped = "";
  let copied = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (!isControl(code)) continue;
    escaped += text.slice(copied, i) + escapeCode(code);
    copied = i + 1;
  }
  return copied === 0 ? text : escaped + text.slice(copied);
}

function isControl(code: number): boolean {
  if (code < SP) return true; // C0
  if (code < DEL) return false;
  if (code <= 0x9f) return true; // DEL and C1, where 0x9b starts a terminal's command as ESC [ does
  if (code === 0x61c || code === 0xfeff) return true; // Arabic letter mark, byte order mark
  if (code >= 0x200b && code <= 0x200f) return true; // zero width, direction marks
  if (code >= 0x2028 && code <= 0x202e) return true; // line and paragraph separator, embeddings and overrides
  return code >= 0x2066 && code <= 0x2069; // isolates
}

function escapeCode(code: number): string {
  const hexadecimal = code.toString(16);
  return code <= 0xff ? `\\x${hexadecimal.padStart(2, "0")}` : `\\u${hexadecimal.padStart(4, "0")}`;
}

/** Percent-encodes all but the unreserved characters of RFC 3986 §2.3: the plainest form of a name inside a URI. */
export function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Returns a value for a message: short, on one line, and unable to steer a terminal. */
export function quote(value: unknown): string {
  const text = textOf(value);
  // JSON leaves DEL, the C1 controls and the characters beyond ASCII as they are.
  const safe = text.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
}

/** Objects of this process may have no JSON: a cycle, a BigInt. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
