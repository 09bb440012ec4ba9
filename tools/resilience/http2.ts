/**
 * Attacks on HTTP/2 against the compiled server, and beside them an ordinary client that must not notice.
 *
 *     bun tools/resilience/http2.ts [part of a kind]
 *
 * For each kind: the memory that the server's process took at most, the time until the attacker was cut off, and the ordinary client's
 * times. The attacker is a process of its own, so that its work delays no clock of the ordinary client. It still takes the processor from
 * both, and the last columns say so: milliseconds for which the server ran, and for which it was ready to run but another process did.
 * Ends with 1 if a bound is passed.
 */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, Program } from "../../test/support/binary.ts";
import { bytesOf } from "../../test/support/bytes.ts";
import {
  block,
  data,
  frame,
  get,
  getLines,
  HELLO,
  PREFACE,
  post,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../../test/support/http2.ts";
import { RawClient } from "../../test/support/raw-client.ts";
import { OrdinaryClient, type Seen } from "./ordinary-client.ts";
import { memoryOf, processorTimeOf } from "./support/process-figures.ts";

/** One way to make a server work, or wait. */
interface Attack {
  readonly name: string;
  /** Bytes with which a connection begins. */
  readonly hello: string;
  /** Bytes of step `i`, until the server ends the connection; null: the attacker waits from here on. */
  readonly step: (i: number) => string | null;
  /** Seconds within which the attacker is cut off. */
  readonly secondsMax: number;
  /** Seconds for which the attacker reads nothing. A socket that is paused hears of no end. */
  readonly pausedSeconds?: number;
  /** Seconds for which the attacker connects again whenever it is cut off. */
  readonly againSeconds?: number;
  /** MiB by which the server may grow, if not GROWTH_MIB_MAX. */
  readonly growthMiBMax?: number;
}

/** Steps whose bytes leave in one write. */
const STEPS_PER_WRITE = 500;

/** Connections of one attack. */
const CONNECTIONS = 4;

/** MiB by which the server may grow, and milliseconds that the slowest hundredth of ordinary requests may take. */
const GROWTH_MIB_MAX = 50;
const P99_MS_MAX = 50;

/** Milliseconds between two requests of each kind of ordinary connection, and between two looks at the memory. */
const PACE_MS = 10;
const LOOK_MS = 50;

/** Shorter than by default, so that a run takes a minute. A reader of which the kernel still holds bytes has four windows. */
const TIMEOUTS = ["--stall-timeout", "4s", "--header-timeout", "3s"];
const STALL_SECONDS_MAX = 6;
const HEAD_SECONDS_MAX = 5;
const READER_SECONDS_MAX = 22;

const WAITING = { hello: PREFACE + settings([4, 0]) + SETTINGS_ACK, secondsMax: STALL_SECONDS_MAX };
/** An entry of 4,000 bytes for the table. */
const ENTRY = `\x40\x01x\x7f\xa1\x1e${"a".repeat(4000)}`;

const ATTACKS: readonly Attack[] = [
  {
    name: "rapid reset, 100,000 streams",
    hello: HELLO,
    step: (i) => (i < 100_000 ? get(2 * i + 1, "/huge.bin") + rst(2 * i + 1) : null),
    secondsMax: 5,
  },
  {
    name: "rapid reset, on a new connection whenever it is cut off",
    hello: HELLO,
    step: (i) => get(2 * i + 1, "/huge.bin") + rst(2 * i + 1),
    secondsMax: 5,
    againSeconds: 3,
    // Thousands of connections: the runtime frees their memory when it finds the time (54 MiB after 3 s, 72 MiB after 12 s).
    growthMiBMax: 100,
  },
  {
    name: "streams that the server resets, 100,000",
    hello: HELLO,
    step: (i) => (i < 100_000 ? post(2 * i + 1) + windowUpdate(2 * i + 1, 0) : null),
    secondsMax: 5,
  },
  {
    name: "CONTINUATION without end",
    hello: HELLO + frame(1, 1, 1),
    step: () => frame(9, 0, 1, "x".repeat(100)),
    secondsMax: 5,
  },
  {
    name: "HPACK bomb",
    hello: HELLO + frame(1, 5, 1, block(...getLines()) + ENTRY),
    step: (i) => (i < 2000 ? frame(1, 5, 2 * i + 3, block(...getLines()) + "\xbe".repeat(16_000)) : null),
    secondsMax: 10,
  },
  { name: "10,000 settings", hello: HELLO, step: (i) => (i < 10_000 ? settings() : null), secondsMax: 5 },
  { name: "empty DATA without end", hello: HELLO + post(1), step: () => data(1, ""), secondsMax: 5 },
  {
    name: "zero window, 100 streams of 1 GiB",
    hello: WAITING.hello,
    step: (i) => (i < 100 ? get(2 * i + 1, "/huge.bin") : null),
    secondsMax: WAITING.secondsMax,
  },
  {
    name: "window by single bytes",
    hello: WAITING.hello + get(1, "/huge.bin"),
    step: () => windowUpdate(1, 1) + windowUpdate(0, 1),
    secondsMax: 10,
  },
  {
    name: "a large window, and nothing is read",
    hello: PREFACE + settings([4, 2 ** 31 - 1]) + SETTINGS_ACK + windowUpdate(0, 2 ** 30),
    step: (i) => (i < 100 ? get(2 * i + 1, "/huge.bin") : null),
    secondsMax: READER_SECONDS_MAX,
    pausedSeconds: 20,
  },
  { name: "half a field block", hello: HELLO + frame(1, 1, 1, "\x82"), step: () => null, secondsMax: HEAD_SECONDS_MAX },
  { name: "half a preface", hello: PREFACE.slice(0, 20), step: () => null, secondsMax: HEAD_SECONDS_MAX },
];

interface Report {
  readonly name: string;
  readonly seen: Seen;
  readonly growthMiB: number;
  readonly growthMiBMax: number;
  /** Seconds until the last connection was cut off; infinite if one was not. */
  readonly seconds: number;
  readonly secondsMax: number;
  /** Milliseconds. */
  readonly ranMs: number;
  readonly waitedMs: number;
}

async function attack(kind: Attack, binary: string): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "http2-"));
  try {
    const root = join(folder, "root");
    mkdirSync(root);
    writeFileSync(join(root, "index.html"), "<!doctype html><title>page</title>".padEnd(1024));
    writeFileSync(join(root, "huge.bin"), "");
    truncateSync(join(root, "huge.bin"), 1024 ** 3);
    const words = [root, "--port", "0", "--log-file", join(folder, "access.log"), "--max-requests", "0", ...TIMEOUTS];
    await using server = await Program.start([binary, ...words], { cwd: folder });
    return await observe(kind, server);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function observe(kind: Attack, server: Program): Promise<Report> {
  const client = new OrdinaryClient(server.port, PACE_MS);
  // An honest client of HTTP/2 first, so that its code is not a part of the growth.
  using honest = await RawClient.connect(server.port);
  honest.send(HELLO + get(1));
  await Bun.sleep(2000);
  const before = memoryOf(server.pid);
  let most = before;
  const looks = setInterval(() => {
    most = Math.max(most, memoryOf(server.pid));
  }, LOOK_MS);
  try {
    const begin = processorTimeOf(server.pid);
    const seconds = await attackFromOutside(kind, server.port);
    const end = processorTimeOf(server.pid);
    const seen = await client.stop();
    return {
      name: kind.name,
      seen,
      growthMiB: most - before,
      growthMiBMax: kind.growthMiBMax ?? GROWTH_MIB_MAX,
      seconds,
      secondsMax: kind.secondsMax + (kind.againSeconds ?? 0),
      ranMs: end.ranMs - begin.ranMs,
      waitedMs: end.waitedMs - begin.waitedMs,
    };
  } finally {
    clearInterval(looks);
    await client.stop();
  }
}

/** Attacks from a process of its own. Returns the seconds until the server has ended the last connection. */
async function attackFromOutside(kind: Attack, port: number): Promise<number> {
  const words = [process.execPath, import.meta.path, ATTACK, kind.name, String(port)];
  const child = Bun.spawn(words, { stdout: "pipe", stderr: "inherit" });
  return Number(await child.stdout.text());
}

/** Attacks over all connections, and prints the seconds until the server has ended the last of them. */
async function attackHere(name: string, port: number): Promise<void> {
  const kind = ATTACKS.find((one) => one.name === name) as Attack;
  const texts = stepsOf(kind);
  const seconds = await Promise.all(Array.from({ length: CONNECTIONS }, () => secondsAgain(kind, texts, port)));
  process.stdout.write(String(Math.max(...seconds)));
}

/** Returns the bytes of write number `i`, made once for all connections. Empty: the attacker waits from here on. */
function stepsOf(kind: Attack): (i: number) => Uint8Array {
  const texts: Uint8Array[] = [];
  return (i) => {
    for (let next = texts.length; next <= i; next++) {
      const steps = Array.from(
        { length: STEPS_PER_WRITE },
        (_, step) => kind.step(next * STEPS_PER_WRITE + step) ?? "",
      );
      texts.push(bytesOf(steps.join("")));
    }
    return texts[i] as Uint8Array;
  };
}

/** Returns the seconds until the server has ended the connection, and the last one after it. */
async function secondsAgain(kind: Attack, texts: (i: number) => Uint8Array, port: number): Promise<number> {
  const begunMs = performance.now();
  const { againSeconds = 0 } = kind;
  let seconds = await secondsOf(kind, texts, port);
  while (Number.isFinite(seconds) && performance.now() - begunMs < 1000 * againSeconds) {
    seconds = await secondsOf(kind, texts, port);
  }
  return Number.isFinite(seconds) ? (performance.now() - begunMs) / 1000 : seconds;
}

/** Attacks over one connection. Returns the seconds until the server has ended it. */
async function secondsOf(kind: Attack, texts: (i: number) => Uint8Array, port: number): Promise<number> {
  using peer = await RawClient.connect(port, { onlyCount: true });
  const { pausedSeconds = 0 } = kind;
  if (pausedSeconds > 0) peer.pause();
  const begunMs = performance.now();
  peer.send(kind.hello);
  for (let i = 0; peer.ending === null; i++) {
    const bytes = texts(i);
    if (bytes.length > 0) peer.send(bytes);
    if (pausedSeconds > 0 && performance.now() - begunMs > 1000 * pausedSeconds) peer.resume();
    if (performance.now() - begunMs > 2000 * kind.secondsMax) return Number.POSITIVE_INFINITY;
    await Bun.sleep(bytes.length === 0 ? LOOK_MS : 1);
  }
  return (performance.now() - begunMs) / 1000;
}

function brokenPromises({ growthMiB, growthMiBMax, seconds, secondsMax, seen }: Report): string[] {
  const broken: string[] = [];
  if (growthMiB > growthMiBMax) broken.push(`grew by more than ${growthMiBMax} MiB`);
  if (seconds > secondsMax) broken.push(`not cut off within ${secondsMax} s`);
  for (const { p99, failures } of [seen.keptAlive, seen.fresh]) {
    if (!(p99 < P99_MS_MAX)) broken.push(`p99 is not below ${P99_MS_MAX} ms`);
    if (failures.size > 0) broken.push(`failed: ${[...failures].map(([why, count]) => `${count} × ${why}`)}`);
  }
  return broken;
}

async function main(part = ""): Promise<number> {
  using binary = await buildBinary();
  let isBroken = false;
  const columns = ["growth, MiB", "cut off after, s", "p99 kept alive, ms", "p99 fresh, ms", "ran, ms", "waited, ms"];
  process.stdout.write(`| attack | ${columns.join(" | ")} | broken |\n`);
  process.stdout.write(`| --- | ${columns.map(() => "---:").join(" | ")} | --- |\n`);
  for (const kind of ATTACKS.filter(({ name }) => name.includes(part))) {
    const report = await attack(kind, binary.path);
    const broken = brokenPromises(report);
    isBroken ||= broken.length > 0;
    const { growthMiB, seconds, seen, ranMs, waitedMs } = report;
    const { keptAlive, fresh } = seen;
    const figures = [growthMiB, seconds, keptAlive.p99, fresh.p99, ranMs, waitedMs].map((value) => value.toFixed(1));
    process.stdout.write(`| ${[kind.name, ...figures, broken.join("; ") || "none"].join(" | ")} |\n`);
  }
  return isBroken ? 1 : 0;
}

/** Word that begins the attacker's command line. */
const ATTACK = "--attack";

if (import.meta.main) {
  const [first, name = "", port] = process.argv.slice(2);
  if (first === ATTACK) await attackHere(name, Number(port));
  else process.exit(await main(first));
}
