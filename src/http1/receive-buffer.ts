/**
 * Received bytes that are not consumed yet. The rule it guards: bytes once received are never overwritten, so offsets
 * of a parsed head and views of a body stay valid for as long as somebody holds them, and nothing has to be copied for
 * that; a later request is even compared with the head of an earlier one. The first chunk is adopted as it is (Bun hands
 * over a fresh array at each `data`; test/server/bun-facts.test.ts checks it); only what is left over when more arrives is
 * copied.
 */

const EMPTY = new Uint8Array(0);

export class ReceiveBuffer {
  /** Valid bytes are [start, end). */
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  append(chunk: Uint8Array): void {
    if (this.start === this.end) {
      this.bytes = chunk;
      this.start = 0;
      this.end = chunk.length;
      return;
    }
    const needed = this.length + chunk.length;
    if (this.end + chunk.length > this.bytes.length) {
      // Twice what is needed, so that a peer which sends single bytes costs amortised constant time.
      const grown = new Uint8Array(needed * 2);
      grown.set(this.bytes.subarray(this.start, this.end));
      this.end -= this.start;
      this.start = 0;
      this.bytes = grown;
    }
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  /** Drops the first `count` <= length bytes. */
  consume(count: number): void {
    this.start += count;
    if (this.start === this.end) this.clear();
  }

  /** Lets go of everything; what others hold stays intact. */
  clear(): void {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
  }

  /** Called when what is left has to wait: lets go of a large array of which little is left. */
  compact(): void {
    if (this.bytes.length <= COMPACT_RATIO * this.length) return;
    this.bytes = this.bytes.slice(this.start, this.end);
    this.end -= this.start;
    this.start = 0;
  }
}

const COMPACT_RATIO = 4;
