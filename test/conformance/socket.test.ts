/** Every row over a real socket, plain and with TLS, with the next request right behind it; and a part of them byte by byte. */
import { afterAll, describe, expect, test } from "bun:test";
import { ManualClock, startServer } from "../../src/index.ts";
import { readAnswers } from "./answers.ts";
import { cases } from "./cases.ts";
import { parity } from "./parity.ts";
import type { Row } from "./row.ts";
import { BODY_BYTES_MAX, filledIn, HOSTS, makeConformanceSite } from "./site.ts";
import { WireFloor } from "./wire.ts";

/** One row in so many is also sent byte by byte. */
const BYTEWISE_SHARE = 9;
const BYTEWISE_LENGTH_MAX = 500;

const site = makeConformanceSite();
const settings = {
  port: 0,
  root: site.root,
  uploads: site.uploads,
  allowedHosts: HOSTS,
  maxBodyBytes: BODY_BYTES_MAX,
  threads: 64,
  queue: 10_000,
  // No timeout of the server's ends a conversation that a busy machine holds up.
  clock: new ManualClock(),
};
const plain = await startServer(settings);
const secure = await startServer({ ...settings, tlsSelfSigned: true });
afterAll(async () => {
  await Promise.all([plain.stop({ timeoutMs: 100 }), secure.stop({ timeoutMs: 100 })]);
  site[Symbol.dispose]();
});

const plainFloor = new WireFloor({ hostname: "127.0.0.1", port: plain.port });
const ca = secure.certificate?.pem ?? "";
const secureFloor = new WireFloor({ hostname: "127.0.0.1", port: secure.port, tls: { ca } });
const answer = readAnswers(await plainFloor.ask("HEAD /data.txt HTTP/1.0\r\n\r\n"), () => true).answers[0];
const etag = answer?.fields.get("etag") ?? "";

const all = [...cases, ...parity];
const sample = all.filter(
  (row, index) => index % BYTEWISE_SHARE === 0 && !row.whole && row.raw.length <= BYTEWISE_LENGTH_MAX,
);

/** Without TLS, the preface of HTTP/2 begins a conversation of HTTP/2 (test/server/door.test.ts). */
const ofHttp1 = (row: Row) => !row.name.startsWith("the preface of HTTP/2");

describe("a socket, row by row", () => run(plainFloor, all.filter(ofHttp1), false));
describe("a socket, byte by byte", () => run(plainFloor, sample.filter(ofHttp1), true));
describe("a socket with TLS, row by row", () => run(secureFloor, all, false));
describe("a socket with TLS, byte by byte", () => run(secureFloor, sample, true));

/** All of them are on their way before the first is looked at. */
function run(floor: WireFloor, rows: readonly Row[], isBytewise: boolean): void {
  const results = rows.map((row) => floor.run(row, filledIn(row.raw, etag), isBytewise));
  for (const [index, row] of rows.entries()) {
    test(`${row.section}: ${row.name}`, async () => expect(await results[index]).toBe(""));
  }
}
