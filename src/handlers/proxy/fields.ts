/**
 * The fields of a message on its way through this server, in both directions (RFC 9110 §7.6).
 *
 * The rule it guards: a field that is about one connection ends with it. A client cannot announce its own address or way: this server
 * writes those fields, and replaces the client's in every spelling that an upstream might take for them. The fields of a proxy that the
 * operator trusts stay, and this server adds its own part.
 */
import { Field } from "../../http/field.ts";
import type { FieldLine, FieldLines } from "../../http/fields.ts";
import type { Request } from "../../http/message.ts";
import { authorityOf, type ProxyOrigin, urlOfOrigin } from "../../http/proxy-rule.ts";

/** Name of this server in Via. */
const PSEUDONYM = "httpserver";

/** RFC 9110 §7.6.1, and the fields that frame a message. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
]);

/** Fields of a request that are for this server, or that it writes itself. Expect was answered here. */
const OWN_OF_REQUEST: ReadonlySet<string> = new Set(["host", "expect", "proxy-authorization", "http2-settings"]);

/** Fields about the way of a request through proxies, of which this server writes its part. */
const FORWARDING: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
]);

/** Fields of a response that this server writes itself. A browser would keep the last one for the name of this server (RFC 6797). */
const OWN_OF_RESPONSE: ReadonlySet<string> = new Set(["server", "date", "strict-transport-security"]);

/** Fields of requests, in lower case, with which an answer is a part, or none, or in a coding. */
const PARTIAL: ReadonlySet<string> = new Set([
  "accept-encoding",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "range",
]);

/** Returns the fields of a request that asks for a whole answer without a coding, as it is recorded. */
export function askForWhole(lines: FieldLines): FieldLines {
  return [...lines.filter(([name]) => !PARTIAL.has(name.toLowerCase())), ["Accept-Encoding", "identity"]];
}

interface RequestOptions {
  readonly origin: ProxyOrigin;
  /** Tells this process from other servers of its name. */
  readonly instance: string;
  /** False: the credentials were for this server. */
  readonly passesCredentials: boolean;
  /** Changes the client's fields before they are passed on, or null. */
  readonly prepare: ((lines: FieldLines) => FieldLines) | null;
}

/** Returns the fields with which a request is passed on, without those that frame it. */
export function requestLines(request: Request, options: RequestOptions): FieldLines {
  const { head, protocol, relay } = request;
  const { origin, instance, passesCredentials, prepare } = options;
  const lines = prepare === null ? head.lines() : prepare(head.lines());
  const isOwn = ownOf(lines);
  const kept = lines.filter(([name]) => {
    // An upstream may take "_" for "-" in a name, as CGI does.
    const folded = name.toLowerCase().replaceAll("_", "-");
    if (isOwn(name.toLowerCase()) || HOP_BY_HOP.has(folded) || OWN_OF_REQUEST.has(folded)) return false;
    if (FORWARDING.has(folded)) return false;
    // Others, such as X-Forwarded-Port, are the trusted proxy's. It would have let one of its client's with a "_" through.
    if (folded.startsWith("x-forwarded-")) return relay !== null && !name.includes("_");
    return passesCredentials || folded !== "authorization";
  });
  return [
    ["Host", authorityOf(origin)],
    ...kept,
    ["Via", `${protocol} ${PSEUDONYM} (${instance})`],
    ...forwardingLines(request),
  ];
}

/**
 * Returns the fields that name the client. Behind a proxy that the operator trusts, the proxy is added to its own lists, in both kinds,
 * and scheme and host stay those of the client, because most readers expect one of each.
 */
function forwardingLines({ head, address, secure, relay }: Request): FieldLines {
  const ownHost = head.value(Field.Host);
  const host = relay?.host ?? ownHost;
  const hop = hopOf(address, host, secure);
  const hops =
    relay === null ? hop : `${head.value(Field.Forwarded) ?? hop}, ${hopOf(relay.address, ownHost, relay.secure)}`;
  const addresses = relay === null ? address : `${head.value(Field.XForwardedFor) ?? address}, ${relay.address}`;
  return [
    ["Forwarded", hops],
    ["X-Forwarded-For", addresses],
    ["X-Forwarded-Proto", secure ? "https" : "http"],
    ...(isNamed(host) ? [["X-Forwarded-Host", host] as FieldLine] : []),
  ];
}

/** Returns a forwarded-element (RFC 7239 §4). */
function hopOf(address: string, host: string | null, secure: boolean): string {
  const node = address.includes(":") ? `"[${address}]"` : address;
  return `for=${node}${isNamed(host) ? `;host="${host}"` : ""};proto=${secure ? "https" : "http"}`;
}

function isNamed(host: string | null): host is string {
  return host !== null && host !== "";
}

/** Returns true if a request has passed through this process before. */
export function isLoop({ head }: Request, instance: string): boolean {
  const mark = `${PSEUDONYM} (${instance})`;
  return head.lines().some(([name, value]) => name.toLowerCase() === "via" && value.includes(mark));
}

/**
 * Returns the fields with which a response of `origin` is passed on, without those that frame it. `isFixed` tells of a name in lower
 * case whether a flag sets that field.
 */
export function responseLines(lines: FieldLines, origin: ProxyOrigin, isFixed: (name: string) => boolean): FieldLine[] {
  const isOwn = ownOf(lines);
  const kept = lines.filter(([name]) => {
    const lower = name.toLowerCase();
    return !isOwn(lower) && !HOP_BY_HOP.has(lower) && !OWN_OF_RESPONSE.has(lower) && !isFixed(lower);
  });
  return [...kept.map((line) => located(line, origin)), ["Via", `1.1 ${PSEUDONYM}`]];
}

/** Makes a reference to the upstream itself one to this server: the upstream knows no other name of it than its own. */
function located([name, value]: FieldLine, origin: ProxyOrigin): FieldLine {
  if (name.toLowerCase() !== "location") return [name, value];
  const url = urlOfOrigin(origin);
  if (!value.toLowerCase().startsWith(url)) return [name, value];
  const rest = value.slice(url.length);
  // Another port, or another name that begins alike. Two slashes would be another host; browsers take "\" for a slash, and
  // skip tabs.
  if (rest !== "" && !/^[/?#](?!\t*[/\\])/.test(rest)) return [name, value];
  return [name, rest.startsWith("/") ? rest : `/${rest}`];
}

/** Returns a function that tells whether Connection names a field, in lower case, as one of its connection. */
function ownOf(lines: FieldLines): (name: string) => boolean {
  const named = new Set(
    lines
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(","))
      .map((option) => option.trim().toLowerCase()),
  );
  return (name) => named.has(name);
}
