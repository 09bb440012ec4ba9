/**
 * The npm packages as other people's projects get them: packed, installed from the archives into empty folders by npm and by bun, then
 * used by Node, vitest, jest, Playwright and TypeScript. `bun run test:packages` runs this file, and `.ci/run` does so too.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { version } from "../../../package.json";
import { executableOf, PACKAGE, packageOf, TARGETS } from "../../../src/client/targets.ts";
import { type Binary, buildBinary, type Finished, Program, run } from "../../../test/support/binary.ts";
import { needs, pathOf } from "../../../test/support/needs.ts";
import { killAll, processesWith } from "../../../test/support/processes.ts";
import { statusOf } from "../../../test/support/raw-client.ts";
import { until } from "../../../test/support/waiting.ts";
import { ownTarget, pack } from "./pack.ts";

const TOP = join(import.meta.dir, "..", "..", "..");

/** Milliseconds for a tool, and for the making and the installation of packages, on a busy machine. */
const TOOL_MS = 120_000;

/** Servers at once from one process. */
const SERVERS = 50;

const target = ownTarget();

let binary: Binary;
let folder = "";
let archives: readonly string[] = [];
/** A project with both packages from npm, and the tools of `consumer/`. Each test has a folder of its own in it. */
let project = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "packages-"));
  binary = await buildBinary();
  archives = await pack([{ target, file: binary.path }], join(folder, "archives"));
  const tools = join(folder, "tools");
  mkdirSync(tools);
  for (const name of ["package.json", "bun.lock"]) cpSync(join(import.meta.dir, "consumer", name), join(tools, name));
  succeed(await inFolder(tools, [process.execPath, "install", "--frozen-lockfile"]));
  project = empty("npm");
  succeed(await inFolder(project, ["npm", "install", "--offline", "--no-audit", "--no-fund", ...archives]));
  for (const name of ["vitest", "jest", "@playwright", "@types"]) {
    symlinkSync(join(tools, "node_modules", name), join(project, "node_modules", name));
  }
}, 3 * TOOL_MS);

afterAll(() => {
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function empty(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

/** Makes a folder in the project with these files, and with the files of the examples. */
function part(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(project, name);
  mkdirSync(path);
  cpSync(join(TOP, "examples", "fixtures"), join(path, "fixtures"), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

function inFolder(
  cwd: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return run(words, { cwd, env: { CI: "", NO_COLOR: "1", ...env }, timeoutMs: TOOL_MS });
}

function node(cwd: string, ...words: readonly string[]): Promise<Finished> {
  return inFolder(cwd, ["node", ...words]);
}

/** Path of a tool's script. */
function tool(...names: readonly string[]): string {
  return join(folder, "tools", "node_modules", ...names);
}

function succeed({ code, stdout, stderr }: Finished): string {
  if (code !== 0) throw new Error(`exit ${code}: ${stdout}${stderr}`);
  return stdout + stderr;
}

function example(...names: readonly string[]): string {
  return readFileSync(join(TOP, "examples", ...names), "utf8");
}

/** Copies of one file of tests under several names, which a runner gives to several workers. */
function copies(name: (i: number) => string, text: string): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 4 }, (_, i) => [name(i), text]));
}

describe("the archives", () => {
  test("have the licence, the readme and the promises, and no script that runs at the installation", () => {
    for (const name of [PACKAGE, packageOf(target)]) {
      const installed = join(project, "node_modules", name);
      expect(readdirSync(installed)).toEqual(expect.arrayContaining(["LICENSE", "README.md", "SECURITY.md"]));
      const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
      expect([manifest.version, manifest.scripts, manifest.dependencies]).toEqual([version, undefined, undefined]);
    }
  });

  test("say for which machine an executable is", () => {
    const path = join(project, "node_modules", packageOf(target), "package.json");
    const { os, cpu, libc } = JSON.parse(readFileSync(path, "utf8"));
    expect([os, cpu, libc]).toEqual([[target.os], [target.cpu], target.libc && [target.libc]]);
    const library = JSON.parse(readFileSync(join(project, "node_modules", PACKAGE, "package.json"), "utf8"));
    expect(library.optionalDependencies).toEqual({ [packageOf(target)]: version });
  });
});

describe("the command", () => {
  test(
    "serves a folder: npx httpserver .",
    async () => {
      const cwd = part("command", { "index.html": "page" });
      await using program = await Program.start(["npx", "--offline", "httpserver", ".", "0"], { cwd });
      expect(await (await fetch(program.url)).text()).toBe("page");
    },
    TOOL_MS,
  );

  test(
    "has the exit code of the executable, and passes words and signals on",
    async () => {
      const launcher = ["node", join(project, "node_modules", ".bin", "httpserver")];
      expect((await inFolder(project, [...launcher, "--version"])).stdout).toStartWith(`httpserver ${version} `);
      expect((await inFolder(project, [...launcher, "--threads", "0"])).code).toBe(2);
      await using program = await Program.start([...launcher, ".", "0"], { cwd: project });
      program.signal("SIGTERM");
      expect(await program.ended()).toBe(0);
      expect(program.stdout).toEndWith("Server stopped\n");
    },
    TOOL_MS,
  );

  test(
    "ends the executable with itself, also when it is killed",
    async () => {
      const launcher = ["node", join(project, "node_modules", ".bin", "httpserver"), ".", "0"];
      await using program = await Program.start(launcher, { cwd: project });
      program.signal("SIGKILL");
      await program.ended(); // Both pipes are the executable's too.
      expect(program.stderr).toContain("the parent process has ended");
    },
    TOOL_MS,
  );
});

describe("Node", () => {
  test(
    "imports and requires one and the same library",
    async () => {
      const cwd = part("both", {
        "both.mjs": `import { createRequire } from "node:module";
        import { OptionsError, startServer } from ${JSON.stringify(PACKAGE)};
        const required = createRequire(import.meta.url)(${JSON.stringify(PACKAGE)});
        if (required.OptionsError !== OptionsError) throw new Error("two classes");
        for (const start of [startServer, required.startServer]) {
          const server = await start({ files: { "/a.txt": "hello" } });
          console.log(await (await fetch(server.url + "/a.txt")).text());
          await server.stop();
        }`,
      });
      expect(succeed(await node(cwd, "both.mjs"))).toBe("hello\nhello\n");
    },
    TOOL_MS,
  );

  test(
    "runs the example of docs/node.md as it stands",
    async () => {
      const text = readFileSync(join(TOP, "docs", "node.md"), "utf8");
      const cwd = part("node-test", { "a.test.mjs": /```js\n(.*?)```/s.exec(text)?.[1] ?? "" });
      expect(succeed(await node(cwd, "--test"))).toMatch(/^(?:#|ℹ) pass 1$/m);
    },
    TOOL_MS,
  );

  test(
    "runs the example of the package's readme as it stands",
    async () => {
      const text = readFileSync(join(import.meta.dir, "README.md"), "utf8");
      const cwd = part("readme", { "a.mjs": /```js\n(.*?)```/s.exec(text)?.[1] ?? "" });
      expect(succeed(await node(cwd, "a.mjs"))).toBe("503\n200\n2\n");
    },
    TOOL_MS,
  );

  test(
    "leaves no process and no folder when a script ends without stop, by an exception or an exit",
    async () => {
      const cwd = part("ends", {
        "a.mjs": `import { startServer } from ${JSON.stringify(PACKAGE)};
        await Promise.all([1, 2, 3].map(() => startServer({ files: { "/a": "" }, fixture: true })));
        if (process.argv[2] === "exit") process.exit(0);
        throw new Error("on purpose");`,
      });
      for (const way of ["exit", "throw"]) {
        const temporary = empty(`ends-${way}`);
        const { stderr } = await inFolder(cwd, ["node", "a.mjs", way], { TMPDIR: temporary });
        expect(stderr.includes("on purpose")).toBe(way === "throw");
        expect(readdirSync(temporary)).toEqual([]);
        await until(() => processesWith("TMPDIR", temporary).length === 0, "the servers to end");
      }
    },
    TOOL_MS,
  );

  test(
    `starts ${SERVERS} servers at once; killed at any moment, it leaves no process and no folder`,
    async () => {
      const cwd = part("many", {
        "a.mjs": `import { startServer } from ${JSON.stringify(PACKAGE)};
        const start = () => startServer({ files: { "/a": "a" }, fixture: true });
        const servers = await Promise.all(Array.from({ length: ${SERVERS} }, start));
        console.log(new Set(servers.map(({ port }) => port)).size);
        if (process.argv[2] === "stop") await Promise.all(servers.map((server) => server.stop()));
        else setInterval(() => {}, 1000);`,
      });
      const temporary = empty("many-temporary");
      const env = { TMPDIR: temporary };
      const running = () => processesWith("TMPDIR", temporary);
      expect(succeed(await inFolder(cwd, ["node", "a.mjs", "stop"], env))).toBe(`${SERVERS}\n`);
      expect([running(), readdirSync(temporary)]).toEqual([[], []]);
      for (const reached of [2, SERVERS / 2, SERVERS + 1]) {
        const child = Bun.spawn(["node", "a.mjs"], { cwd, env: { ...process.env, ...env }, stdout: "ignore" });
        await until(() => running().length >= reached, `${reached} processes`, TOOL_MS);
        child.kill("SIGKILL");
        try {
          await until(() => running().length === 0 && readdirSync(temporary).length === 0, "no trace", TOOL_MS);
        } finally {
          killAll(running());
        }
      }
    },
    4 * TOOL_MS,
  );

  test(
    "ends the servers of a worker thread that is terminated",
    async () => {
      const cwd = part("threads", {
        "a.mjs": `import { Worker } from "node:worker_threads";
          const worker = new Worker(new URL("worker.mjs", import.meta.url));
          worker.on("message", () => worker.terminate());`,
        "worker.mjs": `import { parentPort } from "node:worker_threads";
          import { startServer } from ${JSON.stringify(PACKAGE)};
          await startServer({ files: { "/a": "a" }, fixture: true });
          parentPort.postMessage("started");`,
      });
      const temporary = empty("threads-temporary");
      succeed(await inFolder(cwd, ["node", "a.mjs"], { TMPDIR: temporary }));
      await until(() => processesWith("TMPDIR", temporary).length === 0, "the server to end");
      expect(readdirSync(temporary)).toEqual([]);
    },
    TOOL_MS,
  );

  test(
    "names the package of the executable if it is not installed",
    async () => {
      const cwd = empty("alone");
      const modules = join(cwd, "node_modules", PACKAGE);
      mkdirSync(modules, { recursive: true });
      cpSync(join(project, "node_modules", PACKAGE), modules, { recursive: true });
      const { code, stderr } = await node(cwd, join(modules, "command.cjs"), "--version");
      expect(stderr).toStartWith(
        `httpserver: the package ${packageOf(target)} with the executable is not installed: install `,
      );
      expect(code).toBe(3);
      const env = { HTTPSERVER_BINARY: join(project, "node_modules", packageOf(target), executableOf(target)) };
      succeed(await inFolder(cwd, ["node", join(modules, "command.cjs"), "--version"], env));
    },
    TOOL_MS,
  );
});

describe("runners", () => {
  for (const pool of ["forks", "threads"]) {
    test(
      `vitest, in workers that are ${pool}`,
      async () => {
        const cwd = part(
          `vitest-${pool}`,
          copies((i) => `answer-${i}.test.ts`, example("vitest", "answer.test.ts")),
        );
        const output = succeed(
          await node(cwd, tool("vitest", "vitest.mjs"), "run", "--pool", pool, "--maxWorkers", "2"),
        );
        expect(output).toMatch(/Tests +4 passed/);
      },
      TOOL_MS,
    );
  }

  test(
    "jest",
    async () => {
      const cwd = part("jest", {
        ...copies((i) => `answer-${i}.test.js`, example("jest", "answer.test.js")),
        "package.json": "{}",
      });
      expect(succeed(await node(cwd, tool("jest", "bin", "jest.js"), "--maxWorkers", "2"))).toMatch(/Tests: +8 passed/);
    },
    TOOL_MS,
  );

  needs("chromium").test(
    "Playwright",
    async () => {
      const spec = `import { expect, test } from "@playwright/test";
      import { startServer } from ${JSON.stringify(PACKAGE)};
      test("the page shows the answer after a 503", async ({ page }) => {
        const server = await startServer({ root: "fixtures", fixture: true });
        await server.fault("GET / status=503 times=1");
        expect((await page.goto(server.url)).status()).toBe(503);
        await page.goto(server.url);
        await expect(page.getByText("The answer is 42")).toBeVisible();
        expect((await server.requests({ path: "/" })).map(({ status }) => status)).toEqual([503, 200]);
        await server.stop();
      });`;
      const config = `export default {
      workers: 2,
      fullyParallel: true,
      use: { launchOptions: { executablePath: process.env.CHROMIUM } },
    };`;
      const cwd = part("playwright", {
        ...copies((i) => `answer-${i}.spec.mjs`, spec),
        "playwright.config.mjs": config,
      });
      const words = ["node", join(project, "node_modules", "@playwright", "test", "cli.js"), "test"];
      expect(succeed(await inFolder(cwd, words, { CHROMIUM: pathOf("chromium") }))).toContain("4 passed");
    },
    TOOL_MS,
  );
});

describe("a registry", () => {
  /** Packages of all targets, whose executables print the name of their package. */
  async function packAll(): Promise<readonly string[]> {
    const scripts = empty("scripts");
    const built = TARGETS.map((one) => {
      const file = join(scripts, basename(packageOf(one)));
      writeFileSync(file, `#!/bin/sh\necho ${packageOf(one)}\n`);
      return { target: one, file };
    });
    return await pack(built, join(folder, "registry"));
  }

  /** Serves archives as a registry of npm does: a document for each package, with the manifest from its archive. */
  async function serveRegistry(packed: readonly string[]): Promise<Bun.Server<undefined>> {
    const manifests = await Promise.all(
      packed.map(async (path) => {
        const text = succeed(await inFolder(folder, ["tar", "-xzOf", path, "package/package.json"]));
        return { path, manifest: JSON.parse(text) as { name: string; version: string } };
      }),
    );
    return Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch({ url }) {
        const { origin, pathname } = new URL(url);
        const asked = decodeURIComponent(pathname).slice(1);
        const file = packed.find((path) => basename(path) === asked);
        if (file !== undefined) return new Response(Bun.file(file));
        const found = manifests.find(({ manifest }) => manifest.name === asked);
        if (found === undefined) return new Response("{}", { status: 404 });
        const { path, manifest } = found;
        const release = { ...manifest, dist: { tarball: `${origin}/${basename(path)}` } };
        return Response.json({
          name: manifest.name,
          "dist-tags": { latest: manifest.version },
          versions: { [manifest.version]: release },
        });
      },
    });
  }

  test(
    "brings the executable of this machine and no other, by npm and by bun",
    async () => {
      const registry = await serveRegistry(await packAll());
      try {
        for (const client of ["npm", "bun"]) {
          const cwd = empty(`registry-${client}`);
          writeFileSync(join(cwd, "package.json"), "{}");
          const words = client === "npm" ? ["npm", "install", "--no-audit", "--no-fund"] : [process.execPath, "add"];
          const env = { NPM_CONFIG_REGISTRY: registry.url.href, NPM_CONFIG_CACHE: join(cwd, "cache") };
          succeed(await inFolder(cwd, [...words, PACKAGE], { ...env, BUN_INSTALL_CACHE_DIR: join(cwd, "cache") }));
          const [scope = ""] = PACKAGE.split("/");
          const installed = readdirSync(join(cwd, "node_modules", scope)).map((name) => `${scope}/${name}`);
          expect(installed.sort()).toEqual([PACKAGE, packageOf(target)].sort());
          const command = join(cwd, "node_modules", ".bin", "httpserver");
          expect(succeed(await inFolder(cwd, ["node", command]))).toBe(`${packageOf(target)}\n`);
        }
      } finally {
        await registry.stop(true);
      }
    },
    TOOL_MS,
  );
});

describe("bun", () => {
  test(
    "installs both packages by bun add, and its tests have the server in their process",
    async () => {
      const cwd = empty("bun");
      writeFileSync(join(cwd, "package.json"), "{}");
      succeed(
        await inFolder(cwd, [process.execPath, "add", ...archives.map((path) => `./../archives/${basename(path)}`)]),
      );
      const text = `import { expect, test } from "bun:test";
      import { ManualClock, startServer } from ${JSON.stringify(PACKAGE)};
      import { startServer as sameServer } from ${JSON.stringify(`${PACKAGE}/bun`)};
      test("the same library", () => expect(sameServer).toBe(startServer));
      test("a server in the process, by a clock of its own", async () => {
        await using server = await startServer({ files: { "/a": "a" }, fixture: true, clock: new ManualClock() });
        expect(await (await fetch(server.url + "/a")).text()).toBe("a");
        expect(server.requests()).toHaveLength(1);
      });
      test("with TLS", async () => {
        await using server = await startServer({ files: { "/a": "a" }, tlsSelfSigned: true, compress: true });
        expect(await (await fetch(server.url + "/a", { tls: { ca: server.certificate.pem } })).text()).toBe("a");
      });`;
      writeFileSync(join(cwd, "a.test.js"), text);
      expect(succeed(await inFolder(cwd, [process.execPath, "test"]))).toContain("3 pass");
      const command = join(cwd, "node_modules", ".bin", "httpserver");
      await using program = await Program.start([command, ".", "0"], { cwd });
      expect(await statusOf(`${program.url}/package.json`)).toBe(200);
    },
    TOOL_MS,
  );
});

describe("types", () => {
  const STRICT = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, noEmit: true };
  const SUITE = `
    import { type FixtureServer, type RequestRecord, startServer } from ${JSON.stringify(PACKAGE)};
    export async function suite(): Promise<readonly RequestRecord[]> {
      await using server: FixtureServer = await startServer({ files: { "/a": new Uint8Array(1) }, fixture: true });
      const id: string = await server.fault("GET /a", { fault: "reset", after: 1 });
      // @ts-expect-error: there is no such fault.
      await server.fault("GET /a", { fault: "none" });
      await server.removeFault(id);
      const { verified }: { verified: boolean } = await server.verify({ match: { method: "GET" }, count: 1 });
      return verified ? await server.requests({ path: "/a" }) : [];
    }`;

  test.each<[name: string, options: object]>([
    ["nodenext", { module: "nodenext", lib: ["ES2022", "ESNext.Disposable"], target: "ES2022", types: [] }],
    ["nodenext with Node's types", { module: "nodenext", target: "ES2022", types: ["node"] }],
    ["bundler", { module: "preserve", lib: ["ESNext"], target: "ESNext", types: [] }],
  ])(
    "hold in a strict project: %s",
    async (name, options) => {
      const cwd = part(`types-${name.replaceAll(/\W/g, "-")}`, {
        "suite.mts": SUITE,
        "suite.cts": SUITE,
        "package.json": "{}",
        "tsconfig.json": JSON.stringify({ compilerOptions: { ...STRICT, ...options }, include: ["*.mts", "*.cts"] }),
      });
      expect(succeed(await node(cwd, tool("typescript", "bin", "tsc"), "-p", "."))).toBe("");
    },
    TOOL_MS,
  );

  test(
    "of the entry for Bun return results at once",
    async () => {
      const suite = `
      import { startServer } from ${JSON.stringify(`${PACKAGE}/bun`)};
      const server = await startServer({ files: {}, fixture: true });
      export const statuses: number[] = server.requests().map(({ status }) => status);`;
      const cwd = part("types-bun", {
        "suite.mts": suite,
        "tsconfig.json": JSON.stringify({
          compilerOptions: { ...STRICT, module: "nodenext", target: "ESNext", types: [] },
        }),
      });
      expect(succeed(await node(cwd, tool("typescript", "bin", "tsc"), "-p", "."))).toBe("");
    },
    TOOL_MS,
  );
});
