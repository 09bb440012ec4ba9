/** The compiled file where other programs start it: how they learn where it is and that it is ready, and how it ends with them. */
import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "bun";
import { version } from "../../package.json";
import { Program, run } from "../support/binary.ts";
import { ipv6, LOOPBACK_HOSTS, needs, posix } from "../support/needs.ts";
import { descendantsOf } from "../support/processes.ts";
import { isRefused, RawClient, request, statusOf } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";
import { Workspace } from "../support/workspace.ts";

const place = new Workspace("starting");

type Environment = Readonly<Record<string, string>>;

const start = (words: readonly string[], env: Environment = {}) => place.start(["--port", "0", ...words], env);
const once = (words: readonly string[], env: Environment = {}) => place.run(words, env);

async function stop(program: Program): Promise<void> {
  program.signal("SIGTERM");
  expect(await program.ended()).toBe(0);
}

describe("a server on a free port", () => {
  needs(ipv6).test("answers on both loopback families, and the name localhost", async () => {
    await using program = await start([]);
    for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
      expect(await statusOf(`http://${host}:${program.port}/`)).toBe(200);
    }
  });

  test("says so in JSON, in one line and one write, in place of the text", async () => {
    const ready = /"port":(\d+),"url":"([^"]+)"/;
    const words = [place.program, "--port", "0", "--ready-format", "json", "--quiet"];
    await using program = await Program.start(words, { cwd: place.folder, env: { FORCE_COLOR: "1" }, ready });
    expect(await statusOf(program.url)).toBe(200);
    await stop(program);
    expect(program.stdoutPieces).toHaveLength(1);
    expect(program.stdout).toEndWith("}\n");
    const { port, url, pid } = program;
    expect(JSON.parse(program.stdout)).toEqual({
      event: "ready",
      port,
      url,
      urls: LOOPBACK_HOSTS.map((host) => `http://${host}:${port}`),
      pid,
      version,
      takesUploads: true,
    });
  });
});

describe("words that mean something else", () => {
  const mistakes: readonly [words: string, line: string][] = [
    ["0 dist", "; to serve a folder on a port: httpserver dist 0"],
    ["dist/page.html 0", "dist/page.html is a file, not a folder; to serve its folder: httpserver dist"],
    ["page.html", "page.html is a file, not a folder; to serve its folder: httpserver ."],
    ["run dist/page.html -- true", "; to serve its folder: httpserver run dist -- command"],
    ["--port 0 --root dist/page.html", "dist/page.html is a file, not a folder; name its folder: --root dist"],
  ];
  for (const [words, line] of mistakes) {
    test(`"${words}" are told so, with exit 3`, async () => {
      mkdirSync(place.path("dist"));
      for (const name of ["page.html", "dist/page.html"]) writeFileSync(place.path(name), "page");
      const { code, stderr } = await once(words.split(" "));
      expect(stderr).toEndWith(`${line}\n`);
      expect([code, stderr.trimEnd().split("\n")]).toEqual([3, [expect.any(String)]]);
    });
  }
});

describe("an uploads folder that cannot be used", () => {
  beforeEach(() => writeFileSync(place.path("uploads"), "a file"));

  test("is one warning if it is the default, and no line says that uploads go there", async () => {
    await using program = await start([]);
    await stop(program);
    expect(program.stderr.match(/uploads is not a folder/g)).toHaveLength(1);
    expect(program.stdout).not.toContain("Uploads go to");
  });

  test("is exit 3 if it was named, also by the name of the default", async () => {
    for (const [words, env] of [
      [["--uploads", "uploads"], {}],
      [[], { HTTPSERVER_UPLOADS: "uploads" }],
    ] as const) {
      const { code, stderr } = await once(words, env);
      expect([code, stderr]).toEqual([3, expect.stringContaining("uploads is not a folder")]);
    }
  });
});

test("an uploads folder that can be used is named by a line", async () => {
  await using program = await start([]);
  await stop(program);
  expect(program.stdout).toContain(`Uploads go to ${place.path("uploads")}\n`);
});

describe("a stub with a mistake", () => {
  test("is exit code 3 and one line with file and line, by flag and by variable, with a folder and without", async () => {
    mkdirSync(place.path("bad", "api"), { recursive: true });
    writeFileSync(place.path("bad", "api", "GET.http"), "HTTP/1.1 200 OK\nX-A: 1\nX-B\n\n");
    const expected =
      "error: --stubs: bad/api/GET.http:3: expected a field line, 'Name: value', or an empty line before the content\n";
    const byFlag = await once(["--port", "0", "--stubs", "bad"]);
    expect([byFlag.code, byFlag.stderr]).toEqual([3, expect.stringContaining(expected)]);
    const ofFolder = await once(["resources", "0", "--stubs=bad"], { HTTPSERVER_LOG_FORMAT: "pretty" });
    expect([ofFolder.code, ofFolder.stderr]).toEqual([3, expect.stringContaining(expected)]);
    const byVariable = await once(["run", "resources", "--", "true"], { HTTPSERVER_STUBS: "bad" });
    expect([byVariable.code, byVariable.stderr]).toEqual([3, expect.stringContaining(expected)]);
  });
});

describe("--port-file", () => {
  const file = () => place.path("run", "port");
  beforeEach(() => mkdirSync(place.path("run")));

  test("holds the port while the server listens, and nothing else is left beside it", async () => {
    await using program = await start(["--port-file", "run/port"]);
    expect(readFileSync(file(), "latin1")).toBe(`${program.port}\n`);
    expect(readdirSync(place.path("run"))).toEqual(["port"]);
    await stop(program);
    expect(readdirSync(place.path("run"))).toEqual([]);
  });

  test("is there before the ready line", async () => {
    const reader = '{ read -r line; cat run/port; echo "$line"; kill "$(echo "$line" | sed s/.*pid=//)"; }';
    const words = ["sh", "-c", `"$0" --port 0 --port-file run/port | ${reader}`, place.program];
    const { stdout } = await run(words, { cwd: place.folder });
    expect(stdout).toMatch(/^(\d+)\nListening on port \1 /);
  });

  test("replaces one that a killed server left", async () => {
    writeFileSync(file(), "1\n");
    await using program = await start(["--port-file", file()]);
    expect(readFileSync(file(), "latin1")).toBe(`${program.port}\n`);
  });

  test("stays when another server's has taken its place", async () => {
    await using first = await start(["--port-file", file()]);
    await using second = await start(["--port-file", file()]);
    await stop(first);
    expect(readFileSync(file(), "latin1")).toBe(`${second.port}\n`);
    await stop(second);
    expect(existsSync(file())).toBe(false);
  });

  test("that is gone, or a folder by now, does not keep the server from its end", async () => {
    await using program = await start(["--port-file", file()]);
    renameSync(file(), `${file()}.moved`);
    mkdirSync(file());
    await stop(program);
    expect(program.stderr).toBe("");
    expect(existsSync(file())).toBe(true);
  });

  for (const [what, path] of [
    ["in a folder that is not there", "missing/port"],
    ["that is a folder", "run"],
  ]) {
    test(`${what} is a start that fails with 3, in one line, and leaves nothing`, async () => {
      const { code, stdout, stderr } = await once(["--port", "0", "--port-file", String(path)]);
      expect([code, stdout]).toEqual([3, ""]);
      expect(stderr).toMatch(new RegExp(`^[^\\n]*error: cannot write --port-file ${path}: [^\\n]+\\n$`));
      expect(readdirSync(place.folder).sort()).toEqual(["resources", "run"]);
    });
  }
});

describe("--env-file", () => {
  const file = () => place.path("env");
  const lines = ({ url, port }: Program) => `HTTPSERVER_URL=${url}\nHTTPSERVER_PORT=${port}\n`;

  test("is made", async () => {
    await using program = await start(["--env-file", file()]);
    expect(readFileSync(file(), "latin1")).toBe(lines(program));
    await stop(program);
    expect(readFileSync(file(), "latin1")).toBe(lines(program));
  });

  for (const [what, before, kept] of [
    ["whole lines", "A=1\n", "A=1\n"],
    ["a line without an end", "A=1\nB=2", "A=1\nB=2\n"],
  ] as const) {
    test(`is appended to behind ${what}`, async () => {
      writeFileSync(file(), before);
      await using program = await start([], { HTTPSERVER_ENV_FILE: file() });
      expect(readFileSync(file(), "latin1")).toBe(kept + lines(program));
    });
  }

  test("that is a folder is a start that fails with 3, in one line", async () => {
    const { code, stdout, stderr } = await once(["--port", "0", "--env-file", "resources", "--port-file", "port"]);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^[^\n]*error: cannot write --env-file resources: [^\n]+\n$/);
    expect(existsSync(place.path("port"))).toBe(false);
  });
});

describe("an end that nobody signals", () => {
  test("--max-lifetime drains, says so also with --quiet, and is exit 0", async () => {
    await using program = await start(["--quiet", "--max-lifetime", "300ms", "--port-file", "port"]);
    expect(await program.ended()).toBe(0);
    expect(program.stderr).toMatch(/^\[[^\]]+\] warning: --max-lifetime 300ms is over: finishing [^\n]+\n$/);
    expect(existsSync(place.path("port"))).toBe(false);
  });

  needs(posix).test("--exit-with-parent drains when the parent is killed", async () => {
    const words = ["sh", "-c", '"$0" --port 0 --exit-with-parent & exec sleep 60', place.program];
    await using parent = await Program.start(words, { cwd: place.folder });
    const pid = Number(/pid=(\d+)/.exec(parent.stdout)?.[1]);
    try {
      parent.signal("SIGKILL");
      await parent.ended(); // Both pipes are the server's too.
      expect(parent.stderr).toContain("warning: the parent process has ended: finishing");
      expect(parent.stdout).toEndWith("Server stopped\n");
    } finally {
      killQuietly(pid);
    }
  });
});

describe("--exit-with-stdin", () => {
  const spawn = (words: readonly string[]) =>
    Bun.spawn([place.program, ...words], { cwd: place.folder, stdin: "pipe", stdout: "pipe", stderr: "pipe" });

  test("drains when the pipe ends, and takes no notice of its content", async () => {
    const child = spawn(["--port", "0", "--exit-with-stdin"]);
    child.stdin.write("a line\n");
    child.stdin.end();
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect(code).toBe(0);
    expect(stderr).toContain("warning: standard input has ended: finishing");
    expect(stdout).toEndWith("Server stopped\n");
  });

  needs(posix).test("leaves none to the command of run", async () => {
    const child = spawn(["run", "--exit-with-stdin", "--", "cat"]);
    expect(await child.exited).toBe(0);
  });
});

describe("HTTPSERVER_TEMPORARY_FOLDER", () => {
  /** Starts a server with a folder; the pipe stays open. */
  function lend(folder: string) {
    return Bun.spawn([place.program, "--port", "0", "--exit-with-stdin"], {
      cwd: place.folder,
      env: { ...process.env, HTTPSERVER_TEMPORARY_FOLDER: folder },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  test("is waited for, and removed at the end", async () => {
    const folder = join(tmpdir(), `httpserver-${crypto.randomUUID()}`);
    const child = lend(folder);
    mkdirSync(folder);
    child.stdin.write("complete\n");
    child.stdin.flush();
    for await (const piece of child.stdout) {
      if (new TextDecoder().decode(piece).includes("Listening on port ")) break;
    }
    expect(existsSync(folder)).toBe(true);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(existsSync(folder)).toBe(false);
  });

  test("is removed without a start if the pipe ends before it is complete", async () => {
    const folder = join(tmpdir(), `httpserver-${crypto.randomUUID()}`);
    mkdirSync(join(folder, "root"), { recursive: true });
    const child = lend(folder);
    child.stdin.end();
    expect([await child.exited, await child.stdout.text()]).toEqual([0, ""]);
    expect(existsSync(folder)).toBe(false);
  });

  test("is removed if the start fails", async () => {
    const folder = join(tmpdir(), `httpserver-${crypto.randomUUID()}`);
    mkdirSync(folder);
    renameSync(place.path("resources"), place.path("elsewhere"));
    const child = lend(folder);
    child.stdin.write("complete\n");
    child.stdin.end();
    expect(await child.exited).toBe(3);
    expect(existsSync(folder)).toBe(false);
  });

  test("needs --exit-with-stdin", async () => {
    const { code, stderr } = await once(["--port", "0"], { HTTPSERVER_TEMPORARY_FOLDER: "/tmp/httpserver-1" });
    expect(code).toBe(2);
    expect(stderr).toContain("error: HTTPSERVER_TEMPORARY_FOLDER needs --exit-with-stdin: ");
  });

  test.each(["/", "/tmp", "resources", "/tmp/httpserver-a/b"])("cannot be %p", async (path) => {
    const { code, stderr } = await once(["--port", "0", "--exit-with-stdin"], {
      HTTPSERVER_TEMPORARY_FOLDER: path,
    });
    expect(code).toBe(2);
    expect(stderr).toContain("error: HTTPSERVER_TEMPORARY_FOLDER: expected a folder such as ");
    expect(existsSync(place.path("resources"))).toBe(true);
  });
});

/** A program for Bun that prints the page on `/`. */
const PRINT_PAGE = "process.stdout.write(await (await fetch(process.env.HTTPSERVER_URL)).text())";

describe("run", () => {
  test("tells the command where the server is, leaves it stdout, and returns its exit code", async () => {
    const script = 'echo "$HTTPSERVER_URL $HTTPSERVER_PORT"; "$0" -e "$1"; exit 7';
    const { code, stdout, stderr } = await once(["run", "--", "sh", "-c", script, process.execPath, PRINT_PAGE]);
    expect(code).toBe(7);
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:(\d+) \1\npage$/);
    const [, port] = /:(\d+) /.exec(stdout) ?? [];
    expect(stderr).toStartWith(`Listening on port ${port} (http://127.0.0.1:${port}) pid=`);
    expect(stderr).not.toContain("GET /");
    expect(await isRefused(Number(port))).toBe(true);
  });

  test("shows request lines with --verbose", async () => {
    const { stdout, stderr } = await once(["run", "--verbose", "--", process.execPath, "-e", PRINT_PAGE]);
    expect(stdout).toBe("page");
    expect(stderr).toMatch(/"GET \/ HTTP\/1\.1" host=ok 200 /);
  });

  test("gives the command its stdin, its words and the rest of the environment", async () => {
    await using child = Bun.spawn(
      [place.program, "run", "-q", "--", "sh", "-c", 'cat; echo "$1 $OTHER"', "-", "a  --b"],
      {
        cwd: place.folder,
        env: { ...process.env, OTHER: "x" },
        stdin: new Blob(["typed\n"]),
        stdout: "pipe",
        stderr: "ignore",
      },
    );
    expect(await child.stdout.text()).toBe("typed\na  --b x\n");
    expect(await child.exited).toBe(0);
  });

  test("takes the port that is asked for, and fails with 3 before the command where it is taken", async () => {
    await using program = await start([]);
    const { code, stdout, stderr } = await once(["run", "--", "echo", "ran"], {
      HTTPSERVER_PORT: String(program.port),
    });
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^[^\n]*in use[^\n]*\n$/);
  });

  test("a command that is not there is 127, one that cannot be executed 126", async () => {
    writeFileSync(place.path("text"), "echo hi\n", { mode: 0o644 });
    for (const [words, code] of [
      [["no-such-command-anywhere"], 127],
      [["./missing"], 127],
      [["./text"], 126],
      [["./resources"], 126],
    ] as const) {
      const finished = await once(["run", "-q", "--", ...words]);
      expect([words, finished.code, finished.stdout]).toEqual([words, code, ""]);
      expect(finished.stderr).toContain(`error: cannot run ${words[0]}: `);
    }
  });

  test("a command that dies by a signal is 128 and its number", async () => {
    expect((await once(["run", "--", "sh", "-c", "kill -KILL $$"])).code).toBe(137);
  });

  /** Says where it runs, then each signal. Ends with 9 on SIGUSR1, after a line with the signals that it has had. */
  const listener = `const got = [];
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => { got.push(name); console.log("got", name); });
    process.on("SIGUSR1", () => { console.log("all", got.join()); process.exit(9); });
    console.log("up", process.env.HTTPSERVER_PORT, process.env.HTTPSERVER_URL);
    setInterval(() => {}, 1000);`;

  test("passes SIGINT, SIGTERM and SIGHUP on, and waits for the command", async () => {
    const words = [place.program, "run", "-q", "--", process.execPath, "-e", listener];
    await using program = await Program.start(words, { cwd: place.folder, ready: /^up (\d+) (\S+)$/m });
    for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) {
      program.signal(signal);
      await program.says(`got ${signal}\n`);
    }
    expect(await statusOf(program.url)).toBe(200);
    for (const command of descendantsOf(program.pid)) process.kill(command, "SIGUSR1");
    expect(await program.ended()).toBe(9);
  });

  test("ends with the command that a signal ends", async () => {
    const words = [place.program, "run", "-q", "--port-file", "port", "--", "sh", "-c"];
    const script = 'echo "up $HTTPSERVER_PORT $HTTPSERVER_URL"; exec sleep 60';
    await using program = await Program.start([...words, script], { cwd: place.folder, ready: /^up (\d+) (\S+)$/m });
    expect(readFileSync(place.path("port"), "latin1")).toBe(`${program.port}\n`);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(143);
    expect(existsSync(place.path("port"))).toBe(false);
  });

  test("does not repeat the Ctrl+C that a terminal sends to both", async () => {
    let shown = "";
    await using child = Bun.spawn([place.program, "run", "-q", "--", process.execPath, "-e", listener], {
      cwd: place.folder,
      terminal: {
        data: (_terminal, bytes) => {
          shown += Buffer.from(bytes).toString();
        },
      },
    });
    await until(() => shown.includes("up "), "the command");
    child.terminal?.write("\x03");
    await until(() => shown.includes("got SIGINT"), "the signal");
    // The server would have passed its own on as well. It takes signals in their order, so that one is there before the next.
    child.kill("SIGTERM");
    await until(() => shown.includes("got SIGTERM"), "the next signal");
    for (const command of descendantsOf(child.pid)) process.kill(command, "SIGUSR1");
    await until(() => /all \S+/.test(shown), "what it had");
    expect(/all (\S+)/.exec(shown)?.[1]).toBe("SIGINT,SIGTERM");
    expect(await child.exited).toBe(9);
  });

  test("--max-lifetime kills a command that does not listen, when the time of a drain is over", async () => {
    const deaf = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"];
    const words = ["run", "-q", "--max-lifetime", "100ms", "--shutdown-timeout", "200ms", "--", ...deaf];
    expect((await once(words)).code).toBe(137);
  });

  test("--max-lifetime ends the command as SIGTERM does", async () => {
    const { code, stderr } = await once(["run", "-q", "--max-lifetime", "200ms", "--", "sleep", "60"]);
    expect(code).toBe(143);
    expect(stderr).toContain("warning: --max-lifetime 200ms is over: ending the command\n");
  });

  test("does not wait until answers that are still on their way are complete", async () => {
    writeFileSync(place.path("resources", "large.bin"), "");
    truncateSync(place.path("resources", "large.bin"), 64 * 1024 * 1024);
    const words = [place.program, "run", "-q", "--shutdown-timeout", "1h", "--", "sh", "-c"];
    const script = 'echo "up $HTTPSERVER_PORT $HTTPSERVER_URL"; until [ -e enough ]; do sleep 0.02; done';
    await using program = await Program.start([...words, script], { cwd: place.folder, ready: /^up (\d+) (\S+)$/m });
    using client = await RawClient.connect(program.port, { onlyCount: true });
    await client.send(request(program.port, "GET /large.bin")).received(1);
    client.pause();
    writeFileSync(place.path("enough"), "");
    expect(await program.ended()).toBe(0);
  });

  describe("--strict", () => {
    /** Sends each request line on a connection of its own, and waits for its end. */
    const script = `for (const line of process.argv.slice(1)) {
      const { promise, resolve } = Promise.withResolvers();
      const head = line + "\\r\\nHost: localhost:" + process.env.HTTPSERVER_PORT + "\\r\\nConnection: close\\r\\n\\r\\n";
      const socket = { open: (to) => to.write(head), data() {}, close: resolve };
      await Bun.connect({ hostname: "127.0.0.1", port: Number(process.env.HTTPSERVER_PORT), socket });
      await promise;
    }`;
    const client = (...lines: readonly string[]) => [
      process.execPath,
      "-e",
      script,
      ...lines.map((line) => (line.includes("HTTP/") ? line : `${line} HTTP/1.1`)),
    ];
    const get = (...lines: readonly string[]) => ["run", "-q", "--strict", "--", ...client(...lines)];

    test("is 0 when each request was expected, refusals on purpose included", async () => {
      const { code, stderr } = await once(
        get(
          "GET /",
          "HEAD /index.html",
          "OPTIONS /",
          "GET /../x",
          "POST /upload",
          "POST /upload HTTP/1.1\r\nContent-Length: 0",
        ),
      );
      expect([code, stderr.split("\n").slice(1).join("")]).toEqual([0, expect.not.stringContaining("--strict")]);
    });

    test("is 0 when a fault was the cause", async () => {
      const [, ...words] = get("GET /");
      expect((await once(["run", "--fixture", "--fault", "GET / status=503", ...words])).code).toBe(0);
    });

    for (const [what, target, line] of [
      ["404", "GET /missing", '404 "GET /missing HTTP/1.1"'],
      ["405", "DELETE /", '405 "DELETE / HTTP/1.1"'],
      ["a version that is none of ours, 505", "GET / HTTP/3.0", "505 "],
    ] as const) {
      test(`is 4 after ${what}`, async () => {
        const { code, stderr } = await once(get("GET /", target));
        expect(code).toBe(4);
        expect(stderr).toContain("error: --strict: unexpected requests (answered 404, 405 or 5xx): 1\n");
        expect(stderr).toContain(`error: ${line}`);
      });
    }

    test("shows the first ten and counts the rest", async () => {
      const { code, stderr } = await once(get(...Array.from({ length: 13 }, (_, i) => `GET /missing-${i + 1}`)));
      expect(code).toBe(4);
      expect(stderr).toContain("5xx): 13\n");
      expect(Array.from(stderr.matchAll(/"GET \/missing-(\d+) /g), ([, number]) => number)).toEqual([
        ..."123456789",
        "10",
      ]);
      expect(stderr).toContain("error: and 3 more\n");
    });

    test("leaves the exit code of a command that failed", async () => {
      const words = ["run", "-q", "--strict", "--", "sh", "-c", '"$@"; exit 5', "-", ...client("GET /missing")];
      expect((await once(words)).code).toBe(5);
    });

    test("is 4 when a numbered stub was never reached, and names it; a 404 of a stub is expected", async () => {
      mkdirSync(place.path("stubs", "api"), { recursive: true });
      writeFileSync(place.path("stubs", "api", "GET.1.http"), "HTTP/1.1 404 Not Found\n\n");
      writeFileSync(place.path("stubs", "api", "GET.2.http"), "HTTP/1.1 200 OK\n\n");
      const words = (...lines: readonly string[]) => get(...lines).toSpliced(1, 0, "--stubs", "stubs");
      const short = await once(words("GET /api"));
      expect(short.code).toBe(4);
      expect(short.stderr).toContain("error: --strict: stubs that no request has reached: 1\n");
      expect(short.stderr).toContain("error: stubs/api/GET.2.http\n");
      expect(short.stderr).not.toContain("unexpected requests");
      expect((await once(words("GET /api", "GET /api"))).code).toBe(0);
    });

    test("does not count the probe", async () => {
      expect((await once(["run", "-q", "--strict", "--", place.program, "probe"])).code).toBe(0);
    });
  });
});

describe("probe", () => {
  const NOT_READY = /^httpserver: not ready after [\d.]+ s: /;

  test("finds a server by its URL, its port file, its variables, with a proxy set for elsewhere", async () => {
    await using program = await start(["--port-file", "port"]);
    const closed = { http_proxy: "http://127.0.0.1:9", HTTP_PROXY: "http://127.0.0.1:9" };
    for (const [words, env] of [
      [[program.url], closed],
      [["--port-file", "port"], {}],
      [[], { HTTPSERVER_PORT_FILE: "port" }],
      [[], { HTTPSERVER_PORT: String(program.port) }],
      [[], { HTTPSERVER_PORT: String(program.port), HTTPSERVER_HOST: "::" }],
      [[`${program.url}/index.html`], {}],
    ] as const) {
      expect(await once(["probe", ...words, "--timeout", "3s"], env)).toEqual({ code: 0, stdout: "", stderr: "" });
    }
  });

  needs(ipv6).test("finds a server that listens on ::1 alone", async () => {
    await using program = await start(["--host", "::1"]);
    expect((await once(["probe"], { HTTPSERVER_PORT: String(program.port) })).code).toBe(0);
  });

  test("takes the certificate of a server on loopback as it is", async () => {
    await using program = await start(["--tls-self-signed"]);
    expect(program.url).toStartWith("https:");
    expect((await once(["probe", program.url])).code).toBe(0);
    const env = { HTTPSERVER_TLS_SELF_SIGNED: "1", HTTPSERVER_PORT: String(program.port) };
    expect((await once(["probe"], env)).code).toBe(0);
  });

  test("takes 401 for the answer of a server that is ready", async () => {
    const hash = await Bun.password.hash("secret", { algorithm: "bcrypt", cost: 4 });
    await using program = await start([`--basic-auth=ann:${hash}`]);
    expect(await statusOf(program.url)).toBe(401);
    expect((await once(["probe", program.url])).code).toBe(0);
  });

  test("waits for a server that starts later, past a port file that a killed one left", async () => {
    let tries = 0;
    const hangUp = (socket: Socket) => {
      tries++;
      socket.terminate();
    };
    const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { open: hangUp, data() {} } });
    writeFileSync(place.path("port"), `${other.port}\n`);
    const waiting = once(["probe", "--port-file", "port", "--timeout", "10s", "--interval", "20ms"]);
    await until(() => tries > 0, "a try at the old port");
    other.stop(true);
    await using program = await start(["--port-file", "port"]);
    expect(await waiting).toEqual({ code: 0, stdout: "", stderr: "" });
    await program.says('"GET /__server/ready HTTP/1.1"');
  });

  test("says what it saw last, in one line, with exit 1: a closed port", async () => {
    const port = await closedPort();
    const { code, stdout, stderr } = await once(["probe", "--timeout", "300ms"], { HTTPSERVER_PORT: String(port) });
    expect([code, stdout]).toEqual([1, ""]);
    const seen = ["127.0.0.1", "[::1]"].map((host) => {
      const reason = LOOPBACK_HOSTS.includes(host) ? "connection refused" : "this machine has no such address";
      return `http://${host}:${port}/__server/ready: ${reason}`;
    });
    expect(stderr).toBe(`httpserver: not ready after 0.3 s: ${seen.join("; ")}\n`);
  });

  test("says what it saw last: no port file", async () => {
    const { code, stderr } = await once(["probe", "--port-file", "missing", "--timeout", "100ms"]);
    expect([code, stderr]).toEqual([1, "httpserver: not ready after 0.1 s: no port in missing\n"]);
  });

  test("another program on the port is not ours, unless it is asked for by a path", async () => {
    await using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const url = `http://127.0.0.1:${other.port}`;
    const { code, stderr } = await once(["probe", url, "--timeout", "200ms"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(NOT_READY);
    expect(stderr).toEndWith("/__server/ready: answered 200, and is another program\n");
    expect((await once(["probe", `${url}/`])).code).toBe(0);
  });

  test("a path has to answer 2xx, of whoever it is", async () => {
    await using program = await start([]);
    const { code, stderr } = await once(["probe", `${program.url}/missing`, "--timeout", "200ms"]);
    expect(code).toBe(1);
    expect(stderr).toEndWith("/missing: answered 404\n");
  });

  test("a server that accepts and says nothing is not ready", async () => {
    await using silent = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Promise<Response>(() => {}) });
    const { code, stderr } = await once(["probe", `http://127.0.0.1:${silent.port}`, "--timeout", "300ms"]);
    expect(code).toBe(1);
    expect(stderr).toEndWith("/__server/ready: no answer\n");
  });

  test("a mistake in its words is exit 2 at once", async () => {
    const { code, stdout, stderr } = await once(["probe", "8080"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^httpserver: probe: expected a URL [^\n]+\n$/);
  });
});

/** A port that somebody had a moment ago. */
async function closedPort(): Promise<number> {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, as it should.
  }
}
