/**
 * The image without Docker: what its file and compose's say is started here, with this folder's paths in place of the image's. That
 * it is built, and runs on its base, is beyond these tests.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Binary, BUILD_MS, buildBinary, Program, run } from "../support/binary.ts";
import { Project, TOOL_TEST_MS, vacantPort } from "../support/project.ts";
import { getRaw, statusOf } from "../support/raw-client.ts";

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
}

interface Service {
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

let binary: Binary;
let project: Project;
let image: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => binary[Symbol.dispose]());

beforeEach(() => {
  project = new Project(binary, "docker", { keepsFolder: true });
  image = readDockerfile(project.read("docker/Dockerfile"));
});

afterEach(() => project[Symbol.dispose]());

/** Arguments by instruction, without comments and line continuations. */
function readDockerfile(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = text.replace(/^#.*\n/gm, "").replace(/\\\n\s*/g, "");
  const found = new Map<string, string[]>();
  for (const [, name = "", argument = ""] of lines.matchAll(/^([A-Z]+) (.*)$/gm)) {
    found.set(name, [...(found.get(name) ?? []), argument]);
  }
  return found;
}

/** An absolute path of the image is one of the project. */
function here(path: string): string {
  return path.startsWith("/") ? join(project.folder, path) : path;
}

/** The words of ENTRYPOINT, or of what comes behind CMD. */
function words(instruction: string): readonly string[] {
  const [text = ""] = image.get(instruction) ?? [];
  return (JSON.parse(text.slice(text.indexOf("["))) as string[]).map(here);
}

function environment(): Record<string, string> {
  const pairs = (image.get("ENV") ?? []).flatMap((line) => line.split(" "));
  return Object.fromEntries(pairs.map((pair) => pair.split("=")).map(([name, value = ""]) => [name, here(value)]));
}

function start(further: Readonly<Record<string, string>> = {}): Promise<Program> {
  return Program.start(words("ENTRYPOINT"), { cwd: project.folder, env: { ...environment(), ...further } });
}

function probe() {
  return run(words("HEALTHCHECK"), { cwd: project.folder, env: environment() });
}

test("each file that is copied is there, and only what is copied is named", () => {
  for (const line of image.get("COPY") ?? []) {
    const [from = "", to = ""] = line.split(" ");
    expect([from, existsSync(project.path(from))]).toEqual([from, true]);
    expect(here(to)).toBe(project.path(from));
  }
  expect(image.get("EXPOSE")).toEqual([String(project.port)]);
});

test(
  "is healthy when it serves, at any published port, and stops as docker stops it",
  async () => {
    await using container = await start();
    expect(container.port).toBe(project.port);
    expect(await probe()).toEqual({ code: 0, stdout: "", stderr: "" });
    for (const host of [`localhost:${vacantPort()}`, `127.0.0.1:${vacantPort()}`, "localhost"]) {
      expect(await statusOf(`http://127.0.0.1:${project.port}/`, `Host: ${host}\r\n`)).toBe(200);
    }
    container.signal("SIGTERM");
    expect(await container.ended()).toBe(0);
  },
  TOOL_TEST_MS,
);

test(
  "is unhealthy when it does not serve, and says so before Docker gives the probe up",
  async () => {
    const { code, stderr } = await probe();
    expect(code).toBe(1);
    expect(stderr).toContain("connection refused");
    const allowedMs = 1000 * Number(/--timeout=(\d+)s/.exec(image.get("HEALTHCHECK")?.[0] ?? "")?.[1]);
    expect(1000 * Number(/after ([\d.]+) s/.exec(stderr)?.[1])).toBeLessThan(allowedMs);
  },
  TOOL_TEST_MS,
);

test(
  "compose starts the tests when the server is healthy, and they find it by its name",
  async () => {
    const { services } = Bun.YAML.parse(project.read("docker/compose.yaml")) as Compose;
    const { fixture, tests } = services;
    const { context = "", dockerfile = "" } = fixture?.build ?? {};
    expect(existsSync(project.path("docker", context, dockerfile))).toBe(true);
    expect(tests?.depends_on).toEqual({ fixture: { condition: "service_healthy" } });
    await using _container = await start(fixture?.environment);
    expect(await probe()).toMatchObject({ code: 0 });
    const url = tests?.environment?.["HTTPSERVER_URL"] ?? "";
    expect(url).toBe(`http://fixture:${project.port}`);
    const host = `Host: ${new URL(url).host}\r\n`;
    expect((await getRaw(`http://127.0.0.1:${project.port}/answer.json`, host)).text).toBe('{ "answer": 42 }\n');
  },
  TOOL_TEST_MS,
);
