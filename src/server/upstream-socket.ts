/**
 * Sockets that this side opens, loaded only with `--proxy` and an object store: Bun's client sockets, adapted. A socket has the shape
 * of `Transport` and is passed on as it is.
 *
 * The rule it guards: over TLS, nothing is sent before the certificate of the upstream was verified against its name.
 */
import type { Socket } from "bun";
import type { Clock } from "../exchange/clock.ts";
import type { UpstreamEvents } from "../exchange/upstream.ts";
import type { ProxyOrigin } from "../http/proxy-rule.ts";
import { messageOf } from "../settings/start-error.ts";

type UpstreamSocket = Socket<undefined>;

/** Opens a connection that reports to `events`. Never rejects. */
export async function openUpstream(origin: ProxyOrigin, events: UpstreamEvents, clock: Clock): Promise<void> {
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
