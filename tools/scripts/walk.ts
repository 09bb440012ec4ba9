/**
 * Counts what a reader of one request walks through: `bun tools/scripts/walk.ts [TREE] [--calls REQUEST]`. A copy of TREE/src (by
 * default this project's) counts each call, and real requests are sent to it. Counted are calls from the socket's `data`
 * callback to the first write of the answer, without the callback itself and without helpers that look at one byte.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { formatTable } from "../bench/support/statistics.ts";
import { COUNTER, type Instrumented, instrument } from "./walk/instrument.ts";
import { type Recorder, record } from "./walk/record.ts";

const REQUESTS = ["cold", "hot", "repeated", "upload"] as const;
type RequestName = (typeof REQUESTS)[number];

/** A file that was written a moment ago may be written again, so the server keeps it in memory only after this time, ms. */
const SETTLED_MS = 2_200;

const TITLES: Readonly<Record<RequestName, string>> = {
  cold: "GET, cold file",
  hot: "GET, hot file, new head",
  repeated: "GET, hot file, head repeated",
  upload: "POST /upload, 201",
};

const USAGE = `Usage: bun tools/scripts/walk.ts [TREE] [--calls ${REQUESTS.join("|")}]

  TREE      folder of a source tree, this one by default
  --calls   prints the calls of one request in their order, each with its file and line
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { calls: { type: "string" }, help: { type: "boolean", short: "h", default: false } },
});
const asked = values.calls as RequestName | undefined;
if (values.help || positionals.length > 1 || (asked !== undefined && !REQUESTS.includes(asked))) {
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const tree = resolve(positionals[0] ?? join(import.meta.dir, "..", ".."));
// Its real path, because a root behind a link is served in another way.
const copy = realpathSync(mkdtempSync(join(tmpdir(), "walk-")));
try {
  const functions = await instrumentedCopy();
  const recorder = record(COUNTER);
  const walks = await walkAll(recorder);
  const rows = REQUESTS.map((name) => rowOf(TITLES[name], walks[name], functions));
  const heading = ["", "calls to the write", "functions", "files", "changes of file", "calls of the whole turn"];
  process.stdout.write(`${functions.length} functions are counted\n${formatTable([heading, ...rows])}\n`);
  if (asked !== undefined) process.stdout.write(`\n${listOf(countedOf(walks[asked].calls, functions), functions)}`);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exit(0);

async function instrumentedCopy(): Promise<readonly Instrumented[]> {
  for (const name of ["src", "package.json", "tsconfig.json"])
    cpSync(join(tree, name), join(copy, name), { recursive: true });
  symlinkSync(join(tree, "node_modules"), join(copy, "node_modules"));
  return await instrument(copy);
}

interface Walk {
  /** Numbers of the functions, in the order of their calls, up to the first write. */
  readonly calls: readonly number[];
  /** The same until the server is quiet again. */
  readonly wholeTurn: readonly number[];
}

/** Starts the copy's server and sends one request of each kind, after others that fill what every server has filled. */
async function walkAll(recorder: Recorder): Promise<Record<RequestName, Walk>> {
  const root = join(copy, "root");
  mkdirSync(root);
  mkdirSync(join(copy, "uploads"));
  for (const name of ["warm.html", "page.html"]) {
    writeFileSync(join(root, name), `<!doctype html>${"x".repeat(1000)}`);
  }
  await Bun.sleep(SETTLED_MS);
  const { startServer } = (await import(join(copy, "src", "index.ts"))) as {
    startServer(settings: object): Promise<{ readonly port: number; stop(options: object): Promise<void> }>;
  };
  const server = await startServer({ port: 0, root, uploads: join(copy, "uploads") });
  const get = (target: string, field = "") =>
    `GET ${target} HTTP/1.1\r\nHost: localhost:${server.port}\r\n${field}\r\n`;
  const content = '{"text":"of an upload"}';
  const fields = `Content-Type: application/json\r\nContent-Length: ${content.length}\r\n`;
  const upload = `POST /upload HTTP/1.1\r\nHost: localhost:${server.port}\r\n${fields}\r\n${content}`;
  try {
    for (const text of [get("/warm.html"), get("/warm.html"), upload]) await recorder.ask(server.port, [text]);
    const [cold, , hot, repeated] = await recorder.ask(server.port, [
      get("/page.html", "X-Step: 1\r\n"),
      get("/page.html", "X-Step: 22\r\n"),
      get("/page.html", "X-Step: 333\r\n"),
      get("/page.html", "X-Step: 333\r\n"),
    ]);
    const [uploaded] = await recorder.ask(server.port, [upload]);
    return { cold, hot, repeated, upload: uploaded } as Record<RequestName, Walk>;
  } finally {
    await server.stop({ timeoutMs: 100 });
  }
}

function rowOf(title: string, { calls, wholeTurn }: Walk, functions: readonly Instrumented[]): readonly string[] {
  const counted = countedOf(calls, functions);
  const files = counted.map((id) => functions[id]?.file);
  const changes = files.filter((file, index) => index > 0 && file !== files[index - 1]).length;
  return [
    title,
    counted.length,
    new Set(counted).size,
    new Set(files).size,
    changes,
    countedOf(wholeTurn, functions).length,
  ].map(String);
}

/** Without the socket's callback, which is the first, and without helpers that are called for each byte. */
function countedOf(calls: readonly number[], functions: readonly Instrumented[]): readonly number[] {
  return calls.slice(1).filter((id) => functions[id]?.isByteHelper === false);
}

/** One line for each call; calls of one function in a row are one line with their number. */
function listOf(calls: readonly number[], functions: readonly Instrumented[]): string {
  let text = "";
  for (let at = 0; at < calls.length; ) {
    const id = calls[at] as number;
    let times = 1;
    while (calls[at + times] === id) times++;
    at += times;
    const { file, line, name } = functions[id] as Instrumented;
    text += `${file}:${line} ${name}${times > 1 ? ` × ${times}` : ""}\n`;
  }
  return text;
}
