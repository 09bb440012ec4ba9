/**
 * The endpoints of httpbin, each with its path, its methods and its answer. Paths, names of members, bounds and status codes are those of
 * go-httpbin; docs/httpbin.md lists the differences.
 */
import { Precondition } from "../../http/conditional.ts";
import { Field } from "../../http/field.ts";
import type { FieldLine, FieldLines } from "../../http/fields.ts";
import type { ContentSource, Request, Response } from "../../http/message.ts";
import { RangeVerdict } from "../../http/range.ts";
import { randomHex } from "../digest.ts";
import { FileSource, multipartPieces } from "../files/file-body.ts";
import { preconditionOf, rangesOf } from "../files/file-conditions.ts";
import {
  answer,
  errorAnswer,
  JSON_TYPE,
  jsonText,
  type KeptContent,
  streamAnswer,
  TEXT_TYPE,
  textAnswer,
} from "./answers.ts";
import { cookiesOf, setCookies } from "./cookies.ts";
import { describe, describeContent, headersOf, hostOf, originOf, utf8Of } from "./echo.ts";
import { parseQuery, type Values } from "./form.ts";
import {
  chance,
  choose,
  mistakeInSum,
  type Parsed,
  parseInteger,
  parseSeed,
  parseStatus,
  parseStatuses,
  parseWait,
  type Seed,
  shown,
} from "./numbers.ts";
import { Drip, PacedText, type Pauses } from "./pauses.ts";

/** The parts of a server that the endpoints use. */
export interface Bin {
  /** Path before all endpoints, or "". */
  readonly prefix: string;
  readonly pauses: Pauses;
  readonly kept: KeptContent;
  /** False: `redirect-to` is refused. */
  readonly mayRedirect: boolean;
  /** Returns a place from 0 to below 1, for choices by weight: the same sequence after each start. */
  readonly nextPlace: () => number;
}

/** Answers a request. `params` are the segments that stand for the `*` of its path. */
type Answer = (bin: Bin, request: Request, params: readonly string[]) => Response | Promise<Response>;

export interface Endpoint {
  /** Segments of its path. `*` is any one that is not empty, and a last `**` any number. */
  readonly segments: readonly string[];
  readonly methods: readonly string[];
  readonly takesContent: boolean;
  readonly answer: Answer;
}

const READ = ["GET", "HEAD"];
const ANY = [...READ, "POST", "PUT", "PATCH", "DELETE"];

/** In the order in which a request meets them. */
export const ENDPOINTS: readonly Endpoint[] = [
  endpoint("anything/**", ANY, echo, true),
  endpoint("get", READ, (_, request) => jsonAnswer(describe(request))),
  endpoint("post", ["POST"], echo, true),
  endpoint("put", ["PUT"], echo, true),
  endpoint("patch", ["PATCH"], echo, true),
  endpoint("delete", ["DELETE"], echo, true),
  endpoint("headers", ANY, (_, request) => jsonAnswer({ headers: headersOf(request) })),
  endpoint("ip", ANY, ip),
  endpoint("status/*", ANY, status),
  endpoint("delay/*", ANY, delay, true),
  endpoint("redirect/*", ANY, redirect),
  endpoint("relative-redirect/*", ANY, (bin, request, [count = ""]) => redirectTimes(bin, request, count, false)),
  endpoint("absolute-redirect/*", ANY, (bin, request, [count = ""]) => redirectTimes(bin, request, count, true)),
  endpoint("redirect-to", ANY, redirectTo),
  endpoint("bytes/*", ANY, bytes),
  endpoint("range/*", ANY, range),
  endpoint("stream/*", ANY, stream),
  endpoint("drip", ANY, drip),
  endpoint("sse", ANY, sse),
  endpoint("basic-auth/*/*", ANY, basicAuth),
  endpoint("bearer", ANY, bearer),
  endpoint("cookies", ANY, (_, request) => jsonAnswer({ cookies: cookiesOf(request) })),
  endpoint("cookies/set", ANY, (bin, request) => cookies(bin, request, argsOf(request), false)),
  endpoint("cookies/set/*/*", ANY, (bin, request, [name = "", value = ""]) =>
    cookies(bin, request, new Map([[name, [value]]]), false),
  ),
  endpoint("cookies/delete", ANY, (bin, request) => cookies(bin, request, argsOf(request), true)),
  endpoint("gzip", ANY, gzip),
];

function endpoint(path: string, methods: readonly string[], answer: Answer, takesContent = false): Endpoint {
  return { segments: path.split("/"), methods, takesContent, answer };
}

function jsonAnswer(value: unknown): Response {
  return textAnswer(200, jsonText(value), JSON_TYPE);
}

/** Refuses a request with the mistake in it. */
function bad(detail: string): Response {
  return errorAnswer(400, detail);
}

function argsOf({ target }: Request): Values {
  return parseQuery(target.query);
}

/** Returns the first value of a query's field, or "". */
function argOf(args: Values, name: string): string {
  return args.get(name)?.[0] ?? "";
}

// Echo.

/** Content up to this size is shown with indentation. More could grow a thousandfold with it: two spaces for each open bracket. */
const INDENTED_BYTES_MAX = 4096;

function echo(
  { kept }: Bin,
  request: Request,
  _params: readonly string[],
  further: FieldLines = [],
): Response | Promise<Response> {
  const described = describeContent(request);
  const finish = (content: Awaited<typeof described>): Response => {
    if (typeof content === "string") return bad(`error parsing request body: ${content}`);
    const isFlat = request.content.length > INDENTED_BYTES_MAX;
    const text = jsonText({ ...describe(request), ...content }, isFlat);
    return kept.answer(text, JSON_TYPE, further);
  };
  return described instanceof Promise ? described.then(finish) : finish(described);
}

function ip(_: Bin, request: Request): Response {
  const { address } = request;
  return argOf(argsOf(request), "format") === "text"
    ? textAnswer(200, `${address}\n`)
    : jsonAnswer({ origin: address });
}

function gzip(_: Bin, request: Request): Response {
  const text = jsonText({ ...describe(request), url: "", gzipped: true });
  return answer(200, Bun.gzipSync(text), JSON_TYPE, [["Content-Encoding", "gzip"]]);
}

// Status and time.

function status(bin: Bin, request: Request, [text = ""]: readonly string[]): Response {
  const choices = parseStatuses(text);
  if (typeof choices === "string") return bad(choices);
  const seed = parseSeed(argOf(argsOf(request), "seed"));
  if (typeof seed === "string") return bad(seed);
  const place = seed === null ? (choices.length > 1 ? bin.nextPlace() : 0) : chance(seed, 0) / 2 ** 32;
  return statusAnswer(choose(choices, place), bin.prefix);
}

const BASIC_CHALLENGE = 'Basic realm="Fake Realm"';

function statusAnswer(code: number, prefix: string): Response {
  switch (code) {
    case 300:
    case 301:
    case 302:
    case 303:
    case 305:
    case 307:
    case 308:
      return redirection(code, `${prefix}/redirect/1`);
    case 401:
      return answer(code, null, TEXT_TYPE, [["WWW-Authenticate", BASIC_CHALLENGE]]);
    case 406:
      return textAnswer(code, jsonText(NOT_ACCEPTABLE), JSON_TYPE);
    case 407:
      return answer(code, null, TEXT_TYPE, [["Proxy-Authenticate", BASIC_CHALLENGE]]);
    case 418:
      return textAnswer(code, "I'm a teapot!", TEXT_TYPE, [["X-More-Info", "http://tools.ietf.org/html/rfc2324"]]);
    default:
      return answer(code, null, TEXT_TYPE);
  }
}

const NOT_ACCEPTABLE = {
  message: "Client did not request a supported media type",
  accept: ["image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/"],
};

function delay(bin: Bin, request: Request, params: readonly string[]): Response | Promise<Response> {
  const ms = parseWait("duration", params[0] ?? "");
  if (typeof ms === "string") return bad(ms);
  const timing = serverTiming([["initial_delay", ms, "initial delay"]]);
  return bin.pauses.answerAfter(ms, request, () => echo(bin, request, params, [timing]));
}

function serverTiming(timings: readonly (readonly [name: string, ms: number, description: string])[]): FieldLine {
  const entries = timings.map(([name, ms, description]) => `${name};dur=${ms.toFixed(2)};desc="${description}"`);
  return ["Server-Timing", entries.join(", ")];
}

// Redirects.

function redirection(code: number, location: string): Response {
  return answer(code, null, "", [["Location", location]]);
}

function redirect(bin: Bin, request: Request, [count = ""]: readonly string[]): Response {
  const isAbsolute = argOf(argsOf(request), "absolute").toLowerCase() === "true";
  return redirectTimes(bin, request, count, isAbsolute);
}

function redirectTimes({ prefix }: Bin, request: Request, count: string, isAbsolute: boolean): Response {
  const times = parseInteger("redirect count", count, 1, Number.MAX_SAFE_INTEGER);
  if (typeof times === "string") return bad(times);
  const kind = isAbsolute ? "absolute" : "relative";
  const path = `${prefix}${times === 1 ? "/get" : `/${kind}-redirect/${times - 1}`}`;
  return redirection(302, isAbsolute && hostOf(request) !== null ? originOf(request) + path : path);
}

const FORBIDDEN =
  "redirect-to is for a server on a loopback address, or with --fixture-token: a link to it could lead anywhere";

function redirectTo({ prefix, mayRedirect }: Bin, request: Request): Response {
  const args = argsOf(request);
  const url = argOf(args, "url");
  if (!mayRedirect) return errorAnswer(403, FORBIDDEN);
  if (url === "") return bad("missing required query parameter: url");
  const location = locationOf(url);
  if (location === null)
    return bad(`invalid url: expected a URL without controls and broken escapes, got ${shown(url)}`);
  const code = argOf(args, "status_code");
  const redirectCode = code === "" ? 302 : parseInteger("status code", code, 300, 399);
  if (typeof redirectCode === "string") return bad(redirectCode);
  if (location.startsWith("/"))
    return redirection(redirectCode, location.startsWith("//") ? location : prefix + location);
  if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return redirection(redirectCode, location);
  return errorAnswer(403, "url must be absolute, or begin with a slash");
}

/** Returns a URL in the characters of RFC 3986, or null for one that cannot be written so. */
function locationOf(url: string): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are looked for.
  if (/[\u0000-\u001f\u007f]|%(?![0-9a-f]{2})/i.test(url)) return null;
  return url.replace(/[^\x21-\x7e]+|["<>\\^`{|}]/g, encodeURIComponent);
}

// Bytes.

/** Bytes of a response that its path asks for; go-httpbin's own bound. */
const BYTES_MAX = 1_048_576;

function bytes(_: Bin, request: Request, [count = ""]: readonly string[]): Response {
  const size = parseInteger("byte count", count, 0, BYTES_MAX);
  if (typeof size === "string") return bad(size);
  const given = parseSeed(argOf(argsOf(request), "seed"));
  if (typeof given === "string") return bad(given);
  const [low = 0, high = 0] = crypto.getRandomValues(new Uint32Array(2));
  const seed = given ?? { low, high };
  return size === 0 ? answer(200, null, "") : answer(200, new SeededBytes(size, seed), "application/octet-stream");
}

/** Bytes that a seed and their positions decide, so that none of them is kept. */
class SeededBytes implements ContentSource {
  readonly size: number;
  readonly #seed: Seed;

  constructor(size: number, seed: Seed) {
    this.size = size;
    this.#seed = seed;
  }

  read(position: number, into: Uint8Array, offset: number, limit: number): number {
    const count = Math.min(limit, this.size - position);
    let word = 0;
    for (let i = 0; i < count; i++) {
      const at = position + i;
      if (i === 0 || at % 4 === 0) word = chance(this.#seed, at >> 2);
      into[offset + i] = word >>> (8 * (at % 4));
    }
    return count;
  }

  close(): void {}
}

/** Made once, for all clients. */
let letters: Uint8Array | null = null;

function lettersTo(size: number): Uint8Array {
  letters ??= new Uint8Array(BYTES_MAX).map((_, position) => 0x61 + (position % 26));
  return letters.subarray(0, size);
}

function range(bin: Bin, request: Request, [count = ""]: readonly string[]): Response | Promise<Response> {
  const size = parseInteger("count", count, 1, BYTES_MAX);
  if (typeof size === "string") return bad(size);
  const duration = argOf(argsOf(request), "duration");
  const ms = duration === "" ? 0 : parseWait("duration", duration);
  if (typeof ms === "string") return bad(ms);
  return bin.pauses.answerAfter(ms, request, () => rangeAnswer(request, size));
}

/** Stands for the time of the last change, which these bytes do not have: no date is equal, earlier or later. */
const NEVER = Number.NaN;

function rangeAnswer({ head }: Request, size: number): Response {
  const etag = `"range${size}"`;
  const lines: FieldLine[] = [
    ["ETag", etag],
    ["Accept-Ranges", "bytes"],
  ];
  const precondition = preconditionOf(head, etag, NEVER, 0);
  if (precondition === Precondition.NotModified) return answer(304, null, "", lines);
  if (precondition === Precondition.Failed) return errorAnswer(412, "If-Match does not name the ETag", lines);
  const content = lettersTo(size);
  const ranges = rangesOf(head, size, etag, NEVER, 0);
  if (ranges === RangeVerdict.Ignore)
    return answer(200, sourceOf(content, [{ first: 0, last: size - 1 }]), TEXT_TYPE, lines);
  if (ranges === RangeVerdict.Unsatisfiable) {
    return errorAnswer(416, "no byte is in that range", [...lines, ["Content-Range", `bytes */${size}`]]);
  }
  const [only] = ranges;
  if (ranges.length === 1 && only !== undefined) {
    lines.push(["Content-Range", `bytes ${only.first}-${only.last}/${size}`]);
    return answer(206, sourceOf(content, ranges), TEXT_TYPE, lines);
  }
  const boundary = randomHex(12);
  const pieces = multipartPieces(ranges, size, TEXT_TYPE, boundary);
  return answer(206, sourceOf(content, pieces), `multipart/byteranges; boundary=${boundary}`, lines);
}

function sourceOf(content: Uint8Array, pieces: ConstructorParameters<typeof FileSource>[1]): FileSource {
  return new FileSource(content, pieces);
}

// Streams.

const LINES_MAX = 100;

function stream(bin: Bin, request: Request, [text = ""]: readonly string[]): Response {
  const asked = parseInteger("count", text, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  if (typeof asked === "string") return bad(asked);
  const { args, headers, origin, url } = describe(request);
  const count = Math.max(1, Math.min(LINES_MAX, asked));
  const make = (id: number) => jsonText({ id, args, headers, origin, url }, true);
  return textStream(bin, "application/x-ndjson; charset=utf-8", { count, pauseMs: 0 }, make);
}

function textStream(
  { pauses }: Bin,
  type: string,
  pace: { readonly count: number; readonly pauseMs: number },
  make: (index: number) => string,
): Response {
  return streamAnswer(type, new PacedText({ ...pace, pauses }, make));
}

/** Pieces of a response, and the time before and between them. */
interface Timing {
  readonly count: number;
  readonly delayMs: number;
  readonly durationMs: number;
}

/** Reads the query of an endpoint that sends pieces over some time. Returns the mistake in it as a sentence. */
function timingOf(args: Values, name: string, countMax: number, defaults: Timing): Timing | string {
  const read = (field: string, otherwise: number, parse: (text: string) => Parsed): Parsed => {
    const text = argOf(args, field);
    return text === "" ? otherwise : parse(text);
  };
  const durationMs = read("duration", defaults.durationMs, (text) => parseWait("duration", text));
  if (typeof durationMs === "string") return durationMs;
  const delayMs = read("delay", defaults.delayMs, (text) => parseWait("delay", text));
  if (typeof delayMs === "string") return delayMs;
  const count = read(name, defaults.count, (text) => parseInteger(name, text, 1, countMax));
  if (typeof count === "string") return count;
  return mistakeInSum(durationMs, delayMs) ?? { count, delayMs, durationMs };
}

/** No pause follows the last piece. */
function pauseOf({ count, durationMs }: Timing): number {
  return count > 1 ? durationMs / (count - 1) : durationMs;
}

const ASTERISK = 0x2a;

function drip(bin: Bin, request: Request): Response | Promise<Response> {
  const args = argsOf(request);
  const timing = timingOf(args, "numbytes", BYTES_MAX, { count: 10, delayMs: 2000, durationMs: 2000 });
  if (typeof timing === "string") return bad(timing);
  const text = argOf(args, "code");
  const code = text === "" ? 200 : parseStatus(text);
  if (typeof code === "string") return bad(code);
  if (code === 204 || code === 205 || code === 304) return bad(`invalid status code: ${code} has no content to drip`);
  const { count, delayMs, durationMs } = timing;
  const pauseMs = pauseOf(timing);
  const line = serverTiming([
    ["total_duration", delayMs + durationMs, "total request duration"],
    ["initial_delay", delayMs, "initial delay"],
    ["write_duration", durationMs, "duration of writes after initial delay"],
    ["pause_per_write", pauseMs, "computed pause between writes"],
  ]);
  return bin.pauses.answerAfter(delayMs, request, () =>
    answer(code, new Drip({ pauses: bin.pauses, count, pauseMs }, ASTERISK), TEXT_TYPE, [line]),
  );
}

/** Events of about 56 bytes in 1 MiB, as go-httpbin counts them. */
const EVENTS_MAX = 18_000;

function sse(bin: Bin, request: Request): Response | Promise<Response> {
  const timing = timingOf(argsOf(request), "count", EVENTS_MAX, { count: 10, delayMs: 0, durationMs: 5000 });
  if (typeof timing === "string") return bad(timing);
  const pace = { count: timing.count, pauseMs: pauseOf(timing) };
  return bin.pauses.answerAfter(timing.delayMs, request, () =>
    textStream(bin, "text/event-stream; charset=utf-8", pace, (id) => {
      const timestamp = Math.floor(bin.pauses.wallMs());
      return `event: ping\ndata: ${jsonText({ id, timestamp }, true)}\n`;
    }),
  );
}

// Credentials and cookies.

function basicAuth(_: Bin, { head }: Request, [user = "", password = ""]: readonly string[]): Response {
  const [, encoded = ""] = /^Basic +([A-Za-z0-9+/=_-]*)$/i.exec(head.value(Field.Authorization) ?? "") ?? [];
  const given = Buffer.from(encoded, "base64").toString("utf8");
  const colon = given.indexOf(":");
  const givenUser = colon < 0 ? "" : given.slice(0, colon);
  const authenticated = colon >= 0 && given === `${user}:${password}`;
  const text = jsonText({ authenticated, user: givenUser, authorized: authenticated });
  return textAnswer(
    authenticated ? 200 : 401,
    text,
    JSON_TYPE,
    authenticated ? [] : [["WWW-Authenticate", BASIC_CHALLENGE]],
  );
}

function bearer(_: Bin, { head }: Request): Response {
  const [, token] = /^Bearer +(\S+)$/i.exec(head.value(Field.Authorization)?.trim() ?? "") ?? [];
  if (token === undefined) return errorAnswer(401, "", [["WWW-Authenticate", "Bearer"]]);
  return jsonAnswer({ authenticated: true, token: utf8Of(token) });
}

function cookies({ prefix, pauses }: Bin, { secure }: Request, args: Values, isDeletion: boolean): Response {
  const lines = setCookies(args, secure, isDeletion ? { nowMs: pauses.wallMs() } : null);
  if (typeof lines === "string") return bad(lines);
  return answer(302, null, "", [["Location", `${prefix}/cookies`], ...lines]);
}
