/** The compiled file as a process: its words, its pipes, its signals, its exit codes, and the folder that it is started in. */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { environmentName } from "../../src/settings/kinds.ts";
import { settingNames, settingTable } from "../../src/settings/resolve.ts";
import { curl, Program } from "../support/binary.ts";
import { ipv6, linux, needs, unless } from "../support/needs.ts";
import { isRunning, killAll } from "../support/processes.ts";
import { getRaw, isRefused, RawClient, request, stalledDownload, statusOf } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";
import { Workspace } from "../support/workspace.ts";

const LARGE_BYTES = 32 * 1024 * 1024;

const place = new Workspace("process", (root) => {
  writeFileSync(join(root, "large.bin"), "");
  truncateSync(join(root, "large.bin"), LARGE_BYTES);
});

type Environment = Readonly<Record<string, string>>;

const start = (words: readonly string[], env: Environment = {}, cwd?: string) => place.start(words, env, cwd);
const once = (words: readonly string[], env: Environment = {}, cwd?: string) => place.run(words, env, cwd);

describe("the ready line", () => {
  test("is exact, plain although colour is forced, and comes in one piece", async () => {
    await using program = await start(["--port", "0"], { FORCE_COLOR: "1" });
    const line = `Listening on port ${program.port} (http://127.0.0.1:${program.port}) pid=${program.pid}\n`;
    expect(program.stdoutPieces.filter((piece) => piece.includes(line))).toHaveLength(1);
    expect(program.stdout).toStartWith(line);
    expect(program.stdout).not.toContain("\x1b");
    expect(await statusOf(program.url)).toBe(200);
  });

  test("is all that --quiet leaves, requests included", async () => {
    await using program = await start(["--port", "0", "--quiet"]);
    expect(await statusOf(program.url)).toBe(200);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    expect(program.stdout).toBe(`Listening on port ${program.port} (${program.url}) pid=${program.pid}\n`);
    expect(program.stderr).toBe("");
  });

  test("is followed by what an operator wants to know", async () => {
    await using program = await start(["--port", "0", "--threads", "7"]);
    for (const part of [place.path("resources"), place.path("uploads"), "Thread pool size: 7", "Ctrl+C"]) {
      await program.says(part);
    }
  });
});

describe("words", () => {
  test("in the seeds' order: port, host, threads", async () => {
    await using program = await start(["0", "0.0.0.0", "20"]);
    expect(program.url).toBe(`http://127.0.0.1:${program.port}`);
    await program.says("Thread pool size: 20");
    expect(await statusOf(program.url)).toBe(200);
  });

  test("--help fits a screen of 80 by 40, and --help all names every flag", async () => {
    const { code, stdout, stderr } = await once(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(40);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    const all = await once(["--help", "all"]);
    expect([all.code, all.stderr]).toEqual([0, ""]);
    for (const name of settingNames) expect(all.stdout).toContain(`--${settingTable[name].flag} `);
  });

  test("--help with an unknown group names the groups", async () => {
    const { code, stdout, stderr } = await once(["--help", "flags"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(
      "expected one of all, listen, files, caching, proxy, uploads, access, tls, limits, fixture, log, process",
    );
  });

  test("--version names version and commit", async () => {
    const { code, stdout } = await once(["--version"]);
    expect(code).toBe(0);
    expect(stdout).toStartWith(`httpserver ${version} (`);
    expect(stdout).toMatch(/\((?:[0-9a-f]{7,}|unknown)\)\n$/);
  });

  const mistakes: readonly [what: string, words: readonly string[], stderr: RegExp][] = [
    ["an unknown flag", ["--prot", "1"], /--prot.*--port/],
    ["a bad value", ["--port", "70000"], /--port.*70000/],
    ["a bad time", ["--keep-alive-timeout", "soon"], /--keep-alive-timeout.*soon/],
    ["a flag without its value", ["--root"], /--root/],
    ["a word too many", ["0", "::1", "1", "more"], /more/],
    ["an impossible combination", ["--quiet", "--verbose"], /--quiet.*--verbose/],
    ["a host that only looks like an address", ["--port", "0", "--host", "*"], /--host: .*0\.0\.0\.0.*"\*"/],
    ["an allowed host that is none", ["--port", "0", "--allowed-host", "a:b:c"], /a:b:c/],
  ];
  for (const [what, words, stderr] of mistakes) {
    test(`with ${what} end with 2 and one line on stderr`, async () => {
      const result = await once(words);
      expect(result.code).toBe(2);
      expect(result.stdout).toBe("");
      expect(result.stderr).toMatch(/^[^\n]+\n$/);
      expect(result.stderr).toMatch(stderr);
      expect(result.stderr).not.toContain("    at ");
    });
  }
});

describe("the environment", () => {
  /** For settings where any text has the right form: a value that cannot work. */
  const unusable: Environment = {
    host: "192.0.2.1",
    root: "missing",
    uploads: "file/uploads",
    stubs: "missing/stubs",
    "log-file": "missing/x.log",
    "port-file": "missing/port",
    "env-file": "missing/server.env",
  };

  /** Values that no text of that kind has, where "n o n s e n s e" is one. */
  const malformed: Environment = { "cache-control": "no-cache\rX: y", index: "a/b.html" };

  for (const name of settingNames) {
    const option = settingTable[name];
    const variable = environmentName(option);
    test(`${variable} is read`, async () => {
      writeFileSync(place.path("file"), "");
      const bad = unusable[option.flag] ?? malformed[option.flag] ?? "n o n s e n s e";
      const { code, stderr } = await once([], { HTTPSERVER_PORT: "0", [variable]: bad });
      expect(code).toBe(option.flag in unusable ? 3 : 2);
      expect(stderr).toMatch(/^[^\n]+\n$/);
      expect(stderr).toContain(option.flag in unusable ? bad : variable);
    });
  }

  test("sets the server up, and a flag beats it", async () => {
    await using program = await start(["--threads", "3"], {
      HTTPSERVER_PORT: "0",
      HTTPSERVER_THREADS: "5",
      HTTPSERVER_ALLOWED_HOST: "files.test",
      HTTPSERVER_MAX_REQUESTS: "1",
    });
    await program.says("Thread pool size: 3");
    const { status, fields } = await getRaw(program.url, "Host: files.test\r\n");
    expect([status, fields.get("connection")]).toEqual([200, "close"]);
  });

  test("that has a variable of our name which is no setting gets one warning", async () => {
    await using program = await start(["--port", "0", "--quiet"], { HTTPSERVER_PROT: "1", HTTPSERVER_URL: "x" });
    await until(() => program.stderr.endsWith("\n"), "the warning");
    expect(program.stderr).toMatch(/^\[[^\]]+\] warning: [^\n]*HTTPSERVER_PROT \(did you mean HTTPSERVER_PORT\?\)\n$/);
  });

  test("is not taken from an .env file in the working directory", async () => {
    writeFileSync(place.path(".env"), "HTTPSERVER_THREADS=99\nHTTPSERVER_QUIET=1\n");
    writeFileSync(place.path("bunfig.toml"), 'preload = ["./missing.ts"]\n');
    await using program = await start(["--port", "0"]);
    await program.says("Thread pool size: 10");
  });
});

describe("the working directory", () => {
  test("gets uploads/ with the first upload", async () => {
    const site = mkdtempSync(join(place.top, "site-"));
    mkdirSync(join(site, "resources"));
    await using program = await start(["--port", "0"], {}, site);
    expect(readdirSync(site)).toEqual(["resources"]);
    const headers = { "Content-Type": "application/json" };
    expect((await fetch(`${program.url}/upload`, { method: "POST", headers, body: "{}" })).status).toBe(201);
    expect(readdirSync(join(site, "uploads"))).toHaveLength(1);
  });

  test("in which uploads/ cannot be used is told once at the start, serves, and answers uploads with 500", async () => {
    writeFileSync(place.path("uploads"), "a file");
    await using program = await start(["--port", "0", "--quiet"]);
    await until(() => program.stderr.endsWith("\n"), "the warning");
    expect(program.stderr).toMatch(
      /^\[[^\]]+\] warning: uploads is not a folder; [^\n]*--no-uploads; uploads get 500\n$/,
    );
    const headers = { "Content-Type": "application/json" };
    const upload = await fetch(`${program.url}/upload`, { method: "POST", headers, body: "{}" });
    expect([upload.status, upload.headers.get("content-type")]).toEqual([500, "application/json"]);
    expect(await statusOf(program.url)).toBe(200);
    const named = await once(["--port", "0", "--uploads", "./uploads"]);
    expect(named.code).toBe(3);
  });

  test("is served by the words `.` and a port, with a listing, types of their own and no uploads", async () => {
    await using program = await Program.start([place.program, ".", "0"], { cwd: place.folder });
    const [page, own] = await Promise.all(["/", "/resources/"].map((path) => fetch(program.url + path)));
    expect([page?.status, await page?.text()]).toEqual([200, expect.stringContaining("resources/")]);
    expect(await own?.text()).toBe("page");
    const headers = { "Content-Type": "application/json" };
    expect((await fetch(`${program.url}/upload`, { method: "POST", headers, body: "{}" })).status).toBe(404);
    expect(readdirSync(place.folder)).toEqual(["resources"]);
  });

  test("that is empty is a start that fails with 3, naming --root, and leaves nothing", async () => {
    const empty = mkdtempSync(join(place.top, "empty-"));
    const { code, stdout, stderr } = await once(["--port", "0"], {}, empty);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^[^\n]*resources[^\n]*--root[^\n]*\n$|^[^\n]*--root[^\n]*resources[^\n]*\n$/);
    expect(readdirSync(empty)).toEqual([]);
  });
});

for (const [host, url, need] of [
  ["[::1]", "http://[::1]:", ipv6],
  ["localhost", "http://127.0.0.1:", unless(null)],
] as const) {
  needs(need).test(`--host ${host} listens on ${url}`, async () => {
    await using program = await start(["--port", "0", "--host", host]);
    expect(program.url).toBe(`${url}${program.port}`);
    expect(await statusOf(program.url)).toBe(200);
  });
}

test("a port in use ends with 3, naming the port", async () => {
  await using program = await start(["--port", "0"]);
  const { code, stdout, stderr } = await once(["--port", String(program.port)]);
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(new RegExp(`^[^\\n]*port ${program.port}[^\\n]* in use[^\\n]*\\n$`));
});

describe("a signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} lets a download finish, then the exit code is 0`, async () => {
      await using program = await start(["--port", "0"]);
      using idle = await RawClient.connect(program.port);
      await idle.send(request(program.port, "GET /")).answer();
      using download = await stalledDownload(program.port);
      program.signal(signal);
      expect(await idle.left()).toBe("fin");
      expect(await isRefused(program.port)).toBe(true);
      download.resume();
      expect(await download.left()).toBe("fin");
      expect(download.receivedBytes).toBeGreaterThan(LARGE_BYTES);
      expect(await program.ended()).toBe(0);
      expect(program.stdout).toContain(`${signal} received`);
      expect(program.stdout).toMatch(/"?GET \/large\.bin.* 200 /);
      expect(program.stdout).toEndWith("Server stopped\n");
    });
  }

  needs("curl").test("lets curl finish its download", async () => {
    await using program = await start(["--port", "0"]);
    const copy = place.path("copy");
    const download = curl("--limit-rate", "40M", "--output", copy, `${program.url}/large.bin`);
    await until(() => existsSync(copy), "the beginning");
    program.signal("SIGTERM");
    expect((await download).code).toBe(0);
    expect(Bun.file(copy).size).toBe(LARGE_BYTES);
    expect(await program.ended()).toBe(0);
  });

  test("a second time cuts what is in flight, and the exit code says so", async () => {
    await using program = await start(["--port", "0"]);
    using download = await stalledDownload(program.port);
    program.signal("SIGTERM");
    await program.says("SIGTERM received: ");
    // Too soon, a second one is the first once more.
    await until(() => {
      program.signal("SIGTERM");
      return program.stderr.includes("SIGTERM received again");
    }, "the cut");
    expect(await program.ended()).toBe(143);
    expect(await download.resume().left()).toBe("reset");
  });

  test("twice at once, as a shell and its child both pass Ctrl+C on, is one: what is in flight finishes", async () => {
    await using program = await start(["--port", "0"]);
    using download = await stalledDownload(program.port);
    program.signal("SIGINT");
    program.signal("SIGINT");
    await program.says("SIGINT received: ");
    download.resume();
    expect(await download.left()).toBe("fin");
    expect(download.receivedBytes).toBeGreaterThan(LARGE_BYTES);
    expect(await program.ended()).toBe(0);
    expect(program.stderr).toBe("");
  });

  test("SIGHUP without a log file means that the terminal is gone: a drain, like SIGTERM", async () => {
    await using program = await start(["--port", "0"]);
    using download = await stalledDownload(program.port);
    program.signal("SIGHUP");
    await program.says("SIGHUP received");
    download.resume();
    expect(await download.left()).toBe("fin");
    expect(download.receivedBytes).toBeGreaterThan(LARGE_BYTES);
    expect(await program.ended()).toBe(0);
  });

  needs("nohup").test("SIGHUP does nothing under nohup", async () => {
    await using program = await Program.start(["nohup", place.program, "--port", "0"], { cwd: place.folder });
    program.signal("SIGHUP");
    expect(await statusOf(program.url)).toBe(200);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    expect(program.stdout).not.toContain("SIGHUP");
  });

  test("waits no longer than --shutdown-timeout", async () => {
    await using program = await start(["--port", "0", "--shutdown-timeout", "300ms"]);
    using download = await stalledDownload(program.port);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    expect(await download.resume().left()).toBe("reset");
  });

  test("SIGHUP goes on in a new log file", async () => {
    const path = place.path("access.log");
    await using program = await start(["--port", "0", "--log-file", path]);
    await statusOf(`${program.url}/?first`);
    await until(() => Bun.file(path).size > 0, "the first line");
    renameSync(path, `${path}.1`);
    program.signal("SIGHUP");
    await until(() => existsSync(path), "the new file");
    await statusOf(`${program.url}/?second`);
    await until(() => Bun.file(path).size > 0, "the second line");
    expect(readFileSync(`${path}.1`, "latin1")).toMatch(/^[^\n]*\?first[^\n]*\n$/);
    expect(readFileSync(path, "latin1")).toMatch(/^[^\n]*\?second[^\n]*\n$/);
    expect(program.stdout).not.toContain("?first");
  });
});

test("--keep-alive-timeout is how long an idle connection lives", async () => {
  await using program = await start(["--port", "0", "--keep-alive-timeout", "300ms"]);
  using client = await RawClient.connect(program.port);
  await client.send(request(program.port, "GET /")).answer();
  expect(await client.left()).toBe("fin");
});

describe("a reader of stdout", () => {
  /** Runs the server in a shell pipe. The shell's stderr has its ready line, from the pipe's reader, and its exit code. */
  async function piped(reader: string, use: (url: string, pid: number) => Promise<void>): Promise<string> {
    const script = `{ "${place.program}" --port 0; echo "exit code $?" >&2; } | ${reader}`;
    await using shell = Bun.spawn(["sh", "-c", script], {
      cwd: place.folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    let told = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of shell.stderr) told += decoder.decode(bytes, { stream: true });
    })();
    const pattern = /Listening on port \d+ \((\S+)\) pid=(\d+)\n/;
    await until(() => pattern.test(told), "the ready line");
    const [, url = "", pid = ""] = pattern.exec(told) ?? [];
    try {
      await use(url, Number(pid));
      process.kill(Number(pid), "SIGTERM");
      await until(() => told.includes("exit code"), "the exit");
    } catch (error) {
      process.kill(Number(pid), "SIGKILL");
      throw error;
    } finally {
      const sleeper = /reader (\d+)\n/.exec(told)?.[1];
      if (sleeper !== undefined) process.kill(Number(sleeper), "SIGKILL");
    }
    await shell.exited;
    await reading;
    return told;
  }

  const UNTIL_READY = 'while read -r line; do case "$line" in Listening*) echo "$line" >&2; break;; esac; done';

  test("that leaves early does not hurt the server", async () => {
    const told = await piped(`{ ${UNTIL_READY}; }`, async (url) => {
      for (let i = 0; i < 5; i++) expect(await statusOf(url)).toBe(200);
    });
    expect(told).toContain("exit code 0\n");
    expect(told).toContain("stdout is closed (EPIPE)");
  });

  test("that stops reading does not hold up the server, nor its end", async () => {
    const told = await piped(`{ ${UNTIL_READY}; exec sh -c 'echo "reader $$" >&2; exec sleep 60'; }`, async (url) => {
      const port = Number(new URL(url).port);
      // Lines of three kilobytes: sixteen times what a pipe holds.
      for (let round = 0; round < 4; round++) {
        using client = await RawClient.connect(port);
        const line = `GET /?${"x".repeat(3000)}`;
        client.send(request(port, line).repeat(99));
        for (let i = 0; i < 99; i++) expect((await client.answer()).status).toBe(200);
      }
      expect(await statusOf(url)).toBe(200);
    });
    expect(told).toContain("exit code 0\n");
  });
});

describe("readers of stdout and stderr that both stopped reading", () => {
  const LONG_BYTES = 45_000;

  /**
   * Starts the server with two named pipes, or two sockets of a parent that then never runs its event loop again; says
   * the ready line on its stdout.
   */
  function starter(kind: "pipes" | "sockets"): string {
    if (kind === "sockets") {
      return `const child = Bun.spawn(["${place.program}", "--port", "0", "--max-header", "64kb"], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const { value } = await child.stdout.getReader().read();
      require("node:fs").writeSync(1, value);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
    }
    return `const { openSync, readSync, writeSync } = require("node:fs");
    Bun.spawnSync(["mkfifo", "out", "err"]);
    const [out, err] = [openSync("out", "r+"), openSync("err", "r+")];
    Bun.spawn(["${place.program}", "--port", "0", "--max-header", "64kb"], { stdin: "ignore", stdout: out, stderr: err });
    const buffer = Buffer.alloc(4096);
    writeSync(1, buffer, 0, readSync(out, buffer));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
  }

  for (const kind of ["pipes", "sockets"] as const) {
    needs(linux).test(`hold up neither an upload nor the end: ${kind}`, async () => {
      await using parent = await Program.start([process.execPath, "-e", starter(kind)], { cwd: place.folder });
      const pid = Number(/pid=(\d+)/.exec(parent.stdout)?.[1]);
      try {
        // Each is a long line on stdout and one on stderr, a security event: twice what a socket holds on each.
        for (let i = 0; i < 10; i++) {
          using client = await RawClient.connect(parent.port);
          const answer = await client.send(request(parent.port, `GET /../${"x".repeat(LONG_BYTES)}`)).answer();
          expect(answer.status).toBe(403);
        }
        for (let i = 0; i < 3; i++) {
          using client = await RawClient.connect(parent.port);
          const fields = "Content-Type: application/json\r\nContent-Length: 2\r\n";
          expect((await client.send(request(parent.port, "POST /upload", fields, "{}")).answer()).status).toBe(201);
        }
        process.kill(pid, "SIGTERM");
        await until(() => !isRunning(pid), "the end");
      } finally {
        killAll([pid]);
      }
    });
  }
});
