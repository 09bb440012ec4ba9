/**
 * Decides, for all tests, which of them cannot run on this machine. Such a test is skipped, and its name says what is missing.
 * In CI (CI=true) a missing command is a failure instead: `.ci/run` installs every command.
 */
import { describe, test } from "bun:test";
import { realpathSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** A property of the machine that some tests depend on. */
interface Need {
  /** The reason in the name of a skipped test; null when the machine has the property. */
  readonly lack: string | null;
  /** True for commands and packages: `.ci/run` brings them, so CI never skips for their sake. */
  readonly isInstallable: boolean;
}

/** Bun's `test` and `describe`, or replacements that skip or fail. */
interface Runner {
  test(title: string, body: () => void | Promise<void>, timeoutMs?: number): void;
  describe(title: string, body: () => void): void;
}

/** Returns what declares tests that run only if the machine has everything `wanted`: names of commands, and other needs. */
export function needs(...wanted: readonly (string | Need)[]): Runner {
  const missing = wanted.map((need) => (typeof need === "string" ? command(need) : need)).filter(isMissing);
  if (missing.length === 0) return { test, describe };
  const reason = missing.map(({ lack }) => lack).join(", ");
  if (IS_CI && missing.some(({ isInstallable }) => isInstallable)) return failing(reason);
  return {
    test: (title, body, timeoutMs) => test.skip(`${title} (skipped: ${reason})`, body, timeoutMs),
    describe: (title, body) => describe.skip(`${title} (skipped: ${reason})`, body),
  };
}

/** A need whose lack was found elsewhere, or null when the machine meets it. */
export function unless(lack: string | null): Need {
  return { lack, isInstallable: false };
}

/** A need that `.ci/run` meets, with its lack elsewhere; null when the machine meets it. */
export function installable(lack: string | null): Need {
  return { lack, isInstallable: true };
}

/** True when the command is on PATH. For preparations only: a test says what it needs. */
export function hasCommand(name: string): boolean {
  const path = Bun.which(name);
  // Where Node is missing, `bun run` puts itself on PATH by that name.
  return path !== null && (name === "bun" || realpathSync(path) !== realpathSync(process.execPath));
}

/** The command's file, for a program that does not look it up itself; its bare name when it is missing. */
export function pathOf(name: string): string {
  return Bun.which(name) ?? name;
}

/** Addresses of this machine's loopback, where a server listens by default; and the same as a URL names them. */
export const LOOPBACK: readonly string[] = canListen("::1") ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
export const LOOPBACK_HOSTS = LOOPBACK.map((address) => (address.includes(":") ? `[${address}]` : address));
export const ipv6 = unless(LOOPBACK.length === 2 ? null : "there is no IPv6 loopback");

/** An IPv4 address of this machine besides loopback: a peer that comes from there is not the machine itself. */
export const otherAddress = Object.values(networkInterfaces())
  .flatMap((entries) => entries ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
export const network = unless(otherAddress === undefined ? "there is no network but loopback" : null);

export const posix = unless(process.platform === "win32" ? "Windows has no signals, named pipes and shells" : null);
export const linux = unless(process.platform === "linux" ? null : `this is ${process.platform}, not Linux`);

export const isRoot = process.getuid?.() === 0;

/** Runs `work` as a user who does not own the files, because the superuser may read every file. */
export async function asNobody<Result>(work: () => Promise<Result>): Promise<Result> {
  if (!isRoot) return await work();
  process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

const IS_CI = !["", "0", "false"].includes((process.env["CI"] ?? "").toLowerCase());

function command(name: string): Need {
  return installable(hasCommand(name) ? null : `${name} is not installed`);
}

function isMissing(need: Need): boolean {
  return need.lack !== null;
}

function failing(reason: string): Runner {
  const fail = (): never => {
    throw new Error(`${reason}; with CI=true nothing is skipped for want of a command`);
  };
  return {
    test: (title) => test(title, fail),
    describe: (title) => describe(title, () => test("has the commands that it needs", fail)),
  };
}

function canListen(hostname: string): boolean {
  try {
    Bun.listen({ hostname, port: 0, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
