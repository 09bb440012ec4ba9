/** What the numbers depend on: processor, kernel, versions of everything. Nothing that names the machine or a folder. */
import { existsSync, readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Machine } from "./results.ts";

const BENCH = join(import.meta.dir, "..");

/** The compiled product. */
export const PRODUCT = join(BENCH, "..", "..", process.platform === "win32" ? "httpserver.exe" : "httpserver");

/** Where the npm peers are, installed by hand. */
export const NPM_PEERS = join(BENCH, "node_modules");

export function readMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 1024 ** 2),
    kernel: release().replace(/-.*$/, ""), // what follows is a distribution's or a host's own
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** A program or package that a benchmark needs, and how to get it. */
interface Need {
  readonly name: string;
  readonly remedy: string;
  /** Without it nothing can be measured; otherwise its rows are left out. */
  readonly required: boolean;
  /** The version's text, or null when it is not there. */
  readonly version: () => string | null;
}

const NEEDS: readonly Need[] = [
  command("taskset", "apt-get install util-linux", true, ["--version"], /(\d[\d.]+)/),
  command("wrk", "apt-get install wrk", true, ["-v"], /wrk (\S+)/),
  { name: "httpserver", remedy: "bun run build", required: true, version: productVersion },
  { name: "bun", remedy: "", required: true, version: () => Bun.version },
  command("nginx", "apt-get install nginx", false, ["-v"], /nginx\/(\S+)/),
  command("lighttpd", "apt-get install lighttpd", false, ["-v"], /lighttpd\/(\S+)/),
  command("cc", "apt-get install gcc libc6-dev", false, ["--version"], /(\d+\.\d+\.\d+)/),
  command("node", "https://nodejs.org or apt-get install nodejs", false, ["--version"], /v(\S+)/),
  command("python3", "apt-get install python3", false, ["--version"], /Python (\S+)/),
  command("openssl", "apt-get install openssl", false, ["version"], /OpenSSL (\S+)/),
  npmPackage("http-server"),
  npmPackage("serve"),
  npmPackage("sirv-cli"),
];

interface Tools {
  /** Name → version of what is there. */
  readonly versions: Readonly<Record<string, string>>;
  /** One line for each thing that is not there: what, and how to get it. */
  readonly missing: readonly string[];
  /** Nothing can be measured. */
  readonly unusable: boolean;
}

export function findTools(): Tools {
  const versions: Record<string, string> = {};
  const missing: string[] = [];
  let unusable = false;
  for (const need of NEEDS) {
    const version = need.version();
    if (version !== null) versions[need.name] = version;
    else {
      missing.push(`${need.name} is missing; get it with: ${need.remedy}`);
      unusable ||= need.required;
    }
  }
  return { versions, missing, unusable };
}

function command(name: string, remedy: string, required: boolean, words: readonly string[], pattern: RegExp): Need {
  const version = () => {
    if (Bun.which(name) === null) return null;
    const { stdout, stderr } = Bun.spawnSync([name, ...words]);
    return pattern.exec(`${stdout}${stderr}`)?.[1] ?? "unknown";
  };
  return { name, remedy, required, version };
}

function npmPackage(name: string): Need {
  const file = join(NPM_PEERS, name, "package.json");
  const version = () =>
    existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : null;
  return { name, remedy: "(cd tools/bench && bun install)", required: false, version };
}

function productVersion(): string | null {
  if (!existsSync(PRODUCT)) return null;
  return Bun.spawnSync([PRODUCT, "--version"]).stdout.toString().trim().replace("httpserver ", "") || "unknown";
}
