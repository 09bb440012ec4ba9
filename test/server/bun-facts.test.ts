/**
 * What we lean on in Bun's sockets. None of it is promised by its documentation, so a new version of Bun has to show it again:
 * a failure here explains a failure elsewhere.
 */
import { afterEach, describe, expect, test } from "bun:test";
import type { Socket, TCPSocketListener } from "bun";
import { RawClient } from "../support/raw-client.ts";
import { turns, until } from "../support/waiting.ts";

interface Events {
  data?: (socket: Socket<unknown>, bytes: Uint8Array) => void;
  end?: (socket: Socket<unknown>) => void;
  close?: (socket: Socket<unknown>, error: unknown) => void;
}

const listeners: TCPSocketListener<unknown>[] = [];

afterEach(() => {
  for (const listener of listeners.splice(0)) listener.stop(true);
});

/** Listens as the server does, with the callbacks of a test. */
function listen(events: Events, port = 0): number {
  const listener = Bun.listen<unknown>({
    hostname: "127.0.0.1",
    port,
    exclusive: true,
    allowHalfOpen: true,
    data: null,
    socket: {
      binaryType: "uint8array",
      data: (socket, bytes) => events.data?.(socket, bytes),
      end: (socket) => events.end?.(socket),
      close: (socket, error) => events.close?.(socket, error),
      error() {},
    },
  });
  listeners.push(listener);
  return listener.port;
}

describe("a chunk of received bytes", () => {
  test("survives its callback: later chunks are in memory of their own", async () => {
    const chunks: Uint8Array[] = [];
    const port = listen({
      data: (socket, bytes) => {
        chunks.push(bytes);
        socket.write("+");
      },
    });
    using client = await RawClient.connect(port);
    for (let i = 0; i < 20; i++) {
      client.send(String.fromCharCode(97 + i).repeat(1000));
      await client.received(i + 1);
    }
    expect(chunks.map((chunk) => chunk.length)).toEqual(Array(20).fill(1000));
    chunks.forEach((chunk, i) => {
      expect(new Set(chunk)).toEqual(new Set([97 + i]));
    });
    expect(new Set(chunks.map((chunk) => chunk.buffer)).size).toBe(20);
  });

  test("does not come after pause was called in its predecessor's callback, until resume", async () => {
    let bytesSeen = 0;
    let paused: Socket<unknown> | null = null;
    const port = listen({
      data: (socket, bytes) => {
        bytesSeen += bytes.length;
        if (paused === null) socket.pause();
        paused = socket;
      },
    });
    using client = await RawClient.connect(port);
    client.send("first");
    await until(() => bytesSeen > 0, "the first chunk");
    for (let i = 0; i < 10; i++) {
      client.send("more");
      await turns(2);
    }
    expect(bytesSeen).toBe(5);
    (paused as Socket<unknown> | null)?.resume();
    await until(() => bytesSeen === 45, "the rest");
  });
});

describe("write", () => {
  test("takes what the kernel takes and keeps nothing of the rest", async () => {
    const size = 64 * 1024 * 1024;
    let accepted = -1;
    const port = listen({
      data: (socket) => {
        accepted = socket.write(new Uint8Array(size), 0, size);
        socket.end();
      },
    });
    using client = await RawClient.connect(port, { onlyCount: true });
    client.pause().send("x");
    await until(() => accepted >= 0, "the write");
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(size);
    client.resume();
    expect(await client.left()).toBe("fin");
    expect(client.receivedBytes).toBe(accepted);
  });

  test("says -1 on a closed socket instead of throwing", async () => {
    let result = 0;
    const port = listen({
      data: (socket) => {
        socket.terminate();
        result = socket.write("late");
      },
    });
    using client = await RawClient.connect(port);
    client.send("x");
    await client.left();
    expect(result).toBe(-1);
  });
});

describe("leaving", () => {
  for (const way of ["end", "terminate"] as const) {
    test(`${way} calls close before it returns`, async () => {
      const steps: string[] = [];
      const port = listen({
        data: (socket) => {
          socket[way]();
          steps.push("returned");
        },
        close: () => steps.push("close"),
      });
      using client = await RawClient.connect(port);
      client.send("x");
      expect(await client.left()).toBe(way === "end" ? "fin" : "reset");
      expect(steps).toEqual(["close", "returned"]);
    });
  }

  test("end goes on delivering what the kernel has accepted", async () => {
    let accepted = 0;
    let isClosed = false;
    const port = listen({
      data: (socket) => {
        accepted = socket.write(new Uint8Array(1024 * 1024));
        socket.end();
      },
      close: () => {
        isClosed = true;
      },
    });
    using client = await RawClient.connect(port, { onlyCount: true });
    client.pause().send("x");
    await until(() => isClosed, "the close");
    client.resume();
    expect(await client.left()).toBe("fin");
    expect(client.receivedBytes).toBe(accepted);
  });

  test("a FIN from the client is told by end, and leaves our side open", async () => {
    const port = listen({
      end: (socket) => {
        setImmediate(() => {
          socket.write("answer");
          socket.end();
        });
      },
    });
    using client = await RawClient.connect(port);
    client.finish();
    expect(await client.left()).toBe("fin");
    expect(client.text).toBe("answer");
  });

  test("shutdown sends FIN and goes on reading", async () => {
    let seen = "";
    const port = listen({
      data: (socket, bytes) => {
        if (seen === "") socket.shutdown();
        seen += new TextDecoder().decode(bytes);
      },
    });
    const { promise: sawFin, resolve: finCame } = Promise.withResolvers<void>();
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      allowHalfOpen: true,
      socket: { data() {}, end: () => finCame() },
    });
    client.write("first");
    await sawFin;
    client.write(" second");
    await until(() => seen === "first second", "what came after our FIN");
    client.terminate();
  });

  test("a reset from the client is a close with ECONNRESET", async () => {
    let code: unknown;
    let isRead = false;
    const port = listen({
      data: () => {
        isRead = true;
      },
      close: (_socket, error) => {
        code = error instanceof Error && "code" in error ? error.code : "none";
      },
    });
    const client = await RawClient.connect(port);
    client.send("x");
    await until(() => isRead, "the byte");
    client.reset();
    await until(() => code !== undefined, "the close");
    expect(code).toBe("ECONNRESET");
  });
});

test("a port in use throws with the code EADDRINUSE", () => {
  const port = listen({});
  let code: unknown;
  try {
    listen({}, port);
  } catch (error) {
    code = error instanceof Error && "code" in error ? error.code : error;
  }
  expect(code).toBe("EADDRINUSE");
});
