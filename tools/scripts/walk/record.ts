/** Records which functions run from a socket's `data` callback to the first write behind it. */
import { RawClient } from "../../../test/support/raw-client.ts";

interface Recorded {
  readonly calls: readonly number[];
  /** Calls until the server is quiet again. */
  readonly wholeTurn: readonly number[];
}

export interface Recorder {
  /** Sends each request on one new connection, after the answer to the one before, and records it. */
  ask(port: number, requests: readonly string[]): Promise<readonly Recorded[]>;
}

type Handlers = Record<string, (...values: unknown[]) => unknown>;

/** Installs the counter under the global name `counter`, and wraps the sockets of servers that are started from now on. */
export function record(counter: string): Recorder {
  let calls: number[] = [];
  let writtenAt: number | null = null;
  let isRecording = false;
  const begin = () => {
    if (isRecording) return;
    isRecording = true;
    calls = [];
    writtenAt = null;
  };
  Object.assign(globalThis, {
    [counter]: (id: number) => {
      if (isRecording) calls.push(id);
    },
  });
  watchSockets(begin, () => {
    if (isRecording) writtenAt ??= calls.length;
  });
  return {
    async ask(port, requests) {
      using client = await RawClient.connect(port);
      const walks: Recorded[] = [];
      for (const request of requests) {
        client.send(request);
        await client.answer();
        // What the answer leaves to do, such as the pool's slot, is done within the same turn or the next ones.
        for (let turn = 0; turn < SETTLING_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
        isRecording = false;
        walks.push({ calls: calls.slice(0, writtenAt ?? 0), wholeTurn: calls });
      }
      return walks;
    },
  };
}

const SETTLING_TURNS = 10;

/** `Bun.listen` from now on calls `received` before each `data` callback, and `written` before each write. */
function watchSockets(received: () => void, written: () => void): void {
  const { listen } = Bun;
  const seen = new WeakSet<object>();
  const watched = (socket: unknown) => {
    const prototype = Object.getPrototypeOf(socket) as Handlers;
    if (seen.has(prototype)) return;
    seen.add(prototype);
    const { write } = prototype;
    prototype["write"] = function (this: unknown, ...values) {
      written();
      return write?.apply(this, values);
    };
  };
  const wrapped = (options: { socket: Handlers }) => {
    const { open, data } = options.socket;
    const socket: Handlers = {
      ...options.socket,
      open: (...values) => {
        watched(values[0]);
        return open?.(...values);
      },
      data: (...values) => {
        received();
        return data?.(...values);
      },
    };
    return (listen as unknown as (options: object) => unknown)({ ...options, socket });
  };
  Object.assign(Bun, { listen: wrapped });
}
