/**
 * Requests that come through proxies in front of this server. Loaded only with `--trusted-proxy`.
 *
 * The exchange shows a request here when its head is complete, whatever wire it came on. The handlers and observers then see it as its
 * client has sent it. The request of the wire stays as it is, because its head may be reused for one of another peer.
 *
 * The rule it guards: the fields of a proxy count only if the peer is one that the operator trusts.
 */

import { Field } from "../http/field.ts";
import { type ForwardedClient, findClient } from "../http/forwarded.ts";
import { parseAddress } from "../http/ip-address.ts";
import type { Relay, Request } from "../http/message.ts";
import { isWithin, type Network, parseNetwork } from "../http/network.ts";
import type { ParseError } from "../http/parse-error.ts";
import { RequestView } from "../http/request-view.ts";
import type { RequestTarget } from "../http/target.ts";

/** Proxies that the operator trusts, by their addresses. */
export class TrustedProxies {
  readonly #networks: readonly Network[];
  /** Answers for addresses that were looked up: a proxy sends many requests. */
  readonly #known = new Map<string, boolean>();

  /** Takes networks as the settings write them. */
  constructor(networks: readonly string[]) {
    this.#networks = networks.map((text) => {
      const network = parseNetwork(text);
      if (typeof network === "string") throw new Error(`unchecked network: ${network}`); // Our own mistake: the settings check it.
      return network;
    });
  }

  /** Returns true if one has this numeric address. */
  has(address: string): boolean {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    // A zone (RFC 4007 §11) has a meaning on this machine only.
    const numeric = parseAddress(address.replace(/%.*$/, ""));
    const isTrusted = numeric !== null && this.#networks.some((network) => isWithin(numeric, network));
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(address, isTrusted);
    return isTrusted;
  }

  /**
   * Returns the request as its client has sent it. Returns null if its peer is not trusted, or says nothing about a client, and a
   * ParseError if the fields of a trusted peer are malformed.
   */
  see(request: Request): RelayedRequest | ParseError | null {
    if (!this.has(request.address)) return null;
    const { head } = request;
    const fields = {
      forwarded: head.value(Field.Forwarded),
      xFor: head.value(Field.XForwardedFor),
      xProto: head.value(Field.XForwardedProto),
      xHost: head.value(Field.XForwardedHost),
    };
    const client = findClient(fields, (address) => this.has(address));
    return client === null || typeof client === "number" ? client : new RelayedRequest(request, client);
  }
}

/** Addresses whose answers are remembered. Clients choose the addresses that a proxy names. */
const KNOWN_MAX = 1024;

/** A request as its client has sent it. */
export class RelayedRequest extends RequestView {
  /** Client for logs: its address, with a port if the proxy says one. */
  readonly peer: string;
  readonly #client: ForwardedClient;
  readonly #target: RequestTarget;
  readonly #relay: Relay;

  constructor(request: Request, client: ForwardedClient) {
    super(request);
    const { node, host } = client;
    this.peer = node.text;
    this.#client = client;
    this.#target = host === null ? request.target : withAuthority(request.target, host);
    this.#relay = { address: request.address, secure: request.secure, host: host?.text ?? null };
  }

  override get target(): RequestTarget {
    return this.#target;
  }

  override get address(): string {
    return this.#client.node.address;
  }

  override get relay(): Relay {
    return this.#relay;
  }

  override get secure(): boolean {
    return this.#client.secure ?? super.secure;
  }
}

function withAuthority(target: RequestTarget, authority: RequestTarget["authority"]): RequestTarget {
  const { form, path, query, scheme, verdict, hasDotName } = target;
  return { form, path, query, scheme, verdict, hasDotName, authority };
}
