/**
 * The workflow's jobs, step by step as GitHub's runner does them: `bash -e`, the lines of $GITHUB_ENV for the steps that follow,
 * background steps that end by SIGINT, `if: always()`. Steps that use an action are left out, and the container of `services:` is the
 * built file on this machine.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { type Binary, BUILD_MS, buildBinary, Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { Project, TOOL_TEST_MS } from "../support/project.ts";
import { isRefused } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

/** Milliseconds between SIGINT and SIGTERM when GitHub cancels a step. */
const CANCEL_MS = 7500;

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly id?: string;
  readonly background?: boolean;
  readonly cancel?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly "runs-on": string;
  readonly env?: Readonly<Record<string, string>>;
  readonly services?: Readonly<Record<string, { readonly image: string; readonly ports: readonly number[] }>>;
  readonly steps: readonly Step[];
}

const KEYS = new Set(["uses", "run", "id", "background", "cancel", "if", "env"]);

needs("bash").describe("bash", () => {
  let binary: Binary;
  let project: Project;
  let path = "";
  /** Steps that go on beside the others, by their names. */
  let background = new Map<string, Bun.Subprocess>();

  beforeAll(async () => {
    binary = await buildBinary();
  }, BUILD_MS);

  afterAll(() => binary[Symbol.dispose]());

  beforeEach(() => {
    project = new Project(binary, "github-actions.yml");
    project.write("beside.test.ts", readFileSync(`${import.meta.dir}/../../examples/bun-test/beside.test.ts`, "utf8"));
    path = project.withBun();
    background = new Map();
  });

  afterEach(async () => {
    for (const step of background.values()) {
      step.kill("SIGKILL");
      await step.exited;
    }
    project[Symbol.dispose]();
  });

  function jobs(): Readonly<Record<string, Job>> {
    return (Bun.YAML.parse(project.read("github-actions.yml")) as { jobs: Record<string, Job> }).jobs;
  }

  /** Does a job's steps and returns what they printed. A step that fails fails the test with it, when those that always run have run. */
  async function perform(name: string, expressions: Readonly<Record<string, string>> = {}): Promise<string> {
    const job = jobs()[name];
    if (job === undefined) throw new Error(`there is no job ${name}`);
    const given = { PATH: path, RUNNER_TEMP: project.folder, GITHUB_ENV: project.path("github-env") };
    let printed = "";
    let failure = "";
    for (const step of job.steps) {
      for (const key of Object.keys(step)) expect([key, KEYS.has(key)]).toEqual([key, true]);
      if (failure !== "" && step.if !== "always()") continue;
      const own = Object.entries(step.env ?? {}).map(([key, text]) => [key, expand(text, expressions)]);
      const env = { ...given, ...job.env, ...fileVariables(given.GITHUB_ENV), ...Object.fromEntries(own) };
      if (step.cancel !== undefined) {
        expect(await cancel(background.get(step.cancel))).toBe(0);
      } else if (step.background === true && step.run !== undefined && step.id !== undefined) {
        background.set(step.id, inBackground(step.run, env));
      } else if (step.run !== undefined) {
        const { code, stdout, stderr } = await project.run(["bash", "-e", "-c", step.run], env);
        printed += stdout + stderr;
        if (code !== 0) failure ||= `"${step.run}" exited with ${code}: ${stdout}${stderr}`;
      }
    }
    expect(failure).toBe("");
    return printed;
  }

  function inBackground(script: string, env: Readonly<Record<string, string>>): Bun.Subprocess {
    const words = ["bash", "-e", "-c", script];
    return Bun.spawn(words, {
      cwd: project.folder,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "ignore"],
    });
  }

  async function cancel(step: Bun.Subprocess | undefined): Promise<number> {
    if (step === undefined) throw new Error("there is no such background step");
    step.kill("SIGINT");
    const timer = setTimeout(() => step.kill("SIGKILL"), CANCEL_MS);
    const code = await step.exited;
    clearTimeout(timer);
    return code;
  }

  function fileVariables(file: string): Record<string, string> {
    if (!existsSync(file)) return {};
    return Object.fromEntries(Array.from(readFileSync(file, "utf8").matchAll(/^(\w+)=(.*)$/gm), ([, a, b]) => [a, b]));
  }

  function expand(text: string, expressions: Readonly<Record<string, string>>): string {
    return text.replace(/\$\{\{ (.*?) \}\}/g, (_whole, expression: string) => expressions[expression] ?? "");
  }

  test("has the jobs that are tried here, on a machine of GitHub's", () => {
    expect(Object.keys(jobs())).toEqual(["run", "background", "background-step", "services"]);
    for (const job of Object.values(jobs())) expect(job["runs-on"]).toBe("ubuntu-latest");
  });

  test(
    "run: the server lives as long as the tests",
    async () => {
      expect(await perform("run")).toContain(" 1 pass");
    },
    TOOL_TEST_MS,
  );

  test(
    "background: the next step finds the server that the first left behind, and the last shows its log",
    async () => {
      try {
        const printed = await perform("background");
        expect(printed).toContain(" 1 pass");
        expect(printed).toContain("Listening on port ");
        // Behind a burst of requests, a log file has the last line some milliseconds later.
        const isLogged = () => project.read("httpserver.log").includes('"GET /answer.json HTTP/1.1"');
        await until(isLogged, "the request in the log");
      } finally {
        // As the runner ends what a job leaves behind.
        const pid = Number(/ pid=(\d+)$/m.exec(project.read("httpserver.log"))?.[1]);
        process.kill(pid, "SIGKILL");
      }
    },
    TOOL_TEST_MS,
  );

  test(
    "background-step: the server is a step, and drains when it is cancelled",
    async () => {
      expect(await perform("background-step")).toContain(" 1 pass");
      expect(await isRefused(project.port)).toBe(true);
    },
    TOOL_TEST_MS,
  );

  test(
    "services: the tests ask the port that the container's is published at",
    async () => {
      expect(jobs()["services"]?.services?.["fixture"]).toEqual({
        image: "ghcr.io/OWNER/fixture:1",
        ports: [project.port],
      });
      await using container = await Program.start(["./httpserver", "--port", "0", "--root", "fixtures"], {
        cwd: project.folder,
      });
      const expression = `job.services.fixture.ports['${project.port}']`;
      expect(await perform("services", { [expression]: String(container.port) })).toContain(" 1 pass");
    },
    TOOL_TEST_MS,
  );
});
