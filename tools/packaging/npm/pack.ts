/**
 * Makes the npm packages: `bun run pack [EXECUTABLE]`, by default from `./httpserver`, into `dist/npm/`.
 *
 * One package has the library and the command. It names a package for each target as an optional dependency, and npm installs the one
 * whose `os`, `cpu` and `libc` are the machine's. No script runs at the installation. `docs/decisions/0017-node-client.md` has the reasons.
 */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { description, engines, license, version } from "../../../package.json";
import { executableOf, PACKAGE, packageOf, TARGETS, type Target } from "../../../src/client/targets.ts";
import { bundleTypes } from "./types.ts";

const TOP = join(import.meta.dir, "..", "..", "..");
const SOURCE = join(TOP, "src");

/** Documents of every package. */
const DOCUMENTS = ["LICENSE", "SECURITY.md"];

/** Level of compression. Level 9 takes twice the time, for one percent less. */
const GZIP_LEVEL = "6";

/** Oldest Node that the library supports. */
const NODE = ">=20";

/** An executable and the machine that it is for. */
interface Built {
  readonly target: Target;
  readonly file: string;
}

if (import.meta.main) {
  const file = resolve(process.argv[2] ?? join(TOP, "httpserver"));
  if (!existsSync(file)) {
    process.stderr.write(`pack: ${file} does not exist; make it with: bun run build\n`);
    process.exit(1);
  }
  const folder = join(TOP, "dist", "npm");
  rmSync(folder, { recursive: true, force: true });
  for (const archive of await pack([{ target: ownTarget(), file }], folder)) process.stdout.write(`${archive}\n`);
}

/** Returns the target of the machine that runs this. */
export function ownTarget(): Target {
  const own = TARGETS.find(({ os, cpu }) => os === process.platform && cpu === process.arch);
  if (own === undefined) throw new Error(`there is no target for ${process.platform} on ${process.arch}`);
  return own;
}

/** Writes the archives of the library and of each executable to `folder`. Returns their paths, the library's first. */
export async function pack(built: readonly Built[], folder: string): Promise<readonly string[]> {
  mkdirSync(folder, { recursive: true });
  const stage = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const library = join(stage, "library");
    await stageLibrary(
      library,
      built.map(({ target }) => target),
    );
    const archives = [await archive(library, folder)];
    for (const { target, file } of built) {
      const place = join(stage, packageOf(target).replaceAll(/\W/g, "-"));
      stageExecutable(place, target, file);
      archives.push(await archive(place, folder));
    }
    return archives;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

async function stageLibrary(folder: string, targets: readonly Target[]): Promise<void> {
  mkdirSync(folder);
  const names = await bundle(folder);
  const [bunTypes, nodeTypes] = [
    await bundleTypes(join(SOURCE, "index.ts")),
    await bundleTypes(join(SOURCE, "node.ts")),
  ];
  write(folder, "bun/index.d.mts", bunTypes);
  // TypeScript takes the kind of a module from the name of its declarations.
  for (const extension of ["mts", "cts"]) write(folder, `node.d.${extension}`, nodeTypes);
  // One implementation for both kinds of import: `instanceof OptionsError` holds whichever way a test came.
  write(folder, "node.mjs", `import library from "./node.cjs";\nexport const { ${names.join(", ")} } = library;\n`);
  for (const name of DOCUMENTS) copyFileSync(join(TOP, name), join(folder, name));
  copyFileSync(join(import.meta.dir, "README.md"), join(folder, "README.md"));
  write(folder, "package.json", JSON.stringify(libraryManifest(targets), null, 2));
}

/** Bundles the code, and returns the names of the values that the library exports. */
async function bundle(folder: string): Promise<string[]> {
  const define = { BUILD_VERSION: JSON.stringify(version), BUILD_COMMIT: JSON.stringify("npm") };
  await run({
    entrypoints: [join(SOURCE, "node.ts")],
    outdir: folder,
    naming: "node.cjs",
    target: "node",
    format: "cjs",
    define,
  });
  await run({
    entrypoints: [join(import.meta.dir, "launcher.ts")],
    outdir: folder,
    naming: "command.cjs",
    target: "node",
    format: "cjs",
    banner: "#!/usr/bin/env node",
    define,
  });
  await run({
    entrypoints: [join(SOURCE, "index.ts")],
    outdir: join(folder, "bun"),
    naming: { entry: "[name].mjs", chunk: "[name]-[hash].mjs" },
    target: "bun",
    format: "esm",
    splitting: true,
    define,
  });
  chmodSync(join(folder, "command.cjs"), 0o755);
  return Object.keys(require(join(folder, "node.cjs")) as object).sort();
}

async function run(options: Bun.BuildConfig): Promise<void> {
  const result = await Bun.build({ ...options, sourcemap: "none", throw: false });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
}

function libraryManifest(targets: readonly Target[]): object {
  return {
    ...common(PACKAGE, description),
    type: "commonjs",
    bin: { httpserver: "./command.cjs" },
    main: "./node.cjs",
    types: "./node.d.cts",
    exports: {
      ".": {
        bun: { types: "./bun/index.d.mts", default: "./bun/index.mjs" },
        import: { types: "./node.d.mts", default: "./node.mjs" },
        default: { types: "./node.d.cts", default: "./node.cjs" },
      },
      "./bun": { types: "./bun/index.d.mts", default: "./bun/index.mjs" },
      "./package.json": "./package.json",
    },
    engines: { node: NODE, ...engines },
    optionalDependencies: Object.fromEntries(targets.map((target) => [packageOf(target), version])),
  };
}

function stageExecutable(folder: string, target: Target, file: string): void {
  mkdirSync(folder);
  const name = executableOf(target);
  cpSync(file, join(folder, name));
  chmodSync(join(folder, name), 0o755);
  for (const document of DOCUMENTS) copyFileSync(join(TOP, document), join(folder, document));
  const { os, cpu, libc } = target;
  const manifest = {
    ...common(
      packageOf(target),
      `The executable of ${PACKAGE} for ${os} on ${cpu}${libc === undefined ? "" : ` with ${libc}`}.`,
    ),
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    // A package manager that keeps archives packed must unpack this one.
    preferUnplugged: true,
  };
  write(
    folder,
    "README.md",
    `# ${packageOf(target)}\n\n${manifest.description} Install ${PACKAGE}, not this package.\n`,
  );
  write(folder, "package.json", JSON.stringify(manifest, null, 2));
}

function common(name: string, text: string): { name: string; version: string; description: string; license: string } {
  return { name, version, description: text, license };
}

function write(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

/** Packs a folder as npm does, and returns the path of the archive. */
async function archive(from: string, folder: string): Promise<string> {
  const child = Bun.spawn(
    [process.execPath, "pm", "pack", "--quiet", "--gzip-level", GZIP_LEVEL, "--destination", folder],
    {
      cwd: from,
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [path, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`bun pm pack in ${from}: ${errors}`);
  return path.trim();
}
