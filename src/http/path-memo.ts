/**
 * Paths that were read before, found again by the bytes of their target. Clients request the same few paths
 * repeatedly. The text that was made the first time serves all of them, so nothing is scanned, allocated and hashed
 * again.
 *
 * The rule it guards: only identical bytes find a path, so the result is the one that reading them again would give.
 * The caller decides which paths are kept.
 */

interface Entry {
  readonly raw: Uint8Array;
  readonly path: string;
}

/** Longest target kept, bytes. */
const RAW_BYTES_MAX = 256;

/** Most paths kept; a crawler's thousand wrong names push out the right ones, which then are read once more. */
const ENTRIES_MAX = 8192;

export class PathMemo {
  /** By hash: of two targets with the same one the later is kept. */
  readonly #entries = new Map<number, Entry>();

  /** The path of the target bytes[start, end), or null when it is not known. */
  find(bytes: Uint8Array, start: number, end: number): string | null {
    const entry = this.#entries.get(hashOf(bytes, start, end));
    if (entry === undefined) return null;
    const { raw } = entry;
    if (raw.length !== end - start) return null;
    for (let i = 0; i < raw.length; i++) if (raw[i] !== bytes[start + i]) return null;
    return entry.path;
  }

  /** Keeps the path that bytes[start, end) was read as. */
  keep(bytes: Uint8Array, start: number, end: number, path: string): void {
    if (end - start > RAW_BYTES_MAX) return;
    if (this.#entries.size >= ENTRIES_MAX) this.#entries.clear();
    this.#entries.set(hashOf(bytes, start, end), { raw: bytes.slice(start, end), path });
  }
}

/** Returns a 32-bit hash of the last bytes of a target, where paths of one site differ, and of its length. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = Math.max(start, end - HASHED_BYTES); i < end; i++)
    hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  return hash;
}

const HASHED_BYTES = 32;
