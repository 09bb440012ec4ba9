/** Test files for each source file: those of its folder, which mirror it, and those of other folders that drive it. */
import { basename, join } from "node:path";
import { Glob } from "bun";

const TOP = join(import.meta.dir, "..", "..", "..");

/** Tests that drive files which have no test of their name, and that see mutants of others which no test of the folder notices. */
const FURTHER = {
  http: ["test/handlers/*.test.ts", "test/handlers/endpoints/*.test.ts"],
  http1: ["test/fixture/faulty-wire.test.ts"],
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

interface Suites {
  readonly own: readonly string[];
  /** For mutants that no test of `own` notices. */
  readonly further: readonly string[];
}

/** Returns the test files for a source file, a path below `src/`. */
export function suitesOf(file: string): Suites {
  const folder = folderOf(file);
  const mirrors = filesOf(`test/${folder}/*.test.ts`).filter((test) => !LEFT_OUT.includes(test));
  const own = [...mirrors, ...(WIRE.test(file) ? [WIRE_TESTS] : [])];
  const further = FURTHER[folder].flatMap(filesOf);
  return mirrors.some((test) => isMirror(test, file)) ? { own, further } : { own: [...own, ...further], further: [] };
}

/** Returns true if a test file has the name of a source file. */
export function isMirror(test: string, file: string): boolean {
  return basename(test, ".test.ts") === basename(file, ".ts");
}

function filesOf(pattern: string): string[] {
  return [...new Glob(pattern).scanSync(TOP)].sort();
}
