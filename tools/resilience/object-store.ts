/**
 * kill -9 of the server and of its object store during uploads:
 * `bun tools/resilience/object-store.ts [--count N] [--kills N] [--store-kills N] [--seed N] [--binary FILE] [--summary FILE]`.
 *
 * The store is Ceph's gateway on one node (support/ceph.ts). Clients upload JSON, small files by name, and files in parts, each once and
 * with content of its own; sometimes two of them want the same name. Servers and gateways are killed in between, and started again. At the
 * end every object is read from the store, by Bun's client and not by ours:
 * - a 201 that a client has received stands for an object with the content that was sent, whole;
 * - no content is in two objects, and no object has another content;
 * - no name was promised twice;
 * - an upload that was refused (409, 503 …) is no promise: it may be there or not, once.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { S3Client } from "bun";
import { Signer } from "../../src/handlers/uploads/s3/signature.ts";
import { Random } from "../fuzz/random.ts";
import { CEPH_PROGRAMS, Ceph, KEYS, peakMemoryOf } from "./support/ceph.ts";
import { type Answer, Client, request } from "./support/client.ts";
import { conclude, LOOP_FLAGS, loopSettings, numberFlag, say, VIOLATIONS_MAX } from "./support/command.ts";
import { ServerProcess } from "./support/server-process.ts";

const BUCKET = "uploads";
const PREFIX = "in";
const REGION = "us-east-1";

const WORDS = ["--quiet", "--uploads", `s3://${BUCKET}/${PREFIX}`, "--upload-any", "--threads", "16"];

/** Clients, each with one upload at a time. */
const CLIENTS = 12;

/** One of so many uploads has a name, and one of so many comes in parts. */
const NAMED = 8;
const LARGE = 40;

/** Bytes of uploads. */
const SMALL_BYTES_MAX = 20_000;
const LARGE_BYTES_MIN = 9 * 2 ** 20;
const LARGE_BYTES_MAX = 20 * 2 ** 20;

/** Bytes that are offered to the kernel at a time. */
const PIECE_BYTES = 262_144;

/** Longest wait for an answer, ms: twice the server's own wait for the store. */
const ANSWER_MS = 60_000;

/** Longest wait for a process to end, ms. */
const END_MS = 30_000;

/** Longest time without a gateway, ms, and longest time until a kill, ms. */
const AWAY_MS = 3000;
const KILL_MS = 1000;

/** Uploads between two lines of progress. */
const PROGRESS_UPLOADS = 1000;

/** Objects that are read at the same time at the end. */
const READERS = 8;

/** Answers and endings that a kill explains, or a name that is taken. */
const FAILURES: ReadonlySet<string> = new Set(["409", "503", "fin", "reset"]);

interface Upload {
  readonly kind: "json" | "named" | "parts";
  /** Null: the server makes one. */
  readonly name: string | null;
  readonly content: Uint8Array;
  readonly sha256: string;
}

interface ObjectStoreOptions {
  readonly binary: string;
  /** Uploads that get a 201. */
  readonly count: number;
  readonly kills: number;
  readonly storeKills: number;
  readonly seed: number;
  readonly progress: (line: string) => void;
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const options = {
    ...LOOP_FLAGS,
    count: { type: "string", default: "10000" },
    kills: { type: "string", default: "50" },
    "store-kills": { type: "string", default: "20" },
  } as const;
  const { values } = parseArgs({ options });
  const missing = CEPH_PROGRAMS.filter((program) => Bun.which(program) === null);
  if (missing.length > 0) {
    say(`${missing.join(", ")} not found: apt-get install ceph-mon ceph-osd radosgw`);
    process.exit(2);
  }
  const count = numberFlag("count", values.count, 1);
  const kills = numberFlag("kills", values.kills, 0);
  const storeKills = numberFlag("store-kills", values["store-kills"], 0);
  conclude(await objectStoreLoop({ ...loopSettings(values), count, kills, storeKills }), values.summary);
}

async function objectStoreLoop(options: ObjectStoreOptions) {
  const folder = mkdtempSync(join(tmpdir(), "object-store-"));
  try {
    mkdirSync(join(folder, "resources"));
    writeFileSync(join(folder, "resources", "index.html"), "page");
    await using ceph = await Ceph.start(join(folder, "ceph"));
    await makeBucket(ceph.url);
    return await new Loop(options, ceph, folder).run();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Loop {
  readonly #options: ObjectStoreOptions;
  readonly #ceph: Ceph;
  readonly #folder: string;
  readonly #random: Random;
  readonly #violations: string[] = [];
  /** Digests of everything that was about to be sent. */
  readonly #sent = new Map<string, Upload>();
  /** Digest by name, of every 201. */
  readonly #promised = new Map<string, string>();
  /** By kind, and status or ending. */
  readonly #outcomes: Record<string, number> = {};
  readonly #promisedKinds: Record<Upload["kind"], number> = { json: 0, named: 0, parts: 0 };
  #server: ServerProcess | null = null;
  #uploads = 0;
  #kills = 0;
  #storeKills = 0;
  #peakMib = 0;
  #lastName = "";

  constructor(options: ObjectStoreOptions, ceph: Ceph, folder: string) {
    this.#options = options;
    this.#ceph = ceph;
    this.#folder = folder;
    this.#random = new Random(options.seed);
  }

  async run() {
    const { kills, storeKills } = this.#options;
    const startMs = performance.now();
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
      AWS_REGION: REGION,
      AWS_ENDPOINT_URL_S3: this.#ceph.url,
    });
    await this.#start();
    const clients = Array.from({ length: CLIENTS }, () => this.#client());
    await Promise.all([...clients, this.#killServers(), this.#killStores()]);
    await this.#end("SIGTERM");
    const uploadSeconds = (performance.now() - startMs) / 1000;
    const { objects, bytes, pending } = await this.#readAll();
    return {
      uploads: this.#uploads,
      promised: this.#promised.size,
      promisedKinds: this.#promisedKinds,
      outcomes: this.#outcomes,
      kills: this.#kills,
      storeKills: this.#storeKills,
      wanted: { kills, storeKills },
      objects,
      mebibytes: Math.round(bytes / 2 ** 20),
      /** Objects without a 201: the answer was lost with the server, or came too late. */
      unpromised: objects - this.#promised.size,
      /** Names that an upload in parts has kept, and whose server was killed. */
      pending,
      uploadSeconds: Math.round(uploadSeconds),
      peakMib: Math.round(this.#peakMib),
      violations: this.#violations,
    };
  }

  get #isDone(): boolean {
    return this.#promised.size >= this.#options.count;
  }

  // Servers and gateways.

  async #start(): Promise<void> {
    this.#server = await ServerProcess.start(this.#options.binary, WORDS, this.#folder);
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    this.#peakMib = Math.max(this.#peakMib, peakMemoryOf(server.pid));
    server.signal(signal);
    const exit = await server.ended(END_MS);
    if (exit !== (signal === "SIGKILL" ? signal : 0)) this.#violated(`a server ended with ${exit}: ${server.printed}`);
  }

  async #killServers(): Promise<void> {
    const { count, kills } = this.#options;
    while (this.#kills < kills && !this.#isDone) {
      if (this.#promised.size < ((this.#kills + 1) * count) / (kills + 1)) {
        await Bun.sleep(20);
        continue;
      }
      await Bun.sleep(this.#random.below(KILL_MS));
      await this.#end("SIGKILL");
      this.#kills++;
      await this.#start();
    }
  }

  async #killStores(): Promise<void> {
    const { count, storeKills } = this.#options;
    while (this.#storeKills < storeKills && !this.#isDone) {
      if (this.#promised.size < ((this.#storeKills + 1) * count) / (storeKills + 1)) {
        await Bun.sleep(20);
        continue;
      }
      await Bun.sleep(this.#random.below(KILL_MS));
      await this.#ceph.kill();
      this.#storeKills++;
      await Bun.sleep(this.#random.below(AWAY_MS));
      await this.#ceph.startGateway();
    }
  }

  // Clients.

  async #client(): Promise<void> {
    while (!this.#isDone) {
      const port = this.#server?.port ?? 0;
      using client = port === 0 ? null : await Client.connect(port);
      if (client === null) {
        await Bun.sleep(10);
        continue;
      }
      const upload = this.#makeUpload();
      this.#sent.set(upload.sha256, upload);
      this.#uploads++;
      const answer = await send(client, port, upload);
      const outcome = typeof answer === "string" ? answer : String(answer.status);
      const key = `${upload.kind} ${outcome}`;
      this.#outcomes[key] = (this.#outcomes[key] ?? 0) + 1;
      if (typeof answer !== "string" && answer.status === 201) this.#promise(upload, answer);
      else if (!FAILURES.has(outcome)) this.#violated(`${upload.kind} was answered with ${outcome}`);
    }
  }

  #makeUpload(): Upload {
    const random = this.#random;
    const number = this.#uploads;
    if (random.oneIn(LARGE)) {
      const bytes = LARGE_BYTES_MIN + random.below(LARGE_BYTES_MAX - LARGE_BYTES_MIN);
      return uploadOf("parts", `large-${number}.bin`, filled(bytes, number));
    }
    const text = `["${number} ${this.#options.seed}${"x".repeat(random.below(SMALL_BYTES_MAX))}"]`;
    const content = new TextEncoder().encode(text);
    if (!random.oneIn(NAMED)) return uploadOf("json", null, content);
    const isAgain = random.oneIn(4) && this.#lastName !== "";
    if (!isAgain) this.#lastName = `small ${number}.json`;
    return uploadOf("named", this.#lastName, content);
  }

  #promise({ kind, name, sha256, content }: Upload, { body }: Answer): void {
    const report = JSON.parse(Buffer.from(body).toString()) as { filepath: string; bytes: number; sha256: string };
    const own = decodeURIComponent(report.filepath.replace("/uploads/", ""));
    if (report.sha256 !== sha256 || report.bytes !== content.length || (name ?? own) !== own) {
      this.#violated(`the 201 for ${own} is not about what was sent`);
    }
    if (this.#promised.has(own)) this.#violated(`${own} was promised twice`);
    this.#promised.set(own, sha256);
    this.#promisedKinds[kind]++;
    if (this.#promised.size % PROGRESS_UPLOADS === 0) {
      const { progress } = this.#options;
      const { size } = this.#promised;
      progress(`${size} uploads, ${this.#kills} and ${this.#storeKills} kills, ${this.#violations.length} violations`);
    }
  }

  #violated(sentence: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(sentence);
  }

  // The store, read by another client.

  async #readAll(): Promise<{ objects: number; bytes: number; pending: number }> {
    const s3 = new S3Client({ ...KEYS, bucket: BUCKET, endpoint: this.#ceph.url, region: REGION });
    const names = await namesIn(s3);
    /** Name by digest. */
    const seen = new Map<string, string>();
    let [objects, bytes, pending] = [0, 0, 0];
    const read = async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const content = await s3.file(`${PREFIX}/${name}`).bytes();
        if (content.length === 0 && !this.#promised.has(name)) {
          pending++;
          continue;
        }
        objects++;
        bytes += content.length;
        const sha256 = digestOf(content);
        const other = seen.get(sha256);
        if (!this.#sent.has(sha256)) this.#violated(`${name} holds what nothing has sent`);
        if (other !== undefined) this.#violated(`${name} holds the same upload as ${other}`);
        seen.set(sha256, name);
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    for (const [name, sha256] of this.#promised) {
      if (seen.get(sha256) !== name) this.#violated(`${name} was promised by a 201 and is not there, or not whole`);
    }
    return { objects, bytes, pending };
  }
}

async function makeBucket(url: string): Promise<void> {
  const signer = new Signer(
    { accessKey: KEYS.accessKeyId, secretKey: KEYS.secretAccessKey, sessionToken: null },
    REGION,
  );
  const authority = url.replace("http://", "");
  const sha256 = digestOf(new Uint8Array(0));
  const unsigned = { method: "PUT", authority, path: `/${BUCKET}`, query: [], lines: [], sha256 };
  const headers = signer.sign(unsigned, Date.now()).map(([name, value]): [string, string] => [name, value]);
  const { status } = await fetch(`${url}/${BUCKET}`, { method: "PUT", headers });
  if (status !== 200) throw new Error(`the bucket cannot be made: ${status}`);
}

/** Returns the names of all objects of uploads. */
async function namesIn(s3: S3Client): Promise<string[]> {
  const names: string[] = [];
  for (let startAfter: string | undefined; ; ) {
    const { contents = [], isTruncated } = await s3.list({
      prefix: `${PREFIX}/`,
      ...(startAfter === undefined ? {} : { startAfter }),
    });
    names.push(...contents.map(({ key }) => key.slice(PREFIX.length + 1)).filter((name) => !name.startsWith(".")));
    startAfter = contents.at(-1)?.key;
    if (isTruncated !== true) return names;
  }
}

/** Sends one upload. Resolves with the answer, or with how the connection ended. */
async function send(client: Client, port: number, { kind, name, content }: Upload): Promise<Answer | string> {
  const answered = client.answer({ method: "PUT", waitMs: ANSWER_MS });
  const length = `Content-Length: ${content.length}\r\n`;
  const head =
    kind === "json"
      ? request(port, "POST /upload", `Content-Type: application/json\r\n${length}`)
      : request(port, `PUT /uploads/${encodeURIComponent(name ?? "")}`, length);
  let isSent = await client.send(head);
  for (let at = 0; isSent && at < content.length; at += PIECE_BYTES) {
    isSent = await client.send(content.subarray(at, at + PIECE_BYTES));
  }
  return answered;
}

function uploadOf(kind: Upload["kind"], name: string | null, content: Uint8Array): Upload {
  return { kind, name, content, sha256: digestOf(content) };
}

/** Returns bytes in which no part equals another, and that differ by `number`. */
function filled(bytes: number, number: number): Uint8Array {
  const words = new Uint32Array(bytes >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + number * 7_919, 2_654_435_761);
  return new Uint8Array(words.buffer);
}

function digestOf(content: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}
