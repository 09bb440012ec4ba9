/** What a fixture server remembers of requests: without a socket, on a clock that is moved by hand. */
import { describe, expect, test } from "bun:test";
import { type Answered, newAnswered, Outcome } from "../../src/connection/observer.ts";
import type { Request } from "../../src/http/message.ts";
import { parseRequestHead, RequestHead } from "../../src/http/request-head.ts";
import {
  type Expectation,
  isUnexpected,
  Journal,
  RECORDS_MAX,
  type RequestFilter,
  type RequestPage,
} from "../../src/server/journal.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { respondWith } from "../support/conversation.ts";
import { type Fields, makeRequest } from "../support/site.ts";

const WALL_MS = Date.UTC(2026, 2, 15, 10, 30, 15);

function makeJournal() {
  const clock = new ManualClock(WALL_MS);
  const journal = new Journal(clock);
  /** The request was answered, as the connection tells it. */
  const answer = (
    line: string,
    told: Partial<Answered> & { fields?: Fields; body?: Uint8Array; status?: number } = {},
  ) => {
    const { fields, body, status = 200, ...rest } = told;
    const request = makeRequest(line, fields, body);
    journal.answered({ ...newAnswered(), request, isHeadComplete: true, response: respondWith(status, ""), ...rest });
  };
  return { clock, journal, answer };
}

function targets(page: RequestPage | readonly { target: string | null }[]): (string | null)[] {
  return ("requests" in page ? page.requests : page).map(({ target }) => target);
}

describe("a record", () => {
  test("has what is told of an answer", () => {
    const { clock, journal, answer } = makeJournal();
    clock.advance(1000);
    answer("GET /a%20b?c=%20", {
      connection: 7,
      position: 3,
      peer: "127.0.0.1:50000",
      slot: 2,
      queuedMs: 30.1234567,
      durationMs: 250,
      bytes: 10,
      status: 206,
      fields: { "X-One": "1" },
    });
    expect(journal.select()).toEqual([
      {
        sequence: 1,
        atMs: WALL_MS + 750,
        connection: 7,
        position: 3,
        peer: "127.0.0.1:50000",
        method: "GET",
        target: "/a%20b?c=%20",
        path: "/a b",
        query: "?c=%20",
        host: "127.0.0.1:8080",
        fields: [
          ["Host", "127.0.0.1:8080"],
          ["X-One", "1"],
        ],
        malformed: null,
        slot: 2,
        queuedMs: 30.123,
        durationMs: 250,
        status: 206,
        bytes: 10,
        transfer: "test",
        fault: null,
        close: "keep-alive",
        body: null,
      },
    ]);
  });

  test("says why the connection closed with the answer", () => {
    const { journal, answer } = makeJournal();
    answer("GET /", { outcome: Outcome.Aborted, closing: "client" });
    expect(journal.select()).toMatchObject([{ close: "client" }]);
  });

  test.each<[sent: string, kept: string]>([
    ["Bearer abc.def", "Bearer ***"],
    ["basic  YW5uOnNlY3JldA==", "basic  ***"],
    ['Digest username="a", response="b"', "Digest ***"],
    ["secret", "***"],
  ])("hides the credentials of %p", (sent, kept) => {
    const { journal, answer } = makeJournal();
    answer("GET /", { fields: { authorization: sent, "Proxy-Authorization": sent, "X-Authorization": "shown" } });
    expect(journal.select()[0]?.fields.slice(1)).toEqual([
      ["authorization", kept],
      ["Proxy-Authorization", kept],
      ["X-Authorization", "shown"],
    ]);
  });

  test("has the beginning of a long value", () => {
    const { journal, answer } = makeJournal();
    answer("GET /", { fields: { A: "a".repeat(1024), B: "b".repeat(1025) } });
    const [, a, b] = journal.select()[0]?.fields ?? [];
    expect([a, b]).toEqual([
      ["A", "a".repeat(1024)],
      ["B", `${"b".repeat(1024)}…`],
    ]);
  });

  test("of a head that could not be read has its first line, and no method", () => {
    const { journal } = makeJournal();
    const bytes = Buffer.from("GET /x HTTP/1.1\r\nno field\r\n\r\n");
    const limits = { maxHeaderBytes: 1000, maxUriBytes: 100, maxFieldBytes: 100, maxFields: 10, maxEmptyLines: 0 };
    const head = new RequestHead(limits);
    expect(parseRequestHead(bytes, 0, bytes.length, head)).toBeLessThan(0);
    const request: Request = { ...makeRequest("GET /before"), head };
    journal.answered({ ...newAnswered(), request, response: respondWith(400, "") });
    const nothing = { method: null, target: null, path: null, query: null, host: null, fields: [] };
    expect(journal.select()).toMatchObject([{ ...nothing, malformed: "GET /x HTTP/1.1", status: 400 }]);
  });

  test("of what ended before a head came has neither", () => {
    const { journal } = makeJournal();
    journal.answered({ ...newAnswered(), response: respondWith(408, "") });
    expect(journal.select()).toMatchObject([{ method: null, malformed: null, status: 408 }]);
  });

  test("has the digest of the content, and its beginning is kept beside it", () => {
    const { journal, answer } = makeJournal();
    const body = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
    answer("POST /upload", { body });
    const digest = new Bun.CryptoHasher("sha256").update(body).digest("hex");
    expect(journal.select()).toMatchObject([{ body: { bytes: 70_000, sha256: digest } }]);
    expect(journal.content(1)).toEqual(body.subarray(0, 65_536));
  });

  test("keeps a copy of the content", () => {
    const { journal, answer } = makeJournal();
    const body = Buffer.from("content");
    answer("POST /upload", { body });
    body.fill(0);
    expect(Buffer.from(journal.content(1) ?? []).toString()).toBe("content");
  });
});

describe("the journal", () => {
  test("keeps the last ones, numbers them for ever, and says how many it has forgotten", () => {
    const { journal, answer } = makeJournal();
    for (let i = 1; i <= RECORDS_MAX + 5; i++) answer(`GET /${i}`);
    const page = journal.page();
    expect([page.requests.length, page.last, page.dropped]).toEqual([RECORDS_MAX, RECORDS_MAX + 5, 5]);
    expect(page.requests[0]).toMatchObject({ sequence: 6, target: "/6" });
    expect(journal.page({ since: 3 }).dropped).toBe(2);
    expect(journal.page({ since: 5 }).dropped).toBe(0);
  });

  test("is bounded in bytes", () => {
    const { journal, answer } = makeJournal();
    for (let i = 0; i < 300; i++) answer(`GET /${"x".repeat(7000)}`);
    const { requests, dropped } = journal.page();
    expect(requests.length + dropped).toBe(300);
    // Target and path of each: 14,000 characters.
    expect(requests.length).toBeWithin(60, 76);
  });

  test("forgets contents first, the oldest first", () => {
    const { journal, answer } = makeJournal();
    for (let i = 0; i < 20; i++) answer("POST /upload", { body: new Uint8Array(65_536) });
    expect(journal.select()).toHaveLength(20);
    expect([4, 5].map((sequence) => journal.content(sequence)?.length)).toEqual([undefined, 65_536]);
    expect(journal.content(20)?.length).toBe(65_536);
  });

  test("forgets a content with its record", () => {
    const { journal, answer } = makeJournal();
    answer("POST /upload", { body: new Uint8Array(1) });
    for (let i = 0; i < RECORDS_MAX; i++) answer("GET /");
    expect(journal.content(1)).toBeNull();
  });

  test("goes on counting when it was cleared, and nothing is missing then", () => {
    const { journal, answer } = makeJournal();
    answer("POST /upload", { body: new Uint8Array(1) });
    journal.clear();
    answer("GET /b");
    expect(journal.page()).toMatchObject({ last: 2, dropped: 0 });
    expect(targets(journal.page())).toEqual(["/b"]);
    expect(journal.content(1)).toBeNull();
  });

  test("takes no request that began before it was cleared", () => {
    const { clock, journal, answer } = makeJournal();
    clock.advance(1000);
    journal.clear();
    clock.advance(200);
    answer("GET /before", { durationMs: 201 });
    answer("GET /after", { durationMs: 200 });
    expect(targets(journal.page())).toEqual(["/after"]);
    expect(journal.last).toBe(1);
  });
});

describe("a filter", () => {
  const { journal, answer } = makeJournal();
  answer("GET /", { connection: 1 });
  answer("GET /docs/a.html?q", { connection: 1, status: 404 });
  answer("POST /upload", { connection: 2, status: 201 });
  answer("GET /docs/deep/b.html", { connection: 2, status: 503 });
  answer("OPTIONS *", { connection: 3, status: 204 });
  answer("GET /%5Bid%5D.txt", { connection: 3 });

  test.each<[filter: RequestFilter, sequences: number[]]>([
    [{}, [1, 2, 3, 4, 5, 6]],
    [{ since: 4 }, [5, 6]],
    [{ method: "POST" }, [3]],
    [{ method: "post" }, []],
    [{ path: "/docs/a.html" }, [2]],
    [{ path: "/docs/*" }, [2]],
    [{ path: "/docs/**" }, [2, 4]],
    [{ path: "*.html" }, [2, 4]],
    [{ path: "/[id].txt" }, [6]],
    [{ path: "/" }, [1]],
    [{ status: 404 }, [2]],
    [{ status: "404" }, [2]],
    [{ status: "2xx" }, [1, 3, 5, 6]],
    [{ status: "5xx" }, [4]],
    [{ connection: 2 }, [3, 4]],
    [{ since: 1, method: "GET", status: "4xx" }, [2]],
  ])("%j finds %j", (filter, sequences) => {
    expect(journal.select(filter).map(({ sequence }) => sequence)).toEqual(sequences);
  });
});

describe("whoever waits for requests", () => {
  /** The page, once it is there. */
  function waiting(journal: Journal, filter: RequestFilter, count: number, timeoutMs = 5000) {
    const settled: RequestPage[] = [];
    const over = journal.wait(filter, count, timeoutMs).then((page) => settled.push(page));
    return { settled, over };
  }

  test("gets them with the one that completes their number", async () => {
    const { journal, answer } = makeJournal();
    answer("GET /a");
    const { settled, over } = waiting(journal, { path: "/a" }, 3);
    answer("GET /a");
    answer("GET /b");
    await Promise.resolve();
    expect(settled).toEqual([]);
    answer("GET /a");
    await over;
    expect(settled).toMatchObject([{ isComplete: true, last: 4 }]);
    expect(targets(settled[0] ?? [])).toEqual(["/a", "/a", "/a"]);
    expect(journal.waiting).toBe(0);
  });

  test("gets what is there already", async () => {
    const { journal, answer } = makeJournal();
    answer("GET /a");
    const { settled, over } = waiting(journal, {}, 1);
    await over;
    expect(settled).toMatchObject([{ isComplete: true }]);
  });

  test("counts what came, also what was forgotten since for want of room", async () => {
    const { journal, answer } = makeJournal();
    answer("GET /a");
    const { settled, over } = waiting(journal, { path: "/a" }, 2);
    for (let i = 0; i < RECORDS_MAX; i++) answer("GET /b");
    expect(journal.select({ path: "/a" })).toEqual([]);
    answer("GET /a");
    await over;
    expect(settled).toMatchObject([{ isComplete: true, dropped: 2 }]);
    expect(targets(settled[0] ?? [])).toEqual(["/a"]);
  });

  test("does not count what was forgotten on purpose", async () => {
    const { journal, answer } = makeJournal();
    answer("GET /a");
    const { settled, over } = waiting(journal, {}, 2);
    journal.clear();
    answer("GET /b");
    expect(journal.waiting).toBe(1);
    answer("GET /c");
    await over;
    expect(targets(settled[0] ?? [])).toEqual(["/b", "/c"]);
  });

  test("does not count what came before its number", async () => {
    const { journal, answer } = makeJournal();
    answer("GET /a");
    const { settled, over } = waiting(journal, { since: 1 }, 1);
    expect(journal.waiting).toBe(1);
    answer("GET /b");
    await over;
    expect(targets(settled[0] ?? [])).toEqual(["/b"]);
  });

  test("gets fewer when the time is over, and not before", async () => {
    const { clock, journal, answer } = makeJournal();
    const { settled, over } = waiting(journal, {}, 2, 5000);
    answer("GET /a");
    clock.advance(4999);
    await Promise.resolve();
    expect(settled).toEqual([]);
    clock.advance(1);
    await over;
    expect(settled).toMatchObject([{ isComplete: false }]);
    expect(targets(settled[0] ?? [])).toEqual(["/a"]);
  });

  test("is sent away with what there is when everybody is", async () => {
    const { clock, journal } = makeJournal();
    const both = [waiting(journal, {}, 1), waiting(journal, {}, 2)];
    journal.endWaits();
    await Promise.all(both.map(({ over }) => over));
    expect(both.map(({ settled }) => settled[0]?.isComplete)).toEqual([false, false]);
    clock.advance(5000);
    expect(both.map(({ settled }) => settled.length)).toEqual([1, 1]);
  });
});

describe("to verify", () => {
  test.each<[expectation: Expectation, verified: boolean]>([
    [{}, true],
    [{ match: { path: "/none" } }, false],
    [{ match: { path: "/a" }, count: 2 }, true],
    [{ match: { path: "/a" }, count: 1 }, false],
    [{ match: { path: "/a" }, count: 3 }, false],
    [{ match: { path: "/none" }, count: 0 }, true],
    [{ match: { path: "/a" }, atLeast: 2 }, true],
    [{ match: { path: "/a" }, atLeast: 3 }, false],
    [{ match: { path: "/a" }, atMost: 2 }, true],
    [{ match: { path: "/a" }, atMost: 1 }, false],
    [{ match: { path: "/none" }, atMost: 1 }, true],
    [{ match: { path: "/a" }, atLeast: 1, atMost: 3 }, true],
    [{ match: { path: "/none" }, atLeast: 1, atMost: 3 }, false],
  ])("%j is %p", (expectation, verified) => {
    const { journal, answer } = makeJournal();
    for (const path of ["/a", "/b", "/a"]) answer(`GET ${path}`);
    expect(journal.verify(expectation).verified).toBe(verified);
  });

  test("shows the last of those that were seen", () => {
    const { journal, answer } = makeJournal();
    for (let i = 1; i <= 25; i++) answer(`GET /${i}`);
    const { seen, requests } = journal.verify({ count: 1 });
    expect([seen, requests.length, requests.at(-1)?.target]).toEqual([25, 20, "/25"]);
  });

  test("that there were not more is impossible once some are forgotten", () => {
    const { journal, answer } = makeJournal();
    for (let i = 0; i <= RECORDS_MAX; i++) answer("GET /");
    expect(journal.verify({ count: RECORDS_MAX })).toMatchObject({ verified: false, seen: RECORDS_MAX, dropped: 1 });
    expect(journal.verify({ atLeast: RECORDS_MAX }).verified).toBe(true);
    expect(journal.verify({ match: { since: 1 }, count: RECORDS_MAX }).verified).toBe(true);
  });
});

test.each<[status: number, fault: string | null, unexpected: boolean]>([
  [200, null, false],
  [304, null, false],
  [400, null, false],
  [403, null, false],
  [404, null, true],
  [405, null, true],
  [415, null, false],
  [500, null, true],
  [503, null, true],
  [503, "status", false],
  [404, "status", false],
])("an answer of %p with the fault %p is unexpected: %p", (status, fault, unexpected) => {
  expect(isUnexpected({ status, fault })).toBe(unexpected);
});
