/**
 * What clients of HTTP/2 report about one faulty response, in the words of the table in docs/fixture.md: curl, nghttp, Node's `http2`, and
 * Chromium. Each asks for `/a.txt` of 20,000 bytes, or posts a document of 3 MB.
 */
import { tmpdir } from "node:os";
import type { Page } from "playwright-core";
import { curl, run } from "./binary.ts";
import { PAGE_STEP_MS } from "./page.ts";

/** A request with a fault, and how long its client waits for what may never come. */
export interface Asked {
  /** Value of X-Fixture. */
  readonly order: string;
  readonly isPost: boolean;
  readonly patienceMs: number;
  /** Milliseconds that Node waits for the next request, which may be lost with its session. */
  readonly thenMs: number;
}

export const CONTENT_BYTES = 20_000;

/** The name of a code in curl's message; the codes with a number are `HTTP_1_1_REQUIRED`. */
const CURL_CODE = /: ([A-Z_0-9]+) \(err \d+\)/;

/** Returns curl's exit code, with the code of the stream or the status if they say more. `document` is the path of the content. */
export async function curlReport(url: string, asked: Asked, document: string): Promise<string> {
  const how = url.startsWith("https:") ? ["--http2", "--insecure"] : ["--http2-prior-knowledge"];
  const content = asked.isPost ? ["--header", "Content-Type: application/json", "--data-binary", `@${document}`] : [];
  const order = ["--max-time", seconds(asked), "--header", `X-Fixture: ${asked.order}`, "--output", "/dev/null"];
  const done = await curl(...how, ...content, ...order, "--write-out", "%{http_code}", url + pathOf(asked));
  if (done.code === 0) return done.stdout === "200" ? "0" : `0, ${done.stdout}`;
  const name = CURL_CODE.exec(done.stderr)?.[1];
  if (name !== undefined) return `${done.code}, ${name}`;
  return done.stderr.includes("tried 5 times") ? `${done.code}, after five tries` : String(done.code);
}

/** Returns what nghttp prints: a line for a response, and a sentence if there is none. */
export async function nghttpReport(url: string, asked: Asked, document: string): Promise<string> {
  const content = asked.isPost ? ["--header", "content-type: application/json", "--data", document] : [];
  const order = ["--timeout", seconds(asked), "--header", `x-fixture: ${asked.order}`];
  const words = ["nghttp", "--null-out", "--stat", ...content, ...order, url + pathOf(asked)];
  const { stdout, stderr } = await run(words, { cwd: tmpdir(), timeoutMs: 2 * asked.patienceMs + 10_000 });
  const status = /^ *\d+ .* (\d{3}) +\S+ \/\S*$/m.exec(stdout)?.[1];
  if (status === undefined) return stderr.includes("Timeout") ? "timeout" : "not processed";
  if (stderr.includes("not processed")) return "the response, the promised one not processed";
  return responseOf(Number(status));
}

/** Asks for each order on a session of its own, one plain request after it. Prints a line for each. */
const NODE = `
import { readFileSync } from "node:fs";
import http2 from "node:http2";
const [url, document, ...all] = process.argv.slice(1);
const ask = (session, path, { order, isPost, patienceMs }) => new Promise((resolve) => {
  const seen = { status: 0, bytes: 0, error: "", rst: 0, isOver: false };
  const over = (more) => { clearTimeout(timer); resolve({ ...seen, ...more }); };
  const timer = setTimeout(over, patienceMs, {});
  const fields = { ":path": path, ...(order === "" ? {} : { "x-fixture": order }) };
  if (isPost) Object.assign(fields, { ":method": "POST", "content-type": "application/json" });
  let stream;
  try { stream = session.request(fields); } catch (error) { return over({ error: error.code, isOver: true }); }
  stream.on("response", (received) => { seen.status = received[":status"]; });
  stream.on("data", (chunk) => { seen.bytes += chunk.length; });
  stream.on("error", (error) => { seen.error = error.code; });
  stream.on("close", () => over({ rst: stream.rstCode, isOver: true }));
  if (isPost) stream.end(readFileSync(document));
});
const lines = await Promise.all(all.map(async (text) => {
  const asked = JSON.parse(text);
  const session = http2.connect(url, { rejectUnauthorized: false });
  session.on("error", () => {});
  await new Promise((resolve) => session.on("remoteSettings", resolve));
  const faulty = await ask(session, asked.isPost ? "/upload" : "/a.txt", asked);
  const after = await ask(session, "/a.txt", { order: "", isPost: false, patienceMs: asked.thenMs });
  session.destroy();
  return JSON.stringify([faulty, after]);
}));
console.log(lines.join("\\n"));
`;

interface NodeSeen {
  readonly status: number;
  readonly bytes: number;
  readonly error: string;
  readonly rst: number;
  readonly isOver: boolean;
}

/** Returns for each what Node's `http2` reports, and after a semicolon what it reports for the next request, unless that is served. */
export async function nodeReports(url: string, all: readonly Asked[], document: string): Promise<string[]> {
  const words = [
    "node",
    "--input-type=module",
    "--eval",
    NODE,
    url,
    document,
    ...all.map((one) => JSON.stringify(one)),
  ];
  const patienceMs = Math.max(...all.flatMap(({ patienceMs: ms, thenMs }) => [ms, thenMs]));
  const { stdout, stderr } = await run(words, { cwd: tmpdir(), timeoutMs: 2 * patienceMs + 10_000 });
  if (stderr !== "") throw new Error(stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [faulty, after] = (JSON.parse(line) as NodeSeen[]).map(nodeWords);
      return after === "the response" ? `${faulty}` : `${faulty}; then ${after}`;
    });
}

function nodeWords({ status, bytes, error, rst, isOver }: NodeSeen): string {
  if (!isOver) return "nothing";
  if (rst === 0) return error === "" ? wholeOf(status, bytes) : `\`${error}\``;
  return error === "" ? `\`rstCode\` ${rst}` : `\`${error}\`, \`rstCode\` ${rst}`;
}

/** The result of one `fetch`, as the script of a page sees it. */
interface PageSeen {
  readonly status: number;
  readonly bytes: number;
  /** Name and message of what was thrown, or "". */
  readonly error: string;
}

/** A request of a page in the journal. */
export interface Tried {
  readonly connection: number;
  readonly protocol: string;
  readonly fault: string | null;
}

/** Parts of a fixture that Chromium's report needs. */
export interface Fixture {
  /** Returns the requests in the journal whose query is `?id`. */
  tries(id: string): Promise<readonly Tried[]>;
  /** Adds a rule for uploads whose query is `?id`: a page's POST has `Origin`, so it cannot order its own fault. */
  order(id: string, order: string): Promise<void>;
}

/** Returns what a page in Chromium, which is of the same origin, reports. After a semicolon comes what is different for the next request. */
export async function chromiumReport(page: Page, asked: Asked, id: string, fixture: Fixture): Promise<string> {
  if (asked.isPost) await fixture.order(`${id}-faulty`, asked.order);
  const failures: string[] = [];
  const note = (failed: { failure(): { errorText: string } | null }) =>
    failures.push(failed.failure()?.errorText ?? "");
  page.on("requestfailed", note);
  const ask = (one: Asked, query: string) =>
    page.evaluate<PageSeen>(`(${PAGE_FETCH})(${JSON.stringify([one, `${pathOf(one)}?${query}`])})`);
  const faulty = await ask(asked, `${id}-faulty`);
  const after = await ask({ ...asked, order: "", isPost: false, patienceMs: PAGE_STEP_MS }, `${id}-after`);
  page.off("requestfailed", note);
  if (wholeOf(after.status, after.bytes) !== "the response")
    throw new Error(`${asked.order}: ${faulty.error}; then ${after.error}`);
  if (faulty.error.startsWith("TimeoutError")) return "nothing";
  const tried = await fixture.tries(`${id}-faulty`);
  const [next] = await fixture.tries(`${id}-after`);
  const isNew = next?.connection !== tried.at(-1)?.connection;
  return `${pageWords(faulty, failures[0] ?? "", tried.length)}${isNew ? "; then a new connection" : ""}`;
}

/** `fetch` is rejected before the head with one message, and its content after the head with another. */
function pageWords({ status, bytes, error }: PageSeen, failure: string, tries: number): string {
  if (error === "") return wholeOf(status, bytes);
  const expected = status === 0 ? "TypeError: Failed to fetch" : "TypeError: network error";
  if (error !== expected) throw new Error(`${error} in place of ${expected}`);
  return `\`${failure.replace(/^net::/, "")}\`${tries === 1 ? "" : `, after ${["no", "one", "two", "three"][tries]} tries`}`;
}

const PAGE_FETCH = `async ([{ order, isPost, patienceMs }, target]) => {
  const seen = { status: 0, bytes: 0, error: "" };
  const headers = isPost ? { "Content-Type": "application/json" } : order === "" ? {} : { "X-Fixture": order };
  const content = isPost ? { method: "POST", body: JSON.stringify({ text: "x".repeat(3_000_000) }) } : {};
  try {
    const signal = AbortSignal.timeout(patienceMs);
    const response = await fetch(target, { ...content, headers, cache: "no-store", signal });
    seen.status = response.status;
    for await (const bytes of response.body) seen.bytes += bytes.length;
  } catch (error) {
    seen.error = error.name + ": " + error.message;
  }
  return seen;
}`;

function wholeOf(status: number, bytes: number): string {
  return status === 200 && bytes !== CONTENT_BYTES ? `${bytes} bytes, and no error` : responseOf(status);
}

function responseOf(status: number): string {
  return status === 200 ? "the response" : `${status}`;
}

function pathOf({ isPost }: Asked): string {
  return isPost ? "/upload" : "/a.txt";
}

function seconds({ patienceMs }: Asked): string {
  return String(patienceMs / 1000);
}
