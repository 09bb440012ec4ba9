/**
 * The lines of a rules file of a site: `_redirects` or `_headers`. A file is UTF-8, with or without a byte order mark; a line ends with LF
 * or CRLF, and white space around it does not count. Empty lines and comments are skipped. Pure.
 *
 * The rule it guards: nothing is repaired. Each mistake has the number of its line.
 */
import { quote } from "../../http/escape.ts";
import { isUtf8 } from "../../http/utf8.ts";

/** A mistake in a rules file. */
export class RuleMistake {
  /** Number of the line, from 1; 0: the whole file. */
  readonly line: number;
  /** One line with the expected form. */
  readonly message: string;

  constructor(line: number, message: string) {
    this.line = line;
    this.message = message;
  }
}

export interface RuleLine {
  /** From 1. */
  readonly number: number;
  /** Without white space at its ends. */
  readonly text: string;
}

/** Bytes of a rules file: all rules at their full length, and as much again for comments. */
export const RULES_FILE_BYTES_MAX = 8_388_608;

const LF = 0x0a;

/** C0 without the tab, DEL, and C1. */
const CONTROL = /[^\t -~\xa0-\uffff]/;

/** Returns the lines that are neither empty nor comments, each of at most `charactersMax`; or the first mistake. */
export function ruleLines(bytes: Uint8Array, charactersMax: number): readonly RuleLine[] | RuleMistake {
  if (!isUtf8(bytes, bytes.length)) return new RuleMistake(badLine(bytes), "expected UTF-8 text");
  const lines: RuleLine[] = [];
  for (const [index, line] of new TextDecoder().decode(bytes).split("\n").entries()) {
    const text = line
      .replace(/\r$/, "")
      .replace(/^[ \t]+/, "")
      .trimEnd();
    if (text === "" || text.startsWith("#")) continue;
    const number = index + 1;
    if (text.length > charactersMax) {
      return new RuleMistake(number, `expected at most ${charactersMax} characters in a line, got ${text.length}`);
    }
    const control = CONTROL.exec(text);
    if (control !== null)
      return new RuleMistake(number, `expected text, got the control character ${quote(control[0])}`);
    lines.push({ number, text });
  }
  return lines;
}

/** Returns the number of the first line that is not UTF-8. */
function badLine(bytes: Uint8Array): number {
  let number = 1;
  for (let start = 0; start < bytes.length; number++) {
    const found = bytes.indexOf(LF, start);
    const end = found < 0 ? bytes.length : found;
    const line = bytes.subarray(start, end);
    if (!isUtf8(line, line.length)) return number;
    start = end + 1;
  }
  return number;
}
