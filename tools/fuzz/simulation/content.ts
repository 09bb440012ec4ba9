/**
 * Content that tells where it belongs: every answer's bytes are a run of one pseudo-random text, from a place of its own. A byte of
 * another answer, a byte left out and a byte sent twice all differ from what stands there.
 */
import { Random } from "../random.ts";

/** Bytes of the text: the largest content behind the last place where one begins. */
const TEXT_BYTES = 1 << 18;

/** Places where contents begin. */
const PLACES = 1 << 16;

const TEXT = makeText();

/** The first byte of the content that belongs to `request` of `client`. */
export function placeOf(client: number, request: number): number {
  return (client * 7919 + request * 104_729) % PLACES;
}

/** `length` <= TEXT_BYTES - PLACES bytes from `place` on. A view: whoever changes it changes what is expected as well. */
export function contentAt(place: number, length: number): Uint8Array {
  return TEXT.subarray(place, place + length);
}

/** bytes[offset, offset + length) are what stands from `place` on. */
export function isContentAt(place: number, bytes: Uint8Array, offset: number, length: number): boolean {
  return Buffer.compare(TEXT.subarray(place, place + length), bytes.subarray(offset, offset + length)) === 0;
}

function makeText(): Uint8Array {
  const random = new Random(2026);
  // No CR and no LF: what a fault makes of it never looks like a head.
  return Uint8Array.from({ length: TEXT_BYTES }, () => 0x20 + random.below(0x5f));
}
