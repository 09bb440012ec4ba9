/**
 * Which Host values are ours. A page from elsewhere can make a browser connect to this machine under a name of its own
 * (DNS rebinding) and read what only the local user should; the Host field then still carries that name, so we refuse it.
 *
 * Strategy: a host and port that were accepted once are remembered and cost one look-up; everything else is judged: the
 * host must be one of our names, and the port the one we listen on. What the operator allows in addition may be a proxy's
 * name, so there the port only counts where it was given.
 */
import { hostname, networkInterfaces } from "node:os";
import { escapeControls } from "../http/escape.ts";
import { Authority, effectivePort, parseAuthority } from "../http/host.ts";
import type { Request } from "../http/message.ts";

export interface HostPolicyOptions {
  /** The address or name that was given to bind, IPv6 with or without brackets. */
  readonly boundHost: string;
  /** `host` or `host:port`; `*` switches the check off. */
  readonly allowedHosts: readonly string[];
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
  readonly #own = new Set(["localhost", "127.0.0.1", "[::1]"]);
  /** Hosts that the operator allows, each with its ports; an empty list is any port. */
  readonly #further = new Map<string, number[]>();
  readonly #isOff: boolean;
  readonly #isWildcard: boolean;
  /** Hosts accepted before, each with the port of the last time; over TLS another port is the default, so there are two. */
  readonly #acceptedPlain = new Map<string, number>();
  readonly #acceptedSecure = new Map<string, number>();
  readonly #logged = new Set<string>();
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

  /** True when the request is for us; sets its `hostVerdict`. */
  allows(request: Request): boolean {
    const { host, port } = request.target.authority;
    if (host === "") {
      // Only HTTP/1.0 gets here without one (RFC 9112 §3.2), and no browser speaks it.
      request.hostVerdict = "missing";
      return true;
    }
    const accepted = request.secure ? this.#acceptedSecure : this.#acceptedPlain;
    if (accepted.get(host) !== port) {
      if (!this.#isOff && !this.#judge(host, effectivePort(port, request.secure ? "https" : "http"))) {
        request.hostVerdict = "refused";
        return false;
      }
      // `*.localhost` has no end, but the hosts in use at one time have.
      if (accepted.size >= ACCEPTED_MAX) accepted.clear();
      accepted.set(host, port);
    }
    request.hostVerdict = "ok";
    return true;
  }

  #allow(text: string): void {
    const authority = authorityOf(text);
    if (authority === null)
      throw new RangeError(`--allowed-host takes a host or host:port, not "${escapeControls(text)}"`);
    const ports = this.#further.get(authority.host);
    if (authority.port === NO_PORT) this.#further.set(authority.host, []);
    else if (ports === undefined) this.#further.set(authority.host, [authority.port]);
    else if (ports.length > 0) ports.push(authority.port);
  }

  #judge(host: string, port: number): boolean {
    const ports = this.#further.get(host);
    if (ports !== undefined && (ports.length === 0 || ports.includes(port))) return true;
    const isOwn = this.#isOwn(host);
    if (isOwn && port === this.#options.port()) return true;
    this.#logOnce(isOwn ? `${host}:${port}` : host);
    return false;
  }

  #isOwn(host: string): boolean {
    // RFC 6761 §6.3: every name under localhost is this machine.
    if (this.#own.has(host) || host.endsWith(".localhost")) return true;
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

  #logOnce(host: string): void {
    if (this.#logged.has(host) || this.#logged.size >= LOGGED_MAX) return;
    this.#logged.add(host);
    this.#options.log(
      `refused a request for the host ${host}, which is not ours; to allow it: --allowed-host ${quoted(host)}`,
    );
  }
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]", ""]);

/** What `Authority.port` says when there is none. */
const NO_PORT = -1;

/** Distinct hosts in use at one time. */
const ACCEPTED_MAX = 64;

/** A machine with more addresses than this is a mistake in reading them. */
const OWN_MAX = 1_000;

/** An attacker chooses the hosts, so the lines about them must have an end. */
const LOGGED_MAX = 200;

const ADDRESSES_READ_MS = 5_000;

/** Host and port that the operator or the system names; an IPv6 address may come without its brackets. Null when malformed. */
function authorityOf(text: string): Authority | null {
  const isBareIpv6 = !text.startsWith("[") && text.indexOf(":") !== text.lastIndexOf(":");
  // A zone (fe80::1%eth0) is a matter of this machine and never in a Host (RFC 6874 §3).
  const bytes = new TextEncoder().encode(isBareIpv6 ? `[${text.replace(/%.*$/, "")}]` : text);
  const authority = new Authority();
  return parseAuthority(bytes, 0, bytes.length, authority) ? authority : null;
}

/** As one word of a shell: a host may have characters that a shell would act on. */
function quoted(host: string): string {
  return /^[a-z0-9._:-]+$/.test(host) ? host : `'${host.replaceAll("'", "'\\''")}'`;
}
