/**
 * Sockets to the servers behind this one, loaded only with `--proxy`: Bun's client sockets, adapted. A socket has the shape of
 * `Transport` and is passed on as it is.
 *
 * The rule it guards: over TLS, nothing is sent before the certificate of the upstream was verified against its name.
 */
import type { Socket } from "bun";
import type { Clock } from "../exchange/clock.ts";
import type { UpstreamEvents } from "../exchange/upstream.ts";
import { ProxyRules } from "../handlers/proxy/proxy.ts";
import type { Recorder, RecorderOptions } from "../handlers/proxy/recorder.ts";
import type { ProxyOrigin } from "../http/proxy-rule.ts";
import { UpstreamPool } from "../http1/upstream-pool.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { messageOf } from "../settings/start-error.ts";

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
        const connect = (events: UpstreamEvents) => void open(origin, events, clock);
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

type UpstreamSocket = Socket<undefined>;

/** Opens a connection that reports to `events`. Never rejects. */
async function open(origin: ProxyOrigin, events: UpstreamEvents, clock: Clock): Promise<void> {
  const { isSecure, host, port } = origin;
  // A numeric IPv6 address has no brackets outside of a URL.
  const hostname = host.startsWith("[") ? host.slice(1, -1) : host;
  try {
    await Bun.connect({
      hostname,
      port,
      // The FIN of an upstream may come before the end of the request that it answers.
      allowHalfOpen: true,
      socket: isSecure ? secureHandlersOf(events, clock) : handlersOf(events, clock),
      ...(isSecure ? { tls: { rejectUnauthorized: true, serverName: hostname } } : {}),
    });
  } catch (error) {
    clock.move();
    events.failed(`cannot be reached (${codeOf(error)})`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
}

function handlersOf(events: UpstreamEvents, clock: Clock) {
  return {
    binaryType: "uint8array" as const,
    open(socket: UpstreamSocket) {
      clock.move();
      socket.setNoDelay(true);
      events.opened(socket);
    },
    data(_socket: UpstreamSocket, bytes: Uint8Array) {
      clock.move();
      events.received(bytes);
    },
    drain() {
      clock.move();
      events.drained();
    },
    end() {
      clock.move();
      events.ended();
    },
    close() {
      clock.move();
      events.closed();
    },
    // A reset is reported here and by `close`.
    error() {},
    // The promise of `Bun.connect` rejects as well.
    connectError() {},
  };
}

function secureHandlersOf(events: UpstreamEvents, clock: Clock) {
  return {
    ...handlersOf(events, clock),
    open(socket: UpstreamSocket) {
      events.reached(socket);
    },
    handshake(socket: UpstreamSocket, isDone: boolean, error: Error | null) {
      clock.move();
      if (isDone && error === null && socket.authorized) {
        events.opened(socket);
        return;
      }
      events.failed(
        `has no valid certificate for its name, or speaks no TLS (${error === null ? "unverified" : codeOf(error)})`,
      );
      socket.terminate();
    },
  };
}
