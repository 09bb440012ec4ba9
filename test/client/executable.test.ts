/** The executable that the library starts: named, installed, or missing with a line that says what to install. */
import { expect, test } from "bun:test";
import { findExecutable, type Machine } from "../../src/client/executable.ts";
import { packageOf, TARGETS } from "../../src/client/targets.ts";
import { StartError } from "../../src/settings/start-error.ts";

function machine(given: Partial<Machine> = {}): Machine {
  return { os: "linux", cpu: "x64", libc: "glibc", env: {}, resolve: (file) => `/modules/${file}`, ...given };
}

test.each<[given: Partial<Machine>, path: string]>([
  [{}, "/modules/@httpserver/linux-x64/httpserver"],
  [{ libc: "musl" }, "/modules/@httpserver/linux-x64-musl/httpserver"],
  [{ os: "darwin", cpu: "arm64" }, "/modules/@httpserver/darwin-arm64/httpserver"],
  [{ os: "win32" }, "/modules/@httpserver/win32-x64/httpserver.exe"],
  [{ env: { HTTPSERVER_BINARY: process.execPath } }, process.execPath],
])("%j has %s", (given, path) => {
  expect(findExecutable(machine(given))).toBe(path);
});

test.each<[given: Partial<Machine>, message: string]>([
  [{ os: "aix" }, "there is no httpserver for aix on x64; HTTPSERVER_BINARY can name an executable"],
  [{ env: { HTTPSERVER_BINARY: "/none" } }, "HTTPSERVER_BINARY names /none, which does not exist"],
  [
    {
      resolve: () => {
        throw new Error("Cannot find module");
      },
    },
    "the package @httpserver/linux-x64 with the executable is not installed: install @httpserver/httpserver with its optional dependencies, or @httpserver/linux-x64 itself",
  ],
])("%j has none, and the message says what to do", (given, message) => {
  expect(() => findExecutable(machine(given))).toThrow(new StartError(message));
});

test("each target has a package of its own", () => {
  expect(new Set(TARGETS.map(packageOf)).size).toBe(8);
});
