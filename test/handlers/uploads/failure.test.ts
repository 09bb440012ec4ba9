/** The response to an upload that the store could not keep, and the line for the operator. */
import { expect, test } from "bun:test";
import { FolderError } from "../../../src/handlers/files/document-root.ts";
import { FULL, failureOf } from "../../../src/handlers/uploads/failure.ts";
import { StoreError } from "../../../src/handlers/uploads/store.ts";

const UNWRITTEN = "The upload could not be written.";

test.each([
  ["a disk without room", withCode("ENOSPC"), 507, FULL, "upload failed: ENOSPC in place"],
  ["a file that is too large", withCode("EFBIG"), 507, FULL, "upload failed: EFBIG in place"],
  ["a disk that fails", withCode("EIO"), 500, UNWRITTEN, "upload failed: EIO in place"],
  ["a folder that has moved", new FolderError("x was moved"), 500, UNWRITTEN, "upload failed: the folder x was moved"],
])("%s is told to the client and to the operator", (_, error, status, sentence, line) => {
  const lines: string[] = [];
  expect(failureOf(error, { place: "place" }, (text) => lines.push(text))).toEqual({ status, sentence, fields: [] });
  expect(lines).toEqual([line]);
});

test("a failure that the store has told of is for the client alone", () => {
  const failed = (error: StoreError) => failureOf(error, { place: "place" }, () => expect.unreachable());
  expect(failed(new StoreError(503, "Later.", 7))).toEqual({
    status: 503,
    sentence: "Later.",
    fields: [["Retry-After", "7"]],
  });
  expect(failed(new StoreError(500, "No."))).toEqual({ status: 500, sentence: "No.", fields: [] });
});

function withCode(code: string): Error {
  return Object.assign(new Error(code), { code });
}
