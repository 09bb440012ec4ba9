/** The other side of a connection, as its requests know it. */
export interface Peer {
  /** Numeric address, IPv6 without brackets; of a client that a proxy has announced at the start of the connection, `unknown` if it did not say. */
  readonly address: string;
  readonly port: number;
  /** Numeric address of the other side of the socket. It differs from `address` only if a proxy has announced its client. */
  readonly socketAddress: string;
  /** True when the peer has used https. Its connection begins with the handshake, which `secured` ends. */
  readonly secure: boolean;
}

/** Returns the peer of a connection without a proxy. */
export function directPeer(address: string, port: number, secure: boolean): Peer {
  return { address, port, socketAddress: address, secure };
}
