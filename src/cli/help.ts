/** The texts of `--help`, `--version` and `--print-config`. Loaded only for one of them. */
import { escapeControls } from "../http/escape.ts";
import {
  formatDefault,
  formatValue,
  GROUPS,
  type Group,
  placeholder,
  type Setting,
  type SettingValue,
} from "../settings/kinds.ts";
import { type Settings, settingNames, settingTable } from "../settings/resolve.ts";
import { COMMIT, VERSION } from "../settings/version.ts";
import { ALL_TOPICS, type Labels } from "./command-line.ts";
import type { Command } from "./commands.ts";
import { FOLDER_DEFAULTS } from "./folder-form.ts";

/** Settings of the short help: the ones that most people use. */
const COMMON: ReadonlySet<keyof Settings> = new Set([
  "port",
  "host",
  "threads",
  "root",
  "inline",
  "spa",
  "listing",
  "cacheControl",
  "compress",
  "uploads",
  "allowedHosts",
  "cors",
  "basicAuth",
  "tlsCert",
  "tlsKey",
  "tlsSelfSigned",
  "fixture",
  "status",
  "quiet",
  "verbose",
]);

/** Columns of a line, and of a flag with its value. */
const COLUMNS = 80;
const FLAG_COLUMNS = 29;

/**
 * Returns the help about a topic. The topic "" is one screen with the flags that people use, `all` has every flag, and the name of a group
 * has its flags. citty's own rendering has neither groups nor a bound on its lines.
 */
export function renderHelp(topic: string, commands: readonly Command[]): string {
  const isShort = topic === "";
  const groups = Object.keys(GROUPS) as Group[];
  const shown = isShort || topic === ALL_TOPICS ? groups : groups.filter((group) => group === topic);
  const lines = shown.flatMap((group) => {
    const names = settingNames.filter((name) => settingTable[name].group === group && (!isShort || COMMON.has(name)));
    const flags = names.flatMap((name) => (isShort ? shortLine(settingTable[name]) : fullLines(settingTable[name])));
    return flags.length === 0 ? [] : [`${GROUPS[group]} (${group}):`, ...flags, ...(isShort ? [] : [""])];
  });
  return [
    ...(topic in GROUPS ? [] : usage(isShort ? commands.filter(({ isRare }) => isRare !== true) : commands)),
    ...lines,
    ...(isShort ? [""] : []),
    ...footer(groups, isShort),
    "",
  ].join("\n");
}

function usage(commands: readonly Command[]): string[] {
  const written = commands.map(({ name, words }) =>
    ["httpserver", name, words].filter((word) => word !== "").join(" "),
  );
  const width = Math.max(...commands.map(({ summary }, i) => (summary === "" ? 0 : (written[i] ?? "").length))) + 2;
  return [
    "Serves a folder over HTTP, takes JSON uploads, and is a server for tests.",
    ...commands.map(({ summary }, index) => {
      const lead = index === 0 ? "Usage: " : "       ";
      return (lead + (written[index] ?? "").padEnd(width) + summary).trimEnd();
    }),
    `FOLDER stands for --root FOLDER ${defaultFlags()}`,
    "",
  ];
}

/** Returns the flags that a FOLDER stands for, as the operator would write them; without the one that no user misses. */
function defaultFlags(): string {
  const shown = Object.entries(FOLDER_DEFAULTS).filter(([name]) => name !== "anyPort");
  const flags = shown.map(([name, value]) => {
    const { flag } = settingTable[name as keyof Settings];
    return value === "" || value === false ? `--no-${flag}` : `--${flag}`;
  });
  return flags.join(" ");
}

/** Groups without a flag in the short help. The others are named in their headings. */
function unshown(groups: readonly Group[]): Group[] {
  const shown = new Set([...COMMON].map((name) => settingTable[name].group));
  return groups.filter((group) => !shown.has(group));
}

function footer(groups: readonly Group[], isShort: boolean): string[] {
  return [
    ...(isShort
      ? [`Every flag: --help all. One group: --help GROUP, also ${unshown(groups).join(", ")}.`]
      : ["Every flag: --help all. One group: --help GROUP, which is one of", `  ${groups.join(" ")}`]),
    "Times: 500ms, 30s, 2m. Sizes: 512, 64kb, 10mb. Switches also as --no-FLAG.",
    "Variables: HTTPSERVER_PORT is --port. Also: --print-config, --version.",
  ];
}

/** Returns a flag with the first sentence about it, on one line. */
function shortLine(setting: Setting): string {
  const [sentence = ""] = /^.*?\.(?= |$)/.exec(setting.help) ?? [];
  return flagText(setting).padEnd(FLAG_COLUMNS) + withDefault(sentence, setting);
}

/** Returns a flag with all sentences about it. A flag longer than its column has a line of its own. */
function fullLines(setting: Setting): string[] {
  const flag = flagText(setting);
  const [first = "", ...others] = wrap(withDefault(setting.help, setting), COLUMNS - FLAG_COLUMNS);
  const indent = " ".repeat(FLAG_COLUMNS);
  const head = flag.length < FLAG_COLUMNS ? [flag.padEnd(FLAG_COLUMNS) + first] : [flag, indent + first];
  return [...head, ...others.map((line) => indent + line)];
}

function flagText(setting: Setting): string {
  const { short, flag, command } = setting;
  const name = command === undefined ? `--${flag}` : `${command} --${flag}`;
  return `  ${short === undefined ? "   " : `-${short},`} ${name} ${placeholder(setting)}`.trimEnd();
}

function withDefault(text: string, setting: Setting): string {
  const value = formatDefault(setting);
  return value === "" || (setting.kind === "switch" && !setting.default) ? text : `${text} [${value}]`;
}

/** Breaks a text between words into lines of at most `columns` characters. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length <= columns) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  return [...lines, line];
}

/**
 * Returns each setting with its value, as the operator would write it, and its origin: `default`, a flag, a place or a variable.
 * Secrets are masked. With `--log-format json`, each line is an object, with numbers in the unit that the name says.
 */
export function renderSettings(settings: Settings, labels: Labels): string {
  return settingNames
    .map((name) => {
      const setting: Setting = settingTable[name];
      const value = settings[name];
      const origin = labels.get(name) ?? "default";
      if (settings.logFormat === "json") {
        return `${JSON.stringify({ name, flag: setting.flag, value: masked(setting, value), origin })}\n`;
      }
      const text = value === setting.default ? formatDefault(setting) : formatValue(setting, value);
      const flag = setting.flag.padEnd(SETTING_FLAG_COLUMNS);
      return `${flag} ${escapeControls(text || "-").padEnd(SETTING_VALUE_COLUMNS)} ${origin}\n`;
    })
    .join("");
}

function masked(setting: Setting, value: SettingValue): SettingValue {
  if (setting.kind === "list") return (value as readonly string[]).map(setting.mask ?? String);
  return setting.kind === "text" ? formatValue(setting, value) : value;
}

/** Columns of `--print-config`: the longest flag, and most values. */
const SETTING_FLAG_COLUMNS = 27;
const SETTING_VALUE_COLUMNS = 24;

export function renderVersion(): string {
  return `httpserver ${VERSION} (${COMMIT})\n`;
}
