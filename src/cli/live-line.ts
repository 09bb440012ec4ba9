/**
 * The status line of `--live`: the last row of a terminal, below the log, shows the pool at work. Its figures are those of the live
 * page, and the log's own Output draws it, so that it never stands between log lines. It changes at most four times a second. While
 * the text stays the same, the line is not written.
 */
import type { Snapshot } from "../handlers/endpoints/status.ts";
import type { Log } from "./log.ts";
import { columns } from "./say.ts";

/** Milliseconds over which the rate is measured. */
const RATE_MS = 1000;

/** Figures of the line. */
export interface LiveFigures {
  readonly active: number;
  readonly size: number;
  readonly queued: number;
  /** Requests and connections turned away since the start. */
  readonly refused: number;
  readonly requestsPerSecond: number;
  /** Null when there was no response lately. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly connections: number;
  /** Connections of each thread; absent or empty for one. */
  readonly connectionsByWorker?: readonly number[];
}

/** Keeps the line up to date, if stdout is a terminal that can show it; else logs a warning. `env` may ask for no colour (no-color.org). */
export function keepLiveLine(
  server: { watch(see: (snapshot: Snapshot) => void): () => void },
  log: Log,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const terminal = process.stdout;
  if (!terminal.isTTY || env["TERM"] === "dumb") {
    log.warn("--live needs a terminal on stdout: the status line is not shown");
    return;
  }
  const line = new LiveLine(log.takeLastRow(), () => columns(1), !env["NO_COLOR"]);
  process.on("SIGWINCH", () => line.draw());
  server.watch((snapshot) => line.see(snapshot));
}

/** Renders each snapshot of the server as a line. */
export class LiveLine {
  readonly #show: (text: string) => void;
  readonly #columns: () => number;
  readonly #isColored: boolean;
  #figures: LiveFigures | null = null;
  /** Snapshots of the last second. */
  #looks: Pick<Snapshot, "requests" | "intervalMs">[] = [];

  /** `show` draws a text, `columns` returns the width of the terminal. */
  constructor(show: (text: string) => void, columns: () => number, isColored: boolean) {
    this.#show = show;
    this.#columns = columns;
    this.#isColored = isColored;
  }

  see(snapshot: Snapshot): void {
    const { pool, connections, totals } = snapshot;
    const requestsPerSecond = this.#rate(snapshot);
    // Without a response in this snapshot, the percentiles of the last one with a response stay while the rate shows it.
    const { p50Ms, p99Ms } = snapshot.p50Ms === null && requestsPerSecond > 0 ? (this.#figures ?? snapshot) : snapshot;
    this.#figures = {
      active: pool.active,
      size: pool.size,
      queued: pool.queued,
      refused: Object.values(totals.refusals).reduce((sum, count) => sum + count, 0),
      requestsPerSecond,
      p50Ms,
      p99Ms,
      connections: connections.open,
      connectionsByWorker: (snapshot.workers ?? []).map((worker) => worker.connections),
    };
    this.draw();
  }

  /** Draws the figures for the present width. The last column stays free: some terminals wrap the cursor after it. */
  draw(): void {
    if (this.#figures !== null) this.#show(renderLiveLine(this.#figures, this.#columns() - 1, this.#isColored));
  }

  #rate({ requests, intervalMs }: Snapshot): number {
    const looks = this.#looks;
    looks.push({ requests, intervalMs });
    const lengthMs = () => looks.reduce((sum, look) => sum + look.intervalMs, 0);
    while (lengthMs() - (looks[0]?.intervalMs ?? 0) >= RATE_MS) looks.shift();
    return (1000 * looks.reduce((sum, look) => sum + look.requests, 0)) / Math.max(RATE_MS, lengthMs());
  }
}

/** Returns ` (5+7)` for two workers, and nothing for one. */
function shares(connectionsByWorker: readonly number[]): string {
  return connectionsByWorker.length < 2 ? "" : ` (${connectionsByWorker.join("+")})`;
}

const RED = 31;
const YELLOW = 33;
const PLAIN = 0;

/** Returns the parts that fit into `columns`, the most important one first. In ASCII, with or without colours. */
export function renderLiveLine(figures: LiveFigures, columns: number, isColored: boolean): string {
  const { active, size, queued, refused, connections } = figures;
  const parts: readonly (readonly [text: string, color: number])[] = [
    [`${active}/${size} slots`, active === size ? YELLOW : PLAIN],
    [`${queued} queued`, queued > 0 ? YELLOW : PLAIN],
    [refused > 0 ? `${refused} x 503` : "", RED],
    [`${Math.round(figures.requestsPerSecond)} req/s`, PLAIN],
    [`p50 ${formatMs(figures.p50Ms)}, p99 ${formatMs(figures.p99Ms)}`, PLAIN],
    [
      `${connections} ${connections === 1 ? "connection" : "connections"}${shares(figures.connectionsByWorker ?? [])}`,
      PLAIN,
    ],
  ];
  let line = "";
  let left = Math.max(0, columns);
  for (const [text, color] of parts) {
    if (text === "") continue;
    const gap = line === "" ? "" : SEPARATOR;
    // Half a number is a wrong number, so only the first part is ever cut, in a terminal without room for one.
    if (gap !== "" && gap.length + text.length > left) break;
    const shown = text.slice(0, left);
    left -= gap.length + shown.length;
    line += gap + (isColored && color !== PLAIN ? `\x1b[${color}m${shown}\x1b[39m` : shown);
  }
  return line;
}

const SEPARATOR = " | ";

/** Returns a duration with at most three digits: `0.42 ms`, `4.2 ms`, `420 ms`, `4.2 s`, `42 s`. */
function formatMs(ms: number | null): string {
  if (ms === null) return "-";
  if (ms < 0.995) return `${ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 1000).toFixed(0)} s`;
}
