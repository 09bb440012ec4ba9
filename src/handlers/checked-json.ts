/** The check of JSON content in steps, between which other requests run. */
import { JsonCheck, type JsonVerdict } from "../http/json.ts";
import { nextTurn } from "./next-turn.ts";

/** 32 KiB take 0.1 ms; the first ones, while the runtime has not compiled the check, 3 ms. */
const CHECKED_AT_ONCE_BYTES = 32_768;

/** Returns whether the bytes are one JSON text in UTF-8. Never rejects. */
export async function checkJson(content: Uint8Array): Promise<JsonVerdict> {
  const check = new JsonCheck(content);
  for (;;) {
    const verdict = check.advance(CHECKED_AT_ONCE_BYTES);
    if (verdict !== null) return verdict;
    await nextTurn();
  }
}
