/** The other load generator, for large files: see macro/sink.c. */
import { CLIENT_CORE, runPinned } from "./process.ts";
import { type Load, type LoadResult, readResult } from "./wrk.ts";

/** Runs a plain load (connections and target, nothing else) for whole seconds. Rejects when the generator itself fails. */
export async function runSink(program: string, load: Load, seconds: number): Promise<LoadResult> {
  const { port, pathname } = new URL(load.url);
  const words = [program, port, pathname, String(load.connections), String(seconds)];
  return readResult(await runPinned(CLIENT_CORE, words));
}
