/**
 * The compiled file against the programs that measure servers: ab, wrk, h2load; and nghttp, which asks for HTTP/2 first. They
 * are clients of their own making, under load, and count what went wrong.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, curlStatus, type Finished, type Program, run } from "../support/binary.ts";
import { Workshop, withProgram } from "../support/workshop.ts";

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

withProgram("ab", () => {
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

withProgram("wrk", () => {
  test("has no socket errors and no refusals in two seconds with more connections than slots", async () => {
    const report = await measure("wrk", "-t1", "-c32", "-d2s", `${server.url}/style.css`);
    expect(report).not.toContain("Socket errors");
    expect(report).not.toContain("Non-2xx");
    expect(Number(/(\d+) requests in/.exec(report)?.[1])).toBeGreaterThan(500);
  });
});

withProgram("h2load", () => {
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

withProgram("nghttp", () => {
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

  test("speaks HTTP/2 without asking, and is told that this is HTTP/1.1", async () => {
    const { stdout, stderr } = await run(["nghttp", "--verbose", `${server.url}/about.html`], {
      cwd: shop.folder,
    });
    expect(stdout).toContain("send SETTINGS frame");
    expect(stdout).not.toContain("recv HEADERS frame");
    expect(stderr).toContain("Some requests were not processed. total=1, processed=0");
    expect(await curlStatus(`${server.url}/about.html`)).toBe("200");
  });
});
