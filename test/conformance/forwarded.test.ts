/** The rows about the fields of proxies, on the machine and on a socket: from a trusted peer as they say, from any other ignored. */
import { afterAll, describe, expect, test } from "bun:test";
import { TrustedProxies } from "../../src/exchange/forwarding.ts";
import { ManualClock, startServer } from "../../src/index.ts";
import { bytesOf } from "../support/bytes.ts";
import { bytewise, MachineFloor, splitPoints } from "./floors.ts";
import { rfc7239 } from "./rfc7239.ts";
import type { Row } from "./row.ts";
import { BODY_BYTES_MAX, HOSTS, makeConformanceSite } from "./site.ts";
import { WireFloor } from "./wire.ts";

const site = makeConformanceSite();
const settings = {
  port: 0,
  root: site.root,
  uploads: site.uploads,
  allowedHosts: HOSTS,
  maxBodyBytes: BODY_BYTES_MAX,
  clock: new ManualClock(),
};
const server = await startServer({ ...settings, trustedProxies: ["127.0.0.0/8"] });
afterAll(async () => {
  await server.stop({ timeoutMs: 100 });
  site[Symbol.dispose]();
});

const trusting = new MachineFloor(site, new TrustedProxies(["127.0.0.0/8"]));
const distrusting = new MachineFloor(site, new TrustedProxies(["10.0.0.0/8"]));
const plain = new MachineFloor(site);
const socket = new WireFloor({ hostname: "127.0.0.1", port: server.port });

describe("the machine", () => {
  for (const row of rfc7239) {
    test(`${row.section}: ${row.name}`, async () => {
      const bytes = bytesOf(row.raw);
      expect(await trusting.run(row, [bytes])).toBe("");
      expect(await trusting.run(row, bytewise(bytes))).toBe("");
      for (const at of splitPoints(bytes.length)) {
        expect(await trusting.run(row, [bytes.subarray(0, at), bytes.subarray(at)])).toBe("");
      }
    });
  }
});

describe("a socket", () => {
  for (const row of rfc7239) {
    test(`${row.section}: ${row.name}`, async () => {
      expect(await socket.run(row, row.raw, false)).toBe("");
      expect(await socket.run(row, row.raw, true)).toBe("");
    });
  }
});

describe("from a peer that is not trusted, and without the flag, the fields mean nothing", () => {
  for (const row of rfc7239.filter(({ raw }) => raw.startsWith("GET"))) {
    test(`${row.section}: ${row.name}`, async () => {
      const ignored: Row = { ...row, error: null, answers: row.answers.map(() => ({ status: statusOf(row) })) };
      for (const floor of [distrusting, plain]) expect(await floor.run(ignored, [bytesOf(row.raw)])).toBe("");
    });
  }
});

/** The Host rule is the only one that is left. */
function statusOf({ raw }: Row): number {
  return raw.includes("Host: backend.internal") ? 403 : 200;
}
