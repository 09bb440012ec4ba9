/**
 * What is in a folder that has no index: as a page for people, which works without script, or as JSON for programs.
 *
 * Strategy: all names are read at once, off this thread, because Bun's opendir holds the thread for the whole folder; then, in
 * short steps, the first of them are chosen, described and put in order. Rendering is apart from reading, and pure.
 * The rule it guards: nothing is named that GET would refuse: no name with a dot in front, no link that leads out, no hidden
 * folder, no device. What was opened is what is read, so a folder that is swapped meanwhile changes nothing.
 */
import { constants, existsSync, type Stats } from "node:fs";
import { evaluatePreconditions, Precondition } from "../../http/conditional.ts";
import { escapeControls } from "../../http/escape.ts";
import { Field } from "../../http/field.ts";
import { encodeFields, type FieldLines } from "../../http/fields.ts";
import type { Request, Response } from "../../http/message.ts";
import { limits } from "../../settings/options.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import { closeDescriptor, type DocumentRoot, errorCode, type Opened, OpenFailure } from "../files/document-root.ts";
import { escapeHtml, htmlPage } from "../page.ts";

/** What one line says. */
export interface Entry {
  readonly name: string;
  readonly type: "file" | "directory";
  /** Bytes; null for a folder, and for what cannot be read. */
  readonly size: number | null;
  /** Milliseconds since 1970; null where it is not known. */
  readonly modifiedMs: number | null;
}

export type SortKey = "name" | "size" | "time";
export type SortOrder = "asc" | "desc";

export interface Sorting {
  readonly key: SortKey;
  readonly order: SortOrder;
}

export interface ListingOptions {
  readonly root: DocumentRoot;
  readonly pages: ErrorPages;
  /** Paths, such as `/upload`, that are answered by somebody else, whatever has that name in the folder. */
  readonly shadowed: readonly string[];
  /** Those among them that are folders for GET. */
  readonly mounts: readonly string[];
}

/** Lists the folders of one root. */
export class Listing {
  readonly #root: DocumentRoot;
  readonly #pages: ErrorPages;
  readonly #shadowed: ReadonlySet<string>;
  readonly #mounts: readonly string[];
  /** Settled when the last large folder that was asked for has been read. */
  #large: Promise<unknown> = Promise.resolve();

  constructor(options: ListingOptions) {
    this.#root = options.root;
    this.#pages = options.pages;
    this.#shadowed = new Set(options.shadowed);
    this.#mounts = options.mounts;
  }

  /**
   * Answers GET and HEAD of the folder that `path`, below the root and with "/" at its end, names. Takes over the descriptor of
   * `folder`. `isShown` is asked about each file's name. Returns why not where the disk fails; never rejects.
   */
  async respond(
    request: Request,
    path: string,
    folder: Opened,
    isShown: (fileName: string) => boolean,
  ): Promise<Response | OpenFailure> {
    try {
      const isJson = wantsJson(request);
      const sorting = parseSorting(request.target.query);
      const { names, total } = await this.#readNames(path, folder);
      const found = await this.#describe(path, readablePath(folder), names);
      const entries = found.filter((entry) => entry.type === "directory" || isShown(entry.name));
      for (const mount of this.#mounts) {
        if (path === "/") entries.push({ name: mount.slice(1), type: "directory", size: null, modifiedMs: null });
      }
      await nextTurn();
      const sorted = sortEntries(entries, sorting);
      await nextTurn();
      const left = total - names.length;
      const text = isJson ? renderJson(sorted) : renderPage(request.target.path, sorted, left, sorting);
      return this.#answer(request, new TextEncoder().encode(text), isJson, sorted.length + left);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") return OpenFailure.Missing;
      this.#root.lastError = `${code} in ${folder.path}`;
      return BUSY_CODES.has(code) ? OpenFailure.Busy : OpenFailure.Broken;
    } finally {
      closeDescriptor(folder.descriptor);
    }
  }

  /** The first names in the order of their code units, and how many there are. Large folders are read one after the other. */
  #readNames(path: string, folder: Opened): Promise<Names> {
    const read = async () => {
      const all = await disk().readdir(readablePath(folder));
      return chooseNames(all, limits.listingEntriesMax, (name) => !this.#shadowed.has(path + name));
    };
    if (folder.stats.size <= limits.listingSharedBytesMax) return read();
    const names = this.#large.then(read);
    this.#large = names.catch(() => {});
    return names;
  }

  /** What can be said about `names`, without those that GET would refuse or that are gone. */
  async #describe(path: string, folderPath: string, names: readonly string[]): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (let i = 0; i < names.length; i += DESCRIBED_AT_ONCE) {
      const step = names.slice(i, i + DESCRIBED_AT_ONCE);
      for (const entry of await Promise.all(step.map((name) => this.#describeOne(path, folderPath, name)))) {
        if (entry !== null) entries.push(entry);
      }
    }
    return entries;
  }

  async #describeOne(path: string, folderPath: string, name: string): Promise<Entry | null> {
    const unknown: Entry = { name, type: "file", size: null, modifiedMs: null };
    let stats: Stats;
    try {
      stats = await disk().lstat(`${folderPath}/${name}`);
      if (stats.isFile()) await disk().access(`${folderPath}/${name}`, constants.R_OK);
    } catch (error) {
      // Also a name that is no UTF-8: what stands for it here names nothing, and no target could.
      return errorCode(error) === "ENOENT" ? null : unknown;
    }
    if (stats.isFile()) return { name, type: "file", size: stats.size, modifiedMs: stats.mtimeMs };
    if (!stats.isDirectory() && !stats.isSymbolicLink()) return null;
    // Where a link leads, and whether a folder is hidden, only the root knows.
    const opened = this.#root.open(path + name);
    if (typeof opened !== "number") closeDescriptor(opened.descriptor);
    if (opened === OpenFailure.Missing || opened === OpenFailure.Outside) return null;
    if (typeof opened === "number") return { ...unknown, type: stats.isDirectory() ? "directory" : "file" };
    const isFolder = opened.stats.isDirectory();
    const { size, mtimeMs } = opened.stats;
    return { name, type: isFolder ? "directory" : "file", size: isFolder ? null : size, modifiedMs: mtimeMs };
  }

  /** 200, or 304 for who has the very same bytes. `total` is told also where some of the entries are left out. */
  #answer(request: Request, content: Uint8Array, isJson: boolean, total: number): Response {
    const etag = `"${Bun.hash(content).toString(36)}"`;
    const validators: FieldLines = [
      ["ETag", etag],
      ["Cache-Control", "no-cache"],
      ["Vary", "Accept"],
    ];
    const { head } = request;
    // There is no Last-Modified, because a file that changes leaves its folder as it is; so conditions on times are
    // ignored (RFC 9110 §13.1.3).
    const conditions = {
      ifMatch: head.value(Field.IfMatch),
      ifUnmodifiedSince: null,
      ifNoneMatch: head.value(Field.IfNoneMatch),
      ifModifiedSince: null,
    };
    const precondition = evaluatePreconditions(head.method, conditions, etag, 0, 0);
    if (precondition === Precondition.Failed) {
      return this.#pages.answer(412, "The folder is not in the state that the request asks for.", isJson);
    }
    if (precondition === Precondition.NotModified) return response(304, validators, null, "not-modified");
    const fields: FieldLines = [
      ...validators,
      ["X-Content-Type-Options", "nosniff"],
      ["X-Total-Count", String(total)],
      ["Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"],
      ["Content-Type", isJson ? "application/json" : "text/html; charset=utf-8"],
      ["Content-Length", String(content.length)],
    ];
    return response(200, fields, content, "listing");
  }
}

interface Names {
  readonly names: readonly string[];
  readonly total: number;
}

/**
 * The first `most` of those names that a target can name and that are not hidden, in the order of their code units. Sorts a few
 * at a time and lets others work in between: all of 100,000 at once would hold the thread for 40 ms.
 */
export async function chooseNames(
  all: readonly string[],
  most: number,
  isWanted: (name: string) => boolean,
): Promise<Names> {
  let names: string[] = [];
  let total = 0;
  for (let i = 0; i < all.length; i += CHOSEN_AT_ONCE) {
    if (i > 0) await nextTurn();
    const last = names.length === most ? names[most - 1] : undefined;
    const before = names.length;
    const end = Math.min(all.length, i + CHOSEN_AT_ONCE);
    for (let at = i; at < end; at++) {
      const name = all[at] as string;
      if (!isNameable(name) || !isWanted(name)) continue;
      total++;
      if (last === undefined || name < last) names.push(name);
    }
    if (names.length > before) names = names.sort().slice(0, most);
  }
  return { names, total };
}

/** Lets others work first. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * False for hidden names, and for those whose target would be refused: control characters, a backslash, half a
 * surrogate pair.
 */
function isNameable(name: string): boolean {
  return !name.startsWith(".") && !REFUSED.test(name) && name.isWellFormed();
}

/** The sorting that a target's query asks for; what it says otherwise, or wrongly, is ignored. */
export function parseSorting(query: string): Sorting {
  const values = new URLSearchParams(query);
  const key = SORT_KEYS.find((item) => item === values.get("sort")) ?? "name";
  return { key, order: values.get("order") === "desc" ? "desc" : "asc" };
}

/** Folders first; equal ones, and folders by size, by their names from A to Z. */
export function sortEntries(entries: readonly Entry[], { key, order }: Sorting): readonly Entry[] {
  const sign = order === "asc" ? 1 : -1;
  return entries.toSorted((a, b) => {
    if (a.type !== b.type) return a.type === "directory" ? -1 : 1;
    if (key === "name") return sign * compareNames(a.name, b.name);
    const difference = key === "size" ? (a.size ?? -1) - (b.size ?? -1) : (a.modifiedMs ?? -1) - (b.modifiedMs ?? -1);
    return difference === 0 ? compareNames(a.name, b.name) : sign * difference;
  });
}

/** As people count: `file-9` before `file-10`. Two names are never equal, so the order is the same each time. */
function compareNames(a: string, b: string): number {
  return COLLATOR.compare(a, b) || (a < b ? -1 : 1);
}

/** `[{name, type, size, modified}]`, times as RFC 3339 has them. */
export function renderJson(entries: readonly Entry[]): string {
  const items = entries.map(({ name, type, size, modifiedMs }) =>
    JSON.stringify({ name, type, size, modified: modifiedMs === null ? null : timeText(modifiedMs) }),
  );
  return items.length === 0 ? "[]\n" : `[\n${items.join(",\n")}\n]\n`;
}

/** The page for the folder at `path`, decoded, with "/" at its end; `left` is how many entries are not shown. */
export function renderPage(path: string, entries: readonly Entry[], left: number, sorting: Sorting): string {
  const segments = path.split("/").filter((segment) => segment !== "");
  const title = `Files in /${segments.map((segment) => `${shown(segment)}/`).join("")}`;
  const columns = COLUMNS.map(([key, label]) => renderColumn(key, label, sorting)).join("\n");
  const note =
    left === 0
      ? ""
      : `<p>The first ${formatCount(entries.length)} by name are shown, and there are ${formatCount(left)} more.</p>\n`;
  const content =
    entries.length === 0
      ? "<p>This folder is empty.</p>\n"
      : `<table>
<caption>${title}</caption>
<thead><tr>
${columns}
</tr></thead>
<tbody>
${entries.map(renderEntry).join("\n")}
</tbody>
</table>
`;
  return htmlPage(title, `<main>\n${renderBreadcrumbs(segments)}\n${content}${note}</main>\n`, STYLE);
}

/** The way down from the root, as links; the heading is where we are. */
function renderBreadcrumbs(segments: readonly string[]): string {
  let href = "/";
  const items: string[] = [];
  for (const [index, segment] of ["Home", ...segments].entries()) {
    if (index > 0) href += `${encodeURIComponent(segment)}/`;
    const text = `<bdi>${shown(segment)}</bdi>`;
    const isLast = index === segments.length;
    items.push(isLast ? `<li><h1>${text}</h1></li>` : `<li><a href="${escapeHtml(href)}">${text}</a></li>`);
  }
  return `<nav aria-label="Breadcrumbs"><ol>\n${items.join("\n")}\n</ol></nav>`;
}

function renderColumn(key: SortKey, label: string, sorting: Sorting): string {
  const isSorted = sorting.key === key;
  const order = isSorted && sorting.order === "asc" ? "desc" : "asc";
  const state = isSorted ? ` aria-sort="${sorting.order === "asc" ? "ascending" : "descending"}"` : "";
  const mark = isSorted ? `<span aria-hidden="true"> ${sorting.order === "asc" ? "↑" : "↓"}</span>` : "";
  return `<th scope="col"${state}><a href="?sort=${key}&amp;order=${order}">${label}</a>${mark}</th>`;
}

function renderEntry({ name, type, size, modifiedMs }: Entry): string {
  const slash = type === "directory" ? "/" : "";
  // The dot in front keeps a name from being read as a scheme or a host, whatever is in it.
  const href = escapeHtml(`./${encodeURIComponent(name)}${slash}`);
  const sizeCell = size === null ? "" : `<data value="${size}">${formatSize(size)}</data>`;
  const time = modifiedMs === null ? "" : timeText(modifiedMs);
  const timeCell =
    time === ""
      ? ""
      : `<time datetime="${time}"><span>${time.slice(0, 10)}</span> <span>${time.slice(11, 16)}</span></time>`;
  return `<tr><td><a href="${href}"><bdi>${shown(name)}</bdi>${slash}</a></td><td>${sizeCell}</td><td>${timeCell}</td></tr>`;
}

/** A name as it is shown: harmless as HTML, and what would end a line or reorder it is written out. */
function shown(name: string): string {
  return escapeHtml(name.replace(UNSEEN, escapeControls));
}

/** To the second; a time that no calendar has is the nearest that one has. */
function timeText(milliseconds: number): string {
  const seconds = Math.floor(Math.max(0, Math.min(milliseconds, LAST_MS)) / 1000);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

function response(status: number, fields: FieldLines, body: Uint8Array | null, transfer: string): Response {
  return { status, fields: encodeFields(fields), body, joined: null, close: false, transfer, incident: null };
}

/** A path that is the opened folder itself, whatever its name means by now; its real path on systems without one. */
function readablePath(folder: Opened): string {
  return HAS_DESCRIPTOR_PATHS ? `/proc/self/fd/${folder.descriptor}` : folder.path;
}

const HAS_DESCRIPTOR_PATHS = process.platform === "linux" && existsSync("/proc/self/fd");

/** Names looked at between two turns of the event loop: under a millisecond, two with the first sorting. */
const CHOSEN_AT_ONCE = 2000;

/** Calls to the disk that are under way for one listing; more of them do not make it faster. */
const DESCRIBED_AT_ONCE = 32;

const BUSY_CODES: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

const SORT_KEYS: readonly SortKey[] = ["name", "size", "time"];

const COLUMNS: readonly (readonly [SortKey, string])[] = [
  ["name", "Name"],
  ["size", "Size"],
  ["time", "Modified (UTC)"],
];

const COLLATOR = new Intl.Collator("en", { numeric: true });

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** The last second with a year of four digits. */
const LAST_MS = 253_402_300_799_000;

/** Whatever is neither from SP to "~" nor beyond DEL (`http/target.ts`), and the separator of Windows. */
const REFUSED = /[^ -~\u{80}-\u{10ffff}]|\\/u;

/** Controls, line ends, and what changes the direction of text; joiners stay, for scripts and emoji need them. */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

const STYLE = `body { max-width: 52rem; margin: 2.5rem auto }
nav ol { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .5rem; list-style: none; margin: 0 0 1.25rem; padding: 0 }
nav li { overflow-wrap: anywhere }
nav li + li::before { content: "/" / ""; color: var(--soft); margin-right: .5rem }
h1 { display: inline; margin: 0 }
a { color: var(--link); text-decoration: none }
a:hover, a:focus { text-decoration: underline }
a:focus-visible { outline: 2px solid; outline-offset: 2px; border-radius: 2px }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
table { width: 100%; border-collapse: collapse; font-size: 1rem }
th { font-size: .85rem; font-weight: 600; text-align: left }
th, td { padding: .4rem 0 .4rem 1.25rem; border-bottom: 1px solid var(--line); vertical-align: baseline }
th:first-child, td:first-child { width: 100%; padding-left: 0; overflow-wrap: anywhere }
th, td:nth-child(2) { white-space: nowrap }
th:nth-child(2), td:nth-child(2) { text-align: right }
td:not(:first-child) { color: var(--soft); font-variant-numeric: tabular-nums }
td:last-child, time span { white-space: nowrap }
tbody tr:hover { background: color-mix(in srgb, var(--line) 35%, transparent) }
@media (max-width: 36rem) { body { margin: 1.25rem auto; padding: 0 1rem } th, td { padding-left: .75rem } th:last-child, td:last-child { white-space: normal } }
`;

/** Loaded with the first listing: `node:fs/promises` would take some tenths of a millisecond of each start. */
function disk(): typeof import("node:fs/promises") {
  return require("node:fs/promises") as typeof import("node:fs/promises");
}
