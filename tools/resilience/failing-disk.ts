/** The test's end of inject.c: builds the shim, and tells the program that has it preloaded which of its calls shall fail. */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

/** Calls by what they do; each stands for all its variants, and `read` for `send` too. The order is that of inject.c. */
const CALLS = ["none", "open", "read", "write", "fsync", "link", "rename", "unlink", "stat", "send"] as const;

export interface Rule {
  readonly call: Exclude<(typeof CALLS)[number], "none">;
  /** The error's name, or `short`: read, send and write do half of what was asked for. */
  readonly error: keyof typeof constants.errno | "short";
  /** A part of the path; also of a descriptor's. */
  readonly part: string;
  /** Matching calls that succeed before; 0 by default. */
  readonly letThrough?: number;
  /** Matching calls that fail then; one by default. */
  readonly fail?: number;
}

/** Offsets and size, in bytes, of inject.c's `struct control`. */
const CODE = 4;
const LET_THROUGH = 8;
const FAIL = 12;
const PART = 16;
const FAILED = 1044;
const CONTROL_BYTES = 1048;

export class FailingDisk {
  /** What the program needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly #path: string;

  /** Null where the shim cannot be built: no C compiler, or neither Linux nor x86-64. Its files lie in `folder`. */
  static build(folder: string): FailingDisk | null {
    const compiler = Bun.which("cc") ?? Bun.which("gcc");
    if (compiler === null) return null;
    const shim = join(folder, "inject.so");
    const words = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", shim];
    const built = Bun.spawnSync([compiler, ...words, join(import.meta.dir, "inject.c")], { stderr: "pipe" });
    if (built.exitCode !== 0 && process.platform === "linux" && process.arch === "x64") {
      throw new Error(`inject.c does not compile: ${built.stderr.toString()}`);
    }
    return built.exitCode === 0 ? new FailingDisk(shim, join(folder, "inject.control")) : null;
  }

  private constructor(shim: string, path: string) {
    this.#path = path;
    this.env = { LD_PRELOAD: shim, INJECT_CONTROL: path };
    rmSync(path, { force: true });
    writeFileSync(path, Buffer.alloc(CONTROL_BYTES));
  }

  /** From now on, and instead of the rule before; null ends it. */
  obey(rule: Rule | null): void {
    const control = Buffer.alloc(CONTROL_BYTES);
    if (rule !== null) {
      control.writeInt32LE(CALLS.indexOf(rule.call), 0);
      control.writeInt32LE(rule.error === "short" ? 0 : constants.errno[rule.error], CODE);
      control.writeUInt32LE(rule.letThrough ?? 0, LET_THROUGH);
      control.writeUInt32LE(rule.fail ?? 1, FAIL);
      control.write(rule.part, PART, "utf8");
    }
    // Written over, not replaced: the program has the file mapped.
    const file = openSync(this.#path, "r+");
    writeSync(file, control, 0, CONTROL_BYTES, 0);
    closeSync(file);
  }

  /** How many calls the rule has made fail. */
  get failedCalls(): number {
    return readFileSync(this.#path).readUInt32LE(FAILED);
  }
}
