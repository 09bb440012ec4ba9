/**
 * The compiled file behind the HAProxy and nginx of Debian: short slices of `bun run resilience:rolling`, and what arrives of a client
 * that has used https.
 */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../../src/index.ts";
import { type RollingOptions, rolling } from "../../tools/resilience/rolling.ts";
import { freePort, startHaproxyWith } from "../../tools/resilience/support/balancer.ts";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { needs } from "../support/needs.ts";

/** Three restarts take seven seconds, and a busy machine takes its time. */
const SLICE_MS = 90_000;

let binary: Binary;
const folder = mkdtempSync(join(tmpdir(), "balancer-"));

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("a rolling restart of three instances fails no request, and every log names the clients", () => {
  const slices: readonly [name: string, balancer: "haproxy" | "nginx", announces: boolean, restarts: number][] = [
    ["HAProxy, which announces them by the PROXY protocol", "haproxy", true, 3],
    ["HAProxy, which names them in fields", "haproxy", false, 1],
    ["nginx, which names them in fields and changes Host", "nginx", false, 1],
  ];
  for (const [name, balancer, announces, restarts] of slices) {
    needs(balancer, "wrk").test(
      `behind ${name}`,
      async () => {
        const slice: Omit<RollingOptions, "binary"> = {
          requests: 1000,
          restarts,
          balancer,
          announces,
          workers: null,
          seed: 1,
          runSeconds: 1,
        };
        const report = await rolling({ ...slice, binary: binary.path });
        expect(report.violations).toEqual([]);
        expect(report.failed).toBe(0);
        expect(report.restarts).toBeGreaterThanOrEqual(restarts);
        expect(report.uploads).toBeGreaterThan(0);
        expect(report.logged).toBeGreaterThanOrEqual(report.uploads);
      },
      SLICE_MS,
    );
  }
});

describe("HAProxy", () => {
  const rows: readonly [name: string, server: string, secure: boolean][] = [
    ["version 1 of the PROXY protocol", "send-proxy", false],
    ["version 2", "send-proxy-v2", false],
    ["version 2 with its part about TLS", "send-proxy-v2-ssl", true],
    ["version 2 with more parts", "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id", true],
  ];
  for (const [name, words, secure] of rows) {
    needs("haproxy", "openssl").test(`speaks TLS to the client and ${name} to the server`, async () => {
      await using server = await startServer({
        files: { "/a.html": "page" },
        uploads: "",
        anyPort: true,
        httpbin: "/bin",
        trustedProxies: ["127.0.0.1"],
        proxyProtocol: true,
      });
      const port = await freePort();
      const haproxy = await startHaproxyWith(
        folder,
        port,
        `frontend f\n  bind 127.0.0.1:${port} ssl crt ${certificate()}\n  default_backend b\n` +
          `backend b\n  server s 127.0.0.1:${server.port} ${words}\n`,
      );
      try {
        const response = await fetch(`https://127.0.0.1:${port}/bin/get`, { tls: { rejectUnauthorized: false } });
        const told = (await response.json()) as { origin: string; url: string };
        expect(told.origin).toBe("127.0.0.1");
        expect(told.url).toBe(`${secure ? "https" : "http"}://127.0.0.1:${port}/bin/get`);
      } finally {
        await haproxy.stop();
      }
    });
  }
});

/** Makes a certificate with its key in one file, as HAProxy reads it. */
function certificate(): string {
  const [key, cert, both] = ["key.pem", "cert.pem", "both.pem"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const made = Bun.spawnSync([...words, "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"]);
  if (!made.success) throw new Error(made.stderr.toString());
  writeFileSync(both, readFileSync(cert, "utf8") + readFileSync(key, "utf8"));
  return both;
}
