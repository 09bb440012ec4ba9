/** Times and sizes as people write them, and the factors between their units. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const SECOND = 1000;
const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/**
 * Returns the milliseconds of `500ms`, `30s`, `1.5m`, `2h`; a plain number means seconds, as with nginx, curl and
 * static-web-server. Undefined for anything else, and for a fraction of a millisecond.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^([0-9]{1,12}(?:\.[0-9]{1,3})?)(ms|s|m|h)?$/i.exec(text);
  if (match === null) return undefined;
  const unit = { ms: 1, s: SECOND, m: MINUTE, h: HOUR }[(match[2] ?? "s").toLowerCase()] ?? SECOND;
  const milliseconds = Number(match[1]) * unit;
  const whole = Math.round(milliseconds);
  return Math.abs(milliseconds - whole) < 1e-6 && Number.isSafeInteger(whole) ? whole : undefined;
}

/** Returns the bytes of `10mb`, `64kb`, `1g`, `512`; 1024-based, upper or lower case. Undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,15})(b|kb?|kib|mb?|mib|gb?|gib)?$/i.exec(text);
  if (match === null) return undefined;
  const unit = { b: 1, k: KIB, m: MIB, g: GIB }[(match[2] ?? "b").charAt(0).toLowerCase()] ?? 1;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Writes a duration as `parseDuration` reads it. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds >= HOUR && milliseconds % HOUR === 0) return `${milliseconds / HOUR}h`;
  return milliseconds % SECOND === 0 ? `${milliseconds / SECOND}s` : `${milliseconds}ms`;
}

/** Writes a size as `parseSize` reads it. */
export function formatSize(bytes: number): string {
  if (bytes >= GIB && bytes % GIB === 0) return `${bytes / GIB}gb`;
  if (bytes >= MIB && bytes % MIB === 0) return `${bytes / MIB}mb`;
  return bytes >= KIB && bytes % KIB === 0 ? `${bytes / KIB}kb` : `${bytes}`;
}

/** Writes a size for people: `785 B`, `1.2 KB`, `14 MB`. A KB has 1,024 bytes. */
export function readableSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < READABLE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : readableNumber(value)} ${READABLE_UNITS[unit]}`;
}

/** Writes a duration for people: `0.7 ms`, `785 ms`, `1.2 s`. */
export function readableDuration(milliseconds: number): string {
  return milliseconds < 999.5 ? `${readableNumber(milliseconds)} ms` : `${readableNumber(milliseconds / SECOND)} s`;
}

/** Writes one decimal below ten, and none above. */
function readableNumber(value: number): string {
  return value.toFixed(value >= 9.95 ? 0 : 1);
}

const READABLE_UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];
