/** A request as the connection would hand it over, and an answer as the client would read it: without a socket. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentialsLayer } from "../../src/handlers/basic-auth.ts";
import { composeHandler, type HandlerOptions } from "../../src/handlers/compose.ts";
import { FolderError, openDocumentRoot } from "../../src/handlers/files/document-root.ts";
import { Listing } from "../../src/handlers/listing/listing.ts";
import { openFolderStore, type UploadDisk } from "../../src/handlers/uploads/folder-store.ts";
import { ADMITTED, type Admission, type Handler, type Request, type Response } from "../../src/http/message.ts";
import { Target } from "../../src/http/target.ts";
import { decideFraming, Framing } from "../../src/http1/framing.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { readTarget } from "../../src/http1/request-target.ts";
import { resolveServerSettings } from "../../src/settings/resolve.ts";
import { HEAD_LIMITS } from "./limits.ts";

/** Far from every file's own time, so that a comparison with the wrong one shows. */
export const NOW_MS = Date.UTC(2030, 2, 15, 12, 34, 56, 789);
export const PORT = 8080;

export interface Site extends Disposable {
  /** Holds the folders `www` (the root) and `up` (the uploads). */
  readonly folder: string;
  readonly root: string;
  readonly uploads: string;
  readonly handler: Handler;
  readonly lines: string[];
}

type Settings = HandlerOptions["settings"];

/** For tests of failing disks. */
interface Disk {
  readonly uploadDisk?: UploadDisk;
}

/** A temporary site, removed when the scope ends. */
export function makeSite(settings: Partial<Settings> = {}, further: Partial<HandlerOptions> & Disk = {}): Site {
  const folder = mkdtempSync(join(tmpdir(), "handlers-"));
  try {
    return makeSiteIn(folder, settings, further);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

function makeSiteIn(folder: string, settings: Partial<Settings>, further: Partial<HandlerOptions> & Disk): Site {
  const { uploadDisk: disk, ...options } = further;
  const root = join(folder, "www");
  const uploads = join(folder, "up");
  mkdirSync(root);
  mkdirSync(uploads);
  const lines: string[] = [];
  const handler = composeHandler({
    settings: { ...resolveServerSettings({ maxBodyBytes: 1000 }), ...settings },
    endpoints: null,
    credentials: credentialsLayer,
    listing: Listing,
    faults: null,
    fileCache: { bytesMax: 1 << 20, maxAgeMs: 0 },
    root: usable(openDocumentRoot(root, "--root")),
    uploads: usable(
      openFolderStore({
        folder: uploads,
        flag: "--uploads",
        now: () => NOW_MS,
        ...(disk === undefined ? {} : { disk }),
      }),
    ),
    port: () => PORT,
    now: () => NOW_MS,
    log: (line) => lines.push(line),
    ...options,
  });
  return {
    folder,
    root,
    uploads,
    handler,
    lines,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function usable<Folder extends object>(root: Folder | FolderError): Folder {
  if (root instanceof FolderError) throw root;
  return root;
}

export type Fields = Readonly<Record<string, string>>;

/** A request with a good Host unless `fields` names another; `Host: ""` leaves it out and speaks HTTP/1.0. */
export function makeRequest(
  line: string,
  fields: Fields = {},
  content: Uint8Array = new Uint8Array(0),
  secure = false,
): Request {
  const all: Record<string, string> = { Host: `127.0.0.1:${PORT}`, ...fields };
  const version = all["Host"] === "" ? "1.0" : "1.1";
  if (all["Host"] === "") delete all["Host"];
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(`${line} HTTP/${version}\r\n${lines.join("")}\r\n`, "latin1");
  const head = new ParsedHead(HEAD_LIMITS);
  const framing = new Framing();
  const target = new Target();
  const results = [
    parseRequestHead(bytes, 0, bytes.length, head),
    decideFraming(head, framing),
    readTarget(head, target),
  ];
  if (results[0] !== bytes.length || results[1] !== 0 || results[2] !== 0) throw new Error(`${line}: ${results}`);
  return {
    head,
    target,
    protocol: version,
    address: "127.0.0.1",
    socketAddress: "127.0.0.1",
    secure,
    relay: null,
    announced: framing.announced,
    content,
    whenLeft: () => {},
  };
}

export interface Answer {
  readonly status: number;
  /** By name in lower case. */
  readonly fields: Fields;
  readonly content: Uint8Array;
  readonly text: string;
  readonly response: Response;
}

/** The admission of a request, after the time that it takes. */
export async function admittedBy(handler: Handler, request: Request): Promise<Admission> {
  const admission = handler.admit(request);
  return admission.later === null ? admission : admission.later();
}

/** admit, then respond. Reads the whole content and closes it. */
export async function ask(site: Site, line: string, fields: Fields = {}): Promise<Answer> {
  return answerOf(await responseTo(site.handler, makeRequest(line, fields)));
}

export async function post(site: Site, content: string | Uint8Array, fields: Fields = {}): Promise<Answer> {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const all = { "Content-Type": "application/json", "Content-Length": String(body.length), ...fields };
  return answerOf(await responseTo(site.handler, makeRequest("POST /upload", all, body)));
}

export async function responseTo(handler: Handler, request: Request): Promise<Response> {
  const admission = await admittedBy(handler, request);
  return admission.refusal ?? respondTo(handler, request, admission);
}

/** respond alone, to a request that was admitted. */
export async function respondTo(handler: Handler, request: Request, admission = ADMITTED): Promise<Response> {
  return handler.respond(request, admission);
}

export function answerOf(response: Response): Answer {
  const lines = new TextDecoder("latin1").decode(response.fields.http1(null)).split("\r\n");
  if (lines.pop() !== "" || lines.pop() !== "") throw new Error("the fields do not end with an empty line");
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(": ");
    const name = line.slice(0, colon).toLowerCase();
    if (name in fields) throw new Error(`${name} twice`);
    fields[name] = line.slice(colon + 2);
  }
  const { status } = response;
  const content = contentOf(response);
  return { status, fields, content, text: new TextDecoder().decode(content), response };
}

/** In pieces of odd sizes, as a connection under back-pressure would pull it. */
export function contentOf(response: Response, limit = 1021): Uint8Array {
  const { content: source } = response;
  if (source === null) return new Uint8Array(0);
  if (source instanceof Uint8Array) return source;
  if ("ends" in source) return source.bytes;
  const content = new Uint8Array(source.size);
  let length = 0;
  for (;;) {
    const scratch = new Uint8Array(limit + 3);
    const count = source.read(length, scratch, 3, limit);
    if (count === 0) break;
    content.set(scratch.subarray(3, 3 + count), length);
    length += count;
  }
  source.close();
  return content.subarray(0, length);
}
