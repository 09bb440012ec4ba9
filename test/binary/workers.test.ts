/** The compiled file with several threads, as an operator has it: one ready line, one log, one port, one end. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { killLoop } from "../../tools/resilience/kill.ts";
import { restartLoop } from "../../tools/resilience/restart.ts";
import { needs, linux as onLinux } from "../support/needs.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";
import { Workspace } from "../support/workspace.ts";

const place = new Workspace("workers");
const linux = needs(onLinux);

/** Generous, because a busy machine takes its time. */
const SLICE_MS = 30_000;

/** Each of some connections sends some requests, one after the other. Returns the number of requests. */
async function load(port: number, connections = 16, requests = 25): Promise<number> {
  const visits = Array.from({ length: connections }, async (_, visitor) => {
    using client = await RawClient.connect(port);
    for (let i = 0; i < requests; i++) {
      const answer = await client.send(request(port, `GET /?${visitor}-${i}`)).answer();
      expect(answer.text).toBe("page");
    }
  });
  await Promise.all(visits);
  return connections * requests;
}

linux.describe("--workers", () => {
  test("says once that it is ready, logs whole lines, and drains", async () => {
    await using program = await place.start(["--port", "0", "--workers", "3", "--port-file", "port"]);
    expect(readFileSync(place.path("port"), "utf8")).toBe(`${program.port}\n`);
    const count = await load(program.port);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    expect(program.stdout.match(/^Listening on /gm)).toHaveLength(1);
    expect(program.stdout.match(/Uploads go to/g)).toHaveLength(1);
    expect(program.stdout).toContain("3 workers serve");
    const lines = program.stdout.split("\n").filter((line) => line.includes('"GET /?'));
    for (const line of lines) {
      expect(line).toMatch(
        /^\[[^\]]+\] \[Thread-\d+\] 127\.0\.0\.1:\d+ "GET \/\?\d+-\d+ HTTP\/1\.1" host=ok 200 4 html \d+\.\d\dms keep-alive$/,
      );
    }
    expect(new Set(lines.map((line) => /\?\d+-\d+/.exec(line)?.[0])).size).toBe(count);
    expect(program.stderr).toBe("");
    expect(existsSync(place.path("port"))).toBe(false);
  });

  test("reopens the one log file at SIGHUP", async () => {
    const log = place.path("access.log");
    const words = ["--port", "0", "--workers", "2", "--log-file", log, "--log-format", "json", "--quiet"];
    await using program = await place.start(words);
    const before = await load(program.port, 8, 5);
    const read = (path: string) => readFileSync(path, "utf8").split("\n").slice(0, -1);
    await until(() => read(log).length === before, "the lines of the first file");
    renameSync(log, `${log}.1`);
    program.signal("SIGHUP");
    await until(() => existsSync(log), "the second file");
    const after = await load(program.port, 8, 5);
    program.signal("SIGINT");
    expect(await program.ended()).toBe(0);
    expect(read(`${log}.1`)).toHaveLength(before);
    const entries = read(log).map((line) => JSON.parse(line) as { status: number });
    expect(entries.map(({ status }) => status)).toEqual(Array(after).fill(200));
    expect(program.stdout.trimEnd().split("\n")).toHaveLength(1);
  });

  test("speaks TLS with one certificate in all threads", async () => {
    const files = ["--tls-cert", "own.pem", "--tls-key", "own.key"];
    await using program = await place.start(["--port", "0", "--workers", "2", "--tls-self-signed", ...files]);
    const ca = readFileSync(place.path("own.pem"), "utf8");
    for (let i = 0; i < 16; i++) {
      using client = await RawClient.connect(program.port, { ca });
      expect((await client.send(request(program.port, "GET /")).answer()).text).toBe("page");
    }
  });

  test("exits with 3 for a port that is taken", async () => {
    await using program = await place.start(["--port", "0", "--workers", "2"]);
    const second = await place.run(["--port", String(program.port), "--workers", "2"]);
    expect(second.code).toBe(3);
    expect(second.stderr).toContain(`port ${program.port} on 127.0.0.1 is in use`);
    expect(second.stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("stays 1 where state is in one thread, and says so once", async () => {
    await using program = await place.start(["--port", "0", "--workers", "2", "--fixture"]);
    expect(await load(program.port, 2, 2)).toBe(4);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    expect(program.stderr).toMatch(
      /^\[[^\]]+\] warning: --workers stays 1: --fixture keeps its state in one thread\n$/,
    );
  });

  test("refuses a number that it does not take", async () => {
    const { code, stderr } = await place.run(["--workers", "65"]);
    expect([code, stderr]).toEqual([
      2,
      'httpserver: --workers: expected a whole number from 1 to 64, or auto, got "65"\n',
    ]);
  });

  test("serves while a command runs", async () => {
    const script = 'exec 3<>"/dev/tcp/127.0.0.1/$HTTPSERVER_PORT"; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3';
    const { code, stdout } = await place.run(["run", "--workers", "2", "--", "bash", "-c", script]);
    expect(code).toBe(0);
    expect(stdout).toEndWith("page");
  });
});

describe("with two threads", () => {
  linux.test(
    "SIGTERM under load leaves no accepted request without its answer, and the exit code is 0",
    async () => {
      const { violations, ...figures } = await restartLoop({ binary: place.program, count: 10, seed: 2, workers: 2 });
      expect(violations).toEqual([]);
      expect(figures.answered.accepted).toBeGreaterThan(10);
    },
    SLICE_MS,
  );

  linux.test(
    "kill -9 during uploads leaves what was promised, nothing partial, and no leftovers behind the next start",
    async () => {
      const { violations, ...figures } = await killLoop({ binary: place.program, count: 12, seed: 2, workers: 2 });
      expect(violations).toEqual([]);
      expect(figures.promised).toBeGreaterThan(0);
    },
    SLICE_MS,
  );
});
