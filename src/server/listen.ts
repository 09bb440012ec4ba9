/**
 * Bun's sockets, adapted: the only place that names them. Each callback is one call into the conversation, with the clock
 * moved first; a socket has the shape of `Transport` already and is passed on as it is.
 *
 * Over TLS a conversation begins before its handshake, so that one that does not go on has a deadline, and is told when it is
 * done. Bun encrypts and decrypts; from then on nothing differs.
 */
import { closeSync, writeSync } from "node:fs";
import type { Socket, TCPSocketListener } from "bun";
import type { Conversation } from "../exchange/carrier.ts";
import type { Clock } from "../exchange/clock.ts";
import type { Transport } from "../exchange/transport.ts";
import { messageOf, StartError } from "../settings/start-error.ts";
import { duplicate, sharePort } from "./port-sharing.ts";
import { HAS_SEND_FILE, sendFile } from "./send-file.ts";

/** The side that the sockets report to. */
export interface Acceptor {
  /** A peer has connected. Returns its conversation, or null when it was cut off. The port of a peer that has reset already is undefined. */
  accepted(transport: Transport, address: string, port: number | undefined): Conversation | null;
  /** Moved before each event, so that the conversation sees the time. */
  readonly clock: Pick<Clock, "move">;
  closed(conversation: Conversation): void;
  /**
   * Called when a TLS handshake has failed and its connection is closing. `isHttp`: the peer sent a request without
   * TLS. Returns an answer in plain text, or null.
   */
  failedHandshake(conversation: Conversation, reason: string, isHttp: boolean): Uint8Array | null;
}

/** TLS of a listener: options for Bun, and how later connections get another certificate. */
export interface TlsListening {
  /** Options for `Bun.listen`, as they are now. */
  readonly options: TlsListenOptions;
  /**
   * A context of `node:tls` that new connections get instead of the listener's, or null. It has no protocols to negotiate, so it is for
   * listeners that cannot be replaced.
   */
  renewed(): object | null;
  /** Calls `replace` when the options have changed. The result is false if a listener could not be replaced. */
  whenRenewed(replace: () => boolean): void;
}

/** Bun 1.4.5 takes more than its types say, or in another form. */
export interface TlsListenOptions {
  readonly key: string;
  readonly cert: string;
  /** Colon-separated suites of TLS 1.2. */
  readonly ciphers: string;
  /** The protocol's number: 0x0303 is TLS 1.2. */
  readonly minVersion: number;
  /** SSL_OP_ bits of OpenSSL. */
  readonly secureOptions: number;
  /** Each name behind its length. */
  readonly ALPNProtocols: Uint8Array;
}

export interface Listening {
  readonly port: number;
  /** Numeric addresses, IPv6 without brackets, in the order they were bound. */
  readonly hosts: readonly string[];
  /** Stops accepting; open connections go on. */
  stop(): void;
  /** Lets other threads bind the same port. Returns false if the system refuses. */
  share(): boolean;
}

/** How a listener takes its port: alone, or beside the listeners of other threads that share it (port-sharing.ts). */
export type Binding = "alone" | "beside others";

/** Tries to find a port of 127.0.0.1 that is free on ::1 as well. */
const DUAL_PORT_TRIES = 16;

/**
 * Binds `host` and `port` (0: a free one). 127.0.0.1 is joined by ::1 on the same port where the machine has IPv6: the
 * name `localhost` means either. Plain TCP where `tls` is null. Throws a StartError, which advises to change `flag`.
 */
export function listen(
  host: string,
  port: number,
  flag: "--port" | "--https-redirect",
  acceptor: Acceptor,
  tls: TlsListening | null,
  binding: Binding = "alone",
): Listening {
  const bindTo = (hostname: string, toPort: number) => bind(hostname, toPort, flag, acceptor, tls, binding);
  const combine = (listeners: Listener[]) => combined(listeners, acceptor, tls);
  if (host !== "127.0.0.1") return combine([bindTo(host, port)]);
  for (let attempt = 1; ; attempt++) {
    const first = bindTo(host, port);
    try {
      return combine([first, bindTo("::1", first.port)]);
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      if (error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT") return combine([first]);
      first.stop(true);
      if (port !== 0 || attempt === DUAL_PORT_TRIES) throw error;
    }
  }
}

type Listener = TCPSocketListener<Conversation | null>;

function combined(listeners: Listener[], acceptor: Acceptor, tls: TlsListening | null): Listening {
  const [first] = listeners;
  if (first === undefined) throw new Error("nothing listens");
  tls?.whenRenewed(() => replaceAll(listeners, acceptor, tls));
  return {
    port: first.port,
    hosts: listeners.map((listener) => listener.hostname),
    stop: () => {
      for (const listener of listeners) listener.stop(false);
    },
    share: () => listeners.every((listener) => sharePort((listener as Descriptive).fd)),
  };
}

/**
 * Replaces each listener by one with the present options on the same listening socket, so that no connection that waits there is lost.
 * Returns false if one could not be replaced: it stays.
 */
function replaceAll(listeners: Listener[], acceptor: Acceptor, tls: TlsListening): boolean {
  let areAll = true;
  for (const [index, before] of listeners.entries()) {
    const after = listenAgain((before as Descriptive).fd, acceptor, tls);
    areAll &&= after !== null;
    if (after === null) continue;
    listeners[index] = after;
    before.stop(false);
  }
  return areAll;
}

type SecureOptions = Parameters<typeof Bun.listen<Conversation | null>>[0];

/** Listens on the listening socket `descriptor` as well, which its owner may close; null if the system refuses. */
function listenAgain(descriptor: number, acceptor: Acceptor, tls: TlsListening): Listener | null {
  const fd = duplicate(descriptor);
  if (fd < 0) return null;
  const socket = secureHandlersOf(acceptor, tls);
  const options = { fd, allowHalfOpen: true, data: null, socket, tls: { ...tls.options } };
  try {
    // Bun's types know neither the descriptor nor that the result is a listener of TCP.
    return Bun.listen(options as unknown as SecureOptions) as unknown as Listener;
  } catch {
    closeSync(fd);
    return null;
  }
}

/** A listener of Bun 1.4.5, whose types lack its descriptor. */
interface Descriptive extends Listener {
  readonly fd: number;
}

class BindError extends StartError {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

function bind(
  hostname: string,
  port: number,
  flag: string,
  acceptor: Acceptor,
  tls: TlsListening | null,
  binding: Binding,
): Listener {
  const socket = tls === null ? plainHandlersOf(acceptor) : secureHandlersOf(acceptor, tls);
  const options = {
    hostname,
    port,
    // Another process must not be able to share the port, and a FIN from the client must not end our answer.
    ...(binding === "alone" ? { exclusive: true } : { reusePort: true }),
    allowHalfOpen: true,
    data: null,
    socket,
  };
  try {
    return Bun.listen<Conversation | null>(tls === null ? options : { ...options, tls: { ...tls.options } });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new BindError(explain(code, hostname, port, flag, error), code);
  }
}

type ConversationSocket = Socket<Conversation | null>;

/** Lets the socket behind `transport`, which was passed to `Acceptor.accepted`, report to another conversation. */
export function converse(transport: Transport, conversation: Conversation): void {
  (transport as unknown as ConversationSocket).data = conversation;
}

function handlersOf(acceptor: Acceptor) {
  return {
    binaryType: "uint8array" as const,
    open(socket: ConversationSocket) {
      acceptor.clock.move();
      socket.data = acceptor.accepted(socket, socket.remoteAddress, socket.remotePort);
    },
    data(socket: ConversationSocket, bytes: Uint8Array) {
      acceptor.clock.move();
      socket.data?.received(bytes);
    },
    drain(socket: ConversationSocket) {
      acceptor.clock.move();
      socket.data?.drained();
    },
    end(socket: ConversationSocket) {
      acceptor.clock.move();
      socket.data?.ended();
    },
    close(socket: ConversationSocket) {
      if (socket.data === null) return;
      acceptor.clock.move();
      socket.data.closed();
      acceptor.closed(socket.data);
    },
    // A reset is reported here and by `close`, which returns everything.
    error() {},
  };
}

/** Sockets with TLS have no `sendFile`, because their bytes are encrypted in our memory. */
function plainHandlersOf(acceptor: Acceptor) {
  if (!HAS_SEND_FILE) return handlersOf(acceptor);
  return {
    ...handlersOf(acceptor),
    open(socket: PlainSocket) {
      acceptor.clock.move();
      socket.sendFile = sendFile;
      socket.data = acceptor.accepted(socket, socket.remoteAddress, socket.remotePort);
    },
  };
}

/** A socket without TLS of Bun 1.4.5, whose types lack its descriptor, with the method that `Transport` adds. */
interface PlainSocket extends ConversationSocket {
  readonly fd: number;
  sendFile?: typeof sendFile;
}

/** Word of BoringSSL for a handshake that begins like a request. */
const HTTP_REQUEST = "HTTP_REQUEST";

/** `handshake` being there lets `open` come before it. */
function secureHandlersOf(acceptor: Acceptor, tls: TlsListening) {
  const handlers = handlersOf(acceptor);
  return {
    ...handlers,
    open(socket: ConversationSocket) {
      const renewed = tls.renewed();
      if (renewed !== null) (socket as SecureSocket).setKeyCert(renewed);
      acceptor.clock.move();
      socket.data = acceptor.accepted(socket, socket.remoteAddress, socket.remotePort);
    },
    // A handshake that succeeded has an error, too: the client showed no certificate, which was not requested.
    handshake(socket: ConversationSocket, isDone: boolean, error: Error | null) {
      const conversation = socket.data;
      if (conversation === null) return;
      acceptor.clock.move();
      if (isDone) {
        conversation.secured((socket as SecureSocket).alpnProtocol === "h2");
        return;
      }
      const reason = error?.message ?? "";
      const told = acceptor.failedHandshake(conversation, reason, reason.includes(HTTP_REQUEST));
      if (told !== null) writePlain((socket as SecureSocket).fd, told);
    },
  };
}

/** Members of a TLS socket of Bun 1.4.5 that its types lack. */
interface SecureSocket extends ConversationSocket {
  readonly fd: number;
  /** Protocol that was negotiated; false or null for none. */
  readonly alpnProtocol: string | false | null;
  setKeyCert(context: object): void;
}

/**
 * Writes past the TLS of a socket, whose own `write` would encrypt. Its descriptor is open until the callback ends. A
 * fresh socket takes this little at once; if that fails, the peer misses a hint.
 */
function writePlain(descriptor: number, bytes: Uint8Array): void {
  try {
    writeSync(descriptor, bytes);
  } catch {
    // The peer has gone.
  }
}

function explain(code: string, host: string, port: number, flag: string, error: unknown): string {
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use; stop the program that has it, or try ${flag} ${port + 1} or ${flag} 0`;
    case "EACCES":
    case "EPERM":
      return `port ${port} needs privileges; try ${flag} ${flag === "--port" ? 8080 : 8081}`;
    case "EADDRNOTAVAIL":
      return `${host} is no address of this machine; try --host 127.0.0.1 or --host 0.0.0.0`;
    default:
      return `cannot listen on ${host} port ${port}: ${messageOf(error)}`;
  }
}
