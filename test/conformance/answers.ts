/** Reads what a server sent as a strict client would, and holds it against a row: RFC 9112 §4, §6.3, and what every answer of ours has. */
import type { Expected } from "./row.ts";

interface Answer {
  readonly status: number;
  /** By name in lower case; a name that occurs twice is a fault of its own. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
}

interface Reading {
  readonly answers: readonly Answer[];
  /** What is wrong with the bytes, whatever was asked; "" when nothing is. */
  readonly fault: string;
}

/** Reads `text` to its end. `toHead(n)` is true where the n-th final answer is one to HEAD. */
export function readAnswers(text: string, toHead: (index: number) => boolean): Reading {
  const answers: Answer[] = [];
  let finals = 0;
  for (let at = 0; at < text.length; ) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) return { answers, fault: `an answer's head does not end: ${JSON.stringify(text.slice(at))}` };
    const [statusLine = "", ...lines] = text.slice(at, headEnd).split("\r\n");
    const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) [ -~]+$/.exec(statusLine)?.[1]);
    if (Number.isNaN(status)) return { answers, fault: `no status line: ${JSON.stringify(statusLine)}` };
    const fields = new Map<string, string>();
    for (const line of lines) {
      const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([!-~\x80-\xff](?:[ -~\x80-\xff]*[!-~\x80-\xff])?)?$/.exec(line);
      if (match === null) return { answers, fault: `no field line: ${JSON.stringify(line)}` };
      const name = (match[1] ?? "").toLowerCase();
      if (fields.has(name)) return { answers, fault: `${name} occurs twice` };
      fields.set(name, match[2] ?? "");
    }
    at = headEnd + 4;
    const isFinal = status >= 200;
    const fault = isFinal ? faultOf(status, fields) : fields.size > 0 ? "an interim answer has fields" : "";
    if (fault !== "") return { answers, fault: `${statusLine}: ${fault}` };
    const hasBody = isFinal && status !== 204 && status !== 304 && !toHead(finals);
    const length = hasBody ? Number(fields.get("content-length")) : 0;
    if (at + length > text.length) return { answers, fault: `${statusLine}: the content is cut` };
    answers.push({ status, fields, body: text.slice(at, at + length) });
    at += length;
    if (isFinal) finals++;
    if (isFinal && fields.get("connection") === "close" && at < text.length) {
      return { answers, fault: `bytes follow the last answer: ${JSON.stringify(text.slice(at, at + 60))}` };
    }
  }
  return { answers, fault: "" };
}

/** The rules that every final answer keeps. */
function faultOf(status: number, fields: ReadonlyMap<string, string>): string {
  if (fields.get("server") !== "httpserver") return "no Server";
  if (
    !/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(fields.get("date") ?? "")
  ) {
    return "no Date";
  }
  const connection = fields.get("connection");
  if (connection !== "close" && connection !== "keep-alive") return `Connection: ${connection}`;
  if ((connection === "keep-alive") !== fields.has("keep-alive"))
    return "Keep-Alive without a connection that persists";
  if (fields.has("transfer-encoding")) return "an unexpected Transfer-Encoding";
  if (status === 204 && fields.has("content-length")) return "204 with a Content-Length";
  if (status !== 204 && status !== 304 && !/^\d+$/.test(fields.get("content-length") ?? "")) return "no Content-Length";
  if (status === 405 && !fields.has("allow")) return "405 without Allow";
  if (status === 503 && !fields.has("retry-after")) return "503 without Retry-After";
  return "";
}

/** What differs between the answers and the row, in a sentence; "" when nothing does. */
export function difference(answers: readonly Answer[], expected: readonly Expected[]): string {
  const statuses = answers.map((answer) => answer.status).join(" ");
  const wanted = expected.map((answer) => answer.status).join(" ");
  if (statuses !== wanted) return `expected the answers [${wanted}], got [${statuses}]`;
  for (const [index, { fields = {}, body }] of expected.entries()) {
    const answer = answers[index] as Answer;
    for (const [name, value] of Object.entries(fields)) {
      const got = answer.fields.get(name) ?? null;
      const fits = value instanceof RegExp ? got !== null && value.test(got) : got === value;
      if (!fits) return `expected ${name}: ${value}, got ${got}`;
    }
    if (body === undefined) continue;
    const fits = typeof body === "string" ? answer.body === body : body.test(answer.body);
    if (!fits) return `expected the content ${JSON.stringify(String(body))}, got ${JSON.stringify(answer.body)}`;
  }
  return "";
}
