/** Finds the executable that the library starts: the one that HTTPSERVER_BINARY names, or that of this machine's package. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { StartError } from "../settings/start-error.ts";
import { executableOf, PACKAGE, packageOf, targetOf } from "./targets.ts";

/** Path of the executable, for a machine without our packages, or to try a build. */
const BINARY_VARIABLE = "HTTPSERVER_BINARY";

/** Parts of a machine that decide which executable runs. */
export interface Machine {
  readonly os: string;
  readonly cpu: string;
  readonly libc: "glibc" | "musl";
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Returns the path of a file in an installed package. Throws if it is not installed. */
  resolve(file: string): string;
}

/** Returns the path of the executable. Throws a StartError that says how to get one. */
export function findExecutable(machine: Machine = thisMachine()): string {
  const named = machine.env[BINARY_VARIABLE] ?? "";
  if (named !== "") {
    if (existsSync(named)) return named;
    throw new StartError(`${BINARY_VARIABLE} names ${named}, which does not exist`);
  }
  const { os, cpu, libc } = machine;
  const target = targetOf(os, cpu, libc);
  if (target === null) {
    throw new StartError(`there is no httpserver for ${os} on ${cpu}; ${BINARY_VARIABLE} can name an executable`);
  }
  const name = packageOf(target);
  let manifest: string;
  try {
    manifest = machine.resolve(`${name}/package.json`);
  } catch {
    throw new StartError(
      `the package ${name} with the executable is not installed: install ${PACKAGE} with its optional dependencies, or ${name} itself`,
    );
  }
  return join(dirname(manifest), executableOf(target));
}

function thisMachine(): Machine {
  const { platform, arch, env } = process;
  return { os: platform, cpu: arch, libc: libcOf(), env, resolve: (file) => require.resolve(file) };
}

/** Returns the C library of this process. Node's report has the version of glibc, and no such member elsewhere. */
function libcOf(): "glibc" | "musl" {
  if (process.platform !== "linux") return "glibc";
  // Bun has no report. Node 22 can leave out the addresses of the machine, which may take a second to look up.
  const report = process.report as { excludeNetwork?: boolean; getReport(): object } | undefined;
  if (report === undefined) return "glibc";
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? "musl" : "glibc";
}
