/**
 * Decides which Host values are ours. A page of another site can make a browser connect to this machine under a name
 * of that site (DNS rebinding) and read what only the local user should. The Host field then still carries that name,
 * so the request is refused.
 *
 * Strategy: a host and port that were accepted once are remembered and cost one lookup. Every other host must be one
 * of ours. Rebinding needs a name, so on a wildcard bind every address is ours, with any port. Elsewhere our hosts are the
 * names and addresses of loopback, and the bound address, with the port that we listen on or with any. A host that the
 * operator allows may be the name of a proxy, so its port counts only if the operator named one.
 */
import { hostname } from "node:os";
import { Authority, effectivePort, parseAuthority } from "../http/authority.ts";
import { escapeControls } from "../http/escape.ts";
import { isIpLiteral, isLoopbackAddress } from "../http/ip-address.ts";
import {
  type Admission,
  type Handler,
  type HostVerdict,
  type Request,
  type Response,
  refused,
} from "../http/message.ts";
import { type ErrorPages, wantsJson } from "./error-page.ts";
import { type Layer, LayerHandler } from "./mount.ts";

export interface HostPolicyOptions {
  /** Address or name that is bound, as `resolveServerSettings` writes it. */
  readonly boundHost: string;
  /** `host` or `host:port`, where `*.example.com` is every name below example.com; `*` switches the check off. */
  readonly allowedHosts: readonly string[];
  /** True: our hosts are ours with any port, because a container's port has another number outside. */
  readonly anyPort?: boolean;
  /** Port that the server listens on. */
  readonly port: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes one line for each refused host. */
  readonly log: (line: string) => void;
}

/** One per handler. The constructor throws a RangeError when an allowed host is malformed. */
export class HostPolicy {
  readonly #options: HostPolicyOptions;
  /** Hosts that are ours together with our port. */
  readonly #own = new Set(LOOPBACK_HOSTS);
  /** Hosts that the operator allows, each with its ports; an empty list means any port. */
  readonly #further = new Map<string, number[]>();
  /** Allowed domains, each with its ports. The key begins with the dot, so that it matches only between labels. */
  readonly #furtherBelow = new Map<string, number[]>();
  readonly #isOff: boolean;
  readonly #isWildcard: boolean;
  /**
   * Accepted hosts, each with the port of its last request. Over TLS another port is the default, so there are two
   * maps.
   */
  readonly #acceptedPlain = new Map<string, number>();
  readonly #acceptedSecure = new Map<string, number>();
  /** Refused hosts that were logged, oldest first. */
  readonly #logged = new Set<string>();
  /** Start of the minute in which lines about refused hosts are counted, and their number. */
  #minuteStartMs = Number.NEGATIVE_INFINITY;
  #minuteLines = 0;

  constructor(options: HostPolicyOptions) {
    this.#options = options;
    this.#isOff = options.allowedHosts.includes("*");
    this.#isWildcard = WILDCARDS.has(options.boundHost);
    const bound = authorityOf(options.boundHost);
    if (bound !== null) this.#own.add(bound.host);
    for (const text of options.allowedHosts) {
      if (text !== "*") this.#allow(text);
    }
  }

  /** Returns the verdict on the request's host. Every verdict but `refused` is served. */
  judge(request: Request): HostVerdict {
    // A page in a browser cannot speak for a proxy that the operator trusts, unless it runs on the proxy's own machine.
    if (request.relay !== null && request.relay.host !== null) return "ok";
    const { host, port } = request.target.authority;
    if (host === "") {
      // Only HTTP/1.0 gets here without one (RFC 9112 §3.2), and no browser speaks it.
      return "missing";
    }
    const accepted = request.secure ? this.#acceptedSecure : this.#acceptedPlain;
    if (accepted.get(host) !== port) {
      const portMeant = effectivePort(port, request.secure ? "https" : "http");
      if (!this.#isOff && !this.#isOurs(host, portMeant)) {
        this.#logOnce(this.#wanted(host, portMeant));
        return "refused";
      }
      // `*.localhost` has no end of names, but few are in use at one time.
      if (accepted.size >= ACCEPTED_MAX) accepted.clear();
      accepted.set(host, port);
    }
    return "ok";
  }

  /** Returns the value of `--allowed-host` that would allow the host of a refused request, as a word of a shell; "" if none would. */
  remedyFor({ target, secure }: Request): string {
    const { host, port } = target.authority;
    return allowable(this.#wanted(host, effectivePort(port, secure ? "https" : "http")));
  }

  /** Returns the host as the operator would have to allow it: with the port if that is the matter. */
  #wanted(host: string, port: number): string {
    return this.#isOwn(host) ? `${host}:${port}` : host;
  }

  #allow(text: string): void {
    const isBelow = text.startsWith("*.");
    const authority = authorityOf(isBelow ? text.slice(2) : text);
    // RFC 3986 allows an asterisk elsewhere in a host, but here it is a mistake.
    if (authority === null || !isName(authority.host) || authority.host.includes("*")) {
      throw new RangeError(`--allowed-host takes a host, host:port or *.domain, not "${escapeControls(text)}"`);
    }
    const map = isBelow ? this.#furtherBelow : this.#further;
    const host = isBelow ? `.${authority.host}` : authority.host;
    const ports = map.get(host);
    if (authority.port === NO_PORT) map.set(host, []);
    else if (ports === undefined) map.set(host, [authority.port]);
    else if (ports.length > 0) ports.push(authority.port);
  }

  #isOurs(host: string, port: number): boolean {
    if (!isName(host)) return false;
    if (this.#isAllowed(host, port)) return true;
    if (this.#isWildcard && (isLoopback(host) || isIpLiteral(host))) return true;
    return this.#isOwn(host) && (this.#options.anyPort === true || port === this.#options.port());
  }

  #isAllowed(host: string, port: number): boolean {
    if (includesPort(this.#further.get(host), port)) return true;
    for (const [suffix, ports] of this.#furtherBelow) {
      if (host.length > suffix.length && host.endsWith(suffix) && includesPort(ports, port)) return true;
    }
    return false;
  }

  #isOwn(host: string): boolean {
    return this.#own.has(host) || isLoopback(host) || (this.#isWildcard && isMachine(host));
  }

  /**
   * Logs a refused host once. A peer chooses the hosts, so lines per minute and memory are bounded; a host is logged
   * again later.
   */
  #logOnce(host: string): void {
    if (this.#logged.has(host)) return;
    const now = this.#options.now();
    if (Math.abs(now - this.#minuteStartMs) >= MINUTE_MS) {
      this.#minuteStartMs = now;
      this.#minuteLines = 0;
    }
    if (this.#minuteLines >= LINES_A_MINUTE_MAX) return;
    if (++this.#minuteLines === LINES_A_MINUTE_MAX) {
      this.#options.log("refused requests for more hosts, which are not ours; no further one is named for a minute");
      return;
    }
    for (const oldest of this.#logged) {
      if (this.#logged.size < LOGGED_MAX) break;
      this.#logged.delete(oldest);
    }
    this.#logged.add(host);
    const word = allowable(host);
    const advice = word === "" ? "" : `; to allow it: --allowed-host ${word}`;
    this.#options.log(`refused a request for the host ${host}, which is not ours${advice}`);
  }
}

/** Refuses requests for hosts that are not ours with 403, and notes the verdict on all others. */
export function hostLayer(hosts: HostPolicy, pages: ErrorPages): Layer {
  return (inner) => new HostLayer(inner, hosts, pages);
}

class HostLayer extends LayerHandler {
  readonly #hosts: HostPolicy;
  readonly #pages: ErrorPages;

  constructor(inner: Handler, hosts: HostPolicy, pages: ErrorPages) {
    super(inner);
    this.#hosts = hosts;
    this.#pages = pages;
  }

  override admit(request: Request): Admission {
    const host = this.#hosts.judge(request);
    if (host === "refused") return refused(refuseHost(request, this.#hosts, this.#pages), host);
    const admission = this.inner.admit(request);
    return admission.host === host ? admission : { ...admission, host };
  }
}

/**
 * Answers a request for a host that is not ours. A peer on this machine is most likely the operator, so the page names the
 * flag that would allow the host.
 */
export function refuseHost(request: Request, hosts: HostPolicy, pages: ErrorPages): Response {
  const remedy = isLoopbackAddress(request.address) ? hosts.remedyFor(request) : "";
  if (remedy === "") return pages.answer(403, HOST_REFUSED, wantsJson(request));
  return pages.single(
    403,
    `${HOST_REFUSED} To allow it, start the server with --allowed-host ${remedy}`,
    wantsJson(request),
  );
}

const HOST_REFUSED = "This server does not answer for that host name.";

/** A client that asks for the IPv4 address in IPv6 spelling reaches the same listener. */
const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"];

/** RFC 6761 §6.3: every name under localhost is this machine. */
function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.includes(host) || (host.endsWith(".localhost") && isName(host));
}

/** Returns true for this machine's own name, also as multicast DNS has it (RFC 6762 §3). It may change with the network. */
function isMachine(host: string): boolean {
  const name = authorityOf(hostname())?.host ?? "";
  return name !== "" && (host === name || host === `${name.replace(/\..*/, "")}.local`);
}

/** Returns false for an empty label, and for `*`: no resolver knows such a name. */
function isName(host: string): boolean {
  return !/(?:^|\.)\*?(?:\.|$)/.test(host);
}

/**
 * Returns a host as a word of a shell for the flag that allows it; "" if none does. A peer must not talk the operator into
 * switching the check off: `Host: *` is not a reason to allow `*`.
 */
function allowable(host: string): string {
  return host.includes("*") || !isName(host) ? "" : quoted(host);
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Value of `Authority.port` without a port. */
const NO_PORT = -1;

/** Distinct hosts in use at one time. */
const ACCEPTED_MAX = 64;

/** Refused hosts that are remembered as logged. */
const LOGGED_MAX = 200;

/** Lines a minute: enough for a person's mistakes, too few for a flood. */
const LINES_A_MINUTE_MAX = 20;

const MINUTE_MS = 60_000;

/**
 * Parses a host and port that the operator or the system names. An IPv6 address may come without its brackets. Returns
 * null if malformed.
 */
function authorityOf(text: string): Authority | null {
  const isBareIpv6 = !text.startsWith("[") && text.indexOf(":") !== text.lastIndexOf(":");
  // A zone (fe80::1%eth0) has a meaning on this machine only and never stands in a Host (RFC 6874 §3).
  const bytes = new TextEncoder().encode(isBareIpv6 ? `[${text.replace(/%.*$/, "")}]` : text);
  const authority = new Authority();
  return parseAuthority(bytes, 0, bytes.length, authority) ? authority : null;
}

/** Returns true if the list is empty, which stands for all ports, or has this port. */
function includesPort(ports: readonly number[] | undefined, port: number): boolean {
  return ports !== undefined && (ports.length === 0 || ports.includes(port));
}

/** Quotes the host as one word of a shell: it may have characters that a shell would act on. */
function quoted(host: string): string {
  return /^[a-z0-9._:-]+$/.test(host) ? host : `'${host.replaceAll("'", "'\\''")}'`;
}
