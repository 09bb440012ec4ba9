/** The settings of the proxy, as a part of the table of server-settings.ts. */
import { formatProxyRule, parseProxyRule } from "../http/proxy-rule.ts";
import { HOUR, SECOND } from "../http/units.ts";
import type { TableOf } from "./kinds.ts";
import { problemIn } from "./values.ts";

export interface ProxySettings {
  /** Rules: `PATTERN URL`; `http/proxy-rule.ts` has their grammar. */
  proxies: readonly string[];
  /** Longest silence of an upstream. */
  proxyTimeoutMs: number;
  /** Path of the folder in which answers become stubs, or "". */
  record: string;
}

export const proxyTable: TableOf<ProxySettings> = {
  proxies: {
    flag: "proxy",
    kind: "list",
    value: "'PATTERN URL'",
    group: "proxy",
    expected: "a pattern of paths and a URL, such as '/api/** http://127.0.0.1:3000'",
    example: "'/api/** http://127.0.0.1:3000'",
    separator: "\n", // A pattern may have commas.
    problem: (item) => problemIn(parseProxyRule(item)),
    normalize: (item) => {
      const rule = parseProxyRule(item);
      return typeof rule === "string" ? item : formatProxyRule(rule);
    },
    default: [],
    help: "Server for paths without a file, such as '/api/** http://127.0.0.1:3000'. Repeatable; docs/proxy.md describes it.",
  },
  proxyTimeoutMs: {
    flag: "proxy-timeout",
    kind: "duration",
    group: "proxy",
    default: 30 * SECOND, // The time that --stall-timeout gives a client.
    min: 1,
    max: HOUR,
    help: "Longest silence of a --proxy server. Before its response, the request gets 504. Within its response, the response is cut.",
  },
  record: {
    flag: "record",
    kind: "text",
    value: "FOLDER",
    group: "proxy",
    expected: "a folder",
    example: "recorded",
    default: "",
    help: "Writes the responses of --proxy servers to this folder, as stubs for --stubs. If the folder exists, it must be empty.",
  },
};
