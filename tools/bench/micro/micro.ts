/**
 * The functions on every request's way, each alone: nanoseconds and bytes allocated per call. Run as its own process on one
 * core; prints one line of JSON (MicroRow[]). Usage: bun micro.ts <rounds>.
 *
 * Each result is compared with what it must be before anything is timed, and summed up while it is, so that the compiler
 * cannot leave the call out.
 *
 * Allocation: the heap's capacity grows by blocks of 16 KiB as objects are made, so after a forced collection the growth over
 * many calls is what they allocated, to one block in all. A try in which the collector ran is thrown away. What lies outside
 * of this heap is not seen: the characters of strings (their 16-byte cells are), and content of typed arrays above 1 KB.
 */
import { heapStats } from "bun:jsc";
import { ContentMemory } from "../../../src/exchange/content-buffer.ts";
import { Authority } from "../../../src/http/authority.ts";
import { encodeImfDate, IMF_DATE_BYTES, imfDate } from "../../../src/http/date.ts";
import { Fields } from "../../../src/http/fields.ts";
import { Method } from "../../../src/http/method.ts";
import { PathMemo } from "../../../src/http/path-memo.ts";
import { parseRange } from "../../../src/http/range.ts";
import { Target } from "../../../src/http/target.ts";
import { decideFraming, Framing } from "../../../src/http1/framing.ts";
import { RequestReader } from "../../../src/http1/request.ts";
import { ParsedHead, parseRequestHead } from "../../../src/http1/request-head.ts";
import { readTarget } from "../../../src/http1/request-target.ts";
import { HEAD_START_BYTES_MAX, HeadStarts } from "../../../src/http1/response-head.ts";
import { limits } from "../../../src/settings/limits.ts";
import { resolveServerSettings } from "../../../src/settings/resolve.ts";
import { BROWSER_FIELDS } from "../support/browser.ts";
import type { MicroRow } from "../support/results.ts";
import { expectEqual, type Micro } from "./case.ts";
import { http2Micros } from "./http2.ts";

/** Milliseconds of one timing. */
const TIMING_MS = 100;

/** Calls over which allocation is measured, and tries with ever fewer when the collector comes between. */
const ALLOCATION_CALLS = 20_000;
const ALLOCATION_TRIES = 6;

/** A heap block; growth is seen in these. */
const BLOCK_BYTES = 16 * 1024;

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const settings = resolveServerSettings({});
const headLimits = {
  maxHeaderBytes: settings.maxHeaderBytes,
  maxFields: limits.fieldsMax,
  maxEmptyLines: limits.emptyLinesMax,
};
const smallBytes = bytesOf("GET /page.html HTTP/1.1\r\nHost: a.b\r\n\r\n");
const browserBytes = bytesOf(
  `GET /page.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n${BROWSER_FIELDS.map((field) => `${field}\r\n`).join("")}\r\n`,
);

function parsing(name: string, bytes: Uint8Array, fields: number): Micro {
  const head = new ParsedHead(headLimits);
  return {
    name: `${name}, ${bytes.length} bytes`,
    verify() {
      expectEqual(parseRequestHead(bytes, 0, bytes.length, head), bytes.length);
      expectEqual([head.method, head.targetText, head.fieldCount], [Method.Get, "/page.html", fields]);
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += parseRequestHead(bytes, 0, bytes.length, head) + head.fieldCount;
      return sum;
    },
  };
}

/** A head that lies elsewhere in memory than the one before it, as those of a client that repeats itself do. */
function repeating(name: string, bytes: Uint8Array): Micro {
  const exchange = new RequestReader(headLimits, new ContentMemory(limits.bodyMemoryBytesMax), new PathMemo());
  const copies = [bytes.slice(), bytes.slice()] as const;
  const read = (i: number) => exchange.readHead(copies[i & 1] as Uint8Array, 0, bytes.length) + exchange.understand();
  return {
    name: `${name}, ${bytes.length} bytes, with framing, target and Host`,
    verify() {
      for (const i of [0, 1, 2]) expectEqual(read(i), bytes.length);
      expectEqual([exchange.target.path, exchange.framing.persistent], ["/page.html", true]);
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += read(i) + exchange.head.fieldCount;
      return sum;
    },
  };
}

function framing(): Micro {
  const head = parsed(browserBytes);
  const decided = new Framing();
  return {
    name: "framing of a browser's head",
    verify() {
      expectEqual(decideFraming(head, decided), 0);
      expectEqual([decided.kind, decided.persistent], ["none", true]);
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += decideFraming(head, decided) + (decided.persistent ? 1 : 0);
      return sum;
    },
  };
}

function targeting(name: string, path: string, decoded: string): Micro {
  const head = parsed(bytesOf(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n`));
  const target = new Target();
  return {
    name,
    verify() {
      expectEqual(readTarget(head, target), 0);
      expectEqual([target.path, target.authority.host, target.authority.port], [decoded, "127.0.0.1", 8080]);
      expectEqual(target.authority instanceof Authority, true);
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += readTarget(head, target) + target.path.length;
      return sum;
    },
  };
}

function parsed(bytes: Uint8Array): ParsedHead {
  const head = new ParsedHead(headLimits);
  expectEqual(parseRequestHead(bytes, 0, bytes.length, head), bytes.length);
  return head;
}

function ranging(name: string, value: string, expected: readonly (readonly [number, number])[]): Micro {
  const ranges = () => {
    const result = parseRange(value, 1_048_576);
    return typeof result === "object" ? result : [];
  };
  return {
    name,
    verify: () =>
      expectEqual(
        ranges().map(({ first, last }) => [first, last]),
        expected,
      ),
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += ranges().length;
      return sum;
    },
  };
}

function encoding(): Micro {
  const fields: readonly (readonly [string, string])[] = [
    ["ETag", '"hocxy4av87-sg"'],
    ["Last-Modified", "Sun, 15 Mar 2026 10:30:15 GMT"],
    ["Cache-Control", "no-cache"],
    ["Accept-Ranges", "bytes"],
    ["X-Content-Type-Options", "nosniff"],
    ["Content-Type", "text/html; charset=utf-8"],
    ["Content-Length", "1024"],
  ];
  const expected = `${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return {
    name: "encode fields (once per file)",
    verify: () => expectEqual(new TextDecoder().decode(Fields.of(fields).http1(null)), expected),
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += Fields.of(fields).http1(null).length;
      return sum;
    },
  };
}

function beginning(): Micro {
  const into = new Uint8Array(HEAD_START_BYTES_MAX);
  const dateLine = bytesOf("Date: Sun, 15 Mar 2026 10:30:15 GMT\r\n");
  const starts = new HeadStarts(dateLine, 30);
  const expected =
    "HTTP/1.1 200 OK\r\nServer: httpserver\r\nDate: Sun, 15 Mar 2026 10:30:15 GMT\r\nConnection: keep-alive\r\n" +
    "Keep-Alive: timeout=30, max=99\r\n";
  return {
    name: "begin a head, with Date and connection fields (each answer)",
    verify() {
      const length = starts.append(into, 0, 200, true, 99, 1);
      expectEqual(new TextDecoder().decode(into.subarray(0, length)), expected);
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += starts.append(into, 0, 200, true, 99, 1);
      return sum;
    },
  };
}

function dating(): Micro {
  const into = new Uint8Array(IMF_DATE_BYTES);
  return {
    name: "encode a date (once a second)",
    verify() {
      expectEqual(encodeImfDate(784_111_777, into, 0), IMF_DATE_BYTES);
      expectEqual(new TextDecoder().decode(into), "Sun, 06 Nov 1994 08:49:37 GMT");
      expectEqual(imfDate(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    },
    run(calls) {
      let sum = 0;
      for (let i = 0; i < calls; i++) sum += encodeImfDate(784_111_777 + i, into, 0) + (into[6] as number);
      return sum;
    },
  };
}

const micros: readonly Micro[] = [
  parsing("parse a small head", smallBytes, 1),
  parsing("parse a browser's head", browserBytes, BROWSER_FIELDS.length + 1),
  repeating("a small head again", smallBytes),
  repeating("a browser's head again", browserBytes),
  framing(),
  targeting("target and Host, plain path", "/folder/page.html", "/folder/page.html"),
  targeting("target and Host, escapes and query", "/a%20b/%C3%A4.html?x=1", "/a b/ä.html"),
  ranging("range, one", "bytes=5000-5999", [[5000, 5999]]),
  ranging("range, three", "bytes=0-99,200-299,-100", [
    [0, 99],
    [200, 299],
    [1_048_476, 1_048_575],
  ]),
  encoding(),
  beginning(),
  dating(),
  ...http2Micros,
];

/** Keeps the sums alive. */
let sink = 0;

function timeOf(micro: Micro): number {
  let calls = 1_000;
  for (;;) {
    const started = Bun.nanoseconds();
    sink += micro.run(calls);
    const elapsed = Bun.nanoseconds() - started;
    if (elapsed >= TIMING_MS * 1e6) return elapsed / calls;
    calls = Math.ceil(calls * Math.min(10, Math.max(1.5, (TIMING_MS * 1.2e6) / Math.max(elapsed, 1))));
  }
}

/** The least of several tries: other growth (code being compiled) only ever adds. */
function allocationOf(micro: Micro): { readonly bytes: number | null; readonly within: number } {
  let least = Number.POSITIVE_INFINITY;
  let calls = ALLOCATION_CALLS;
  let within = BLOCK_BYTES / calls;
  for (let attempt = 0; attempt < ALLOCATION_TRIES; attempt++) {
    Bun.gc(true);
    const { heapSize } = heapStats();
    sink += micro.run(calls); // fills what the collection has freed inside of blocks
    const before = heapStats();
    sink += micro.run(calls);
    const after = heapStats();
    // The heap's size is counted by the collector alone: when it has changed, the collector was there.
    if (after.heapSize !== heapSize) {
      calls = Math.ceil(calls / 2);
      continue;
    }
    const bytes = (after.heapCapacity - before.heapCapacity) / calls;
    if (bytes >= least) continue;
    least = bytes;
    within = BLOCK_BYTES / calls;
  }
  return { bytes: Number.isFinite(least) ? least : null, within };
}

const rounds = Math.max(1, Number(process.argv[2] ?? "3"));
for (const micro of micros) {
  try {
    micro.verify();
  } catch (error) {
    throw new Error(`${micro.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  timeOf(micro); // so that every function is compiled before one is measured
}
const rows: MicroRow[] = micros.map((micro) => {
  const ns = Array.from({ length: rounds }, () => timeOf(micro));
  const { bytes, within } = allocationOf(micro);
  return { name: micro.name, ns, allocatedBytes: bytes, allocatedWithin: within };
});
if (!Number.isFinite(sink)) throw new Error("the sums are lost");
process.stdout.write(`${JSON.stringify(rows)}\n`);
