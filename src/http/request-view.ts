/** Requests that differ in a part from the one that was received. */
import type { Relay, Request, RequestHead } from "./message.ts";
import type { RequestTarget } from "./target.ts";

/** Passes every question on to another request, because its content comes later. Extend it, and override the parts that differ. */
export class RequestView implements Request {
  readonly #request: Request;

  constructor(request: Request) {
    this.#request = request;
  }

  get head(): RequestHead {
    return this.#request.head;
  }

  get target(): RequestTarget {
    return this.#request.target;
  }

  get protocol(): Request["protocol"] {
    return this.#request.protocol;
  }

  get address(): string {
    return this.#request.address;
  }

  get socketAddress(): string {
    return this.#request.socketAddress;
  }

  get relay(): Relay | null {
    return this.#request.relay;
  }

  get secure(): boolean {
    return this.#request.secure;
  }

  get announced(): Request["announced"] {
    return this.#request.announced;
  }

  get content(): Uint8Array {
    return this.#request.content;
  }

  whenLeft(call: () => void): void {
    this.#request.whenLeft(call);
  }
}
