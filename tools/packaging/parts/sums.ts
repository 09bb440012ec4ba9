/**
 * Checksums of a release, and their signature. `ssh-keygen` makes and verifies it: OpenSSH is on every system, and an Ed25519 signature
 * needs neither a network nor a service. The key belongs to the releaser and is never in the repository.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const SUMS = "SHA256SUMS";
export const SIGNATURE = "SHA256SUMS.sig";

/** Purpose of the signature. ssh-keygen refuses one that was made for another. */
const NAMESPACE = "httpserver-release";

/** Name of the signer in the file of allowed keys. */
const SIGNER = "releases@httpserver";

/** Returns the SHA-256 of some bytes in hexadecimal digits. */
export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Returns the lines of SHA256SUMS for the files of a folder, in the order of their names, as `sha256sum` writes them. */
export function renderSums(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name !== SUMS && name !== SIGNATURE)
    .toSorted()
    .map((name) => `${sha256(readFileSync(join(folder, name)))}  ${name}\n`)
    .join("");
}

/** Returns the names of files that are missing, further, or other than SHA256SUMS says. */
export function wrongFiles(folder: string): readonly string[] {
  const said = readFileSync(join(folder, SUMS), "utf8");
  const is = renderSums(folder);
  const lines = [
    ...said.split("\n").filter((line) => !is.includes(line)),
    ...is.split("\n").filter((line) => !said.includes(line)),
  ];
  return [...new Set(lines.map((line) => line.slice(66)))];
}

/** Signs SHA256SUMS of a folder with the private key in a file, which may not need a passphrase unless an agent has it. */
export async function sign(folder: string, keyFile: string): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), "sign-"));
  try {
    copyFileSync(join(folder, SUMS), join(place, SUMS));
    await keygen(["-Y", "sign", "-q", "-f", keyFile, "-n", NAMESPACE, join(place, SUMS)]);
    writeFileSync(join(folder, SIGNATURE), readFileSync(join(place, `${SUMS}.sig`)));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Verifies the signature of SHA256SUMS against the keys of `allowedSigners`, a file as ssh-keygen(1) describes. Throws if it is wrong. */
export async function verifySignature(folder: string, allowedSigners: string): Promise<void> {
  const words = ["-Y", "verify", "-f", allowedSigners, "-I", SIGNER, "-n", NAMESPACE, "-s", join(folder, SIGNATURE)];
  await keygen(words, readFileSync(join(folder, SUMS)));
}

/** Returns the line of a file of allowed signers for the public half of a key. */
export async function allowedSigner(keyFile: string): Promise<string> {
  const [kind = "", key = ""] = (await keygen(["-y", "-f", keyFile])).split(" ");
  return `${SIGNER} namespaces="${NAMESPACE}" ${kind} ${key.trim()}\n`;
}

async function keygen(words: readonly string[], input: Uint8Array = new Uint8Array(0)): Promise<string> {
  const child = Bun.spawn(["ssh-keygen", ...words], {
    stdin: new Blob([new Uint8Array(input)]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`ssh-keygen ${words[1]}: ${(errors + output).trim()}`);
  return output;
}
