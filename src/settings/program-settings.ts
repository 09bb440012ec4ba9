/**
 * Settings of the process around a server: its log, how it says that it is ready, when it ends. `startServer` refuses them,
 * because a server inside another program has no such parts.
 */
import { HOUR } from "../http/units.ts";
import type { TableOf } from "./kinds.ts";

export type LogFormat = "auto" | "pretty" | "common" | "combined" | "json";
type ReadyFormat = "text" | "json";

/** Settings of the process, complete and valid. A name ends with its unit. */
export interface ProgramSettings {
  quiet: boolean;
  verbose: boolean;
  logFormat: LogFormat;
  /** Path, or "" for stdout. */
  logFile: string;
  /** Threads of the process that accept and serve; 0: as many as there are processors for it. */
  workers: number;
  readyFormat: ReadyFormat;
  /** Path of a file that holds the port while the server listens, or "". */
  portFile: string;
  /** Path of a file that URL and port are appended to, or "". */
  envFile: string;
  exitWithParent: boolean;
  exitWithStdin: boolean;
  /** Time between the order to stop and the end of listening; 0: none. */
  drainDelayMs: number;
  /** Time after which the program stops; 0: none. */
  maxLifetimeMs: number;
  /** Unexpected requests make `run` exit with 4. */
  strict: boolean;
}

/** In the order of the help and of docs/flags.md. */
export const programTable: TableOf<ProgramSettings> = {
  quiet: {
    flag: "quiet",
    short: "q",
    kind: "switch",
    group: "log",
    default: false,
    help: "Prints only the ready line, warnings and errors.",
  },
  verbose: {
    flag: "verbose",
    short: "v",
    kind: "switch",
    group: "log",
    default: false,
    help: "Logs each step of connections and requests.",
  },
  logFormat: {
    flag: "log-format",
    kind: "choice",
    group: "log",
    choices: ["auto", "pretty", "common", "combined", "json"],
    default: "auto",
    help: "Format of request lines. auto: a short line on a terminal, else pretty.",
  },
  logFile: {
    flag: "log-file",
    kind: "text",
    value: "FILE",
    group: "log",
    expected: "a file",
    example: "access.log",
    default: "",
    defaultText: "stdout",
    help: "File to append request lines to. SIGHUP reopens it.",
  },
  workers: {
    flag: "workers",
    kind: "integer",
    group: "process",
    default: 1, // One core serves what most sites need, and each further thread takes memory.
    min: 1,
    max: 64, // Beyond it, the one pool and the one log would be the bound.
    auto: 0,
    help: "Processor cores that serve, with one pool; auto is all of them. Linux only.",
  },
  readyFormat: {
    flag: "ready-format",
    kind: "choice",
    group: "process",
    choices: ["text", "json"],
    default: "text",
    help: "Format of the line that says that the server listens.",
  },
  portFile: {
    flag: "port-file",
    kind: "text",
    value: "FILE",
    group: "process",
    expected: "a file",
    example: "httpserver.port",
    default: "",
    help: "Writes the port number to this file once the server listens. The file appears atomically and is removed on shutdown.",
  },
  envFile: {
    flag: "env-file",
    kind: "text",
    value: "FILE",
    group: "process",
    expected: "a file",
    example: "server.env",
    default: "",
    help: "Appends HTTPSERVER_URL and HTTPSERVER_PORT to this file once the server listens.",
  },
  exitWithParent: {
    flag: "exit-with-parent",
    kind: "switch",
    group: "process",
    default: false, // A server is often meant to outlive the shell that starts it.
    help: "Stops the server when its parent process has ended.",
  },
  exitWithStdin: {
    flag: "exit-with-stdin",
    kind: "switch",
    group: "process",
    default: false, // Many supervisors start programs with an empty standard input.
    help: "Stops the server when its standard input ends, as it does when the program at the other end of the pipe has ended.",
  },
  drainDelayMs: {
    flag: "drain-delay",
    kind: "duration",
    group: "process",
    default: 0, // Without a balancer, nothing looks meanwhile.
    min: 0,
    max: HOUR,
    help: "After SIGTERM, still takes connections for this time while /__server/ready says 503, so that a balancer chooses other servers.",
  },
  maxLifetimeMs: {
    flag: "max-lifetime",
    kind: "duration",
    group: "process",
    default: 0,
    defaultText: "off",
    min: 0,
    max: 24 * HOUR, // For servers that a test forgets; and a timer holds 24 days at most.
    help: "Stops the server after this time, with exit code 0.",
  },
  strict: {
    flag: "strict",
    kind: "switch",
    group: "process",
    command: "run",
    default: false,
    help: "Exits with 4 if the command succeeded but a request was answered with 404, 405 or 5xx, or a numbered stub was never reached.",
  },
};
