/**
 * The ways to say that a server is ready, and where: the ready line, a file with the port, lines for an environment.
 *
 * Strategy: the files come first, so that a program that has read the line finds them. The port's file is the last one, because
 * programs wait for it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import type { Settings } from "../settings/resolve.ts";
import { messageOf, StartError } from "../settings/start-error.ts";
import { VERSION } from "../settings/version.ts";

/** The address of a server that listens. */
export interface Place {
  readonly port: number;
  readonly url: string;
  readonly urls: readonly string[];
}

/** Content of the ready line. Members that are null are left out of its JSON. */
interface Listening extends Place {
  readonly redirectUrl: string | null;
  readonly certificate: object | null;
  readonly takesUploads: boolean;
}

/** Returns the variables that tell another program the address of the server. `run` sets them for its command. */
export function environmentOf({ url, port }: Place): Readonly<Record<string, string>> {
  return { HTTPSERVER_URL: url, HTTPSERVER_PORT: String(port) };
}

/** Returns the line that says that every socket listens, without LF. The words of the text never change: scripts wait for them. */
export function readyLine(format: Settings["readyFormat"], listening: Listening): string {
  const { port, url, urls, redirectUrl, certificate, takesUploads } = listening;
  const { pid } = process;
  if (format === "json") {
    const further = { redirectUrl: redirectUrl ?? undefined, certificate: certificate ?? undefined };
    return JSON.stringify({ event: "ready", port, url, urls, pid, version: VERSION, takesUploads, ...further });
  }
  return `Listening on port ${port} (${url}) pid=${pid}`;
}

/** Writes the files of the settings, and returns a function that removes the port's file. Throws a StartError. */
export function writeFiles({ envFile, portFile }: Pick<Settings, "envFile" | "portFile">, place: Place): () => void {
  if (envFile !== "") attempt("--env-file", envFile, () => appendEnvironment(envFile, environmentOf(place)));
  if (portFile === "") return () => {};
  return attempt("--port-file", portFile, () => writePort(portFile, place.port));
}

function attempt<Result>(flag: string, path: string, write: () => Result): Result {
  try {
    return write();
  } catch (error) {
    throw new StartError(`cannot write ${flag} ${path}: ${messageOf(error)}`);
  }
}

/** Appends lines in one write, so that lines that another program writes meanwhile stay whole. Creates the file if it is missing. */
function appendEnvironment(path: string, variables: Readonly<Record<string, string>>): void {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o644);
  try {
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    const bytes = Buffer.from((endsInLine(descriptor) ? "\n" : "") + lines.join(""));
    if (writeSync(descriptor, bytes) < bytes.length) throw new Error("the disk is full");
  } finally {
    closeSync(descriptor);
  }
}

/** Returns true when the file's last line has no LF, so that an appended line would become part of it. */
function endsInLine(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  const last = new Uint8Array(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}

/**
 * Writes digits and LF to a file with a unique name, and renames it. So a reader sees the whole line or no file, and the file of a
 * killed server is replaced. Returns a function that removes the file, unless another server has replaced it since. The file's
 * identity tells: an inode that is used again has another time. Throws an Error for a device, a FIFO or a folder.
 */
function writePort(path: string, port: number): () => void {
  refuseToReplace(path);
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    writeFileSync(temporary, `${port}\n`, { flag: "wx", mode: 0o644 });
    const own = identityOf(temporary);
    renameSync(temporary, path);
    return () => {
      try {
        if (identityOf(path) === own) unlinkSync(path);
      } catch {
        // The file is gone already.
      }
    };
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Throws unless `path` is missing, a regular file or a link to one. A rename would replace a device such as /dev/null for all programs. */
function refuseToReplace(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile()) throw new Error("it is not a regular file, and would be replaced");
}

function identityOf(path: string): string {
  const { dev, ino, mtimeNs } = lstatSync(path, { bigint: true });
  return `${dev}:${ino}:${mtimeNs}`;
}
