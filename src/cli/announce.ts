/**
 * How others learn that a server is ready, and where: the ready line, a file with the port, lines for an environment. The files
 * come first, so that whoever has read the line finds them; and of the files the port's is last, because it is waited for.
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
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import type { Settings } from "../settings/resolve.ts";
import { messageOf, StartError } from "../settings/start-error.ts";
import { VERSION } from "../settings/version.ts";

/** Where a server listens. */
export interface Place {
  readonly port: number;
  readonly url: string;
  readonly urls: readonly string[];
}

/** The variables that tell another program where the server is; `run` sets them for its command as well. */
export function environmentOf({ url, port }: Place): Readonly<Record<string, string>> {
  return { HTTPSERVER_URL: url, HTTPSERVER_PORT: String(port) };
}

/** The line that says that every socket listens, without LF. The words of the text never change: scripts wait for them. */
export function readyLine(format: Settings["readyFormat"], { port, url, urls }: Place): string {
  const { pid } = process;
  if (format === "json") return JSON.stringify({ event: "ready", port, url, urls, pid, version: VERSION });
  return `Listening on port ${port} (${url}) pid=${pid}`;
}

/**
 * Writes the files that were asked for, and returns what takes the port's file away again. Throws a StartError for one that
 * cannot be written.
 */
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

/** One write at the end of the file, so that lines of others, written meanwhile, stay whole; made when it is not there. */
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

/** True when the file's last line has no LF, so that what is appended would become part of it. */
function endsInLine(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  const last = new Uint8Array(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}

/**
 * Digits and LF under a name of its own, then renamed: a reader sees the whole or nothing, and what a killed server left is
 * replaced. Returns what removes it, unless another server's has taken its place: the file says which server's it is by being
 * the same one, since an inode that is used again has another time.
 */
function writePort(path: string, port: number): () => void {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    writeFileSync(temporary, `${port}\n`, { flag: "wx", mode: 0o644 });
    const own = identityOf(temporary);
    renameSync(temporary, path);
    return () => {
      try {
        if (identityOf(path) === own) unlinkSync(path);
      } catch {
        // Somebody has removed it.
      }
    };
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function identityOf(path: string): string {
  const { dev, ino, mtimeNs } = lstatSync(path, { bigint: true });
  return `${dev}:${ino}:${mtimeNs}`;
}
