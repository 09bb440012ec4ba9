/**
 * Finds out which conditional writes a store obeys, by an object of a fixed name that stays there.
 *
 *   PUT, If-None-Match: *      412: the object was there, and the condition counts
 *     200: it was missing, or the condition does not count; the same again: 412 or 200
 *   an upload of one part to that name, completed with If-None-Match: *: 412 or 200
 *
 * From the second start on, that is one request, and four further ones with `--upload-any`. No object has to be removed, so that right
 * is not needed.
 */

import { randomHex } from "../../digest.ts";
import { errorCode } from "../../files/document-root.ts";
import { Conditions, contentOf, type Objects } from "./objects.ts";

/** Name of the object. It begins with a dot, so no upload has it, and it is never shown. */
export const PROBE_NAME = ".httpserver-conditional-writes";

/** Content of the object, for people who find it. */
const PROBE_CONTENT = contentOf("Made by httpserver to find out whether this store obeys If-None-Match.\n");

/** Rejects with a StoreError. `hasParts`: also asks for uploads in parts. */
export async function findConditions(objects: Objects, hasParts: boolean, deadlineMs: number): Promise<Conditions> {
  for (let attempt = 1; attempt <= 2; attempt++) {
    switch (await putProbe(objects, deadlineMs)) {
      case "EEXIST":
        return hasParts && (await joinProbe(objects, deadlineMs)) ? Conditions.All : Conditions.Put;
      case "ENOSYS":
        return Conditions.None;
      default:
    }
  }
  // A store that answers 200 and keeps nothing is of no use.
  if ((await objects.find(objects.keyOf(PROBE_NAME), deadlineMs)) !== null) return Conditions.None;
  throw objects.client.refusal({ status: 404, code: "NothingIsKept" });
}

/** Returns the code of the error, or null if the object was made. */
async function putProbe(objects: Objects, deadlineMs: number): Promise<string | null> {
  try {
    await objects.put(PROBE_NAME, PROBE_CONTENT, randomHex(16), true, deadlineMs);
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST" || code === "ENOSYS") return code;
    throw error;
  }
}

/** Returns true if the condition keeps an upload in parts from replacing the object. */
async function joinProbe(objects: Objects, deadlineMs: number): Promise<boolean> {
  const id = await objects.begin(PROBE_NAME, randomHex(16), deadlineMs);
  const etag = await objects.part(PROBE_NAME, id, 1, PROBE_CONTENT, deadlineMs);
  const { status } = await objects.join(PROBE_NAME, id, [etag], true, deadlineMs);
  if (status !== 200) await objects.abandon(objects.keyOf(PROBE_NAME), id, true, deadlineMs);
  return status === 412;
}
