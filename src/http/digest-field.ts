/** Content-Digest (RFC 9530 §2): digests of a message's content, in a dictionary of byte sequences (RFC 8941 §3.2, §3.3.5). */

/** A digest that the content must have. */
export interface ExpectedDigest {
  readonly algorithm: "sha256" | "sha512";
  /** In hexadecimal digits. */
  readonly hex: string;
}

/** Digests by their names in the field, with their bytes. The others of RFC 9530 are too weak to count, so they are ignored. */
const ALGORITHMS: Readonly<
  Record<string, { readonly algorithm: ExpectedDigest["algorithm"]; readonly bytes: number }>
> = {
  "sha-256": { algorithm: "sha256", bytes: 32 },
  "sha-512": { algorithm: "sha512", bytes: 64 },
};

/** A member: its key, its byte sequence, and parameters, which have no meaning. */
const MEMBER = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=[A-Za-z0-9_.:/+*-]+)?)*$/;

/** Returns the digests that are known, or null if the field is malformed. The last of two with one name counts (RFC 8941 §4.2.2). */
export function parseContentDigest(value: string): readonly ExpectedDigest[] | null {
  const digests = new Map<string, ExpectedDigest>();
  for (const item of value.split(",")) {
    const [, key, base64 = ""] = MEMBER.exec(item.replace(/^[ \t]+|[ \t]+$/g, "")) ?? [];
    if (key === undefined) return null;
    if (!Object.hasOwn(ALGORITHMS, key)) continue;
    const known = ALGORITHMS[key] as (typeof ALGORITHMS)[string];
    const bytes = bytesOf(base64);
    if (bytes?.length !== known.bytes) return null;
    digests.set(key, { algorithm: known.algorithm, hex: bytes.toHex() });
  }
  return [...digests.values()];
}

function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    return null;
  }
}
