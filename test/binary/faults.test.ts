/**
 * Short slices of what `bun run resilience:slow`, `readers`, `descriptors` and `disk` do at length: the compiled file among slow
 * clients, among clients that do not read, in a crowd, and on disks that fail.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { type CrowdOptions, crowd, IDLE_CPU_PERCENT_MAX } from "../../tools/resilience/descriptors.ts";
import { scenarios } from "../../tools/resilience/disk.ts";
import { KINDS, makeReadersSite, readers } from "../../tools/resilience/readers.ts";
import { ANSWERS_MIN, type Attack, attack } from "../../tools/resilience/slow.ts";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { linux, needs, unless } from "../support/needs.ts";

let binary: Binary;
/** Made before the first test, so that its files are old enough to be kept in memory when one asks for them. */
let site: string;

beforeAll(async () => {
  site = makeReadersSite();
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
  rmSync(site, { recursive: true, force: true });
});

needs("slowhttptest").describe("slowhttptest", () => {
  const attackers: readonly [kind: Attack, connections: number][] = [
    ["head", 150],
    ["body", 150],
    ["read", 60],
  ];
  test.each(attackers)(
    "slow %s from %i connections: no other client notices",
    async (kind, connections) => {
      const { seen, ...figures } = await attack(kind, {
        binary: binary.path,
        connections,
        rate: 300,
        seconds: 1.2,
        patienceSeconds: 15,
      });
      for (const latencies of [seen.keptAlive, seen.fresh]) {
        expect([...latencies.failures]).toEqual([]);
        expect(latencies.requests).toBeGreaterThanOrEqual(ANSWERS_MIN);
      }
      expect(figures.descriptorsMax).toBeGreaterThanOrEqual(figures.descriptorsBefore + connections);
      expect(figures.descriptorsAfter).toBeLessThanOrEqual(figures.descriptorsBefore);
    },
    40_000,
  );
});

needs("python3", linux).describe("two hundred clients that do not read", () => {
  // Each kind took up to a megabyte for each client when nothing was shared.
  const SHARED = ["ranges", "link", "listing", "page", "events"];
  const FEW = { connections: 200, rate: 400, seconds: 0.2 };
  const kinds = KINDS.filter(({ name }) => SHARED.some((start) => name.startsWith(`${start}:`)));
  test.each(kinds.map((kind) => [kind.name, kind] as const))(
    "%s: cost what one client costs, and no other client is refused",
    async (_, kind) => {
      const report = await readers(kind, { ...FEW, binary: binary.path, folder: site });
      expect(report.staying).toBe(200);
      expect(report.memoryMiBMax - report.memoryMiBBefore).toBeLessThan(100);
      for (const { failures } of [report.seen.keptAlive, report.seen.fresh]) expect([...failures]).toEqual([]);
    },
    40_000,
  );
});

describe("a crowd that connects and stays", () => {
  const idleMs = 500;
  const crowds: readonly [what: string, room: number, options: Omit<CrowdOptions, "binary" | "idleMs">][] = [
    ["64 descriptors", 24, { clients: 200, fileLimit: 64 }],
    ["--max-connections 10", 10, { clients: 50, fileLimit: null, words: ["--max-connections", "10"] }],
  ];
  test.each(crowds)("for %s: %i are served, the others told 503, and the server idles", async (_, room, options) => {
    const report = await crowd({ binary: binary.path, idleMs, ...options });
    expect(report).toMatchObject({
      served: room,
      refused: options.clients - room,
      unanswered: 0,
      servedAgain: room,
      statusAfter: 200,
    });
    expect(new Set(report.lateStatuses)).toEqual(new Set([503]));
    // proc(5) counts in steps of 10 ms, and a tick of the server or two falls into this short time.
    expect(report.idleCpuPercent).toBeLessThan(2 * IDLE_CPU_PERCENT_MAX);
    expect(report.descriptorsAfter).toBe(report.descriptorsBefore);
  });
});

describe("the disk", () => {
  for (const { name, obstacle, run } of scenarios) {
    needs(unless(obstacle)).test(name, () => run(binary.path), 30_000);
  }
});
