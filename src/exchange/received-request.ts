import type { Relay } from "../http/message.ts";
import { ContentBuffer, type ContentMemory } from "./content-buffer.ts";
import type { Peer } from "./peer.ts";

/** The parts of a request that are the same in all wire formats: its peer, its collected content, and the call for a client that leaves. */
export abstract class ReceivedRequest {
  readonly buffer: ContentBuffer;
  address = "";
  socketAddress = "";
  secure = false;
  readonly relay: Relay | null = null;
  /** Call for a client that leaves while its response is made. */
  #whenLeft: (() => void) | null = null;
  #hasLeft = false;

  constructor(memory: ContentMemory) {
    this.buffer = new ContentBuffer(memory);
  }

  get content(): Uint8Array {
    return this.buffer.content;
  }

  whenLeft(call: () => void): void {
    this.#whenLeft = call;
    if (this.#hasLeft) call();
  }

  tellLeft(): void {
    this.#hasLeft = true;
    this.#whenLeft?.();
  }

  /** Prepares for requests of `peer`. */
  lend(peer: Peer): void {
    this.address = peer.address;
    this.socketAddress = peer.socketAddress;
    this.secure = peer.secure;
    this.#whenLeft = null;
    this.#hasLeft = false;
  }
}
