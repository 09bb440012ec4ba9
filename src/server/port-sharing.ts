/**
 * Sharing of a port between the threads of this process, by SO_REUSEPORT (socket(7)): the kernel gives each new connection to one of the
 * listeners, by a hash of its addresses.
 *
 * The rule it guards: a port that another program has is refused. The first listener binds without the option, which fails also if the
 * other program has it. It gets the option afterwards, so the port is ours at every moment while the other threads bind. Later
 * a program of the same user may join by the option: Linux spreads connections only while all listeners have it.
 */
import { systemCall } from "./c-library.ts";

/** Numbers of Linux, on both of the processors that Bun runs on. */
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const ON = Int32Array.of(1);

type Duplicate = (descriptor: number) => number;

/** Returns a second descriptor of the same socket, or -1 if there is none. */
export function duplicate(descriptor: number): number {
  const dup = systemCall<Duplicate>("dup", ({ int }) => ({ args: [int], returns: int }));
  return dup === null || descriptor < 0 ? -1 : dup(descriptor);
}

type SetSocketOption = (socket: number, level: number, option: number, value: Int32Array, length: number) => number;

/** Undefined until the first call; null if the C library cannot be loaded. */
let call: SetSocketOption | null | undefined;

/** Lets other threads bind the port of the listening socket `descriptor`. Returns false if the system refuses. */
export function sharePort(descriptor: number): boolean {
  if (call === undefined) {
    call = systemCall<SetSocketOption>("setsockopt", ({ int, ptr, u32 }) => ({
      args: [int, int, int, ptr, u32],
      returns: int,
    }));
  }
  return call?.(descriptor, SOL_SOCKET, SO_REUSEPORT, ON, ON.byteLength) === 0;
}
