/**
 * Processes of a measurement: started on one core, watched through /proc (Linux only), always ended.
 *
 * Everything started here is remembered until it is gone; `endAll` and, as a last resort, this process's own exit end what is
 * left, each by its number, with its children. Nothing is ever looked up by name.
 */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";

/** The server's core and the load generator's: apart, so that neither takes time from the other. */
export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;

/** Longest wait for a server to be ready, ms: nginx is up in 10, sirv reads 100,000 files first. */
const READY_MS = 30_000;

/** Wait after SIGTERM before SIGKILL, ms. */
const END_MS = 3_000;

/** Ticks that the threads in sight cannot account for, µs: more than the rounding of two processes' times, before and after. */
const UNSEEN_US_MAX = 50_000;

/** Clock ticks per second in /proc/PID/stat: fixed at 100 for user space on Linux, asked for all the same. */
const TICKS_PER_SECOND = readTicksPerSecond();

interface LaunchOptions {
  /** Several as taskset(1) writes them: `0,1`. */
  readonly core: number | string;
  /** Receives standard output and error: a file costs the server what it costs an operator, and nobody must read it. */
  readonly outputFile: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** CPU of a process and its children since some moment, microseconds. */
export interface CpuUsage {
  /** The scheduler's own count of nanoseconds, over all threads seen so far. */
  readonly threadsUs: number;
  /** What the same threads have waited for their core while they could have run: other programs' work. */
  readonly waitedUs: number;
  /** The same split, dead threads included, but rounded to ticks of 10 ms. */
  readonly userUs: number;
  readonly systemUs: number;
}

/** Ten thousand connections need as many descriptors, on both sides; a shell's usual limit is 1,024. Each word execs the next. */
const RAISE_FILE_LIMIT: readonly string[] = ["sh", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh"];

const running = new Set<Launched>();

process.on("exit", () => {
  for (const launched of running) launched.kill();
});

/** A running server with its children. */
export class Launched {
  readonly pid: number;
  readonly #child: Bun.Subprocess;
  readonly #outputFile: string;
  /** All that were ever seen below `pid`, so that orphans can be ended too. */
  readonly #seen = new Set<number>();
  /** Of each thread when it was last looked at, by `pid/tid`, and the sum of all growth. */
  readonly #threads = new Map<string, ThreadTime>();
  #ranNs = 0;
  #waitedNs = 0;

  constructor(child: Bun.Subprocess, outputFile: string) {
    this.#child = child;
    this.pid = child.pid;
    this.#outputFile = outputFile;
    running.add(this);
  }

  /** What it has printed so far. */
  output(): string {
    return readText(this.#outputFile);
  }

  /** Resolves with the match of `pattern` in its output. Rejects when it ends before, or after READY_MS. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await this.#until(() => {
      match = pattern.exec(this.output());
      return match !== null;
    });
    return match as unknown as RegExpExecArray;
  }

  /** Resolves when a TCP connection to `port` is accepted. Rejects as `printed` does. */
  async accepts(port: number): Promise<void> {
    await this.#until(() => canConnect(port));
  }

  async #until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + READY_MS;
    while (!(await condition())) {
      if (this.#child.exitCode !== null) {
        throw new Error(`ended with exit code ${this.#child.exitCode}: ${lastLine(this.output())}`);
      }
      if (performance.now() > deadline) throw new Error(`not ready after ${READY_MS} ms: ${lastLine(this.output())}`);
      await Bun.sleep(10);
    }
  }

  isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * CPU of the process and its children so far. A thread's time is in /proc/PID/task/TID/schedstat, exact to the nanosecond,
   * and gone with the thread; that of the whole process in /proc/PID/stat, whole but in ticks. `cpuBetween` makes one of both.
   */
  cpu(): CpuUsage {
    let user = 0;
    let system = 0;
    for (const pid of this.#tree()) {
      const fields = statFields(pid);
      user += Number(fields[11] ?? 0); // utime and stime, proc(5)
      system += Number(fields[12] ?? 0);
      for (const tid of entriesOf(`/proc/${pid}/task`)) this.#addThread(`${pid}/${tid}`, threadTime(pid, tid));
    }
    const tickUs = 1e6 / TICKS_PER_SECOND;
    return {
      threadsUs: this.#ranNs / 1e3,
      waitedUs: this.#waitedNs / 1e3,
      userUs: user * tickUs,
      systemUs: system * tickUs,
    };
  }

  /** A number lower than the last one is that of a new thread with the number of an old one. */
  #addThread(key: string, time: ThreadTime): void {
    const last = this.#threads.get(key);
    const isSame = last !== undefined && time.ranNs >= last.ranNs;
    this.#ranNs += time.ranNs - (isSame ? last.ranNs : 0);
    this.#waitedNs += time.waitedNs - (isSame ? last.waitedNs : 0);
    this.#threads.set(key, time);
  }

  /** Resident memory now, KiB, summed over the tree (shared pages count in each). */
  residentKiB(): number {
    return this.#sumStatus("VmRSS");
  }

  /** The highest resident memory since the start, KiB, summed over the tree. */
  peakResidentKiB(): number {
    return this.#sumStatus("VmHWM");
  }

  #sumStatus(name: string): number {
    let kib = 0;
    for (const pid of this.#tree()) {
      kib += Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
    }
    return kib;
  }

  #tree(): readonly number[] {
    const tree = processTree(this.pid);
    for (const pid of tree) this.#seen.add(pid);
    return tree;
  }

  /** SIGTERM, then SIGKILL for what is left. Resolves when the process is gone. */
  async end(): Promise<void> {
    const tree = this.#tree();
    if (this.isRunning()) this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_MS);
    await this.#child.exited;
    clearTimeout(timer);
    for (const pid of tree) if (pid !== this.pid) await endOrphan(pid);
    running.delete(this);
  }

  /** At once, without waiting. */
  kill(): void {
    const tree = this.isRunning() ? this.#tree() : [...this.#seen];
    for (const pid of tree) if (pid === this.pid || tree.length > 1) signal(pid, "SIGKILL");
    running.delete(this);
  }
}

/** What was spent between two looks. */
export interface CpuSpent {
  readonly us: number;
  /** The kernel's part of it, 0 to 1; null when it was too little to be split. */
  readonly systemShare: number | null;
  readonly waitedUs: number;
}

/** The exact count, unless threads have ended in between and taken theirs with them: then the ticks. */
export function cpuBetween(before: CpuUsage, after: CpuUsage): CpuSpent {
  const exactUs = after.threadsUs - before.threadsUs;
  const systemUs = after.systemUs - before.systemUs;
  const ticksUs = systemUs + after.userUs - before.userUs;
  return {
    us: ticksUs - exactUs > UNSEEN_US_MAX ? ticksUs : exactUs,
    systemShare: ticksUs > 0 ? systemUs / ticksUs : null,
    waitedUs: after.waitedUs - before.waitedUs,
  };
}

/** Starts `words` pinned to a core. */
export function launch(words: readonly string[], options: LaunchOptions): Launched {
  const output = openSync(options.outputFile, "w");
  try {
    const child = Bun.spawn([...RAISE_FILE_LIMIT, "taskset", "-c", String(options.core), ...words], {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...cleanEnvironment(), ...options.env },
      stdin: "ignore",
      stdout: output,
      stderr: output,
    });
    return new Launched(child, options.outputFile);
  } finally {
    closeSync(output);
  }
}

/** Runs `words` pinned to a core (or to several, `0,1`) to their end and returns standard output. Rejects with what was printed otherwise. */
export async function runPinned(cores: number | string, words: readonly string[]): Promise<string> {
  return (await runTimed(cores, words)).output;
}

/** Runs `words` as `runPinned` does. Returns standard output, and the CPU time that they took. */
export async function runTimed(
  cores: number | string,
  words: readonly string[],
): Promise<{ readonly output: string; readonly cpuUs: number }> {
  const child = Bun.spawn([...RAISE_FILE_LIMIT, "taskset", "-c", String(cores), ...words], {
    env: cleanEnvironment(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const tool: Tool = { kill: () => child.kill("SIGKILL") };
  tools.add(tool);
  try {
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (code !== 0) throw new Error(`${words[0]} ended with exit code ${code}: ${lastLine(stderr || stdout)}`);
    return { output: stdout, cpuUs: Number(child.resourceUsage()?.cpuTime.total ?? 0) };
  } finally {
    tools.delete(tool);
  }
}

interface Tool {
  kill(): void;
}

const tools = new Set<Tool>();

process.on("exit", () => {
  for (const tool of tools) tool.kill();
});

/** Ends every process that was started here and still runs. */
export async function endAll(): Promise<void> {
  for (const tool of tools) tool.kill();
  await Promise.all([...running].map((launched) => launched.end()));
}

/** No setting of ours may leak into a measured server, and none of them may ask the network for updates. */
function cleanEnvironment(): Record<string, string> {
  const env: Record<string, string> = { NO_UPDATE_CHECK: "1", NO_COLOR: "1", NODE_ENV: "production" };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith("HTTPSERVER_") && name !== "PORT") env[name] = value;
  }
  return env;
}

/** A port that nobody listens on at this moment, for servers that cannot choose one themselves. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

async function canConnect(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {}, error() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

/** `root` and everything below it, by the parents' numbers in /proc. */
function processTree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] as number) ?? []));
  return tree;
}

/** The fields of /proc/PID/stat from the third on: the second, a name in parentheses, may contain anything. */
function statFields(pid: number): readonly string[] {
  const text = readText(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** Nanoseconds on a processor, and waiting for one. */
interface ThreadTime {
  readonly ranNs: number;
  readonly waitedNs: number;
}

/** The first two numbers of its schedstat; zeros for a thread that is gone. */
function threadTime(pid: number, tid: string): ThreadTime {
  const [ran = "", waited = ""] = readText(`/proc/${pid}/task/${tid}/schedstat`).split(" ");
  return { ranNs: Number(ran), waitedNs: Number(waited) };
}

/** Nothing for a folder that is gone, as a process is between two looks. */
function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readTicksPerSecond(): number {
  const asked = Bun.spawnSync(["getconf", "CLK_TCK"], { stderr: "ignore" });
  return asked.success ? Number(asked.stdout.toString()) : 100;
}

async function endOrphan(pid: number): Promise<void> {
  const deadline = performance.now() + END_MS;
  while (signal(pid, 0)) {
    if (performance.now() > deadline) signal(pid, "SIGKILL");
    await Bun.sleep(10);
  }
}

/** False when there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
