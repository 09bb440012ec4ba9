/**
 * Kinds of settings: how the text of each kind is read, checked, shown and explained. The tables of settings are made of
 * these descriptors, and nothing else compares a value with its bounds.
 */
import { quote } from "../http/escape.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../http/units.ts";

/** Groups of settings, in the order of the help and of the list of flags. */
export const GROUPS = {
  listen: "Address and pool",
  files: "Files and responses",
  caching: "Caching and compression",
  proxy: "Proxies in front and behind",
  uploads: "Uploads",
  access: "Access",
  tls: "TLS",
  limits: "Limits",
  fixture: "Tests",
  log: "Log and status",
  process: "Process",
} as const;

export type Group = keyof typeof GROUPS;

interface Common<Value> {
  /** Name on the command line without dashes; the name of the environment variable derives from it. */
  readonly flag: string;
  readonly short?: string;
  readonly group: Group;
  /** Placeholder of the value in the help; without one, the kind's. */
  readonly value?: string;
  /** The one command whose flag it is; without one, every command that starts a server takes it. */
  readonly command?: "run";
  /** Sentences for the help and docs/flags.md. The first one also stands alone, in the short help. */
  readonly help: string;
  readonly default: Value;
  /** Shown where the default's value would mislead. */
  readonly defaultText?: string;
}

export interface NumberSetting extends Common<number> {
  /** integer: a count. duration: milliseconds. size: bytes. */
  readonly kind: "integer" | "duration" | "size";
  readonly min: number;
  readonly max: number;
  /** The number that the word `off`, and `--no-FLAG`, stand for, if it is outside of `min` to `max`. */
  readonly off?: number;
  /** The number that the word `auto` stands for, if it is outside of `min` to `max`. */
  readonly auto?: number;
}

interface TextSetting extends Common<string> {
  readonly kind: "text";
  /** The expected text, for messages: "a folder". An empty one is refused, unless it is the default or `off`. */
  readonly expected: string;
  /** The text that the word `off`, and `--no-FLAG`, stand for: always the empty one. */
  readonly off?: "";
  /** For messages, where the default is not an example. */
  readonly example?: string;
  /** Value of the flag without one, and of the word `on`. A word after the flag is its value only if it matches `next`. */
  readonly alone?: { readonly value: string; readonly next: RegExp };
  /** Returns the one spelling of a text, or undefined when it cannot be used. */
  readonly normalize?: (text: string) => string | undefined;
  /** Hides the secret part of a value. A setting with a mask is never quoted in a message. */
  readonly mask?: (text: string) => string;
}

interface SwitchSetting extends Common<boolean> {
  readonly kind: "switch";
}

interface ListSetting extends Common<readonly string[]> {
  readonly kind: "list";
  /** The expected text of an item, for messages. */
  readonly expected: string;
  /** One item, for messages. */
  readonly example: string;
  /** Separates the items of one text, by default ","; an item contains neither the separator nor a line break. */
  readonly separator?: "," | "\n";
  /** Returns the problem of an item, as the end of a sentence, or null. */
  readonly problem?: (item: string) => string | null;
  /** Returns the one spelling of an item without a problem. */
  readonly normalize?: (item: string) => string;
  /** Hides the secret part of an item. A setting with a mask is never quoted in a message. */
  readonly mask?: (item: string) => string;
}

interface ChoiceSetting<Value extends string = string> extends Common<Value> {
  readonly kind: "choice";
  readonly choices: readonly Value[];
}

/** The kind of descriptor that fits a property's type, so that a table cannot disagree with its interface. */
type SettingFor<Value> = [Value] extends [number]
  ? NumberSetting
  : [Value] extends [boolean]
    ? SwitchSetting
    : [Value] extends [string]
      ? string extends Value
        ? TextSetting
        : ChoiceSetting<Value>
      : ListSetting;

/** A table with one descriptor for each property. */
export type TableOf<Values> = { readonly [Name in keyof Values]: SettingFor<Values[Name]> };

export type Setting = NumberSetting | TextSetting | SwitchSetting | ListSetting | ChoiceSetting;
export type SettingValue = number | boolean | string | readonly string[];

/** Returns the value that `text` stands for, or undefined when `setting` does not take it. */
export function parseSetting(setting: Setting, text: string): SettingValue | undefined {
  const value = parseText(setting, text);
  return value === undefined ? undefined : checkSetting(setting, value);
}

/** Returns `value` in its one spelling, or undefined when `setting` does not take it. */
export function checkSetting(setting: Setting, value: unknown): SettingValue | undefined {
  if (!fits(setting, value)) return undefined;
  if (setting.kind === "list" && setting.normalize !== undefined)
    return (value as readonly string[]).map(setting.normalize);
  if (setting.kind !== "text" || setting.normalize === undefined || typeof value !== "string") return value;
  return setting.normalize(value);
}

function parseText(setting: Setting, text: string): SettingValue | undefined {
  if ("off" in setting && setting.off !== undefined && text.toLowerCase() === OFF) return setting.off;
  if ("auto" in setting && setting.auto !== undefined && text.toLowerCase() === AUTO) return setting.auto;
  if (setting.kind === "text" && setting.alone !== undefined && text.toLowerCase() === ON) return setting.alone.value;
  switch (setting.kind) {
    case "integer":
      return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
    case "duration":
      return parseDuration(text);
    case "size":
      return parseSize(text);
    case "switch":
      return parseSwitch(text);
    case "list":
      return splitList(setting, text);
    case "choice":
    case "text":
      return text;
  }
}

/** The word for a setting without a value. */
const OFF = "off";

/** The word for a number that the program finds out. */
const AUTO = "auto";

/** The word for a setting with the value of its flag alone. */
const ON = "on";

/** Returns the value that `--no-FLAG` stands for, or null if the setting has no such flag. */
export function negation(setting: Setting): string | null {
  if (setting.kind === "switch") return "false";
  return "off" in setting && setting.off !== undefined ? OFF : null;
}

function parseSwitch(text: string): boolean | undefined {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  return undefined;
}

/** Skips empty lines between lines. An empty item between commas stays, and is refused. */
function splitList(setting: ListSetting, text: string): readonly string[] {
  const separator = separatorOf(setting);
  const items = text.split(separator).map((item) => item.trim());
  return separator === "," ? items : items.filter((item) => item !== "");
}

/** Returns the separator between the items of a list in one text. */
export function separatorOf(setting: ListSetting): "," | "\n" {
  return setting.separator ?? ",";
}

/** Returns true when `setting` takes `value`. This is the only place where bounds are compared. */
function fits(setting: Setting, value: unknown): value is SettingValue {
  switch (setting.kind) {
    case "integer":
    case "duration":
    case "size":
      if (value !== undefined && (value === setting.off || value === setting.auto)) return true;
      return Number.isInteger(value) && (value as number) >= setting.min && (value as number) <= setting.max;
    case "switch":
      return typeof value === "boolean";
    case "choice":
      return typeof value === "string" && setting.choices.includes(value);
    case "list":
      return Array.isArray(value) && value.every((item) => typeof item === "string" && fitsList(setting, item));
    case "text":
      // NUL ends a path for the kernel, so the rest would be ignored silently.
      return (
        typeof value === "string" &&
        !value.includes("\0") &&
        (value !== "" || setting.default === "" || setting.off === "")
      );
  }
}

function fitsList(setting: ListSetting, item: string): boolean {
  const isWhole = separatorOf(setting) === "," ? /^[^\s,]+$/.test(item) : item !== "" && !/[\r\n\0]/.test(item);
  return isWhole && (setting.problem?.(item) ?? null) === null;
}

/** Returns the one line for a refused value. `label` is the setting's name as the user wrote it. */
export function mismatch(label: string, setting: Setting, value: unknown): string {
  if (setting.kind === "list" && setting.problem !== undefined) {
    const items = typeof value === "string" ? splitList(setting, value) : Array.isArray(value) ? value : [];
    const refused = items.find((item) => typeof item !== "string" || !fitsList(setting, item));
    const problem = typeof refused === "string" ? setting.problem(refused) : null;
    const shown = setting.mask === undefined ? `, got ${quote(refused ?? value)}` : "";
    return `${label}: ${problem ?? `expected ${setting.expected}`}${shown}`;
  }
  const shown = setting.kind === "text" && setting.mask !== undefined ? "" : `, got ${quote(value)}`;
  return `${label}: expected ${expectation(setting)}${shown}`;
}

function expectation(setting: Setting): string {
  switch (setting.kind) {
    case "integer":
      return `a whole number from ${setting.min} to ${setting.max}${wordOf(setting)}`;
    case "duration":
      return `a time from ${formatDuration(setting.min)} to ${formatDuration(setting.max)} such as 500ms, 30s or 2m`;
    case "size":
      return `a size from ${formatSize(setting.min)} to ${formatSize(setting.max)} such as 512, 64kb or 10mb`;
    case "switch":
      return "true or false (or 1, 0, yes, no, on, off)";
    case "choice":
      return `one of ${setting.choices.join(", ")}`;
    case "list":
    case "text":
      return setting.expected;
  }
}

function wordOf({ off, auto }: NumberSetting): string {
  return off !== undefined ? `, or ${OFF}` : auto !== undefined ? `, or ${AUTO}` : "";
}

/** Prefix of the environment variables of this program. */
export const ENVIRONMENT_PREFIX = "HTTPSERVER_";

/** Returns `HTTPSERVER_MAX_BODY` for `max-body`. */
export function environmentName({ flag }: Pick<Setting, "flag">): string {
  return `${ENVIRONMENT_PREFIX}${flag.toUpperCase().replaceAll("-", "_")}`;
}

/** Returns the placeholder of a setting's value: `PORT`, `TIME`, `text|json`; "" for a switch. */
export function placeholder(setting: Setting): string {
  if (setting.value !== undefined) return setting.value;
  switch (setting.kind) {
    case "integer":
      return setting.auto === undefined ? "N" : `N|${AUTO}`;
    case "duration":
      return "TIME";
    case "size":
      return "SIZE";
    case "switch":
      return "";
    case "choice":
      return setting.choices.join("|");
    case "list":
    case "text":
      return "TEXT";
  }
}

/** Returns the default as the user would write it; "" for an empty list. */
export function formatDefault(setting: Setting): string {
  return setting.defaultText ?? formatValue(setting, setting.default);
}

/** Returns a value as the user would write it, with its secrets masked. */
export function formatValue(setting: Setting, value: SettingValue): string {
  switch (setting.kind) {
    case "duration":
      return formatDuration(value as number);
    case "size":
      return formatSize(value as number);
    case "switch":
      return value === true ? "on" : "off";
    case "list":
      return (value as readonly string[]).map(setting.mask ?? String).join(separatorOf(setting) === "," ? "," : " | ");
    case "integer":
      return value === setting.off ? OFF : value === setting.auto ? AUTO : String(value);
    case "text":
      if (value === setting.off) return OFF;
      return setting.mask?.(String(value)) ?? String(value);
    case "choice":
      return String(value);
  }
}
