/**
 * Builds the one file: `bun build.ts [outfile]`, by default `httpserver` beside this script.
 *
 * Bundle, minify, compile to bytecode (`--version` takes 18 instead of 45 ms with it), bake in version and commit, then
 * run what was built: a file that cannot serve a page is not a build, and does not replace the one before. Types are
 * checked by `bun run check`.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { version } from "./package.json";

const TOP = import.meta.dir;

/** Longest wait for each step of the smoke run, in milliseconds: generous, because a busy CI machine is slow. */
const SMOKE_STEP_MS = 20_000;

/** Windows has no SIGTERM, only an end without a drain. There the end of standard input ends the server. */
const HAS_SIGNALS = process.platform !== "win32";

if (import.meta.main) {
  const outfile = resolve(process.argv[2] ?? join(TOP, process.platform === "win32" ? "httpserver.exe" : "httpserver"));
  const started = performance.now();
  try {
    await build(outfile);
  } catch (error) {
    process.stderr.write(`build failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  const megabytes = Math.round(statSync(outfile).size / 1e6);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`built ${outfile} (${version}, ${commit()}, ${megabytes} MB) in ${seconds} s\n`);
}

/**
 * Compiles `src/main.ts`, tries the result, and moves it to `outfile`, which may be running or missing meanwhile.
 * Throws with the bundler's messages, or with what the trial run found.
 */
export async function build(outfile: string): Promise<void> {
  const candidate = join(dirname(outfile), `.${process.pid}-${basename(outfile)}`);
  try {
    await compile(candidate);
    await smoke([candidate]);
    renameSync(candidate, outfile);
  } finally {
    rmSync(candidate, { force: true });
  }
}

/** Runtime of another machine, to compile for it. */
export interface Runtime {
  /** The machine in Bun's words: `bun-linux-arm64-musl`. */
  readonly name: Bun.Build.CompileTarget;
  /** Path of the runtime's executable. */
  readonly file: string;
}

/** Compiles `src/main.ts` for the machine of `runtime`, by default for this one. Throws with the bundler's messages. */
export async function compile(outfile: string, runtime?: Runtime): Promise<void> {
  const result = await Bun.build({
    // A thread of --workers has an entry of its own.
    entrypoints: [join(TOP, "src", "main.ts"), join(TOP, "src", "worker.ts")],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    // What is imported late is a file of its own inside the one file: the start neither reads nor decodes it: 3.5 of 24 ms.
    splitting: true,
    sourcemap: "none",
    define: { BUILD_VERSION: JSON.stringify(version), BUILD_COMMIT: JSON.stringify(commit()) },
    compile: {
      outfile,
      ...(runtime && { target: runtime.name, executablePath: runtime.file }),
      // The working directory belongs to the operator: nothing in it may change what the server does.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    throw: false,
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
}

/**
 * Runs a program as an operator would: `--version`, then a start on a free port, one page, its end, exit 0. The working
 * directory holds an `.env` and a `bunfig.toml` that would stop it, if it read them. `words` are the program, and before it an
 * emulator if it needs one. Throws at the first difference.
 */
export async function smoke(words: readonly string[], env: Environment = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "httpserver-smoke-"));
  try {
    writeFileSync(join(folder, ".env"), "HTTPSERVER_PORT=1\nHTTPSERVER_THREADS=read-from-dotenv\n");
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
    writeFileSync(join(folder, "preload.ts"), "process.exit(70);\n");
    mkdirSync(join(folder, "root"));
    writeFileSync(join(folder, "root", "index.html"), "<!doctype html><title>smoke</title>");
    await smokeVersion(words, folder, env);
    await smokePage(words, folder, env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Environment = Readonly<Record<string, string>>;

async function smokeVersion(words: readonly string[], folder: string, env: Environment): Promise<void> {
  const child = launch([...words, "--version"], folder, env);
  const output = await within(new Response(child.stdout).text(), "--version");
  if ((await within(child.exited, "--version to exit")) !== 0) throw new Error("--version did not exit with 0");
  if (!output.includes(version)) throw new Error(`--version printed ${JSON.stringify(output)}, expected ${version}`);
}

async function smokePage(words: readonly string[], folder: string, env: Environment): Promise<void> {
  const settings = [
    "--port",
    "0",
    "--root",
    "root",
    "--uploads",
    "uploads",
    ...(HAS_SIGNALS ? [] : ["--exit-with-stdin"]),
  ];
  const child = launch([...words, ...settings], folder, env);
  try {
    const url = await within(listeningUrl(child.stdout), "the line that says it listens");
    const response = await within(fetch(url), "an answer");
    const page = await within(response.text(), "the page");
    if (response.status !== 200 || !page.includes("smoke"))
      throw new Error(`GET / answered ${response.status}: ${page}`);
    if (HAS_SIGNALS) child.kill("SIGTERM");
    else child.stdin.end();
    const code = await within(child.exited, "the exit");
    if (code !== 0) throw new Error(`exit code ${code} after the end, expected 0`);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Starts `words` in `folder`, without any setting of ours in the environment, and with the variables of `further`. */
function launch(
  words: readonly string[],
  folder: string,
  further: Environment,
): Bun.Subprocess<"pipe", "pipe", "inherit"> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HTTPSERVER_")));
  return Bun.spawn([...words], {
    cwd: folder,
    env: { ...env, ...further },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
}

/** Reads standard output up to the line that says where the server listens; the pipe stays open for what follows. */
async function listeningUrl(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const decoder = new TextDecoder();
  const reader = stdout.getReader();
  let seen = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the server ended before it listened; it printed ${JSON.stringify(seen)}`);
    seen += decoder.decode(value, { stream: true });
    const url = /^Listening on port \d+ \((http:[^)]+)\)/m.exec(seen)?.[1];
    if (url === undefined) continue;
    reader.releaseLock();
    return url;
  }
}

async function within<T>(step: Promise<T>, name: string): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${SMOKE_STEP_MS} ms for ${name}`)), SMOKE_STEP_MS);
  });
  try {
    return await Promise.race([step, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the short name of the commit that is built, or "unknown" outside a git clone. */
export function commit(): string {
  // Git would also answer for a repository around an unpacked archive.
  if (!existsSync(join(TOP, ".git")) || Bun.which("git") === null) return "unknown";
  const git = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: TOP, stderr: "ignore" });
  return git.success ? git.stdout.toString().trim() : "unknown";
}
