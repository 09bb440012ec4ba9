/**
 * One request's way through the whole server, without the kernel: `bun tools/bench/flow.ts BEFORE AFTER`. Both trees run in one
 * process behind listeners that are not sockets, and take turns of some milliseconds, so that a busy machine slows both alike.
 * Prints the nanoseconds of CPU and the bytes of JavaScript heap of a request, and the ratio of the trees.
 *
 * A process decides once how a function is compiled. So there are several couples of processes, and each result is their median.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { heapStats } from "bun:jsc";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { BROWSER_FIELDS } from "./support/browser.ts";
import { runPinned, SERVER_CORE } from "./support/process.ts";
import { formatNumber, formatTable, median } from "./support/statistics.ts";

const USAGE = `Usage: bun tools/bench/flow.ts BEFORE AFTER [--couples N] [--pairs N]

  BEFORE, AFTER  folders of two source trees, each with its packages installed
  --couples      of processes, 4 by default
  --pairs        turns of each tree, for each kind of request, 40 by default
`;

/** CPU time of one turn, and of all turns that come before the first one that counts, ms. */
const TURN_MS = 8;
const WARM_UP_MS = 600;

/** A file that was written a moment ago may be written again, so a server keeps it in memory only after this time, ms. */
const SETTLED_MS = 2_200;

const PAGE_BYTES = 1024;

/** Requests over which allocation is measured, and tries, the least of which counts: other growth only ever adds. */
const ALLOCATION_REQUESTS = 4_000;
const ALLOCATION_TRIES = 4;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    couples: { type: "string", default: "4" },
    pairs: { type: "string", default: "40" },
    child: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [couples, pairs] = [Number(values.couples), Number(values.pairs)];
const trees = positionals.map((folder) => resolve(folder));
const isUsable = trees.length === 2 && [couples, pairs].every((count) => Number.isSafeInteger(count) && count >= 1);
if (values.help || !isUsable) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const clock = dlopen("libc.so.6", { clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 } });
const time = new BigInt64Array(2);
const timePointer = ptr(time);

/** One kind of request in one process: nanoseconds and heap bytes of a request for each tree, and the ratio of times. */
interface FlowRow {
  readonly name: string;
  readonly ns: readonly [before: number, after: number];
  readonly heapBytes: readonly [before: number, after: number];
  readonly ratio: number;
}

if (values.child) {
  process.stdout.write(`${JSON.stringify(await measureAll())}\n`);
  process.exit(0);
}
/** Of each couple of processes; in one of them AFTER was loaded first, because the place in memory decides some percent. */
const results: FlowRow[][] = [];
for (let couple = 0; couple < couples; couple++) {
  process.stderr.write(`couple ${couple + 1} of ${couples}\n`);
  const straight = await measureIn(trees);
  const crossed = await measureIn(trees.toReversed());
  results.push(straight.map((row, place) => joined(row, turned(crossed[place] as FlowRow))));
}
const heading = ["", "before, ns", "after", "after / before", "of the couples", "heap bytes before", "after"];
process.stdout.write(
  `${formatTable([heading, ...(results[0] ?? []).map(({ name }, place) => describe(name, place))])}\n`,
);

async function measureIn(inOrder: readonly string[]): Promise<FlowRow[]> {
  const words = [process.execPath, import.meta.path, ...inOrder, "--child", "--pairs", values.pairs];
  return JSON.parse(await runPinned(SERVER_CORE, words)) as FlowRow[];
}

function joined(one: FlowRow, other: FlowRow): FlowRow {
  return {
    name: one.name,
    ns: [(one.ns[0] + other.ns[0]) / 2, (one.ns[1] + other.ns[1]) / 2],
    heapBytes: [Math.min(one.heapBytes[0], other.heapBytes[0]), Math.min(one.heapBytes[1], other.heapBytes[1])],
    ratio: Math.sqrt(one.ratio * other.ratio),
  };
}

function turned({ name, ns, heapBytes, ratio }: FlowRow): FlowRow {
  return { name, ns: [ns[1], ns[0]], heapBytes: [heapBytes[1], heapBytes[0]], ratio: 1 / ratio };
}

function describe(name: string, place: number): readonly string[] {
  const rows = results.map((one) => one[place] as FlowRow);
  const ratios = rows.map(({ ratio }) => ratio);
  const middle = (value: (row: FlowRow) => number) => formatNumber(median(rows.map(value)));
  return [
    name,
    middle(({ ns }) => ns[0]),
    middle(({ ns }) => ns[1]),
    median(ratios).toFixed(3),
    `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
    // The least: whatever else allocates only ever adds.
    formatNumber(Math.min(...rows.map(({ heapBytes }) => heapBytes[0]))),
    formatNumber(Math.min(...rows.map(({ heapBytes }) => heapBytes[1]))),
  ];
}

// One process ---------------------------------------------------------------------------------------------------------

interface Socket {
  data: unknown;
  readonly remoteAddress: string;
  readonly remotePort: number;
  write(bytes: Uint8Array, offset: number, length: number): number;
}

interface Handlers {
  open(socket: Socket): void;
  data(socket: Socket, bytes: Uint8Array): void;
  close(socket: Socket): void;
}

/** Lets so many chunks arrive, in turn, and returns their number. */
type Deliver = (handlers: Handlers, socket: Socket, chunks: Chunks, turns: number) => number;

/** Compiled anew for each tree: code that both share would be compiled for the first one, and hold up the second. */
function makeDeliver(): Deliver {
  const text = "for (let i = 0; i < turns; i++) handlers.data(socket, chunks[i % chunks.length]); return turns;";
  return new Function("handlers", "socket", "chunks", "turns", text) as Deliver;
}

/** A tree's server with one connection, and what the last turn of the conversation wrote. */
interface Flow {
  readonly deliver: Deliver;
  readonly handlers: Handlers;
  readonly socket: Socket;
  written: number;
  text: string | null;
}

/** Chunks that arrive in turn: two copies, because a kernel writes each chunk to another place. */
type Chunks = readonly Uint8Array[];

async function measureAll(): Promise<FlowRow[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "flow-")));
  try {
    for (const name of ["page.html", "other.html"])
      writeFileSync(join(folder, name), `<!doctype html>${"x".repeat(PAGE_BYTES - 15)}`);
    mkdirSync(join(folder, "uploads"));
    await Bun.sleep(SETTLED_MS);
    const flows = [await startFlow(trees[0] as string, folder), await startFlow(trees[1] as string, folder)] as const;
    return kindsOf(flows[0]).map(([name, status, requests, chunks]) =>
      measureKind(name, status, requests, chunks, flows),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts the server of a tree with a listener that is no socket, and opens its one connection. */
async function startFlow(tree: string, root: string): Promise<Flow> {
  const { listen } = Bun;
  let handlers: Handlers | null = null;
  const fake = ({ socket, hostname }: { socket: Handlers; hostname: string }) => {
    handlers ??= socket;
    return { port: 80, hostname, stop() {}, ref() {}, unref() {} };
  };
  Object.assign(Bun, { listen: fake });
  try {
    const { startServer } = await import(join(tree, "src", "index.ts"));
    await startServer({ port: 80, root, uploads: join(root, "uploads"), maxRequests: 0 });
  } finally {
    Object.assign(Bun, { listen });
  }
  if (handlers === null) throw new Error(`${tree} has not listened`);
  const flow: Flow = { deliver: makeDeliver(), handlers, socket: socketOf(() => flow), written: 0, text: null };
  flow.handlers.open(flow.socket);
  return flow;
}

function socketOf(flow: () => Flow): Socket {
  const fail = (name: string) => () => {
    throw new Error(`the server called ${name}: the connection should persist`);
  };
  const socket: Socket = {
    data: null,
    remoteAddress: "127.0.0.1",
    remotePort: 40_000,
    write(bytes, offset, length) {
      const one = flow();
      one.written += length;
      if (one.text !== null)
        one.text += Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString("latin1");
      return length;
    },
  };
  return Object.assign(socket, {
    pause() {},
    resume() {},
    shutdown: fail("shutdown"),
    end: fail("end"),
    terminate: fail("terminate"),
  });
}

type Kind = readonly [name: string, status: number, requestsPerChunk: number, chunks: Chunks];

function kindsOf(flow: Flow): readonly Kind[] {
  const request = (target: string, ...fields: readonly string[]) =>
    Buffer.from([`GET ${target} HTTP/1.1`, "Host: localhost", ...fields, "", ""].join("\r\n"));
  const page = request("/page.html");
  const copies = (bytes: Uint8Array) => [bytes, bytes.slice()];
  const etag = /^ETag: (.+)\r$/m.exec(answerOf(flow, page))?.[1] ?? "none";
  const alternating = (...fields: readonly string[]) =>
    ["X-Turn: 1", "X-Turn: 22"].map((field) => request("/page.html", ...fields, field));
  const inTurn = (...fields: readonly string[]) =>
    ["/page.html", "/other.html"].map((target) => request(target, ...fields));
  return [
    ["page, head repeated", 200, 1, copies(page)],
    ["page, new head", 200, 1, alternating()],
    ["page, a browser's head, repeated", 200, 1, copies(request("/page.html", ...BROWSER_FIELDS))],
    ["page, a browser's head, new", 200, 1, alternating(...BROWSER_FIELDS)],
    ["pages in turn", 200, 1, inTurn()],
    ["pages in turn, a browser's head", 200, 1, inTurn(...BROWSER_FIELDS)],
    ["page, sixteen pipelined", 200, 16, copies(Buffer.concat(Array.from({ length: 16 }, () => page)))],
    ["304", 304, 1, alternating(`If-None-Match: ${etag}`)],
    ["200, another entity tag", 200, 1, alternating('If-None-Match: "other"')],
    ["206", 206, 1, alternating("Range: bytes=5-500")],
    ["404", 404, 1, ["/missing.html", "/missed.html"].map((target) => request(target))],
  ];
}

function answerOf(flow: Flow, bytes: Uint8Array): string {
  flow.text = "";
  flow.handlers.data(flow.socket, bytes);
  const { text } = flow;
  flow.text = null;
  return text;
}

function measureKind(
  name: string,
  status: number,
  requests: number,
  chunks: Chunks,
  flows: readonly [Flow, Flow],
): FlowRow {
  for (const flow of flows) {
    for (const chunk of chunks) {
      const heads = answerOf(flow, chunk).match(/HTTP\/1\.1 \d{3} /g) ?? [];
      if (heads.length === requests && heads.every((head) => head.includes(String(status)))) continue;
      throw new Error(`${name}: expected ${requests} × ${status}, got ${heads}`);
    }
  }
  let turns = 64;
  for (const flow of flows) {
    for (let spentNs = 0; spentNs < WARM_UP_MS * 1e6; ) {
      const ns = run(flow, chunks, turns);
      spentNs += ns;
      turns = Math.max(64, Math.round((turns * TURN_MS * 1e6) / ns));
    }
  }
  const ratios: number[] = [];
  const ns: [number[], number[]] = [[], []];
  for (let pair = 0; pair < pairs; pair++) {
    const first = pair % 2;
    const spent = [0, 0] as [number, number];
    for (const side of first === 0 ? [0, 1] : [1, 0]) spent[side as 0 | 1] = run(flows[side] as Flow, chunks, turns);
    ratios.push(spent[1] / spent[0]);
    ns[0].push(spent[0] / (turns * requests));
    ns[1].push(spent[1] / (turns * requests));
  }
  const heapBytes = flows.map((flow) => allocationOf(flow, chunks) / requests) as [number, number];
  return { name, ns: [median(ns[0]), median(ns[1])], heapBytes, ratio: median(ratios) };
}

/** Lets so many chunks arrive. Returns the CPU time of this thread, nanoseconds. */
function run({ deliver, handlers, socket }: Flow, chunks: Chunks, turns: number): number {
  const started = threadNs();
  deliver(handlers, socket, chunks, turns);
  return threadNs() - started;
}

/** Heap bytes of one chunk, from the growth of the heap's capacity; the collector counts the size alone. */
function allocationOf(flow: Flow, chunks: Chunks): number {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ALLOCATION_TRIES; attempt++) {
    Bun.gc(true);
    const { heapSize } = heapStats();
    run(flow, chunks, ALLOCATION_REQUESTS); // fills what the collection has freed inside of blocks
    const before = heapStats();
    run(flow, chunks, ALLOCATION_REQUESTS);
    const after = heapStats();
    if (after.heapSize !== heapSize) continue;
    least = Math.min(least, (after.heapCapacity - before.heapCapacity) / ALLOCATION_REQUESTS);
  }
  return least;
}

/** CLOCK_THREAD_CPUTIME_ID of clock_gettime(2): exact, where getrusage(2) moves by ticks. */
function threadNs(): number {
  clock.symbols.clock_gettime(3, timePointer);
  return Number(time[0]) * 1e9 + Number(time[1]);
}
