/** An archive as clients get it: by curl from the compiled program, beside other clients, and when they leave or the folder changes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brokenPromises, pack } from "../../tools/resilience/tar.ts";
import { type Binary, BUILD_MS, buildBinary, curl, Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { RawClient } from "../support/raw-client.ts";
import { unpack } from "../support/tar.ts";
import { until } from "../support/waiting.ts";

let binary: Binary;
let folder = "";
let server: Program;

/** More than the buffers between two sockets hold. */
const LARGE_BYTES = 64 * 1024 * 1024;

beforeAll(async () => {
  binary = await buildBinary();
  folder = mkdtempSync(join(tmpdir(), "tar-"));
  mkdirSync(join(folder, "www/dir"), { recursive: true });
  writeFileSync(join(folder, "www/dir/a.txt"), "a");
  writeFileSync(join(folder, "www/dir/large"), "");
  truncateSync(join(folder, "www/dir/large"), LARGE_BYTES);
  const words = [
    "--port",
    "0",
    "--root",
    join(folder, "www"),
    "--listing",
    "--fixture",
    "--fault",
    "GET /dir/ truncate times=1",
  ];
  server = await Program.start([binary.path, ...words], { cwd: folder });
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  binary[Symbol.dispose]();
});

const request = "GET /dir/?tar HTTP/1.1\r\nHost: localhost\r\n\r\n";

needs("curl").test("a fault that was ordered spoils an archive as any response", async () => {
  const { code } = await curl("-o", join(folder, "spoiled.tar"), `${server.url}/dir/?tar`);
  // CURLE_PARTIAL_FILE.
  expect(code).toBe(18);
});

needs("curl").test("a download is whole, and logged by its kind", async () => {
  const { code } = await curl("-o", join(folder, "whole.tar"), `${server.url}/dir/?tar`);
  expect(code).toBe(0);
  const bytes = Buffer.from(await Bun.file(join(folder, "whole.tar")).arrayBuffer());
  expect(unpack(bytes).map(({ path, size }) => [path, size])).toEqual([
    ["dir/", 0],
    ["dir/a.txt", 1],
    ["dir/large", LARGE_BYTES],
  ]);
  await until(() => / 200 \d+ tar /.test(server.stdout), "the line of the log");
});

test("a client that does not read, and leaves, ends its turn: the next one gets the archive", async () => {
  const first = await RawClient.connect(server.port);
  first.pause();
  first.send(request);
  const next = async () => {
    using client = await RawClient.connect(server.port);
    return (await client.send(request.replace("GET", "HEAD")).answer("HEAD")).status;
  };
  await until(async () => (await next()) === 503, "the turn to be taken");
  first.reset();
  await until(async () => (await next()) === 200, "the turn to come back");
});

needs("curl", "tar", "diff").test(
  "three thousand files are unpacked as they were, while others are served",
  async () => {
    const report = await pack({ binary: binary.path, files: 3000, beforeMs: 0 });
    // The times of the others depend on the machine.
    expect(brokenPromises(report).filter((sentence) => !sentence.startsWith("p99"))).toEqual([]);
    expect(report.head).toContain("Transfer-Encoding: chunked");
  },
);
