/**
 * Package managers and git against a folder of plain files: apt, pip, npm, git. Each keeps its settings, caches and
 * what it installs in a folder of the test.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BUILD_MS, type Program, run } from "../support/binary.ts";
import { isRoot, needs, unless } from "../support/needs.ts";
import { Workshop } from "../support/workshop.ts";

let shop: Workshop;
let server: Program;
/** A folder for one test: what it makes, and what its client keeps. */
let inbox: string;

beforeAll(async () => {
  shop = await Workshop.open();
  server = await shop.start("resources");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

beforeEach(() => {
  inbox = shop.inbox();
});

/** Writes a file and the folders above it; returns its path. */
function put(path: string, content: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Runs a command that must succeed, and returns its standard output. */
async function succeed(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await run(words, { cwd: inbox, env: { HOME: inbox, LC_ALL: "C.UTF-8", ...env } });
  expect({ words, code, stderr: code === 0 ? "" : stderr + stdout }).toEqual({ words, code: 0, stderr: "" });
  return stdout;
}

const root = unless(isRoot ? null : "dpkg installs as root only");

needs("apt-get", "dpkg-deb", "gzip", root).describe("apt-get", () => {
  const VERSION = "2.0+b1~rc1";

  /** Builds a package with one file; returns its paragraph of the file Packages. */
  async function addPackage(name: string): Promise<string> {
    const tree = join(inbox, name);
    const control = `Package: ${name}\nVersion: ${VERSION}\nArchitecture: all\nMaintainer: T <t@localhost>\nDescription: sample\n`;
    put(join(tree, "DEBIAN", "control"), control);
    put(join(tree, "opt", name), name);
    const file = `${name}_${VERSION}_all.deb`;
    const deb = join(shop.path("apt"), file);
    await succeed(["dpkg-deb", "--root-owner-group", "--build", tree, deb]);
    const sum = createHash("sha256").update(readFileSync(deb)).digest("hex");
    return `${control}Filename: ./${file}\nSize: ${statSync(deb).size}\nSHA256: ${sum}\n`;
  }

  /** A system of its own for apt and dpkg. Returns apt's settings file. */
  async function makeSystem(system: string): Promise<string> {
    for (const folder of ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d", "var/log/apt"])
      mkdirSync(join(system, folder), { recursive: true });
    for (const folder of ["lib/apt/lists/partial", "cache/apt/archives/partial", "lib/dpkg/updates", "lib/dpkg/info"])
      mkdirSync(join(system, "var", folder), { recursive: true });
    put(join(system, "var/lib/dpkg/status"), "");
    put(join(system, "etc/apt/sources.list"), `deb [trusted=yes] ${server.url}/apt ./\n`);
    const architecture = (await succeed(["dpkg", "--print-architecture"])).trim();
    return put(
      join(system, "apt.conf"),
      `Dir "${system}/";
APT { Sandbox::User "root"; Architecture "${architecture}"; Architectures { "${architecture}"; }; };
Acquire { Languages "none"; Retries "0"; };
DPkg::Options { "--root=${system}"; "--log=${system}/var/log/dpkg.log"; };
`,
    );
  }

  test("updates from a flat repository and installs three packages", async () => {
    mkdirSync(shop.path("apt"));
    const names = ["tiny-one", "tiny-two", "tiny-three"];
    const paragraphs: string[] = [];
    for (const name of names) paragraphs.push(await addPackage(name));
    await succeed(["gzip", "-k", shop.add("apt/Packages", paragraphs.join("\n"))]);
    const system = join(inbox, "system");
    const env = { APT_CONFIG: await makeSystem(system), DEBIAN_FRONTEND: "noninteractive" };
    expect(await succeed(["apt-get", "update"], env)).toMatch(/^Get:\d+ http\S+ \.\/ Packages /m);
    expect(await succeed(["apt-get", "update"], env)).toMatch(/^Hit:\d+ http\S+ \.\/ Packages/m);
    await succeed(["apt-get", "install", "-y", ...names], env);
    for (const name of names) expect(readFileSync(join(system, "opt", name), "utf8")).toBe(name);
    expect(server.stderr).not.toContain("Security");
  });
});

needs("pip3", "python3").describe("pip", () => {
  const WHEEL = "tiny_sample-1.0+local.1-py3-none-any.whl";

  async function makeWheel(): Promise<string> {
    const info = join(inbox, "tiny_sample-1.0+local.1.dist-info");
    put(join(info, "METADATA"), "Metadata-Version: 2.1\nName: tiny-sample\nVersion: 1.0+local.1\n");
    put(join(info, "WHEEL"), "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    put(join(info, "RECORD"), "");
    const code = put(join(inbox, "tiny_sample.py"), "greeting = 'hello'\n");
    const wheel = join(inbox, WHEEL);
    await succeed(["python3", "-m", "zipfile", "-c", wheel, code, `${info}/`]);
    return wheel;
  }

  /** Installs the sample with `words`, and returns what its module says. */
  async function install(...words: readonly string[]): Promise<string> {
    const quiet = ["--isolated", "--disable-pip-version-check", "--no-cache-dir", "--retries", "0"];
    const target = join(inbox, "installed");
    await succeed(["pip3", ...quiet, "install", "--no-deps", "--target", target, ...words, "tiny-sample"], {
      PIP_CONFIG_FILE: "/dev/null",
    });
    return readFileSync(join(target, "tiny_sample.py"), "utf8");
  }

  test("finds a wheel in the listing of a folder", async () => {
    mkdirSync(shop.path("wheels"));
    cpSync(await makeWheel(), shop.path(`wheels/${WHEEL}`));
    expect(await install("--no-index", "--find-links", `${server.url}/wheels/`)).toContain("hello");
  });

  test("takes the listings of folders as a simple index", async () => {
    mkdirSync(shop.path("simple/tiny-sample"), { recursive: true });
    cpSync(await makeWheel(), shop.path(`simple/tiny-sample/${WHEEL}`));
    expect(await install("--index-url", `${server.url}/simple/`)).toContain("hello");
  });
});

needs("npm", "tar").describe("npm", () => {
  const MANIFEST = { name: "tiny-sample", version: "1.0.0" };
  const TARBALL = "tiny-sample-1.0.0.tgz";

  async function addTarball(folder: string): Promise<void> {
    put(join(inbox, "package", "package.json"), JSON.stringify(MANIFEST));
    put(join(inbox, "package", "index.js"), "module.exports = 'hello';\n");
    mkdirSync(shop.path(folder), { recursive: true });
    await succeed(["tar", "-czf", shop.path(`${folder}/${TARBALL}`), "-C", inbox, "package"]);
  }

  /** Installs what `word` names, and returns what its module says. */
  async function install(word: string): Promise<string> {
    put(join(inbox, "app", "package.json"), "{}");
    const own = ["cache", "userconfig", "globalconfig"].map((name) => `--${name}=${join(inbox, name)}`);
    const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=0"];
    await succeed(["npm", "install", "--prefix", "app", `--registry=${server.url}/registry/`, ...own, ...quiet, word]);
    return readFileSync(join(inbox, "app/node_modules/tiny-sample/index.js"), "utf8");
  }

  test("installs a tarball by its URL", async () => {
    await addTarball("tarballs");
    expect(await install(`${server.url}/tarballs/${TARBALL}`)).toContain("hello");
  });

  test("installs a package by its name from a folder laid out as a registry", async () => {
    await addTarball("registry/-");
    const release = { ...MANIFEST, dist: { tarball: `${server.url}/registry/-/${TARBALL}` } };
    const document = { name: "tiny-sample", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": release } };
    shop.add("registry/tiny-sample", JSON.stringify(document));
    expect(await install("tiny-sample")).toContain("hello");
  });
});

needs("git").describe("git over plain HTTP", () => {
  const git = (folder: string, ...words: readonly string[]): Promise<string> =>
    succeed(["env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "git", "-C", folder, ...words], {
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_TERMINAL_PROMPT: "0",
    });

  /** Adds a commit to the repository that is served. */
  async function commit(work: string, bare: string, name: string): Promise<void> {
    put(join(work, name), name);
    await git(work, "add", ".");
    await git(work, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", name);
    await git(work, "push", "-q", bare, "HEAD:refs/heads/main");
    await git(bare, "update-server-info");
  }

  test("clones loose objects and packs, and pulls what is new", async () => {
    const work = join(inbox, "work");
    const bare = shop.path("sample.git");
    await git(inbox, "init", "-q", "-b", "main", work);
    await git(inbox, "init", "-q", "--bare", "-b", "main", bare);
    await commit(work, bare, "first");
    await git(inbox, "clone", "-q", `${server.url}/sample.git`, "loose");
    await git(bare, "repack", "-adq");
    await commit(work, bare, "second");
    await git(inbox, "clone", "-q", `${server.url}/sample.git`, "packed");
    await git(join(inbox, "loose"), "pull", "-q");
    const expected = await git(work, "rev-parse", "HEAD");
    for (const clone of ["loose", "packed"]) {
      expect(await git(join(inbox, clone), "rev-parse", "HEAD")).toBe(expected);
      await git(join(inbox, clone), "fsck", "--strict");
      for (const name of ["first", "second"]) expect(readFileSync(join(inbox, clone, name), "utf8")).toBe(name);
    }
  });
});
