/** What may go wrong, in its three spellings: what is read, what is printed again, what is refused and where. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  describeFaultRule,
  type Fault,
  type FaultKind,
  type FaultRule,
  formatFaultRule,
  type Http2Values,
  parseFaultField,
  parseFaultRule,
  problemOfVersion,
  readFaultRule,
} from "../../src/http/fault.ts";

const PLAIN: Omit<Fault, "kind"> = {
  afterBytes: null,
  afterEvents: null,
  delayMs: 0,
  durationMs: 0,
  pieces: 10,
  bytesPerSecond: 0,
  status: 0,
  retryAfterSeconds: null,
  lengthBytes: null,
  http2: null,
};

function fault(kind: FaultKind, more: Partial<Fault> = {}): Fault {
  return { ...PLAIN, kind, ...more };
}

describe("X-Fixture", () => {
  const read: readonly [text: string, fault: Fault][] = [
    ["fault=empty", fault("empty")],
    ["fault=truncate", fault("truncate", { afterBytes: 0 })],
    ["delay=200ms, fault=truncate, after=1024", fault("truncate", { afterBytes: 1024, delayMs: 200 })],
    ["fault=reset,after=10kb", fault("reset", { afterBytes: 10_240 })],
    ["  fault = reset ,\tafter = 1 ", fault("reset", { afterBytes: 1 })],
    ["delay=2", fault("delay", { delayMs: 2000 })],
    ["fault=delay, delay=0", fault("delay")],
    ["status=503", fault("status", { status: 503 })],
    ["status=503, retry-after=5s, delay=1ms", fault("status", { status: 503, retryAfterSeconds: 5, delayMs: 1 })],
    ["rate=10kb", fault("bandwidth", { bytesPerSecond: 10_240 })],
    ["fault=drip, duration=2s, pieces=4", fault("drip", { durationMs: 2000, pieces: 4 })],
    ["fault=drip, duration=2s, pieces=events", fault("drip", { durationMs: 2000, pieces: "events" })],
    ["fault=drip, pieces=lines, duration=2s", fault("drip", { durationMs: 2000, pieces: "lines" })],
    ["fault=truncate, events=7", fault("truncate", { afterBytes: 0, afterEvents: 7 })],
    ["fault=stall, events=0", fault("stall", { afterBytes: 0, afterEvents: 0 })],
    ["events=1, fault=reset, delay=1s", fault("reset", { afterEvents: 1, delayMs: 1000 })],
    ["fault=slow-headers, duration=2s", fault("slow-headers", { durationMs: 2000 })],
    ["fault=bad-length, length=0", fault("bad-length", { lengthBytes: 0 })],
    ["fault=reset-request", fault("reset-request", { afterBytes: 0 })],
  ];
  for (const [text, expected] of read) {
    test(`${JSON.stringify(text)} is read`, () => expect(parseFaultField(text)).toEqual(expected));
  }

  test("takes a pattern of at most 8 stars and 1024 characters, and a path without a star of any length", () => {
    for (const path of [`/${"*a".repeat(8)}`, `/*${"a".repeat(1022)}`, `/${"a".repeat(5000)}`]) {
      expect(parseFaultRule(`GET ${path} reset`)).toMatchObject({ path });
    }
  });

  const refused: readonly [text: string, message: string | RegExp][] = [
    ["", /^column 1: expected key=value/],
    ["fault=reset,", /^column 1: .* single commas/],
    ["fault=reset,, after=1", /^column 1: .* single commas/],
    ["reset", "column 1: expected key=value"],
    ["fault=reset, 1024", "column 14: expected key=value"],
    ["fault=reset, =1024", "column 14: expected key=value"],
    ["fault=reset, color=red", /^column 14: expected one of fault, after, delay/],
    ["fault=reset, x=1", /^column 14: expected one of fault, after, delay/],
    ["fault=reset, constructor=1", /^column 14: expected one of/],
    ["fault=reset, times=2", /^column 14 \(times\): expected one of fault, after, /],
    ["fault=rest", /^column 1 \(fault\): expected one of delay, slow-headers/],
    ["fault=toString", /^column 1 \(fault\): expected one of/],
    ["fault=reset, after=-1", /^column 14 \(after\): expected bytes from 0 to 1024gb such as 1024 or 10kb$/],
    ["fault=reset, after=", /^column 14 \(after\): expected bytes/],
    ["fault=reset, after=1, after=2", "column 23 (after): is here twice"],
    ["delay=3h", "column 1 (delay): expected a time from 0s to 1h such as 200ms or 2s"],
    ["status=200", "column 1 (status): expected a status from 400 to 599"],
    ["status=503, retry-after=1500ms", "column 13 (retry-after): expected a time in whole seconds such as 5s"],
    ["fault=drip", "column 1 (fault): drip needs duration, a time from 1ms to 1h such as 200ms or 2s"],
    ["after=1", /^fault: expected one of/],
    ["fault=hang, after=1", "column 13 (after): means nothing to hang, which takes delay"],
    ["delay=1s, after=1", "column 11 (after): means nothing to delay, which takes delay"],
    ["fault=goaway, last=x", "column 15 (last): expected a whole number from 0 to 2147483647"],
    ["fault=goaway, events=3", "column 15 (events): means nothing to goaway, which takes last, code, after, delay"],
    [
      "fault=reset-stream, code=NOPE",
      "column 21 (code): expected a whole number from 0 to 4294967295, or one of NO_ERROR, ",
    ],
    [
      "fault=reset-stream, code=4294967296",
      "column 21 (code): expected a whole number from 0 to 4294967295, or one of ",
    ],
    ["window=-1", "column 1 (window): expected bytes from 0 to 1gb"],
    ["fault=window", "column 1 (fault): window needs window, bytes from 0 to 1gb such as 1024 or 10kb"],
    ["fault=bad-frame", "column 1 (fault): bad-frame needs frame, one of oversize, stream-0, "],
    ["fault=settings", "column 1 (fault): settings needs one of header-table-size, "],
    ["fault=settings, window-size=1", "column 17: expected one of fault, after, "],
    ["fault=settings, header-table-size=5000", "column 17 (header-table-size): expected a whole number from 0 to 4096"],
    ["fault=truncate, events=7, after=1", "column 27 (after): cannot be given together with events"],
    ["after=1, fault=truncate, events=7", "column 1 (after): cannot be given together with events"],
    ["fault=garbage, events=7", "column 16 (events): means nothing to garbage"],
    ["fault=truncate, events=-1", "column 17 (events): expected a whole number from 0 to 1000000000"],
    ["fault=truncate, events=1kb", "column 17 (events): expected a whole number from 0 to 1000000000"],
    ["fault=drip, duration=1s, events=7", "column 26 (events): means nothing to drip"],
    [
      "fault=drip, duration=1s, pieces=event",
      "column 26 (pieces): expected a whole number from 1 to 1000000, events or lines",
    ],
    ["fault=drip, duration=1s, pieces=lines, rate=1kb", "column 40 (rate): means nothing to drip"],
    ["fault=slow-headers, duration=1s, pieces=events", "column 34 (pieces): means nothing to slow-headers"],
    ["fault=empty, pieces=0", "column 14 (pieces): expected a whole number from 1 to 1000000"],
  ];
  for (const [text, message] of refused) {
    test(`${JSON.stringify(text)} is refused with its place`, () => expect(parseFaultField(text)).toMatch(message));
  }
});

describe("a rule on the command line", () => {
  test("has method, path, fault and parameters", () => {
    expect(parseFaultRule("GET /app.js reset after=1024 times=2 skip=1")).toEqual({
      method: "GET",
      path: "/app.js",
      fault: fault("reset", { afterBytes: 1024 }),
      skip: 1,
      times: 2,
    });
  });

  test("may have conditions on the query", () => {
    expect(parseFaultRule("GET /a status=503 query.page=2 times=1 query.q=a=b")).toEqual({
      method: "GET",
      path: "/a",
      query: { page: "2", q: "a=b" },
      fault: fault("status", { status: 503 }),
      skip: 0,
      times: 1,
    });
  });

  test("needs no fault where a parameter tells it, and stars stand for all", () => {
    const rule = { method: "*", path: "/**", skip: 0, times: null };
    expect(parseFaultRule("* /** status=500")).toEqual({ ...rule, fault: fault("status", { status: 500 }) });
  });

  const refused: readonly [text: string, message: string | RegExp][] = [
    ["", /^expected METHOD PATH FAULT/],
    ["GET", /^expected METHOD PATH FAULT/],
    ["GET /a", /^fault: expected one of/],
    ["GET: /a reset", /^column 1: expected a method/],
    ["GET /{a,b} reset", /^column 5: expected a path/],
    ["GET /*a*b*c*d*e*f*g*h*i reset", "column 5: expected at most 8 stars and 1024 characters in a pattern"],
    [`GET /*${"a".repeat(1023)} reset`, "column 5: expected at most 8 stars and 1024 characters in a pattern"],
    ["GET  /a?page=2 reset", "column 6: a path has no query; use query"],
    ["GET /a? reset", "column 5: a path has no query; use query"],
    ["GET /[?] reset", "column 5: a path has no query; use query"],
    ["get /a reset", 'column 1: expected GET, for case counts in a method, got "get"'],
    ["GET http://localhost/a reset", "column 5: expected a path such as /app.js, without scheme and host"],
    ["GET /a reset query.page=2 query.page=3", "column 27: is here twice"],
    ["GET /a reset query=2", /^column 14: expected one of fault, after/],
    ["GET  /a  rest", /^column 10 \(fault\): expected one of/],
    ["GET /a reset after=1 stall", "column 22: expected key=value"],
    ["GET /a reset after=one", /^column 14 \(after\): expected bytes/],
    ["GET /a reset times=0", /^column 14 \(times\): expected a whole number from 1/],
  ];
  for (const [text, message] of refused) {
    test(`${JSON.stringify(text)} is refused with its place`, () => expect(parseFaultRule(text)).toMatch(message));
  }
});

describe("a rule in JSON", () => {
  test("has numbers, or texts with units", () => {
    const given = { match: { method: "GET", path: "/a b.js" }, fault: "reset", after: "1kb", delay: "5ms", times: 2 };
    expect(readFaultRule(given)).toEqual({
      method: "GET",
      path: "/a b.js",
      fault: fault("reset", { afterBytes: 1024, delayMs: 5 }),
      skip: 0,
      times: 2,
    });
  });

  test("is for every request when nothing else is said, and a plain time is seconds as in the flags", () => {
    expect(readFaultRule({ delay: 0.2 })).toEqual({
      method: "*",
      path: "/**",
      fault: fault("delay", { delayMs: 200 }),
      skip: 0,
      times: null,
    });
  });

  test("may have members that are undefined, as if they were not there", () => {
    const given = { match: { method: undefined, path: "/a" }, fault: "reset", after: undefined, times: undefined };
    expect(readFaultRule(given)).toEqual(readFaultRule({ match: { path: "/a" }, fault: "reset" }));
    expect(readFaultRule({ fault: undefined, delay: "1s" })).toMatchObject({ fault: { kind: "delay" } });
  });

  const refused: readonly [given: unknown, message: string | RegExp][] = [
    [null, /^expected an object such as/],
    [[], /^expected an object such as/],
    [{ match: "/a", fault: "reset" }, /^match: expected an object/],
    [{ match: { host: "a" }, fault: "reset" }, 'match: unknown member "host"; known: method, path, query, fields'],
    [{ match: { path: 1 }, fault: "reset" }, "match.path: expected text, got 1"],
    [{ match: { path: "/a?b" }, fault: "reset" }, "match.path: a path has no query; use query"],
    [{ match: { query: { page: 2 } }, fault: "reset" }, "match.query.page: expected text, got 2"],
    [{ match: { json: {} }, fault: "reset" }, "match.json: a fault is decided by the head, before the content comes"],
    [{ match: { path: "\\" }, fault: "reset" }, /^match.path: expected a path/],
    [{ match: { method: "" }, fault: "reset" }, /^match.method: expected a method/],
    [{ fault: true }, "fault: expected a text or a number"],
    [{ fault: "reset", after_bytes: 1 }, /^"after_bytes": expected one of fault, after/],
    [{ fault: "reset", after: -1 }, /^after: expected bytes/],
    [{ fault: "reset", after: 1.5 }, /^after: expected bytes/],
    [{ fault: "drip" }, "fault: drip needs duration"],
    [{ fault: "reset", events: 7, after: 1 }, "after: cannot be given together with events"],
    [{ fault: "reset", events: "many" }, "events: expected a whole number from 0 to 1000000000"],
    [{ fault: "hang", after: 1 }, "after: means nothing to hang"],
    [{}, /^fault: expected one of/],
  ];
  for (const [given, message] of refused) {
    test(`${JSON.stringify(given)} is refused by its field`, () => expect(readFaultRule(given)).toMatch(message));
  }
});

const UINT32_MAX = 2 ** 32 - 1;

/** Values of a fault of HTTP/2, of which each kind takes its own. */
const anyHttp2Values: fc.Arbitrary<Http2Values> = fc.record({
  code: fc.nat(UINT32_MAX),
  lastStream: fc.option(fc.nat(2 ** 31 - 1)),
  windowBytes: fc.nat(1 << 30),
  frame: fc.constantFrom("oversize", "stream-0", "overflow", "unknown-type"),
  settings: fc
    .subarray([1, 2, 3, 4, 5, 6], { minLength: 1 })
    .chain((ids) =>
      fc.tuple(...ids.map((id) => fc.tuple(fc.constant(id), id === 1 ? fc.nat(4096) : fc.nat(UINT32_MAX)))),
    ),
});

/** Keeps the values that a fault of this kind takes. */
function http2ValuesOf(kind: FaultKind, values: Http2Values): Http2Values | null {
  if (!["goaway", "reset-stream", "window", "settings", "bad-frame", "bad-hpack", "push"].includes(kind)) return null;
  const hasCode = kind === "goaway" || kind === "reset-stream";
  return {
    code: hasCode ? values.code : 2,
    lastStream: kind === "goaway" ? values.lastStream : null,
    windowBytes: kind === "window" ? values.windowBytes : null,
    frame: kind === "bad-frame" ? values.frame : "oversize",
    settings: kind === "settings" ? values.settings : [],
  };
}

/** Any fault that can be ordered. */
const anyFault: fc.Arbitrary<Fault> = fc
  .record({
    kind: fc.constantFrom<FaultKind[]>(
      ...([
        "delay",
        "slow-headers",
        "drip",
        "bandwidth",
        "status",
        "empty",
        "reset",
        "hang",
        "truncate",
        "stall",
      ] as const),
      ...(["bad-chunk", "bad-length", "garbage", "reset-request", "half-close", "last"] as const),
      ...(["goaway", "reset-stream", "window", "settings", "bad-frame", "bad-hpack", "push"] as const),
    ),
    after: fc.option(fc.nat(1 << 30)),
    delayMs: fc.oneof(fc.constant(0), fc.nat(3_600_000)),
    durationMs: fc.integer({ min: 1, max: 3_600_000 }),
    events: fc.option(fc.nat(1_000_000_000)),
    pieces: fc.oneof(fc.integer({ min: 1, max: 1_000_000 }), fc.constantFrom("events" as const, "lines" as const)),
    rate: fc.integer({ min: 1, max: 1 << 30 }),
    status: fc.integer({ min: 400, max: 599 }),
    retryAfter: fc.option(fc.nat(3600)),
    length: fc.option(fc.nat()),
    http2: anyHttp2Values,
  })
  .map(({ kind, after, events, delayMs, durationMs, pieces, rate, status, retryAfter, length, http2 }) => {
    const starts: readonly FaultKind[] = ["truncate", "stall", "bad-chunk", "reset-request", "bad-frame"];
    const others: readonly FaultKind[] = ["reset", "garbage", "half-close", "goaway", "reset-stream", "settings"];
    const takesAfter = starts.includes(kind) || others.includes(kind);
    const afterEvents = kind === "truncate" || kind === "stall" || kind === "reset" ? events : null;
    const afterBytes = afterEvents === null ? after : null;
    return fault(kind, {
      afterBytes: takesAfter ? (afterBytes ?? (starts.includes(kind) ? 0 : null)) : null,
      afterEvents,
      delayMs,
      ...(kind === "slow-headers" || kind === "drip" ? { durationMs } : {}),
      ...(kind === "drip" ? { pieces } : {}),
      ...(kind === "bandwidth" ? { bytesPerSecond: rate } : {}),
      ...(kind === "status" ? { status, retryAfterSeconds: retryAfter } : {}),
      ...(kind === "bad-length" ? { lengthBytes: length } : {}),
      http2: http2ValuesOf(kind, http2),
    });
  });

const anyRule: fc.Arbitrary<FaultRule> = fc.record(
  {
    method: fc.constantFrom("*", "GET", "HEAD", "POST", "M-SEARCH"),
    path: fc.constantFrom("/", "/app.js", "/**", "*.png", "/images/**/*.[jp]*", "/ä*", "/a=b,c"),
    fault: anyFault,
    skip: fc.oneof(fc.constant(0), fc.nat(1_000_000_000)),
    times: fc.option(fc.integer({ min: 1, max: 1_000_000_000 })),
    query: fc.dictionary(fc.constantFrom("page", "q", "__proto__"), fc.constantFrom("2", "", "a=b"), { minKeys: 1 }),
  },
  { requiredKeys: ["method", "path", "fault", "skip", "times"] },
);

describe("what is printed", () => {
  test("as a field is read again as the same fault", () => {
    const fieldOf = (given: Fault) => {
      const { match: _, ...entries } = describeFaultRule({
        method: "*",
        path: "/",
        fault: given,
        skip: 0,
        times: null,
      });
      return Object.entries(entries)
        .map((entry) => entry.join("="))
        .join(", ");
    };
    fc.assert(fc.property(anyFault, (given) => expect(parseFaultField(fieldOf(given))).toEqual(given)));
  });

  test("as a line is read again as the same rule", () => {
    fc.assert(fc.property(anyRule, (given) => expect(parseFaultRule(formatFaultRule(given))).toEqual(given)));
  });

  test("as JSON is read again as the same rule", () => {
    fc.assert(
      fc.property(anyRule, (given) =>
        expect(readFaultRule(JSON.parse(JSON.stringify(describeFaultRule(given))))).toEqual(given),
      ),
    );
  });

  test("leaves out what is meant without being said", () => {
    expect(formatFaultRule(parseFaultRule("GET  /a stall  after=0 skip=0 delay=0") as FaultRule)).toBe("GET /a stall");
  });
});

test("no text makes the parsers throw", () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom("fault", "after", "=", ",", " ", "reset", "1kb", "GET", "/a", "times"), { maxLength: 12 })
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, fc.jsonValue(), (given, value) => {
      for (const result of [parseFaultField(given), parseFaultRule(given), readFaultRule(value)]) {
        expect(typeof result === "string" || typeof result === "object").toBe(true);
      }
    }),
  );
});

test("a fault that one version of HTTP cannot have is a problem there alone", () => {
  const problems = (kind: FaultKind) =>
    (["1.0", "1.1", "2"] as const).map((version) => problemOfVersion(kind, version));
  expect(problems("bad-chunk")).toEqual([
    null,
    null,
    "bad-chunk means nothing in HTTP/2, which has no chunks: use bad-frame",
  ]);
  const wrong = "bad-frame is a fault of HTTP/2, and this request is HTTP/1";
  expect(problems("bad-frame")).toEqual([wrong, wrong, null]);
  expect(problems("reset")).toEqual([null, null, null]);
});
