/** A server without a socket whose requests for `/faulty…` get one fault each, on a clock that a test moves by hand. */
import { FaultyWire, type WireTime } from "../../src/fixture/faulty-wire.ts";
import { parseFaultField } from "../../src/http/fault.ts";
import { ADMITTED, type Response } from "../../src/http/message.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { collecting, type FakeClient, FakeServer, respondWith, type ServerOptions, WALL_MS } from "./conversation.ts";

export class FaultyServer extends FakeServer {
  readonly time = new ManualClock(WALL_MS);
  /** Calls that were ordered, and have neither come nor been cancelled. */
  calls = 0;
  readonly #wireTime: WireTime;
  response: Response | null = null;

  constructor(fault: string, options: ServerOptions = {}) {
    super(options);
    const parsed = parseFaultField(fault);
    if (typeof parsed === "string") throw new Error(parsed);
    this.#wireTime = {
      nowMs: () => this.time.nowMs(),
      after: (ms, call) => {
        this.calls++;
        const cancel = this.time.after(ms, () => {
          this.calls--;
          this.#moveClock();
          call();
        });
        return () => {
          this.calls--;
          cancel();
        };
      },
    };
    this.handler.admit = ({ target, announced }) => ({
      ...(announced === "none" ? ADMITTED : collecting(1000)),
      fault: target.path.startsWith("/faulty") ? parsed : null,
    });
    this.handler.respond = (request) => this.response ?? respondWith(200, request.target.path);
  }

  connectFaulty(): FakeClient {
    return this.connect((transport) => new FaultyWire(transport, this.#wireTime));
  }

  /** Lets `ms` pass for the wires, and for the conversations' deadlines. */
  advance(ms: number): void {
    this.time.advance(ms);
    this.#moveClock();
    for (const connection of this.connections) connection.tick();
  }

  pardon(): void {
    for (const connection of this.connections) connection.pardon();
    for (const connection of this.connections) connection.release();
  }

  #moveClock(): void {
    this.clock.set(this.time.nowMs(), this.time.wallMs());
  }
}

/** Returns the bytes that the client has received, and the state of its connection. */
export function seen({ transport }: FakeClient): { sent: string; left: "fin" | "reset" | "open" } {
  return { sent: transport.sent, left: transport.wasReset ? "reset" : transport.finSent ? "fin" : "open" };
}
