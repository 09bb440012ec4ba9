/**
 * Who may use a fixture's rooms: whoever is on this machine, and elsewhere who says the token. Never a page in a browser, which any
 * site can make ask on behalf of somebody who is on this machine.
 */
import { errorAnswer } from "../handlers/reserved.ts";
import { isJsonMediaType } from "../handlers/upload.ts";
import type { Request, Response } from "../http/message.ts";
import { Field, Method } from "../http/request-head.ts";
import { isLoopbackAddress, type Options } from "../options.ts";

/** Who may say what the server does: clients on its own machine, those with the token, or everybody. */
export function rightsOf({ fixtureToken, fixtureOpen }: Options): (request: Request) => boolean {
  const expected = fixtureToken === "" ? null : digestOf(fixtureToken);
  return (request) => fixtureOpen || isLoopbackAddress(request.peer) || hasToken(request, expected);
}

/** Refuses whom the rooms are not for, and what they do not take; null lets a request in. */
export function guardOf(settings: Options): (request: Request) => Response | null {
  const mayUse = rightsOf(settings);
  const refusal = settings.fixtureToken === "" ? STRANGER_REFUSED : TOKEN_WANTED;
  return (request) => {
    const { head } = request;
    // A browser sends the one or the other with all that a page of elsewhere asks for (Fetch §3.2, Fetch Metadata §2.3).
    if (head.has(Field.Origin) || /cross-site|same-site/i.test(head.value(Field.SecFetchSite) ?? ""))
      return PAGE_REFUSED;
    if (!mayUse(request)) return refusal;
    return isTakenAsJson(request) ? null : TYPE_REFUSED;
  };
}

/** RFC 6750 §2.1. */
function hasToken({ head }: Request, expected: Uint8Array | null): boolean {
  const token = /^bearer +(\S+)$/i.exec(head.value(Field.Authorization) ?? "")?.[1];
  return token !== undefined && expected !== null && isSame(digestOf(token), expected);
}

/**
 * Two digests, in the same time wherever they differ, so that no guess learns how much of it was right; node:crypto's function
 * would take 3 ms of each start.
 */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}

function digestOf(text: string): Uint8Array {
  return new Bun.CryptoHasher("sha256").update(text).digest();
}

/** A form of a page can send text, but no JSON. What has neither content nor a type needs none. */
function isTakenAsJson({ head, framing }: Request): boolean {
  if (head.method === Method.Get || head.method === Method.Head) return true;
  const isEmpty = framing.kind !== "chunked" && framing.contentLength === 0;
  return (isEmpty && !head.has(Field.ContentType)) || isJsonMediaType(head.value(Field.ContentType));
}

const PAGE_REFUSED = errorAnswer(403, "These rooms are not for pages in a browser.");
const STRANGER_REFUSED = errorAnswer(403, "These rooms are for clients on the server's own machine.");
const TOKEN_WANTED = errorAnswer(401, "From another machine these rooms need the token of --fixture-token.", [
  ["WWW-Authenticate", "Bearer"],
]);
const TYPE_REFUSED = errorAnswer(415, "These rooms take application/json.", [["Accept", "application/json"]]);
