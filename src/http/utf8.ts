/** UTF-8 (RFC 3629): which bytes are characters, without making text of them. */

/**
 * Returns the position after the character outside ASCII that begins at `start`, or -1 when it is malformed.
 *
 * RFC 3629 §4: only the second byte has bounds that depend on the first. They exclude overlong forms (E0, F0), surrogates
 * (ED) and characters above U+10FFFF (F4); C0, C1 and F5 to FF begin nothing.
 */
export function utf8SequenceEnd(bytes: Uint8Array, start: number, end: number): number {
  const lead = bytes[start] as number;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  const after = start + (lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
  if (after > end) return -1;
  const second = bytes[start + 1] as number;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return -1;
  for (let pos = start + 2; pos < after; pos++) if (((bytes[pos] as number) & 0xc0) !== 0x80) return -1;
  return after;
}

/** Returns true when bytes[0, end) are UTF-8. */
export function isUtf8(bytes: Uint8Array, end: number): boolean {
  let pos = 0;
  while (pos < end) {
    pos = (bytes[pos] as number) < 0x80 ? pos + 1 : utf8SequenceEnd(bytes, pos, end);
    if (pos < 0) return false;
  }
  return true;
}
