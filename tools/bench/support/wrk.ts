/** The load generator: one wrk thread on its own core, its numbers read from the line that `wrk.lua` prints. */
import { join } from "node:path";
import { CLIENT_CORE, runPinned } from "./process.ts";

export interface Load {
  readonly connections: number;
  readonly url: string;
  /** Field lines, `Name: value`. */
  readonly fields?: readonly string[];
  /** Requests sent at a time on one connection. */
  readonly batch?: number;
  /** A file with one target a line, asked for in turn. */
  readonly listFile?: string;
  /** Content of a POST of type application/json. */
  readonly bodyFile?: string;
  /** A file with credentials of Basic authentication, one a line, sent in turn. */
  readonly credentialsFile?: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Received, heads included. */
  readonly bytes: number;
  /** Microseconds; null where wrk cannot tell (the tail of pipelined answers). */
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Connections that failed, reads, writes, and answers later than TIMEOUT_SECONDS. */
  readonly socketErrors: number;
  /** Answers with a status of 400 or more. */
  readonly statusErrors: number;
}

/** An answer later than this counts as an error. */
const TIMEOUT_SECONDS = 20;

const SCRIPT = join(import.meta.dir, "wrk.lua");

/** Runs a load for whole seconds. Rejects when wrk itself fails. */
export async function runLoad(load: Load, seconds: number): Promise<LoadResult> {
  return readResult(await runPinned(CLIENT_CORE, wrkWords(load, seconds)));
}

/** Returns the command of a load. */
export function wrkWords(load: Load, seconds: number): readonly string[] {
  const words = [
    "wrk",
    "-t1",
    `-c${load.connections}`,
    `-d${seconds}s`,
    "--timeout",
    `${TIMEOUT_SECONDS}s`,
    "-s",
    SCRIPT,
  ];
  for (const field of load.fields ?? []) words.push("-H", field);
  words.push(load.url, "--");
  if (load.batch !== undefined) words.push(`batch=${load.batch}`);
  if (load.listFile !== undefined) words.push(`list=${load.listFile}`);
  if (load.bodyFile !== undefined) words.push("method=POST", "type=application/json", `bodyfile=${load.bodyFile}`);
  if (load.credentialsFile !== undefined) words.push(`credentials=${load.credentialsFile}`);
  return words;
}

/** The numbers of a generator's RESULT line. Throws when there is none. */
export function readResult(output: string): LoadResult {
  const line = /^RESULT (.*)$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`the load generator printed no result: ${output.trim()}`);
  const numbers = new Map(
    line.split(" ").map((pair): [string, number] => {
      const [name = "", value] = pair.split("=");
      return [name, Number(value)];
    }),
  );
  const of = (name: string) => numbers.get(name) ?? Number.NaN;
  const p50 = of("p50");
  const p99 = of("p99");
  return {
    requests: of("requests"),
    seconds: of("us") / 1e6,
    bytes: of("bytes"),
    p50Us: p50 > 0 ? p50 : null,
    p99Us: p99 >= p50 ? p99 : null,
    socketErrors: of("connect") + of("read") + of("write") + of("timeout"),
    statusErrors: of("status"),
  };
}
