/** One of the two executables at work, and what a client of it has to know to fill in a case's placeholders. */
import { existsSync, realpathSync } from "node:fs";
import { Program } from "../../../test/support/binary.ts";
import { RawClient } from "../../../test/support/raw-client.ts";
import { until } from "../../../test/support/waiting.ts";
import type { Case, Conversation, Transcript } from "./case.ts";
import { QUIET } from "./case.ts";

/** Milliseconds until a connection that should have closed counts as open, and until an answer is not waited for any more. */
const CLOSE_MS = 10_000;
const ANSWER_MS = 1_000;

/** A server outlives neither this process nor this time. */
const LIFETIME = "2h";

export class ComparedServer implements AsyncDisposable {
  readonly #program: Program;
  readonly port: number;
  readonly pid: number;
  readonly #etags = new Map<string, string>();
  readonly #credentials: string;

  /** `executable` is a program, or a source file that this Bun runs. `etagsOf`: paths whose entity tags cases may name. */
  static async start(
    executable: string,
    flags: readonly string[],
    cwd: string,
    etagsOf: readonly string[],
    credentials = "",
  ): Promise<ComparedServer> {
    if (!existsSync(executable)) throw new Error(`${executable} is missing`);
    const path = realpathSync(executable);
    const program = await Program.start(
      [
        ...(path.endsWith(".ts") ? [process.execPath] : []),
        path,
        "--port",
        "0",
        "--quiet",
        "--exit-with-parent",
      ].concat("--max-lifetime", LIFETIME, ...flags),
      { cwd },
    );
    const server = new ComparedServer(program, credentials);
    for (const name of etagsOf) server.#etags.set(name, await server.#etagOf(name));
    return server;
  }

  private constructor(program: Program, credentials: string) {
    this.#program = program;
    this.port = program.port;
    this.pid = program.pid;
    this.#credentials = credentials;
  }

  /** Plays all conversations of a case, one after the other. */
  async play({ conversations }: Case, play: number): Promise<readonly Transcript[]> {
    const transcripts: Transcript[] = [];
    for (const conversation of conversations) transcripts.push(await this.#converse(conversation, play));
    return transcripts;
  }

  async #converse(conversation: Conversation, play: number): Promise<Transcript> {
    using client = await RawClient.connect(this.port);
    const over = () => client.ending !== null;
    // Where silences were, by the number of bytes that had come.
    const silences: number[] = [];
    for (const step of conversation) {
      if (over()) break;
      if (step[0] === "send") client.send(this.#filledIn(step[1], play, client.text));
      else if (step[0] === "apart") await new Promise((resolve) => setImmediate(resolve));
      else if (step[0] === "finish") client.finish();
      else if (step[0] === "heard") await patiently(() => over() || client.receivedBytes > 0);
      else if (step[0] === "answers") await patiently(() => over() || finalAnswers(client.text) >= step[1]);
      else {
        await silence(client, step[1]);
        silences.push(client.receivedBytes);
      }
    }
    const end = await client.left(CLOSE_MS).catch((): Transcript["end"] => "open");
    let received = client.text;
    for (const at of silences.reverse()) received = received.slice(0, at) + QUIET + received.slice(at);
    return { received, end };
  }

  #filledIn(text: string, play: number, received: string): string {
    if (!text.includes("{{")) return text;
    return text
      .replaceAll(/\{\{etag:([^}]+)\}\}/g, (_, path: string) => this.#etags.get(path) ?? '"none"')
      .replaceAll("{{location}}", () => [...received.matchAll(/^location: (\S+)/gim)].at(-1)?.[1] ?? "/none")
      .replaceAll("{{port}}", String(this.port))
      .replaceAll("{{play}}", String(play));
  }

  async #etagOf(path: string): Promise<string> {
    const credentials = this.#credentials === "" ? "" : `${this.#credentials}\r\n`;
    const head = `HEAD ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${credentials}\r\n`;
    const { received } = await this.#converse([["send", head]], 0);
    return /^etag: (.+)\r$/im.exec(received)?.[1] ?? '"none"';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

function finalAnswers(text: string): number {
  return text.match(/HTTP\/1\.1 [2-5]\d\d /g)?.length ?? 0;
}

/** Waits for `condition`, and gives up without an error. */
async function patiently(condition: () => boolean): Promise<void> {
  await until(condition, "", ANSWER_MS).catch(() => {});
}

/** Resolves when nothing has come for `ms`, or the server has left. */
async function silence(client: RawClient, ms: number): Promise<void> {
  let seen = client.receivedBytes;
  let since = performance.now();
  while (client.ending === null && performance.now() - since < ms) {
    await Bun.sleep(10);
    if (client.receivedBytes === seen) continue;
    seen = client.receivedBytes;
    since = performance.now();
  }
}
