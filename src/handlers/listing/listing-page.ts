/**
 * Renders a listing: entries as a page for people, which works without script, or as JSON for programs. Pure: the same
 * entries give the same text.
 */
import { encodeName, escapeControls } from "../../http/escape.ts";
import { readableSize } from "../../http/units.ts";
import { escapeHtml, htmlPage } from "../page.ts";
import { type Entry, queryOf, type SortKey, type View } from "./view.ts";

/** One page of a folder's entries. */
interface ListingPage {
  readonly entries: readonly Entry[];
  /** Number of entries on the pages before. */
  readonly before: number;
  /** Number of entries on all pages. */
  readonly total: number;
  /** Query of the next page, or null. */
  readonly next: string | null;
}

/** A form that stands on the page of a root folder. */
export interface ListingForm {
  readonly html: string;
  readonly style: string;
  /** Directives that Content-Security-Policy needs for it. */
  readonly policy: string;
}

/** Renders `[{name, type, size, modified}]`, with times as in RFC 3339. */
export function renderJson(entries: readonly Entry[]): string {
  const items = entries.map(({ name, type, size, modifiedMs }) =>
    JSON.stringify({ name, type, size, modified: modifiedMs === null ? null : timeText(modifiedMs) }),
  );
  return items.length === 0 ? "[]\n" : `[\n${items.join(",\n")}\n]\n`;
}

/**
 * Renders a page of the folder at `path`, decoded, with "/" at its end. `rootName` is the name of the folder at "/", and `base` stands
 * before each path of a link. `form` may follow the entries.
 */
export function renderPage(
  rootName: string,
  path: string,
  page: ListingPage,
  view: View,
  base = "",
  form: ListingForm | null = null,
): string {
  const names = [rootName === "" ? "/" : rootName, ...path.split("/").filter((segment) => segment !== "")];
  const title = shown(names.at(-1) as string);
  const main = [
    renderBreadcrumbs(names, base),
    renderFilter(page, view),
    renderTable(title, page, view),
    renderPager(page, view),
    renderArchive(page),
    form?.html ?? "",
  ];
  return htmlPage(title, main.join(""), form === null ? STYLE : STYLE + form.style);
}

/** Renders the way down from the root as links; the heading is the current folder. */
function renderBreadcrumbs(names: readonly string[], base: string): string {
  let href = `${base}/`;
  const items: string[] = [];
  for (const [index, name] of names.entries()) {
    if (index > 0) href += `${encodeName(name)}/`;
    const isLast = index === names.length - 1;
    const text = shown(name);
    items.push(isLast ? `<li><h1><bdi>${text}</bdi></h1></li>` : `<li><bdi><a href="${href}">${text}</a></bdi></li>`);
  }
  return `<nav aria-label="Breadcrumbs"><ol>\n${items.join("\n")}\n</ol></nav>\n`;
}

/** Renders a form that the server answers, so it works without script; a short folder needs none. */
function renderFilter({ total }: ListingPage, view: View): string {
  if (view.filter === "" && total < FILTERED_FROM) return "";
  const field = `<label>Names with <input type="search" name="filter" value="${escapeHtml(view.filter)}"></label>`;
  return `<form role="search">${field}${renderHidden({ ...view, filter: "", after: "" })} <button>Filter</button></form>\n`;
}

/** Renders the parts of a view that a form keeps, as hidden fields. */
function renderHidden(view: View): string {
  const pairs = [...new URLSearchParams(queryOf(view))];
  return pairs.map(([name, value]) => `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`).join("");
}

function renderTable(title: string, { entries, before }: ListingPage, view: View): string {
  if (entries.length === 0 && before > 0) return "<p>No entries follow.</p>\n";
  if (entries.length === 0) {
    return view.filter === ""
      ? "<p>This folder is empty.</p>\n"
      : "<p>No name in this folder contains that text.</p>\n";
  }
  const columns = COLUMNS.map(([key, label]) => renderColumn(key, label, view)).join("\n");
  return `<table>
<caption>Files in ${title}</caption>
<thead><tr>
${columns}
</tr></thead>
<tbody>
${entries.map(renderEntry).join("\n")}
</tbody>
</table>
`;
}

/** Renders a column's head. Its button is a form's, not a link: a crawler would fetch each order of each folder. */
function renderColumn(key: SortKey, label: string, view: View): string {
  const isSorted = view.key === key;
  const order = isSorted && view.order === "asc" ? "desc" : "asc";
  const state = isSorted ? ` aria-sort="${view.order === "asc" ? "ascending" : "descending"}"` : "";
  const mark = isSorted ? `<span aria-hidden="true"> ${view.order === "asc" ? "↑" : "↓"}</span>` : "";
  const kept = renderHidden({ ...view, key: "name", order });
  return `<th scope="col"${state}><form>${kept}<button name="sort" value="${key}">${label}</button>${mark}</form></th>`;
}

/** Renders an entry. The link's text is the name alone: Kodi takes an entry only if text and `href` are equal. */
function renderEntry({ name, type, size, modifiedMs }: Entry): string {
  const slash = type === "directory" ? "/" : "";
  // Without a colon or a slash in it, the name cannot be read as a scheme or a host.
  const link = `<bdi><a href="${encodeName(name)}${slash}">${shown(name)}${slash}</a></bdi>`;
  const sizeCell = size === null ? "" : `<data value="${size}">${readableSize(size)}</data>`;
  const time = modifiedMs === null ? "" : timeText(modifiedMs);
  const timeCell = time === "" ? "" : `<time datetime="${time}">${time.slice(0, 10)} ${time.slice(11, 16)}</time>`;
  return `<tr><td>${link}</td><td>${sizeCell}</td><td>${timeCell}</td></tr>`;
}

/** Renders where this page stands among several, and links that crawlers follow to the others. */
function renderPager({ entries, before, total, next }: ListingPage, view: View): string {
  if (before === 0 && next === null) return "";
  const [from, to, all] = [before + 1, before + entries.length, total].map(formatCount);
  const query = queryOf({ ...view, after: "" });
  const first = before === 0 ? "" : ` <a href="${query === "?" ? "./" : query}">First page</a>`;
  const following = next === null ? "" : ` <a href="${next}" rel="next">Next page</a>`;
  const place = entries.length === 0 ? `${all} entries.` : `Entries ${from} to ${to} of ${all} by name.`;
  return `<p>${place}${first}${following}</p>\n`;
}

/** Renders the button for all files as one. It is a form's, not a link: a crawler would fetch each folder twice. */
function renderArchive({ total }: ListingPage): string {
  return total === 0 ? "" : `<form><button name="tar">Download all as .tar</button></form>\n`;
}

/** Returns a name as text between tags, with characters written out that would end a line or reorder text. */
function shown(name: string): string {
  return name
    .replace(UNSEEN, escapeControls)
    .replace(/[&<>]/g, (character) => (character === "&" ? "&amp;" : character === "<" ? "&lt;" : "&gt;"));
}

/** Returns the time to the second. A time outside of the calendar becomes the nearest one inside. */
function timeText(milliseconds: number): string {
  const seconds = Math.floor(Math.max(0, Math.min(milliseconds, LAST_MS)) / 1000);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

const COLUMNS: readonly (readonly [SortKey, string])[] = [
  ["name", "Name"],
  ["size", "Size"],
  ["time", "Modified (UTC)"],
];

/** Entries from which a folder has a filter: more than a screen of them. */
const FILTERED_FROM = 25;

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
a:focus-visible, button:focus-visible, input:focus-visible { outline: 2px solid; outline-offset: 2px; border-radius: 2px }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
table { width: 100%; border-collapse: collapse; font-size: 1rem }
th { font-size: .85rem; font-weight: 600; text-align: left }
th, td { padding: .4rem 0 .4rem 1.25rem; border-bottom: 1px solid var(--line); vertical-align: baseline }
th:first-child, td:first-child { width: 100%; padding-left: 0; overflow-wrap: anywhere }
th, td:nth-child(2) { white-space: nowrap }
th:nth-child(2), td:nth-child(2) { text-align: right }
td:not(:first-child) { color: var(--soft); font-variant-numeric: tabular-nums }
td:last-child { white-space: nowrap }
th form { margin: 0 }
th button { font: inherit; color: var(--link); background: none; border: 0; padding: 0; cursor: pointer }
button[name="tar"] { margin: 1.25rem 0 0; font: inherit; font-size: 1rem; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: 4px; padding: .2rem .5rem; cursor: pointer }
th button:hover, th button:focus { text-decoration: underline }
form[role] { margin: 0 0 1.25rem; font-size: 1rem }
form[role] input, form[role] button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: 4px; padding: .2rem .5rem }
input[type="search"] { width: 14rem }
p a { margin-left: .5rem; text-decoration: underline }
bdi { white-space: pre-wrap }
tbody tr:hover { background: color-mix(in srgb, var(--line) 35%, transparent) }
@media (max-width: 36rem) { body { margin: 1.25rem auto; padding: 0 1rem } th, td { padding-left: .75rem } td:not(:first-child) { font-size: .85rem } input[type="search"] { width: 9rem } }
@media (max-width: 20rem) { tr { display: flex; flex-wrap: wrap; gap: 0 .75rem; padding: .4rem 0; border-bottom: 1px solid var(--line) } th, td { padding: 0; border: 0 } input[type="search"] { width: 100% } }
`;
