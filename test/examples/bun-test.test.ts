/** `bun test` in a project: the library in its process, and the built file around it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { installPackage } from "../support/package.ts";
import { Project, TOOL_TEST_MS } from "../support/project.ts";

let binary: Binary;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => binary[Symbol.dispose]());

test(
  "both examples pass in a server's run, and only the one in the process without it",
  async () => {
    using project = new Project(binary, "bun-test");
    installPackage(project.folder);
    const env = { PATH: project.withBun() };
    const beside = await project.run(["./httpserver", "run", "--quiet", "--strict", "--", "bun", "test"], {
      ...env,
      HTTPSERVER_ROOT: "fixtures",
    });
    expect(beside.stderr).toContain("\n 3 pass\n 0 fail\n");
    expect(beside.code).toBe(0);
    const alone = await project.run(["bun", "test"], env);
    expect(alone.stderr).toContain("\n 2 pass\n 1 fail\n");
    expect(alone.code).toBe(1);
  },
  TOOL_TEST_MS,
);

test(
  "the README's first example passes as it stands",
  async () => {
    using project = new Project(binary, "bun-test");
    for (const name of ["in-process.test.ts", "beside.test.ts"]) rmSync(project.path(name));
    installPackage(project.folder);
    const readme = readFileSync(join(import.meta.dir, "..", "..", "README.md"), "utf8");
    project.write("readme.test.ts", /## In your tests.*?```ts\n(.*?)```/s.exec(readme)?.[1] ?? "");
    const { code, stderr } = await project.run(["bun", "test"], { PATH: project.withBun() });
    expect(stderr).toContain("\n 1 pass\n 0 fail\n");
    expect(code).toBe(0);
  },
  TOOL_TEST_MS,
);
