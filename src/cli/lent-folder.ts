/**
 * The temporary folder of a server of the library outside of Bun. The library names it before it makes it, fills it, and writes a line to
 * our standard input. From the start on this process is there to remove the folder, so the library may be killed at any moment.
 */
import { ENVIRONMENT_PREFIX } from "../settings/kinds.ts";
import type { ProgramSettings } from "../settings/program-settings.ts";
import { OptionsError } from "../settings/start-error.ts";
import type { Environment } from "./command-line.ts";

const VARIABLE = `${ENVIRONMENT_PREFIX}TEMPORARY_FOLDER`;

/** A folder that the environment names, or none. */
interface LentFolder extends Disposable {
  /** False if standard input has ended before the folder was complete: there is nothing to serve. */
  readonly isComplete: boolean;
}

/** Waits for the folder to be complete. Throws an OptionsError for a path that is not a temporary folder, which is left alone. */
export async function lentFolder({ exitWithStdin }: ProgramSettings, env: Environment): Promise<LentFolder> {
  const path = env[VARIABLE] ?? "";
  if (path === "") return { isComplete: true, [Symbol.dispose]() {} };
  if (!exitWithStdin)
    throw new OptionsError(`${VARIABLE} needs --exit-with-stdin: a line on it says that the folder is complete`);
  const { folderRemover } = await import("../server/temporary-folders.ts");
  const remove = folderRemover(VARIABLE, path);
  const isComplete = await new Promise<boolean>((resolve) => {
    process.stdin.once("data", () => resolve(true)).once("end", () => resolve(false));
  });
  return { isComplete, [Symbol.dispose]: remove };
}
