/** Playwright starts the built file as the examples say, finds it, drives a page of it in Chromium, and ends it. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Binary, BUILD_MS, buildBinary, Program } from "../support/binary.ts";
import { needs, pathOf } from "../support/needs.ts";
import { HEADLESS } from "../support/page.ts";
import { Project, TOOL_TEST_MS } from "../support/project.ts";
import { RawClient, request, statusOf } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

const PASSED = "1 passed";

needs("node").describe("node", () => {
  let binary: Binary;
  let project: Project;

  beforeAll(async () => {
    binary = await buildBinary();
  }, BUILD_MS);

  afterAll(() => binary[Symbol.dispose]());

  beforeEach(() => {
    project = new Project(binary, "playwright").withTools();
  });

  afterEach(() => project[Symbol.dispose]());

  /** `CI` is empty where it is not given, as outside of CI. */
  function playwright(words: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    return project.run(["node", "node_modules/@playwright/test/cli.js", "test", ...words], {
      CI: "",
      CHROMIUM: pathOf(HEADLESS),
      ...env,
    });
  }

  needs("chromium").describe("chromium", () => {
    test(
      "by URL on a fixed port, ended by SIGTERM within half a second although a connection is idle",
      async () => {
        // The shell outlives a SIGTERM to the group for as long as its child does, but no SIGKILL.
        project.wrapServer('#!/bin/sh\ntrap : TERM\n./real "$@"\necho $? > ended\n');
        const finished = playwright([], { CI: "1", HTTPSERVER_PORT_FILE: "port" });
        await until(() => existsSync(project.path("port")), "the server", TOOL_TEST_MS);
        using idle = await RawClient.connect(project.port);
        expect((await idle.send(request(project.port, "GET /")).answer()).status).toBe(200);
        const { code, stdout } = await finished;
        expect(stdout).toContain(PASSED);
        expect(code).toBe(0);
        expect(idle.ending).toBe("fin");
        expect(project.read("ended")).toBe("0\n");
      },
      TOOL_TEST_MS,
    );

    test(
      "by the ready line on a free port",
      async () => {
        const { code, stdout } = await playwright(["--config", "playwright.free-port.config.ts"], {
          HTTPSERVER_LOG_FILE: "log",
        });
        expect(stdout).toContain(PASSED);
        expect(code).toBe(0);
        expect(project.read("log")).toMatch(/"GET \/answer\.json HTTP\/1\.1" .* 200 /);
      },
      TOOL_TEST_MS,
    );

    test(
      "outside of CI uses a server that runs already, and leaves it alone",
      async () => {
        const words = ["./httpserver", "--port", String(project.port), "--root", "fixtures", "--fixture"];
        await using running = await Program.start(words, { cwd: project.folder });
        const { code, stdout } = await playwright();
        expect(stdout).toContain(PASSED);
        expect(code).toBe(0);
        await running.says('"GET /answer.json HTTP/1.1"');
        expect(await statusOf(running.url)).toBe(200);
      },
      TOOL_TEST_MS,
    );
  });

  test(
    "in CI refuses a server that runs already",
    async () => {
      const words = ["./httpserver", "--port", String(project.port), "--root", "fixtures", "--fixture"];
      await using _running = await Program.start(words, { cwd: project.folder });
      const { code, stdout, stderr } = await playwright([], { CI: "1" });
      expect(stdout + stderr).toContain(`http://127.0.0.1:${project.port}/__server/ready is already used`);
      expect(code).toBe(1);
    },
    TOOL_TEST_MS,
  );

  test(
    "shows why the server could not start: the port is another program's",
    async () => {
      const other = Bun.listen({
        hostname: "127.0.0.1",
        port: project.port,
        socket: { data() {}, open: (socket) => void socket.end() },
      });
      try {
        const { code, stdout, stderr } = await playwright([], { CI: "1" });
        expect(stdout + stderr).toMatch(new RegExp(`\\[WebServer\\] .*error: .*${project.port}.* in use`));
        expect(stdout + stderr).toContain("Exit code: 3");
        expect(code).toBe(1);
      } finally {
        other.stop(true);
      }
    },
    TOOL_TEST_MS,
  );
});
