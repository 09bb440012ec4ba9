/** Every character that clients put into a target is served where nginx serves it, but for those that the contract refuses. */
import { afterAll, beforeAll, expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { type RunningServer, startServer } from "../../src/index.ts";
import { BUILD_MS } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, PAGE_TEST_MS } from "../support/page.ts";
import {
  CLIENTS,
  type Client,
  type Endpoint,
  pageOf,
  plantTargets,
  record,
  startNginx,
  statusOf,
} from "../support/target-clients.ts";

/** Paths that are refused although nginx serves a file for them: with a backslash, raw or escaped, or an escaped control. */
const REFUSED = /^[^?]*(?:\\|%5C|%7F)/;

let folder: string;
let server: RunningServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "target-clients-"));
  const root = join(folder, "www");
  mkdirSync(root);
  plantTargets(root);
  server = await startServer({ root, uploads: join(folder, "up"), cleanPaths: true, anyPort: true });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends the wire forms of a client to both servers, and returns the forms that nginx alone serves. */
async function refusedAlone(client: Client): Promise<{ count: number; faults: string[] }> {
  await using nginx = await startNginx(join(folder, "www"), mkdtempSync(join(folder, "nginx-")));
  const own: Endpoint = { hostname: "127.0.0.1", port: server.port };
  const wires = [...new Set((await record(client)).map(({ wire }) => wire))].filter((wire) => wire !== null);
  const faults: string[] = [];
  for (const wire of wires) {
    const [ours, theirs] = [await statusOf(wire, own), await statusOf(wire, nginx.at)];
    const isServed = theirs < 400 && !REFUSED.test(wire);
    if (ours < 400 !== isServed) faults.push(`${wire} is ${ours}, and ${theirs} by nginx`);
  }
  return { count: wires.length, faults };
}

for (const [name, client] of Object.entries(CLIENTS)) {
  needs(name, "nginx").test(
    `every target that ${name} sends is answered as by nginx, but for the refused ones`,
    async () => {
      const { count, faults } = await refusedAlone(client);
      expect(faults).toEqual([]);
      expect(count).toBeGreaterThan(40);
    },
    BUILD_MS + PAGE_TEST_MS,
  );
}

needs(CHROMIUM, "nginx").test(
  `every target that a page in ${CHROMIUM} sends is answered as by nginx, but for the refused ones`,
  async () => {
    const browser: Browser = await launchBrowser(CHROMIUM);
    try {
      const { count, faults } = await refusedAlone(pageOf(browser));
      expect(faults).toEqual([]);
      expect(count).toBeGreaterThan(40);
    } finally {
      await browser.close();
    }
  },
  BUILD_MS + PAGE_TEST_MS,
);
