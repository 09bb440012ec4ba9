/**
 * Two transcripts of one conversation, held against each other. Before that, values that differ from run to run are replaced by
 * their names: dates of today, ports, names of uploads, and in answers of the server's own endpoints counters and times.
 */
import type { Transcript } from "./case.ts";

/** What a blanked value depends on. */
interface Origin {
  readonly port: number;
  readonly pid: number;
}

/** One difference: `label` groups it with others of its kind. */
export interface Difference {
  readonly label: string;
  /** Which conversation of the case, and which answer in it, from 0. */
  readonly conversation: number;
  readonly answer: number;
}

/** An answer as it came. Bytes before the first one, or of no answer at all, have an empty `statusLine`. */
interface Piece {
  readonly statusLine: string;
  readonly lines: readonly string[];
  readonly content: string;
}

/** Dates this close to now are of this run, ms. */
const RECENT_MS = 86_400_000;

/** Characters of a value, and around a difference in content, in a label. */
const VALUE_SHOWN = 70;
const AROUND_SHOWN = 24;

const DATE = /(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/g;

const UPLOAD = "upload_{{name}}";

/** In answers of the server's own endpoints and to uploads. */
const VOLATILE: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/"(instance|version)":"[^"]*"/g, '"$1":"{{$1}}"'],
  [
    /"(pid|atMs|durationMs|queuedMs|uptimeMs|openedMs|closedMs|receivedMs|sequence|last|dropped|connection|slot)":[\d.]+/g,
    '"$1":"{{$1}}"',
  ],
  [/"(root|uploads)":"[^"]*"/g, '"$1":"{{$1}}"'],
  [/"peer":"[^"]*"/g, '"peer":"{{peer}}"'],
  // Rules are numbered as they come, and cases that run at the same time come in any order.
  [/"id":"f\d+"/g, '"id":"f{{id}}"'],
  [/^(httpserver_\S+|process_\S+)(?: [\d.e+-]+)$/gm, "$1 {{number}}"],
];

/** The text of `transcript` with everything blanked that says when and where it was made. */
export function normalized({ received }: Transcript, origin: Origin, isVolatile: boolean): string {
  const text = received
    .replace(DATE, (date) => (Math.abs(Date.parse(date) - Date.now()) < RECENT_MS ? "{{now}}" : date))
    .replaceAll(/upload_\d{8}_\d{6}_[0-9a-f]{6}/g, UPLOAD)
    .replaceAll(/(boundary=|^--)[0-9a-f]{24}\b/gm, "$1{{boundary}}")
    .replaceAll(new RegExp(`:${origin.port}\\b`, "g"), ":{{port}}")
    .replaceAll(new RegExp(`"port":${origin.port}\\b`, "g"), '"port":{{port}}');
  return isVolatile ? piecesOf(text).map(blanked).join("") : text;
}

function blanked(piece: Piece): string {
  let { content } = piece;
  for (const [pattern, replacement] of VOLATILE) content = content.replaceAll(pattern, replacement);
  // An entity tag tells of the time as well.
  const isRecent = piece.lines.includes("Last-Modified: {{now}}");
  const lines = piece.lines.map((line) => {
    const isLength = content !== piece.content && /^content-length:/i.test(line);
    if (isLength) return line.replace(/\d+$/, "{{length}}");
    return isRecent ? line.replace(/^(etag: ).*$/i, "$1{{etag}}") : line;
  });
  const head = [piece.statusLine, ...lines].join("\r\n");
  return piece.statusLine === "" ? content : `${head}\r\n\r\n${content}`;
}

/** All differences between two conversations that have been normalized; none when they are equal. */
export function differences(
  before: readonly (Transcript & { readonly text: string })[],
  after: readonly (Transcript & { readonly text: string })[],
): readonly Difference[] {
  const found: Difference[] = [];
  for (const [conversation, one] of before.entries()) {
    const other = after[conversation];
    if (other === undefined) return [...found, { label: "a conversation is missing", conversation, answer: 0 }];
    if (one.text !== other.text) {
      for (const [label, answer] of textDifferences(one.text, other.text)) found.push({ label, conversation, answer });
    }
    if (one.end !== other.end) found.push({ label: `end: ${one.end} → ${other.end}`, conversation, answer: 0 });
  }
  return found;
}

type Found = readonly [label: string, answer: number];

function textDifferences(before: string, after: string): readonly Found[] {
  const ones = piecesOf(before);
  const others = piecesOf(after);
  const found: Found[] = [];
  for (const [answer, one] of ones.entries()) {
    const other = others[answer];
    if (other === undefined) break;
    const labels = pieceDifferences(one, other);
    // What follows an answer of another kind is out of step, and would be noise.
    for (const label of labels) found.push([label, answer]);
    if (one.statusLine !== other.statusLine) return found;
  }
  const [statuses, otherStatuses] = [ones, others].map((pieces) => pieces.map(statusOf).join(" "));
  if (statuses !== otherStatuses) {
    found.push([`answers: [${statuses}] → [${otherStatuses}]`, Math.min(ones.length, others.length)]);
  }
  return found.length > 0 ? found : [["bytes differ", 0]];
}

function pieceDifferences(one: Piece, other: Piece): readonly string[] {
  if (one.statusLine !== other.statusLine) return [`status: ${one.statusLine} → ${other.statusLine}`];
  const labels: string[] = [];
  const [fields, otherFields] = [one, other].map(({ lines }) => new Map(lines.map(partsOf)));
  for (const [name, value] of fields ?? []) {
    const otherValue = otherFields?.get(name);
    if (otherValue === undefined) labels.push(`${statusOf(one)}: field ${name}: ${shown(value)} → none`);
    else if (otherValue !== value)
      labels.push(`${statusOf(one)}: field ${name}: ${shown(value)} → ${shown(otherValue)}`);
  }
  for (const [name, value] of otherFields ?? []) {
    if (fields?.has(name) !== true) labels.push(`${statusOf(one)}: field ${name}: none → ${shown(value)}`);
  }
  if (labels.length === 0 && one.lines.join() !== other.lines.join()) {
    const order = (piece: Piece) => piece.lines.map((line) => partsOf(line)[0]).join(", ");
    labels.push(`${statusOf(one)}: order of fields: ${order(one)} → ${order(other)}`);
  }
  if (one.content !== other.content)
    labels.push(`${statusOf(one)}: content: ${contentDifference(one.content, other.content)}`);
  return labels;
}

function contentDifference(one: string, other: string): string {
  if (one.startsWith(other) || other.startsWith(one))
    return `${one.length} bytes → ${other.length}, equal as far as both go`;
  let at = 0;
  while (one[at] === other[at]) at++;
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - AROUND_SHOWN), at + AROUND_SHOWN));
  return `${around(one)} → ${around(other)}`;
}

/** Cut where a status line begins. Content of ours never holds one. */
function piecesOf(text: string): readonly Piece[] {
  return text
    .split(/(?=HTTP\/1\.[01] [1-5]\d\d )/)
    .filter((piece) => piece !== "")
    .map((piece) => {
      const headEnd = piece.indexOf("\r\n\r\n");
      if (!piece.startsWith("HTTP/") || headEnd < 0) return { statusLine: "", lines: [], content: piece };
      const [statusLine = "", ...lines] = piece.slice(0, headEnd).split("\r\n");
      return { statusLine, lines, content: piece.slice(headEnd + 4) };
    });
}

function statusOf({ statusLine }: Piece): string {
  return statusLine === "" ? "no head" : (statusLine.split(" ")[1] ?? "");
}

function partsOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1)];
}

function shown(value: string): string {
  const text = value.trim();
  return text.length > VALUE_SHOWN ? `${text.slice(0, VALUE_SHOWN)}…` : text;
}
