/** The mock model server: an app's tests against a completion that streams, stops and breaks, in a project with the package. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { installPackage } from "../support/package.ts";
import { Project, TOOL_TEST_MS } from "../support/project.ts";

let binary: Binary;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => binary[Symbol.dispose]());

test(
  "the app's tests pass",
  async () => {
    using project = new Project(binary, "model-server");
    installPackage(project.folder);
    const { code, stderr } = await project.run(["bun", "test"], { PATH: project.withBun() });
    expect(stderr).toContain("\n 6 pass\n 0 fail\n");
    expect(code).toBe(0);
  },
  TOOL_TEST_MS,
);
