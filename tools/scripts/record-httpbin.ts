/**
 * Records the answers of a go-httpbin at HOST:PORT to the requests of test/handlers/httpbin/recorded.json, and writes them there:
 * `bun tools/scripts/record-httpbin.ts 127.0.0.1:8081`. The page docs/httpbin.md says how answers may differ from ours.
 */
import { connect } from "node:net";
import { join } from "node:path";

export const RECORDED_FILE = join(import.meta.dir, "..", "..", "test", "handlers", "httpbin", "recorded.json");

/** A request, and the answer to it. Texts are ISO-8859-1, one character a byte. */
export interface Recorded {
  /** Method and target. */
  readonly line: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly content?: string;
  readonly status?: number;
  readonly answerFields?: Readonly<Record<string, string | readonly string[]>>;
  readonly answer?: string;
}

/** Sends one request on a connection of its own. Returns all bytes that come back. */
function exchange(address: string, bytes: Buffer): Promise<Buffer> {
  const [host = "", port = ""] = address.split(":");
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const socket = connect(Number(port), host, () => socket.write(bytes));
    socket.on("data", (piece: Buffer) => pieces.push(piece));
    socket.on("end", () => resolve(Buffer.concat(pieces)));
    socket.on("error", reject);
  });
}

/** Returns the bytes of a request to the host `bin.test`, the last on its connection. */
function requestBytes({ line, fields = {}, content = "" }: Recorded): Buffer {
  const all = { Host: "bin.test", Connection: "close", ...fields };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${line} HTTP/1.1\r\n${lines.join("")}\r\n${content}`, "latin1");
}

function dechunk(text: string): string {
  let whole = "";
  for (let at = 0; ; ) {
    const end = text.indexOf("\r\n", at);
    const length = Number.parseInt(text.slice(at, end), 16);
    if (!(length > 0)) return whole;
    whole += text.slice(end + 2, end + 2 + length);
    at = end + 2 + length + 2;
  }
}

/** Fields that differ from answer to answer, or that `--cors` decides here. */
const SILENT: ReadonlySet<string> = new Set([
  "date",
  "connection",
  "transfer-encoding",
  "access-control-allow-credentials",
  "access-control-allow-origin",
]);

/** Adds the answer to its request. */
function withAnswer(request: Recorded, bytes: Buffer): Recorded {
  const text = bytes.toString("latin1");
  const headEnd = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, headEnd).split("\r\n");
  const fields: Record<string, string | string[]> = {};
  for (const line of lines) {
    const [name = "", value = ""] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)];
    const key = name.toLowerCase();
    const known = fields[key];
    fields[key] = known === undefined ? value : [known, value].flat();
  }
  const content = text.slice(headEnd + 4);
  const answer = fields["transfer-encoding"] === "chunked" ? dechunk(content) : content;
  const { line, fields: sent, content: sentContent } = request;
  return {
    line,
    ...(sent === undefined ? {} : { fields: sent }),
    ...(sentContent === undefined ? {} : { content: sentContent }),
    status: Number(first.split(" ")[1]),
    answerFields: Object.fromEntries(Object.entries(fields).filter(([name]) => !SILENT.has(name))),
    answer,
  };
}

if (import.meta.main) {
  const [address = "127.0.0.1:8081"] = process.argv.slice(2);
  const { origin, rows } = (await Bun.file(RECORDED_FILE).json()) as { origin: string; rows: Recorded[] };
  const recorded: Recorded[] = [];
  for (const row of rows) recorded.push(withAnswer(row, await exchange(address, requestBytes(row))));
  await Bun.write(RECORDED_FILE, `${JSON.stringify({ origin, rows: recorded }, null, 1)}\n`);
}
