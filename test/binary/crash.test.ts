/**
 * Short slices of what `bun run faults:kill`, `faults:restart` and `faults:soak` do at length: the compiled file killed during
 * uploads, stopped under load, and under mixed traffic. And the rule they hold uploads against, tried on folders that break it.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../../tools/fuzz/random.ts";
import { killLoop } from "../../tools/resilience/kill.ts";
import { killFileLoop } from "../../tools/resilience/kill-file.ts";
import { restartLoop } from "../../tools/resilience/restart.ts";
import { soak } from "../../tools/resilience/soak.ts";
import { Ledger } from "../../tools/resilience/support/ledger.ts";
import { KINDS } from "../../tools/resilience/support/traffic.ts";
import { type Body, makeBody } from "../../tools/resilience/support/upload.ts";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";

/** Generous, because a busy machine takes its time; each takes one to two seconds. */
const SLICE_MS = 20_000;

let binary: Binary;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
});

test(
  "kill -9 during uploads leaves what was promised, nothing partial, and no leftovers behind the next start",
  async () => {
    const { violations, ...figures } = await killLoop({ binary: binary.path, count: 12, seed: 1 });
    expect(violations).toEqual([]);
    expect(figures.kills).toBe(12);
    expect(figures.promised).toBeGreaterThan(0);
    expect(figures.cutUploads).toBeGreaterThan(0);
  },
  SLICE_MS,
);

test(
  "kill -9 in the middle of one large upload leaves the whole file or nothing, and no leftovers behind the next start",
  async () => {
    const { violations, ...figures } = await killFileLoop({ binary: binary.path, count: 8, seed: 1, bytes: 4_194_304 });
    expect(violations).toEqual([]);
    expect(figures.kills).toBe(8);
    expect(figures.whole).toBeLessThan(8);
  },
  SLICE_MS,
);

test(
  "SIGTERM under load leaves no accepted request without its answer, and the exit code is 0",
  async () => {
    const { violations, ...figures } = await restartLoop({ binary: binary.path, count: 10, seed: 1 });
    expect(violations).toEqual([]);
    expect(figures.refused).toBe(10);
    expect(figures.answered.accepted).toBeGreaterThan(10);
  },
  SLICE_MS,
);

test(
  "mixed traffic gets the expected answers, and the descriptors return",
  async () => {
    const { violations, ...figures } = await soak({
      binary: binary.path,
      minutes: 1 / 60,
      seed: 1,
      isBrief: true,
    });
    expect(violations).toEqual([]);
    for (const kind of KINDS) expect(figures.visits[kind.name]).toBeGreaterThan(0);
  },
  SLICE_MS,
);

describe("the ledger of an uploads folder", () => {
  const NAME = "upload_20260315_123456_a7b9c2.json";
  const OTHER_NAME = "upload_20260315_123456_000000.json";
  let folder = "";
  let ledger: Ledger;
  let body: Body;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ledger-"));
    ledger = new Ledger(folder);
    body = makeBody(new Random(1));
    ledger.sending(body);
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function put(name: string, bytes: Uint8Array): void {
    writeFileSync(join(folder, name), bytes);
  }

  function promise(name: string, of = body): void {
    ledger.receipt(of, { name, bytes: of.bytes.length, sha256: of.sha256 });
  }

  test("finds nothing wrong with a promised file, a whole one whose answer was lost, and one that is hidden", () => {
    const lost = makeBody(new Random(2));
    ledger.sending(lost);
    put(NAME, body.bytes);
    put(OTHER_NAME, lost.bytes);
    put(".upload-0-1-2-3.tmp", body.bytes.subarray(1));
    promise(NAME);
    ledger.check();
    ledger.finish();
    expect(ledger.violations).toEqual([]);
    expect([ledger.files, ledger.promised, ledger.unpromised]).toEqual([2, 1, 1]);
  });

  const faults: readonly [what: string, violates: () => void, sentence: RegExp][] = [
    ["a promised file that is not there", () => promise(NAME), /does not exist/],
    ["a partial file", () => put(NAME, body.bytes.subarray(0, -1)), /none of the bodies/],
    ["an empty file", () => put(NAME, new Uint8Array(0)), /none of the bodies/],
    [
      "one upload in two files",
      () => {
        put(NAME, body.bytes);
        put(OTHER_NAME, body.bytes);
      },
      /same upload/,
    ],
    [
      "one name for two uploads",
      () => {
        const other = makeBody(new Random(2));
        ledger.sending(other);
        put(NAME, other.bytes);
        promise(NAME);
        promise(NAME, other);
      },
      /promised twice/,
    ],
    [
      "a file that was replaced later",
      () => {
        const other = makeBody(new Random(2));
        ledger.sending(other);
        put(NAME, body.bytes);
        ledger.check();
        put(NAME, other.bytes);
      },
      /and then/,
    ],
    [
      "a file that went later",
      () => {
        put(NAME, body.bytes);
        ledger.check();
        unlinkSync(join(folder, NAME));
      },
      /and then nothing/,
    ],
    ["an answer that is no receipt", () => ledger.receipt(body, null), /not by a 201/],
    [
      "a receipt with another digest",
      () => {
        put(NAME, body.bytes);
        ledger.receipt(body, { name: NAME, bytes: body.bytes.length, sha256: "0" });
      },
      /the 201 for/,
    ],
  ];

  test.each(faults)("names %s", (_, violates, sentence) => {
    violates();
    ledger.finish();
    expect(ledger.violations.join("\n")).toMatch(sentence);
  });
});
