/** The compiled file as a server, asked by a real curl: what is served, what is refused, and what happens when it is full. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binary, BUILD_MS, buildBinary, curl, curlStatus, Program } from "../support/binary.ts";
import { linux, needs } from "../support/needs.ts";
import { getRaw, RawClient, request, stalledDownload, statusOf } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 64 * MIB;
const RESOURCES = join(import.meta.dir, "..", "..", "resources");

let folder = "";
let binary: Binary;
let program: Program;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "serving-"));
  cpSync(RESOURCES, join(folder, "resources"), { recursive: true });
  writeFileSync(join(folder, "resources", "large.bin"), "");
  truncateSync(join(folder, "resources", "large.bin"), LARGE_BYTES);
  binary = await buildBinary();
  program = await start();
}, BUILD_MS);

afterAll(async () => {
  await program[Symbol.asyncDispose]();
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function start(...words: readonly string[]): Promise<Program> {
  return Program.start([binary.path, "--port", "0", ...words], { cwd: folder });
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

needs("curl").describe("curl gets", () => {
  test("the start page, as a page", async () => {
    const { stdout } = await curl("--include", `${program.url}/`);
    expect(stdout).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(stdout.toLowerCase()).toContain("content-type: text/html; charset=utf-8\r\n");
    expect(stdout).toEndWith(readFileSync(join(RESOURCES, "index.html"), "utf8"));
  });

  for (const name of ["banner.png", "photo.jpg", "sample.txt", "large.bin"]) {
    test(`${name} with the checksum of the file`, async () => {
      const copy = join(folder, `copy-${name}`);
      expect((await curl("--output", copy, `${program.url}/${name}`)).code).toBe(0);
      expect(sha256(copy)).toBe(sha256(join(folder, "resources", name)));
    });
  }

  test("a download under the name that the server gives", async () => {
    const inbox = mkdtempSync(join(folder, "inbox-"));
    await curl("--remote-name", "--remote-header-name", "--output-dir", inbox, `${program.url}/logo.png`);
    expect(sha256(join(inbox, "logo.png"))).toBe(sha256(join(RESOURCES, "logo.png")));
  });

  test("HEAD without waiting for content", async () => {
    const { stdout, code } = await curl("--head", `${program.url}/banner.png`);
    expect(code).toBe(0);
    expect(stdout.toLowerCase()).toContain(`content-length: ${readFileSync(join(RESOURCES, "banner.png")).length}\r\n`);
  });

  test("a range, and the rest of an interrupted download", async () => {
    const whole = readFileSync(join(RESOURCES, "sample.txt"), "utf8");
    expect((await curl("--range", "5-14", `${program.url}/sample.txt`)).stdout).toBe(whole.slice(5, 15));
    const partial = join(folder, "partial.png");
    writeFileSync(partial, readFileSync(join(RESOURCES, "banner.png")).subarray(0, 500_000));
    expect((await curl("--continue-at", "-", "--output", partial, `${program.url}/banner.png`)).code).toBe(0);
    expect(sha256(partial)).toBe(sha256(join(RESOURCES, "banner.png")));
  });

  test("304 for what it has", async () => {
    const tag = join(folder, "tag");
    await curl("--etag-save", tag, "--output", join(folder, "tagged"), `${program.url}/sample.txt`);
    expect(await curlStatus("--etag-compare", tag, `${program.url}/sample.txt`)).toBe("304");
  });

  test("many files over one connection", async () => {
    const urls = ["/", "/about.html", "/contact.html", "/none", "/logo.png"].map((path) => program.url + path);
    const { stderr } = await curl("--write-out", "%{stderr}%{http_code}+%{num_connects} ", ...urls);
    expect(stderr).toBe("200+1 200+0 200+0 404+0 200+0 ");
  });
});

needs("curl").describe("curl uploads", () => {
  const uploads = () => readdirSync(join(folder, "uploads")).filter((name) => name !== ".gitkeep");
  const post = (content: string, ...words: readonly string[]) =>
    curl("--header", "Content-Type: application/json", "--data-binary", content, ...words, `${program.url}/upload`);

  test("JSON, which is kept byte for byte in the folder made at the start", async () => {
    const sample = join(RESOURCES, "sample_post.json");
    const told = JSON.parse((await post(`@${sample}`)).stdout) as Record<string, unknown>;
    expect(told["status"]).toBe("success");
    expect(readFileSync(join(folder, String(told["filepath"])))).toEqual(readFileSync(sample));
  });

  test("several megabytes, asked for by 100 (Continue), and in chunks", async () => {
    const big = join(folder, "big.json");
    writeFileSync(big, JSON.stringify({ text: "x".repeat(5 * MIB) }));
    for (const words of [[], ["--header", "Transfer-Encoding: chunked"]]) {
      const told = JSON.parse((await post(`@${big}`, ...words)).stdout) as Record<string, unknown>;
      expect(sha256(join(folder, String(told["filepath"])))).toBe(sha256(big));
    }
  });

  test("nothing that stays, when the upload fails", async () => {
    const before = uploads();
    const tooBig = join(folder, "too-big.json");
    writeFileSync(tooBig, `"${"x".repeat(11 * MIB)}"`);
    const status = (...words: readonly string[]) => curlStatus(...words, `${program.url}/upload`);
    const json = ["--header", "Content-Type: application/json"];
    expect(await status(...json, "--data-binary", "{nope")).toBe("400");
    expect(await status("--data-binary", "{}")).toBe("415");
    expect(await status(...json, "--data-binary", `@${tooBig}`)).toBe("413");
    expect(await status(...json, "--header", "Transfer-Encoding: chunked", "--data-binary", `@${tooBig}`)).toBe("413");
    // Given up in the middle: at this rate the content would take longer than the client gives itself.
    const small = join(folder, "small.json");
    writeFileSync(small, `"${"x".repeat(MIB)}"`);
    expect((await post(`@${small}`, "--limit-rate", "100k", "--max-time", "0.3")).code).toBe(28);
    expect(uploads()).toEqual(before);
  });
});

describe("refused are", () => {
  test("ways out of the folder", async () => {
    mkdirSync(join(folder, "resources-backup"), { recursive: true });
    writeFileSync(join(folder, "resources-backup", "secret.txt"), "secret");
    for (const path of [
      "/../resources-backup/secret.txt",
      "/../../../../etc/passwd",
      "/%2e%2e/etc/passwd",
      "/..%2fetc",
      "//etc/passwd",
    ]) {
      using client = await RawClient.connect(program.port);
      const { status, text } = await client.send(request(program.port, `GET ${path}`)).answer();
      expect(status).toBe(403);
      expect(text).not.toMatch(/root:|secret/);
    }
    await until(() => program.stderr.includes("path traversal: /../../../../etc/passwd"), "the warning");
    expect(program.stderr).toMatch(
      /^\[[-\d]+ [:\d]+\] warning: Security: path traversal: \/%2e%2e\/etc\/passwd \(connection \d+, 127\.0\.0\.1:\d+\)$/m,
    );
  });

  test("a Host that is not ours, with the flag that would allow it in the log", async () => {
    expect(await statusOf(program.url, "Host: evil.test\r\n")).toBe(403);
    await until(() => /evil\.test.*--allowed-host/.test(program.stderr), "the warning");
  });

  test("a missing Host", async () => {
    for (const [version, status] of [
      ["1.1", 400],
      ["1.0", 200],
    ]) {
      using client = await RawClient.connect(program.port);
      expect((await client.send(`GET / HTTP/${version}\r\n\r\n`).answer()).status).toBe(Number(status));
    }
  });
});

describe("one thread", () => {
  test("and no queue: a second request gets 503 with Retry-After while a download is slow", async () => {
    await using full = await start("--threads", "1", "--queue", "0");
    using slow = await stalledDownload(full.port);
    const { head, fields } = await getRaw(full.url);
    expect(head).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
    expect(fields.get("retry-after")).toMatch(/^\d+$/);
    expect(fields.get("connection")).toBe("close");
    slow.resume();
    await slow.received(LARGE_BYTES);
    await until(() => full.stdout.includes("GET /large.bin"), "the slow download's line");
    expect(await statusOf(full.url)).toBe(200);
    await until(() => full.stderr.includes("warning: Thread pool saturated (queue full)"), "the warning");
  });

  test("and a queue of one: the second request waits its turn, and the log says so", async () => {
    await using full = await start("--threads", "1", "--queue", "1");
    using slow = await stalledDownload(full.port);
    const second = statusOf(full.url);
    await until(() => full.stderr.includes("warning: Thread pool saturated, queuing request"), "the queue");
    slow.resume();
    expect(await second).toBe(200);
    await until(() => /^\[.*\] Request dequeued, assigned to Thread-1/m.test(full.stdout), "the turn");
    await slow.received(LARGE_BYTES);
  });
});

needs(linux).test("descriptors are as many after aborted downloads as before", async () => {
  await using fresh = await start();
  const descriptors = () => readdirSync(`/proc/${fresh.pid}/fd`).length;
  const before = descriptors();
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => RawClient.connect(fresh.port, { onlyCount: true })),
  );
  for (const client of clients) client.pause().send(request(fresh.port, "GET /large.bin"));
  await until(() => descriptors() >= before + 30, "twenty connections and ten files");
  for (const client of clients) client.reset();
  await until(() => descriptors() <= before, `${before} descriptors`);
});

needs(linux).test("with few descriptors it refuses connections instead of running dry", async () => {
  const words = ["sh", "-c", 'ulimit -n 80; exec "$0" --port 0', binary.path];
  await using scarce = await Program.start(words, { cwd: folder });
  using first = await RawClient.connect(scarce.port);
  const crowd = await Promise.all(Array.from({ length: 150 }, () => RawClient.connect(scarce.port)));
  await until(() => crowd.filter((client) => client.ending === "fin").length > 50, "the refusals");
  for (const client of crowd) if (client.ending !== null) expect(client.text).toStartWith("HTTP/1.1 503 ");
  expect((await first.send(request(scarce.port, "GET /sample.txt")).answer()).status).toBe(200);
  for (const client of crowd) client.reset();
  await until(() => readdirSync(`/proc/${scarce.pid}/fd`).length < 40, "the crowd to leave");
  expect(await statusOf(`${scarce.url}/banner.png`)).toBe(200);
  await until(() => scarce.stderr.endsWith("\n"), "the warning");
  expect(scarce.stderr).toMatch(/^\[.*\] warning: \d+ connections are open: refusing more with 503\n$/);
});
