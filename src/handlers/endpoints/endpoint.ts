/**
 * The server's own rooms, below one prefix that the served folder may not have: how it does, and in a test, what it shall do.
 * They are found by the decoded path after the traversal checks, so that no other spelling reaches or avoids them. They take
 * no slot, are neither logged nor counted, and obey the Host rule like everything else.
 */

import { type FieldLines, Fields } from "../../http/fields.ts";
import { ADMITTED, type Admission, type Request, type Response, response } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";

/** The first segment of their paths. */
export const RESERVED_NAME = "__server";

const WITHOUT_SLASH = `/${RESERVED_NAME}`;
const PREFIX = `${WITHOUT_SLASH}/`;

/** One room: what is behind the prefix and its name. */
export interface Room {
  /** GET implies HEAD. */
  readonly methods: readonly ("GET" | "POST" | "DELETE")[];
  /** Bytes of content that it takes; 0 when it takes none. */
  readonly contentBytesMax: number;
  /** True: not even the server's password is asked for. */
  readonly isOpen: boolean;
  /** True: has rooms of its own, `faults/f1`. */
  readonly hasParts: boolean;
  /** Refuses whom the room is not for; null lets them in. */
  readonly guard: ((request: Request) => Response | null) | null;
  /** `part` is what follows the room's name and a slash, or "". */
  respond(request: Request, part: string): Response | Promise<Response>;
}

/** By name, which may have a slash; "" is the prefix itself. */
export type Rooms = ReadonlyMap<string, Room>;

export class Reserved {
  readonly #rooms: Rooms;
  readonly #pages: ErrorPages;

  constructor(rooms: Rooms, pages: ErrorPages) {
    this.#rooms = rooms;
    this.#pages = pages;
  }

  /** True for paths that are never a file's. */
  owns(path: string): boolean {
    return isReserved(path);
  }

  /** True where no password is asked for. */
  isOpen(path: string): boolean {
    return isReserved(path) && this.#find(path)?.room.isOpen === true;
  }

  /** Admits as a Handler does, for a path that `owns`. */
  admit(request: Request): Admission {
    const found = this.#find(request.target.path);
    const refusal =
      found === null ? this.#refuse(404, "There is no such room here.", request) : this.#refusal(request, found.room);
    if (refusal !== null) return { ...CONTROL, refusal };
    const isRead = request.head.method === Method.Get || request.head.method === Method.Head;
    const collectMax = isRead ? 0 : (found?.room.contentBytesMax ?? 0);
    return collectMax === 0 ? CONTROL : { ...CONTROL, content: { collectMax } };
  }

  #refusal(request: Request, room: Room): Response | null {
    const method = request.head.methodText;
    if (method === "OPTIONS") return optionsAnswer(room);
    if (!room.methods.includes((method === "HEAD" ? "GET" : method) as "GET")) {
      return this.#refuse(405, "That method cannot be used here.", request, [["Allow", allowed(room)]]);
    }
    const refusal = room.guard?.(request) ?? null;
    if (refusal !== null) return refusal;
    return request.target.path === WITHOUT_SLASH ? redirectTo(`${PREFIX}${request.target.query}`) : null;
  }

  /** As of a Handler, for a request that was admitted. */
  respond(request: Request): Response | Promise<Response> {
    const found = this.#find(request.target.path);
    if (found === null) throw new Error("a room that was admitted has gone");
    return found.room.respond(request, found.part);
  }

  #find(path: string): { readonly room: Room; readonly part: string } | null {
    const name = path.slice(PREFIX.length);
    const named = this.#rooms.get(name);
    if (named !== undefined) return { room: named, part: "" };
    const slash = name.indexOf("/");
    const room = this.#rooms.get(name.slice(0, slash));
    const part = name.slice(slash + 1);
    // `faults/` is neither the room nor a part of it: who forgot the id must not mean all of them.
    return slash > 0 && part !== "" && room?.hasParts === true ? { room, part } : null;
  }

  #refuse(status: number, sentence: string, request: Request, fields: FieldLines = []): Response {
    return this.#pages.answer(status, sentence, wantsJson(request), { fields });
  }
}

const CONTROL: Admission = { ...ADMITTED, isControl: true };

/** True below the prefix. `path` is decoded and free of traversal. */
export function isReserved(path: string): boolean {
  return path.startsWith(PREFIX) || path === WITHOUT_SLASH;
}

/** Text of ours, which nobody keeps. */
export function ownAnswer(status: number, contentType: string, content: string, further: FieldLines = []): Response {
  const bytes = ENCODER.encode(content);
  const fields = Fields.of([
    ["Content-Type", contentType],
    ["Content-Length", String(bytes.length)],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
    ...further,
  ]);
  return response(status, fields, bytes, "own");
}

/** `value` as JSON, on one line with LF. */
export function jsonAnswer(status: number, value: unknown, further: FieldLines = []): Response {
  return ownAnswer(status, "application/json", `${JSON.stringify(value)}\n`, further);
}

/** One sentence, in the shape of all errors that are JSON. */
export function errorAnswer(status: number, message: string, further: FieldLines = []): Response {
  return jsonAnswer(status, { status: "error", code: status, message }, further);
}

const ENCODER = new TextEncoder();

/** Never to another host: a path and its query. */
function redirectTo(location: string): Response {
  return ownAnswer(308, "text/plain; charset=utf-8", `${PREFIX}\n`, [["Location", location]]);
}

function allowed(room: Room): string {
  return [...room.methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])), "OPTIONS"].join(", ");
}

/** RFC 9110 §9.3.7; 204 has no Content-Length (§8.6). */
function optionsAnswer(room: Room): Response {
  return response(204, Fields.of([["Allow", allowed(room)]]), null, "options");
}
