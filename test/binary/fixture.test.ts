/** The compiled file as a fixture server that a test elsewhere drives: by curl, by a raw socket, and by what a shell sees of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Binary, BUILD_MS, buildBinary, Program, run } from "../support/binary.ts";
import { needs, network, otherAddress } from "../support/needs.ts";
import { RawClient, request } from "../support/raw-client.ts";

let binary: Binary;
let folder = "";

beforeAll(async () => {
  binary = await buildBinary();
  folder = mkdtempSync(join(tmpdir(), "fixture-"));
  mkdirSync(join(folder, "resources"));
  writeFileSync(join(folder, "resources", "index.html"), "the page");
}, BUILD_MS);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  binary[Symbol.dispose]();
});

function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Program> {
  return Program.start([binary.path, "--port", "0", ...words], { cwd: folder, env });
}

function once(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return run([binary.path, "--port", "0", ...words], { cwd: folder, env });
}

/** A endpoint, without a connection that is kept: the server's own would be in the way of what a test counts. */
async function endpoint(
  program: Program,
  line: string,
  content?: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; value: Record<string, unknown> }> {
  const [method = "", path = ""] = line.split(" ");
  const answer = await fetch(`${program.url}/__server/${path}`, {
    method,
    keepalive: false,
    headers: { ...(content === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    ...(content === undefined ? {} : { body: JSON.stringify(content) }),
  });
  return { status: answer.status, value: (await answer.json()) as Record<string, unknown> };
}

/** Resolves when a request waits for a slot. */
async function isQueued(program: Program): Promise<void> {
  for (let looks = 0; looks < 500; looks++) {
    if ((await endpoint(program, "GET hold")).value["queued"] === 1) return;
  }
  throw new Error("nobody waits for a slot");
}

describe("a full pool", () => {
  test("is there on demand: the next request waits, the one behind it gets 503 exactly", async () => {
    await using program = await start(["--fixture", "--threads", "2", "--queue", "1"]);
    expect(await endpoint(program, "POST hold", { slots: 2 })).toMatchObject({ status: 200, value: { held: 2 } });
    using waiting = await RawClient.connect(program.port);
    waiting.send(request(program.port, "GET /"));
    await isQueued(program);
    using refused = await RawClient.connect(program.port);
    const { status, fields } = await refused.send(request(program.port, "GET /")).answer();
    expect([status, fields.get("retry-after"), fields.get("connection")]).toEqual([503, "1", "close"]);
    expect(await refused.left()).toBe("fin");
    expect(await endpoint(program, "DELETE hold")).toMatchObject({ value: { released: 2 } });
    expect((await waiting.answer()).text).toBe("the page");
    const { value } = await endpoint(program, "GET requests?wait=2&timeout=3s");
    const [first, second] = value["requests"] as { status: number; queuedMs: number }[];
    expect([first?.status, second?.status, value["isComplete"]]).toEqual([503, 200, true]);
    expect(second?.queuedMs).toBeGreaterThan(0);
  });
});

describe("to shut down", () => {
  test("ends the program with 0, after what is under way", async () => {
    await using program = await start(["--fixture", "--threads", "1"]);
    await endpoint(program, "POST hold", { slots: 1 });
    using waiting = await RawClient.connect(program.port);
    waiting.send(request(program.port, "GET /"));
    await isQueued(program);
    expect((await endpoint(program, "POST shutdown")).status).toBe(200);
    expect((await waiting.answer()).text).toBe("the page");
    expect(await program.ended()).toBe(0);
    expect(program.stdout).toContain("POST /__server/shutdown received: finishing requests in flight");
    expect(program.stdout).toContain("Server stopped");
  });

  test("a signal behind it cuts what is under way", async () => {
    writeFileSync(join(folder, "resources", "large.bin"), new Uint8Array(32 * 1024 * 1024));
    await using program = await start(["--fixture"]);
    using stalled = await RawClient.connect(program.port, { onlyCount: true });
    stalled.send(request(program.port, "GET /large.bin"));
    await stalled.received(1);
    stalled.pause();
    await endpoint(program, "POST shutdown");
    await program.says("received: finishing");
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(143);
  });
});

describe("the guard", () => {
  test("refuses what a page in a browser sends, and does nothing", async () => {
    await using program = await start(["--fixture"]);
    const fields = [{ Origin: "http://evil.test" }, { "Sec-Fetch-Site": "cross-site" }];
    for (const headers of fields) {
      const answer = await endpoint(program, "POST hold", { slots: 1 }, headers);
      expect([answer.status, answer.value["code"]]).toEqual([403, 403]);
    }
    expect((await endpoint(program, "GET hold")).value["held"]).toBe(0);
  });

  needs(network).test("lets others in by the token alone, and never shows it", async () => {
    const env = { HTTPSERVER_FIXTURE_TOKEN: "a-secret" };
    await using program = await start(["--fixture", "--host", otherAddress ?? ""], env);
    expect((await endpoint(program, "GET ready")).status).toBe(200);
    expect((await endpoint(program, "GET info")).status).toBe(401);
    expect((await endpoint(program, "GET info", undefined, { Authorization: "Bearer a-secreT" })).status).toBe(401);
    const info = await endpoint(program, "GET info", undefined, { Authorization: "Bearer a-secret" });
    expect([info.status, info.value["pid"]]).toEqual([200, program.pid]);
    await fetch(program.url, { headers: { Authorization: "Bearer a-secret" } });
    const { value } = await endpoint(program, "GET requests", undefined, { Authorization: "Bearer a-secret" });
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    const shown = JSON.stringify([info.value, value]) + program.stdout + program.stderr;
    expect(shown).toContain("Bearer ***");
    expect(shown).not.toContain("a-secret");
  });

  needs(network).test("lets every client in if the token is *", async () => {
    await using program = await start(["--fixture", "--fixture-token", "*", "--host", otherAddress ?? ""]);
    expect((await endpoint(program, "GET info")).status).toBe(200);
  });

  test("--print-config masks the token", async () => {
    for (const format of ["pretty", "json"]) {
      const words = ["--fixture", "--print-config", "--log-format", format];
      const { stdout, code } = await once(words, { HTTPSERVER_FIXTURE_TOKEN: "a-secret" });
      expect(code).toBe(0);
      expect(stdout).toMatch(/fixture-token.*\*\*\*.*HTTPSERVER_FIXTURE_TOKEN/);
      expect(stdout).not.toContain("a-secret");
    }
  });
});

describe("a start", () => {
  test.each<[words: string[], env: Record<string, string>, line: RegExp]>([
    [
      ["--fixture", "--host", "0.0.0.0"],
      {},
      /^httpserver: --fixture on 0\.0\.0\.0 lets other machines control this server: set --fixture-token to a token, or to '\*' to/,
    ],
    [["--fixture"], { HTTPSERVER_HOST: "::" }, /^httpserver: --fixture on :: lets other machines control this server/],
    [
      ["--fixture-token=*"],
      {},
      /^httpserver: --fixture-token needs --fixture: without it, there are no endpoints to guard$/,
    ],
    [[], { HTTPSERVER_FIXTURE_TOKEN: "a" }, /^httpserver: HTTPSERVER_FIXTURE_TOKEN needs --fixture/],
    [["--fixture", "--fixture-open"], {}, /^httpserver: --fixture-open is now --fixture-token '\*'$/],
    [["--fixture", "--fixture-token", "a b"], {}, /^httpserver: --fixture-token: expected letters, digits and any of/],
  ])("with %j and %j is refused in one line", async (words, env, line) => {
    const { code, stdout, stderr } = await once(words, env);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toEndWith("\n");
    expect(stderr.trimEnd()).toMatch(line);
    expect(stderr.trimEnd()).not.toContain("\n");
  });

  test("beside a folder of the endpoints' name is refused", async () => {
    const root = join(folder, "shadow");
    mkdirSync(join(root, "__server"), { recursive: true });
    const { code, stderr } = await once(["--fixture", "--root", root]);
    expect(code).toBe(3);
    expect(stderr).toContain("would be hidden by the server's own /__server/");
  });
});

test("a long poll ends with the request that it waits for", async () => {
  await using program = await start(["--fixture", "--quiet"]);
  let isOver = false;
  const waiting = endpoint(program, "GET requests?path=/x&wait=2&timeout=1m").finally(() => {
    isOver = true;
  });
  await fetch(`${program.url}/x`);
  expect(isOver).toBe(false);
  await fetch(`${program.url}/x`);
  expect((await waiting).value).toMatchObject({ isComplete: true, requests: [{ path: "/x" }, { path: "/x" }] });
});
