/** The servers behind this one, loaded only with `--proxy`: the rules, and the connections to each server. */
import type { Clock } from "../exchange/clock.ts";
import type { UpstreamEvents } from "../exchange/upstream.ts";
import { ProxyRules } from "../handlers/proxy/proxy.ts";
import type { Recorder, RecorderOptions } from "../handlers/proxy/recorder.ts";
import { UpstreamPool } from "../http1/upstream-pool.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { openUpstream } from "./upstream-socket.ts";

export interface UpstreamsOptions {
  readonly settings: ServerSettings;
  readonly clock: Clock;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
  /** Null without --record. */
  readonly recorder: typeof Recorder | null;
}

/** The proxy of one server with its connections. */
export class Upstreams {
  readonly proxy: ProxyRules;
  readonly #pools: UpstreamPool[] = [];
  readonly #recorder: typeof Recorder | null;

  constructor({ settings, clock, warn, recorder }: UpstreamsOptions) {
    this.#recorder = recorder;
    this.proxy = new ProxyRules({
      settings,
      upstream: (origin) => {
        const connect = (events: UpstreamEvents) => void openUpstream(origin, events, clock);
        const pool = new UpstreamPool({ clock, timeoutMs: settings.proxyTimeoutMs, connect });
        this.#pools.push(pool);
        return pool;
      },
      nowMs: () => clock.elapsedMs(0),
      warn,
    });
  }

  /** Records all answers from now on. Throws a StartError, in one line for the operator, for a folder that is not empty. */
  record(options: RecorderOptions): void {
    this.proxy.recorder = this.#recorder === null ? null : new this.#recorder(options);
  }

  /** Looks at the time. */
  tick(): void {
    for (const pool of this.#pools) pool.tick();
  }

  /** Closes connections that are idle, and each other one after its request. */
  drain(): void {
    for (const pool of this.#pools) pool.end();
  }
}
