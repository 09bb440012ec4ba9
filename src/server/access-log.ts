/** One line per request, in the form of `--log-format`. A line is formatted once, as a string; `Output` carries it. */

import { readlinkSync } from "node:fs";
import { addressOf } from "../http/authority.ts";
import { escapeQuoted } from "../http/escape.ts";
import { readableDuration, readableSize } from "../http/units.ts";
import type { LogFormat } from "../settings/program-settings.ts";
import type { Output } from "./output.ts";

/** One answered request. Strings from the wire are raw ISO-8859-1; they are escaped here and nowhere else. */
export interface AccessEntry {
  /** Wall clock when the answer was complete, in milliseconds since 1970. */
  wallMs: number;
  /** Number of the slot that served it, from 1; 0 for none. */
  slot: number;
  /** `127.0.0.1:50000`, `[::1]:50000`. */
  peer: string;
  /** Request line as received, without CRLF; empty when none came. */
  requestLine: string;
  /** Version of HTTP; null if no request has come. Only json shows it, because the request line has it in all formats. */
  protocol: "1.0" | "1.1" | "2" | null;
  /** Number of the stream, 0 in HTTP/1; only json shows it. */
  stream: number;
  /** Verdict on the field Host; `-` if the head was not complete. */
  host: "ok" | "refused" | "missing" | "invalid" | "-";
  /** Status of the response. */
  status: number;
  /** Bytes of content sent. */
  bytes: number;
  /** Kind of content: `html`, `binary`, `error`, … */
  transfer: string;
  /** Milliseconds from the complete head to the last byte of the response. */
  durationMs: number;
  /** True when the connection stays open. */
  persistent: boolean;
  /** Value of the field Referer, or null; only combined and json show it. */
  referer: string | null;
  /** Value of the field User-Agent, or null; only combined and json show it. */
  userAgent: string | null;
  /** Fault that a test ordered for the response, or null; only json shows it. */
  fault: string | null;
  /** Stub that the response comes from, or null; only json shows it. */
  stub: string | null;
}

/** Receives the server's events; `startServer` takes one. Nothing here throws or blocks. */
export interface ServerLog {
  /** Takes an answered request; null if request lines are not wanted, so that none is made. */
  readonly access: ((entry: AccessEntry) => void) | null;
  /** Life cycle and pool. */
  info(text: string): void;
  /** One step of a connection or request; null without `--verbose`. */
  readonly detail: ((text: string) => void) | null;
  /** Takes refusals worth a look, and security events. */
  warn(text: string): void;
  /** A failure of ours; `cause` is shown with its stack. */
  error(text: string, cause?: unknown): void;
}

/** A log that takes request lines which other threads have formatted. */
export interface ThreadedLog extends ServerLog {
  /** Their format; null if each line needs the log itself, as on a terminal. */
  readonly lineFormat: LogFormat | null;
  /** Takes `count` lines, each ended by LF. */
  writeLines(text: string, count: number): void;
}

/** A terminal that shows lines to a person. */
interface Terminal {
  /** Returns its width. */
  readonly columns: () => number;
  readonly isColored: boolean;
}

/** Formats entries and hands them to an `Output`. */
export class AccessLog {
  readonly #output: Pick<Output, "write">;
  readonly #format: (entry: AccessEntry) => string;

  /** `terminal` is where `output` leads, or null. */
  constructor(format: LogFormat, output: Pick<Output, "write">, terminal: Terminal | null) {
    if (format === "auto") this.#format = terminal === null ? formats.pretty() : shortFormat(terminal);
    else this.#format = formats[format]();
    this.#output = output;
  }

  write(entry: AccessEntry): void {
    this.#output.write(this.#format(entry));
  }
}

/** Each makes a formatter with a cache of its own for the timestamp. A line ends with LF. */
const formats: Record<Exclude<LogFormat, "auto">, () => (entry: AccessEntry) => string> = {
  pretty: () => {
    const stamp = perSecond(formatStamp);
    const request = quoted();
    return (entry) =>
      `${stamp(entry.wallMs)} ${entry.slot === 0 ? "[-]" : `[Thread-${entry.slot}]`} ${entry.peer} "${request(
        entry.requestLine,
      )}" host=${entry.host} ${entry.status} ${entry.bytes} ${entry.transfer} ${formatDuration(entry.durationMs)}ms ${
        entry.persistent ? "keep-alive" : "close"
      }\n`;
  },
  common: () => {
    const format = commonFormat();
    return (entry) => `${format(entry)}\n`;
  },
  combined: () => {
    const format = commonFormat();
    const [referer, userAgent] = [quoted(), quoted()];
    return (entry) => `${format(entry)} "${referer(entry.referer)}" "${userAgent(entry.userAgent)}"\n`;
  },
  json: () => {
    const second = perSecond((wallMs) => new Date(wallMs).toISOString().slice(0, 19));
    return (entry) => {
      const fraction = String(Math.trunc(entry.wallMs) % 1000).padStart(3, "0");
      return `{"time":"${second(entry.wallMs)}.${fraction}Z","slot":${entry.slot},"peer":"${entry.peer}","request":${quoteJson(
        entry.requestLine,
      )},"protocol":${entry.protocol === null ? "null" : `"${entry.protocol}"`}${
        entry.stream === 0 ? "" : `,"stream":${entry.stream}`
      },"host":"${entry.host}","status":${entry.status},"bytes":${entry.bytes},"transfer":${quoteJson(
        entry.transfer,
      )},"durationMs":${formatDuration(entry.durationMs)},"persistent":${entry.persistent},"referer":${
        entry.referer === null ? "null" : quoteJson(entry.referer)
      },"userAgent":${entry.userAgent === null ? "null" : quoteJson(entry.userAgent)}${entry.fault === null ? "" : `,"fault":"${entry.fault}"`}${
        entry.stub === null ? "" : `,"stub":${JSON.stringify(entry.stub)}`
      }}\n`;
    };
  },
};

/**
 * Makes `20:57:59 404 GET /nope 785 B 0.7 ms`, for a person: the request is cut so that the line is never wider than the
 * terminal, and HTTP/1.1 goes without saying.
 */
function shortFormat({ columns, isColored }: Terminal): (entry: AccessEntry) => string {
  const clock = perSecond(formatClock);
  const request = quoted();
  return ({ wallMs, requestLine, status, bytes, durationMs }) => {
    const end = `${readableSize(bytes)} ${readableDuration(Math.max(0, durationMs))}`;
    const room = columns() - `${clock(wallMs)} ${status}  ${end}`.length;
    const shown = cut(request(requestLine.replace(/ HTTP\/1\.1$/, "")), room);
    if (!isColored) return `${clock(wallMs)} ${status} ${shown} ${end}\n`;
    const color = STATUS_COLORS[Math.trunc(status / 100)] ?? DEFAULT_COLOR;
    return `\x1b[2m${clock(wallMs)}\x1b[22m \x1b[${color}m${status}\x1b[${DEFAULT_COLOR}m ${shown} ${end}\n`;
  };
}

/** Cuts a text to `room` characters, of which some are left even in a narrow terminal. */
function cut(text: string, room: number): string {
  const length = Math.max(room, CUT_LENGTH_MIN);
  return text.length <= length ? text : `${text.slice(0, length - CUT_MARK.length)}${CUT_MARK}`;
}

const CUT_MARK = "...";
const CUT_LENGTH_MIN = 8;

/** Colours by the first digit of a status: green, cyan, yellow, red. */
const STATUS_COLORS: Readonly<Record<number, number>> = { 2: 32, 3: 36, 4: 33, 5: 31 };
const DEFAULT_COLOR = 39;

/** Apache's common log format: `%h %l %u %t "%r" %>s %b`; no content is `-`, not 0. */
function commonFormat(): (entry: AccessEntry) => string {
  const stamp = perSecond(formatApacheStamp);
  const request = quoted();
  return (entry) =>
    `${addressOf(entry.peer) || "-"} - - ${stamp(entry.wallMs)} "${request(entry.requestLine)}" ${entry.status} ${
      entry.bytes === 0 ? "-" : entry.bytes
    }`;
}

/**
 * Returns a formatter of texts between quotes, `-` for null. Clients repeat themselves, so it keeps the last text and
 * its result.
 */
function quoted(): (text: string | null) => string {
  let last: string | null = null;
  let escaped = "-";
  return (text) => {
    if (text !== last) {
      last = text;
      escaped = escapeQuoted(text || "-");
    }
    return escaped;
  };
}

/** Milliseconds with two decimals; `toFixed` takes three times as long. */
function formatDuration(milliseconds: number): string {
  const hundredths = Math.max(0, Math.round(milliseconds * 100));
  const rest = hundredths % 100;
  return `${Math.trunc(hundredths / 100)}.${rest < 10 ? "0" : ""}${rest}`;
}

/**
 * Quotes text as a JSON string in ASCII, whose code points are the bytes as received. RFC 8259 §7; `JSON.stringify`
 * leaves DEL and beyond.
 */
function quoteJson(text: string): string {
  if (escapeQuoted(text) === text) return `"${text}"`;
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `[2026-03-15 10:30:15]`, local time. */
export function formatStamp(wallMs: number): string {
  const date = localDate(wallMs);
  const day = `${date.getUTCFullYear()}-${twoDigits(date.getUTCMonth() + 1)}-${twoDigits(date.getUTCDate())}`;
  return `[${day} ${formatTime(date)}]`;
}

/** `10:30:15`, local time. */
export function formatClock(wallMs: number): string {
  return formatTime(localDate(wallMs));
}

/** `UTC`, `UTC+01:00 (Europe/Berlin)`: the time zone of local times. */
export function localZone(): string {
  const minutes = -new Date().getTimezoneOffset();
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  if (minutes === 0) return timeZone === "UTC" ? "UTC" : `UTC (${timeZone})`;
  const rest = Math.abs(minutes);
  const offset = `${minutes < 0 ? "-" : "+"}${twoDigits(Math.trunc(rest / 60))}:${twoDigits(rest % 60)}`;
  return `UTC${offset} (${timeZone})`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `[15/Mar/2026:10:30:15 +0100]`, local time. */
function formatApacheStamp(wallMs: number): string {
  const date = localDate(wallMs);
  const offset = (date.getTime() - wallMs) / MINUTE_MS; // minutes east of UTC
  const minutes = Math.abs(offset);
  const zone = `${offset < 0 ? "-" : "+"}${twoDigits(Math.trunc(minutes / 60))}${twoDigits(minutes % 60)}`;
  const month = MONTHS[date.getUTCMonth()] ?? "";
  return `[${twoDigits(date.getUTCDate())}/${month}/${date.getUTCFullYear()}:${formatTime(date)} ${zone}]`;
}

/** `10:30:15`, of the UTC fields of `date`. */
function formatTime(date: Date): string {
  return `${twoDigits(date.getUTCHours())}:${twoDigits(date.getUTCMinutes())}:${twoDigits(date.getUTCSeconds())}`;
}

const MINUTE_MS = 60_000;

/**
 * Returns a date whose UTC fields are those of local time. The runtime takes 8 ms to load its time zones, and a server would answer its
 * first request that much later. A machine on UTC, as most containers are, needs none.
 */
function localDate(wallMs: number): Date {
  return IS_UTC ? new Date(wallMs) : new Date(wallMs - new Date(wallMs).getTimezoneOffset() * MINUTE_MS);
}

/** True if TZ, or without it the machine's setting, names UTC. */
const IS_UTC = /^(?:Etc\/)?UTC$/.test(process.env["TZ"] ?? linkAt("/etc/localtime").replace(/^.*\/zoneinfo\//, ""));

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

/** `format`, called once per second of wall clock: a stamp costs 600 ns to make and 5 ns to look up. */
function perSecond(format: (wallMs: number) => string): (wallMs: number) => string {
  let second = Number.NaN;
  let text = "";
  return (wallMs) => {
    const now = Math.floor(wallMs / 1000);
    if (now !== second) {
      second = now;
      text = format(now * 1000);
    }
    return text;
  };
}
