/**
 * Renders a listing: entries as a page for people, which works without script, or as JSON for programs. Pure: the same
 * entries give the same text.
 */
import { escapeControls } from "../../http/escape.ts";
import { escapeHtml, htmlPage } from "../page.ts";

/** One line of a listing. */
export interface Entry {
  readonly name: string;
  readonly type: "file" | "directory";
  /** Bytes; null for a folder, and for a file that cannot be read. */
  readonly size: number | null;
  /** Milliseconds since 1970; null if unknown. */
  readonly modifiedMs: number | null;
}

export type SortKey = "name" | "size" | "time";
export type SortOrder = "asc" | "desc";

export interface Sorting {
  readonly key: SortKey;
  readonly order: SortOrder;
}

/** Returns the sorting that a target's query asks for. Unknown parameters and values are ignored. */
export function parseSorting(query: string): Sorting {
  const values = new URLSearchParams(query);
  const key = SORT_KEYS.find((item) => item === values.get("sort")) ?? "name";
  return { key, order: values.get("order") === "desc" ? "desc" : "asc" };
}

/** Sorts folders first. Equal entries, and folders by size, are sorted by name from A to Z. */
export function sortEntries(entries: readonly Entry[], { key, order }: Sorting): readonly Entry[] {
  const sign = order === "asc" ? 1 : -1;
  return entries.toSorted((a, b) => {
    if (a.type !== b.type) return a.type === "directory" ? -1 : 1;
    if (key === "name") return sign * compareNames(a.name, b.name);
    const difference = key === "size" ? (a.size ?? -1) - (b.size ?? -1) : (a.modifiedMs ?? -1) - (b.modifiedMs ?? -1);
    return difference === 0 ? compareNames(a.name, b.name) : sign * difference;
  });
}

/**
 * Compares names as people count: `file-9` before `file-10`. Two names are never equal, so the order is always the
 * same.
 */
function compareNames(a: string, b: string): number {
  return COLLATOR.compare(a, b) || (a < b ? -1 : 1);
}

/** Renders `[{name, type, size, modified}]`, with times as in RFC 3339. */
export function renderJson(entries: readonly Entry[]): string {
  const items = entries.map(({ name, type, size, modifiedMs }) =>
    JSON.stringify({ name, type, size, modified: modifiedMs === null ? null : timeText(modifiedMs) }),
  );
  return items.length === 0 ? "[]\n" : `[\n${items.join(",\n")}\n]\n`;
}

/** Renders the page of the folder at `path`, decoded, with "/" at its end. `left` counts entries that are not shown. */
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

/** Renders the way down from the root as links; the heading is the current folder. */
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
  // The leading dot keeps a name from being read as a scheme or a host.
  const href = escapeHtml(`./${encodeURIComponent(name)}${slash}`);
  const sizeCell = size === null ? "" : `<data value="${size}">${formatSize(size)}</data>`;
  const time = modifiedMs === null ? "" : timeText(modifiedMs);
  const timeCell =
    time === ""
      ? ""
      : `<time datetime="${time}"><span>${time.slice(0, 10)}</span> <span>${time.slice(11, 16)}</span></time>`;
  return `<tr><td><a href="${href}"><bdi>${shown(name)}</bdi>${slash}</a></td><td>${sizeCell}</td><td>${timeCell}</td></tr>`;
}

/** Returns a name that is harmless in HTML, with characters written out that would end a line or reorder text. */
function shown(name: string): string {
  return escapeHtml(name.replace(UNSEEN, escapeControls));
}

/** Returns the time to the second. A time outside of the calendar becomes the nearest one inside. */
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

/**
 * Controls, line ends, and characters that change the direction of text. Joiners stay, because scripts and emoji need
 * them.
 */
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
