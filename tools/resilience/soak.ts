/**
 * Mixed traffic for an hour: `bun tools/resilience/soak.ts [--minutes N] [--seed N] [--binary FILE] [--summary FILE]`.
 *
 * One server with its access log in a file that is rotated each minute; clients of every kind (support/traffic.ts) at a rate that
 * leaves most of a core idle; each status and each body is checked. From time to time the traffic pauses, and the server has
 * to come to rest. It fails unless
 * - no answer was another than expected;
 * - resident memory is flat: over the last five sixths of the time each minute's median is within a tenth of the median of all. A single
 *   second's peak is content on its way and garbage not yet collected; it is told, and growth shows in the minutes;
 * - descriptors are flat: in each pause they return to what the first pause, after a warm-up, left open;
 * - the server ends with 0 when it is asked to.
 */
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../fuzz/random.ts";
import { conclude, LOOP_FLAGS, loopSettings, numberFlag, VIOLATIONS_MAX } from "./support/command.ts";
import { cpuMsOf, descriptorsOf, memoryOf } from "./support/process-figures.ts";
import { ServerProcess } from "./support/server-process.ts";
import { KINDS, Traffic } from "./support/traffic.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

/** Between two looks at memory; between two lines. */
const SAMPLE_MS = SECOND_MS;
const LINE_MS = 10 * SECOND_MS;

/** Between two pauses of the traffic. */
const PAUSE_EACH_MS = 5 * MINUTE_MS;

/** Longest time that visits under way and then descriptors may take in a pause: a slow reader takes three seconds. */
const SETTLE_MS = 20 * SECOND_MS;

/** Shortest time between two visits' beginnings that the timer can keep apart. */
const TURN_MS = 5;

/** Visits of one kind at the same time; a server that hangs must not cost us our own descriptors. */
const VISITS_AT_ONCE_MAX = 50;

/** Descriptors that do not change for so long are at rest. */
const QUIET_MS = 300;

const BRIEF_PACE = 0.1;

const RESIDENT_SPREAD_MAX = 1.1;
const SAMPLES_A_MINUTE = MINUTE_MS / SAMPLE_MS;
const END_MS = 15_000;

interface SoakOptions {
  readonly binary: string;
  readonly minutes: number;
  readonly seed: number;
  /**
   * For a run of seconds: slow visits are a tenth as slow, and memory is reported, not judged, because the runtime itself still
   * grows.
   */
  readonly isBrief?: boolean;
  readonly progress?: (line: string) => void;
}

/** One line. */
interface Sample {
  readonly seconds: number;
  readonly visits: number;
  readonly unexpected: number;
  readonly residentMiB: number;
  readonly descriptors: number;
  /** CPU since the last line, percent of one core. */
  readonly serverCpu: number;
  readonly clientCpu: number;
}

interface SoakReport {
  readonly minutes: number;
  readonly visits: Readonly<Record<string, number>>;
  readonly unexpected: number;
  /** Visits that were not begun because too many of their kind were under way. */
  readonly skipped: number;
  /** Over the last five sixths of the time, MiB. */
  readonly resident: { readonly median: number; readonly max: number; readonly spread: number };
  /** Open before the first visit, after the warm-up, and in each pause since. */
  readonly descriptors: { readonly fresh: number; readonly rest: number; readonly pauses: readonly number[] };
  /** CPU over all, percent of one core. */
  readonly serverCpu: number;
  readonly clientCpu: number;
  readonly samples: readonly Sample[];
  readonly violations: readonly string[];
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { ...LOOP_FLAGS, minutes: { type: "string", default: "60" } } });
  const minutes = numberFlag("minutes", values.minutes, 0.01);
  conclude(await soak({ ...loopSettings(values), minutes }), values.summary);
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const folder = mkdtempSync(join(tmpdir(), "soak-"));
  let server: ServerProcess | null = null;
  try {
    const traffic = new Traffic(folder, new Random(options.seed), options.isBrief === true ? BRIEF_PACE : 1);
    server = await ServerProcess.start(options.binary, ["--log-file", "access.log", "--log-format", "json"], folder);
    traffic.port = server.port;
    return await new Soak(options, server, traffic).run();
  } finally {
    server?.signal("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #server: ServerProcess;
  readonly #traffic: Traffic;
  readonly #visits: Record<string, number> = Object.fromEntries(KINDS.map((kind) => [kind.name, 0]));
  readonly #underWay = new Map<string, number>();
  readonly #violations: string[] = [];
  readonly #samples: Sample[] = [];
  readonly #resident: number[] = [];
  #unexpected = 0;
  #skipped = 0;
  #startMs = 0;

  constructor(options: SoakOptions, server: ServerProcess, traffic: Traffic) {
    this.#options = options;
    this.#server = server;
    this.#traffic = traffic;
  }

  async run(): Promise<SoakReport> {
    const totalMs = this.#options.minutes * MINUTE_MS;
    const fresh = descriptorsOf(this.#server.pid);
    // Once each, so that what the runtime opens with the first request of a kind is open.
    await Promise.all(KINDS.map((kind) => this.#visit(kind.name, kind.visit)));
    const rest = await this.#rest(null);
    const pauses: number[] = [];
    this.#startMs = performance.now();
    const cpu = new CpuMeter(this.#server);
    const sampler = setInterval(() => this.#resident.push(memoryOf(this.#server.pid)), SAMPLE_MS);
    const lines = new CpuMeter(this.#server);
    const liner = setInterval(() => this.#line(lines), LINE_MS);
    const rotator = setInterval(() => this.#rotate(), MINUTE_MS);
    while (this.#elapsedMs() < totalMs) {
      await this.#send(Math.min(PAUSE_EACH_MS, totalMs - this.#elapsedMs()));
      pauses.push(await this.#rest(rest));
    }
    for (const timer of [sampler, liner, rotator]) clearInterval(timer);
    const used = cpu.read();
    this.#line(lines);
    this.#server.signal("SIGTERM");
    const exit = await this.#server.ended(END_MS);
    if (exit !== 0) this.#violated(`the server ended with ${exit}: ${this.#server.printed}`);
    return {
      minutes: Math.round((this.#elapsedMs() / MINUTE_MS) * 100) / 100,
      visits: this.#visits,
      unexpected: this.#unexpected,
      skipped: this.#skipped,
      resident: this.#judgeMemory(),
      descriptors: { fresh, rest, pauses },
      serverCpu: used.server,
      clientCpu: used.client,
      samples: this.#samples,
      violations: this.#violations,
    };
  }

  #elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Begins visits, each kind at its rate, for `ms`. */
  async #send(ms: number): Promise<void> {
    const startMs = performance.now();
    // Spread, so that the kinds do not all begin in the same moment.
    const due = KINDS.map((kind) => (this.#traffic.random.below(1000) / 1000) * (SECOND_MS / kind.perSecond));
    for (let now = 0; now < ms; now = performance.now() - startMs) {
      for (const [i, kind] of KINDS.entries()) {
        while ((due[i] as number) <= now) {
          due[i] = (due[i] as number) + SECOND_MS / kind.perSecond;
          if ((this.#underWay.get(kind.name) ?? 0) >= VISITS_AT_ONCE_MAX) this.#skipped++;
          else void this.#visit(kind.name, kind.visit);
        }
      }
      await Bun.sleep(TURN_MS);
    }
  }

  async #visit(name: string, visit: (traffic: Traffic) => Promise<string | null>): Promise<void> {
    this.#underWay.set(name, (this.#underWay.get(name) ?? 0) + 1);
    this.#visits[name] = (this.#visits[name] ?? 0) + 1;
    const sentence = await visit(this.#traffic).catch((error: unknown) => String(error));
    this.#underWay.set(name, (this.#underWay.get(name) ?? 1) - 1);
    if (sentence === null) return;
    this.#unexpected++;
    this.#violated(`${name}, ${Math.round(this.#elapsedMs() / SECOND_MS)} s: ${sentence}`);
  }

  /** Waits for visits under way, leaves, and waits until the server has `expected` descriptors open, or no fewer than before. */
  async #rest(expected: number | null): Promise<number> {
    const deadline = performance.now() + SETTLE_MS;
    while ([...this.#underWay.values()].some((count) => count > 0) && performance.now() < deadline) {
      await Bun.sleep(TURN_MS);
    }
    this.#traffic.leave();
    let open = descriptorsOf(this.#server.pid);
    for (let quietMs = 0; quietMs < QUIET_MS && performance.now() < deadline; ) {
      await Bun.sleep(100);
      const now = descriptorsOf(this.#server.pid);
      quietMs = now === open ? quietMs + 100 : 0;
      open = now;
      if (expected !== null && open <= expected) break;
    }
    while (expected !== null && open > expected && performance.now() < deadline) {
      await Bun.sleep(100);
      open = descriptorsOf(this.#server.pid);
    }
    if (expected !== null && open > expected) this.#violated(`${open} descriptors open at rest, ${expected} before`);
    return open;
  }

  #line(cpu: CpuMeter): void {
    const used = cpu.read();
    const sample: Sample = {
      seconds: Math.round(this.#elapsedMs() / SECOND_MS),
      visits: Object.values(this.#visits).reduce((sum, count) => sum + count, 0),
      unexpected: this.#unexpected,
      residentMiB: Math.round(memoryOf(this.#server.pid) * 10) / 10,
      descriptors: descriptorsOf(this.#server.pid),
      serverCpu: used.server,
      clientCpu: used.client,
    };
    this.#samples.push(sample);
    this.#options.progress?.(
      `${sample.seconds} s: ${sample.visits} visits, ${sample.unexpected} unexpected, ${sample.residentMiB} MiB, ` +
        `${sample.descriptors} descriptors, CPU ${sample.serverCpu} % and ours ${sample.clientCpu} %`,
    );
  }

  /** As logrotate does it. */
  #rotate(): void {
    const path = join(this.#traffic.folder, "access.log");
    renameSync(path, `${path}.1`);
    this.#server.signal("SIGHUP");
  }

  #judgeMemory(): SoakReport["resident"] {
    const last = this.#resident.slice(Math.ceil(this.#resident.length / 6));
    const median = medianOf(last);
    const minutes: number[] = [];
    for (let at = 0; at < last.length; at += SAMPLES_A_MINUTE)
      minutes.push(medianOf(last.slice(at, at + SAMPLES_A_MINUTE)));
    const spread = Math.max(...minutes.map((minute) => Math.max(minute / median, median / minute)));
    if (spread > RESIDENT_SPREAD_MAX && this.#options.isBrief !== true) {
      const told = minutes.map((minute) => minute.toFixed(1)).join(" ");
      this.#violated(`memory is not flat: median ${median.toFixed(1)} MiB, by minutes ${told}`);
    }
    const rounded = (value: number) => Math.round(value * 1000) / 1000;
    return { median: rounded(median), max: rounded(Math.max(...last)), spread: rounded(spread) };
  }

  #violated(sentence: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(sentence);
  }
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** CPU of the server and of this process between two readings, percent of one core. */
class CpuMeter {
  readonly #server: ServerProcess;
  #atMs = performance.now();
  #serverMs: number;
  #client = process.cpuUsage();

  constructor(server: ServerProcess) {
    this.#server = server;
    this.#serverMs = cpuMsOf(server.pid);
  }

  read(): { server: number; client: number } {
    const now = performance.now();
    const percent = (ms: number) => Math.round((ms / (now - this.#atMs)) * 1000) / 10;
    const client = process.cpuUsage(this.#client);
    const serverMs = cpuMsOf(this.#server.pid);
    const used = { server: percent(serverMs - this.#serverMs), client: percent((client.user + client.system) / 1000) };
    this.#atMs = now;
    this.#serverMs = serverMs;
    this.#client = process.cpuUsage();
    return used;
  }
}
