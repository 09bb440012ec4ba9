/**
 * Settings of the process around a server: its log, how it says that it is ready, when it ends. `startServer` refuses them,
 * because a server in another program has none of this.
 */
import { HOUR } from "../http/units.ts";
import type { TableOf } from "./kinds.ts";

export type LogFormat = "pretty" | "common" | "combined" | "json";
export type ReadyFormat = "text" | "json";

/** Settings of the process, complete and valid; a name ends with its unit. */
export interface ProgramSettings {
  quiet: boolean;
  verbose: boolean;
  logFormat: LogFormat;
  /** Path, or "" for stdout. */
  logFile: string;
  /** The ready line's; like those below it is the program's alone, and nothing to `startServer`. */
  readyFormat: ReadyFormat;
  /** Path of a file that holds the port while the server listens, or "". */
  portFile: string;
  /** Path of a file that URL and port are appended to, or "". */
  envFile: string;
  exitWithParent: boolean;
  /** 0: no end. */
  maxLifetimeMs: number;
  /** Of `httpserver run` alone. */
  strict: boolean;
}

/** In the order of the help and of docs/flags.md. */
export const programTable: TableOf<ProgramSettings> = {
  quiet: {
    flag: "quiet",
    short: "q",
    group: "log",
    kind: "switch",
    default: false,
    help: "stdout has the ready line, nothing else",
  },
  verbose: {
    flag: "verbose",
    short: "v",
    group: "log",
    kind: "switch",
    default: false,
    help: "each step of connections and requests",
  },
  logFormat: {
    flag: "log-format",
    group: "log",
    kind: "choice",
    choices: ["pretty", "common", "combined", "json"],
    default: "pretty",
    help: "pretty, common, combined or json",
  },
  logFile: {
    flag: "log-file",
    group: "log",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "access.log",
    default: "",
    defaultText: "stdout",
    help: "append request lines; SIGHUP reopens it",
  },
  readyFormat: {
    flag: "ready-format",
    group: "process",
    kind: "choice",
    choices: ["text", "json"],
    default: "text",
    help: "the line that says it listens: text, json",
  },
  portFile: {
    flag: "port-file",
    group: "process",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "httpserver.port",
    default: "",
    help: "holds the port while the server listens",
  },
  envFile: {
    flag: "env-file",
    group: "process",
    kind: "text",
    what: "a file",
    emptyAllowed: true,
    example: "server.env",
    default: "",
    help: "gets HTTPSERVER_URL and _PORT appended",
  },
  exitWithParent: {
    flag: "exit-with-parent",
    group: "process",
    kind: "switch",
    default: false, // A server is often meant to outlive the shell that starts it.
    help: "drain when the parent process has ended",
  },
  maxLifetimeMs: {
    flag: "max-lifetime",
    group: "process",
    kind: "duration",
    default: 0,
    defaultText: "off",
    min: 0,
    max: 24 * HOUR, // For servers that a test forgets; and a timer holds 24 days at most.
    help: "drain after so long, exit 0",
  },
  strict: {
    flag: "strict",
    group: "process",
    kind: "switch",
    default: false,
    help: "run: exit 4 after a 404, 405 or 5xx",
  },
};
