/** Numbers in paths and queries, as Go reads them, and numbers by chance that a seed repeats. Pure. */

/** A number, or the mistake in its text as a sentence. */
export type Parsed = number | string;

/** Returns a whole number from `min` to `max`. `name` is the name of the number in a message. */
export function parseInteger(name: string, text: string, min: number, max: number): Parsed {
  if (!/^[+-]?[0-9]{1,15}$/.test(text)) return `invalid ${name}: expected a whole number, got ${shown(text)}`;
  const value = Number(text);
  if (value >= min && value <= max) return value;
  const wanted = max === Number.MAX_SAFE_INTEGER ? `must be ${min} or more` : `not in range [${min}, ${max}]`;
  return `invalid ${name}: ${value} ${wanted}`;
}

/** Most milliseconds that a response may wait, in all. go-httpbin's own bound. */
const WAIT_MS_MAX = 10_000;

/**
 * Returns the milliseconds of a duration: `1.5` is in seconds, and `1m30s` or `300ms` in Go's units. `name` says what the duration
 * is.
 */
export function parseWait(name: string, text: string): Parsed {
  const ms = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)
    ? Math.trunc(Number(text) * 1000)
    : goDuration(text);
  if (ms === null) return `invalid ${name}: expected seconds or a duration such as 300ms, got ${shown(text)}`;
  if (ms < 0) return `invalid ${name}: ${shown(text)} is shorter than 0s`;
  return ms <= WAIT_MS_MAX ? ms : `invalid ${name}: ${shown(text)} is longer than ${WAIT_MS_MAX / 1000}s`;
}

/** Returns null for two waits that are short enough together, else the mistake. */
export function mistakeInSum(firstMs: number, secondMs: number): string | null {
  if (firstMs + secondMs <= WAIT_MS_MAX) return null;
  return `too much time: ${firstMs / 1000}s and ${secondMs / 1000}s are more than ${WAIT_MS_MAX / 1000}s`;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

function goDuration(text: string): number | null {
  const [, sign, parts = ""] = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (parts === "") return null;
  let ms = 0;
  for (const [, number = "", unit = ""] of parts.matchAll(/([\d.]+)([a-zµμ]+)/g))
    ms += Number(number) * (UNITS_MS[unit] ?? 0);
  return sign === "-" ? -ms : ms;
}

/** Returns a text of the request for a message, in quotes and short. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/** The 64 bits of a whole number. */
export interface Seed {
  readonly low: number;
  readonly high: number;
}

/** Returns the seed that a query asks for, null for none, or the mistake. */
export function parseSeed(text: string): Seed | null | string {
  if (text === "") return null;
  if (!/^[+-]?[0-9]{1,19}$/.test(text)) return `invalid seed: expected a whole number, got ${shown(text)}`;
  const bits = BigInt.asUintN(64, BigInt(text));
  return { low: Number(bits & 0xffff_ffffn), high: Number(bits >> 32n) };
}

/** Returns 32 bits of chance: the same for the same seed and index. Each index stands alone, so no state is kept. */
export function chance({ low, high }: Seed, index: number): number {
  const mixed = scramble(low ^ Math.imul(index + 1, 0x9e37_79b9)) ^ high;
  return scramble(mixed + index) >>> 0;
}

/** The last step of MurmurHash3: each bit of the input changes half of the result's. */
function scramble(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2_ae35);
  return bits ^ (bits >>> 16);
}

/** Status codes with their weights. */
type Choices = readonly (readonly [status: number, weight: number])[];

/** Returns the one status of `404`, or the choices of `200:0.5,500`; or the mistake. */
export function parseStatuses(text: string): Choices | string {
  const choices: (readonly [number, number])[] = [];
  for (const item of text.split(",")) {
    const [code = "", weight = "1", ...rest] = item.split(":");
    const status = parseStatus(code);
    if (typeof status === "string") return status;
    const share = /^(?:\d+\.?\d*|\.\d+)$/.test(weight) && rest.length === 0 ? Number(weight) : Number.NaN;
    if (!Number.isFinite(share)) return `invalid weight: expected a number such as 0.5, got ${shown(item)}`;
    choices.push([status, share]);
  }
  return choices.some(([, weight]) => weight > 0) ? choices : "invalid weight: all of them are 0";
}

/** Returns a final status code. An interim one (1xx) is not a response. */
export function parseStatus(text: string): Parsed {
  return parseInteger("status code", text, 200, 599);
}

/** Returns the status at `place`, from 0 to below 1, of all weights. */
export function choose(choices: Choices, place: number): number {
  let left = place * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [status, weight] of choices) {
    if (left < weight) return status;
    left -= weight;
  }
  return choices.findLast(([, weight]) => weight > 0)?.[0] ?? 200;
}
