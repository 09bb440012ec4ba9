/**
 * Disks that fail, fill, become read-only or vanish under the compiled server.
 *
 *     bun tools/resilience/disk.ts [part of a name]
 *
 * Each scenario breaks one thing and then holds the server to the same promises: the documented status; no 201 for an upload
 * that is not whole and flushed; nothing visible left of one that failed; a download that is either whole or seen to be short;
 * and a server that goes on, with its only slot and all its descriptors back. What this machine does not permit is skipped
 * and says why. Ends with 1 when a promise is broken.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, Program } from "../../test/support/binary.ts";
import { type Answer, RawClient, request } from "../../test/support/raw-client.ts";
import { until } from "../../test/support/waiting.ts";
import { FailingDisk, type Rule } from "./failing-disk.ts";
import { descriptorsOf, listeningPortOf } from "./support/process-figures.ts";

interface Scenario {
  readonly name: string;
  /** Why it cannot be tried on this machine, or null. */
  readonly obstacle: string | null;
  /** Rejects with the promise that was broken. `binary` is the compiled server. */
  run(binary: string): Promise<void>;
}

const PAGE = "<!doctype html><title>page</title>";

/** Two slices of a file and some more, no part like another. */
const LARGE = randomBytes(600_000);

const UPLOAD = JSON.stringify({ text: "x".repeat(100_000) });

/** One slot and no queue: a slot that is not given back refuses the next request. */
const WORDS = ["--port", "0", "--threads", "1", "--queue", "0", "--file-cache", "0"];

const NOBODY = 65_534;

// A site and its server -----------------------------------------------------------------------------------------------

/** A served folder and an uploads folder of one scenario; both go when it is disposed. */
class Site implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "disk-"));
  readonly root = join(this.folder, "resources");
  readonly uploads = join(this.folder, "uploads");
  readonly #mounted: string[] = [];

  constructor() {
    chmodSync(this.folder, 0o755); // Another user's server has to come here.
    mkdirSync(this.root);
    mkdirSync(this.uploads);
    writeFileSync(join(this.root, "index.html"), PAGE);
    writeFileSync(join(this.root, "large.bin"), LARGE);
  }

  /** A file system in memory over `folder`, with tmpfs's own words for its bounds. */
  mount(folder: string, bounds: string): void {
    const { exitCode, stderr } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", bounds, "tmpfs", folder]);
    assert.equal(exitCode, 0, stderr.toString());
    this.#mounted.push(folder);
  }

  remount(folder: string, mode: "ro" | "rw"): void {
    const { exitCode, stderr } = Bun.spawnSync(["mount", "-o", `remount,${mode}`, folder]);
    assert.equal(exitCode, 0, stderr.toString());
  }

  /** Names in the uploads folder; those with a dot are not shown to anybody. */
  names(kind: "visible" | "hidden"): string[] {
    return readdirSync(this.uploads).filter((name) => name.startsWith(".") === (kind === "hidden"));
  }

  [Symbol.dispose](): void {
    for (const folder of this.#mounted) Bun.spawnSync(["umount", "-l", folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function get(port: number, path: string): Promise<Answer> {
  using client = await RawClient.connect(port);
  return await client.send(request(port, `GET ${path}`, "Connection: close\r\n")).answer();
}

async function post(port: number, content = UPLOAD): Promise<Answer> {
  using client = await RawClient.connect(port);
  const fields = `Connection: close\r\nContent-Type: application/json\r\nContent-Length: ${content.length}\r\n`;
  return await client.send(request(port, "POST /upload", fields, content)).answer();
}

/** One upload. A 201 is checked against the disk; anything else must have left nothing to be seen. */
async function upload(site: Site, port: number): Promise<number> {
  const before = site.names("visible");
  const answer = await post(port);
  const added = site.names("visible").filter((name) => !before.includes(name));
  if (answer.status === 201) {
    assert.deepEqual(added, [(JSON.parse(answer.text) as { filepath: string }).filepath.slice("/uploads/".length)]);
    assert.equal(readFileSync(join(site.uploads, added[0] ?? ""), "latin1"), UPLOAD, "a 201 is not whole on disk");
  } else {
    assert.deepEqual(added, [], `${answer.status} left a file`);
  }
  return answer.status;
}

/** The page and the large file, as they are. */
async function servesFiles(port: number): Promise<void> {
  const page = await get(port, "/");
  assert.deepEqual([page.status, page.text], [200, PAGE], "the page is not served");
  const large = await get(port, "/large.bin");
  assert.equal(large.status, 200, "the large file is not served");
  assert(LARGE.equals(large.body), "the large file is not served as it is");
}

/** Everything works, and no more descriptors are open than before. */
async function isWell(site: Site, server: Server, before: number): Promise<void> {
  await servesFiles(server.port);
  assert.equal(await upload(site, server.port), 201, "the next upload fails");
  assert.deepEqual(site.names("hidden"), [], "a temporary file is left");
  await until(() => descriptorsOf(server.pid) <= before, "the descriptors to come back");
}

interface Server {
  readonly pid: number;
  readonly port: number;
}

function start(site: Site, binary: string, env: Readonly<Record<string, string>> = {}, words: readonly string[] = []) {
  return Program.start([binary, ...WORDS, ...words], { cwd: site.folder, env });
}

/** Descriptors once all that is opened only with the first use is open. */
async function warm(site: Site, server: Server): Promise<number> {
  await servesFiles(server.port);
  assert.equal(await upload(site, server.port), 201);
  await until(() => descriptorsOf(server.pid) <= FEW_DESCRIPTORS, "the first clients to be gone");
  return descriptorsOf(server.pid);
}

/** A server without connections has about ten; a client of ours that is not gone yet must not be counted as its own. */
const FEW_DESCRIPTORS = 12;

/** A server whose standard output is not ours to read: `redirection` is a shell's. Killed when it is disposed. */
async function startBlind(site: Site, binary: string, redirection: string): Promise<Server & AsyncDisposable> {
  const child = Bun.spawn(["bash", "-c", `exec "$0" "$@" ${redirection}`, binary, ...WORDS], {
    cwd: site.folder,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const stop = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  try {
    let port: number | null = null;
    await until(() => {
      port ??= listeningPortOf(child.pid);
      return port !== null;
    }, "a server that listens");
    return { pid: child.pid, port: port as unknown as number, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

// Calls that fail -----------------------------------------------------------------------------------------------------

/** A step of an upload, how it fails, and the statuses that may follow. */
const UPLOAD_FAULTS: readonly (readonly [step: string, rule: Rule, statuses: readonly number[]])[] = [
  ["to create the file", { call: "open", error: "ENOSPC", part: ".upload-" }, [507]],
  ["to create the file", { call: "open", error: "EDQUOT", part: ".upload-" }, [507]],
  ["to create the file", { call: "open", error: "EROFS", part: ".upload-" }, [500]],
  ["to create the file", { call: "open", error: "EACCES", part: ".upload-" }, [500]],
  ["to create the file", { call: "open", error: "EMFILE", part: ".upload-" }, [500, 503]],
  ["to create the file", { call: "open", error: "EIO", part: ".upload-" }, [500]],
  ["to create the file", { call: "open", error: "EINTR", part: ".upload-" }, [201, 500]],
  ["to write", { call: "write", error: "ENOSPC", part: ".upload-" }, [507]],
  ["to write", { call: "write", error: "EDQUOT", part: ".upload-" }, [507]],
  ["to write", { call: "write", error: "EIO", part: ".upload-" }, [500]],
  ["to write", { call: "write", error: "EINTR", part: ".upload-" }, [201, 500]],
  ["to write all at once", { call: "write", error: "short", part: ".upload-", fail: 3 }, [201]],
  ["to flush the file", { call: "fsync", error: "EIO", part: ".upload-" }, [500]],
  ["to flush the file", { call: "fsync", error: "ENOSPC", part: ".upload-" }, [507]],
  ["to flush the file", { call: "fsync", error: "EDQUOT", part: ".upload-" }, [507]],
  ["to link its name", { call: "link", error: "EIO", part: "upload_" }, [500]],
  ["to link its name", { call: "link", error: "ENOSPC", part: "upload_" }, [507]],
  ["to link its name", { call: "link", error: "EDQUOT", part: "upload_" }, [507]],
  ["to link its name", { call: "link", error: "EROFS", part: "upload_" }, [500]],
  ["to link its name", { call: "link", error: "EEXIST", part: "upload_", fail: 3 }, [201]],
  ["to link at all", { call: "link", error: "EPERM", part: "upload_" }, [201]],
  // The first open that matches is the temporary file's, and so is the first flush.
  ["to open the folder", { call: "open", error: "EMFILE", part: "/uploads", letThrough: 1 }, [500, 503]],
  ["to open the folder", { call: "open", error: "EIO", part: "/uploads", letThrough: 1 }, [500]],
  ["to flush the folder", { call: "fsync", error: "EIO", part: "/uploads", letThrough: 1 }, [500]],
  ["to flush the folder", { call: "fsync", error: "ENOSPC", part: "/uploads", letThrough: 1 }, [507]],
  ["to flush folders at all", { call: "fsync", error: "EINVAL", part: "/uploads", letThrough: 1 }, [201]],
];

/** A step of a download, how it fails, and what the client gets: a status, the whole, or less than was announced. */
const DOWNLOAD_FAULTS: readonly (readonly [path: string, rule: Rule, outcome: number | "whole" | "short"])[] = [
  ["/large.bin", { call: "stat", error: "EIO", part: "large.bin" }, 500],
  ["/large.bin", { call: "open", error: "EIO", part: "large.bin" }, 500],
  ["/large.bin", { call: "open", error: "EACCES", part: "large.bin" }, 403],
  ["/large.bin", { call: "open", error: "EMFILE", part: "large.bin" }, 503],
  ["/large.bin", { call: "open", error: "ENFILE", part: "large.bin" }, 503],
  ["/large.bin", { call: "open", error: "ENOMEM", part: "large.bin" }, 503],
  ["/large.bin", { call: "stat", error: "EIO", part: "large.bin", letThrough: 1 }, 500],
  ["/large.bin", { call: "read", error: "EIO", part: "large.bin" }, "short"],
  // A call of sendfile fails, and so does the read that finds out why.
  ["/large.bin", { call: "read", error: "EIO", part: "large.bin", letThrough: 1, fail: 2 }, "short"],
  ["/large.bin", { call: "send", error: "EIO", part: "large.bin" }, "whole"],
  ["/large.bin", { call: "send", error: "EINTR", part: "large.bin" }, "whole"],
  ["/large.bin", { call: "send", error: "EAGAIN", part: "large.bin", letThrough: 1 }, "whole"],
  ["/large.bin", { call: "send", error: "EINVAL", part: "large.bin", fail: 4 }, "whole"],
  ["/large.bin", { call: "send", error: "short", part: "large.bin", fail: 3 }, "whole"],
  ["/large.bin", { call: "read", error: "short", part: "large.bin", fail: 3 }, "whole"],
  ["/", { call: "read", error: "EIO", part: "index.html" }, 500],
  ["/", { call: "read", error: "short", part: "index.html", fail: 3 }, "whole"],
];

const noShim = "no C compiler for the shim, or neither Linux nor x86-64";

function injected(name: string, run: (site: Site, disk: FailingDisk, server: Server) => Promise<void>): Scenario {
  const hasCompiler = (Bun.which("cc") ?? Bun.which("gcc")) !== null;
  const isPossible = hasCompiler && process.platform === "linux" && process.arch === "x64";
  return {
    name,
    obstacle: isPossible ? null : noShim,
    async run(binary) {
      using site = new Site();
      const disk = FailingDisk.build(site.folder);
      assert(disk !== null, noShim);
      await using server = await start(site, binary, disk.env);
      await run(site, disk, server);
    },
  };
}

const uploadFaults = injected("an upload fails at each of its steps", async (site, disk, server) => {
  const before = await warm(site, server);
  for (const [step, rule, statuses] of UPLOAD_FAULTS) {
    await named(`fails ${step} (${rule.error})`, async () => {
      disk.obey(rule);
      const status = await upload(site, server.port);
      assert(statuses.includes(status), `answered ${status}`);
      assert.equal(disk.failedCalls, rule.fail ?? 1, "the fault did not happen");
      disk.obey(null);
      await isWell(site, server, before);
    });
  }
});

const downloadFaults = injected("a download fails at each of its steps", async (site, disk, server) => {
  const before = await warm(site, server);
  for (const [path, rule, outcome] of DOWNLOAD_FAULTS) {
    await named(`GET ${path} fails to ${rule.call} (${rule.error}, after ${rule.letThrough ?? 0})`, async () => {
      disk.obey(rule);
      if (outcome === "short") {
        await isCutShort(server.port, path);
      } else {
        const answer = await get(server.port, path);
        assert.equal(answer.status, outcome === "whole" ? 200 : outcome);
        if (outcome === "whole") assert((path === "/" ? Buffer.from(PAGE) : LARGE).equals(answer.body), "not as it is");
      }
      assert.equal(disk.failedCalls, rule.fail ?? 1, "the fault did not happen");
      disk.obey(null);
      await isWell(site, server, before);
    });
  }
});

/** The server closes before Content-Length is reached, and what came until then is right. */
async function isCutShort(port: number, path: string): Promise<void> {
  using client = await RawClient.connect(port);
  await client.send(request(port, `GET ${path}`)).left();
  const { text } = client;
  const headEnd = text.indexOf("\r\n\r\n") + 4;
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.match(text, new RegExp(`\r\nContent-Length: ${LARGE.length}\r\n`));
  assert(text.length - headEnd < LARGE.length, "the answer is as long as announced");
  assert.equal(text.slice(headEnd), LARGE.subarray(0, text.length - headEnd).toString("latin1"), "wrong bytes");
}

const unremovable: Scenario = {
  ...injected("", async () => {}),
  name: "a temporary file that cannot be removed is swept by the next start",
  async run(binary) {
    using site = new Site();
    const disk = FailingDisk.build(site.folder);
    assert(disk !== null, noShim);
    {
      await using server = await start(site, binary, disk.env);
      disk.obey({ call: "unlink", error: "EIO", part: ".upload-" });
      assert.equal(await upload(site, server.port), 201);
      assert.equal(disk.failedCalls, 1, "the fault did not happen");
      assert.equal(site.names("hidden").length, 1);
    }
    disk.obey(null);
    await using _next = await start(site, binary);
    assert.deepEqual(site.names("hidden"), []);
  },
};

// Disks that are full or read-only ------------------------------------------------------------------------------------

function mounted(name: string, run: (site: Site, binary: string) => Promise<void>): Scenario {
  return {
    name,
    obstacle: mayMount() ? null : "this user may not mount a tmpfs",
    async run(binary) {
      using site = new Site();
      await run(site, binary);
    },
  };
}

let mayMountKnown: boolean | undefined;

function mayMount(): boolean {
  if (mayMountKnown !== undefined) return mayMountKnown;
  const folder = mkdtempSync(join(tmpdir(), "mount-"));
  mayMountKnown =
    Bun.which("mount") !== null && Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", folder]).exitCode === 0;
  if (mayMountKnown) Bun.spawnSync(["umount", folder]);
  rmSync(folder, { recursive: true, force: true });
  return mayMountKnown;
}

const fullDisk = mounted("uploads until the disk is full, and again when there is space", async (site, binary) => {
  site.mount(site.uploads, "size=1m,mode=777");
  await using server = await start(site, binary);
  const before = await warm(site, server);
  let status = 201;
  for (let count = 0; status === 201 && count < 20; count++) status = await upload(site, server.port);
  assert.equal(status, 507);
  assert.equal(await upload(site, server.port), 507, "the next one on the full disk");
  assert.deepEqual(site.names("hidden"), []);
  for (const name of site.names("visible")) {
    assert.equal(readFileSync(join(site.uploads, name), "latin1"), UPLOAD, "a file that was answered 201 has changed");
    rmSync(join(site.uploads, name));
  }
  await isWell(site, server, before);
});

const noMoreFiles = mounted("uploads until the disk takes no more files", async (site, binary) => {
  site.mount(site.uploads, "size=8m,nr_inodes=6,mode=777");
  await using server = await start(site, binary);
  let status = 201;
  for (let count = 0; status === 201 && count < 20; count++) status = await upload(site, server.port);
  assert.equal(status, 507);
  for (const name of site.names("visible")) rmSync(join(site.uploads, name));
  assert.equal(await upload(site, server.port), 201);
});

const readOnly = mounted("the uploads' disk becomes read-only and writable again", async (site, binary) => {
  site.mount(site.uploads, "size=1m,mode=777");
  await using server = await start(site, binary);
  const before = await warm(site, server);
  site.remount(site.uploads, "ro");
  assert.equal(await upload(site, server.port), 500);
  await servesFiles(server.port);
  site.remount(site.uploads, "rw");
  await isWell(site, server, before);
});

const fullLogDisk = mounted("the log's disk is full and has space again", async (site, binary) => {
  const logs = join(site.folder, "logs");
  mkdirSync(logs);
  site.mount(logs, "size=64k,mode=777");
  const log = join(logs, "access.log");
  writeFileSync(join(logs, "ballast"), Buffer.alloc(60 * 1024));
  await using server = await start(site, binary, {}, ["--log-file", log]);
  for (let count = 0; count < 200; count++) await get(server.port, `/?${"x".repeat(100)}`);
  await until(() => server.stderr.includes("ENOSPC"), "the operator to be told");
  const before = await warm(site, server);
  rmSync(join(logs, "ballast"));
  await isWell(site, server, before);
  await until(() => /\d+ log lines were lost/.test(server.stderr), "the number of lost lines");
  await get(server.port, "/?afterwards");
  await until(() => readFileSync(log, "latin1").includes("/?afterwards"), "a line after the failure");
  // A line that was cut by the full disk stands alone: none is glued to another.
  for (const line of readFileSync(log, "latin1").split("\n")) assert((line.match(/GET \//g) ?? []).length <= 1, line);
});

// Folders that change -------------------------------------------------------------------------------------------------

function plain(name: string, run: (site: Site, binary: string) => Promise<void>): Scenario {
  return {
    name,
    obstacle: process.platform === "linux" ? null : "it looks into /proc",
    async run(binary) {
      using site = new Site();
      await run(site, binary);
    },
  };
}

const uploadsDeleted = plain(
  "the uploads folder is deleted, replaced by a file, and made again",
  async (site, binary) => {
    await using server = await start(site, binary);
    const before = await warm(site, server);
    rmSync(site.uploads, { recursive: true });
    assert.equal((await post(server.port)).status, 500);
    assert(!existsSync(site.uploads), "the server made the folder anew");
    writeFileSync(site.uploads, "a file");
    assert.equal((await post(server.port)).status, 500);
    assert.equal(readFileSync(site.uploads, "latin1"), "a file");
    await servesFiles(server.port);
    rmSync(site.uploads);
    mkdirSync(site.uploads);
    await isWell(site, server, before);
  },
);

const rootDisappears = plain("the served folder disappears and comes back", async (site, binary) => {
  await using server = await start(site, binary);
  const before = await warm(site, server);
  renameSync(site.root, `${site.root}.away`);
  for (const path of ["/", "/large.bin", "/missing"]) assert.equal((await get(server.port, path)).status, 404);
  assert.equal(await upload(site, server.port), 201);
  writeFileSync(site.root, "a file");
  for (const path of ["/", "/large.bin"]) assert.equal((await get(server.port, path)).status, 404);
  rmSync(site.root);
  renameSync(`${site.root}.away`, site.root);
  await isWell(site, server, before);
});

const noPermission: Scenario = {
  name: "permissions are taken away from an unprivileged server and given back",
  obstacle:
    process.getuid?.() === 0 && Bun.which("setpriv") !== null
      ? null
      : "only root with setpriv(1) can start a server as somebody else",
  async run(binary) {
    using site = new Site();
    chownSync(site.uploads, NOBODY, NOBODY);
    const copy = join(site.folder, "httpserver");
    await Bun.write(copy, Bun.file(binary)); // Where nobody may come, in contrast to a folder of ours.
    chmodSync(copy, 0o755);
    const words = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", copy, ...WORDS, "--listing"];
    mkdirSync(join(site.root, "shelf"));
    writeFileSync(join(site.root, "shelf", "secret"), "secret", { mode: 0o000 });
    await using server = await Program.start(words, { cwd: site.folder });
    const before = await warm(site, server);
    // A name that cannot be read is listed, and its size is not.
    const listed = await fetch(`${server.url}/shelf/`, {
      headers: { accept: "application/json", connection: "close" },
    });
    assert.partialDeepStrictEqual(await listed.json(), [{ name: "secret", size: null }]);
    chmodSync(site.uploads, 0o555);
    assert.equal(await upload(site, server.port), 500);
    chmodSync(site.uploads, 0o755);
    chmodSync(join(site.root, "large.bin"), 0o000);
    assert.equal((await get(server.port, "/large.bin")).status, 403);
    chmodSync(join(site.root, "large.bin"), 0o644);
    await isWell(site, server, before);
  },
};

// Logs that go nowhere ------------------------------------------------------------------------------------------------

const fullLogFile = plain("the log file takes nothing (/dev/full)", async (site, binary) => {
  await using server = await start(site, binary, {}, ["--log-file", "/dev/full"]);
  const before = await warm(site, server);
  await until(() => server.stderr.includes("ENOSPC"), "the operator to be told");
  await isWell(site, server, before);
  assert.equal(server.stderr.split("\n").filter((line) => line.includes("ENOSPC")).length, 1, "told more than once");
});

function blind(name: string, redirection: string): Scenario {
  return {
    ...plain(name, async (site, binary) => {
      await using server = await startBlind(site, binary, redirection);
      const before = await warm(site, server);
      // What is written to a descriptor of that number must not get into anybody's answer or file.
      for (let count = 0; count < 20; count++) await isWell(site, server, before);
    }),
    obstacle: Bun.which("bash") === null ? "there is no bash" : null,
  };
}

const blindLogs = [
  blind("standard output takes nothing (/dev/full)", "> /dev/full"),
  blind("standard output is closed", ">&-"),
  blind("standard output and error are closed", ">&- 2>&-"),
  blind("all three standard streams are closed", "<&- >&- 2>&-"),
  blind("the reader of standard output goes after one line", "> >(head -n 1)"),
  blind("the reader of both outputs goes at once", "> >(true) 2>&1"),
];

export const scenarios: readonly Scenario[] = [
  uploadFaults,
  downloadFaults,
  unremovable,
  fullDisk,
  noMoreFiles,
  readOnly,
  uploadsDeleted,
  rootDisappears,
  noPermission,
  fullLogFile,
  fullLogDisk,
  ...blindLogs,
];

/** Says in the failure's message what was tried. */
async function named(what: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function main(argv: readonly string[]): Promise<number> {
  using binary = await buildBinary();
  let broken = 0;
  for (const scenario of scenarios) {
    if (!scenario.name.includes(argv[0] ?? "")) continue;
    const startMs = performance.now();
    let verdict = "ok";
    if (scenario.obstacle !== null) {
      verdict = `skipped: ${scenario.obstacle}`;
    } else {
      await scenario.run(binary.path).catch((error: unknown) => {
        verdict = `BROKEN: ${error instanceof Error ? error.message : String(error)}`;
        broken++;
      });
    }
    process.stdout.write(`${scenario.name}: ${verdict} (${Math.round(performance.now() - startMs)} ms)\n`);
  }
  return broken > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main(Bun.argv.slice(2));
