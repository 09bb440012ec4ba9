/** Parts of a release that are texts, its image and its signature. `tools/packaging/release.test.ts` compiles for other machines. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { dependencies, packageManager } from "../../package.json";
import { TARGETS } from "../../src/client/targets.ts";
import { textFile } from "../../tools/packaging/formats/tar.ts";
import { bundledPackages, thirdPartyNotices } from "../../tools/packaging/parts/bundled.ts";
import { companions } from "../../tools/packaging/parts/documents.ts";
import { renderFormula } from "../../tools/packaging/parts/formula.ts";
import { renderNotes } from "../../tools/packaging/parts/notes.ts";
import { type ImageOptions, ociArchive } from "../../tools/packaging/parts/oci.ts";
import { renderSbom } from "../../tools/packaging/parts/sbom.ts";
import {
  allowedSigner,
  renderSums,
  SIGNATURE,
  SUMS,
  sha256,
  sign,
  verifySignature,
  wrongFiles,
} from "../../tools/packaging/parts/sums.ts";
import { archiveOf, nameOf, runtimeChecksums, runtimePackage } from "../../tools/packaging/release-targets.ts";
import runtimes from "../../tools/packaging/runtimes/package.json";
import { run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";

const DATE_MS = Date.UTC(2026, 10, 26);
const BUN_VERSION = packageManager.replace("bun@", "");

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "release-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the machines", () => {
  test("have the names of archives that people look for", () => {
    expect(TARGETS.map((target) => archiveOf(target, "1.2.3")).sort()).toEqual([
      "httpserver-1.2.3-darwin-arm64.tar.gz",
      "httpserver-1.2.3-darwin-x64.tar.gz",
      "httpserver-1.2.3-linux-arm64-musl.tar.gz",
      "httpserver-1.2.3-linux-arm64.tar.gz",
      "httpserver-1.2.3-linux-x64-musl.tar.gz",
      "httpserver-1.2.3-linux-x64.tar.gz",
      "httpserver-1.2.3-windows-arm64.zip",
      "httpserver-1.2.3-windows-x64.zip",
    ]);
  });

  test("have runtimes of the one version of Bun, each locked with a checksum", async () => {
    const named = runtimes.optionalDependencies;
    expect(Object.keys(named).sort()).toEqual(TARGETS.map(runtimePackage).sort());
    expect(new Set(Object.values(named))).toEqual(new Set([BUN_VERSION]));
    const checksums = await runtimeChecksums();
    for (const checksum of checksums.values()) expect(checksum).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    const lock = readFileSync(join(import.meta.dir, "../../tools/packaging/runtimes/bun.lock"), "utf8");
    for (const name of Object.keys(named)) expect(lock).toContain(`"${name}@${BUN_VERSION}"`);
  });
});

describe("the files beside the program", () => {
  test("are documents, licences, the manual page and completions", () => {
    const paths = companions(DATE_MS).map(({ path }) => path);
    for (const path of ["LICENSE", "README.md", "docs/flags.md", "man/httpserver.1", "completions/_httpserver"]) {
      expect(paths).toContain(path);
    }
  });

  test("have the licence of each bundled package", () => {
    const bundled = bundledPackages();
    const notices = thirdPartyNotices(bundled);
    for (const { name, version, text } of bundled) {
      expect(notices).toContain(`${name} ${version} (`);
      expect(text.length).toBeGreaterThan(500);
    }
    expect(bundled.filter(({ isDirect }) => isDirect).map(({ name }) => name)).toEqual(
      Object.keys(dependencies).sort(),
    );
    expect(notices).toContain(`Bun ${BUN_VERSION}`);
  });
});

describe("the bill of materials", () => {
  async function sbom(): Promise<string> {
    const bundled = bundledPackages();
    const parts = { version: "1.2.3", commit: "abcdef0", dateMs: DATE_MS, bundled, bunVersion: BUN_VERSION };
    return renderSbom({ ...parts, runtimes: await runtimeChecksums() });
  }

  test("is valid CycloneDX 1.6", async () => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(await validator.validate(await sbom())).toBeNull();
    // The validator sees faults.
    expect(await validator.validate((await sbom()).replace('"library"', '"something"'))).not.toBeNull();
  });

  test("is the same, made again, and has the checksums of the lock files", async () => {
    const text = await sbom();
    expect(await sbom()).toBe(text);
    const { components } = JSON.parse(text) as { components: { name: string; hashes: { content: string }[] }[] };
    const citty = bundledPackages().find(({ name }) => name === "citty");
    const expected = Buffer.from(citty?.checksum.slice("sha512-".length) ?? "", "base64").toString("hex");
    expect(components.find(({ name }) => name === "citty")?.hashes[0]?.content).toBe(expected);
    expect(components.filter(({ name }) => name.startsWith("@oven/"))).toHaveLength(TARGETS.length);
  });
});

describe("the formula", () => {
  const url = "https://example.com/owner/httpserver/releases/download/v1.2.3";
  const formula = renderFormula("1.2.3", url, (name) => sha256(name));

  test("has an address and a checksum for macOS and Linux on both processors", () => {
    for (const system of ["darwin-x64", "darwin-arm64", "linux-x64", "linux-arm64"]) {
      const name = `httpserver-1.2.3-${system}.tar.gz`;
      expect(formula).toMatch(new RegExp(`url "${url}/${name}"\\n +sha256 "${sha256(name)}"`));
    }
    expect(formula).not.toContain("musl");
    expect(formula).toContain('homepage "https://example.com/owner/httpserver"');
  });

  needs("ruby").test("is Ruby", async () => {
    writeFileSync(join(folder, "httpserver.rb"), formula);
    expect(await run(["ruby", "-wc", "httpserver.rb"], { cwd: folder })).toMatchObject({
      code: 0,
      stdout: "Syntax OK\n",
    });
  });
});

describe("the image", () => {
  const part = (cpu: "x64" | "arm64") => ({
    cpu,
    executable: new TextEncoder().encode(`program for ${cpu}`),
    libc: { origin: "libc6 2.36", files: [textFile("lib64/ld.so", "loader", 0o755)] },
  });
  const options: ImageOptions = {
    version: "1.2.3",
    commit: "abcdef0",
    dateMs: DATE_MS,
    parts: [part("x64"), part("arm64")],
    licences: [textFile("LICENSE", "MIT")],
  };

  test("is the same, made again", async () => {
    expect(await ociArchive(options)).toEqual(await ociArchive(options));
  });

  needs("bsdtar").test("has each blob under its digest, and each descriptor names a blob", async () => {
    const place = join(folder, "layout");
    mkdirSync(place);
    writeFileSync(join(folder, "image.tar"), await ociArchive(options));
    await run(["bsdtar", "-xf", "../image.tar"], { cwd: place });
    const blobs = readdirSync(join(place, "blobs", "sha256"));
    for (const name of blobs) {
      const content = readFileSync(join(place, "blobs", "sha256", name));
      expect(createHash("sha256").update(content).digest("hex")).toBe(name);
    }
    const texts = [readFileSync(join(place, "index.json"), "utf8")];
    for (const name of blobs) {
      const content = readFileSync(join(place, "blobs", "sha256", name));
      if (content[0] === "{".charCodeAt(0)) texts.push(content.toString());
    }
    const named = texts.flatMap((text) =>
      Array.from(text.matchAll(/"digest":"sha256:([0-9a-f]+)"/g), ([, digest = ""]) => digest),
    );
    expect([...new Set(named)].sort()).toEqual(blobs.toSorted());
  });

  needs("skopeo").test("is read by skopeo: user, health check, entry point, both processors", async () => {
    writeFileSync(join(folder, "image.tar"), await ociArchive(options));
    for (const architecture of ["amd64", "arm64"]) {
      const words = ["skopeo", "--override-arch", architecture, "inspect", "--config", "oci-archive:image.tar"];
      const { code, stdout, stderr } = await run(words, { cwd: folder });
      expect([code, stderr]).toEqual([0, ""]);
      const image = JSON.parse(stdout) as { architecture: string; config: Record<string, unknown> };
      expect(image.architecture).toBe(architecture);
      expect(image.config).toMatchObject({
        User: "65532:65532",
        Entrypoint: ["/usr/bin/httpserver"],
        Cmd: ["/srv/www"],
      });
    }
  });
});

describe("sums and signature", () => {
  async function keyIn(place: string): Promise<string> {
    const file = join(place, "key");
    const made = await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], { cwd: place });
    expect(made.code).toBe(0);
    return file;
  }

  /** Returns the commands of docs/install.md that verify sums and signature. */
  function documentedCommands(): string {
    const page = readFileSync(join(import.meta.dir, "..", "..", "docs", "install.md"), "utf8");
    return /```sh\n(sha256sum [^`]*)```/.exec(page)?.[1] ?? "exit 1";
  }

  function place(name: string): string {
    const path = join(folder, name);
    mkdirSync(path);
    return path;
  }

  test("name each file that has changed, has gone, or is new", () => {
    const files = place("sums");
    for (const name of ["a", "b", "c"]) writeFileSync(join(files, name), name);
    writeFileSync(join(files, SUMS), renderSums(files));
    expect(wrongFiles(files)).toEqual([]);
    writeFileSync(join(files, "a"), "other");
    rmSync(join(files, "b"));
    writeFileSync(join(files, "d"), "");
    expect(wrongFiles(files).toSorted()).toEqual(["a", "b", "d"]);
  });

  needs("sha256sum").test("are read by sha256sum", async () => {
    const files = place("coreutils");
    writeFileSync(join(files, "a b"), "a");
    writeFileSync(join(files, SUMS), renderSums(files));
    expect(await run(["sha256sum", "--check", SUMS], { cwd: files })).toMatchObject({ code: 0, stdout: "a b: OK\n" });
  });

  needs("ssh-keygen", "sha256sum", "bash").test(
    "a signature by a throw-away key is good, and not for other sums or another key",
    async () => {
      const [files, keys, others] = [place("signed"), place("keys"), place("others")];
      const key = await keyIn(keys);
      writeFileSync(join(files, "a"), "a");
      writeFileSync(join(files, SUMS), renderSums(files));
      await sign(files, key);
      expect(readdirSync(files).sort()).toEqual([SUMS, SIGNATURE, "a"]);
      const signers = join(keys, "allowed_signers");
      writeFileSync(signers, await allowedSigner(key));
      await verifySignature(files, signers);
      writeFileSync(join(files, "allowed_signers"), await allowedSigner(key));
      const documented = await run(["bash", "-ec", documentedCommands()], { cwd: files });
      expect([documented.code, documented.stdout]).toEqual([
        0,
        expect.stringMatching(/^a: OK\nGood "httpserver-release"/),
      ]);
      const strangers = join(others, "allowed_signers");
      writeFileSync(strangers, await allowedSigner(await keyIn(others)));
      expect(verifySignature(files, strangers)).rejects.toThrow("ssh-keygen verify");
      writeFileSync(join(files, SUMS), renderSums(files).replace("a", "b"));
      expect(verifySignature(files, signers)).rejects.toThrow("ssh-keygen verify");
    },
  );
});

describe("the notes", () => {
  test("have the changes of the version, and say which executables were not run", () => {
    const [glibc, , , , darwin] = TARGETS;
    if (glibc === undefined || darwin === undefined) throw new Error("there is no target");
    const notes = renderNotes({
      version: "1.2.3",
      commit: "abcdef0",
      dateMs: DATE_MS,
      changelog:
        "# Changelog\n\n## Unreleased\n\n- later\n\n## [1.2.3] - 2026-11-26\n\n### Added\n\n- this\n\n## 1.2.2\n\n- old\n",
      tried: [
        { target: glibc, header: "ELF", trial: { ran: "linux on x64" } },
        { target: darwin, header: "Mach-O", trial: { notRun: "there is no macOS here" } },
      ],
      libcs: ["libc6 2.36"],
    });
    expect(notes).toContain("## Changes\n\n#### Added\n\n- this\n\n## Verify");
    expect(notes).toContain(`| ${nameOf(darwin)} | there is no macOS here |`);
    expect(notes).toContain(`| ${nameOf(glibc)} | linux on x64 |`);
  });
});
