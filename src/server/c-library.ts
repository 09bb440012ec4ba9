/** Calls of the C library that Bun does not offer. */

/** File names of the C library: glibc's, and musl's on both of the processors that Bun runs on. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/** Types of arguments and results of `bun:ffi`. */
type Types = typeof import("bun:ffi").FFIType;

/**
 * Returns the function `name` of the C library, which the caller must give the type of the arguments and the result; null if the library
 * cannot be loaded.
 */
export function systemCall<Call>(
  name: string,
  signature: (types: Types) => import("bun:ffi").FFIFunction,
): Call | null {
  // An import would be a part of each start, or would make the first call wait for a promise.
  const { dlopen, FFIType } = require("bun:ffi") as typeof import("bun:ffi");
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, { [name]: signature(FFIType) }).symbols[name] as unknown as Call;
    } catch {
      // The other C library, or none that Bun can call.
    }
  }
  return null;
}
