/** The shop: its Playwright suite in Chromium against pages and stubs of one process, from `run` and from this process. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startServer } from "../../src/index.ts";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { needs, pathOf } from "../support/needs.ts";
import { HEADLESS } from "../support/page.ts";
import { Project, TOOL_TEST_MS } from "../support/project.ts";

const PLAYWRIGHT = ["node", "node_modules/@playwright/test/cli.js", "test"];

needs("node", "chromium").describe("the shop", () => {
  let binary: Binary;

  beforeAll(async () => {
    binary = await buildBinary();
  }, BUILD_MS);

  afterAll(() => binary[Symbol.dispose]());

  const env = { CHROMIUM: pathOf(HEADLESS), CI: "" };

  test(
    "passes under run --strict, which asks for every numbered stub",
    async () => {
      using project = new Project(binary, "shop").withTools();
      const server = ["./httpserver", "run", "--strict", "--fixture", "--stubs", "stubs", "dist", "--"];
      const { code, stdout, stderr } = await project.run([...server, ...PLAYWRIGHT], env);
      expect([stdout, stderr]).toEqual([expect.stringContaining("4 passed"), expect.not.stringContaining("--strict")]);
      expect(code).toBe(0);
    },
    TOOL_TEST_MS,
  );

  test(
    "fails under run --strict when a test that a stub is for is left out",
    async () => {
      using project = new Project(binary, "shop").withTools();
      const server = ["./httpserver", "run", "--strict", "--fixture", "--stubs", "stubs", "dist", "--"];
      const { code, stderr } = await project.run([...server, ...PLAYWRIGHT, "-g", "is placed"], env);
      expect(stderr).toContain("stubs/api/orders/POST.2.http");
      expect(code).toBe(4);
    },
    TOOL_TEST_MS,
  );

  test(
    "passes against a server of this process, whose journal has the same requests",
    async () => {
      using project = new Project(binary, "shop").withTools();
      const folders = { root: project.path("dist"), stubs: project.path("stubs") };
      await using server = await startServer({ ...folders, inline: true, uploads: "", fixture: true });
      const words = [...PLAYWRIGHT, "-g", "is placed"];
      const { code, stdout } = await project.run(words, { ...env, HTTPSERVER_URL: server.url });
      expect(stdout).toContain("1 passed");
      expect(code).toBe(0);
      const match = { method: "POST", path: "/api/orders", json: { product: 1, quantity: 1 } };
      expect(server.verify({ match, count: 1 }).verified).toBe(true);
      expect(server.requests({ path: "/api/orders/7" }).map(({ method, stub }) => [method, stub])).toEqual([
        ["PUT", "api/orders/[id]/PUT.http"],
        ["DELETE", "api/orders/[id]/DELETE.http"],
      ]);
    },
    TOOL_TEST_MS,
  );
});
