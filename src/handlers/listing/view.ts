/** The view of a folder that a query asks for: which page, which names, in which order. Pure. */
import { encodeName } from "../../http/escape.ts";
import { escapeTarget } from "../../http/uri.ts";

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

interface Sorting {
  readonly key: SortKey;
  readonly order: SortOrder;
}

export interface View extends Sorting {
  /** Text that the names have, whatever its case; "" for all names. */
  readonly filter: string;
  /** Last name of the page before, in code unit order; "" for the first page. */
  readonly after: string;
}

/** Returns the view that a target's query, as sent, asks for. Unknown parameters and values are ignored. */
export function parseView(query: string): View {
  // The query has one character a byte, so a letter beyond ASCII is in it as two or more.
  const values = new URLSearchParams(escapeTarget(query));
  const key = SORT_KEYS.find((item) => item === values.get("sort")) ?? "name";
  const order = values.get("order") === "desc" ? "desc" : "asc";
  return { key, order, filter: values.get("filter") ?? "", after: values.get("after") ?? "" };
}

/** Returns true for a query that asks for the folder as an archive: `?tar`, or `?tar=` as a form sends it. */
export function wantsArchive(query: string): boolean {
  return query.includes("tar") && new URLSearchParams(escapeTarget(query)).has("tar");
}

/** Returns the query of a view, without the parts that have their default. It stands in `href` as it is, so names are encoded whole. */
export function queryOf({ key, order, filter, after }: View): string {
  const pairs = Object.entries({ after, filter, sort: key === "name" ? "" : key, order: order === "asc" ? "" : order });
  const given = pairs.filter(([, value]) => value !== "");
  return `?${given.map(([name, value]) => `${name}=${encodeName(value)}`).join("&")}`;
}

/** Returns a function that tells whether a name has the text of a filter. */
export function filterOf(filter: string): (name: string) => boolean {
  if (filter === "") return () => true;
  const wanted = folded(filter);
  return (name) => folded(name).includes(wanted);
}

/** Returns a text without case, and with accents in one form: macOS writes them apart from their letters. */
function folded(text: string): string {
  return text.toWellFormed().normalize("NFC").toLowerCase();
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

const SORT_KEYS: readonly SortKey[] = ["name", "size", "time"];

const COLLATOR = new Intl.Collator("en", { numeric: true });
