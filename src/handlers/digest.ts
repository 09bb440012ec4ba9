/** Random names and digests by what Bun has built in: loading `node:crypto` would take 2.7 ms of each start. */

/** `bytes` random bytes, not to be guessed, as twice as many hexadecimal digits. */
export function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

/** SHA-256 (FIPS 180-4) as 64 hexadecimal digits. */
export function sha256Hex(content: Uint8Array | string): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}

/**
 * The same without holding up the event loop: large content is hashed on another thread, which costs a copy. Small content
 * is hashed at once: handing it over would take longer.
 */
export async function sha256HexOf(content: Uint8Array): Promise<string> {
  if (content.length <= HASHED_AT_ONCE_BYTES_MAX) return sha256Hex(content);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>)).toHex();
}

/** 64 KiB take 0.2 ms. */
const HASHED_AT_ONCE_BYTES_MAX = 65_536;
