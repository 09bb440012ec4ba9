/** A peer that reads in pieces gets the bytes that one gets which reads at once: whatever was gathered, kept, lent or joined for it. */
import { expect, test } from "bun:test";
import { Fields } from "../../src/http/fields.ts";
import { ADMITTED } from "../../src/http/message.ts";
import { collecting, FakeServer, FakeSource, get, respondWith } from "../support/conversation.ts";

const ROUNDS = 60;
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const SIZES = [0, 700, 4095, 4096, 24_600, 65_536, 65_537, 100_000];
const KINDS = ["no", "memory", "held", "source", "redirect", "late", "echo"];

/** Linear congruential generator. Each run gets the same numbers. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

/** A server that answers `/kind/size`, and the answers that it has not given yet. */
function serve() {
  const limits = { maxRequests: 0, receiveBytesMax: 65_536, sliceBytes: 3000 };
  const server = new FakeServer({ threads: 2, limits });
  const late: (() => void)[] = [];
  server.handler.admit = ({ target }) =>
    target.path.startsWith("/no") ? { ...ADMITTED, refusal: respondWith(403, "n".repeat(700)) } : collecting(5000);
  server.handler.respond = (request) => {
    const [, kind = "", size = "0"] = request.target.path.split("/");
    const content = new Uint8Array(Number(size)).fill(97 + (Number(size) % 26));
    const made = respondWith(200, kind === "source" ? new FakeSource(content.length) : content);
    if (kind === "held") return { ...made, content: made.fields.hold(content) };
    if (kind === "redirect") {
      const fields = Fields.of([["Location", `/${"x".repeat(content.length / 5)}`]]);
      return { ...respondWith(308, null), fields };
    }
    if (kind === "echo") return respondWith(200, request.content.slice());
    if (kind === "late") return new Promise((resolve) => late.push(() => resolve(made)));
    return made;
  };
  return { server, late };
}

function requestsBy(chance: Chance): string {
  let text = "";
  for (let count = chance.pick([1, 3, 8, 40]); count > 0; count--) {
    const kind = chance.pick(KINDS);
    const field = chance.pick(["", "", `X: ${"y".repeat(chance.pick([100, 9000]))}\r\n`]);
    const content = kind === "echo" ? "b".repeat(chance.pick([0, 1, 300, 4900])) : "";
    const length =
      kind === "echo" ? `${chance.pick(["", "Expect: 100-continue\r\n"])}Content-Length: ${content.length}\r\n` : "";
    text += get(`/${kind}/${chance.pick(SIZES)}`, field + length) + content;
  }
  return text + get("/memory/9", "Connection: close\r\n");
}

/** Sends `text` in pieces, reads as many bytes at a time as `room` says, and returns what came and what was logged. */
async function play(text: string, pieces: readonly string[], chance: Chance, room: () => number) {
  const { server, late } = serve();
  const client = server.connect();
  client.transport.room = room();
  const unsent = [...pieces];
  while (!client.transport.finSent) {
    if (client.transport.isClosed) throw new Error(`closed within ${JSON.stringify(text.slice(0, 200))}`);
    if (unsent.length > 0 && !client.transport.isPaused && chance.below(3) === 0) client.send(unsent.shift() as string);
    if (client.transport.room === 0) client.drain(room());
    late.shift()?.();
    for (let turn = 0; turn < 4; turn++) await Promise.resolve();
    server.runDeferred();
  }
  const lines = server.observer.lines.map(({ request, status, bytes }) => [request, status, bytes]);
  expect([server.observer.failures, server.context.peerMemory.used]).toEqual([[], 0]);
  return { sent: client.transport.sent.replaceAll(CONTINUE, ""), lines };
}

test("a peer that reads and sends in pieces gets the same bytes as one that does both at once", async () => {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const chance = new Chance(seed);
    const text = requestsBy(chance);
    const cuts = Array.from({ length: chance.pick([0, 1, 5, 40]) }, () => chance.below(text.length)).sort(
      (a, b) => a - b,
    );
    const pieces = [0, ...cuts]
      .map((from, at) => text.slice(from, cuts[at] ?? text.length))
      .filter((piece) => piece !== "");
    const roomMax = chance.pick([500, 3000, 40_000]);
    const whole = await play(text, [text], chance, () => Number.POSITIVE_INFINITY);
    const slow = await play(text, pieces, chance, () => 1 + chance.below(roomMax));
    expect({ seed, isSame: slow.sent === whole.sent, lines: slow.lines }).toEqual({
      seed,
      isSame: true,
      lines: whole.lines,
    });
  }
});
