/** The package as somebody else's project gets it: packed, unpacked beside its dependencies, imported, type-checked, run. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const TOP = join(import.meta.dir, "..", "..");

/** What `bun init` writes, but for the name of the types' package. */
const CONSUMER_CONFIG = {
  compilerOptions: {
    lib: ["ESNext"],
    target: "ESNext",
    module: "Preserve",
    moduleDetection: "force",
    types: ["bun-types"],
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
  },
};

const CONSUMER_TEST = `
import { expect, test } from "bun:test";
import { ManualClock, type RunningServer, startServer } from "httpserver";

test("the package serves", async () => {
  await using server: RunningServer = await startServer({
    files: { "/hello.txt": "Hello" },
    fixture: true,
    clock: new ManualClock(),
  });
  const response = await fetch(server.url + "/hello.txt");
  expect(await response.text()).toBe("Hello");
});
`;

let project = "";

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "consumer-"));
  const modules = join(project, "node_modules");
  mkdirSync(modules);
  run(["bun", "pm", "pack", "--quiet", "--destination", project], TOP);
  const archive = readdirSync(project).find((name) => name.endsWith(".tgz")) ?? "";
  run(["tar", "-xzf", archive], project);
  rmSync(join(project, archive));
  run(["mv", "package", join(modules, "httpserver")], project);
  const { dependencies } = JSON.parse(readFileSync(join(TOP, "package.json"), "utf8"));
  for (const name of [...Object.keys(dependencies), "bun-types"]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(TOP, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(CONSUMER_CONFIG));
  writeFileSync(join(project, "consumer.test.ts"), CONSUMER_TEST);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("its server answers in a test of another project", () => {
  expect(run(["bun", "test"], project)).toContain("1 pass");
});

test("its types hold under the settings that bun init writes", () => {
  run([join(TOP, "node_modules", ".bin", "tsc"), "-p", project], project);
});

test("it brings the command", () => {
  const entry = join(project, "node_modules", "httpserver", "src", "main.ts");
  expect(run(["bun", entry, "--version"], project)).toStartWith("httpserver ");
});

/** What it printed; throws with it when it failed. */
function run(words: readonly string[], cwd: string): string {
  const command = words[0] === "bun" ? [process.execPath, ...words.slice(1)] : [...words];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdout: "pipe", stderr: "pipe" });
  const printed = `${stdout}${stderr}`;
  if (exitCode !== 0) throw new Error(`${words.join(" ")} exited with ${exitCode}: ${printed}`);
  return printed;
}
