/** The settings of a server behind a balancer, as a part of the table of server-settings.ts. */
import { formatNetwork, parseNetwork } from "../http/network.ts";
import type { TableOf } from "./kinds.ts";
import { problemIn } from "./values.ts";

export interface BalancerSettings {
  /** Networks of proxies whose word about their clients counts; `http/network.ts` has their grammar. */
  trustedProxies: readonly string[];
  /** Connections of those proxies begin with a PROXY header, and others are closed. */
  proxyProtocol: boolean;
}

export const balancerTable: TableOf<BalancerSettings> = {
  trustedProxies: {
    flag: "trusted-proxy",
    kind: "list",
    value: "ADDRESS",
    group: "proxy",
    expected: "an address, or a network such as 10.0.0.0/8",
    example: "10.0.0.0/8",
    problem: (item) => problemIn(parseNetwork(item)),
    normalize: (item) => {
      const network = parseNetwork(item);
      return typeof network === "string" ? item : formatNetwork(network);
    },
    default: [], // Any client can write the fields of a proxy.
    help: "Proxy in front of this server, such as 10.0.0.0/8. Its Forwarded or X-Forwarded fields name the client. Repeatable; docs/balancer.md describes it.",
  },
  proxyProtocol: {
    flag: "proxy-protocol",
    kind: "switch",
    group: "proxy",
    default: false, // The header is never guessed, because its first bytes could be a client's.
    help: "Each connection begins with a PROXY header, version 1 or 2, of a --trusted-proxy. Any other is closed.",
  },
};
