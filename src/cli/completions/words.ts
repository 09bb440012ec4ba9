/**
 * The words that a shell can complete: commands, and flags with the kind of their values. They come from the tables of commands and of
 * settings, so a new flag needs no line here.
 */
import { GROUPS, negation, placeholder, type Setting } from "../../settings/kinds.ts";
import { settingTable } from "../../settings/resolve.ts";
import { ALL_TOPICS } from "../command-line.ts";
import { PROBE_FLAGS } from "../probe.ts";

/** Value of a flag: none, any text, a file, a folder, or one of some words. */
type Value = "none" | "text" | "file" | "folder" | readonly string[];

export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** One letter, or "". */
  readonly short: string;
  readonly value: Value;
  /** Placeholder of the value, for shells that show one. */
  readonly placeholder: string;
  readonly isRepeatable: boolean;
  /** One sentence without its full stop. */
  readonly help: string;
}

/** A command as the table of commands has it; the one that needs no name is not among them. */
export interface Named {
  readonly name: string;
  readonly summary: string;
}

export interface Words {
  readonly commands: readonly Named[];
  /** Flags of every command that starts a server. */
  readonly serverFlags: readonly Flag[];
  /** Flags that switch one of those off. Shells show them once a word begins with `--n`. */
  readonly negations: readonly Flag[];
  /** Flags of `run` alone. */
  readonly runFlags: readonly Flag[];
  readonly probeFlags: readonly Flag[];
  readonly shells: readonly string[];
}

/** Commands whose words do not start a server. */
export const SERVERLESS = ["probe", "hash-password", "completions"];

/** Returns the words of this program. */
export function wordsOf(commands: readonly Named[], shells: readonly string[]): Words {
  const settings = Object.values<Setting>(settingTable);
  const shared = settings.filter(({ command }) => command === undefined);
  return {
    commands: commands.filter(({ name }) => name !== ""),
    serverFlags: [...shared.map(flagOf), ...QUESTIONS],
    negations: shared.filter((setting) => negation(setting) !== null).map(negationOf),
    runFlags: settings.filter(({ command }) => command === "run").map(flagOf),
    probeFlags: [
      ...PROBE_FLAGS.map(({ name, value, help }) => plainFlag(name, kindOf(value), value, help)),
      plainFlag("help", "none", "", "Prints the help of this command"),
    ],
    shells,
  };
}

/** Flags that ask for a text instead of a server. */
const QUESTIONS: readonly Flag[] = [
  {
    ...plainFlag("help", [ALL_TOPICS, ...Object.keys(GROUPS)], "GROUP", "Prints the help, of one group or of all"),
    short: "h",
  },
  plainFlag("print-config", "none", "", "Prints each setting with its value and its origin"),
  plainFlag("version", "none", "", "Prints version and commit"),
];

function plainFlag(name: string, value: Value, shown: string, help: string): Flag {
  return { name, short: "", value, placeholder: shown, isRepeatable: false, help };
}

function flagOf(setting: Setting): Flag {
  const { flag, short = "", kind } = setting;
  const shown = placeholder(setting);
  return {
    name: flag,
    short,
    value: kind === "switch" ? "none" : kind === "choice" ? setting.choices : kindOf(shown),
    placeholder: shown,
    isRepeatable: kind === "list",
    help: firstSentence(setting.help),
  };
}

function negationOf(setting: Setting): Flag {
  return plainFlag(`no-${setting.flag}`, "none", "", `Switches --${setting.flag} off`);
}

/** Returns the kind of a value from its placeholder. One in brackets may be left out, so the next word is not completed as a value. */
function kindOf(shown: string): Value {
  if (shown === "FILE") return "file";
  if (shown === "FOLDER") return "folder";
  return shown.startsWith("[") ? "none" : "text";
}

function firstSentence(text: string): string {
  return (/^.*?\.(?= |$)/.exec(text)?.[0] ?? text).replace(/\.$/, "");
}

/** Returns a flag as it is typed, the short form first. */
export function spellings({ name, short }: Flag): readonly string[] {
  return short === "" ? [`--${name}`] : [`-${short}`, `--${name}`];
}
