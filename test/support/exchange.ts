/** Exchanges without a wire: a test is their carrier. */
import type { Carrier } from "../../src/exchange/carrier.ts";
import { ContentBuffer } from "../../src/exchange/content-buffer.ts";
import { type CollectingRequest, Exchange } from "../../src/exchange/exchange.ts";
import { FakeServer, type ServerOptions } from "./conversation.ts";
import { makeRequest } from "./site.ts";

/** Remembers what an exchange asks of it, and answers nothing. */
class FakeCarrier implements Carrier {
  readonly stream = 0;
  readonly id = 7;
  readonly peer = "127.0.0.1:50000";
  readonly calls: string[] = [];

  ready(): void {
    this.calls.push("ready");
  }

  stopReading(): void {
    this.calls.push("stop reading");
  }

  abort(reason: string): void {
    this.calls.push(`abort: ${reason}`);
  }

  sentBytes(isCut: boolean): number {
    return isCut ? 1 : 2;
  }
}

export function setting(options: ServerOptions = {}) {
  const server = new FakeServer(options);
  return {
    server,
    /** Several at a time, as the streams of one HTTP/2 connection are. */
    open(changes: Partial<CollectingRequest> = {}): { exchange: Exchange; carrier: FakeCarrier } {
      const carrier = new FakeCarrier();
      const exchange = new Exchange(server.context, carrier);
      exchange.request = Object.assign(makeRequest("GET /a"), {
        buffer: new ContentBuffer(server.memory),
        tellLeft: () => {},
        ...changes,
      }) as CollectingRequest;
      return { exchange, carrier };
    },
  };
}
