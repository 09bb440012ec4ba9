/**
 * Words from the operator: the command line and the environment become options, the server starts, signals stop it.
 *
 * `parseCommandLine` is pure and says everything about the words; `main` does everything about the process. citty parses
 * the words, but takes whatever it is given: an unknown flag, a flag without its value, a repeated one. So the words are
 * checked and brought into one unambiguous form before (`normalize`), and every error is one line that helps.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type ArgsDef, parseArgs } from "citty";
import { escapeControls } from "./http/escape.ts";
import { Log } from "./log.ts";
import {
  ENVIRONMENT_PREFIX,
  environmentName,
  findConflict,
  formatDefault,
  formatValue,
  limits,
  mismatch,
  type Option,
  type Options,
  OptionsError,
  type OptionValue,
  optionNames,
  optionTable,
  parseOption,
  quote,
  RESERVED_VARIABLES,
  resolveOptions,
  separatorOf,
} from "./options.ts";
import type { ServerLog } from "./server/access-log.ts";
import { Output } from "./server/output.ts";
import { messageOf } from "./server/start-error.ts";
import { COMMIT, VERSION } from "./server/version.ts";

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_CANNOT_START = 3;

export type CommandLine =
  /** `warnings`: what is odd and not wrong, one line each. */
  | { readonly kind: "run"; readonly options: Options; readonly warnings: readonly string[] }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string }
  /** The effective settings, one a line. */
  | { readonly kind: "settings"; readonly text: string }
  /** A password is read from stdin and printed as a hash, as `--basic-auth` takes it; `user` is "" where none is named. */
  | { readonly kind: "hash-password"; readonly user: string }
  /** What is wrong, on one line without LF. */
  | { readonly kind: "error"; readonly line: string };

type Environment = Readonly<Record<string, string | undefined>>;

/** The seeds' order: `httpserver 8000 0.0.0.0 20`. */
const POSITIONALS = ["port", "host", "threads"] as const;

const byFlag = new Map(optionNames.map((name) => [optionTable[name].flag, name]));
const byShort = new Map(
  optionNames.flatMap((name) => {
    const { short } = optionTable[name];
    return short === undefined ? [] : [[short, name] as const];
  }),
);

/** The words after the program's name, and the environment, as options or as something to say. A flag beats the environment. */
export function parseCommandLine(argv: readonly string[], env: Environment): CommandLine {
  try {
    if (argv[0] === HASH_PASSWORD) return parseHashPassword(argv.slice(1));
    const words = normalize(argv);
    if (words.help) return { kind: "help", text: renderHelp() };
    if (words.version) return { kind: "version", text: renderVersion() };
    if (words.problem !== null) throw new OptionsError(words.problem);
    const { options, labels } = resolveWords(words, env);
    if (words.printConfig) return { kind: "settings", text: renderSettings(options, labels) };
    return { kind: "run", options, warnings: findStrayVariables(env) };
  } catch (error) {
    if (error instanceof OptionsError) return { kind: "error", line: `httpserver: ${error.message}` };
    throw error;
  }
}

/** The one word that is no flag and no position. */
const HASH_PASSWORD = "hash-password";

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
  readonly flags: Map<keyof Options, string>;
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
  if (negated !== undefined && optionTable[negated].kind === "switch") {
    if (value !== undefined) return `--${flag} takes no value`;
    words.flags.set(negated, "false");
    return null;
  }
  const name = byFlag.get(flag);
  if (name === undefined) return unknownFlag(`--${flag}`);
  const option: Option = optionTable[name];
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
    if (optionTable[name].kind !== "switch") {
      const rest = word.slice(i + 1).replace(/^=/, "");
      return keep(words, name, i + 1 < word.length ? rest : next());
    }
    words.flags.set(name, "true");
  }
  return null;
}

/** The last one of a repeated flag counts, so that a script's `httpserver --port 80 "$@"` can be overruled; lists add up. */
function keep(words: Words, name: keyof Options, value: string | undefined): string | null {
  const option = optionTable[name];
  if (value === undefined || value === "")
    return `--${option.flag} needs a value, for instance --${option.flag}=${example(option)}`;
  const earlier = option.kind === "list" ? words.flags.get(name) : undefined;
  const separator = option.kind === "list" ? separatorOf(option) : "";
  words.flags.set(name, earlier === undefined ? value : earlier + separator + value);
  return null;
}

function example(option: Option): string {
  return ("example" in option ? option.example : undefined) ?? formatDefault(option);
}

function unknownFlag(flag: string): string {
  const near = nearest(flag.replace(/^-+/, ""), [...byFlag.keys(), "help", "version", "print-config"]);
  const hint = near === null ? "httpserver --help lists the flags" : `did you mean --${near}?`;
  return `unknown flag ${quote(flag).slice(1, -1)}; ${hint}`;
}

/** The word that `typed` begins, or that is at most two typing errors away; null when none is near. */
function nearest(typed: string, words: readonly string[]): string | null {
  if (typed.length >= 2) {
    const begun = words.filter((word) => word.startsWith(typed));
    if (begun.length === 1 && begun[0] !== undefined) return begun[0];
  }
  const farthest = typed.length <= 4 ? 1 : 2;
  let near: string | null = null;
  let nearDistance = farthest + 1;
  if (typed.length > 40) return null;
  for (const word of words) {
    const distance = editDistance(typed, word);
    if (distance >= nearDistance) continue;
    near = word;
    nearDistance = distance;
  }
  return near;
}

/** Letters to insert, delete, replace or swap with their neighbour to make `a` of `b` (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let twoAbove: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (above[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (twoAbove[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    twoAbove = above;
    above = current;
  }
  return above[b.length] ?? 0;
}

/**
 * citty's description of our words: flags are strings, parsed by their kind afterwards, so that all kinds fail alike. Only
 * those that were given: describing all of them would take 1.5 ms of each start.
 */
function describe(words: Words): ArgsDef {
  return Object.fromEntries([
    ...POSITIONALS.map((name) => [`positional-${name}`, { type: "positional", required: false }] as const),
    ...[...words.flags.keys()].map((name) => [optionTable[name].flag, { type: "string" }] as const),
  ]);
}

/** Settings from checked words and the environment, and how each that was given was named. Throws `OptionsError`. */
function resolveWords(words: Words, env: Environment): { options: Options; labels: Labels } {
  const canonical = [...words.flags].map(([name, value]) => `--${optionTable[name].flag}=${value}`);
  const parsed: Readonly<Record<string, unknown>> = parseArgs(
    [...canonical, "--", ...words.positionals],
    describe(words),
  );
  const extra = words.positionals[POSITIONALS.length];
  if (extra !== undefined) {
    throw new OptionsError(`expected at most [port] [host] [threads], got ${quote(extra)} as well`);
  }
  const given: Partial<Record<keyof Options, OptionValue>> = {};
  const labels = new Map<keyof Options, string>();
  for (const name of optionNames) {
    const source = findSource(name, parsed, env);
    if (source === null) continue;
    const option = optionTable[name];
    const value = parseOption(option, source.text);
    if (value === undefined) throw new OptionsError(mismatch(source.label, option, source.text));
    given[name] = value;
    labels.set(name, source.label);
  }
  const settings = given as Partial<Options>; // parseOption returns values that fit their option.
  const conflict = findConflict(settings, (name) => labels.get(name) ?? `--${optionTable[name].flag}`);
  if (conflict !== null) throw new OptionsError(conflict);
  return { options: resolveOptions(settings), labels };
}

/** `--port`, `[port]` or `HTTPSERVER_PORT`; a setting that is not there has its default. */
type Labels = ReadonlyMap<keyof Options, string>;

/** Where a setting's text comes from: flag or position, then environment, where an empty variable counts as none. */
function findSource(
  name: keyof Options,
  parsed: Readonly<Record<string, unknown>>,
  env: Environment,
): { text: string; label: string } | null {
  const option = optionTable[name];
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
  const known = optionNames.map((name) => environmentName(optionTable[name]));
  const strays = Object.keys(env).filter(
    (name) =>
      name.startsWith(ENVIRONMENT_PREFIX) && env[name] !== "" && !known.includes(name) && !RESERVED_VARIABLES.has(name),
  );
  if (strays.length === 0) return [];
  const flags = [...byFlag.keys()];
  const named = strays.slice(0, STRAYS_NAMED_MAX).map((name) => {
    const near = nearest(name.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll("_", "-"), flags);
    const property = near === null ? undefined : byFlag.get(near);
    const hint = property === undefined ? "" : ` (did you mean ${environmentName(optionTable[property])}?)`;
    return `${quote(name).slice(1, -1)}${hint}`;
  });
  const further = strays.length - named.length;
  return [`no setting of this server: ${named.join(", ")}${further > 0 ? ` and ${further} more` : ""}`];
}

/** Columns of `--help`: the longest flag, and the longest default, with a space behind each. */
const HELP_FLAG_COLUMNS = 25;
const HELP_DEFAULT_COLUMNS = 12;

/** One screen: 80 columns, and as few lines as there are flags. citty's own rendering has neither bound. */
function renderHelp(): string {
  return [
    "Serves a folder over HTTP/1.1 and takes JSON uploads at POST /upload.",
    "Usage: httpserver [port] [host] [threads] [flags]",
    "",
    `${"    flag".padEnd(HELP_FLAG_COLUMNS)}default`,
    ...optionNames.map((name) => helpLine(optionTable[name], formatDefault(optionTable[name]))),
    helpLine({ flag: "print-config", help: "settings and where they come from" }, ""),
    helpLine({ short: "h", flag: "help", help: "this text" }, ""),
    helpLine({ flag: "version", help: "version and commit" }, ""),
    "",
    "Times: 500ms, 30s, 2m. Sizes: 512, 64kb, 10mb. Switches also as --no-<flag>.",
    "Each flag has a variable: --max-body is HTTPSERVER_MAX_BODY; the flag wins.",
    "httpserver hash-password [USER] reads a password and prints it as a hash.",
    "",
  ].join("\n");
}

function helpLine(option: Pick<Option, "flag" | "short" | "help">, value: string): string {
  const flag = `${option.short === undefined ? "   " : `-${option.short},`} --${option.flag}`;
  // One flag is longer than its column, and takes from the next one.
  return (
    `${flag} `
      .padEnd(HELP_FLAG_COLUMNS)
      .concat(value)
      .padEnd(HELP_FLAG_COLUMNS + HELP_DEFAULT_COLUMNS) + option.help
  );
}

/**
 * Each setting with its value, as the operator would write it, and where it comes from: `default`, a flag, a place or a variable.
 * Secrets are masked. With `--log-format json` for programs: an object a line, numbers in the unit that the name says.
 */
function renderSettings(options: Options, labels: Labels): string {
  return optionNames
    .map((name) => {
      const option: Option = optionTable[name];
      const value = options[name];
      const origin = labels.get(name) ?? "default";
      if (options.logFormat === "json") {
        return `${JSON.stringify({ name, flag: option.flag, value: masked(option, value), origin })}\n`;
      }
      const text = value === option.default ? formatDefault(option) : formatValue(option, value);
      const flag = option.flag.padEnd(SETTING_FLAG_COLUMNS);
      return `${flag} ${escapeControls(text || "-").padEnd(SETTING_VALUE_COLUMNS)} ${origin}\n`;
    })
    .join("");
}

function masked(option: Option, value: OptionValue): OptionValue {
  if (option.kind === "list") return (value as readonly string[]).map(option.mask ?? String);
  return option.kind === "text" ? formatValue(option, value) : value;
}

/** Columns of `--print-config`: the longest flag, and most values. */
const SETTING_FLAG_COLUMNS = 24;
const SETTING_VALUE_COLUMNS = 24;

function renderVersion(): string {
  return `httpserver ${VERSION} (${COMMIT})\n`;
}

/** What `main` needs of a server; `startServer` gives it. */
export interface RunningServer {
  readonly url: string;
  readonly urls: readonly string[];
  readonly port: number;
  readonly redirectUrl: string | null;
  readonly certificate: { readonly names: string; readonly validTo: Date; readonly fingerprint: string } | null;
  reload(): Promise<void>;
  stop(options?: { timeoutMs?: number; graceMs?: number; force?: boolean }): Promise<void>;
}

export type StartServer = (
  options: Options & { log: ServerLog; tlsPassphrase: string; shutDown: () => void },
) => Promise<RunningServer>;

/** The server is loaded when it is needed: help, version and errors answer without it. */
const startWithLibrary: StartServer = async (options) => {
  const { startServer } = await import("./index.ts");
  return startServer(options);
};

/** Milliseconds that log lines get to reach a slow reader before the process ends. */
const LOG_SETTLE_MS = 500;

/** Milliseconds that cut connections get to be closed properly after a second signal. */
const FORCE_MS = 1000;

/**
 * Milliseconds in which further signals are the first one once more: `bun start` passes on the SIGINT of Ctrl+C, which the
 * terminal has already sent to the whole group, so one key press arrives twice. Nobody presses it twice in that time to force.
 */
const SAME_REQUEST_MS = 250;

/**
 * Runs the program and resolves with its exit code: 0 after help, version or a drain, 1 after a failure of ours, 2 for bad
 * words, 3 when the server cannot start, 130, 143 or 129 when a second SIGINT, SIGTERM or SIGHUP cut answers short.
 */
export async function main(argv: readonly string[], env: Environment, start = startWithLibrary): Promise<number> {
  const command = parseCommandLine(argv, env);
  if (command.kind === "hash-password") return hashPasswordOf(command.user);
  if (command.kind !== "run") return say(command);
  const { options } = command;
  let log: Log;
  try {
    log = new Log(options, () => !env["NO_COLOR"] && isTerminal(2));
  } catch (error) {
    return say({
      kind: "cannot-start",
      line: `httpserver: cannot open --log-file ${options.logFile}: ${messageOf(error)}`,
    });
  }
  for (const line of command.warnings) log.warn(line);
  const code = await run(options, env[TLS_PASSPHRASE] ?? "", log, start).catch((error: unknown) => {
    log.error("unexpected failure, stopping", error);
    return EXIT_FAILURE;
  });
  await log.settle(LOG_SETTLE_MS);
  log.close();
  return code;
}

/** Loaded with the first warning: `node:tty` would take 4 ms of each start. */
function isTerminal(descriptor: number): boolean {
  const { isatty } = require("node:tty") as typeof import("node:tty");
  return isatty(descriptor);
}

/** Text for a command that starts no server; returns the exit code. */
async function say(
  answer:
    | Exclude<CommandLine, { kind: "run" | "hash-password" }>
    | { readonly kind: "cannot-start"; readonly line: string },
): Promise<number> {
  const spoken = "text" in answer;
  const output = Output.descriptor(spoken ? 1 : 2, () => {});
  output.write(spoken ? answer.text : `${escapeControls(answer.line)}\n`);
  await output.settle(LOG_SETTLE_MS);
  return spoken ? EXIT_OK : answer.kind === "error" ? EXIT_USAGE : EXIT_CANNOT_START;
}

/**
 * Reads a password from stdin and prints its hash, behind the user's name if one is given. The password is no word of the
 * command line, which every user of the machine can read; on a terminal it is not shown. Returns the exit code.
 */
async function hashPasswordOf(user: string): Promise<number> {
  const password = isTerminal(0) ? await typedLine("Password: ") : firstLine(await Bun.stdin.text());
  if (password === null) return EXIT_FAILURE;
  // RFC 7617 §2 keeps control characters out of credentials.
  if (!/^\P{Cc}+$/u.test(password)) {
    return say({ kind: "error", line: "httpserver: expected a password on stdin, without control characters" });
  }
  const { hashPassword } = await import("./handlers/auth.ts");
  const hash = await hashPassword(password);
  return say({ kind: "settings", text: `${user === "" ? "" : `${user}:`}${hash}\n` });
}

function firstLine(text: string): string {
  return /^[^\r\n]*/.exec(text)?.[0] ?? "";
}

/** A line typed on a terminal that does not show it; null after Ctrl+C. */
async function typedLine(prompt: string): Promise<string | null> {
  const terminal = process.stdin;
  const output = Output.descriptor(2, () => {});
  output.write(prompt);
  terminal.setRawMode(true);
  try {
    let typed = "";
    const decoder = new TextDecoder();
    for await (const bytes of terminal) {
      for (const character of decoder.decode(bytes as Uint8Array, { stream: true })) {
        if (character === "\r" || character === "\n" || character === "\x04") return typed;
        if (character === "\x03") return null;
        typed = character === "\x7f" || character === "\b" ? [...typed].slice(0, -1).join("") : typed + character;
      }
    }
    return typed;
  } finally {
    terminal.setRawMode(false);
    output.write("\n");
    await output.settle(LOG_SETTLE_MS);
  }
}

/** The passphrase of `--tls-key`: never a word of the command line, which every user of the machine can read. */
const TLS_PASSPHRASE = `${ENVIRONMENT_PREFIX}TLS_PASSPHRASE`;

/** What stops it besides a signal, with `--fixture`. */
const ASKED = "POST /__server/shutdown";

/** Starts, announces, waits for a signal, stops. Returns the exit code. */
async function run(options: Options, tlsPassphrase: string, log: Log, start: StartServer): Promise<number> {
  process.on("uncaughtException", (error) => log.error("unexpected failure, going on", error));
  process.on("unhandledRejection", (reason) => log.error("unexpected failure, going on", reason));
  const signals = new Signals();
  const asked = Promise.withResolvers<typeof ASKED>();
  let server: RunningServer | null = null;
  const hasCertificate = options.tlsCert !== "";
  if (options.logFile !== "" || hasCertificate) {
    process.on("SIGHUP", () => {
      log.reopen();
      if (hasCertificate && server !== null) renew(server, log);
    });
  } else if (!isHangupIgnored()) signals.listen("SIGHUP");

  try {
    server = await start({ ...options, log, tlsPassphrase, shutDown: () => asked.resolve(ASKED) });
  } catch (error) {
    return failStart(error, log);
  }
  announce(options, server, log);

  const first = await Promise.race([signals.next(), asked.promise]);
  log.info(
    `${first} received: finishing requests in flight (at most ${options.shutdownTimeoutMs / 1000} s), again to cut them`,
  );
  const drain = { timeoutMs: options.shutdownTimeoutMs, graceMs: limits.shutdownGraceMs };
  const drained = server.stop(drain).then(() => null);
  const second = await Promise.race([drained, signals.next()]);
  if (second === null) {
    log.info("Server stopped");
    return EXIT_OK;
  }
  log.warn(`${second} received again: cutting what is in flight`);
  await Promise.race([server.stop({ force: true }), Bun.sleep(FORCE_MS)]);
  return 128 + SIGNAL_NUMBERS[second];
}

/** SIGHUP: a certificate that was renewed on disk is taken up; one that cannot be used leaves all as it is. */
function renew(server: RunningServer, log: Log): void {
  server.reload().then(
    () => log.info(`Certificate read again: ${describeCertificate(server)}`),
    (error: unknown) => log.error(`the old certificate stays in use: ${messageOf(error)}`),
  );
}

function describeCertificate({ certificate }: RunningServer): string {
  if (certificate === null) return "none";
  const { names, validTo, fingerprint } = certificate;
  return `${names}, until ${validTo.toISOString().slice(0, 10)}, SHA-256 ${fingerprint}`;
}

/** 128 + number is how a shell shows the end by a signal. */
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

type StopSignal = keyof typeof SIGNAL_NUMBERS;

/** True under nohup(1), which starts a program deaf to SIGHUP so that it outlives its terminal; a handler would undo that. */
function isHangupIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & 1n) === 1n; // proc(5): bit 0 is signal 1.
  } catch {
    return false; // Not Linux.
  }
}

/** Requests to stop in the order they come, also those that come before somebody waits. */
class Signals {
  readonly #arrived: StopSignal[] = [];
  #waiting: ((signal: StopSignal) => void) | null = null;

  /** When the first one came. */
  #firstMs: number | null = null;

  constructor() {
    this.listen("SIGINT");
    this.listen("SIGTERM");
  }

  listen(signal: StopSignal): void {
    process.on(signal, () => this.#arrive(signal));
  }

  #arrive(signal: StopSignal): void {
    const now = performance.now();
    if (this.#firstMs !== null && now - this.#firstMs < SAME_REQUEST_MS) return;
    this.#firstMs ??= now;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#arrived.push(signal);
    else waiting(signal);
  }

  /** One caller at a time. */
  next(): Promise<StopSignal> {
    const signal = this.#arrived.shift();
    if (signal !== undefined) return Promise.resolve(signal);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}

/** One line for what the operator can mend, a stack for what we have to. */
function failStart(error: unknown, log: Log): number {
  const code = error instanceof OptionsError ? EXIT_USAGE : exitCodeOf(error);
  if (code === EXIT_FAILURE) log.error("the server could not start", error);
  else log.error(messageOf(error));
  return code;
}

/** Errors that carry an `exitCode` are meant for the operator. */
function exitCodeOf(error: unknown): number {
  const code: unknown = error instanceof Error && "exitCode" in error ? error.exitCode : undefined;
  return typeof code === "number" ? code : EXIT_FAILURE;
}

/**
 * The ready line, whose words never change, because scripts wait for it; then what runs where. In this order, because the first
 * timestamp in local time makes the runtime load its time zones, which takes 8 ms.
 */
function announce(options: Options, server: RunningServer, log: Log): void {
  log.ready(`Listening on port ${server.port} (${server.url}) pid=${process.pid}`);
  log.info(`Serving ${resolve(options.root)} on ${server.urls.join(" and ")}`);
  if (server.certificate !== null) log.info(`Certificate: ${describeCertificate(server)}`);
  if (server.redirectUrl !== null) log.info(`Plain requests to ${server.redirectUrl} are sent to https`);
  log.info(`Uploads go to ${resolve(options.uploads)}`);
  log.info(`Thread pool size: ${options.threads}, ${options.queue} more may wait`);
  if (options.logFile !== "") log.info(`Requests are logged to ${resolve(options.logFile)}`);
  log.info("Press Ctrl+C to stop");
}
