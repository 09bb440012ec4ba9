/**
 * Rules of a proxy: `PATTERN URL`, a pattern of paths and the server that answers for them. Pure.
 *
 * The rule it guards: the URL names a server and nothing else. Path and query of a request go on as they were sent, so a path in the
 * rule would have no meaning.
 */
import { Authority, parseAuthority } from "./authority.ts";
import { problemOfPattern } from "./path-pattern.ts";

interface ProxyRule {
  /** Pattern of paths; `path-pattern.ts` has the grammar. */
  readonly pattern: string;
  readonly origin: ProxyOrigin;
}

export interface ProxyOrigin {
  readonly isSecure: boolean;
  /** In lower case; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
}

const EXPECTED = "PATTERN URL such as '/api/** http://127.0.0.1:3000'";

const DEFAULT_PORTS = { http: 80, https: 443 };

/** Reads a rule. Returns the mistake as the end of a sentence. */
export function parseProxyRule(text: string): ProxyRule | string {
  const [, pattern = "", url = ""] = /^(\S+)[ \t]+(\S+)$/.exec(text.trim()) ?? [];
  if (url === "") return `expected ${EXPECTED}`;
  const problem = pattern.includes("?")
    ? "expected a pattern without ?, because a path has no query"
    : problemOfPattern(pattern, "a path with *, ** or ? such as /api/**");
  if (problem !== null) return problem;
  const origin = parseOrigin(url);
  return typeof origin === "string" ? origin : { pattern, origin };
}

/** Reads the URL of a server. Returns the mistake as the end of a sentence. */
export function parseOrigin(url: string): ProxyOrigin | string {
  const [, scheme, authority = "", rest = ""] = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (scheme === undefined) return "expected a URL that begins with http:// or https://";
  if (authority.includes("@")) return "expected a URL without a user; let the client send its credentials";
  if (rest !== "" && rest !== "/") return "expected a URL without a path; a request goes on with the path that it has";
  const own = new Authority();
  const bytes = new TextEncoder().encode(authority);
  if (!parseAuthority(bytes, 0, bytes.length, own) || own.port === 0) return `expected ${EXPECTED}`;
  const isSecure = scheme.toLowerCase() === "https";
  return { isSecure, host: own.host, port: own.port < 0 ? DEFAULT_PORTS[isSecure ? "https" : "http"] : own.port };
}

/** Returns the rule in its one spelling. */
export function formatProxyRule({ pattern, origin }: ProxyRule): string {
  return `${pattern} ${urlOfOrigin(origin)}`;
}

/** Returns `http://127.0.0.1:3000`, without the default port. */
export function urlOfOrigin(origin: ProxyOrigin): string {
  return `${origin.isSecure ? "https" : "http"}://${authorityOf(origin)}`;
}

/** Returns the value of Host for requests to this server: without the default port (RFC 9110 §7.2). */
export function authorityOf({ isSecure, host, port }: ProxyOrigin): string {
  return port === DEFAULT_PORTS[isSecure ? "https" : "http"] ? host : `${host}:${port}`;
}
