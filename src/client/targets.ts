/** Names of the npm packages: one for the library, and one with the executable of each target. */

/** Scope of all packages. */
const SCOPE = "@httpserver";

/** Package with the library and the command `httpserver`. */
export const PACKAGE = `${SCOPE}/httpserver`;

/** A machine for which an executable is built. The names are those of Node and npm. */
export interface Target {
  readonly os: "linux" | "darwin" | "win32";
  readonly cpu: "x64" | "arm64";
  /** C library, on Linux alone. */
  readonly libc?: "glibc" | "musl";
}

export const TARGETS: readonly Target[] = [
  { os: "linux", cpu: "x64", libc: "glibc" },
  { os: "linux", cpu: "x64", libc: "musl" },
  { os: "linux", cpu: "arm64", libc: "glibc" },
  { os: "linux", cpu: "arm64", libc: "musl" },
  { os: "darwin", cpu: "x64" },
  { os: "darwin", cpu: "arm64" },
  { os: "win32", cpu: "x64" },
  { os: "win32", cpu: "arm64" },
];

/** Returns the package with the executable of a target. */
export function packageOf({ os, cpu, libc }: Target): string {
  return `${SCOPE}/${os}-${cpu}${libc === "musl" ? "-musl" : ""}`;
}

/** Returns the name of the executable in its package. */
export function executableOf({ os }: Target): string {
  return os === "win32" ? "httpserver.exe" : "httpserver";
}

/** Returns the target of a machine, or null if there is none. */
export function targetOf(os: string, cpu: string, libc: "glibc" | "musl"): Target | null {
  return (
    TARGETS.find(
      (target) => target.os === os && target.cpu === cpu && (target.libc === undefined || target.libc === libc),
    ) ?? null
  );
}
