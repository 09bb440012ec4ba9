/**
 * Turns peers away above a limit of connections, so that files can still be opened and the accept loop never runs out of
 * descriptors. A peer gets 503 and a short farewell; if too many are leaving, it gets 503 and is closed at once.
 *
 * Over TLS it is closed without an answer: that would need a handshake, the most expensive request that a stranger can make.
 */
import type { Clock } from "../exchange/clock.ts";
import type { Transport } from "../exchange/transport.ts";
import { type FieldLines, RETRY_SOON } from "../http/fields.ts";
import type { Handler } from "../http/message.ts";
import { Farewell } from "../http1/farewell.ts";
import type { HeadStarts } from "../http1/response-head.ts";
import { limits } from "../settings/limits.ts";
import type { Refusal } from "./admission.ts";

/** Refusals of --proxy-protocol. Such a peer gets no answer. */
export const NOT_A_TRUSTED_PROXY: Refusal = {
  reason: "not a trusted proxy",
  sentence: "This port is for proxies.",
  warning: "closed a connection that does not come from a --trusted-proxy: --proxy-protocol takes no other",
};
export const NO_PROXY_HEADER: Refusal = {
  reason: "no PROXY header",
  sentence: "This port is for proxies.",
  warning: "closed a connection of a trusted proxy that began without a PROXY header; --verbose says why",
};

interface TurnAwayOptions {
  readonly clock: Clock;
  /** Takes a line for the operator. */
  readonly warn: (text: string) => void;
}

export class TurnAway {
  readonly #options: TurnAwayOptions;
  /** Peers on their way out. */
  readonly #farewells = new Set<Farewell>();
  /** Refusal that was logged, until a tick without one. */
  #logged: Refusal | null = null;
  #hasRefused = false;

  constructor(options: TurnAwayOptions) {
    this.#options = options;
  }

  /** Refuses a peer. `answer` makes the 503, which is not sent if `isSilent`. Returns the farewell that now owns the transport; null if it is closed. */
  refuse(transport: Transport, refusal: Refusal, isSilent: boolean, answer: () => Uint8Array): Farewell | null {
    this.#hasRefused = true;
    if (this.#logged !== refusal) this.#options.warn(refusal.warning);
    this.#logged = refusal;
    if (isSilent) {
      transport.terminate();
      return null;
    }
    const whole = answer();
    if (this.#farewells.size < limits.farewellsMax) {
      const farewell = new Farewell(transport, whole, this.#options.clock, limits.lingerMs);
      this.#farewells.add(farewell);
      return farewell;
    }
    transport.write(whole, 0, whole.length);
    transport.end();
    return null;
  }

  /** Forgets a farewell whose transport has closed. */
  closed(farewell: Farewell): void {
    this.#farewells.delete(farewell);
  }

  tick(): void {
    for (const farewell of this.#farewells) farewell.tick();
    if (!this.#hasRefused) this.#logged = null;
    this.#hasRefused = false;
  }

  /** Ends all farewells at once. */
  end(): void {
    for (const farewell of this.#farewells) farewell.end();
  }
}

/** Returns the whole 503 of a refusal. */
export function refusalAnswer(handler: Handler, headStarts: HeadStarts, clock: Clock, sentence: string): Uint8Array {
  return wholeAnswer(handler, headStarts, clock, 503, sentence, RETRY_SOON);
}

/** Returns the whole 400 for a plain request on a port that speaks TLS. */
export function notTlsAnswer(handler: Handler, headStarts: HeadStarts, clock: Clock): Uint8Array {
  return wholeAnswer(handler, headStarts, clock, 400, NOT_TLS, []);
}

const NOT_TLS = "This port speaks TLS, and a plain HTTP request came; use https:// instead of http://.";

/** Returns a whole response for a peer without a connection of its own. It is the last one. */
function wholeAnswer(
  handler: Handler,
  headStarts: HeadStarts,
  clock: Clock,
  status: number,
  sentence: string,
  fields: FieldLines,
): Uint8Array {
  const response = handler.failure(status, sentence, null, fields);
  const { content } = response;
  // The content of a failure is in memory.
  const rest = content instanceof Uint8Array ? content : new Uint8Array(0);
  const fieldBytes = response.fields.http1(null);
  const answer = new Uint8Array(headStarts.bytesMax + fieldBytes.length + rest.length);
  const fieldsStart = headStarts.append(answer, 0, response.status, false, 0, clock.second);
  answer.set(fieldBytes, fieldsStart);
  answer.set(rest, fieldsStart + fieldBytes.length);
  return answer.subarray(0, fieldsStart + fieldBytes.length + rest.length);
}
