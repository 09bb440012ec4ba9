/** wait-on and start-server-and-test with the built file: the examples as they stand, and each kind of probe that they make. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { type Binary, BUILD_MS, buildBinary, Program } from "../support/binary.ts";
import { LOOPBACK, needs } from "../support/needs.ts";
import { Project, TOOL_TEST_MS, vacantPort } from "../support/project.ts";
import { RawClient, request, statusOf } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

let binary: Binary;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => binary[Symbol.dispose]());

needs("npx").describe("npx", () => {
  let project: Project;
  beforeEach(() => {
    project = new Project(binary, "wait-on").withTools();
  });
  afterEach(() => project[Symbol.dispose]());

  /** Answers a question for `localhost` with one address, as machines differ in it; Node 17 and later ask for ::1 first. */
  const RESOLVER = `const dns = require("node:dns");
    const { lookup } = dns;
    dns.lookup = (name, ...rest) => lookup(name === "localhost" ? process.env.LOCALHOST : name, ...rest);`;

  function waitOn(words: readonly string[], localhost = "127.0.0.1") {
    project.write("resolver.cjs", RESOLVER);
    const env = { LOCALHOST: localhost, NODE_OPTIONS: "--require ./resolver.cjs" };
    return project.run(["node", "node_modules/.bin/wait-on", "--interval", "50", "--timeout", "5000", ...words], env);
  }

  function start(words: readonly string[]): Promise<Program> {
    return Program.start(["./httpserver", "--port", "0", "--root", "fixtures", ...words], { cwd: project.folder });
  }

  test(
    "the script starts the server, waits, reads, and leaves nobody behind",
    async () => {
      // `run` waits until nobody has its stdout any more, and the server in the background has it too.
      const { code, stdout } = await project.run(["./test.sh"]);
      expect(code).toBe(0);
      expect(stdout).toStartWith(`Listening on port ${project.port} `);
      expect(stdout).toEndWith('{ "answer": 42 }\n');
    },
    TOOL_TEST_MS,
  );

  for (const localhost of LOOPBACK) {
    test(
      `HEAD, GET and a connection that says nothing find the server where localhost is ${localhost}`,
      async () => {
        await using program = await start(["--fixture"]);
        const { port } = program;
        const resources = [
          `http://localhost:${port}/__server/ready`,
          `http-get://localhost:${port}/__server/ready`,
          `http://localhost:${port}/`,
          `http-get://localhost:${port}/answer.json`,
          `tcp:localhost:${port}`,
          `tcp:${port}`,
        ];
        expect(await waitOn(resources, localhost)).toEqual({ code: 0, stdout: "", stderr: "" });
        const peer = localhost.includes(":") ? `[${localhost}]` : localhost;
        for (const line of ['"HEAD / HTTP/1.1"', '"GET /answer.json HTTP/1.1"']) {
          const isLogged = () =>
            program.stdout.split("\n").some((request) => request.includes(line) && request.includes(peer));
          await until(isLogged, `${line} from ${peer}`);
        }
        expect(program.stdout).not.toContain("ready HTTP");
        expect(program.stderr).toBe("");
      },
      TOOL_TEST_MS,
    );
  }

  test(
    "connections that say nothing are no line in the log, and hold no slot",
    async () => {
      await using program = await start(["--threads", "1", "--queue", "0"]);
      await program.says("Press Ctrl+C");
      const before = program.stdout;
      const { code } = await waitOn([`tcp:127.0.0.1:${program.port}`, `tcp:localhost:${program.port}`]);
      expect(code).toBe(0);
      const silent = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(program.port)));
      expect(program.stdout).toBe(before);
      expect(await statusOf(program.url)).toBe(200);
      for (const client of silent) expect(await client.finish().left()).toBe("fin");
      await program.says('"GET / HTTP/1.1"');
      expect(program.stdout.slice(before.length)).toMatch(/^[^\n]*"GET \/ HTTP\/1\.1"[^\n]*\n$/);
      expect(program.stderr).toBe("");
    },
    TOOL_TEST_MS,
  );

  test("a root without an index answers HEAD and GET alike, and not as if the server were broken", async () => {
    rmSync(project.path("fixtures", "index.html"));
    await using program = await start([]);
    using client = await RawClient.connect(program.port);
    for (const method of ["HEAD", "GET"]) {
      expect((await client.send(request(program.port, `${method} /`)).answer(method)).status).toBe(404);
    }
  });

  test(
    "without a server it gives up",
    async () => {
      const { code, stderr } = await waitOn(["--timeout", "600", `http://localhost:${vacantPort()}/__server/ready`]);
      expect(code).toBe(1);
      expect(stderr).toContain("Timed out waiting");
    },
    TOOL_TEST_MS,
  );
});

needs("npm").describe("npm", () => {
  // It finds the processes that it ends by ps.
  needs("ps").describe("ps", () => {
    let project: Project;
    beforeEach(() => {
      project = new Project(binary, "start-server-and-test").withTools();
    });
    afterEach(() => project[Symbol.dispose]());

    test(
      "start-server-and-test starts the server, runs the tests, and ends it by SIGINT, quickly and without an orphan",
      async () => {
        // `run` waits until nobody has its stdout any more, and the server has it too.
        // A drain that waited for its end would outlast the test.
        const env = { HTTPSERVER_PORT_FILE: "port", HTTPSERVER_SHUTDOWN_TIMEOUT: "1h" };
        const { code, stdout } = await project.run(["npm", "run", "test:e2e"], env);
        expect(stdout).toMatch(/^# pass 1$|^ℹ pass 1$/m);
        expect(code).toBe(0);
        expect(stdout).toMatch(new RegExp(`^Listening on port ${project.port} `, "m"));
        expect(existsSync(project.path("port"))).toBe(false);
      },
      TOOL_TEST_MS,
    );

    test(
      "start-server-and-test fails at once when the server cannot start",
      async () => {
        const words = ["./httpserver", "--port", String(project.port), "--root", "fixtures"];
        await using _other = await Program.start(words, { cwd: project.folder });
        const { code, stderr } = await project.run(["npm", "run", "test:e2e"]);
        expect(stderr).toMatch(new RegExp(`error: .*${project.port}.* in use`));
        expect(stderr).toContain("server closed unexpectedly");
        expect(code).toBe(1);
      },
      TOOL_TEST_MS,
    );
  });
});
