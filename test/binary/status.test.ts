/** `--status` of the built file, under a load that other people's programs send and count. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { version } from "../../package.json";
import type { Program } from "../support/binary.ts";
import { BUILD_MS, curl, curlStatus, run } from "../support/binary.ts";
import { readExposition, type Scrape } from "../support/exposition.ts";
import { needs } from "../support/needs.ts";
import { Workshop } from "../support/workshop.ts";

let workshop: Workshop;

beforeAll(async () => {
  workshop = await Workshop.open();
}, BUILD_MS);

afterAll(() => workshop[Symbol.dispose]());

async function scrape(server: Program): Promise<Scrape> {
  return readExposition((await curl(`${server.url}/__server/metrics`)).stdout);
}

needs("curl").describe("curl", () => {
  test("counts what curl sent, and the bytes that it got", async () => {
    await using server = await workshop.start("--status");
    let bytes = 0;
    const get = async (count: number, ...words: readonly string[]) => {
      const { stderr } = await curl("--write-out", "%{stderr}%{size_download}\n", ...words);
      const sizes = stderr.trimEnd().split("\n").map(Number);
      expect(sizes).toHaveLength(count);
      bytes += sizes.reduce((sum, size) => sum + size, 0);
    };
    await get(50, "--output-dir", workshop.inbox(), "--remote-name-all", `${server.url}/sample.txt?[1-50]`);
    await get(1, `${server.url}/none`);
    await get(1, "--request", "PUT", `${server.url}/`);
    await get(1, "--json", "{}", `${server.url}/upload`);
    await get(1, "--head", `${server.url}/banner.png`);
    const seen = await scrape(server);
    expect(seen.values("httpserver_requests_total")).toEqual({ 200: 51, 201: 1, 404: 1, 405: 1 });
    expect(seen.distribution("httpserver_request_duration_seconds").count).toBe(54);
    expect(seen.value("httpserver_response_content_bytes_total")).toBe(bytes);
  });

  test("says that it is ready, shows its page, and names its version", async () => {
    await using server = await workshop.start("--status", "--threads", "7", "--queue", "9");
    expect(await curlStatus(`${server.url}/__server/ready`)).toBe("200");
    expect((await curl(`${server.url}/__server/`)).stdout).toStartWith("<!doctype html>");
    const seen = await scrape(server);
    expect([seen.value("httpserver_slots"), seen.value("httpserver_queue_limit")]).toEqual([7, 9]);
    expect(Object.keys(seen.values("httpserver_info"))).toEqual([version]);
    expect(server.stdout).not.toContain("__server");
  });

  test("without the flag has nothing there", async () => {
    await using server = await workshop.start();
    expect(await curlStatus(`${server.url}/__server/metrics`)).toBe("404");
  });
});

needs("ab").describe("ab", () => {
  test("counts what ab sent on many connections at once", async () => {
    await using server = await workshop.start("--status", "--quiet");
    const load = ["ab", "-q", "-n", "3000", "-c", "20", "-k", `${server.url}/sample.txt`];
    const { stdout, code } = await run(load, { cwd: workshop.folder });
    const counted = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(stdout)?.[1]);
    expect([code, counted("Complete requests"), counted("Failed requests")]).toEqual([0, 3000, 0]);
    const seen = await scrape(server);
    expect(seen.values("httpserver_requests_total")).toEqual({ 200: 3000 });
    expect(seen.value("httpserver_response_content_bytes_total")).toBe(counted("HTML transferred"));
    expect(seen.distribution("httpserver_request_duration_seconds").buckets.at(-1)).toEqual([
      Number.POSITIVE_INFINITY,
      3000,
    ]);
  });
});

needs("wrk").describe("wrk", () => {
  test("counts what wrk sent, but for what was on its way when wrk left", async () => {
    const connections = 16;
    await using server = await workshop.start("--status", "--quiet", "--max-requests", "0");
    const load = ["wrk", "-t1", `-c${connections}`, "-d1s", `${server.url}/sample.txt`];
    const { stdout, code } = await run(load, { cwd: workshop.folder });
    const answers = Number(/(\d+) requests in/.exec(stdout)?.[1]);
    expect([code, answers > 100]).toEqual([0, true]);
    const seen = await scrape(server);
    const { 200: ok = 0, ...others } = seen.values("httpserver_requests_total");
    expect(others).toEqual({});
    expect(ok).toBeGreaterThanOrEqual(answers);
    expect(ok).toBeLessThanOrEqual(answers + connections);
  });
});
