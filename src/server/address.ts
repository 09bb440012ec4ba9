/** Addresses of peers and of the server itself as text. */

/** Returns the URL at which a client on this machine reaches `host`; a wildcard is reached by its loopback address. */
export function urlOf(scheme: "http" | "https", host: string, port: number): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${scheme}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/** Returns an IPv4 peer of an IPv6 socket as the IPv4 address that it is. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}
