/** The check of JSON content in steps, between which other requests run. */
import { JsonCheck, type JsonVerdict } from "../http/json.ts";

/** 256 KiB take about a millisecond. */
const CHECKED_AT_ONCE_BYTES = 262_144;

/** Returns whether the bytes are one JSON text in UTF-8. Never rejects. */
export async function checkJson(content: Uint8Array): Promise<JsonVerdict> {
  const check = new JsonCheck(content);
  for (;;) {
    const verdict = check.advance(CHECKED_AT_ONCE_BYTES);
    if (verdict !== null) return verdict;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
