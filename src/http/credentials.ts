/** Grammars of credentials: bearer tokens (RFC 6750), and users with the hash of their password. */

/** RFC 6750 §2.1. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]{1,256}=*$/;

export function isBearerToken(text: string): boolean {
  return BEARER_TOKEN.test(text);
}

/** Returns the token in the value of an Authorization field (RFC 6750 §2.1), or undefined for another scheme. */
export function bearerTokenIn(authorization: string): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1];
}

/** A bcrypt hash as `htpasswd -B` writes it, up to a cost of 15: three seconds. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-5])\$[A-Za-z0-9./]{53}$/;

/** A PHC string: memory in KiB, passes, lanes, salt, digest. */
const ARGON2ID = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;
const ARGON2_KIB_MAX = 262_144;
const ARGON2_PASSES_MAX = 20;

/**
 * Returns the mistake in `USER:HASH` or `@FILE`, or null. Checks the form of the hash, and that its cost is one that a
 * server can bear at each new login. A password given in place of its hash is never repeated.
 */
export function problemOfUser(item: string): string | null {
  if (item.startsWith("@")) return item.length > 1 ? null : "expected the name of a file after @";
  const colon = item.indexOf(":");
  if (colon <= 0) return "expected USER:HASH, or @FILE with such lines";
  const hash = item.slice(colon + 1);
  if (BCRYPT.test(hash)) return null;
  const [, memory, time, lanes] = ARGON2ID.exec(hash) ?? [];
  if (memory === undefined) {
    return "expected USER:HASH with an argon2id or bcrypt hash, never a password; httpserver hash-password makes one";
  }
  const isBearable = Number(memory) <= ARGON2_KIB_MAX && Number(time) <= ARGON2_PASSES_MAX;
  if (!isBearable) return `expected a hash with at most ${ARGON2_KIB_MAX} KiB and ${ARGON2_PASSES_MAX} passes`;
  // RFC 9106 §3.1: at least one pass, one lane, and 8 KiB for each lane.
  const isSound = Number(time) >= 1 && Number(lanes) >= 1 && Number(memory) >= 8 * Number(lanes);
  return isSound ? null : "expected a hash that can be verified: its passes, lanes and memory contradict each other";
}
