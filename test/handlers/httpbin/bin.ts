/** The endpoints of httpbin without a server, asked as a connection would ask. */
import { Httpbin, type HttpbinOptions } from "../../../src/handlers/httpbin/httpbin.ts";
import type { Response } from "../../../src/http/message.ts";
import { framed } from "../../../src/http1/transfer-coding.ts";
import { ManualClock } from "../../../src/server/time-source.ts";
import { readContent, unchunk } from "../../support/live-content.ts";
import { makeRequest, NOW_MS } from "../../support/site.ts";
import { turns } from "../../support/waiting.ts";

interface Bin {
  readonly clock: ManualClock;
  readonly mount: Httpbin;
}

export function makeBin(settings: Partial<HttpbinOptions["settings"]> = {}): Bin {
  const clock = new ManualClock(NOW_MS);
  const all = { httpbin: "/", base: "", host: "127.0.0.1", fixtureToken: "", maxBodyBytes: 1 << 20, ...settings };
  return { clock, mount: new Httpbin({ settings: all, time: clock }) };
}

export interface Reply {
  readonly status: number;
  /** By name in lower case; the values of several lines are joined by LF. */
  readonly fields: Readonly<Record<string, string>>;
  readonly text: string;
  readonly content: Buffer;
  /** Chunks of its content, 0 if it is not chunked. */
  readonly chunks: number;
}

/**
 * Asks the mount. A path that it does not own is 404, and a method that it does not take 405. Time passes in steps of `stepMs` until
 * the response is complete.
 */
export async function ask(
  { clock, mount }: Bin,
  line: string,
  fields: Readonly<Record<string, string>> = {},
  content: string | Uint8Array = "",
  stepMs = 1,
): Promise<Reply> {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  const length = bytes.length === 0 ? {} : { "Content-Length": String(bytes.length) };
  const request = makeRequest(line, { Host: "bin.test", ...length, ...fields }, bytes);
  if (!mount.owns(request.target.path)) return none(404);
  const admission = mount.admit(request);
  if (admission === null) return none(405);
  const made = admission.refusal ?? mount.respond(request);
  let response: Response | null = made instanceof Promise ? null : made;
  if (made instanceof Promise) void made.then((settled) => (response = settled));
  for (let passed = 0; response === null; passed += stepMs) {
    if (passed > 60_000) throw new Error(`${line}: no answer within a minute`);
    await turns(1);
    if (response === null) clock.advance(stepMs);
  }
  return replyOf(response, line, () => clock.advance(stepMs));
}

function replyOf(made: Response, line: string, advance: () => void): Reply {
  const response = framed(made, true);
  const fields: Record<string, string> = {};
  for (const [name, value] of response.fields.lines) {
    const key = name.toLowerCase();
    fields[key] = fields[key] === undefined ? value : `${fields[key]}\n${value}`;
  }
  const bytes = line.startsWith("HEAD ") ? Buffer.alloc(0) : readContent(response.content, advance);
  const { content, chunks } =
    fields["transfer-encoding"] === "chunked" ? unchunk(bytes) : { content: bytes, chunks: 0 };
  return { status: response.status, fields, text: content.toString("utf8"), content, chunks };
}

function none(status: number): Reply {
  return { status, fields: {}, text: "", content: Buffer.alloc(0), chunks: 0 };
}
