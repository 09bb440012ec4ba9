/**
 * `httpserver probe [URL | --port-file F]`: waits until a server answers, for health checks without shell and curl. It runs every
 * few seconds, so it does not load the server.
 *
 * A URL with a path is ready when it answers 2xx. Without a path, a server of ours has to answer, with a status below 500: it
 * answers 404 without `--status`, and 401 or 403 to an unknown client. The field Server tells it from another program on the port.
 */
import { readFileSync } from "node:fs";
import { quote } from "../http/escape.ts";
import { normalizeHost } from "../http/ip-address.ts";
import { parseDuration } from "../http/units.ts";
import { parseSetting } from "../settings/kinds.ts";
import { serverTable } from "../settings/server-settings.ts";
import { messageOf, OptionsError } from "../settings/start-error.ts";
import type { Environment } from "./command-line.ts";
import { EXIT_OK, say } from "./say.ts";

/** Milliseconds: the defaults, and the longest that may be asked for. */
const TIMEOUT_MS = 10_000;
const INTERVAL_MS = 100;
const TIME_MS_MAX = 24 * 3600 * 1000;

/** Longest wait for one response: a program that accepts and stays silent may be replaced by one that answers. */
const ANSWER_MS_MAX = 5000;

/** Shortest wait: also the last request, sent when the time is over, may get its response. */
const ANSWER_MS_MIN = 100;

/** Path at which a server tells its state. */
const READY_PATH = "/__server/ready";

/** URLs to ask, and for how long. */
export type ProbeOrder =
  | {
      readonly kind: "probe";
      /** Each is asked, and one that is ready is enough. `{port}` stands for the port in `portFile`. */
      readonly urls: readonly string[];
      /** True: a server of ours has to answer. False: any program, with 2xx. */
      readonly isOurs: boolean;
      /** Path of the file with the port, or "". */
      readonly portFile: string;
      readonly timeoutMs: number;
      readonly intervalMs: number;
    }
  | { readonly kind: "help"; readonly text: string }
  /** A mistake, on one line without LF. */
  | { readonly kind: "error"; readonly line: string };

/** Reads the words after `probe`, and the environment. A word beats the environment. */
export function parseProbe(words: readonly string[], env: Environment): ProbeOrder {
  try {
    if (words.includes("--help") || words.includes("-h")) return { kind: "help", text: HELP };
    const { flags, places } = readWords(words);
    const [url, extra] = places;
    const given = flags.get("port-file");
    if (extra !== undefined || (url !== undefined && given !== undefined)) {
      throw new OptionsError(`expected one URL or --port-file, got ${quote(extra ?? url)} as well`);
    }
    const portFile = url === undefined ? (given ?? env["HTTPSERVER_PORT_FILE"] ?? "") : "";
    return {
      kind: "probe",
      ...(url === undefined ? fromEnvironment(env, portFile) : fromUrl(url)),
      portFile,
      timeoutMs: duration(flags, "timeout", TIMEOUT_MS),
      intervalMs: duration(flags, "interval", INTERVAL_MS),
    };
  } catch (error) {
    if (error instanceof OptionsError) return { kind: "error", line: `httpserver: probe: ${error.message}` };
    throw error;
  }
}

/** The flags of this command. */
export const PROBE_FLAGS = [
  { name: "port-file", value: "FILE", help: "waits for the file too, and asks the port that it names" },
  { name: "timeout", value: "10s", help: "longest wait" },
  { name: "interval", value: "100ms", help: "pause between two questions" },
] as const;

const HELP = `Waits until a server is ready: exit 0, or 1 when the time is over.
Usage: httpserver probe [URL | --port-file FILE] [flags]

${PROBE_FLAGS.map(({ name, value, help }) => `    ${`--${name} ${value}`.padEnd(20)} ${help}`).join("\n")}

A URL with a path is asked for it, and has to answer 2xx. Without a path, or
without a URL, it is a server of ours that has to answer. Without either, it is
where HTTPSERVER_PORT_FILE, or HTTPSERVER_HOST and HTTPSERVER_PORT, say.
`;

type Flag = (typeof PROBE_FLAGS)[number]["name"];

/** Reads `--flag value`, `--flag=value`, and the other words. Throws `OptionsError`. */
function readWords(words: readonly string[]): { flags: ReadonlyMap<Flag, string>; places: readonly string[] } {
  const flags = new Map<Flag, string>();
  const places: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (!word.startsWith("-")) {
      places.push(word);
      continue;
    }
    const [, given, attached] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const name = PROBE_FLAGS.find((flag) => flag.name === given)?.name;
    if (name === undefined)
      throw new OptionsError(`unknown flag ${quote(word)}; httpserver probe --help lists the flags`);
    const value = attached ?? words[++index];
    if (value === undefined || value === "") throw new OptionsError(`--${name} needs a value`);
    flags.set(name, value);
  }
  return { flags, places };
}

function duration(flags: ReadonlyMap<Flag, string>, flag: "timeout" | "interval", otherwise: number): number {
  const text = flags.get(flag);
  if (text === undefined) return otherwise;
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined && milliseconds >= 1 && milliseconds <= TIME_MS_MAX) return milliseconds;
  throw new OptionsError(`--${flag}: expected a time from 1ms to 24h such as 500ms, 30s or 2m, got ${quote(text)}`);
}

type Targets = Pick<Extract<ProbeOrder, { kind: "probe" }>, "urls" | "isOurs">;

function fromUrl(text: string): Targets {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text)) {
    throw new OptionsError(`expected a URL such as http://127.0.0.1:8080, got ${quote(text)}`);
  }
  const hasPath = /^[a-z]+:\/\/[^/?#]*[/?]/i.test(text);
  return { urls: [hasPath ? url.href : `${url.origin}${READY_PATH}`], isOurs: !hasPath };
}

/** Returns the URLs of a server with this environment, as its own machine reaches it. Throws `OptionsError`. */
function fromEnvironment(env: Environment, portFile: string): Targets {
  const port = portFile === "" ? env["HTTPSERVER_PORT"] || String(serverTable.port.default) : "{port}";
  if (portFile === "" && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)) {
    throw new OptionsError(
      `HTTPSERVER_PORT: expected a port from 1 to 65535, got ${quote(port)}; or name a --port-file`,
    );
  }
  const named = env["HTTPSERVER_HOST"];
  const host = normalizeHost(named || serverTable.host.default);
  if (host === undefined)
    throw new OptionsError(`HTTPSERVER_HOST: expected ${serverTable.host.expected}, got ${quote(named)}`);
  const isSecure =
    env["HTTPSERVER_TLS_CERT"] || parseSetting(serverTable.tlsSelfSigned, env["HTTPSERVER_TLS_SELF_SIGNED"] ?? "");
  const scheme = isSecure ? "https" : "http";
  const hosts = named && !WILDCARDS.has(host) ? [host] : ["127.0.0.1", "::1"];
  return {
    urls: hosts.map((name) => `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}${READY_PATH}`),
    isOurs: true,
  };
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Asks until a server is ready. Resolves with the exit code. */
export async function probe(words: readonly string[], env: Environment): Promise<number> {
  const order = parseProbe(words, env);
  if (order.kind !== "probe") return say(order);
  const { urls, isOurs, portFile, timeoutMs, intervalMs } = order;
  const deadline = performance.now() + timeoutMs;
  try {
    await Promise.any(urls.map((url) => waitFor(url, isOurs, portFile, intervalMs, deadline)));
    return EXIT_OK;
  } catch (error) {
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
    const seen = [...new Set(errors.map(messageOf))].join("; ");
    return say({ kind: "not-ready", line: `httpserver: not ready after ${timeoutMs / 1000} s: ${seen}` });
  }
}

/** Asks one URL until it is ready. Rejects with the last finding when the time is over. */
async function waitFor(
  template: string,
  isOurs: boolean,
  portFile: string,
  intervalMs: number,
  deadline: number,
): Promise<void> {
  for (;;) {
    const port = portFile === "" ? "" : readPort(portFile);
    const url = port === null ? null : template.replace("{port}", port);
    const waitMs = Math.max(ANSWER_MS_MIN, Math.min(ANSWER_MS_MAX, deadline - performance.now()));
    const seen = url === null ? `no port in ${portFile}` : await ask(url, isOurs, waitMs);
    if (seen === null) return;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) throw new Error(url === null ? seen : `${url}: ${seen}`);
    await Bun.sleep(Math.min(intervalMs, leftMs));
  }
}

/** Returns the digits in the file, or null while it has none. */
function readPort(path: string): string | null {
  try {
    return /^(\d{1,5})\r?\n?$/.exec(readFileSync(path, "latin1"))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Resolves with null when the response means ready, else with the finding. Waits at most `waitMs`. */
async function ask(url: string, isOurs: boolean, waitMs: number): Promise<string | null> {
  try {
    const isLoopback = LOOPBACK.test(new URL(url).hostname);
    // A proxy is for other machines, but fetch would use it for this one too.
    if (isLoopback) process.env["NO_PROXY"] = "*";
    const response = await fetch(url, {
      signal: AbortSignal.timeout(Math.ceil(waitMs)),
      redirect: "manual",
      keepalive: false,
      // Between two programs of one machine there is no attacker, and a certificate for tests has no known issuer.
      tls: { rejectUnauthorized: !isLoopback },
    });
    await response.body?.cancel();
    const { status, ok, headers } = response;
    if (!isOurs) return ok ? null : `answered ${status}`;
    if (headers.get("Server") !== "httpserver") return `answered ${status}, and is another program`;
    return status < 500 ? null : `answered ${status}`;
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") return "no answer";
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return REASONS[code] ?? messageOf(error);
  }
}

/** Reasons for a missing connection, in place of Bun's sentences. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  EADDRNOTAVAIL: "this machine has no such address",
};

const LOOPBACK = /^(?:127(?:\.\d+){3}|\[::1\]|(?:.+\.)?localhost)$/;
