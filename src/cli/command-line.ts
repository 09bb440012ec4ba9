/**
 * The words of the command line and the environment, as options or as something to say. Pure.
 *
 * citty parses the words, but takes whatever it is given: an unknown flag, a flag without its value, a repeated one. So the
 * words are checked and brought into one unambiguous form before (`normalize`), and every error is one line that helps.
 */
import { type ArgsDef, parseArgs } from "citty";
import { quote } from "../http/escape.ts";
import {
  ENVIRONMENT_PREFIX,
  environmentName,
  formatDefault,
  mismatch,
  parseSetting,
  type Setting,
  type SettingValue,
  separatorOf,
} from "../settings/kinds.ts";
import {
  findConflict,
  RESERVED_VARIABLES,
  resolveSettings,
  type Settings,
  settingNames,
  settingTable,
} from "../settings/resolve.ts";
import { OptionsError } from "../settings/start-error.ts";
import { renderHelp, renderSettings, renderVersion } from "./help.ts";
import { nearest } from "./spelling.ts";

export type CommandLine =
  /** `warnings`: what is odd and not wrong, one line each. */
  | { readonly kind: "serve"; readonly options: Settings; readonly warnings: readonly string[] }
  /** A server for as long as `command` runs, which has one word at least. */
  | {
      readonly kind: "run";
      readonly options: Settings;
      readonly warnings: readonly string[];
      readonly command: readonly string[];
    }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string }
  /** The effective settings, one a line. */
  | { readonly kind: "settings"; readonly text: string }
  /** A password is read from stdin and printed as a hash, as `--basic-auth` takes it; `user` is "" where none is named. */
  | { readonly kind: "hash-password"; readonly user: string }
  /** What is wrong, on one line without LF. */
  | { readonly kind: "error"; readonly line: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/** The seeds' order: `httpserver 8000 0.0.0.0 20`. */
const POSITIONALS = ["port", "host", "threads"] as const;

const byFlag = new Map(settingNames.map((name) => [settingTable[name].flag, name]));
const byShort = new Map(
  settingNames.flatMap((name) => {
    const { short } = settingTable[name];
    return short === undefined ? [] : [[short, name] as const];
  }),
);

/** The words after the program's name, and the environment, as options or as something to say. A flag beats the environment. */
export function parseCommandLine(argv: readonly string[], env: Environment): CommandLine {
  try {
    if (argv[0] === HASH_PASSWORD) return parseHashPassword(argv.slice(1));
    const isRun = argv[0] === RUN;
    const { own, command } = isRun ? splitRun(argv.slice(1)) : { own: argv, command: [] };
    const words = normalize(own);
    if (words.help) return { kind: "help", text: renderHelp() };
    if (words.version) return { kind: "version", text: renderVersion() };
    if (words.problem !== null) throw new OptionsError(words.problem);
    if (isRun) checkRun(words, command);
    // A command is told the port, so that a fixed one would only collide.
    const { options, labels } = resolveWords(words, env, isRun ? { port: 0 } : {});
    if (words.printConfig) return { kind: "settings", text: renderSettings(options, labels) };
    const warnings = findStrayVariables(env);
    if (isRun) return { kind: "run", options, warnings, command };
    if (options.strict) {
      throw new OptionsError(`${labels.get("strict")} looks at the requests of a command: httpserver run -- command`);
    }
    return { kind: "serve", options, warnings };
  } catch (error) {
    if (error instanceof OptionsError) return { kind: "error", line: `httpserver: ${error.message}` };
    throw error;
  }
}

/** With `probe`, which `cli.ts` knows, the words that are no flag and no position. */
const HASH_PASSWORD = "hash-password";
const RUN = "run";

/** `run [flags] -- command…`: a flag's value has no dash in front, so that the first `--` is the one that is meant. */
function splitRun(words: readonly string[]): { own: readonly string[]; command: readonly string[] } {
  const end = words.indexOf("--");
  return end === -1 ? { own: words, command: [] } : { own: words.slice(0, end), command: words.slice(end + 1) };
}

/** Throws `OptionsError` when there is no command to run, or a word that may be meant as one. */
function checkRun({ positionals: [stray] }: Words, command: readonly string[]): void {
  if (stray === undefined && command.length > 0) return;
  const got = stray === undefined ? "none" : quote(stray);
  throw new OptionsError(`expected ${RUN} [flags] -- command, for instance ${RUN} -- bun test, got ${got}`);
}

/** `hash-password [USER]`. Throws `OptionsError`. */
function parseHashPassword(words: readonly string[]): CommandLine {
  const [user = "", extra] = words;
  if (user === "--help" || user === "-h") return { kind: "help", text: renderHelp() };
  if (extra !== undefined || user.startsWith("-")) {
    throw new OptionsError(`expected ${HASH_PASSWORD} [USER] and the password on stdin, got ${quote(extra ?? user)}`);
  }
  if (/[:\s]/.test(user)) throw new OptionsError(`a user name has neither a colon nor white space, got ${quote(user)}`);
  return { kind: "hash-password", user };
}

interface Words {
  help: boolean;
  version: boolean;
  printConfig: boolean;
  /** The first thing that is wrong, or null. Help and version are given all the same. */
  problem: string | null;
  /** The text per setting named by a flag, the last one of a repeated flag; a list's values joined by its separator. */
  readonly flags: Map<keyof Settings, string>;
  readonly positionals: string[];
}

/** Reads the words strictly: every flag known, every value there, nothing left over. */
function normalize(argv: readonly string[]): Words {
  const words: Words = {
    help: false,
    version: false,
    printConfig: false,
    problem: null,
    flags: new Map(),
    positionals: [],
  };
  let index = 0;
  const next: Next = (accepts = () => true) => {
    const word = argv[index];
    // A number below zero is a value, though a bad one; anything else with a dash in front is the next flag.
    if (word === undefined || (/^-./.test(word) && !/^-[0-9.]/.test(word))) return undefined;
    if (!accepts(word)) return undefined;
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

/** Takes the next word, if it is a value and one that is accepted. */
type Next = (accepts?: (word: string) => boolean) => string | undefined;

/** `--flag value`, `--flag=value`, `--switch`, `--no-switch`. Returns what is wrong, or null. */
function readLong(words: Words, word: string, next: Next): string | null {
  const equals = word.indexOf("=");
  const flag = word.slice(2, equals === -1 ? undefined : equals);
  const value = equals === -1 ? undefined : word.slice(equals + 1);
  if (flag === "help" || flag === "version") {
    if (value !== undefined) return `--${flag} takes no value`;
    words[flag] = true;
    return null;
  }
  if (flag === "print-config") {
    if (value !== undefined) return `--${flag} takes no value`;
    words.printConfig = true;
    return null;
  }
  const negated = flag.startsWith("no-") ? byFlag.get(flag.slice(3)) : undefined;
  if (negated !== undefined && settingTable[negated].kind === "switch") {
    if (value !== undefined) return `--${flag} takes no value`;
    words.flags.set(negated, "false");
    return null;
  }
  const name = byFlag.get(flag);
  if (name === undefined) return unknownFlag(`--${flag}`);
  const option: Setting = settingTable[name];
  if (option.kind === "switch") return keep(words, name, value ?? "true");
  if (option.kind !== "list" || option.alone === undefined) return keep(words, name, value ?? next());
  // `--cors`, `--cors https://a.test https://b.test`: what does not look like an item belongs to somebody else.
  const { item, isItem } = option.alone;
  let problem = keep(words, name, value ?? next(isItem) ?? item);
  for (let more = value === undefined ? next(isItem) : undefined; more !== undefined; more = next(isItem)) {
    problem ??= keep(words, name, more);
  }
  return problem;
}

/** `-p 8080`, `-p8080`, `-p=8080`, `-qh`. Returns what is wrong, or null. */
function readShort(words: Words, word: string, next: Next): string | null {
  for (let i = 1; i < word.length; i++) {
    const short = word.charAt(i);
    if (short === "h") {
      words.help = true;
      continue;
    }
    const name = byShort.get(short);
    if (name === undefined) return unknownFlag(i === 1 ? word : `-${short}`);
    if (settingTable[name].kind !== "switch") {
      const rest = word.slice(i + 1).replace(/^=/, "");
      return keep(words, name, i + 1 < word.length ? rest : next());
    }
    words.flags.set(name, "true");
  }
  return null;
}

/** The last one of a repeated flag counts, so that a script's `httpserver --port 80 "$@"` can be overruled; lists add up. */
function keep(words: Words, name: keyof Settings, value: string | undefined): string | null {
  const option = settingTable[name];
  if (value === undefined || value === "")
    return `--${option.flag} needs a value, for instance --${option.flag}=${example(option)}`;
  const earlier = option.kind === "list" ? words.flags.get(name) : undefined;
  const separator = option.kind === "list" ? separatorOf(option) : "";
  words.flags.set(name, earlier === undefined ? value : earlier + separator + value);
  return null;
}

function example(option: Setting): string {
  return ("example" in option ? option.example : undefined) ?? formatDefault(option);
}

function unknownFlag(flag: string): string {
  const near = nearest(flag.replace(/^-+/, ""), [...byFlag.keys(), "help", "version", "print-config"]);
  const hint = near === null ? "httpserver --help lists the flags" : `did you mean --${near}?`;
  return `unknown flag ${quote(flag).slice(1, -1)}; ${hint}`;
}

/**
 * citty's description of our words: flags are strings, parsed by their kind afterwards, so that all kinds fail alike. Only
 * those that were given: describing all of them would take 1.5 ms of each start.
 */
function describe(words: Words): ArgsDef {
  return Object.fromEntries([
    ...POSITIONALS.map((name) => [`positional-${name}`, { type: "positional", required: false }] as const),
    ...[...words.flags.keys()].map((name) => [settingTable[name].flag, { type: "string" }] as const),
  ]);
}

/**
 * Settings from checked words and the environment over those in `given`, and how each that was found was named. Throws
 * `OptionsError`.
 */
function resolveWords(
  words: Words,
  env: Environment,
  given: Partial<Record<keyof Settings, SettingValue>>,
): { options: Settings; labels: Labels } {
  const canonical = [...words.flags].map(([name, value]) => `--${settingTable[name].flag}=${value}`);
  // A copy, because citty's object looks for each name that it lacks in two more spellings: 3 ms of each start.
  const parsed: Readonly<Record<string, unknown>> = {
    ...parseArgs([...canonical, "--", ...words.positionals], describe(words)),
  };
  const extra = words.positionals[POSITIONALS.length];
  if (extra !== undefined) {
    throw new OptionsError(`expected at most [port] [host] [threads], got ${quote(extra)} as well`);
  }
  const labels = new Map<keyof Settings, string>();
  for (const name of settingNames) {
    const source = findSource(name, parsed, env);
    if (source === null) continue;
    const option = settingTable[name];
    const value = parseSetting(option, source.text);
    if (value === undefined) throw new OptionsError(mismatch(source.label, option, source.text));
    given[name] = value;
    labels.set(name, source.label);
  }
  const settings = given as Partial<Settings>; // parseSetting returns values that fit their option.
  const conflict = findConflict(settings, (name) => labels.get(name) ?? `--${settingTable[name].flag}`);
  if (conflict !== null) throw new OptionsError(conflict);
  return { options: resolveSettings(settings), labels };
}

/** `--port`, `[port]` or `HTTPSERVER_PORT`; a setting that is not there has its default. */
export type Labels = ReadonlyMap<keyof Settings, string>;

/** Where a setting's text comes from: flag or position, then environment, where an empty variable counts as none. */
function findSource(
  name: keyof Settings,
  parsed: Readonly<Record<string, unknown>>,
  env: Environment,
): { text: string; label: string } | null {
  const option = settingTable[name];
  const flagged = parsed[option.flag];
  const placed = parsed[`positional-${name}`];
  if (typeof flagged === "string" && typeof placed === "string") {
    throw new OptionsError(`${name} is given twice: ${quote(placed)} by its place and --${option.flag}`);
  }
  if (typeof flagged === "string") return { text: flagged, label: `--${option.flag}` };
  if (typeof placed === "string") return { text: placed, label: `[${name}]` };
  const label = environmentName(option);
  const variable = env[label];
  return variable === undefined || variable === "" ? null : { text: variable, label };
}

/** Stray variables that are named; an orchestrator may set a dozen for a service of our name. */
const STRAYS_NAMED_MAX = 4;

/**
 * One line about variables that look like ours and are not, or none. A warning, not an error: the environment belongs to
 * more programs than this one. An empty variable counts as none.
 */
function findStrayVariables(env: Environment): string[] {
  const known = settingNames.map((name) => environmentName(settingTable[name]));
  const strays = Object.keys(env).filter(
    (name) =>
      name.startsWith(ENVIRONMENT_PREFIX) && env[name] !== "" && !known.includes(name) && !RESERVED_VARIABLES.has(name),
  );
  if (strays.length === 0) return [];
  const flags = [...byFlag.keys()];
  const named = strays.slice(0, STRAYS_NAMED_MAX).map((name) => {
    const near = nearest(name.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll("_", "-"), flags);
    const property = near === null ? undefined : byFlag.get(near);
    const hint = property === undefined ? "" : ` (did you mean ${environmentName(settingTable[property])}?)`;
    return `${quote(name).slice(1, -1)}${hint}`;
  });
  const further = strays.length - named.length;
  return [`no setting of this server: ${named.join(", ")}${further > 0 ? ` and ${further} more` : ""}`];
}
