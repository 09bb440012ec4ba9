/** Field blocks as tests see them. */
import { FIELD_OVERHEAD_BYTES, type HpackDecoder } from "../../src/http2/hpack-decoder.ts";

/** Decodes a block. Returns its result, and the fields as lines. */
export function decodedBlock(
  decoder: HpackDecoder,
  block: Uint8Array,
  sectionBytesMax = Number.POSITIVE_INFINITY,
): { error: number; fields: string[] } {
  const fields: string[] = [];
  const error = decoder.decode(block, 0, block.length, sectionBytesMax, {
    field: (name, value) => fields.push(`${name}: ${value}`),
  });
  return { error, fields };
}

/** Returns the dynamic table, the newest entry first, by references to each entry that there is. */
export function tableOf(decoder: HpackDecoder): { entries: string[]; bytes: number } {
  const entries: string[] = [];
  let bytes = 0;
  for (let index = 62; index < 127; index++) {
    const { error, fields } = decodedBlock(decoder, Uint8Array.of(0x80 | index));
    if (error !== 0) break;
    entries.push(...fields);
    bytes += (fields[0] ?? "").length - ": ".length + FIELD_OVERHEAD_BYTES;
  }
  return { entries, bytes };
}
