/** The package as somebody else's project gets it: packed, unpacked beside its dependencies, imported, type-checked, run. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackage, runToEnd } from "../support/package.ts";

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
  installPackage(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(CONSUMER_CONFIG));
  writeFileSync(join(project, "consumer.test.ts"), CONSUMER_TEST);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test("its server answers in a test of another project", () => {
  expect(runToEnd(["bun", "test"], project)).toContain("1 pass");
});

test("its types hold under the settings that bun init writes", () => {
  runToEnd([join(TOP, "node_modules", ".bin", "tsc"), "-p", project], project);
});

test("it brings the command", () => {
  const entry = join(project, "node_modules", "httpserver", "src", "main.ts");
  expect(runToEnd(["bun", entry, "--version"], project)).toStartWith("httpserver ");
});
