/**
 * Makes a release: `bun run release [--key FILE] [--url URL] [--out FOLDER] [--allow-changes]`, into `dist/release/`.
 *
 * Strategy: one machine makes everything. Executables for other machines are compiled from the runtimes that `runtimes/bun.lock` names, with
 * their checksums. Times, owners and orders are fixed, so the same commit gives the same bytes: `bun run release:verify` makes a second
 * release and compares. CONTRIBUTING.md tells how a release is published, and docs/install.md how its files are used.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { commit, compile } from "../../build.ts";
import { version } from "../../package.json";
import { executableOf, TARGETS, type Target } from "../../src/client/targets.ts";
import { gzip } from "./formats/gzip.ts";
import { type PackedFile, tar } from "./formats/tar.ts";
import { zip } from "./formats/zip.ts";
import { readElf } from "./headers/elf.ts";
import { readMachO } from "./headers/macho.ts";
import { signAdHoc } from "./headers/sign-macho.ts";
import { pack } from "./npm/pack.ts";
import { BUN_VERSION, bundledPackages } from "./parts/bundled.ts";
import { checkHeaders } from "./parts/check-headers.ts";
import { deb, debName } from "./parts/deb.ts";
import { companions, documents } from "./parts/documents.ts";
import { renderFormula } from "./parts/formula.ts";
import { type Libc, libcFor } from "./parts/libc.ts";
import { renderNotes, type Tried } from "./parts/notes.ts";
import { ociArchive } from "./parts/oci.ts";
import { renderSbom } from "./parts/sbom.ts";
import { renderSums, SIGNATURE, SUMS, sha256, sign } from "./parts/sums.ts";
import { tryOut } from "./parts/trial.ts";
import { archiveOf, installRuntimes, nameOf, runtimeChecksums, runtimeOf } from "./release-targets.ts";

const TOP = join(import.meta.dir, "..", "..");

/** Folder of a release. */
export const RELEASE_FOLDER = join(TOP, "dist", "release");

/** An executable of the release. */
interface Made {
  readonly target: Target;
  /** Path of the file. */
  readonly file: string;
  readonly content: Uint8Array;
  readonly tried: Tried;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      key: { type: "string" },
      url: { type: "string", default: `https://github.com/OWNER/httpserver/releases/download/v${version}` },
      out: { type: "string", default: RELEASE_FOLDER },
      "allow-changes": { type: "boolean", default: false },
    },
  });
  const started = performance.now();
  try {
    if (!values["allow-changes"]) refuseChanges();
    await release(resolve(values.out), values.url, values.key ?? null);
  } catch (error) {
    process.stderr.write(`release failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  for (const name of readdirSync(values.out).toSorted()) process.stdout.write(`${join(values.out, name)}\n`);
  say(`made in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (values.key === undefined) say(`without ${SIGNATURE}: --key FILE signs`);
}

/** Writes all files of a release to `out`, which is replaced as a whole. `key` is the path of the signing key, or null. */
async function release(out: string, url: string, key: string | null): Promise<void> {
  const dateMs = commitDateMs();
  const stage = mkdtempSync(join(tmpdir(), "release-"));
  const folder = join(dirname(out), `.${process.pid}-${basename(out)}`);
  mkdirSync(folder, { recursive: true });
  try {
    await installRuntimes();
    const made: Made[] = [];
    const archives: Promise<void>[] = [];
    for (const target of TARGETS) {
      const one = await make(target, stage);
      made.push(one);
      archives.push(writeArchive(folder, one, dateMs));
    }
    const npm = pack(made, join(stage, "npm"));
    await Promise.all([...archives, writeDebs(folder, made, dateMs)]);
    const libcs = await writeImage(folder, made, dateMs);
    for (const archive of await npm) copyFileSync(archive, join(folder, basename(archive)));
    await writeTexts(folder, made, libcs, url, dateMs);
    writeFileSync(join(folder, SUMS), renderSums(folder));
    if (key !== null) await sign(folder, resolve(key));
    rmSync(out, { recursive: true, force: true });
    renameSync(folder, out);
  } finally {
    rmSync(stage, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compiles, checks and tries one executable. */
async function make(target: Target, stage: string): Promise<Made> {
  const folder = join(stage, nameOf(target));
  mkdirSync(folder);
  const file = join(folder, executableOf(target));
  await compile(file, runtimeOf(target));
  if (readMachO(new Uint8Array(readFileSync(file)))?.signature === "broken") {
    writeFileSync(file, signAdHoc(new Uint8Array(readFileSync(file))));
  }
  chmodSync(file, 0o755);
  const content = new Uint8Array(readFileSync(file));
  const header = checkHeaders(target, content);
  const trial = await tryOut(target, file);
  say(`${nameOf(target)}: ${"ran" in trial ? `ran on ${trial.ran}` : `not run, ${trial.notRun}`}`);
  return { target, file, content, tried: { target, header, trial } };
}

async function writeArchive(folder: string, { target, content }: Made, dateMs: number): Promise<void> {
  const name = archiveOf(target, version);
  const top = name.replace(/\.(?:tar\.gz|zip)$/, "");
  const executable: PackedFile = { path: executableOf(target), content, mode: 0o755 };
  const files = [executable, ...companions(dateMs)].map((file) => ({ ...file, path: `${top}/${file.path}` }));
  const archive = target.os === "win32" ? await zip(files, dateMs) : await gzip(tar(files, dateMs));
  writeFileSync(join(folder, name), archive);
}

/** Executables for Linux with glibc, of which packages and images are made. */
function forGlibc(made: readonly Made[]): readonly Made[] {
  return made.filter(({ target }) => target.libc === "glibc");
}

async function writeDebs(folder: string, made: readonly Made[], dateMs: number): Promise<void> {
  for (const { target, content } of forGlibc(made)) {
    writeFileSync(join(folder, debName(target, version)), await deb({ target, version, dateMs, executable: content }));
  }
}

/** Writes the image, and returns the origins of its C libraries. */
async function writeImage(folder: string, made: readonly Made[], dateMs: number): Promise<readonly string[]> {
  const parts = forGlibc(made).map(({ target, content }) => {
    const elf = readElf(content);
    if (elf === null) throw new Error("an executable for Linux is not an ELF file");
    const libc: Libc = libcFor(elf);
    return { cpu: target.cpu, executable: content, libc };
  });
  const licences = documents().filter(({ path }) => /LICENSE/.test(path));
  const archive = await ociArchive({ version, commit: commit(), dateMs, parts, licences });
  writeFileSync(join(folder, `httpserver-${version}-oci.tar`), archive);
  return parts.map(({ libc }) => libc.origin);
}

async function writeTexts(
  folder: string,
  made: readonly Made[],
  libcs: readonly string[],
  url: string,
  dateMs: number,
): Promise<void> {
  const sbom = renderSbom({
    version,
    commit: commit(),
    dateMs,
    bundled: bundledPackages(),
    bunVersion: BUN_VERSION,
    runtimes: await runtimeChecksums(),
  });
  const changelog = readFileSync(join(TOP, "CHANGELOG.md"), "utf8");
  const tried = made.map((one) => one.tried);
  const texts = {
    [`httpserver-${version}.cdx.json`]: sbom,
    "httpserver.rb": renderFormula(version, url, (name) => sha256(readFileSync(join(folder, name)))),
    "RELEASE-NOTES.md": renderNotes({ version, commit: commit(), dateMs, changelog, tried, libcs }),
  };
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
}

/** Returns the time of all files, in milliseconds since 1970: SOURCE_DATE_EPOCH, or the date of the commit. */
function commitDateMs(): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  const seconds = given ?? git(["log", "-1", "--format=%ct"]);
  if (!/^\d+$/.test(seconds)) throw new Error(`SOURCE_DATE_EPOCH: expected seconds since 1970, got ${seconds}`);
  return Number(seconds) * 1000;
}

/** Throws if the tree is not that of a commit: nobody else could make such a release. */
function refuseChanges(): void {
  const changes = git(["status", "--porcelain"]);
  if (changes !== "") throw new Error(`the tree has changes that are not committed (--allow-changes):\n${changes}`);
}

function git(words: readonly string[]): string {
  const child = Bun.spawnSync(["git", ...words], { cwd: TOP });
  if (!child.success) throw new Error(`git ${words[0]}: ${child.stderr.toString().trim()}`);
  return child.stdout.toString().trim();
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
