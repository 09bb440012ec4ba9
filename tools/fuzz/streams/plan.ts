/** One request on a stream, written down before it is sent: its fields, its content, its mistake if it has one, and its answer. */

import type { Random } from "../random.ts";
import { LARGE_CONTENT_BYTES } from "../simulation/settings.ts";
import type { Line } from "../wire/hpack-reader.ts";
import type { StreamSettings } from "./settings.ts";

interface StreamAnswer {
  /**
   * admit: a refusal without a slot. throw, reject: a failure of ours. now, settled, later: with a slot, at once or by a promise. early:
   * before the content has ended.
   */
  readonly way: "admit" | "now" | "settled" | "later" | "early" | "throw" | "reject";
  readonly form: "none" | "memory" | "held" | "source" | "live";
  readonly status: number;
  readonly length: number;
  /** Bytes that there really are. */
  readonly available: number;
}

export interface StreamPlan {
  readonly client: number;
  readonly index: number;
  readonly method: "GET" | "HEAD" | "POST";
  /** Without those of its content. */
  readonly lines: readonly Line[];
  /** Malformed: the stream is reset by PROTOCOL_ERROR. Refused: the answer has this status. */
  readonly fault: "" | "malformed" | "mismatch" | "refused" | "large";
  readonly refusal: number;
  /** Bytes of content; -1: the head is the whole request. */
  readonly length: number;
  readonly announces: boolean;
  readonly expects: boolean;
  readonly hasTrailers: boolean;
  readonly use: "discard" | "collect" | "sink" | "skip";
  readonly collectMax: number;
  readonly takesTime: boolean;
  readonly answer: StreamAnswer;
}

const MALFORMED: readonly Line[] = [
  ["Upper", "1"],
  ["connection", "close"],
  ["te", "gzip"],
  [":late", "1"],
  ["host", "other"],
  ["x-space", " a"],
];

export function planStream(client: number, index: number, settings: StreamSettings, random: Random): StreamPlan {
  const roll = random.below(40);
  const hasContent = roll >= 4 && random.oneIn(3);
  const fault = roll === 0 ? "malformed" : roll === 1 ? "refused" : roll === 2 ? "large" : "";
  const answer = planAnswer(hasContent, random);
  const takesTime = fault === "" && random.oneIn(10);
  const method = hasContent ? "POST" : random.pick(["GET", "GET", "GET", "HEAD"] as const);
  const lines: Line[] = [
    [":method", method],
    [":scheme", "http"],
    [":authority", "localhost"],
    [":path", `/${client}.${index}${fault === "refused" ? "%zz" : ""}`],
  ];
  if (random.oneIn(4)) lines.push(["priority", `u=${random.below(8)}${random.oneIn(2) ? ", i" : ""}`]);
  if (random.oneIn(3)) lines.push(["user-agent", "simulated"]);
  if (random.oneIn(6)) lines.push(["x-other", "o".repeat(random.below(60))]);
  if (fault === "malformed") lines.push(random.pick(MALFORMED));
  if (fault === "large") lines.push(["x-large", "l".repeat(700)]);
  const collectMax = settings.bodyBytesMax;
  const use = answer.way === "early" ? "sink" : random.pick(["discard", "collect", "collect", "sink", "skip"] as const);
  const sizes = [0, 1, 50, collectMax, collectMax + 1, 400, 3000];
  // More than half of the window of a connection, so that it has to be widened.
  const large = settings.http2.http2StreamWindowBytes > 500 ? [12_000, 60_000, 60_000] : [12_000];
  const length = hasContent ? random.pick(use === "sink" ? [...sizes, ...large] : sizes) : -1;
  const announces = hasContent && random.oneIn(2);
  return {
    client,
    index,
    method,
    lines,
    fault: announces && random.oneIn(12) ? "mismatch" : fault,
    refusal: fault === "refused" ? 400 : 431,
    length,
    announces,
    expects: hasContent && length > 0 && random.oneIn(5),
    hasTrailers: hasContent && random.oneIn(5),
    use,
    collectMax,
    takesTime,
    answer,
  };
}

function planAnswer(hasContent: boolean, random: Random): StreamAnswer {
  const plain: StreamAnswer = { way: "now", form: "memory", status: 200, length: 20, available: 20 };
  const roll = random.below(50);
  if (roll < 3) return { ...plain, way: "admit", status: 403 };
  if (roll < 5) return { ...plain, way: roll === 3 ? "throw" : "reject", status: 500 };
  const ways = ["now", "now", "now", "settled", "later", "later"] as const;
  const way = hasContent && random.oneIn(5) ? "early" : random.pick(ways);
  const shape = random.below(20);
  if (shape === 0) return { way, form: "none", status: 204, length: 0, available: 0 };
  if (shape < 4) {
    const length = random.pick([0, 10, 500, 5000]);
    return { way, form: "live", status: 200, length, available: random.oneIn(8) ? length >> 1 : length };
  }
  if (shape < 9) {
    const length = random.pick([0, 1, 300, 3000, 20_000, 80_000]) + random.below(30);
    return { way, form: "source", status: 200, length, available: random.oneIn(8) ? random.below(length + 1) : length };
  }
  if (shape < 11) {
    const length = LARGE_CONTENT_BYTES + random.below(5000);
    return { way, form: random.oneIn(2) ? "memory" : "held", status: 200, length, available: length };
  }
  const length = random.below(900);
  return { way, form: random.oneIn(2) ? "memory" : "held", status: 200, length, available: length };
}
