import { expect, test } from "bun:test";
import { mkdtempSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenedFile, openDocumentRoot } from "../../../src/handlers/files/document-root.ts";
import { FileSource, multipartPieces } from "../../../src/handlers/files/file-body.ts";
import { usable } from "../../support/site.ts";

const RANGES = [
  { first: 3, last: 40 },
  { first: 0, last: 0 },
  { first: 90, last: 99 },
];

/** Opens a file of the bytes 0 to 99, and removes it. */
function openHundred(): OpenedFile {
  const folder = mkdtempSync(join(tmpdir(), "file-body-"));
  try {
    writeFileSync(
      join(folder, "hundred"),
      Uint8Array.from({ length: 100 }, (_, at) => at),
    );
    const opened = usable(openDocumentRoot(folder, "--root")).open("/hundred");
    if (!(opened instanceof OpenedFile)) throw new Error(`not opened: ${opened}`);
    return opened;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the parts of the file that a source names are the bytes that it reads, and the others are its own", () => {
  const pieces = multipartPieces(RANGES, 100, "text/plain", "b");
  const source = new FileSource(openHundred(), pieces);
  const whole = new Uint8Array(source.size);
  expect(source.read(0, whole, 0, whole.length)).toBe(source.size);
  let inFile = 0;
  for (let position = 0; position < source.size; position++) {
    const part = source.fileAt(position);
    if (part === null) continue;
    inFile++;
    const bytes = new Uint8Array(part.size);
    readSync(part.descriptor, bytes, 0, part.size, part.offset);
    expect(bytes).toEqual(whole.slice(position, position + part.size));
  }
  expect(inFile).toBe(38 + 1 + 10);
  expect(source.fileAt(source.size)).toBeNull();
  source.close();
});

test("a source that is closed, or in memory, names no file", () => {
  const source = new FileSource(openHundred(), RANGES);
  expect(source.fileAt(0)).toMatchObject({ offset: 3, size: 38 });
  source.close();
  expect(source.fileAt(0)).toBeNull();
  expect(new FileSource(new Uint8Array(100), RANGES).fileAt(0)).toBeNull();
});
