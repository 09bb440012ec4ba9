/**
 * The status line of `--live`: the last row of a terminal, below the log, shows the pool at work. It is made of what the live page
 * is made of, and the log's own Output draws it, so that it never stands between the lines. It changes at most four times a
 * second; while it does not change, nothing is written.
 */
import type { Snapshot } from "../handlers/endpoints/status.ts";
import type { Log } from "./log.ts";

/** Columns of a terminal that does not tell. */
const COLUMNS = 80;

/** Milliseconds that the rate is taken over. */
const RATE_MS = 1000;

/** What the line shows. */
export interface LiveFigures {
  readonly active: number;
  readonly size: number;
  readonly queued: number;
  /** Requests and connections turned away since the start. */
  readonly refused: number;
  readonly requestsPerSecond: number;
  /** Null when nothing was answered lately. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly connections: number;
}

/** Draws the line from now on, if stdout is a terminal that can; else says so. `env` may ask for no colour (no-color.org). */
export function keepLiveLine(
  server: { watch(see: (snapshot: Snapshot) => void): () => void },
  log: Log,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const terminal = process.stdout;
  if (!terminal.isTTY || env["TERM"] === "dumb") {
    log.warn("--live needs a terminal on stdout; going on without it");
    return;
  }
  const line = new LiveLine(log.takeLastRow(), () => terminal.columns || COLUMNS, !env["NO_COLOR"]);
  process.on("SIGWINCH", () => line.draw());
  server.watch((snapshot) => line.see(snapshot));
}

/** Makes a line of each look at the server. */
export class LiveLine {
  readonly #show: (text: string) => void;
  readonly #columns: () => number;
  readonly #isColored: boolean;
  #figures: LiveFigures | null = null;
  /** The looks of the last second. */
  #looks: Pick<Snapshot, "requests" | "intervalMs">[] = [];

  /** `show` draws a text, `columns` tells the width of the terminal. */
  constructor(show: (text: string) => void, columns: () => number, isColored: boolean) {
    this.#show = show;
    this.#columns = columns;
    this.#isColored = isColored;
  }

  see(snapshot: Snapshot): void {
    const { pool, connections, totals } = snapshot;
    const requestsPerSecond = this.#rate(snapshot);
    // Those of the last look at which there was an answer, as long as the rate tells of it.
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
    };
    this.draw();
  }

  /** Also when the terminal has another width. The last column stays free: a cursor behind it is in the next row for some. */
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

const RED = 31;
const YELLOW = 33;
const PLAIN = 0;

/** The parts that fit into `columns` from the left, the most telling ones first; never more. In ASCII, with or without colours. */
export function renderLiveLine(figures: LiveFigures, columns: number, isColored: boolean): string {
  const { active, size, queued, refused, connections } = figures;
  const parts: readonly (readonly [text: string, color: number])[] = [
    [`${active}/${size} slots`, active === size ? YELLOW : PLAIN],
    [`${queued} queued`, queued > 0 ? YELLOW : PLAIN],
    [refused > 0 ? `${refused} x 503` : "", RED],
    [`${Math.round(figures.requestsPerSecond)} req/s`, PLAIN],
    [`p50 ${formatMs(figures.p50Ms)}, p99 ${formatMs(figures.p99Ms)}`, PLAIN],
    [`${connections} ${connections === 1 ? "connection" : "connections"}`, PLAIN],
  ];
  let line = "";
  let left = Math.max(0, columns);
  for (const [text, color] of parts) {
    if (text === "") continue;
    const gap = line === "" ? "" : SEPARATOR;
    // Half a number is a wrong number; only the first part is cut, where there is no room for anything.
    if (gap !== "" && gap.length + text.length > left) break;
    const shown = text.slice(0, left);
    left -= gap.length + shown.length;
    line += gap + (isColored && color !== PLAIN ? `\x1b[${color}m${shown}\x1b[39m` : shown);
  }
  return line;
}

const SEPARATOR = " | ";

/** Three figures at the most: `0.42 ms`, `4.2 ms`, `420 ms`, `4.2 s`, `42 s`. */
function formatMs(ms: number | null): string {
  if (ms === null) return "-";
  if (ms < 0.995) return `${ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 1000).toFixed(0)} s`;
}
