/** No spelling of a path, and no link, shows what is not served: every form, as GET, HEAD and Range, against a real server. */
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "../../src/index.ts";
import { openBelow } from "../support/descriptors.ts";
import { isRoot } from "../support/needs.ts";
import { isWaiting } from "../support/processes.ts";
import type { Answer } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";
import { CANARY, type Ground, Lane, link, makeFifo, makeGround, PAGE, plant } from "./ground.ts";
import { type Form, pathForms } from "./paths.ts";

const LANES = 8;

/** The questions that are asked of every form. */
const QUESTIONS: readonly [method: string, fields: string][] = [
  ["GET", ""],
  ["HEAD", ""],
  ["GET", "Range: bytes=0-999\r\n"],
];

/** A root with pages, and canaries wherever a path could lead by mistake. */
function makeTrap(): Ground {
  const ground = makeGround("www/up");
  const { root, folder } = ground;
  plant(root, {
    "sub/index.html": PAGE,
    "sub/deep/index.html": PAGE,
    ".well-known/ok.txt": PAGE,
    ["é.html".normalize("NFC")]: PAGE,
    ["Å.html".normalize("NFD")]: PAGE,
    ".secret": CANARY,
    ".git/config": CANARY,
    ".git/.secret": CANARY,
    "sub/.secret": CANARY,
    "sub/.well-known/ok.txt": CANARY,
    ".well-known/.secret": CANARY,
    ".well-known/sub/.secret": CANARY,
    "up/stored.json": CANARY,
    "up/index.html": CANARY,
    "up/.unfinished": CANARY,
  });
  plant(folder, { "canary.txt": CANARY, "www-backup/canary.txt": CANARY, "ww/canary.txt": CANARY });
  link(root, "out", "../outside");
  link(root, "stored", join(root, "up"));
  link(root, "inside/self", ".");
  return ground;
}

function statusesOf(form: Form, fields: string): readonly number[] {
  return fields === "" ? form.statuses : form.statuses.map((status) => (status === 200 ? 206 : status));
}

/** Faults of one form, as sentences; none is what we want. */
async function faultsOf(lane: Lane, form: Form): Promise<string[]> {
  const faults: string[] = [];
  for (const [method, fields] of QUESTIONS) {
    const what = `${form.group}: ${method} ${JSON.stringify(form.target.slice(0, 200))} (${fields.trim()})`;
    try {
      const answer = await lane.ask(`${method} ${form.target}`, fields);
      const isExpected = statusesOf(form, fields).includes(answer.status);
      if (!isExpected) faults.push(`${what} is ${answer.status}, not ${statusesOf(form, fields)}`);
      if (isTold(answer)) faults.push(`${what} tells the canary`);
    } catch (error) {
      faults.push(`${what}: ${String(error)}`);
    }
  }
  return faults;
}

function isTold(answer: Answer): boolean {
  return answer.head.includes(CANARY) || answer.text.includes(CANARY);
}

test("more than a thousand spellings of a path give their status, and never the canary", async () => {
  using ground = makeTrap();
  await using server = await startServer(ground.options);
  const forms = pathForms(server.port, ground.folder);
  expect(forms.length).toBeGreaterThan(2500);
  const waiting = [...forms];
  const faults: string[] = [];
  const work = async () => {
    using lane = new Lane(server.port);
    for (let form = waiting.pop(); form !== undefined; form = waiting.pop())
      faults.push(...(await faultsOf(lane, form)));
  };
  await Promise.all(Array.from({ length: LANES }, work));
  expect(faults).toEqual([]);

  // It lives, has lost nothing, and has told the operator, in lines that nobody forged.
  expect(await (await fetch(`${server.url}/`)).text()).toBe(PAGE);
  expect(openBelow(ground.folder)).toEqual([]);
  expect(ground.warnings.filter((line) => line.includes("path traversal")).length).toBeGreaterThan(0);
  for (const line of ground.warnings) expect(line).toMatch(/^[^\p{Cc}]*$/u);
}, 20_000);

test("with cleanPaths, an untidy spelling is sent to a path of this host, and never to the canary", async () => {
  using ground = makeTrap();
  await using server = await startServer({ ...ground.options, cleanPaths: true });
  const forms = pathForms(server.port, ground.folder).filter(({ statuses }) => !statuses.includes(400));
  const waiting = [...forms];
  const faults: string[] = [];
  let redirected = 0;
  const work = async () => {
    using lane = new Lane(server.port);
    for (let form = waiting.pop(); form !== undefined; form = waiting.pop()) {
      const answer = await lane.ask(`GET ${form.target}`);
      const location = /^Location: (.*)\r$/im.exec(answer.head)?.[1];
      if (location === undefined) {
        if (!form.statuses.includes(answer.status)) faults.push(`${form.target} is ${answer.status}`);
        continue;
      }
      redirected++;
      if (!/^\/(?!\/)[!-~]*$/.test(location) || !/\/\/|\/(?:\.|%2e)/i.test(form.target)) {
        if (!form.statuses.includes(answer.status)) faults.push(`${form.target} is sent to ${location}`);
      }
      const followed = await lane.ask(`GET ${location}`);
      if (isTold(answer) || isTold(followed)) faults.push(`${form.target} tells the canary`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, work));
  expect(faults).toEqual([]);
  expect(redirected).toBeGreaterThan(100);
}, 20_000);

test("the canaries are where a path that is not checked would find them", async () => {
  using ground = makeTrap();
  await using server = await startServer({
    ...ground.options,
    root: ground.folder,
    uploads: join(ground.folder, "up"),
  });
  using lane = new Lane(server.port);
  for (const path of ["/outside/canary.txt", "/www/up/stored.json", "/www/out/canary.txt", "/www-backup/canary.txt"]) {
    expect(isTold(await lane.ask(`GET ${path}`))).toBe(true);
  }
});

test("a link that leads out of the root is refused, wherever in the path it stands and whatever it goes through", async () => {
  using ground = makeTrap();
  const { root, folder, outside } = ground;
  const targets: Record<string, string> = {
    relative: "../outside",
    absolute: outside,
    "above-and-back": "../www/../outside",
    "by-the-kernel": `/proc/self/root${outside}`,
    "by-a-thread": `/proc/thread-self/root${outside}`,
    "by-the-working-folder": `/proc/self/cwd/${"../".repeat(20)}${outside}`,
    sibling: "../www-backup",
    "shorter-sibling": "../ww",
    parent: "..",
    filesystem: "/",
    "twice-removed": "relative",
    "three-times-removed": "twice-removed",
    "through-a-folder": "sub/deep/up-and-out",
  };
  for (const [name, target] of Object.entries(targets)) link(root, name, target);
  symlinkSync("../../../outside", join(root, "sub/deep/up-and-out"));
  // A link outside that leads to the canary, and one that leads back in.
  symlinkSync("canary.txt", join(outside, "again.txt"));
  symlinkSync(root, join(outside, "home"));
  await using server = await startServer(ground.options);
  using lane = new Lane(server.port);
  const whole = ["canary.txt", "sub/canary.txt", "sub/", "sub", "", "none.txt", "none/none.txt", "again.txt"];
  const paths = Object.keys(targets).flatMap((name) => {
    if (name === "parent") return ["parent/outside/canary.txt", "parent/canary.txt", "parent/www-backup/canary.txt"];
    if (name === "filesystem")
      return [`filesystem${outside}/canary.txt`, "filesystem/etc/passwd", "filesystem/proc/self/environ"];
    if (name.includes("sibling")) return [`${name}/canary.txt`, `${name}/none.txt`];
    return whole.map((end) => `${name}/${end}`);
  });
  symlinkSync(join(outside, "canary.txt"), join(root, "last.txt"));
  symlinkSync("last.txt", join(root, "last-but-one.txt"));
  symlinkSync(`/proc/self/root${folder}/canary.txt`, join(root, "kernel.txt"));
  symlinkSync("/proc/self/environ", join(root, "environ.txt"));
  paths.push("last.txt", "last-but-one.txt", "kernel.txt", "environ.txt");
  const faults: string[] = [];
  for (const path of paths) {
    // A folder outside without an index, or a name that is missing in the last place of such a link, is missing or refused.
    const statuses = path.endsWith("/") || path.endsWith("/sub") ? [403, 404] : [403];
    faults.push(...(await faultsOf(lane, { target: `/${path}`, statuses, group: "links" })));
  }
  expect(faults).toEqual([]);
  expect(ground.warnings.filter((line) => line.includes("leads out of the root")).length).toBeGreaterThan(0);
  // The way back in is inside again: where a file is decides, not how it is reached.
  expect((await lane.ask("GET /relative/home/index.html")).text).toBe(PAGE);
  expect((await lane.ask("GET /inside/self/self/self/")).status).toBe(404);
  expect(openBelow(folder)).toEqual([]);
});

test("circles, links to nowhere and links that change into one another are missing", async () => {
  using ground = makeTrap();
  const { root } = ground;
  const targets = {
    me: "me",
    ping: "pong",
    pong: "ping",
    nowhere: "none",
    "nowhere-outside": "/none/none",
    deeper: "deeper/x",
  };
  for (const [name, target] of Object.entries(targets)) link(root, name, target);
  let last = "index.html";
  for (let i = 0; i < 60; i++) {
    link(root, `chain${i}`, last);
    last = `chain${i}`;
  }
  await using server = await startServer(ground.options);
  using lane = new Lane(server.port);
  const faults: string[] = [];
  for (const name of [...Object.keys(targets), "chain59"]) {
    for (const end of ["", "/", "/index.html"]) {
      faults.push(...(await faultsOf(lane, { target: `/${name}${end}`, statuses: [404], group: "circles" })));
    }
  }
  expect(faults).toEqual([]);
  expect((await lane.ask("GET /chain5")).text).toBe(PAGE);
});

test("a FIFO, a socket and a device are missing at once, in the root as behind a link, and are not even opened", async () => {
  using ground = makeTrap();
  const { root, outside } = ground;
  for (const folder of [root, outside]) {
    makeFifo(join(folder, "fifo.html"));
    if (isRoot) execFileSync("mknod", [join(folder, "zero.html"), "c", "1", "5"]);
  }
  using _inside = Bun.listen({ unix: join(root, "socket.html"), socket: { data() {} } });
  using _outside = Bun.listen({ unix: join(outside, "socket.html"), socket: { data() {} } });
  const names = ["fifo.html", "socket.html", ...(isRoot ? ["zero.html"] : [])];
  for (const name of names) link(root, `to-${name}`, `../outside/${name}`);
  for (const device of ["zero", "null", "tty", "full"]) link(root, `dev-${device}`, `/dev/${device}`);
  const all = readdirNames(names);
  await using server = await startServer(ground.options);
  using lane = new Lane(server.port);
  // It waits for a reader; whoever opened the FIFO would let it go on, into nothing.
  await using writer = Bun.spawn(["sh", "-c", `echo lost > '${join(root, "fifo.html")}'`], { stderr: "ignore" });
  await until(() => isWaiting(writer.pid), "the writer to wait for a reader");
  const faults: string[] = [];
  for (const name of all) {
    for (const end of ["", "/", "/x"]) {
      // Below a link that leads out nobody learns whether there is a folder.
      faults.push(...(await faultsOf(lane, { target: `/${name}${end}`, statuses: [404], group: "special" })));
    }
  }
  expect(faults).toEqual([]);
  expect(writer.exitCode).toBe(null);
  expect(execFileSync("cat", [join(root, "fifo.html")], { encoding: "utf8" })).toBe("lost\n");
  expect(openBelow(ground.folder).filter((path) => !path.endsWith("socket.html"))).toEqual([]);
});

function readdirNames(names: readonly string[]): string[] {
  return [...names, ...names.map((name) => `to-${name}`), "dev-zero", "dev-null", "dev-tty", "dev-full"];
}

test("uploads inside the root are read back under /uploads alone, and only when that is asked for", async () => {
  using ground = makeTrap();
  mkdirSync(join(ground.root, "uploads"));
  await using server = await startServer({ ...ground.options, serveUploads: true });
  using lane = new Lane(server.port);
  expect((await lane.ask("GET /uploads/stored.json")).text).toBe(CANARY);
  const faults: string[] = [];
  for (const path of [
    "/up/stored.json",
    "/stored/stored.json",
    "/out/canary.txt",
    "/uploads/.unfinished",
    "/uploads/../.secret",
  ]) {
    faults.push(...(await faultsOf(lane, { target: path, statuses: [403, 404], group: "uploads" })));
  }
  expect(faults).toEqual([]);
});
