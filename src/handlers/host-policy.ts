/**
 * Which Host values are ours. A page from elsewhere can make a browser connect to this machine under a name of its own
 * (DNS rebinding) and read what only the local user should; the Host field then still carries that name, so we refuse it.
 *
 * Strategy: a host and port that were accepted once are remembered and cost one look-up; everything else is judged: the
 * host must be one of our names, and the port the one we listen on. What the operator allows in addition may be a proxy's
 * name, so there the port only counts where it was given.
 */
import { hostname, networkInterfaces } from "node:os";
import { Authority, effectivePort, parseAuthority } from "../http/authority.ts";
import { escapeControls } from "../http/escape.ts";
import { type Admission, type Handler, type HostVerdict, type Request, refused } from "../http/message.ts";
import { type ErrorPages, wantsJson } from "./error-page.ts";
import { type Layer, LayerHandler } from "./mount.ts";

export interface HostPolicyOptions {
  /** The address or name that is bound, as `resolveServerSettings` writes it. */
  readonly boundHost: string;
  /** `host` or `host:port`, where `*.example.com` is every name below example.com; `*` switches the check off. */
  readonly allowedHosts: readonly string[];
  /** True: names of loopback are ours with any port, for a container's port that is another one outside. */
  readonly isMapped?: boolean;
  /** The port that we listen on. */
  readonly port: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes one line for each refused host. */
  readonly log: (line: string) => void;
}

/** One per handler. The constructor throws a RangeError when an allowed host is not one. */
export class HostPolicy {
  readonly #options: HostPolicyOptions;
  /** Hosts that are ours with our port. */
  readonly #own = new Set(LOOPBACK_HOSTS);
  /** Hosts that the operator allows, each with its ports; an empty list is any port. */
  readonly #further = new Map<string, number[]>();
  /** The same for every name below a domain; the key has the dot in front, so that it only fits between labels. */
  readonly #furtherBelow = new Map<string, number[]>();
  readonly #isOff: boolean;
  readonly #isWildcard: boolean;
  /** Hosts accepted before, each with the port of the last time; over TLS another port is the default, so there are two. */
  readonly #acceptedPlain = new Map<string, number>();
  readonly #acceptedSecure = new Map<string, number>();
  /** Refused hosts that were named, the oldest first. */
  readonly #logged = new Set<string>();
  /** When the minute began that lines about refused hosts are counted in, and their number. */
  #minuteStartMs = Number.NEGATIVE_INFINITY;
  #minuteLines = 0;
  /** When the machine's addresses were read. */
  #addressesReadMs = Number.NEGATIVE_INFINITY;

  constructor(options: HostPolicyOptions) {
    this.#options = options;
    this.#isOff = options.allowedHosts.includes("*");
    this.#isWildcard = WILDCARDS.has(options.boundHost);
    const bound = authorityOf(options.boundHost);
    if (bound !== null) this.#own.add(bound.host);
    if (this.#isWildcard) for (const host of ["0.0.0.0", "[::]"]) this.#own.add(host);
    for (const text of options.allowedHosts) {
      if (text !== "*") this.#allow(text);
    }
  }

  /** Says whether the request is for us: all but `refused` are served. */
  judge(request: Request): HostVerdict {
    const { host, port } = request.target.authority;
    if (host === "") {
      // Only HTTP/1.0 gets here without one (RFC 9112 §3.2), and no browser speaks it.
      return "missing";
    }
    const accepted = request.secure ? this.#acceptedSecure : this.#acceptedPlain;
    if (accepted.get(host) !== port) {
      const portMeant = effectivePort(port, request.secure ? "https" : "http");
      if (!this.#isOff && !this.#isOurs(host, portMeant)) {
        this.#logOnce(this.#isOwn(host) ? `${host}:${portMeant}` : host);
        return "refused";
      }
      // `*.localhost` has no end, but the hosts in use at one time have.
      if (accepted.size >= ACCEPTED_MAX) accepted.clear();
      accepted.set(host, port);
    }
    return "ok";
  }

  #allow(text: string): void {
    const isBelow = text.startsWith("*.");
    const authority = authorityOf(isBelow ? text.slice(2) : text);
    // An asterisk elsewhere is within the grammar of a host, but nobody means it so.
    if (authority === null || authority.host.includes("*")) {
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
    if (this.#isAllowed(host, port)) return true;
    if (this.#isOwn(host) && port === this.#options.port()) return true;
    return this.#options.isMapped === true && isLoopback(host);
  }

  #isAllowed(host: string, port: number): boolean {
    if (includesPort(this.#further.get(host), port)) return true;
    for (const [suffix, ports] of this.#furtherBelow) {
      if (host.length > suffix.length && host.endsWith(suffix) && includesPort(ports, port)) return true;
    }
    return false;
  }

  #isOwn(host: string): boolean {
    if (this.#own.has(host) || isLoopback(host)) return true;
    if (!this.#isWildcard) return false;
    this.#readAddresses();
    return this.#own.has(host);
  }

  /** Addresses come and go with the network; asked for at most once in five seconds. */
  #readAddresses(): void {
    const now = this.#options.now();
    if (now - this.#addressesReadMs < ADDRESSES_READ_MS) return;
    this.#addressesReadMs = now;
    const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    for (const text of [hostname(), ...addresses.map((entry) => entry.address)]) {
      const authority = authorityOf(text);
      if (authority !== null && this.#own.size < OWN_MAX) this.#own.add(authority.host);
    }
  }

  /** An attacker chooses the hosts: so many lines a minute and so much memory, but a new host is named again later. */
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
    // Nobody shall talk the operator into switching the check off: `Host: *` is no reason to allow `*`.
    const advice = host.includes("*") ? "" : `; to allow it: --allowed-host ${quoted(host)}`;
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
    if (host === "refused") return refused(this.#pages.answer(403, HOST_REFUSED, wantsJson(request)), host);
    const admission = this.inner.admit(request);
    return admission.host === host ? admission : { ...admission, host };
  }
}

export const HOST_REFUSED = "This server does not answer for that host name.";

const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** RFC 6761 §6.3: every name under localhost is this machine too. */
function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.includes(host) || host.endsWith(".localhost");
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** What `Authority.port` says when there is none. */
const NO_PORT = -1;

/** Distinct hosts in use at one time. */
const ACCEPTED_MAX = 64;

/** A machine with more addresses than this is a mistake in reading them. */
const OWN_MAX = 1_000;

/** Refused hosts that are remembered as named. */
const LOGGED_MAX = 200;

/** A person reads these; a minute of mistakes fits, a flood does not. */
const LINES_A_MINUTE_MAX = 20;

const MINUTE_MS = 60_000;

const ADDRESSES_READ_MS = 5_000;

/** Host and port that the operator or the system names; an IPv6 address may come without its brackets. Null when malformed. */
function authorityOf(text: string): Authority | null {
  const isBareIpv6 = !text.startsWith("[") && text.indexOf(":") !== text.lastIndexOf(":");
  // A zone (fe80::1%eth0) is a matter of this machine and never in a Host (RFC 6874 §3).
  const bytes = new TextEncoder().encode(isBareIpv6 ? `[${text.replace(/%.*$/, "")}]` : text);
  const authority = new Authority();
  return parseAuthority(bytes, 0, bytes.length, authority) ? authority : null;
}

/** No ports in the list stand for all of them. */
function includesPort(ports: readonly number[] | undefined, port: number): boolean {
  return ports !== undefined && (ports.length === 0 || ports.includes(port));
}

/** As one word of a shell: a host may have characters that a shell would act on. */
function quoted(host: string): string {
  return /^[a-z0-9._:-]+$/.test(host) ? host : `'${host.replaceAll("'", "'\\''")}'`;
}
