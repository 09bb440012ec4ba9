/** Requests to an object store: what is tried again, for how long, and when the store counts as away. */
import { describe, expect, test } from "bun:test";
import { StoreError } from "../../../../src/handlers/uploads/store.ts";
import type { Fate } from "../../../support/fake-s3.ts";
import { turns } from "../../../support/waiting.ts";
import { type Ground, letPass, makeGround, TIMEOUT_MS } from "./ground.ts";

const PUT = { method: "PUT", key: "in/a", lines: [], content: contentOf("abc") } as const;

function contentOf(text: string) {
  const bytes = new TextEncoder().encode(text);
  return { pieces: [bytes], bytes: bytes.length, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") };
}

function send({ client }: Ground): Promise<number | string> {
  return client.send(PUT, client.deadline()).then(
    ({ status, isAgain }) => (isAgain ? `${status} again` : status),
    (error: StoreError) => `${error.status}, retry in ${error.retrySeconds} s`,
  );
}

describe("a request", () => {
  test.each<[string, Fate]>([
    ["does not reach the store", "refused"],
    ["loses its answer", "lost"],
    ["is answered with 500", { status: 500, code: "InternalError" }],
    ["is answered with 503", { status: 503, code: "SlowDown" }],
    ["is answered with 429", { status: 429 }],
    ["competes with a second request for its key", { status: 409, code: "ConditionalRequestConflict" }],
    ["was too slow for the store", { status: 400, code: "RequestTimeout" }],
  ])("that %s is sent again", async (_, fate) => {
    const ground = makeGround();
    ground.s3.fates = [fate, fate];
    expect(await letPass(ground, send(ground))).toBe("200 again");
    expect(ground.s3.requests).toHaveLength(3);
    expect(ground.client.counts).toMatchObject({ requests: 3, failures: 2, retries: 2, sentBytes: 9, isAway: false });
    expect(ground.s3.objects.get("in/a")?.content.toString()).toBe("abc");
  });

  test.each([400, 403, 404, 409, 412, 501])("that is answered with %d is not", async (status) => {
    const ground = makeGround();
    ground.s3.fates = [{ status }];
    expect(await send(ground)).toBe(status);
    expect(ground.s3.requests).toHaveLength(1);
  });

  test("on a connection that was closed while it was idle is sent again at once", async () => {
    const ground = makeGround();
    ground.s3.fates = ["stale", "stale"];
    expect(await send(ground)).toBe("200 again");
    expect(ground.client.counts.retries).toBe(0);
  });

  test("is tried after pauses that double, up to two seconds, until its deadline", async () => {
    const ground = makeGround();
    const timesMs: number[] = [];
    ground.s3.fate = () => {
      timesMs.push(ground.clock.nowMs());
      return "refused";
    };
    expect(await letPass(ground, send(ground))).toBe("503, retry in 1 s");
    expect(timesMs.slice(0, 8)).toEqual([0, 100, 300, 700, 1500, 3100, 5100, 7100]);
    expect(timesMs.at(-1)).toBeLessThan(TIMEOUT_MS);
    expect(timesMs.at(-1)).toBeGreaterThan(TIMEOUT_MS - 2001);
  });

  test("draws its pauses by chance", async () => {
    const ground = makeGround({ random: () => 0 });
    ground.s3.fates = ["refused", "refused", "refused"];
    const sent = send(ground);
    for (let i = 0; i < 3; i++) {
      await turns(2);
      ground.clock.advance(0);
    }
    expect(await sent).toBe("200 again");
  });

  test("that hangs ends at its deadline", async () => {
    const ground = makeGround();
    ground.s3.fates = ["hang"];
    const sent = send(ground);
    await turns();
    ground.clock.advance(TIMEOUT_MS - 1);
    await turns();
    expect(ground.client.counts.inFlight).toBe(1);
    ground.clock.advance(1);
    expect(await sent).toBe("503, retry in 1 s");
    expect(ground.client.counts.inFlight).toBe(0);
    expect(ground.lines).toEqual(["--uploads: http://s3.test is too slow"]);
  });

  test("is signed for the time of the store, if that is not ours", async () => {
    const ground = makeGround();
    const lines = [["Date", "Tue, 01 Jan 2030 01:00:00 GMT"]] as const;
    ground.s3.fates = [{ status: 403, code: "RequestTimeTooSkewed", lines }];
    const dates: string[] = [];
    const { call } = ground.s3;
    ground.s3.call = (request, listener) => {
      dates.push(request.lines.find(([name]) => name === "X-Amz-Date")?.[1] ?? "");
      return call.call(ground.s3, request, listener);
    };
    expect(await letPass(ground, send(ground))).toBe("200 again");
    expect(dates).toEqual(["20300101T000000Z", "20300101T010000Z"]);
  });
});

describe("many requests", () => {
  test("are on their way 32 at a time, in their order", async () => {
    const ground = makeGround();
    ground.s3.fate = () => "hang";
    const sent = Array.from({ length: 40 }, () => send(ground));
    await turns(2);
    expect(ground.client.counts).toMatchObject({ inFlight: 32, waiting: 8 });
    ground.s3.fate = () => null;
    ground.clock.advance(TIMEOUT_MS);
    expect(new Set(await Promise.all(sent))).toEqual(new Set(["503, retry in 1 s"]));
    expect(ground.client.counts).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  test("that wait for others are sent as soon as those are over", async () => {
    const ground = makeGround();
    const sent = Array.from({ length: 100 }, () => send(ground));
    expect(new Set(await letPass(ground, Promise.all(sent)))).toEqual(new Set([200]));
  });
});

describe("the circuit", () => {
  async function broken(): Promise<Ground> {
    const ground = makeGround();
    ground.s3.fate = () => "refused";
    await letPass(ground, send(ground));
    expect(ground.client.counts.isAway).toBe(true);
    return ground;
  }

  test("opens when a request gave up, and answers further ones at once", async () => {
    const ground = await broken();
    const before = ground.s3.requests.length;
    expect(await send(ground)).toBe("503, retry in 1 s");
    expect(ground.s3.requests).toHaveLength(before);
  });

  test("stays closed if another request was answered meanwhile", async () => {
    const ground = makeGround();
    ground.s3.fate = (request) => (request.endsWith("/a") ? "refused" : null);
    const sent = send(ground);
    await turns();
    ground.clock.advance(1);
    await ground.client.send({ ...PUT, key: "in/b" }, ground.client.deadline());
    expect(await letPass(ground, sent)).toBe("503, retry in 1 s");
    expect(ground.client.counts.isAway).toBe(false);
  });

  test("asks the store less and less often, and closes by itself", async () => {
    const ground = await broken();
    const timesMs: number[] = [];
    const startMs = ground.clock.nowMs();
    ground.s3.fate = (request) => {
      expect(request).toBe("HEAD /bucket/in/.httpserver-conditional-writes");
      timesMs.push(ground.clock.nowMs() - startMs);
      return timesMs.length < 8 ? "refused" : null;
    };
    for (let seconds = 0; seconds < 200 && ground.client.counts.isAway; seconds++) {
      ground.clock.advance(1000);
      await turns(2);
    }
    expect(ground.client.counts.isAway).toBe(false);
    expect(timesMs.map((ms) => Math.floor(ms / 1000))).toEqual([1, 3, 7, 15, 31, 61, 91, 121]);
    ground.s3.fate = () => null;
    expect(await send(ground)).toBe(200);
    // The next time begins with a second again.
    ground.s3.fate = () => "refused";
    ground.clock.advance(1);
    await letPass(ground, send(ground));
    ground.s3.fate = () => null;
    ground.clock.advance(1000);
    await turns(2);
    expect(ground.client.counts.isAway).toBe(false);
  });

  test("asks a little earlier by chance, so that many servers do not ask at the same moment", async () => {
    const ground = makeGround({ random: () => 0 });
    ground.s3.fate = () => "hang";
    const sent = send(ground);
    await turns();
    ground.clock.advance(TIMEOUT_MS);
    await sent;
    const before = ground.s3.requests.length;
    ground.clock.advance(499);
    await turns(2);
    expect(ground.s3.requests).toHaveLength(before);
    ground.clock.advance(1);
    await turns(2);
    expect(ground.s3.requests).toHaveLength(before + 1);
  });

  test("tells the client when to come back", async () => {
    const ground = await broken();
    for (let seconds = 0; seconds < 4; seconds++) {
      ground.clock.advance(1000);
      await turns(2);
    }
    // Asked after 1 s and 3 s; the next time is after 7 s.
    expect(await send(ground)).toBe("503, retry in 3 s");
  });

  test("stays open while the store answers with failures of its own", async () => {
    const ground = await broken();
    ground.s3.fate = () => ({ status: 503 });
    ground.clock.advance(1000);
    await turns(2);
    expect(ground.client.counts.isAway).toBe(true);
  });

  test("asks nothing after the end", async () => {
    const ground = await broken();
    const before = ground.s3.requests.length;
    ground.client.end();
    ground.clock.advance(3_600_000);
    await turns(2);
    expect(ground.s3.requests).toHaveLength(before);
  });
});

describe("the operator", () => {
  test("is told of a store that does not answer at the start at once, and later after the last attempt", async () => {
    const ground = makeGround();
    ground.s3.fates = ["refused"];
    const sent = send(ground);
    await turns(2);
    expect(ground.lines).toEqual(["--uploads: http://s3.test cannot be reached (ECONNREFUSED)"]);
    await letPass(ground, sent);
    ground.client.accepted();
    ground.lines.length = 0;
    ground.s3.fates = ["refused"];
    await letPass(ground, send(ground));
    expect(ground.lines).toEqual([]);
    ground.s3.fate = () => "refused";
    await letPass(ground, send(ground));
    expect(ground.lines).toHaveLength(1);
  });

  test("is told of a failure once, and again when the failure changes", async () => {
    const ground = makeGround();
    for (const status of [403, 403, 404]) ground.client.refusal({ status, code: "AccessDenied" });
    ground.client.accepted();
    ground.client.accepted();
    ground.client.refusal({ status: 403, code: "" });
    expect(ground.lines).toEqual([
      "--uploads: http://s3.test refuses requests: it answers 403 (AccessDenied)",
      "--uploads: http://s3.test refuses requests: it answers 404 (AccessDenied)",
      "--uploads: http://s3.test works again",
      "--uploads: http://s3.test refuses requests: it answers 403",
    ]);
  });

  test("is told the word of an error, and nothing else of what the store sends", async () => {
    const ground = makeGround();
    ground.s3.fates = [{ status: 403, code: "Bad\u001b[31m Key &lt;SECRET" }];
    const answer = await ground.client.send(PUT, ground.client.deadline());
    expect(answer.code).toBe("Bad31mKeyltSECRET");
    const error = ground.client.refusal({ status: 403, code: "SignatureDoesNotMatch" });
    expect(error).toEqual(new StoreError(500, "The store of this server has refused the upload."));
    expect(`${error.message}${error.stack}${ground.lines}`).not.toContain("KEY");
  });

  test.each(["QuotaExceeded", "XMinioStorageFull"])("and a store without room is 507: %s", (code) => {
    const { client } = makeGround();
    expect(client.refusal({ status: 403, code }).status).toBe(507);
  });
});
