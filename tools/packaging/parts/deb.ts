/**
 * Packages of Debian (deb(5)): the program with its manual page, completions, documents, and a service that runs as a user of its own.
 *
 * The service is installed and not started: a server that nobody has asked for would show a folder to the network.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "../../../src/client/targets.ts";
import { ar } from "../formats/ar.ts";
import { gzip } from "../formats/gzip.ts";
import { type PackedFile, sortedEntries, tar, textFile } from "../formats/tar.ts";
import { renderMan } from "../man.ts";
import { completionScript, documents } from "./documents.ts";

const SOURCES = join(import.meta.dir, "..", "deb");

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" } as const;

/** Scripts that dpkg runs, in the folder `deb/`. */
const SCRIPTS = ["postinst", "prerm", "postrm"];

/** Configuration that an operator may change, and an upgrade keeps. */
const CONFIGURATION = "etc/default/httpserver";

const MAINTAINER = "httpserver contributors <httpserver@users.noreply.github.com>";

interface DebOptions {
  readonly target: Target;
  readonly version: string;
  readonly dateMs: number;
  readonly executable: Uint8Array;
}

/** Returns the name of a package's file. */
export function debName(target: Target, version: string): string {
  return `httpserver_${debVersion(version)}_${ARCHITECTURES[target.cpu]}.deb`;
}

/** Returns a version in Debian's order, where "~" comes before the end: 1.0.0-rc.1 is older than 1.0.0. */
export function debVersion(version: string): string {
  return version.replace("-", "~");
}

/** Returns the package. */
export async function deb(options: DebOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { dateMs } = options;
  const data = await dataFiles(options);
  const control = tar(rooted(controlFiles(options, data)), dateMs);
  return ar(
    [
      ["debian-binary", new TextEncoder().encode("2.0\n")],
      ["control.tar.gz", await gzip(control)],
      ["data.tar.gz", await gzip(tar(rooted(data), dateMs))],
    ],
    dateMs,
  );
}

/** dpkg's own archives name each path from "./". */
function rooted(files: readonly PackedFile[]): readonly PackedFile[] {
  return files.map((file) => ({ ...file, path: `./${file.path}` }));
}

async function dataFiles({ version, dateMs, executable }: DebOptions): Promise<readonly PackedFile[]> {
  const doc = "usr/share/doc/httpserver";
  const packed = async (path: string, text: string): Promise<PackedFile> => ({
    path,
    content: await gzip(new TextEncoder().encode(text), 9),
  });
  return [
    { path: "usr/bin/httpserver", content: executable, mode: 0o755 },
    source("httpserver.default", CONFIGURATION),
    source("httpserver.service", "usr/lib/systemd/system/httpserver.service"),
    source("lintian-overrides", "usr/share/lintian/overrides/httpserver"),
    await packed("usr/share/man/man1/httpserver.1.gz", renderMan(dateMs)),
    textFile("usr/share/bash-completion/completions/httpserver", completionScript("bash")),
    textFile("usr/share/zsh/vendor-completions/_httpserver", completionScript("zsh")),
    textFile("usr/share/fish/vendor_completions.d/httpserver.fish", completionScript("fish")),
    textFile(`${doc}/copyright`, copyright()),
    await packed(`${doc}/changelog.gz`, changelog(version, dateMs)),
    ...documents()
      .filter(({ path }) => path !== "LICENSE" && path !== "CHANGELOG.md")
      .map((file) => ({ ...file, path: `${doc}/${file.path}` })),
    ...documents()
      .filter(({ path }) => path === "CHANGELOG.md")
      .map((file) => ({ ...file, path: `${doc}/NEWS.md` })),
  ];
}

function controlFiles({ target, version }: DebOptions, data: readonly PackedFile[]): readonly PackedFile[] {
  const kibibytes = sortedEntries(data).reduce(
    (sum, { content }) => sum + Math.max(1, Math.ceil(content.length / 1024)),
    0,
  );
  const control = [
    "Package: httpserver",
    `Version: ${debVersion(version)}`,
    `Architecture: ${ARCHITECTURES[target.cpu]}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kibibytes}`,
    "Depends: libc6 (>= 2.17), adduser",
    "Section: httpd",
    "Priority: optional",
    "Description: HTTP server for folders, uploads and tests",
    " One executable that serves a folder over HTTP, takes uploads, and is the",
    " fixture server of test suites: it fails on demand, answers for an API from",
    " files, and keeps a journal of requests.",
    " .",
    " The service httpserver.service serves /var/lib/httpserver/www once it is",
    " enabled; /etc/default/httpserver has its settings.",
  ];
  const md5 = data
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .filter(({ path }) => path !== CONFIGURATION)
    .map(({ path, content }) => `${createHash("md5").update(content).digest("hex")}  ${path}\n`);
  return [
    textFile("control", `${control.join("\n")}\n`),
    textFile("conffiles", `/${CONFIGURATION}\n`),
    textFile("md5sums", md5.join("")),
    ...SCRIPTS.map((name) => source(name, name, 0o755)),
  ];
}

function source(name: string, path: string, mode?: number): PackedFile {
  return { path, content: new Uint8Array(readFileSync(join(SOURCES, name))), ...(mode !== undefined && { mode }) };
}

/** Returns the licence in Debian's machine-readable form. */
function copyright(): string {
  const licence = readFileSync(join(import.meta.dir, "..", "..", "..", "LICENSE"), "utf8");
  const [, holder = "", terms = ""] = /^Copyright \(c\) (.*)\n\n([\s\S]*)$/m.exec(licence) ?? [];
  const indented = terms
    .trimEnd()
    .split("\n")
    .map((line) => (line === "" ? " ." : ` ${line}`))
    .join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: httpserver
Comment: THIRD-PARTY-LICENSES.txt beside this file has the licences of the works
 inside the executable.

Files: *
Copyright: ${holder}
License: MIT
${indented}
`;
}

/** Returns the changelog in Debian's form, which names the version and refers to ours. */
function changelog(version: string, dateMs: number): string {
  const date = new Date(dateMs).toUTCString().replace("GMT", "+0000");
  return `httpserver (${debVersion(version)}) stable; urgency=medium

  * NEWS.md has the changes.

 -- ${MAINTAINER}  ${date}
`;
}
