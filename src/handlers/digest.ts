/** Random names and digests by what Bun has built in: loading `node:crypto` would take 2.7 ms of each start. */

/** `bytes` random bytes, not to be guessed, as twice as many hexadecimal digits. */
export function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

/** SHA-256 (FIPS 180-4) as 64 hexadecimal digits. */
export function sha256Hex(content: Uint8Array | string): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}
