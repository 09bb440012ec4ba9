/**
 * Ceph on one node, in a folder of its own: one monitor, one disk daemon on a sparse file, and the gateway that speaks S3. Loopback addresses,
 * no authentication inside the cluster, one copy of each object. Debian's packages bring the programs: ceph-mon, ceph-osd, radosgw, ceph-common.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Bytes of the disk, a sparse file. */
const DISK_BYTES = 20 * 2 ** 30;

/** Longest wait for a daemon, ms, and between two looks at it. */
const READY_MS = 60_000;
const LOOK_MS = 100;

export const KEYS = { accessKeyId: "resilience", secretAccessKey: "resilience-secret" } as const;

/** Programs that have to be installed. */
export const CEPH_PROGRAMS = ["ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin", "monmaptool"] as const;

type Daemon = Bun.Subprocess<"ignore", Bun.BunFile, Bun.BunFile>;

const running = new Set<Daemon>();

process.on("exit", () => {
  for (const daemon of running) daemon.kill("SIGKILL");
});

export class Ceph implements AsyncDisposable {
  readonly #folder: string;
  readonly #port: number;
  readonly #daemons: Daemon[] = [];
  #gateway: Daemon | null = null;

  /** Starts all of it. Takes ten seconds. */
  static async start(folder: string): Promise<Ceph> {
    const ceph = new Ceph(folder, freePort());
    await ceph.#make();
    return ceph;
  }

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
  }

  /** URL of the gateway. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Ends the gateway in the middle of what it does. */
  async kill(): Promise<void> {
    const gateway = this.#gateway;
    this.#gateway = null;
    gateway?.kill("SIGKILL");
    await gateway?.exited;
  }

  /** Starts the gateway, and resolves when it answers. */
  async startGateway(): Promise<void> {
    this.#gateway = this.#spawn("radosgw", "-f", "-n", "client.rgw");
    await until("the gateway to answer", async () => (await fetch(this.url).catch(() => null)) !== null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const daemon of this.#daemons.reverse()) {
      daemon.kill("SIGKILL");
      await daemon.exited;
    }
  }

  async #make(): Promise<void> {
    const fsid = crypto.randomUUID();
    const [first, second] = [freePort(), freePort()];
    const monitor = `[v2:127.0.0.1:${first},v1:127.0.0.1:${second}]`;
    for (const name of ["mon", "osd", "rgw"]) mkdirSync(join(this.#folder, name), { recursive: true });
    writeFileSync(join(this.#folder, "ceph.conf"), this.#configuration(fsid, monitor));
    await this.#run("monmaptool", "--create", "--addv", "a", monitor, "--fsid", fsid, join(this.#folder, "monmap"));
    await this.#run("ceph-mon", "--mkfs", "-i", "a", "--monmap", join(this.#folder, "monmap"));
    this.#daemons.push(this.#spawn("ceph-mon", "-f", "-i", "a"));
    const disk = crypto.randomUUID();
    await this.#run("ceph", "--connect-timeout", "30", "osd", "new", disk);
    await this.#run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk, "--no-mon-config");
    this.#daemons.push(this.#spawn("ceph-osd", "-f", "-i", "0"));
    await until("the disk to be up", async () => (await this.#run("ceph", "osd", "stat")).includes("1 up"));
    await this.startGateway();
    const { accessKeyId, secretAccessKey } = KEYS;
    const keys = ["--access-key", accessKeyId, "--secret-key", secretAccessKey];
    await this.#run(
      "radosgw-admin",
      "-n",
      "client.rgw",
      "user",
      "create",
      "--uid",
      "r",
      "--display-name",
      "r",
      ...keys,
    );
  }

  #configuration(fsid: string, monitor: string): string {
    const folder = this.#folder;
    return `[global]
fsid = ${fsid}
mon initial members = a
mon host = ${monitor}
public addr = 127.0.0.1
public network = 127.0.0.0/8
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
osd objectstore = bluestore
bluestore block size = ${DISK_BYTES}
osd memory target = 939524096
run dir = ${folder}
log file = ${folder}/$name.log
pid file = ${folder}/$name.pid
admin socket = ${folder}/$name.asok
mon data = ${folder}/mon
osd data = ${folder}/osd
rgw data = ${folder}/rgw
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${this.#port}
`;
  }

  #spawn(program: string, ...words: readonly string[]): Daemon {
    const output = Bun.file(join(this.#folder, `${program}.out`));
    const daemon = Bun.spawn([program, "-c", join(this.#folder, "ceph.conf"), ...words], {
      stdin: "ignore",
      stdout: output,
      stderr: output,
    });
    running.add(daemon);
    daemon.exited.finally(() => running.delete(daemon));
    return daemon;
  }

  /** Runs a command to its end, and returns what it prints. Throws if it fails. */
  async #run(program: string, ...words: readonly string[]): Promise<string> {
    const configuration = program === "monmaptool" ? [] : ["-c", join(this.#folder, "ceph.conf")];
    const command = Bun.spawn([program, ...configuration, ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [printed, errors, code] = await Promise.all([command.stdout.text(), command.stderr.text(), command.exited]);
    if (code !== 0) throw new Error(`${program} ${words.join(" ")} ended with ${code}: ${errors.slice(-2000)}`);
    return printed;
  }
}

/** A port that was free a moment ago. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + READY_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${READY_MS} ms for ${what}`);
    await Bun.sleep(LOOK_MS);
  }
}

/** Largest resident memory that a process has had, MiB; 0 if it has ended. */
export function peakMemoryOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
