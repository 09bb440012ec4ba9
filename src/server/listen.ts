/**
 * Bun's sockets, adapted: the only place that names them. Each callback is one call into the conversation, with the clock
 * moved first; a socket has the shape of `Transport` already and is passed on as it is.
 */
import type { TCPSocketListener } from "bun";
import type { Conversation } from "../connection/farewell.ts";
import type { Transport } from "../connection/transport.ts";
import { StartError } from "./start-error.ts";

/** What the sockets report to. */
export interface Acceptor {
  /** A peer has connected. Returns its conversation, or null when it was cut off. */
  accepted(transport: Transport, address: string, port: number): Conversation | null;
  /** Called before each event, so that the conversation sees the time. */
  moveClock(): void;
  closed(conversation: Conversation): void;
}

export interface Listening {
  readonly port: number;
  /** Numeric addresses, IPv6 without brackets, in the order they were bound. */
  readonly hosts: readonly string[];
  /** Stops accepting; open connections go on. */
  stop(): void;
}

/** How often a free port of 127.0.0.1 that is taken on ::1 is given up for another one. */
const DUAL_PORT_TRIES = 16;

/**
 * Binds `host` and `port` (0: a free one). 127.0.0.1 is joined by ::1 on the same port where the machine has IPv6: the
 * name `localhost` means either. Throws a StartError.
 */
export function listen(host: string, port: number, acceptor: Acceptor): Listening {
  if (host !== "127.0.0.1") return combine([bind(host, port, acceptor)]);
  for (let attempt = 1; ; attempt++) {
    const first = bind(host, port, acceptor);
    try {
      return combine([first, bind("::1", first.port, acceptor)]);
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      if (error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT") return combine([first]);
      first.stop(true);
      if (port !== 0 || attempt === DUAL_PORT_TRIES) throw error;
    }
  }
}

function combine(listeners: readonly TCPSocketListener<Conversation | null>[]): Listening {
  const [first] = listeners;
  if (first === undefined) throw new Error("nothing listens");
  return {
    port: first.port,
    hosts: listeners.map((listener) => listener.hostname),
    stop: () => {
      for (const listener of listeners) listener.stop(false);
    },
  };
}

class BindError extends StartError {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

function bind(hostname: string, port: number, acceptor: Acceptor): TCPSocketListener<Conversation | null> {
  try {
    return Bun.listen<Conversation | null>({
      hostname,
      port,
      // Another process must not be able to share the port, and a FIN from the client must not end our answer.
      exclusive: true,
      allowHalfOpen: true,
      data: null,
      socket: {
        binaryType: "uint8array",
        open(socket) {
          acceptor.moveClock();
          socket.data = acceptor.accepted(socket, socket.remoteAddress, socket.remotePort);
        },
        data(socket, bytes) {
          acceptor.moveClock();
          socket.data?.received(bytes);
        },
        drain(socket) {
          acceptor.moveClock();
          socket.data?.drained();
        },
        end(socket) {
          acceptor.moveClock();
          socket.data?.ended();
        },
        close(socket) {
          if (socket.data === null) return;
          acceptor.moveClock();
          socket.data.closed();
          acceptor.closed(socket.data);
        },
        // A reset is reported here and by `close`, which returns everything.
        error() {},
      },
    });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new BindError(explain(code, hostname, port, error), code);
  }
}

function explain(code: string, host: string, port: number, error: unknown): string {
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use; stop the program that has it, or try --port ${port + 1} or --port 0`;
    case "EACCES":
    case "EPERM":
      return `port ${port} needs privileges; try --port 8080`;
    case "EADDRNOTAVAIL":
      return `${host} is no address of this machine; try --host 127.0.0.1 or --host 0.0.0.0`;
    default:
      return `cannot listen on ${host} port ${port}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
