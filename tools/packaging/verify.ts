/**
 * Verifies a release: `bun run release:verify [--allowed-signers FILE] [--url URL] [--folder FOLDER]`.
 *
 * It compares the files with SHA256SUMS, verifies the signature if keys are given, and makes a second release of the same commit in a
 * clone at another place. Each file must be the same, bit for bit; a difference is named with its first byte.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SIGNATURE, verifySignature, wrongFiles } from "./parts/sums.ts";
import { RELEASE_FOLDER } from "./release.ts";

const TOP = join(import.meta.dir, "..", "..");

const { values } = parseArgs({
  options: {
    "allowed-signers": { type: "string" },
    url: { type: "string" },
    folder: { type: "string", default: RELEASE_FOLDER },
  },
});

const folder = resolve(values.folder);
const faults: string[] = wrongFiles(folder).map((name) => `${name} is not as SHA256SUMS says`);
if (faults.length === 0) say("SHA256SUMS: all files are as it says");
await verifyKey();
await compareWithSecond();
for (const fault of faults) say(fault);
process.exit(faults.length === 0 ? 0 : 1);

async function verifyKey(): Promise<void> {
  const signers = values["allowed-signers"];
  if (!existsSync(join(folder, SIGNATURE))) return say(`${SIGNATURE}: there is none`);
  if (signers === undefined) return say(`${SIGNATURE}: not verified without --allowed-signers FILE`);
  try {
    await verifySignature(folder, resolve(signers));
    say(`${SIGNATURE}: good`);
  } catch (error) {
    faults.push(`${SIGNATURE}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Makes a second release of this commit in a clone, and adds a fault for each file that differs. */
async function compareWithSecond(): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), "second-"));
  try {
    const [clone, second] = [join(place, "clone"), join(place, "release")];
    await run(["git", "clone", "--quiet", "--shared", TOP, clone], TOP);
    await run([process.execPath, "install", "--frozen-lockfile"], clone);
    const url = values.url === undefined ? [] : ["--url", values.url];
    await run([process.execPath, "tools/packaging/release.ts", "--out", second, ...url], clone);
    const names = new Set([...readdirSync(folder), ...readdirSync(second)]);
    names.delete(SIGNATURE);
    for (const name of [...names].sort()) {
      const difference = differenceOf(join(folder, name), join(second, name));
      if (difference !== null) faults.push(`${name}: ${difference}`);
    }
    if (faults.length === 0) say(`second release: ${names.size} files, all equal`);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Returns the first difference of two files, or null. */
function differenceOf(first: string, second: string): string | null {
  if (!existsSync(first) || !existsSync(second)) return "is in one of the two releases only";
  const [a, b] = [readFileSync(first), readFileSync(second)];
  if (a.equals(b)) return null;
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return `${a.length} and ${b.length} bytes, which differ from byte ${at < 0 ? Math.min(a.length, b.length) : at} on`;
}

async function run(words: readonly string[], cwd: string): Promise<void> {
  const child = Bun.spawn([...words], { cwd, stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")} failed`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
