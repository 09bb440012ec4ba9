/** The packages of other people inside the program: those that package.json names, and what they need, with versions and licences. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dependencies, packageManager } from "../../../package.json";

const TOP = join(import.meta.dir, "..", "..", "..");

export interface Bundled {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** Checksum of the package by bun.lock: `sha512-` and base64. */
  readonly checksum: string;
  /** True for a package that package.json names. */
  readonly isDirect: boolean;
  /** Names of the packages that it needs, each as \`name@version\`. */
  readonly needs: readonly string[];
  /** Text of its licence. */
  readonly text: string;
}

/** An entry of bun.lock: name and version, registry, further parts, checksum. */
type LockEntry = readonly [
  id: string,
  registry: string,
  more: { dependencies?: Record<string, string> },
  checksum: string,
];

/** Version of Bun, which is inside each executable. */
export const BUN_VERSION: string = packageManager.replace(/^bun@/, "");

/** Returns the packages in the order of their names. Throws for one that is not installed in the locked version, or has no licence. */
export function bundledPackages(): readonly Bundled[] {
  const entries = readLock();
  const found = new Map<string, Bundled>();
  const visit = (key: string): string => {
    const entry = entries[key];
    if (entry === undefined) throw new Error(`${key} is not in bun.lock`);
    const [id, , more, checksum] = entry;
    const cut = id.lastIndexOf("@");
    const [name, version] = [id.slice(0, cut), id.slice(cut + 1)];
    if (found.has(id)) return id;
    const folder = join(TOP, "node_modules", ...key.split("/").flatMap((part, index) => separated(key, part, index)));
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      version: string;
      license: string;
    };
    if (manifest.version !== version) throw new Error(`${name} is installed as ${manifest.version}, not as ${version}`);
    const isDirect = key in dependencies;
    const bundled = { name, version, license: manifest.license, checksum, isDirect, text: licenceIn(folder) };
    found.set(id, { ...bundled, needs: [] });
    const needs = Object.keys(more.dependencies ?? {}).map((need) =>
      visit(`${key}/${need}` in entries ? `${key}/${need}` : need),
    );
    found.set(id, { ...bundled, needs: needs.toSorted() });
    return id;
  };
  for (const name of Object.keys(dependencies)) visit(name);
  return [...found.values()].sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
}

/** Returns a part of a key of bun.lock as parts of a path: a package in another one is in a folder of its own. */
function separated(key: string, part: string, index: number): readonly string[] {
  const parts = key.split("/");
  const isBelow = index > 0 && !(parts[index - 1] ?? "").startsWith("@");
  return isBelow ? ["node_modules", part] : [part];
}

/** bun.lock is JSON with commas at the end of lists. */
function readLock(): Readonly<Record<string, LockEntry>> {
  const text = readFileSync(join(TOP, "bun.lock"), "utf8").replaceAll(/,(\s*[}\]])/g, "$1");
  return (JSON.parse(text) as { packages: Record<string, LockEntry> }).packages;
}

function licenceIn(folder: string): string {
  const name = readdirSync(folder).find((file) => /^(?:licen[cs]e|copying)(?:\.(?:md|txt))?$/i.test(file));
  if (name === undefined || !existsSync(join(folder, name))) throw new Error(`${folder} has no licence`);
  return readFileSync(join(folder, name), "utf8").trim();
}

/** Returns the licences of everything in an executable, as one text. */
export function thirdPartyNotices(bundled: readonly Bundled[]): string {
  const rule = "=".repeat(78);
  const parts = bundled.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}`);
  const bun = `Bun ${BUN_VERSION} (MIT), the runtime inside the executable. It links JavaScriptCore and WebKit (LGPL-2.1) and other
libraries; https://bun.com/docs/project/licensing lists them and says how to link another version of WebKit.`;
  return `The executable of httpserver has the works of others in it. Their licences follow.\n\n${[bun, ...parts]
    .map((part) => `${rule}\n${part}\n`)
    .join("\n")}`;
}
