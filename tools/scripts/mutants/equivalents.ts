/** Mutants that change nothing that a test could see, each with its reason. They are counted by themselves. */

interface Equivalent {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

export const EQUIVALENTS: readonly Equivalent[] = [
  {
    file: "exchange/clock.ts",
    before: "#offsetMs = 0;",
    after: "#offsetMs = 1;",
    reason: "The constructor sets both times, and with them the distance.",
  },
  {
    file: "exchange/exchange.ts",
    before: "#startedMs = 0;",
    after: "#startedMs = 1;",
    reason: "It is read after a head is complete, which sets it.",
  },
  {
    file: "exchange/shared-pool.ts",
    before: "let oldest = 0;",
    after: "let oldest = 1;",
    reason: "It is compared only if there is a next thread, and set with it.",
  },
  {
    file: "http2/field-literals.ts",
    before: "if (scratch.length < room) scratch = new Uint8Array(room);",
    after: "if (scratch.length <= room) scratch = new Uint8Array(room);",
    reason: "A scratch that is just large enough is made anew, and holds nothing between two calls.",
  },
  {
    file: "http2/hpack-decoder.ts",
    before: "if (scratch.length < room) scratch = new Uint8Array(room);",
    after: "if (scratch.length <= room) scratch = new Uint8Array(room);",
    reason: "A scratch that is just large enough is made anew, and holds nothing between two calls.",
  },
  {
    file: "http2/hpack-decoder.ts",
    before: "const isHuffman = (bytes[this.#at] as number) >= 0x80;",
    after: "const isHuffman = (bytes[this.#at] as number) > 0x80;",
    reason: "The byte 0x80 begins an empty string, which is the same in both codes.",
  },
  {
    file: "http2/hpack-encoder.ts",
    before: "if (length < 8) for (let i = 0; i < length; i++) into[at + i] = from[i] as number;",
    after: "if (true) for (let i = 0; i < length; i++) into[at + i] = from[i] as number;",
    reason: "Both ways copy the same bytes; the choice saves time.",
  },
  {
    file: "http2/field-literals.ts",
    before: "if (encoded === undefined) {",
    after: "if (true) {",
    reason: "Fields that are encoded again have the same bytes and the same shared fields.",
  },
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
  ...neverTaken("end - start >= 10 &&", "end - start > 10 &&", "end - start >= 11 &&"),
  ...neverTaken(
    "bytes[start] === 0x48 &&",
    "bytes[start] !== 0x48 &&",
    "bytes[start] === 73 &&",
    "bytes[start] === 71 &&",
  ),
  ...neverTaken(
    "bytes[start + 1] === 0x54 &&",
    "bytes[start + 1] !== 0x54 &&",
    "bytes[start + 0] === 0x54 &&",
    "bytes[start + 1] === 85 &&",
    "bytes[start + 1] === 83 &&",
  ),
  ...neverTaken(
    "bytes[start + 2] === 0x54 &&",
    "bytes[start + 2] !== 0x54 &&",
    "bytes[start + 3] === 0x54 &&",
    "bytes[start + 2] === 85 &&",
    "bytes[start + 2] === 83 &&",
  ),
  ...neverTaken(
    "bytes[start + 3] === 0x50 &&",
    "bytes[start + 3] !== 0x50 &&",
    "bytes[start + 4] === 0x50 &&",
    "bytes[start + 2] === 0x50 &&",
    "bytes[start + 3] === 81 &&",
    "bytes[start + 3] === 79 &&",
  ),
  ...neverTaken(
    "bytes[start + 4] === SLASH &&",
    "bytes[start + 4] !== SLASH &&",
    "bytes[start + 5] === SLASH &&",
    "bytes[start + 3] === SLASH &&",
  ),
  ...neverTaken(
    "bytes[start + 5] === DIGIT_ONE &&",
    "bytes[start + 5] !== DIGIT_ONE &&",
    "bytes[start + 6] === DIGIT_ONE &&",
    "bytes[start + 4] === DIGIT_ONE &&",
  ),
  ...neverTaken(
    "bytes[start + 6] === DOT &&",
    "bytes[start + 6] !== DOT &&",
    "bytes[start + 7] === DOT &&",
    "bytes[start + 5] === DOT &&",
  ),
  ...neverTaken(
    "bytes[start + 7] === DIGIT_ONE &&",
    "bytes[start + 7] !== DIGIT_ONE &&",
    "bytes[start + 8] === DIGIT_ONE &&",
    "bytes[start + 6] === DIGIT_ONE &&",
  ),
  ...neverTaken(
    "bytes[start + 8] === CR &&",
    "bytes[start + 8] !== CR &&",
    "bytes[start + 9] === CR &&",
    "bytes[start + 7] === CR &&",
  ),
  ...neverTaken(
    "bytes[start + 9] === LF",
    "bytes[start + 9] !== LF",
    "bytes[start + 10] === LF",
    "bytes[start + 8] === LF",
  ),
];

/** Lists changes of the shortcut for HTTP/1.1 in the reader of heads that keep it from being taken. */
function neverTaken(before: string, ...afters: readonly string[]): Equivalent[] {
  const reason = "The shortcut for HTTP/1.1 is not taken, and the loop behind it finds the same.";
  return afters.map((after) => ({ file: "http1/request-head.ts", before, after, reason }));
}
