/** Uploads in an object store: the faults of the store, and what is kept afterwards. */
import { describe, expect, test } from "bun:test";
import { sha256Hex } from "../../../../src/handlers/digest.ts";
import { Objects } from "../../../../src/handlers/uploads/s3/objects.ts";
import { type StoredUpload, StoreError } from "../../../../src/handlers/uploads/store.ts";
import type { Fate } from "../../../support/fake-s3.ts";
import { turns, until } from "../../../support/waiting.ts";
import { type Ground, keep, later, letPass, makeGround, PART_BYTES, PARTS_MAX, TIMEOUT_MS } from "./ground.ts";

const PROBE = "in/.httpserver-conditional-writes";

/** Keys of all objects but the one that is asked about conditions. */
function keysOf({ s3 }: Ground): string[] {
  return [...s3.objects.keys()].filter((key) => key !== PROBE).sort();
}

function contentOf({ s3 }: Ground, name: string): string | undefined {
  return s3.objects.get(`in/${name}`)?.content.toString();
}

/** Opened: the conditions are known, and the requests for them are forgotten. */
async function opened(options: Parameters<typeof makeGround>[0] & { conditions?: Ground["s3"]["conditions"] } = {}) {
  const ground = makeGround(options);
  ground.s3.conditions = options.conditions ?? "all";
  await ground.store.open();
  ground.s3.requests.length = 0;
  ground.lines.length = 0;
  return ground;
}

/** Bytes in which no part equals another. */
function large(parts: number, rest = 1): Uint8Array {
  const bytes = new Uint8Array(PART_BYTES * parts + rest);
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2_654_435_761);
  return bytes;
}

/** No divisor of a part. */
const PIECE_BYTES = 10_000;

/** Cuts content as a connection does. */
function cut(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) pieces.push(bytes.subarray(at, at + PIECE_BYTES));
  return pieces;
}

const outcome = (kept: StoredUpload | Error) =>
  kept instanceof StoreError ? kept.status : kept instanceof Error ? (kept as Error & { code?: string }).code : "kept";

describe("an upload in JSON", () => {
  test("is one request, under a name that nothing else has", async () => {
    const ground = await opened();
    const kept = (await keep(ground, null, '{"a":1}')) as StoredUpload;
    expect(kept.name).toMatch(/^upload_\d{8}_\d{6}_[0-9a-f]{32}\.json$/);
    expect(kept).toMatchObject({
      path: `s3://bucket/in/${kept.name}`,
      bytes: 7,
      sha256: sha256Hex('{"a":1}'),
      receivedMs: ground.s3.nowMs,
    });
    expect(ground.s3.requests).toEqual([`PUT /bucket/in/${kept.name}`]);
    expect(contentOf(ground, kept.name)).toBe('{"a":1}');
  });

  test.each<[string, readonly Fate[]]>([
    ["its answer is lost", ["lost"]],
    ["its answer is lost twice", ["lost", "lost"]],
    ["it does not reach the store", ["refused", "refused"]],
    ["it does not reach the store, and then its answer is lost", ["refused", "lost"]],
    ["the store fails after it has kept it", ["lost", { status: 500 }]],
  ])("is kept once if %s", async (_, fates) => {
    for (const conditions of ["all", "none"] as const) {
      const ground = await opened({ conditions });
      ground.s3.fates = [...fates];
      const kept = (await letPass(ground, keep(ground, null, "[]"))) as StoredUpload;
      expect(outcome(kept)).toBe("kept");
      expect(keysOf(ground)).toEqual([`in/${kept.name}`]);
      expect(ground.lines).toEqual([]);
    }
  });

  test("is 503 in time, if the store hangs", async () => {
    const ground = await opened();
    ground.s3.fate = () => "hang";
    expect(outcome(await letPass(ground, keep(ground, null, "[]")))).toBe(503);
    expect(keysOf(ground)).toEqual([]);
  });

  test.each<[Fate, number]>([
    [{ status: 403, code: "AccessDenied" }, 500],
    [{ status: 404, code: "NoSuchBucket" }, 500],
    [{ status: 301, code: "PermanentRedirect" }, 500],
    [{ status: 403, code: "QuotaExceeded" }, 507],
  ])("that the store refuses with %p is %d, and the operator is told once", async (fate, status) => {
    const ground = await opened();
    ground.s3.fate = () => fate;
    for (let i = 0; i < 3; i++) expect(outcome(await keep(ground, null, "[]"))).toBe(status);
    expect(ground.lines).toHaveLength(1);
    ground.s3.fate = () => null;
    expect(outcome(await keep(ground, null, "[]"))).toBe("kept");
    expect(ground.lines.at(-1)).toBe("--uploads: http://s3.test works again");
  });

  test("waits for a store whose conditions are not known yet", async () => {
    const ground = makeGround({ hasNames: false });
    ground.s3.fates = ["refused", "refused"];
    expect(outcome(await letPass(ground, keep(ground, null, "[]")))).toBe("kept");
    expect(ground.s3.requests.map((request) => request.split(" ")[0])).toEqual(["PUT", "PUT", "PUT", "PUT", "PUT"]);
  });
});

describe("the conditions of a store", () => {
  test.each([
    ["all", ["PUT", "POST", "PUT", "POST", "DELETE", "HEAD", "GET"], "obeys"],
    ["put", ["PUT", "POST", "PUT", "POST", "GET"], "obeys"],
    ["none", ["PUT", "PUT", "HEAD"], "does not obey"],
  ] as const)("are found out by few requests: %s", async (conditions, methods, word) => {
    const ground = makeGround();
    ground.s3.conditions = conditions;
    if (conditions !== "none") ground.s3.objects.set(PROBE, { content: Buffer.from("x"), lines: [] });
    await ground.store.open();
    expect(ground.s3.requests.map((request) => request.split(" ")[0] ?? "")).toEqual([...methods]);
    expect(ground.lines).toHaveLength(1);
    expect(ground.lines[0]).toContain(`store ${word} If-None-Match`);
    expect(ground.s3.uploads.size).toBe(0);
  });

  test("are those of PUT alone without uploads by name: one request at a later start", async () => {
    const ground = makeGround({ hasNames: false });
    await ground.store.open();
    expect(ground.s3.requests).toEqual([`PUT /bucket/${PROBE}`, `PUT /bucket/${PROBE}`]);
    ground.s3.requests.length = 0;
    const later = { ...makeGround({ hasNames: false }) };
    later.s3.objects.set(PROBE, { content: Buffer.from("x"), lines: [] });
    await later.store.open();
    expect(later.s3.requests).toEqual([`PUT /bucket/${PROBE}`]);
  });

  test("are none, if the store says that it has none", async () => {
    const ground = makeGround();
    ground.s3.fate = (request) => (request.startsWith("PUT") ? { status: 501, code: "NotImplemented" } : null);
    await ground.store.open();
    expect(ground.lines).toEqual([
      "s3://bucket/in: the store does not obey If-None-Match; JSON uploads keep apart by 128 random bits in their names, and uploads by name get 501",
    ]);
  });

  test("cannot be found out in a store that answers 200 and keeps nothing", async () => {
    const ground = makeGround();
    ground.s3.isForgetful = true;
    expect(outcome(await keep(ground, null, "[]"))).toBe(500);
    expect(ground.lines).toEqual(["--uploads: http://s3.test refuses requests: it answers 404 (NothingIsKept)"]);
  });

  test("are asked for again, if the store was away at the start", async () => {
    const ground = makeGround();
    ground.s3.fate = () => "refused";
    await letPass(ground, ground.store.open());
    expect(ground.lines).toEqual(["--uploads: http://s3.test cannot be reached (ECONNREFUSED)"]);
    ground.s3.fate = () => null;
    ground.clock.advance(1000);
    await turns(2);
    expect(outcome(await keep(ground, "a", "x"))).toBe("kept");
    expect(ground.lines.slice(1)).toEqual([
      "--uploads: http://s3.test works again",
      "s3://bucket/in: no upload replaces another, because the store obeys If-None-Match",
    ]);
  });
});

describe("an upload by name", () => {
  test("is one request up to a part, and replaces nothing", async () => {
    for (const conditions of ["all", "put"] as const) {
      const ground = await opened({ conditions });
      expect(outcome(await keep(ground, "a b.txt", "first"))).toBe("kept");
      expect(ground.s3.requests).toEqual(["PUT /bucket/in/a%20b.txt"]);
      expect(outcome(await keep(ground, "a b.txt", "second"))).toBe("EEXIST");
      expect(contentOf(ground, "a b.txt")).toBe("first");
    }
  });

  test("is kept if its answer was lost, and is not if the name was another's", async () => {
    const ground = await opened();
    ground.s3.fates = ["lost"];
    expect(outcome(await letPass(ground, keep(ground, "a", "ours")))).toBe("kept");
    ground.s3.fates = ["refused"];
    expect(outcome(await letPass(ground, keep(ground, "a", "ours")))).toBe("EEXIST");
  });

  test("is 501 in a store without conditional writes", async () => {
    const ground = await opened({ conditions: "none" });
    expect(outcome(await keep(ground, "a", "x"))).toBe(501);
    expect(keysOf(ground)).toEqual([]);
  });

  test("has any length, also none and exactly that of a part", async () => {
    const ground = await opened();
    for (const [name, bytes] of [
      ["none", new Uint8Array(0)],
      ["part", large(1, 0)],
      ["more", large(1, 1)],
      ["parts", large(2, 0)],
    ] as const) {
      expect(outcome(await keep(ground, name, ...cut(bytes)))).toBe("kept");
      expect(ground.s3.objects.get(`in/${name}`)?.content.equals(bytes)).toBe(true);
    }
    const parts = ground.s3.requests.filter((request) => request.includes("partNumber"));
    expect(parts).toHaveLength(4);
  });
});

describe.each(["all", "put"] as const)("an upload in parts, where conditions hold for %s", (conditions) => {
  test("arrives whole", async () => {
    const ground = await opened({ conditions });
    const bytes = large(5, 12_345);
    const kept = (await keep(ground, "big", ...cut(bytes))) as StoredUpload;
    expect(kept).toMatchObject({ name: "big", bytes: bytes.length, sha256: sha256Hex(bytes) });
    expect(ground.s3.objects.get("in/big")?.content.equals(bytes)).toBe(true);
    expect(ground.s3.uploads.size).toBe(0);
    expect(ground.s3.heldBytesMax).toBeLessThanOrEqual(5 * PART_BYTES);
  });

  /** Requests of an upload of two parts, by their beginnings. */
  const STEPS = {
    begin: /^POST .*\?uploads=$/,
    reserve: conditions === "put" ? /^PUT [^?]*big$/ : /^HEAD .*big$/,
    part: /partNumber=1/,
    join: /^POST .*uploadId=/,
  };

  test.each(Object.keys(STEPS) as (keyof typeof STEPS)[])("is kept once if %s fails at first", async (step) => {
    for (const fate of ["lost", "refused", { status: 503 }, "stale"] as const) {
      const ground = await opened({ conditions });
      let isFirst = true;
      ground.s3.fate = (request) => {
        if (!isFirst || !STEPS[step].test(request)) return null;
        isFirst = false;
        return fate;
      };
      const bytes = large(1, 10);
      expect(outcome(await letPass(ground, keep(ground, "big", ...cut(bytes))))).toBe("kept");
      expect(isFirst).toBe(false);
      expect(ground.s3.objects.get("in/big")?.content.equals(bytes)).toBe(true);
    }
  });

  test.each(["begin", "part", "join"] as const)("is 503, and leaves nothing, if %s fails for good", async (step) => {
    const ground = await opened({ conditions });
    ground.s3.fate = (request) => (STEPS[step].test(request) ? { status: 503 } : null);
    expect(outcome(await letPass(ground, keep(ground, "big", ...cut(large(1)))))).toBe(503);
    await later(ground, 90);
    expect([keysOf(ground), ground.s3.uploads.size]).toEqual([[], 0]);
  });

  test("leaves nothing once the store is back", async () => {
    const ground = await opened({ conditions });
    ground.s3.fate = (request) => (STEPS.part.test(request) || isAway ? "refused" : null);
    let isAway = false;
    const kept = keep(ground, "big", ...cut(large(1)));
    await until(() => ground.s3.requests.some((request) => STEPS.part.test(request)), "the first part");
    isAway = true;
    expect(outcome(await letPass(ground, kept))).toBe(503);
    await later(ground, 600);
    expect(ground.s3.uploads.size).toBe(1);
    isAway = false;
    await later(ground, 120);
    expect([keysOf(ground), ground.s3.uploads.size]).toEqual([[], 0]);
  });

  test("is kept, or not, by the error that comes after a 200", async () => {
    for (const [code, expected] of [
      ["InternalError", "kept"],
      ["PreconditionFailed", "EEXIST"],
      ["NoSuchUpload", 500],
    ] as const) {
      const ground = await opened({ conditions });
      let isFirst = true;
      ground.s3.fate = (request) => {
        if (!isFirst || !STEPS.join.test(request)) return null;
        isFirst = false;
        return { status: 200, code };
      };
      expect(outcome(await letPass(ground, keep(ground, "big", ...cut(large(1)))))).toBe(expected);
    }
  });

  test("is 500 if the object is not as long as what was sent", async () => {
    const ground = await opened({ conditions });
    let isJoined = false;
    ground.s3.fate = (request) => {
      const { lines } = ground.s3.objects.get("in/big") ?? {};
      if (isJoined && lines) ground.s3.objects.set("in/big", { content: Buffer.from("short"), lines });
      isJoined ||= STEPS.join.test(request);
      return null;
    };
    expect(outcome(await keep(ground, "big", ...cut(large(1))))).toBe(500);
  });

  test("is not abandoned before its last part is over", async () => {
    const ground = await opened({ conditions });
    ground.s3.fate = (request) => (STEPS.part.test(request) ? "hang" : null);
    const sink = ground.store.create("big", null);
    const kept = sink.commit().catch((error: Error) => error);
    for (const piece of cut(large(1))) sink.write(piece);
    await until(() => ground.s3.hanging.length === 1, "the part");
    sink.failed("client");
    await kept;
    await turns(5);
    expect(ground.s3.requests.some((request) => request.startsWith("DELETE"))).toBe(false);
    ground.s3.fate = () => null;
    ground.clock.advance(TIMEOUT_MS);
    await later(ground, 90);
    expect([keysOf(ground), ground.s3.uploads.size]).toEqual([[], 0]);
  });

  test("leaves nothing if its content breaks off", async () => {
    const ground = await opened({ conditions });
    const sink = ground.store.create("big", null);
    const kept = sink.commit().catch((error: Error) => error);
    for (const piece of cut(large(2))) {
      if (!sink.write(piece)) await new Promise<void>((resolve) => sink.whenReady(resolve));
    }
    await until(() => ground.s3.uploads.size === 1, "the upload to begin");
    sink.failed("client");
    expect(await kept).toBeInstanceOf(Error);
    await until(() => keysOf(ground).length === 0 && ground.s3.uploads.size === 0, "the upload to be abandoned");
    expect(outcome(await keep(ground, "big", "again"))).toBe("kept");
  });

  test("ends before its content does, if the name is taken", async () => {
    const ground = await opened({ conditions });
    await keep(ground, "big", "first");
    const sink = ground.store.create("big", null);
    const kept = sink.commit().catch((error: Error) => error);
    for (const piece of cut(large(1))) sink.write(piece);
    expect(outcome((await kept) as Error)).toBe("EEXIST");
    await until(() => ground.s3.uploads.size === 0, "the upload to be abandoned");
    expect(contentOf(ground, "big")).toBe("first");
  });

  test("of two with one name, one is kept", async () => {
    const ground = await opened({ conditions });
    const [one, other] = [large(1, 5), large(1, 9)];
    const kept = await Promise.all([keep(ground, "big", ...cut(one)), keep(ground, "big", ...cut(other))]);
    expect(kept.map(outcome).sort()).toEqual(["EEXIST", "kept"]);
    const winner = outcome(kept[0] as StoredUpload) === "kept" ? one : other;
    expect(ground.s3.objects.get("in/big")?.content.equals(winner)).toBe(true);
    await until(() => ground.s3.uploads.size === 0, "the other to be abandoned");
  });
});

test("an upload of more parts than a store takes is refused as too large", async () => {
  const ground = await opened();
  expect(outcome(await keep(ground, "large", ...cut(large(PARTS_MAX, 0))))).toBe("kept");
  expect(outcome(await keep(ground, "big", ...cut(large(PARTS_MAX, 1))))).toBe("EFBIG");
  await until(() => ground.s3.uploads.size === 0, "the upload to be abandoned");
});

test("a name that another upload in parts keeps is taken, also for one whose answer was lost", async () => {
  const ground = await opened({ conditions: "put" });
  ground.s3.objects.set("in/big", { content: Buffer.alloc(0), lines: [["x-amz-meta-httpserver-pending", "other"]] });
  let isFirst = true;
  ground.s3.fate = (request) => {
    if (!isFirst || request !== "PUT /bucket/in/big") return null;
    isFirst = false;
    return "refused";
  };
  expect(outcome(await letPass(ground, keep(ground, "big", ...cut(large(1)))))).toBe("EEXIST");
  await until(() => ground.s3.uploads.size === 0, "the upload to be abandoned");
  expect(keysOf(ground)).toEqual(["in/big"]);
});

test("uploads that are under way finish while the server drains", async () => {
  const ground = await opened();
  const sink = ground.store.create("big", null);
  const kept = sink.commit();
  const [first = new Uint8Array(0), ...rest] = cut(large(3));
  sink.write(first);
  ground.client.end();
  for (const piece of rest) sink.write(piece);
  sink.ended();
  expect((await kept).bytes).toBe(3 * PART_BYTES + 1);
});

describe("memory", () => {
  test("goes from uploads that have more than one part of it to those that wait", async () => {
    const ground = await opened();
    const held: string[] = [];
    ground.s3.fate = (request) => (request.includes("partNumber") ? (held.push(request) > 0 ? "hang" : null) : null);
    const sinks = Array.from({ length: 4 }, (_, index) => ground.store.create(`big-${index}`, null));
    // The fifth part of each does not come to its end.
    for (const sink of sinks) {
      sink.commit().catch(() => {});
      for (const piece of cut(large(4))) sink.write(piece);
    }
    await until(() => held.length === 16, "the parts");
    const waiting = keep(ground, "last", "x");
    await turns(5);
    expect(ground.s3.objects.has("in/last")).toBe(false);
    ground.s3.fate = () => null;
    for (const listener of ground.s3.hanging) {
      listener.answered({ status: 200, lines: [["ETag", '"e"']], content: null, length: 0 });
      listener.ended(true);
    }
    expect(outcome(await waiting)).toBe("kept");
  });

  test("has a bound for all uploads together; those that find no room wait, and then get 503", async () => {
    const ground = await opened();
    ground.s3.fate = (request) => (request.includes("partNumber") ? "hang" : null);
    const content = cut(large(1));
    const uploads = Array.from({ length: 20 }, (_, index) => keep(ground, `big-${index}`, ...content));
    await until(() => ground.client.counts.inFlight >= 16, "the parts to be sent");
    expect(ground.s3.heldBytesMax).toBeLessThanOrEqual(16 * PART_BYTES);
    ground.clock.advance(TIMEOUT_MS);
    ground.s3.fate = () => null;
    const outcomes = (await letPass(ground, Promise.all(uploads))).map(outcome);
    expect(outcomes.filter((status) => status === 503).length).toBeGreaterThanOrEqual(16);
    // The room is there again, and the circuit closes.
    await later(ground, 60);
    expect(outcome(await letPass(ground, keep(ground, "later", ...content)))).toBe("kept");
  });

  test("is used again: neither what has come nor the parts that were sent are held", async () => {
    const ground = await opened();
    const sink = ground.store.create("big", null);
    const kept = sink.commit();
    const memory: WeakRef<ArrayBufferLike>[] = [];
    const parts = () => ground.s3.requests.filter((request) => request.includes("partNumber")).length;
    for (let part = 0; part < 16; part++) {
      const piece = new Uint8Array(PART_BYTES).fill(part);
      memory.push(new WeakRef(piece.buffer));
      sink.write(piece);
      await until(() => parts() >= part - 1, "the part");
    }
    await turns(5);
    Bun.gc(true);
    expect(memory.filter((buffer) => buffer.deref() !== undefined).length).toBeLessThan(8);
    sink.abort();
    await kept.catch(() => {});
  });

  test("keeps room for small uploads of a known length", async () => {
    const ground = await opened();
    ground.s3.fate = () => "hang";
    const sinks = Array.from({ length: 1000 }, (_, index) => ground.store.create(`small-${index}`, 1000));
    const kept = sinks.map((sink) => sink.commit().catch((error: Error) => error));
    for (const sink of sinks) {
      sink.write(new Uint8Array(1000));
      sink.ended();
    }
    await until(() => ground.client.counts.inFlight === 32, "requests to be sent");
    await turns(5);
    expect(ground.client.counts.waiting).toBe(1000 - 32);
    await letPass(ground, Promise.all(kept));
  });

  test("is not taken from a client that is faster than the store", async () => {
    const ground = await opened();
    ground.s3.fate = (request) => (request.includes("partNumber") ? "hang" : null);
    const sink = ground.store.create("big", null);
    const kept = sink.commit().catch((error: Error) => error);
    const piece = new Uint8Array(PIECE_BYTES);
    let taken = 0;
    for (let isReady = true; isReady; ) {
      taken += piece.length;
      if (sink.write(piece)) continue;
      isReady = await Promise.race([
        new Promise<boolean>((resolve) => sink.whenReady(() => resolve(true))),
        turns(50).then(() => false),
      ]);
    }
    // Parts on their way, and the pieces that wait for the next.
    expect(taken).toBeLessThan(5 * PART_BYTES + 300_000);
    sink.abort();
    ground.clock.advance(TIMEOUT_MS);
    await kept;
  });
});

describe("leftovers of killed servers", () => {
  test.each(["all", "put"] as const)("are abandoned once they are a day old: %s", async (conditions) => {
    const ground = makeGround();
    ground.s3.conditions = conditions;
    await keep(ground, "kept", "x");
    const hour = 3_600_000;
    const begun = async (name: string, hoursAgo: number) => {
      ground.s3.nowMs -= hoursAgo * hour;
      const sink = ground.store.create(name, null);
      const kept = sink.commit().catch(() => {});
      for (const piece of cut(large(1))) sink.write(piece);
      await until(() => [...ground.s3.uploads.values()].some(({ key }) => key === `in/${name}`), "the upload to begin");
      await turns(5);
      ground.s3.nowMs += hoursAgo * hour;
      return kept;
    };
    void begun("young", 23);
    await until(() => ground.s3.uploads.size === 1, "the first");
    await turns(10);
    void begun("old & odd", 25);
    await until(() => ground.s3.uploads.size === 2, "the second");
    await turns(10);
    const reserved = conditions === "put" ? ["in/kept", "in/old & odd", "in/young"] : ["in/kept"];
    expect(keysOf(ground)).toEqual(reserved);
    await ground.store.open();
    expect([...ground.s3.uploads.values()].map(({ key }) => key)).toEqual(["in/young"]);
    expect(keysOf(ground)).toEqual(reserved.filter((key) => key !== "in/old & odd"));
  });
});

test("an upload in parts that another server has ended does not cost a name", async () => {
  const ground = await opened({ conditions: "put" });
  const objects = new Objects(ground.client, "in/");
  ground.s3.objects.set("in/a", { content: Buffer.alloc(0), lines: [["x-amz-meta-httpserver-pending", "gone"]] });
  expect(await objects.abandon("in/a", "gone", false, TIMEOUT_MS)).toBe(true);
  expect(keysOf(ground)).toEqual(["in/a"]);
  expect(await objects.abandon("in/a", "gone", true, TIMEOUT_MS)).toBe(true);
  expect(keysOf(ground)).toEqual([]);
});

test("remove removes an object, and nothing if there is none", async () => {
  const ground = await opened();
  await keep(ground, "a", "x");
  ground.store.remove("a");
  ground.store.remove("b");
  await until(() => keysOf(ground).length === 0, "the object to go");
  await turns(2);
  expect(ground.lines).toEqual([]);
});
