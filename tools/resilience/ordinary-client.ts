/**
 * What an ordinary client sees while others misbehave: one keep-alive connection and, beside it, a fresh connection each time,
 * both asking for the same page at a fixed pace. The fresh ones do not wait for each other, so a server that stands still for a
 * second is seen to do so by every request of that second. The kept-alive one asks again when it has its answer.
 */
import { type Answer, RawClient, request } from "../../test/support/raw-client.ts";

/** Times in milliseconds. */
interface Latencies {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** What went wrong, by kind (`503`, `reset`, …), and how often. */
  readonly failures: ReadonlyMap<string, number>;
}

export interface Seen {
  readonly keptAlive: Latencies;
  readonly fresh: Latencies;
}

/** Milliseconds until a request counts as failed. */
const PATIENCE_MS = 10_000;

/** Requests of fresh connections under way at once; more are not begun but counted as failed. */
const FRESH_MAX = 500;

/** Asks for `/` every `everyMs` on each of the two kinds of connection, from its making until `stop`. */
export class OrdinaryClient {
  readonly #port: number;
  readonly #keptAlive = new Record();
  readonly #fresh = new Record();
  readonly #loops: readonly Promise<void>[];
  #stopped = false;

  constructor(port: number, everyMs: number) {
    this.#port = port;
    this.#loops = [this.#ask(everyMs), this.#askAfresh(everyMs)];
  }

  /** Answers so far, of the kind of connection that has had fewer. */
  get answers(): number {
    return Math.min(this.#keptAlive.count, this.#fresh.count);
  }

  /** Ends, when the requests under way have their answers, and tells what was seen. */
  async stop(): Promise<Seen> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    return { keptAlive: this.#keptAlive.summary(), fresh: this.#fresh.summary() };
  }

  /** On one connection, one after the other; a new one when the server has said that it closes, or has failed. */
  async #ask(everyMs: number): Promise<void> {
    let client: RawClient | null = null;
    for (let dueMs = performance.now(); !this.#stopped; dueMs = Math.max(dueMs + everyMs, performance.now())) {
      await Bun.sleep(Math.max(0, dueMs - performance.now()));
      try {
        client ??= await RawClient.connect(this.#port);
        const answer = await this.#exchange(client, "");
        this.#keptAlive.add(performance.now() - dueMs, failureOf(answer));
        if (answer.fields.get("connection") !== "close") continue;
      } catch (error) {
        this.#keptAlive.add(performance.now() - dueMs, kindOf(error));
      }
      client?.[Symbol.dispose]();
      client = null;
    }
    client?.[Symbol.dispose]();
  }

  /** Each on its own, without waiting for the one before. */
  async #askAfresh(everyMs: number): Promise<void> {
    const under = new Set<Promise<void>>();
    for (let dueMs = performance.now(); !this.#stopped; dueMs += everyMs) {
      await Bun.sleep(Math.max(0, dueMs - performance.now()));
      if (under.size >= FRESH_MAX) {
        this.#fresh.add(0, "not begun");
        continue;
      }
      const one = this.#askOnce(dueMs).finally(() => under.delete(one));
      under.add(one);
    }
    await Promise.all(under);
  }

  async #askOnce(dueMs: number): Promise<void> {
    let failure: string | null;
    try {
      using client = await RawClient.connect(this.#port);
      failure = failureOf(await this.#exchange(client, "Connection: close\r\n"));
    } catch (error) {
      failure = kindOf(error);
    }
    this.#fresh.add(performance.now() - dueMs, failure);
  }

  #exchange(client: RawClient, fields: string): Promise<Answer> {
    return client.send(request(this.#port, "GET /", fields)).answer("GET", PATIENCE_MS);
  }
}

/** `1234 requests, p50 0.4 ms, p99 1.2 ms, max 8.0 ms, no failures`. */
export function describeLatencies(seen: Latencies): string {
  const failures = [...seen.failures].map(([kind, count]) => `${count} × ${kind}`).join(", ");
  const times = [seen.p50, seen.p99, seen.max].map((ms) => ms.toFixed(1));
  return `${seen.requests} requests, p50 ${times[0]} ms, p99 ${times[1]} ms, max ${times[2]} ms, failed: ${failures || "none"}`;
}

class Record {
  readonly #times: number[] = [];
  readonly #failures = new Map<string, number>();

  /** `failure` is null for a request that got what it asked for; the time of any other says nothing. */
  add(ms: number, failure: string | null): void {
    if (failure === null) this.#times.push(ms);
    else this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
  }

  /** Of requests that got what they asked for. */
  get count(): number {
    return this.#times.length;
  }

  summary(): Latencies {
    const times = this.#times.sort((one, other) => one - other);
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN;
    const failed = [...this.#failures.values()].reduce((sum, count) => sum + count, 0);
    return { requests: times.length + failed, p50: at(0.5), p99: at(0.99), max: at(1), failures: this.#failures };
  }
}

function failureOf(answer: Answer): string | null {
  return answer.status === 200 ? null : String(answer.status);
}

/** What an exception of RawClient says, without its figures. */
function kindOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (text.includes("left by reset")) return "reset";
  if (text.includes("left by fin")) return "closed without an answer";
  return text.includes("waited") ? `no answer in ${PATIENCE_MS / 1000} s` : "no connection";
}
