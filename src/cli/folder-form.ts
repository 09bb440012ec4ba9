/**
 * The two forms of the command line. `httpserver FOLDER` serves a folder with the defaults of other file servers; without a
 * FOLDER, the defaults are those of the seeds. The first word tells them apart: a number is a port, another word a folder. Pure.
 */
import { dirname } from "node:path";
import { quote } from "../http/escape.ts";
import type { Settings } from "../settings/resolve.ts";
import { serverTable } from "../settings/server-settings.ts";
import { nearest } from "./spelling.ts";

/** Ends of sentences about a start that failed, each fit for the words; null: the common one. */
export interface StartAdvice {
  /** For a served folder that does not exist. */
  readonly missingRoot: string | null;
  /** For a served folder that is a file. */
  readonly fileRoot: string;
  /** For a host that cannot be used and is the name of a folder. Null: the words name no host, or a folder before it. */
  readonly folderHost: string | null;
}

/** Words that begin a command. The folder of such a name is written `./run`. */
export const COMMAND_NAMES = ["run", "probe", "hash-password", "completions"] as const;

/** Defaults of the form with a FOLDER. A flag or a variable takes each of them back. */
export const FOLDER_DEFAULTS: Partial<Settings> = {
  inline: true,
  listing: true,
  cleanPaths: true,
  uploads: "",
  anyPort: true,
};

/** Settings that words without a flag stand for, in their order. */
type Places = readonly (keyof Settings)[];

/** The seeds' order: `httpserver 8000 0.0.0.0 20`. */
const PLACES: Places = ["port", "host", "threads"];

/** The order behind a FOLDER: `httpserver dist 8000 0.0.0.0 20`. */
const FOLDER_PLACES: Places = ["root", ...PLACES];

/** Returns true if the words without a flag begin with a folder. */
export function hasFolder([first]: readonly string[]): boolean {
  return first !== undefined && !/^[0-9]*$/.test(first);
}

export function placesOf(words: readonly string[]): Places {
  return hasFolder(words) ? FOLDER_PLACES : PLACES;
}

/** Returns the name of a place in the usage line. */
export function placeLabel(name: keyof Settings): string {
  return name === "root" ? "FOLDER" : `[${name}]`;
}

/** Words that other programs take as commands, and the words that do the same here. */
const FOREIGN_COMMANDS: ReadonlyMap<string, string> = new Map([
  ["serve", "to serve a folder: httpserver FOLDER"],
  ["help", "for the help: httpserver --help"],
  ["version", "for the version: httpserver --version"],
]);

/** Returns the mistake in words that are not a folder and do not begin a command, or null. */
export function findMistake(words: readonly string[]): string | null {
  const [first = ""] = words;
  if (!hasFolder(words)) return null;
  const meant = FOREIGN_COMMANDS.get(first);
  if (meant !== undefined) return `there is no command ${first}; ${meant}. A folder of that name is ./${first}`;
  if (COMMAND_NAMES.some((name) => name === first)) {
    return `the command comes first: httpserver ${first}. A folder of that name is ./${first}`;
  }
  if (first.includes("://")) return `expected FOLDER or [port], got ${quote(first)}`;
  return null;
}

/**
 * Returns the end of a message about a word that does not fit its place, or "". The first word may be a command with a typing error, or
 * the second word a folder.
 */
export function placeHint(words: readonly string[]): string {
  const [first = "", second = ""] = words;
  if (hasFolder(words)) {
    const near = nearCommand(words);
    return near === null ? "" : `; did you mean httpserver ${near}?`;
  }
  const isFolder = /^\.{1,2}$|\//.test(second);
  return isFolder ? `; a folder comes first: httpserver ${quote(second).slice(1, -1)} ${first}` : "";
}

/** Returns the advice for the words and their settings. `serving` makes the command line that serves a folder. */
export function startAdvice(
  words: readonly string[],
  { root, httpbin }: Settings,
  serving: (folder: string) => string,
): StartAdvice {
  const parent = dirname(root);
  const isPrefixed = !hasFolder(words) && httpbin.length > 1;
  const [port = "", host = ""] = words;
  return {
    missingRoot: isPrefixed
      ? `${httpbin} is the prefix of --httpbin; for a folder, write: ${serving(`${httpbin} --httpbin`)}`
      : missingRootAdvice(words, root, serving(".")),
    fileRoot: hasFolder(words) ? `to serve its folder: ${serving(parent)}` : `name its folder: --root ${parent}`,
    folderHost: hasFolder(words) || host === "" ? null : `to serve a folder on a port: ${serving(`${host} ${port}`)}`,
  };
}

function missingRootAdvice(words: readonly string[], root: string, current: string): string | null {
  if (!hasFolder(words))
    return root === serverTable.root.default ? `to serve this folder: ${current} (or name another with --root)` : null;
  const near = nearCommand(words);
  if (near !== null) return `did you mean httpserver ${near}?`;
  const [, host = "", port = ""] = /^(.*):([0-9]+)$/.exec(root) ?? [];
  if (port !== "") return `for an address, write: ${`httpserver ${port} ${host}`.trimEnd()}`;
  return `create it, or serve the current folder: ${current}`;
}

function nearCommand([first = ""]: readonly string[]): string | null {
  return nearest(first.toLowerCase().replaceAll("_", "-"), COMMAND_NAMES);
}
