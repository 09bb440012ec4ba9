/**
 * `sendfile(2)` for a plain socket: the kernel sends a file from its own memory, and no byte of it passes through ours.
 *
 * The rule it guards: bytes never reach another connection. The kernel gives the number of a closed socket to the next one, so the
 * number is read from the live socket at each call, and nothing runs between the two. A closed socket has -1 from Bun.
 *
 * Only Linux has this form of the call, in both of its C libraries (docs/decisions/0022-zero-copy.md).
 */

/** The part of `Bun.Socket` that is used here. Its types lack the descriptor. */
interface Descriptive {
  readonly fd: number;
}

type SendFile = (socket: number, file: number, offset: Uint32Array, count: number) => number;

/** File names of the C library: glibc's, and musl's on both of the processors that Bun runs on. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

const TWO_TO_32 = 2 ** 32;

/** The offset in the file, in two words, the lower one first. */
const offsetWords = new Uint32Array(2);

/** Undefined until the first large file; null if the library cannot be loaded. */
let systemCall: SendFile | null | undefined;

/** True where `sendFile` may work. It then loads the C library at its first call, so that the start costs nothing. */
export const HAS_SEND_FILE: boolean = process.platform === "linux";

/** Implements `Transport.sendFile` as a method of a socket without TLS. */
export function sendFile(this: Descriptive, descriptor: number, offset: number, count: number): number {
  if (systemCall === undefined) systemCall = load();
  const { fd } = this;
  if (systemCall === null || fd < 0) return -1;
  offsetWords[0] = offset % TWO_TO_32;
  offsetWords[1] = Math.floor(offset / TWO_TO_32);
  return systemCall(fd, descriptor, offsetWords, count);
}

function load(): SendFile | null {
  // An import would be a part of each start, or would make the first large file wait for a promise.
  const { dlopen, FFIType } = require("bun:ffi") as typeof import("bun:ffi");
  const { int, ptr, u64_fast, i64_fast } = FFIType;
  for (const library of LIBRARIES) {
    try {
      const { symbols } = dlopen(library, { sendfile: { args: [int, int, ptr, u64_fast], returns: i64_fast } });
      return symbols.sendfile as unknown as SendFile;
    } catch {
      // The other C library, or none that Bun can call: files are copied.
    }
  }
  return null;
}
