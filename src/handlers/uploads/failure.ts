/** The response to an upload that the store could not keep. */
import type { FieldLines } from "../../http/fields.ts";
import { errorCode, FolderError } from "../files/document-root.ts";
import { StoreError, type UploadStore } from "./store.ts";

export const FULL = "There is no space left for the upload.";

/** Errors of a disk, or of a file system, without room. */
const FULL_CODES: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

interface Failure {
  readonly status: number;
  readonly sentence: string;
  readonly fields: FieldLines;
}

/** Returns the failure for the client. Tells the operator, unless the store has done so. */
export function failureOf(error: unknown, { place }: Pick<UploadStore, "place">, log: (line: string) => void): Failure {
  if (error instanceof StoreError) {
    const { status, message, retrySeconds } = error;
    return {
      status,
      sentence: message,
      fields: retrySeconds === null ? [] : [["Retry-After", String(retrySeconds)]],
    };
  }
  const code = errorCode(error);
  if (error instanceof FolderError) log(`upload failed: the folder ${error.message}`);
  else log(`upload failed: ${code} in ${place}`);
  return FULL_CODES.has(code)
    ? { status: 507, sentence: FULL, fields: [] }
    : { status: 500, sentence: "The upload could not be written.", fields: [] };
}
