/**
 * The rooms of `--fixture`, for programs: JSON out, JSON in. GET changes nothing; what is not understood is 400 and changes nothing
 * either.
 */
import type { FaultRules } from "../handlers/fault-rules.ts";
import { errorAnswer, jsonAnswer, type Room } from "../handlers/reserved.ts";
import { readyRoom } from "../handlers/status.ts";
import type { KeptUpload } from "../handlers/upload.ts";
import { readFaultRule } from "../http/fault.ts";
import type { Request, Response } from "../http/message.ts";
import { Method } from "../http/request-head.ts";
import { formatValue, type Option, type Options, optionNames, optionTable } from "../options.ts";
import type { Fixture, FixtureOptions } from "./fixture.ts";
import { guardOf } from "./fixture-guard.ts";
import {
  count,
  duration,
  type Kind,
  type Kinds,
  object,
  readContent,
  readMembers,
  readObject,
  readQuery,
  text,
} from "./fixture-input.ts";
import {
  type Expectation,
  RECORDS_MAX,
  type RequestFilter,
  type RequestPage,
  type RequestRecord,
  WAIT_MS,
} from "./journal.ts";
import { messageOf } from "./start-error.ts";
import { VERSION } from "./version.ts";

/** Bytes of what a room is told. */
const CONTENT_BYTES_MAX = 16_384;

/** Milliseconds that somebody may wait for requests, and how many may at the same time. */
const WAIT_MS_MAX = 600_000;
const WAITS_MAX = 100;

export function fixtureRooms(fixture: Fixture, options: FixtureOptions): [name: string, room: Room][] {
  const { settings, pool, time, moveClock } = options;
  const startedMs = time.nowMs();
  const { rules } = fixture.faults;
  const getHold = () => jsonAnswer(200, { slots: pool.size, free: pool.free, held: fixture.held, queued: pool.queued });
  const rooms: readonly (readonly [name: string, actions: Actions, hasParts?: boolean])[] = [
    ["info", { GET: () => jsonAnswer(200, infoOf(options, startedMs)) }],
    [
      "requests",
      {
        GET: (request) => answerRequests(fixture, request),
        DELETE: taking({}, () => {
          fixture.forgetRequests();
          return jsonAnswer(200, { last: fixture.journal.last });
        }),
      },
    ],
    ["requests/unmatched", { GET: (request) => answerUnmatched(fixture, request) }],
    ["requests/verify", { POST: taking(EXPECTATION, (wanted) => answerVerify(fixture, wanted)) }],
    [
      "connections",
      {
        GET: () => jsonAnswer(200, fixture.connections()),
        POST: taking<{ close?: string }>({ close: text('"idle"', /^idle$/) }, ({ close }) =>
          close === undefined ? missing("close") : jsonAnswer(200, { closed: fixture.closeIdle() }),
        ),
      },
    ],
    [
      "uploads",
      {
        GET: () => jsonAnswer(200, { uploads: fixture.uploads().map(uploadOf) }),
        DELETE: taking({}, () => jsonAnswer(200, { removed: fixture.removeUploads() })),
      },
    ],
    [
      "faults",
      {
        GET: (_, id) => (id === "" ? jsonAnswer(200, { faults: rules.list() }) : ruleAnswer(rules.describe(id))),
        POST: ({ body }, id) => (id === "" ? answerOrder(rules, body) : ruleAnswer(null)),
        DELETE: taking({}, (_, id) => {
          if (id === "") return jsonAnswer(200, { removed: rules.clear() });
          return ruleAnswer(rules.remove(id) ? { removed: 1 } : null);
        }),
      },
      true,
    ],
    [
      "hold",
      {
        GET: getHold,
        POST: taking<{ slots?: number }>({ slots: count(1) }, ({ slots }) => {
          if (slots === undefined) return missing("slots");
          if (options.isDraining()) return errorAnswer(409, "the server stops; none was taken");
          const { free } = pool;
          if (slots > free) return errorAnswer(409, `slots: ${free} are free, got ${slots}; none was taken`);
          fixture.hold(slots);
          return getHold();
        }),
        DELETE: taking({}, () => jsonAnswer(200, { released: fixture.release() })),
      },
    ],
    ["reset", { POST: taking({}, () => jsonAnswer(200, { sequence: fixture.reset() })) }],
    [
      "shutdown",
      {
        POST: taking({}, () => {
          options.shutDown();
          return jsonAnswer(200, { status: "stopping" });
        }),
      },
    ],
  ];
  const guard = guardOf(settings);
  return [
    ["ready", readyRoom(options)],
    ...rooms.map(([name, actions, hasParts]) => makeRoom(name, guard, actions, moveClock, hasParts)),
  ];
}

/** `part` is what follows the room's name and a slash, or "". */
type Act = (request: Request, part: string) => Response | Promise<Response>;

/** What a room does, by method. Only GET may act within the turn of the connection that asks. */
interface Actions {
  readonly GET?: Act;
  readonly POST?: Act;
  readonly DELETE?: Act;
}

function makeRoom(
  name: string,
  guard: NonNullable<Room["guard"]>,
  actions: Actions,
  moveClock: () => void,
  hasParts = false,
): [name: string, room: Room] {
  const act = async (action: Act, request: Request, part: string) => {
    // What is set free goes on in turns of its own, and two turns may not be in each other: they share a scratch.
    await Promise.resolve();
    const response = action(request, part);
    // A request that is pipelined behind this one begins after it.
    moveClock();
    return response;
  };
  const room: Room = {
    methods: Object.keys(actions) as (keyof Actions)[],
    bodyBytesMax: CONTENT_BYTES_MAX,
    // Its guard asks for another kind of Authorization.
    isOpen: true,
    hasParts,
    guard,
    respond(request, part) {
      const { method } = request.head;
      if (method === Method.Post) return act(actions.POST as Act, request, part);
      if (method === Method.Delete) return act(actions.DELETE as Act, request, part);
      return (actions.GET as Act)(request, part);
    },
  };
  return [name, room];
}

/** An action that is told something, as a JSON object with members of these kinds. */
function taking<Shape extends object>(kinds: Kinds<Shape>, act: (told: Shape, part: string) => Response): Act {
  return ({ body }, part) => {
    const told = readContent(body, kinds);
    return typeof told === "string" ? errorAnswer(400, told) : act(told, part);
  };
}

function missing(member: string): Response {
  return errorAnswer(400, `member "${member}" is missing`);
}

/** 404, or 4xx for all of them. */
const STATUS: Kind<number | string> = {
  what: 'a status such as 404, or "4xx"',
  ofJson: (value) => (typeof value === "number" ? statusOf(String(value)) : classOf(value)),
  ofText: (value) => classOf(value) ?? statusOf(value),
};

function statusOf(text: string): number | undefined {
  return /^[1-5][0-9][0-9]$/.test(text) ? Number(text) : undefined;
}

function classOf(value: unknown): string | undefined {
  return typeof value === "string" && /^[1-5]xx$/.test(value) ? value : undefined;
}

const FILTER: Kinds<RequestFilter> = {
  since: count(0),
  method: text("a method such as GET", /^[!-~]+$/),
  path: text("a path such as /index.html, or a pattern with * or **"),
  status: STATUS,
  connection: count(1),
};

interface Listing {
  limit?: number;
  /** 1: with the beginnings of contents. */
  body?: number;
}

const LISTING: Kinds<Listing> = { limit: count(1, RECORDS_MAX), body: count(0, 1) };

interface Waiting {
  wait?: number;
  timeout?: number;
}

const WAITING: Kinds<Waiting> = { wait: count(1, RECORDS_MAX), timeout: duration(WAIT_MS_MAX) };

const EXPECTATION: Kinds<Omit<Expectation, "match"> & { match?: object }> = {
  match: object,
  count: count(0),
  atLeast: count(0),
  atMost: count(0),
};

function infoOf({ instance, settings, time, port, urls }: FixtureOptions, startedMs: number) {
  return {
    pid: process.pid,
    version: VERSION,
    port: port(),
    urls: urls(),
    instance,
    uptimeMs: Math.round(time.nowMs() - startedMs),
    flags: changedFlags(settings),
  };
}

/** Settings that are not their defaults, as an operator would write them, without secrets. */
function changedFlags(settings: Options): Record<string, string> {
  const changed = optionNames.filter((name) => {
    const option: Option = optionTable[name];
    return JSON.stringify(settings[name]) !== JSON.stringify(option.default);
  });
  return Object.fromEntries(
    changed.map((name) => [optionTable[name].flag, formatValue(optionTable[name], settings[name])]),
  );
}

async function answerRequests(fixture: Fixture, request: Request): Promise<Response> {
  const told = readQuery<RequestFilter & Listing & Waiting>(request.target.query, {
    ...FILTER,
    ...LISTING,
    ...WAITING,
  });
  if (typeof told === "string") return errorAnswer(400, told);
  const { limit = RECORDS_MAX, body = 0, wait, timeout, ...filter } = told;
  if (wait === undefined) {
    if (timeout !== undefined) return errorAnswer(400, 'parameter "timeout" is of use with "wait" alone');
    return jsonAnswer(200, showPage(fixture, fixture.journal.page(filter), limit, body));
  }
  // The oldest rather than the newest: a client that closed its connection may look as if it waits on.
  if (fixture.journal.waiting >= WAITS_MAX) fixture.journal.endOldestWait();
  const page = await fixture.waitForRequests(filter, wait, timeout ?? WAIT_MS);
  return jsonAnswer(200, showPage(fixture, page, limit, body));
}

function answerUnmatched(fixture: Fixture, request: Request): Response {
  const told = readQuery<RequestFilter & Listing>(request.target.query, { ...FILTER, ...LISTING });
  if (typeof told === "string") return errorAnswer(400, told);
  const { limit = RECORDS_MAX, body = 0, ...filter } = told;
  const page = { ...fixture.journal.page(filter), requests: fixture.unmatched(filter) };
  return jsonAnswer(200, showPage(fixture, page, limit, body));
}

function answerVerify(fixture: Fixture, told: Omit<Expectation, "match"> & { match?: object }): Response {
  const { match: given = {}, ...bounds } = told;
  const match = readMembers<RequestFilter>(given, FILTER);
  if (typeof match === "string") return errorAnswer(400, match);
  if (bounds.count !== undefined && Object.keys(bounds).length > 1) {
    return errorAnswer(400, 'member "count" stands alone, without "atLeast" and "atMost"');
  }
  const verification = fixture.verify({ match, ...bounds });
  return jsonAnswer(verification.verified ? 200 : 409, verification);
}

/** What goes wrong is said in the words of `fault.ts`, not in kinds. */
function answerOrder(rules: FaultRules, body: Uint8Array): Response {
  const given = readObject(body);
  const rule = typeof given === "string" ? given : readFaultRule(given);
  if (typeof rule === "string") return errorAnswer(400, rule);
  try {
    return jsonAnswer(201, { id: rules.add(rule) });
  } catch (error) {
    return errorAnswer(409, messageOf(error));
  }
}

function ruleAnswer(told: object | null): Response {
  return told === null ? errorAnswer(404, "There is no such rule.") : jsonAnswer(200, told);
}

/** The newest `limit` of them. */
function showPage(fixture: Fixture, page: RequestPage, limit: number, body: number): object {
  const requests = page.requests.slice(-limit);
  return { ...page, requests: body === 0 ? requests : requests.map((record) => withContent(fixture, record)) };
}

/** As text where it is text, otherwise in Base64. */
function withContent(fixture: Fixture, record: RequestRecord): object {
  const content = fixture.journal.content(record.sequence);
  if (content === null || record.body === null) return record;
  return { ...record, body: { ...record.body, ...textOf(content), isWhole: content.length === record.body.bytes } };
}

function textOf(content: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content) };
  } catch {
    return { base64: content.toBase64() };
  }
}

/** Where the folder is, is nobody's business. */
function uploadOf({ name, bytes, sha256, receivedMs }: KeptUpload) {
  return { name, size: bytes, sha256, receivedMs };
}
