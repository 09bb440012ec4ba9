/** Test files for each source file: those of its folder, which mirror it, and for a file without a mirror those of others that drive it. */
import { basename, join } from "node:path";
import { Glob } from "bun";

const TOP = join(import.meta.dir, "..", "..", "..");

/** Tests that drive files which have no test of their name. */
const FURTHER = {
  http: ["test/handlers/*.test.ts", "test/handlers/endpoints/*.test.ts"],
  http1: [],
  http2: ["test/fixture/*streams.test.ts", "test/fixture/http2-faults.test.ts"],
  exchange: [],
} as const;

/** Files that read the bytes of a request in HTTP/1: rows of bytes drive them. */
const WIRE =
  /^(?:http\/(?:target|authority|ascii|utf8)|http1\/(?:request-head|framing|body-decoder|request-target))\.ts$/;
const WIRE_TESTS = "test/conformance/parser.test.ts";

/** Real threads are too slow. The simulator of several threads stands for them. */
const LEFT_OUT = ["test/exchange/shared-pool-threads.test.ts"];

export type Folder = keyof typeof FURTHER;

export const FOLDERS = Object.keys(FURTHER) as Folder[];

export function folderOf(file: string): Folder {
  return file.split("/")[0] as Folder;
}

/** Returns the test files for a source file, a path below `src/`. */
export function suitesOf(file: string): string[] {
  const folder = folderOf(file);
  const own = filesOf(`test/${folder}/*.test.ts`);
  const further = own.some((test) => isMirror(test, file)) ? [] : FURTHER[folder].flatMap(filesOf);
  const wire = WIRE.test(file) ? [WIRE_TESTS] : [];
  return [...own, ...further, ...wire].filter((test) => !LEFT_OUT.includes(test));
}

/** Returns true if a test file has the name of a source file. */
export function isMirror(test: string, file: string): boolean {
  return basename(test, ".test.ts") === basename(file, ".ts");
}

function filesOf(pattern: string): string[] {
  return [...new Glob(pattern).scanSync(TOP)].sort();
}
