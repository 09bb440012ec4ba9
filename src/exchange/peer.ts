/** The other side of a connection, as its requests know it. */
export interface Peer {
  /** Numeric address, IPv6 without brackets. If a proxy has announced its client, it is the client's, or `unknown`. */
  readonly address: string;
  /** -1 if it is not known. */
  readonly port: number;
  /** Numeric address of the other side of the socket. It differs from `address` only if a proxy has announced its client. */
  readonly socketAddress: string;
  /** True when the client has used TLS. */
  readonly secure: boolean;
  /** True when the connection itself begins with a TLS handshake, which `Conversation.secured` ends. */
  readonly isEncrypted: boolean;
}

/** Returns the peer of a connection without a proxy. */
export function directPeer(address: string, port: number, isEncrypted: boolean): Peer {
  return { address, port, socketAddress: address, secure: isEncrypted, isEncrypted };
}
