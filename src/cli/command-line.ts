/**
 * Reads the command line and the environment into settings, or into a text to print. Pure.
 *
 * citty parses the words, but accepts an unknown flag, a flag without its value, and a repeated one. So the words are
 * checked first and brought into one unambiguous form (`normalize`). Every error is one line that says how to mend it.
 */
import { type ArgsDef, parseArgs } from "citty";
import { quote } from "../http/escape.ts";
import {
  ENVIRONMENT_PREFIX,
  environmentName,
  formatDefault,
  GROUPS,
  mismatch,
  negation,
  parseSetting,
  type Setting,
  type SettingValue,
  separatorOf,
} from "../settings/kinds.ts";
import { RESERVED_VARIABLES, resolveSettings, type Settings, settingNames, settingTable } from "../settings/resolve.ts";
import { retiredLine } from "../settings/retired.ts";
import { OptionsError } from "../settings/start-error.ts";
import {
  FOLDER_DEFAULTS,
  findMistake,
  hasFolder,
  placeHint,
  placeLabel,
  placesOf,
  type StartAdvice,
  startAdvice,
} from "./folder-form.ts";
import { foreignAdvice } from "./foreign-flags.ts";
import { nearest } from "./spelling.ts";

export interface ServeOrder {
  readonly kind: "serve";
  readonly options: Settings;
  readonly advice: StartAdvice;
  /** One line each about words or variables that are odd and not wrong. */
  readonly warnings: readonly string[];
}

/** A server for as long as `command` runs. */
export interface RunOrder extends Omit<ServeOrder, "kind"> {
  readonly kind: "run";
  /** One word at least. */
  readonly command: readonly string[];
}

/** Words that need no server. */
export type Question =
  /** `topic`: "" for one screen, `all`, or the name of a group of settings. */
  | { readonly kind: "help"; readonly topic: string }
  | { readonly kind: "version" }
  /** The effective settings, to be printed. */
  | { readonly kind: "settings"; readonly settings: Settings; readonly labels: Labels }
  /** A mistake, on one line without LF. */
  | { readonly kind: "error"; readonly line: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/** How each setting that was given was named: `--port`, `[port]`, `FOLDER` or `HTTPSERVER_PORT`. The others have their defaults. */
export type Labels = ReadonlyMap<keyof Settings, string>;

/** The topic of `--help` that has every flag. */
export const ALL_TOPICS = "all";

const byFlag = new Map(settingNames.map((name) => [settingTable[name].flag, name]));
const byShort = new Map(
  settingNames.flatMap((name) => {
    const { short } = settingTable[name];
    return short === undefined ? [] : [[short, name] as const];
  }),
);

/** Reads the words after the program's name, and the environment. A flag beats the environment. */
export function parseServe(argv: readonly string[], env: Environment): ServeOrder | Question {
  return guarded(() => {
    const words = normalize(argv);
    const question = questionIn(words);
    if (question !== null) return question;
    const { settings, labels } = resolveWords(words, env, {});
    const warnings = findStrayVariables(env);
    if (words.printConfig) return { kind: "settings", settings, labels };
    if (settings.strict) {
      throw new OptionsError(`${labels.get("strict")} works only with a command: httpserver run --strict -- command`);
    }
    const advice = startAdvice(words.positionals, settings, (folder) => `httpserver ${folder}`);
    return { kind: "serve", options: settings, advice, warnings };
  });
}

/** Reads `[FOLDER] [flags] -- command…`, the words after `run`, and the environment. */
export function parseRun(argv: readonly string[], env: Environment): RunOrder | Question {
  return guarded(() => {
    const { own, command } = splitRun(argv);
    const words = normalize(own);
    const question = questionIn(words);
    if (question !== null) return question;
    refuseStrayWord(words, command);
    // A command is told the port, so a fixed one would only collide.
    const { settings, labels } = resolveWords(words, env, { port: 0 });
    const warnings = findStrayVariables(env);
    if (words.printConfig) return { kind: "settings", settings, labels };
    const advice = startAdvice(words.positionals, settings, (folder) => `httpserver run ${folder} -- command`);
    return { kind: "run", options: settings, advice, warnings, command };
  });
}

/** Turns an `OptionsError` into its line. */
function guarded<Order>(parse: () => Order): Order | Question {
  try {
    return parse();
  } catch (error) {
    if (error instanceof OptionsError) return { kind: "error", line: `httpserver: ${error.message}` };
    throw error;
  }
}

/** Returns the question that the words ask, or null. Throws `OptionsError` for words that are wrong. */
function questionIn({ help, version, problem }: Words): Question | null {
  if (help !== null) {
    if (help !== "" && help !== ALL_TOPICS && !Object.hasOwn(GROUPS, help)) {
      const known = [ALL_TOPICS, ...Object.keys(GROUPS)].join(", ");
      throw new OptionsError(`--help: expected one of ${known}, got ${quote(help)}`);
    }
    return { kind: "help", topic: help };
  }
  if (version) return { kind: "version" };
  if (problem !== null) throw new OptionsError(problem);
  return null;
}

/** Splits at the first `--`, which cannot be the value of a flag: values do not begin with a dash. */
function splitRun(words: readonly string[]): { own: readonly string[]; command: readonly string[] } {
  const end = words.indexOf("--");
  return end === -1 ? { own: words, command: [] } : { own: words.slice(0, end), command: words.slice(end + 1) };
}

/** Throws `OptionsError` without a command to run, or for a first word before `--` that is not a folder. */
function refuseStrayWord({ positionals }: Words, command: readonly string[]): void {
  const [stray] = positionals;
  if (command.length > 0 && (stray === undefined || hasFolder(positionals))) return;
  const got = stray === undefined ? "none" : quote(stray);
  throw new OptionsError(`expected a command, as in httpserver run [flags] -- bun test, got ${got}`);
}

interface Words {
  /** Topic of the help, or null. */
  help: string | null;
  version: boolean;
  printConfig: boolean;
  /** The first mistake, or null. Help and version do not wait for its correction. */
  problem: string | null;
  /** The text per setting named by a flag, the last one of a repeated flag; a list's values joined by its separator. */
  readonly flags: Map<keyof Settings, string>;
  readonly positionals: string[];
}

/** Reads the words strictly: every flag is known, and every value is there. */
function normalize(argv: readonly string[]): Words {
  const words: Words = {
    help: null,
    version: false,
    printConfig: false,
    problem: null,
    flags: new Map(),
    positionals: [],
  };
  let index = 0;
  const next: Next = (isWanted) => {
    const word = argv[index];
    // A number below zero is a value, though a bad one; anything else with a dash in front is the next flag.
    if (word === undefined || (/^-./.test(word) && !/^-[0-9.]/.test(word))) return undefined;
    if (isWanted?.test(word) === false) return undefined;
    index++;
    return word;
  };
  while (index < argv.length) {
    const word = argv[index++] ?? "";
    let problem: string | null = null;
    if (word === "--") {
      words.positionals.push(...argv.slice(index));
      index = argv.length;
    } else if (word.startsWith("--")) problem = readLong(words, word, next);
    else if (word.length > 1 && word.startsWith("-")) problem = readShort(words, word, next);
    else words.positionals.push(word);
    words.problem ??= problem;
  }
  return words;
}

/** Takes the next word, if it is a value, and if it is wanted. */
type Next = (isWanted?: RegExp) => string | undefined;

/** A word that switches something. A digit may be a port. */
const SWITCHING = /^(?:true|false|yes|no|on|off)$/i;

/** Keeps a switch without a value. Returns the mistake of a word behind it that is meant as its value, or null. */
function keepSwitch(words: Words, name: keyof Settings, next: Next): string | null {
  words.flags.set(name, "true");
  const value = next(SWITCHING);
  if (value === undefined) return null;
  const { flag } = settingTable[name];
  const meant = /^(?:true|yes|on)$/i.test(value) ? `--${flag} alone switches it on` : `--no-${flag} switches it off`;
  return `--${flag} takes no further word, got ${quote(value)}; ${meant}`;
}

/** Reads `--flag value`, `--flag=value`, `--switch`, `--no-switch`. Returns the mistake, or null. */
function readLong(words: Words, word: string, next: Next): string | null {
  const equals = word.indexOf("=");
  const flag = word.slice(2, equals === -1 ? undefined : equals);
  const value = equals === -1 ? undefined : word.slice(equals + 1);
  if (flag === "help") {
    words.help = value ?? next() ?? "";
    return null;
  }
  if (flag === "version" || flag === "print-config") {
    if (value !== undefined) return `--${flag} takes no value`;
    words[flag === "version" ? "version" : "printConfig"] = true;
    return null;
  }
  const negated = flag.startsWith("no-") ? byFlag.get(flag.slice(3)) : undefined;
  const off = negated === undefined ? null : negation(settingTable[negated]);
  if (negated !== undefined && off !== null) {
    words.flags.set(negated, off);
    return value === undefined && next(SWITCHING) === undefined ? null : `--${flag} takes no value`;
  }
  const name = byFlag.get(flag);
  if (name === undefined) return retiredLine("flag", `--${flag.replace(/^no-/, "")}`) ?? unknownFlag(`--${flag}`);
  const setting: Setting = settingTable[name];
  if (setting.kind === "switch" && value === undefined) return keepSwitch(words, name, next);
  const alone = setting.kind === "text" ? setting.alone : undefined;
  return keep(words, name, value ?? next(alone?.next) ?? alone?.value);
}

/** Reads `-p 8080`, `-p8080`, `-p=8080`, `-qh`. Returns the mistake, or null. */
function readShort(words: Words, word: string, next: Next): string | null {
  for (let i = 1; i < word.length; i++) {
    const short = word.charAt(i);
    if (short === "h") {
      words.help = (i + 1 === word.length ? next() : undefined) ?? "";
      continue;
    }
    const name = byShort.get(short);
    if (name === undefined) return unknownFlag(i === 1 ? word : `-${short}`, `-${short}`);
    if (settingTable[name].kind !== "switch") {
      const rest = word.slice(i + 1).replace(/^=/, "");
      return keep(words, name, i + 1 < word.length ? rest : next());
    }
    const isLast = i + 1 === word.length;
    const problem = keepSwitch(words, name, isLast ? next : () => undefined);
    if (problem !== null) return problem;
  }
  return null;
}

/**
 * Keeps the value of a flag and returns the mistake, or null. The last one of a repeated flag counts, so that `httpserver --port 80
 * "$@"` in a script can be overruled; lists add up.
 */
function keep(words: Words, name: keyof Settings, value: string | undefined): string | null {
  const setting = settingTable[name];
  if (value === undefined || value === "") {
    return `--${setting.flag} needs a value, for instance --${setting.flag}=${example(setting)}`;
  }
  const earlier = setting.kind === "list" ? words.flags.get(name) : undefined;
  const separator = setting.kind === "list" ? separatorOf(setting) : "";
  words.flags.set(name, earlier === undefined ? value : earlier + separator + value);
  return null;
}

function example(setting: Setting): string {
  return ("example" in setting ? setting.example : undefined) ?? formatDefault(setting);
}

/** Returns the line about a flag that does not exist. `name` is its part that other servers may know. */
function unknownFlag(flag: string, name = flag): string {
  const known = settingNames.flatMap((name) => spellings(settingTable[name]));
  const near = nearest(flag.replace(/^-+/, ""), [...known, "help", "version", "print-config"]);
  const guess = near === null ? "httpserver --help lists the flags" : `did you mean --${near}?`;
  const hint = foreignAdvice(name) ?? guess;
  return `unknown flag ${quote(flag).slice(1, -1)}; ${hint}`;
}

/** Returns the names of a setting's flags, also of the one that switches it off. */
function spellings(setting: Setting): readonly string[] {
  return negation(setting) === null ? [setting.flag] : [setting.flag, `no-${setting.flag}`];
}

/**
 * Describes our words for citty: flags are strings, parsed by their kind afterwards, so that all kinds fail alike. Only the given
 * ones are described: all of them would take 1.5 ms of each start.
 */
function describe(words: Words): ArgsDef {
  return Object.fromEntries([
    ...placesOf(words.positionals).map(
      (name) => [`positional-${name}`, { type: "positional", required: false }] as const,
    ),
    ...[...words.flags.keys()].map((name) => [settingTable[name].flag, { type: "string" }] as const),
  ]);
}

/**
 * Returns the settings of checked words and the environment over the defaults of the form and of the command (`defaults`), and
 * the name each was given by. Throws `OptionsError`.
 */
function resolveWords(
  words: Words,
  env: Environment,
  defaults: Partial<Settings>,
): { settings: Settings; labels: Labels } {
  const { positionals } = words;
  const mistake = findMistake(positionals);
  if (mistake !== null) throw new OptionsError(mistake);
  const formDefaults = hasFolder(positionals) ? FOLDER_DEFAULTS : {};
  const given: Partial<Record<keyof Settings, SettingValue>> = { ...defaults, ...formDefaults };
  const canonical = [...words.flags].map(([name, value]) => `--${settingTable[name].flag}=${value}`);
  // A copy, because citty's object looks for each name that it lacks in two more spellings: 3 ms of each start.
  const parsed: Readonly<Record<string, unknown>> = {
    ...parseArgs([...canonical, "--", ...positionals], describe(words)),
  };
  const places = placesOf(positionals);
  const extra = positionals[places.length];
  if (extra !== undefined) {
    const most = places.map(placeLabel).join(" ");
    throw new OptionsError(`expected at most ${most}, but ${quote(extra)} follows${placeHint(positionals)}`);
  }
  const labels = new Map<keyof Settings, string>();
  for (const name of settingNames) {
    const source = findSource(name, parsed, env);
    if (source === null) continue;
    const setting = settingTable[name];
    const value = parseSetting(setting, source.text);
    if (value === undefined) {
      const hint = source.label.startsWith("[") ? placeHint(positionals) : "";
      throw new OptionsError(mismatch(source.label, setting, source.text) + hint);
    }
    given[name] = value;
    labels.set(name, source.label);
  }
  const settings = given as Partial<Settings>; // parseSetting returns values that fit their setting.
  const resolved = resolveSettings(settings, (name) => labels.get(name) ?? `--${settingTable[name].flag}`);
  for (const name of settingNames) if (name in formDefaults && !labels.has(name)) labels.set(name, placeLabel("root"));
  return { settings: resolved, labels };
}

/** Returns where a setting's text comes from: flag or position, then environment. An empty variable counts as none. */
function findSource(
  name: keyof Settings,
  parsed: Readonly<Record<string, unknown>>,
  env: Environment,
): { text: string; label: string } | null {
  const setting = settingTable[name];
  const flagged = parsed[setting.flag];
  const placed = parsed[`positional-${name}`];
  if (typeof flagged === "string" && typeof placed === "string") {
    throw new OptionsError(`${name} is given twice: as the word ${quote(placed)} and as --${setting.flag}`);
  }
  if (typeof flagged === "string") return { text: flagged, label: `--${setting.flag}` };
  if (typeof placed === "string") return { text: placed, label: placeLabel(name) };
  const label = environmentName(setting);
  const variable = env[label];
  return variable === undefined || variable === "" ? null : { text: variable, label };
}

/** Stray variables that a warning names; an orchestrator may set a dozen for a service of our name. */
const STRAYS_NAMED_MAX = 4;

/**
 * Returns one line about variables that look like ours and are not, or none. A warning, not an error: the environment belongs to
 * more programs than this one. An empty variable counts as none. Throws `OptionsError` for a variable that was a setting once.
 */
function findStrayVariables(env: Environment): string[] {
  const known = settingNames.map((name) => environmentName(settingTable[name]));
  const strays = Object.keys(env).filter(
    (name) =>
      name.startsWith(ENVIRONMENT_PREFIX) && env[name] !== "" && !known.includes(name) && !RESERVED_VARIABLES.has(name),
  );
  if (strays.length === 0) return [];
  for (const name of strays) {
    const line = retiredLine("variable", name);
    if (line !== null) throw new OptionsError(line);
  }
  const flags = [...byFlag.keys()];
  const named = strays.slice(0, STRAYS_NAMED_MAX).map((name) => {
    const near = nearest(name.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll("_", "-"), flags);
    const property = near === null ? undefined : byFlag.get(near);
    const hint = property === undefined ? "" : ` (did you mean ${environmentName(settingTable[property])}?)`;
    return `${quote(name).slice(1, -1)}${hint}`;
  });
  const further = strays.length - named.length;
  return [`not a setting of this server: ${named.join(", ")}${further > 0 ? ` and ${further} more` : ""}`];
}
