/**
 * A TCP relay on loopback that makes a server look far away. Bytes of both directions wait for `delayMs`, and a client's first bytes wait
 * for a round trip more: the handshake of TCP takes one, which no relay can delay. The bytes wait in memory without a bound, so the relay
 * is for small files.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface DelayRelay {
  readonly port: number;
  /** Connections accepted so far. */
  connections(): number;
  /** Stops listening, and resets what is open. */
  close(): void;
}

/** Listens on a free port of 127.0.0.1, and relays each connection to `port` there. */
export async function startDelayRelay(port: number, delayMs: number): Promise<DelayRelay> {
  const open = new Set<Socket>();
  let connections = 0;
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    connections++;
    const server = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    pass(client, server, delayMs, performance.now() + 2 * delayMs);
    pass(server, client, delayMs, 0);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      open.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => open.delete(socket));
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    connections: () => connections,
    close() {
      listener.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Writes what `from` sends, and its end, to `to`: in order, each part `delayMs` after it came, and none before `notBefore` + `delayMs`. */
function pass(from: Socket, to: Socket, delayMs: number, notBefore: number): void {
  /** Parts under way with the times when they are due; null is the end. */
  const waiting: { readonly part: Buffer | null; readonly dueMs: number }[] = [];
  const write = () => {
    for (let next = waiting[0]; next !== undefined && next.dueMs <= performance.now(); next = waiting[0]) {
      waiting.shift();
      if (next.part === null) to.end();
      else to.write(next.part);
    }
    if (waiting[0] !== undefined) setTimeout(write, waiting[0].dueMs - performance.now());
  };
  const add = (part: Buffer | null) => {
    const dueMs = Math.max(performance.now(), notBefore) + delayMs;
    waiting.push({ part, dueMs });
    if (waiting.length === 1) setTimeout(write, dueMs - performance.now());
  };
  from.on("data", add);
  from.on("end", () => add(null));
}
