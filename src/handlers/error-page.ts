/**
 * The answers that say no: a small HTML page, or JSON for programs. Nothing of the request is ever in them, so there is
 * nothing to escape and the same bytes serve everybody: each answer is made once and kept.
 */
import { prefersJson } from "../http/accept.ts";
import type { Request, Response } from "../http/message.ts";
import { Field, Method } from "../http/request-head.ts";
import { encodeAnswer, type FieldLines } from "../http/response.ts";
import { reasonPhrase } from "../http/status.ts";

/** Where uploads are posted; its answers are JSON, whoever asks. */
export const UPLOAD_PATH = "/upload";

/** What may differ between two answers with the same status and sentence. */
export interface ErrorExtras {
  /** Further field lines: Allow, Retry-After, Content-Range. */
  readonly fields?: FieldLines;
  /** True: the connection ends with this answer. */
  readonly close?: boolean;
}

/** JSON where the client prefers it and on POST /upload; HTML for everybody else, also where the head is unknown. */
export function wantsJson(request: Request | null): boolean {
  if (request === null) return false;
  // The raw target: where the connection refuses, the decoded one may not have been made.
  if (request.head.method === Method.Post && UPLOAD_TARGET.test(request.head.targetText())) return true;
  return request.head.has(Field.Accept) && prefersJson(request.head.value(Field.Accept));
}

/** Makes error answers and keeps them. One per handler. */
export class ErrorPages {
  readonly #prepared = new Map<string, Response>();

  /** `sentence` is one plain sentence of ours, without any byte from the wire. */
  answer(status: number, sentence: string, json: boolean, extras: ErrorExtras = NOTHING): Response {
    const key = keyOf(status, sentence, json, extras);
    const known = this.#prepared.get(key);
    if (known !== undefined) return known;
    const response = errorResponse(status, sentence, json, extras);
    // 416 names the file's size, so the number of different answers has no natural end.
    if (this.#prepared.size < PREPARED_MAX) this.#prepared.set(key, response);
    return response;
  }
}

/** Origin and absolute form of the upload path. */
const UPLOAD_TARGET = /^(?:https?:\/\/[^/?]*)?\/upload(?:\?|$)/i;

/** A few hundred bytes to a kilobyte each. */
const PREPARED_MAX = 200;

const NOTHING: ErrorExtras = {};

function keyOf(status: number, sentence: string, json: boolean, extras: ErrorExtras): string {
  const fields = extras.fields === undefined ? "" : extras.fields.map((field) => field.join(":")).join("\n");
  return `${status}\n${json}\n${extras.close === true}\n${sentence}\n${fields}`;
}

function errorResponse(status: number, sentence: string, json: boolean, extras: ErrorExtras): Response {
  const text = json ? jsonBody(status, sentence) : htmlBody(status, sentence);
  const body = new TextEncoder().encode(text);
  const fields: FieldLines = [
    ["Content-Type", json ? "application/json" : "text/html; charset=utf-8"],
    ["Content-Length", String(body.length)],
    // A 404 may be cached by default (RFC 9110 §15.1), but the file may be there a second later.
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
    ...(extras.fields ?? []),
  ];
  return {
    status,
    ...encodeAnswer(fields, body),
    close: extras.close === true,
    transfer: "error",
    incident: null,
  };
}

function jsonBody(status: number, sentence: string): string {
  return `${JSON.stringify({ status: "error", code: status, message: sentence })}\n`;
}

function htmlBody(status: number, sentence: string): string {
  const title = `${status} ${reasonPhrase(status)}`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 18vh auto 0; padding: 0 1.5rem; color: #222; background: #fff }
h1 { font-size: 1.5rem; font-weight: 600 }
footer { margin-top: 3rem; font-size: .85rem; color: #666 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } footer { color: #999 } }
</style>
<h1>${title}</h1>
<p>${escapeHtml(sentence)}</p>
<footer>httpserver</footer>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
