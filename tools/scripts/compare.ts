/**
 * Asks any server of files the questions of docs/compare.md:
 *
 *     bun tools/scripts/compare.ts make FOLDER     makes the folder to be served
 *     bun tools/scripts/compare.ts ask PORT        asks the server on that port of 127.0.0.1, and prints its answers
 *
 * Each question is a few raw bytes on a connection of its own, because clients would repair them.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ANSWER_MS = 3000;
const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0";
const SETTINGS_FRAME = 4;

interface Question {
  readonly name: string;
  readonly bytes: (host: string) => string;
  /** Returns the answer in a word or two. */
  readonly read: (answer: string) => string;
}

const QUESTIONS: readonly Question[] = [
  question("the last two bytes", "GET /hello.txt", "Range: bytes=-2", (text) => `${statusOf(text)} ${quoted(text)}`),
  question("two ranges", "GET /hello.txt", "Range: bytes=0-0,2-2", (text) => {
    return /multipart\/byteranges/i.test(text) ? `${statusOf(text)} in parts` : `${statusOf(text)} ${quoted(text)}`;
  }),
  question("POST to a file", "POST /hello.txt", "Content-Length: 0"),
  question("a foreign Host", "GET /hello.txt", "Host: evil.example"),
  question("a space before a colon", "GET /hello.txt", "X : y"),
  question("two lengths", "POST /hello.txt", "Content-Length: 0\r\nContent-Length: 1"),
  question("a dotfile", "GET /.secret"),
  question("a link out of the folder", "GET /out.txt"),
  question("a folder without index", "GET /sub/"),
  question("a missing file", "GET /missing.txt"),
  {
    name: "HTTP/2 without TLS",
    bytes: () => HTTP2_PREFACE,
    read: (text) =>
      text.charCodeAt(3) === SETTINGS_FRAME && !text.startsWith("HTTP") ? "yes" : `no, ${statusOf(text)}`,
  },
];

function question(name: string, line: string, field = "", read = statusOf): Question {
  const fields = (host: string) => (field.startsWith("Host:") ? [field] : [`Host: ${host}`, ...(field ? [field] : [])]);
  return {
    name,
    bytes: (host) => `${line} HTTP/1.1\r\n${fields(host).join("\r\n")}\r\nConnection: close\r\n\r\n`,
    read,
  };
}

function statusOf(text: string): string {
  return /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? (text === "" ? "closes" : "no HTTP");
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(text.indexOf("\r\n\r\n") + 4).slice(0, 20));
}

/** Sends bytes and returns all that comes until the server closes, or stays silent. */
async function exchange(port: number, bytes: string): Promise<string> {
  const { promise, resolve: end } = Promise.withResolvers<void>();
  let text = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        text += chunk.toString("latin1");
      },
      close: () => end(),
      error: () => end(),
    },
  });
  socket.write(Buffer.from(bytes, "latin1"));
  const timer = setTimeout(end, ANSWER_MS);
  await promise;
  clearTimeout(timer);
  socket.terminate();
  return text;
}

function make(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "sub"), { recursive: true });
  writeFileSync(join(folder, "hello.txt"), "Hello\n");
  writeFileSync(join(folder, "sub", "a.txt"), "a");
  writeFileSync(join(folder, ".secret"), "secret");
  writeFileSync(`${resolve(folder)}-outside.txt`, "outside");
  symlinkSync(`${resolve(folder)}-outside.txt`, join(folder, "out.txt"));
}

const [command, place = ""] = process.argv.slice(2);
if (command === "make" && place !== "") make(place);
else if (command === "ask" && Number(place) > 0) {
  for (const { name, bytes, read } of QUESTIONS) {
    const answer = await exchange(Number(place), bytes(`127.0.0.1:${place}`));
    process.stdout.write(`${name.padEnd(26)} ${read(answer)}\n`);
  }
} else {
  process.stderr.write("expected: make FOLDER, or ask PORT\n");
  process.exitCode = 2;
}
