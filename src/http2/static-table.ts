/** The static table of HPACK (RFC 7541 appendix A), and the search in it. */

/** Entries, from index 1 on. */
const ENTRIES: readonly (readonly [name: string, value: string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** Entries of the static table. The newest entry of the dynamic table has the index after it. */
export const STATIC_COUNT = ENTRIES.length;

/** Names and values by index. Index 0 is not used (RFC 7541 §6.1). */
export const STATIC_NAMES: readonly string[] = ["", ...ENTRIES.map(([name]) => name)];
export const STATIC_VALUES: readonly string[] = ["", ...ENTRIES.map(([, value]) => value)];

/** Index of the first entry with a name. */
const BY_NAME = new Map<string, number>();

ENTRIES.forEach(([name], position) => {
  if (!BY_NAME.has(name)) BY_NAME.set(name, position + 1);
});

/** Returns the index of the first entry with this name in lower case; 0 if there is none. */
export function staticNameIndex(name: string): number {
  return BY_NAME.get(name) ?? 0;
}

/** Returns the index of the entry with this name and value, of which `nameIndex` is the first with that name; 0 if there is none. */
export function staticFieldIndex(nameIndex: number, name: string, value: string): number {
  for (let index = nameIndex; STATIC_NAMES[index] === name; index++) if (STATIC_VALUES[index] === value) return index;
  return 0;
}
