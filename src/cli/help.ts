/** What the command line tells without a server: `--help`, `--version`, `--print-config`. */
import { escapeControls } from "../http/escape.ts";
import { formatDefault, formatValue, type Setting, type SettingValue } from "../settings/kinds.ts";
import { type Settings, settingNames, settingTable } from "../settings/resolve.ts";
import { COMMIT, VERSION } from "../settings/version.ts";
import type { Labels } from "./command-line.ts";

/** Columns of `--help`: the longest flag, and the longest default, with a space behind each. */
const HELP_FLAG_COLUMNS = 25;
const HELP_DEFAULT_COLUMNS = 12;

/** One screen: 80 columns, and as few lines as there are flags. citty's own rendering has neither bound. */
export function renderHelp(): string {
  return [
    "Serves a folder over HTTP/1.1 and takes JSON uploads at POST /upload.",
    "Usage: httpserver [port] [host] [threads] [flags]",
    "       httpserver run [flags] -- command   a server for a command's time",
    "       httpserver probe [URL]              waits for a server; probe --help",
    "       httpserver hash-password [USER]     reads a password, prints its hash",
    "",
    `${"    flag".padEnd(HELP_FLAG_COLUMNS)}default`,
    ...settingNames.map((name) => helpLine(settingTable[name], formatDefault(settingTable[name]))),
    helpLine({ flag: "print-config", help: "settings and where they come from" }, ""),
    helpLine({ short: "h", flag: "help", help: "this text" }, ""),
    helpLine({ flag: "version", help: "version and commit" }, ""),
    "",
    "Times: 500ms, 30s, 2m. Sizes: 512, 64kb, 10mb. Switches also as --no-<flag>.",
    "Each flag has a variable: --max-body is HTTPSERVER_MAX_BODY; the flag wins.",
    "",
  ].join("\n");
}

function helpLine(setting: Pick<Setting, "flag" | "short" | "help">, value: string): string {
  const flag = `${setting.short === undefined ? "   " : `-${setting.short},`} --${setting.flag}`;
  // One flag is longer than its column, and takes from the next one.
  return (
    `${flag} `
      .padEnd(HELP_FLAG_COLUMNS)
      .concat(value)
      .padEnd(HELP_FLAG_COLUMNS + HELP_DEFAULT_COLUMNS) + setting.help
  );
}

/**
 * Each setting with its value, as the operator would write it, and where it comes from: `default`, a flag, a place or a variable.
 * Secrets are masked. With `--log-format json` for programs: an object a line, numbers in the unit that the name says.
 */
export function renderSettings(options: Settings, labels: Labels): string {
  return settingNames
    .map((name) => {
      const setting: Setting = settingTable[name];
      const value = options[name];
      const origin = labels.get(name) ?? "default";
      if (options.logFormat === "json") {
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
const SETTING_FLAG_COLUMNS = 24;
const SETTING_VALUE_COLUMNS = 24;

export function renderVersion(): string {
  return `httpserver ${VERSION} (${COMMIT})\n`;
}
