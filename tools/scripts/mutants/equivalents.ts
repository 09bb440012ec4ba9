/** Mutants that change nothing that a test could see, each with its reason. They are counted by themselves. */

export interface Equivalent {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

export const EQUIVALENTS: readonly Equivalent[] = [
  {
    file: "exchange/forwarding.ts",
    before: "if (known !== undefined) return known;",
    after: "if (known !== undefined) ;",
    reason: "The same answer is found again; the memory of addresses saves time.",
  },
  {
    file: "exchange/peer-memory.ts",
    before: "if (bytes === 0) return;",
    after: "if (bytes === 0) ;",
    reason: "To add 0 changes nothing; the line saves an access to shared memory.",
  },
  {
    file: "exchange/shared-pool.ts",
    before: "#tail = 0;",
    after: "#tail = 1;",
    reason: "Tickets are found by their distance from the tail, whatever its first value is.",
  },
  {
    file: "http/json.ts",
    before: "if (at < 0) return JsonVerdict.NotUtf8;",
    after: "if (at < 1) return JsonVerdict.NotUtf8;",
    reason: "A position after a character is never 0.",
  },
  {
    file: "http/json.ts",
    before: "if (byte >= 0x80) {",
    after: "if (byte >= 127) {",
    reason: "DEL is a plain byte, so it does not come here.",
  },
  {
    file: "http1/outbox.ts",
    before: "if (this.#scratch.used > 0) {",
    after: "if (true) {",
    reason: "An empty scratch offers no bytes, and the next offer tells whether the kernel is full.",
  },
  {
    file: "http1/outbox.ts",
    before: "headBytes = 0;",
    after: "headBytes = 1;",
    reason: "The size of the head is read only while a response is under way, and its head sets it.",
  },
  {
    file: "http1/request-head.ts",
    before: "bytes[start] === 0x48 &&",
    after: "bytes[start] === 73 &&",
    reason: "The shortcut for HTTP/1.1 is not taken, and the loop behind it finds the same.",
  },
];
