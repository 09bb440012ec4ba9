/**
 * The fixture's faults as cases: each kind with the parameters that matter, ordered by `X-Fixture` and by a rule, over hot and cold
 * files, HEAD, a range, a missing file and uploads, each with a second request behind it and the journal's record of it.
 */
import { type Case, type Conversation, inTurn, postJson, type Step } from "./case.ts";

/** Longest silence of a fault that says nothing more, ms; longer than every delay below. */
const QUIET_MS = 400;

/** Plays of one case at most: a cold file is cold once, so each play has its own. */
export const PLAYS_MAX = 5;

/** As `X-Fixture` has them. */
const FAULTS: readonly string[] = [
  "delay=20ms",
  "fault=delay, delay=1ms",
  "fault=slow-headers, duration=60ms",
  "fault=slow-headers, duration=40ms, delay=20ms",
  "fault=drip, duration=60ms",
  "fault=drip, duration=60ms, pieces=3",
  "fault=drip, duration=30ms, pieces=1000",
  "rate=100kb",
  "fault=bandwidth, rate=1mb, delay=10ms",
  "status=404",
  "status=500, delay=20ms",
  "fault=status, status=503, retry-after=5s",
  "fault=status, status=429, retry-after=0s",
  "status=599",
  "fault=empty",
  "fault=empty, delay=20ms",
  "fault=reset",
  "fault=reset, after=0",
  "fault=reset, after=10, delay=10ms",
  "fault=reset, after=1gb",
  "fault=hang",
  "fault=truncate",
  "fault=truncate, after=5",
  "fault=truncate, after=5, delay=20ms",
  "fault=truncate, after=1gb",
  "fault=stall",
  "fault=stall, after=7",
  "fault=stall, after=1gb",
  "fault=bad-chunk",
  "fault=bad-chunk, after=5",
  "fault=bad-chunk, after=1gb",
  "fault=bad-length",
  "fault=bad-length, length=0",
  "fault=bad-length, length=5",
  "fault=bad-length, length=1000000, delay=10ms",
  "fault=garbage",
  "fault=garbage, after=0",
  "fault=garbage, after=4",
  "fault=reset-request",
  "fault=reset-request, after=3",
  "fault=half-close",
  "fault=half-close, after=0",
  "fault=half-close, after=6",
  "fault=last",
  "fault=last, delay=20ms",
];

/** Orders that are not understood. */
const MISTAKES: readonly string[] = [
  "",
  ",",
  "delay",
  "delay=20ms,",
  "fault=nothing",
  "fault=reset, fault=reset",
  "fault=empty, after=1",
  "fault=drip",
  "fault=drip, duration=1s, pieces=0",
  "status=200",
  "status=700",
  "after=1",
  "delay=10000h",
  "delay=-1",
  "retry-after=1ms, status=503",
  "fault=reset, times=2",
  "Fault=reset",
];

interface Shape {
  readonly name: string;
  readonly method: string;
  readonly isHot: boolean;
  readonly fields: string;
  /** Of the file; null: there is none. */
  readonly bytes: number | null;
}

const SHAPES: readonly Shape[] = [
  { name: "GET hot", method: "GET", isHot: true, fields: "", bytes: 26 },
  { name: "GET cold", method: "GET", isHot: false, fields: "", bytes: 26 },
  { name: "GET large", method: "GET", isHot: false, fields: "", bytes: 5000 },
  { name: "HEAD hot", method: "HEAD", isHot: true, fields: "", bytes: 26 },
  { name: "HEAD cold", method: "HEAD", isHot: false, fields: "", bytes: 26 },
  { name: "range", method: "GET", isHot: true, fields: "Range: bytes=3-20\r\n", bytes: 26 },
  { name: "old client", method: "GET", isHot: true, fields: "Connection: close\r\n", bytes: 26 },
  { name: "missing", method: "GET", isHot: false, fields: "", bytes: null },
  { name: "DELETE", method: "DELETE", isHot: false, fields: "", bytes: 26 },
];

const CONTENT = '{"text":"of an upload"}';
const CHUNKED = `6\r\n${CONTENT.slice(0, 6)}\r\n${(CONTENT.length - 6).toString(16)}\r\n${CONTENT.slice(6)}\r\n0\r\n\r\n`;
const UPLOADS: readonly (readonly [name: string, rest: string])[] = [
  ["upload", `Content-Length: ${CONTENT.length}\r\n\r\n${CONTENT}`],
  ["upload in chunks", `Transfer-Encoding: chunked\r\n\r\n${CHUNKED}`],
  ["upload that is no JSON", "Content-Length: 3\r\n\r\n{x}"],
];

const LAST = "GET /probe.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/** The cases, and the files that they ask for. */
export function faultCases(): { readonly cases: readonly Case[]; readonly files: Record<string, Uint8Array | string> } {
  const cases: Case[] = [];
  const files: Record<string, Uint8Array | string> = { "probe.html": "probe", "hot.txt": "abcdefghijklmnopqrstuvwxyz" };
  for (const fault of FAULTS) {
    for (const shape of SHAPES) {
      for (const way of ["field", "rule"] as const) {
        const name = `f${cases.length}`;
        if (shape.bytes !== null) {
          const content = "abcdefghijklmnopqrstuvwxyz".repeat(Math.ceil(shape.bytes / 26)).slice(0, shape.bytes);
          for (let play = 0; play < PLAYS_MAX; play++) files[`${name}-${play}.txt`] = content;
        }
        cases.push(fileCase(fault, shape, way, `/${name}-{{play}}.txt`));
      }
    }
    for (const [name, rest] of UPLOADS) {
      for (const way of ["field", "rule"] as const) cases.push(uploadCase(fault, name, rest, way));
    }
  }
  for (const mistake of MISTAKES) {
    const text = `GET /hot.txt HTTP/1.1\r\nHost: localhost\r\nX-Fixture: ${mistake}\r\n\r\n`;
    cases.push({
      id: `X-Fixture: ${mistake}`,
      conversations: [
        [
          ["send", text],
          ["answers", 1],
          ["send", LAST],
        ],
      ],
    });
  }
  return { cases, files };
}

function fileCase(fault: string, shape: Shape, way: "field" | "rule", path: string): Case {
  const { name, method, isHot, fields } = shape;
  const own = way === "field" ? `X-Fixture: ${fault}\r\n` : "";
  const request = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}${own}\r\n`;
  const plain = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const conversations: Conversation[] = [];
  if (isHot) conversations.push(inTurn(plain, plain));
  if (way === "rule") conversations.push(inTurn(order(method, path, fault)));
  conversations.push(spoilt(fault, request));
  const records = (isHot ? 2 : 0) + 1;
  conversations.push(
    inTurn(`GET /__server/requests?path=${path}&wait=${records}&timeout=2s HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  );
  return { id: `${name}, ${way}: ${fault}`, conversations, isVolatile: true };
}

function uploadCase(fault: string, name: string, rest: string, way: "field" | "rule"): Case {
  const own = way === "field" ? `X-Fixture: ${fault}\r\n` : "";
  const request = `POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${own}${rest}`;
  const conversations: Conversation[] = [inTurn("POST /__server/reset HTTP/1.1\r\nHost: localhost\r\n\r\n")];
  if (way === "rule") conversations.push(inTurn(order("POST", "/upload", fault)));
  conversations.push(spoilt(fault, request));
  conversations.push(
    inTurn(
      "GET /__server/requests?wait=1&timeout=2s HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /__server/faults HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /__server/uploads HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
  );
  return { id: `${name}, ${way}: ${fault}`, conversations, isVolatile: true, isSerial: true };
}

/** The request and one behind it; a fault that leaves the connection open without a word ends with the client's FIN. */
function spoilt(fault: string, request: string): Conversation {
  const isSilent = /fault=(?:hang|stall)/.test(fault);
  const end: readonly Step[] = isSilent ? [["quiet", QUIET_MS], ["finish"]] : [];
  return [["send", request + LAST], ...end];
}

/** A rule in JSON that says what the field says, for one request. */
function order(method: string, path: string, fault: string): string {
  const words = fault.split(", ").map((word) => word.split("=") as [string, string]);
  const content = JSON.stringify({ match: { method, path }, ...Object.fromEntries(words), times: 1 });
  return postJson("faults", content);
}
