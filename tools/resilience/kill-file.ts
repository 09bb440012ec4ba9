/**
 * kill -9 in the middle of one large upload, again and again:
 * `bun tools/resilience/kill-file.ts [--count N] [--seed N] [--mib N] [--binary FILE] [--summary FILE]`.
 *
 * A client uploads a file by PUT, as a form, or in chunks. The server is killed when the kernel has taken a random number of its bytes. In
 * one of four rounds that is all of them, and the kill comes while the server flushes the file, or answers. Held against the folder:
 * - the name has the whole content, or does not exist;
 * - a 201 that was received stands for a file that is there;
 * - once the next server says it is ready, nothing hidden is left.
 *
 * Killing the process leaves the kernel alive: this shows the order of steps, not that the disk has flushed.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../fuzz/random.ts";
import { Client, request } from "./support/client.ts";
import { conclude, LOOP_FLAGS, loopSettings, numberFlag, VIOLATIONS_MAX } from "./support/command.ts";
import { hiddenFiles } from "./support/ledger.ts";
import { ServerProcess } from "./support/server-process.ts";

const MIB = 2 ** 20;

/** Longest time from the last byte to the kill, ms. */
const FLUSH_MS = 200;

/** Longest wait for a killed process, ms. */
const END_MS = 10_000;

/** Bytes that are offered to the kernel at a time. */
const PIECE_BYTES = 262_144;

/** Kills between two lines of progress. */
const PROGRESS_KILLS = 20;

const WORDS = ["--quiet", "--uploads", "uploads", "--upload-any"];

/** Ways in which clients send a file. */
const KINDS = ["put", "chunked", "form"] as const;

type Kind = (typeof KINDS)[number];

interface KillFileOptions {
  readonly binary: string;
  readonly count: number;
  readonly seed: number;
  /** Size of the file. */
  readonly bytes: number;
  readonly progress?: (line: string) => void;
}

interface KillFileReport {
  readonly kills: number;
  readonly bytes: number;
  /** Names that had the whole content, and those of them whose 201 was received. */
  readonly whole: number;
  readonly promised: number;
  /** Kills that left a temporary file, which the next start removed. */
  readonly leftovers: number;
  readonly violations: readonly string[];
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const options = {
    ...LOOP_FLAGS,
    count: { type: "string", default: "200" },
    mib: { type: "string", default: "64" },
  } as const;
  const { values } = parseArgs({ options });
  const count = numberFlag("count", values.count, 1);
  const bytes = numberFlag("mib", values.mib, 1) * MIB;
  conclude(await killFileLoop({ ...loopSettings(values), count, bytes }), values.summary);
}

export async function killFileLoop({ binary, count, seed, bytes, progress }: KillFileOptions): Promise<KillFileReport> {
  const folder = mkdtempSync(join(tmpdir(), "kill-file-"));
  const uploads = join(folder, "uploads");
  for (const name of ["uploads", "resources"]) mkdirSync(join(folder, name));
  const random = new Random(seed);
  const content = contentOf(bytes, random);
  const digest = sha256(content);
  const report = { whole: 0, promised: 0, leftovers: 0 };
  const violations: string[] = [];
  const violated = (sentence: string) => {
    if (violations.length < VIOLATIONS_MAX) violations.push(sentence);
  };
  let server = await ServerProcess.start(binary, WORDS, folder);
  try {
    for (let round = 1; round <= count; round++) {
      const name = `file-${round}`;
      const kind = random.pick(KINDS);
      const answer = await uploadAndKill(server, name, kind, content, random);
      if (hiddenFiles(uploads).length > 0) report.leftovers++;
      const found = readdirSync(uploads).filter((file) => !file.startsWith("."));
      const isWhole = found.length === 1 && found[0] === name && sha256(readFileSync(join(uploads, name))) === digest;
      if (found.length > 0 && !isWhole)
        violated(`${kind} ${name}: the folder has ${found}, which is not the whole file`);
      if (answer !== null && answer !== 201) violated(`${kind} ${name} was answered with ${answer}`);
      if (answer === 201 && !isWhole) violated(`${kind} ${name} was promised by a 201 and is not there`);
      if (isWhole) report.whole++;
      if (answer === 201) report.promised++;
      server = await ServerProcess.start(binary, WORDS, folder);
      const left = hiddenFiles(uploads);
      if (left.length > 0) violated(`${kind} ${name}: the next start left ${left[0]}`);
      for (const file of found) rmSync(join(uploads, file));
      if (round % PROGRESS_KILLS === 0) {
        progress?.(
          `${round} kills, ${report.whole} whole, ${report.promised} promised, ${violations.length} violations`,
        );
      }
    }
  } finally {
    server.signal("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
  return { kills: count, bytes, ...report, violations };
}

/** Uploads until the kill. Returns the status of the answer, or null if none came. */
async function uploadAndKill(
  server: ServerProcess,
  name: string,
  kind: Kind,
  content: Uint8Array,
  random: Random,
): Promise<number | null> {
  using client = await Client.connect(server.port);
  if (client === null) throw new Error("a server that listens refused a connection");
  const isAll = random.oneIn(4);
  const end = isAll ? content.length : random.below(content.length);
  const [head, tail] = framing(server.port, name, kind, content.length);
  const answered = client.answer({ method: "PUT" });
  await client.send(head);
  for (let at = 0; at < end; at += PIECE_BYTES) {
    const piece = content.subarray(at, Math.min(end, at + PIECE_BYTES));
    const isSent = await client.send(kind === "chunked" ? chunk(piece) : piece);
    if (!isSent) throw new Error(`the server ended during an upload: ${server.printed}`);
  }
  if (isAll) {
    await client.send(tail);
    await Bun.sleep(random.below(FLUSH_MS));
  }
  server.signal("SIGKILL");
  await server.ended(END_MS);
  const answer = await answered;
  return typeof answer === "string" ? null : answer.status;
}

/** Returns the bytes before and after the content. */
function framing(port: number, name: string, kind: Kind, length: number): [head: string, tail: string] {
  if (kind === "put") return [request(port, `PUT /uploads/${name}`, `Content-Length: ${length}\r\n`), ""];
  if (kind === "chunked") {
    return [request(port, `PUT /uploads/${name}`, "Transfer-Encoding: chunked\r\n"), "0\r\n\r\n"];
  }
  const before = `--B\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`;
  const after = "\r\n--B--\r\n";
  const fields = `Content-Type: multipart/form-data; boundary=B\r\nContent-Length: ${before.length + length + after.length}\r\n`;
  return [request(port, "POST /uploads/", fields) + before, after];
}

function chunk(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

/** Returns bytes in which no part equals another: a cut, moved or repeated part shows. */
function contentOf(length: number, random: Random): Uint8Array {
  const words = new Uint32Array(length / 4);
  const seed = random.below(2 ** 30);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2_654_435_761);
  return new Uint8Array(words.buffer);
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
