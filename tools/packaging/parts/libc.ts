/**
 * The C library for images: files of Debian's libc6, or of its package for the other processor. An image of the executable alone would not
 * start, because Bun's runtime is linked against glibc.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { PackedFile } from "../formats/tar.ts";
import type { Elf } from "../headers/elf.ts";

export interface Libc {
  /** Package and version, such as `libc6 2.36-9+deb12u14`. */
  readonly origin: string;
  /** Loader, libraries and licence, at their places in an image. */
  readonly files: readonly PackedFile[];
}

interface Place {
  /** Package of Debian. */
  readonly package: string;
  /** Folders of this machine with its files. */
  readonly folders: readonly string[];
  /** Folder of the libraries in an image. */
  readonly target: string;
}

/** Where the files are. A machine of the same processor has them installed; for the other one there is a package of cross compilers. */
function placeOf(cpu: "x64" | "arm64", ownCpu: string): Place {
  const triplet = cpu === "x64" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
  if (cpu === ownCpu) {
    return {
      package: "libc6",
      folders: [`/lib/${triplet}`, `/usr/lib/${triplet}`, "/lib64", "/lib"],
      target: `lib/${triplet}`,
    };
  }
  const name = cpu === "x64" ? "libc6-amd64-cross" : "libc6-arm64-cross";
  return { package: name, folders: [`/usr/${triplet}/lib`], target: `lib/${triplet}` };
}

/** Returns the files that an executable needs. Throws if one is missing, with the package that has it. */
export function libcFor({ cpu, interpreter, needed }: Elf): Libc {
  if (cpu === "other") throw new Error("there is no C library for this processor");
  const place = placeOf(cpu, process.arch);
  const find = (name: string): Uint8Array => {
    const folder = place.folders.find((one) => existsSync(join(one, name)));
    if (folder === undefined) throw new Error(`the image needs ${name}: apt-get install ${place.package}`);
    return new Uint8Array(readFileSync(join(folder, name)));
  };
  const loader = basename(interpreter);
  const copyright = `usr/share/doc/${place.package}/copyright`;
  return {
    origin: `${place.package} ${packageVersion(place.package)}`,
    files: [
      { path: interpreter.slice(1), content: find(loader), mode: 0o755 },
      ...needed
        .filter((name) => name !== loader)
        .map((name) => ({ path: `${place.target}/${name}`, content: find(name), mode: 0o755 })),
      { path: copyright, content: new Uint8Array(readFileSync(join("/", copyright))) },
    ],
  };
}

function packageVersion(name: string): string {
  const query = Bun.spawnSync(["dpkg-query", "--show", name]);
  if (!query.success) throw new Error(`${name} is not installed`);
  return query.stdout.toString().trim().split("\t")[1] ?? "";
}
