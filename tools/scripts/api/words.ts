/** Comments as text of the page: names of constants become their numbers, and files of the project become links. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Reflection } from "typedoc";
import { RECORDS_MAX } from "../../../src/fixture/journal.ts";
import { FIELD_VALUE_MAX } from "../../../src/fixture/record.ts";
import { limits } from "../../../src/settings/limits.ts";

const DECISIONS = readdirSync(join(import.meta.dir, "../../../docs/decisions"));

/** Constants that comments name. */
const NUMBERS: Readonly<Record<string, number>> = {
  RECORDS_MAX,
  FIELD_VALUE_MAX,
  "limits.connectionsUnaskedMax": limits.connectionsUnaskedMax,
};

/** Returns a comment for readers of the page; "" if there is none. Throws an Error for a constant without its number here. */
export function commentText(reflection: Reflection | undefined): string {
  const text = (reflection?.comment?.summary ?? []).map((part) => part.text).join("");
  return text
    .replace(/`?\b(limits\.\w+|[A-Z]+(?:_[A-Z]+)+)\b`?/g, (_, name: string) => numberOf(name))
    .replace(/`([a-z0-9]+\/[a-z-]+\.ts)`/g, "[$1](../src/$1)")
    .replace(/\bdocs\/([a-z0-9-]+\.md)\b/g, "[$1]($1)")
    .replace(/\bdocs\/decisions\/(\d{4})\b/g, (_, number: string) => {
      const file = DECISIONS.find((name) => name.startsWith(number));
      return `[decision ${number}](decisions/${file})`;
    })
    .trim();
}

function numberOf(name: string): string {
  const number = NUMBERS[name];
  if (number === undefined) throw new Error(`a comment names ${name}, whose number the page does not know`);
  return number.toLocaleString("en-US");
}

/** Puts a text into a line of a table, which has no line break and no bar of its own. */
export function cell(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|");
}

/** Joins the lines of each paragraph. Lines of code stay. */
export function paragraphs(text: string): string {
  return text
    .split("\n\n")
    .map((part) => (part.startsWith("    ") ? part : part.replaceAll("\n", " ")))
    .join("\n\n");
}
