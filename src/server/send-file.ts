/**
 * `sendfile(2)` for a plain socket: the kernel sends a file from its own memory, and no byte of it passes through ours.
 *
 * The rule it guards: bytes never reach another connection. The kernel gives the number of a closed socket to the next one, so the
 * number is read from the live socket at each call, and nothing runs between the two. A closed socket has -1 from Bun.
 *
 * Only Linux has this form of the call, in both of its C libraries (docs/decisions/0022-zero-copy.md).
 */
import { systemCall } from "./c-library.ts";

/** The part of `Bun.Socket` that is used here. Its types lack the descriptor. */
interface Descriptive {
  readonly fd: number;
}

type SendFile = (socket: number, file: number, offset: Uint32Array, count: number) => number;

const TWO_TO_32 = 2 ** 32;

/** The offset in the file, in two words, the lower one first. */
const offsetWords = new Uint32Array(2);

/** Undefined until the first large file; null if the library cannot be loaded. */
let call: SendFile | null | undefined;

/** True where `sendFile` may work. It then loads the C library at its first call, so that the start costs nothing. */
export const HAS_SEND_FILE: boolean = process.platform === "linux";

/** Implements `Transport.sendFile` as a method of a socket without TLS. */
export function sendFile(this: Descriptive, descriptor: number, offset: number, count: number): number {
  if (call === undefined) call = load();
  const { fd } = this;
  if (call === null || fd < 0) return -1;
  offsetWords[0] = offset % TWO_TO_32;
  offsetWords[1] = Math.floor(offset / TWO_TO_32);
  return call(fd, descriptor, offsetWords, count);
}

/** Without the library, files are copied. */
function load(): SendFile | null {
  return systemCall<SendFile>("sendfile", ({ int, ptr, u64_fast, i64_fast }) => ({
    args: [int, int, ptr, u64_fast],
    returns: i64_fast,
  }));
}
