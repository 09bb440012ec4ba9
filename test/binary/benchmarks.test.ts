/**
 * The compiled file against the programs that measure servers: ab, wrk, h2load, our own sink; and nghttp, which asks for HTTP/2
 * first. They are clients of their own making, under load, and count what went wrong. And the floor, the C program that servers
 * are compared with: it must send what it announces, or the comparison is with nothing.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, curl, curlStatus, type Finished, type Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { until } from "../support/waiting.ts";
import { noise, sha256, sha256OfFile, Workshop } from "../support/workshop.ts";

let shop: Workshop;
let server: Program;

beforeAll(async () => {
  shop = await Workshop.open();
  server = await shop.start("--quiet");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

/** Runs a program that must say that all went well. */
async function measure(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr }: Finished = await run(words, { cwd: shop.folder });
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** The number behind `label:` in a report. NaN when it is not there. */
function counted(report: string, label: string): number {
  return Number(new RegExp(`^${label}:\\s+(\\d+)`, "m").exec(report)?.[1]);
}

needs("ab").describe("ab", () => {
  test("speaks HTTP/1.0, one connection for each request", async () => {
    const report = await measure("ab", "-q", "-n", "300", "-c", "10", `${server.url}/style.css`);
    expect(counted(report, "Complete requests")).toBe(300);
    expect(counted(report, "Failed requests")).toBe(0);
    expect(report).not.toContain("Non-2xx");
    expect(report).not.toContain("Keep-Alive requests");
  });

  test("keeps its HTTP/1.0 connections when it asks, up to the hundredth request", async () => {
    const report = await measure("ab", "-q", "-k", "-n", "2000", "-c", "8", `${server.url}/style.css`);
    expect(counted(report, "Complete requests")).toBe(2000);
    expect(counted(report, "Failed requests")).toBe(0);
    expect(report).not.toContain("Non-2xx");
    const kept = counted(report, "Keep-Alive requests");
    expect(kept).toBeGreaterThan(1900);
    expect(kept).toBeLessThan(2000);
  });

  test("uploads, many at the same time, each into its own file", async () => {
    writeFileSync(join(shop.folder, "sample.json"), '{"name": "Ada"}');
    const words = ["-p", "sample.json", "-T", "application/json", "-n", "100", "-c", "10", `${server.url}/upload`];
    const report = await measure("ab", "-q", "-k", "-l", ...words);
    expect(counted(report, "Complete requests")).toBe(100);
    expect(counted(report, "Failed requests")).toBe(0);
    expect(report).not.toContain("Non-2xx");
    expect(readdirSync(join(shop.folder, "uploads")).filter((name) => name.endsWith(".json"))).toHaveLength(100);
  });
});

needs("wrk").describe("wrk", () => {
  test("has no socket errors and no refusals in a second with more connections than slots", async () => {
    const report = await measure("wrk", "-t1", "-c32", "-d1s", `${server.url}/style.css`);
    expect(report).not.toContain("Socket errors");
    expect(report).not.toContain("Non-2xx");
    expect(Number(/(\d+) requests in/.exec(report)?.[1])).toBeGreaterThan(500);
  });
});

needs("h2load").describe("h2load", () => {
  const SUCCEEDED = "requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout";

  test("succeeds with every HTTP/1.1 request, and connects anew after each hundred", async () => {
    const report = await measure("h2load", "--h1", "-n", "2000", "-c", "4", `${server.url}/style.css`);
    expect(report).toContain("Application protocol: http/1.1");
    expect(report).toContain(SUCCEEDED);
  });

  test("succeeds with every pipelined request over connections without a limit", async () => {
    // With the limit the server answers the hundredth and closes, and h2load counts those that it sent behind it as lost.
    await using unlimited = await shop.start("--quiet", "--max-requests", "0");
    const words = ["-n", "2000", "-c", "4", "-m", "16", `${unlimited.url}/style.css`, `${unlimited.url}/photo.jpg`];
    const report = await measure("h2load", "--h1", ...words);
    expect(report).toContain(SUCCEEDED);
    expect(report).toContain("status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx");
  });
});

needs("cc").describe("cc", () => {
  const MIB = 1024 * 1024;
  /** For a load that takes all CPU there is: hundreds of requests are enough, thousands are made. */
  const LOAD_SECONDS = "0.4";

  test("sink counts every answer and its content, and each wrong status", async () => {
    const sink = await compile("sink");
    shop.add("large.bin", noise(MIB));
    await using unlimited = await shop.start("--quiet", "--max-requests", "0");
    const port = String(unlimited.port);
    const good = sinkNumbers(await measure(sink, port, "/large.bin", "4", LOAD_SECONDS));
    expect(good).toMatchObject({ connect: 0, read: 0, write: 0, status: 0 });
    expect(good["requests"]).toBeGreaterThan(10);
    // Answers under way at the end count for bytes, and heads are small.
    const answers = (good["bytes"] ?? 0) / MIB;
    expect(answers).toBeGreaterThan(good["requests"] ?? 0);
    expect(answers).toBeLessThan((good["requests"] ?? 0) * 1.01 + 4);
    const missing = sinkNumbers(await measure(sink, port, "/missing.bin", "4", LOAD_SECONDS));
    expect(missing["requests"]).toBeGreaterThan(100);
    expect(missing["status"]).toBe(missing["requests"]);
  });

  test("sink connects anew where the server ends a connection by its own rule", async () => {
    const sink = await compile("sink");
    const numbers = sinkNumbers(await measure(sink, String(server.port), "/style.css", "4", LOAD_SECONDS));
    expect(numbers).toMatchObject({ read: 0, write: 0, status: 0 });
    expect(numbers["requests"]).toBeGreaterThan(400);
  });

  test("floor sends the announced content to a reader slower than itself, from memory and from a file, sent or read", async () => {
    const floor = await compile("floor");
    const content = noise(20 * MIB);
    const file = shop.add("noise.bin", content);
    await using memory = await startFloor(floor, String(20 * MIB));
    await using sendfile = await startFloor(floor, "sendfile", file);
    const received = join(shop.inbox(), "received");
    await using read = await startFloor(floor, "read", file);
    const slowly = ["--limit-rate", "40m", "--output", received];
    expect((await curl(...slowly, `http://127.0.0.1:${memory.port}/`)).code).toBe(0);
    expect(readFileSync(received)).toEqual(Buffer.alloc(20 * MIB, "x"));
    for (const { port } of [sendfile, read]) {
      expect((await curl(...slowly, `http://127.0.0.1:${port}/`)).code).toBe(0);
      expect(sha256OfFile(received)).toBe(sha256(content));
    }
  });

  test("floor has an answer of its own for each target, the same each time", async () => {
    const floor = await compile("floor");
    await using blocks = await startFloor(floor, "blocks");
    const targets = Array.from({ length: 2000 }, (_, i) => `/folder/${i}.html`);
    for (let round = 0; round < 2; round++) {
      for (const target of targets) {
        const content = await (await fetch(`http://127.0.0.1:${blocks.port}${target}`)).text();
        expect(content).toBe(target.padEnd(1024, "x"));
      }
    }
  });

  test("floor answers each head of a pipeline, also one that comes in pieces", async () => {
    const floor = await compile("floor");
    await using running = await startFloor(floor);
    const received: Buffer[] = [];
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: running.port,
      socket: { data: (_, bytes) => void received.push(Buffer.from(bytes)) },
    });
    const statusLines = () => Buffer.concat(received).toString("latin1").split("HTTP/1.1 200 OK").length - 1;
    const head = "GET / HTTP/1.1\r\nHost: floor\r\n\r\n";
    socket.write(head.repeat(99) + head.slice(0, -3));
    await until(() => statusLines() === 99, "99 answers");
    socket.write(head.slice(-3));
    await until(() => statusLines() === 100, "the last answer");
    const whole = Buffer.concat(received);
    expect(whole.length % 100).toBe(0);
    expect(whole.subarray(-1024)).toEqual(Buffer.alloc(1024, "x"));
    socket.end();
  });

  const compiled = new Map<string, Promise<string>>();

  /** The path of a program of bench/macro, compiled without a warning, and once for all tests. */
  function compile(name: "floor" | "sink"): Promise<string> {
    return compiled.getOrInsertComputed(name, compileOnce);
  }

  async function compileOnce(name: string): Promise<string> {
    const program = join(shop.folder, name);
    const source = join(import.meta.dir, "..", "..", "tools", "bench", "macro", `${name}.c`);
    await measure("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", program, source);
    return program;
  }

  /** The numbers of a RESULT line, by their names. */
  function sinkNumbers(output: string): Readonly<Record<string, number>> {
    const pairs = output
      .replace(/^RESULT /, "")
      .trim()
      .split(" ");
    return Object.fromEntries(pairs.map((pair) => [pair.replace(/=.*/, ""), Number(pair.replace(/.*=/, ""))]));
  }

  async function startFloor(...words: readonly string[]): Promise<AsyncDisposable & { readonly port: number }> {
    const output = join(shop.inbox(), "output");
    writeFileSync(output, "");
    const child = Bun.spawn([...words], { stdin: "ignore", stdout: Bun.file(output), stderr: "inherit" });
    const port = () => Number(/^Listening on port (\d+)$/m.exec(readFileSync(output, "utf8"))?.[1]);
    await until(() => port() > 0, "the floor's port");
    return {
      port: port(),
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await child.exited;
      },
    };
  }
});

needs("nghttp").describe("nghttp", () => {
  test("asks to upgrade to h2c, and gets a plain answer that ignores it", async () => {
    const { stdout, stderr } = await run(["nghttp", "--upgrade", "--verbose", `${server.url}/about.html`], {
      cwd: shop.folder,
    });
    expect(stdout).toContain("upgrade: h2c");
    const answer = stdout.slice(stdout.indexOf("HTTP Upgrade response"));
    expect(answer).toContain("HTTP/1.1 200 OK");
    expect(answer).not.toMatch(/^upgrade:/im);
    expect(answer).toContain("</html>");
    expect(stderr).toContain("HTTP Upgrade failed");
    expect(await curlStatus(`${server.url}/about.html`)).toBe("200");
  });

  test("speaks HTTP/2 without asking, and gets its page", async () => {
    const { stdout, stderr } = await run(["nghttp", "--verbose", `${server.url}/about.html`], {
      cwd: shop.folder,
    });
    expect(stdout).toContain("send SETTINGS frame");
    expect(stdout).toContain("recv (stream_id=13) :status: 200");
    expect(stdout).toContain("</html>");
    expect(stderr).toBe("");
  });

  test("speaks HTTP/2 without asking, and is told that this is HTTP/1.1, with --no-http2", async () => {
    await using plain = await shop.start("--quiet", "--no-http2");
    const { stdout, stderr } = await run(["nghttp", "--verbose", `${plain.url}/about.html`], {
      cwd: shop.folder,
    });
    expect(stdout).toContain("send SETTINGS frame");
    expect(stdout).not.toContain("recv HEADERS frame");
    expect(stderr).toContain("Some requests were not processed. total=1, processed=0");
    expect(await curlStatus(`${plain.url}/about.html`)).toBe("200");
  });
});
