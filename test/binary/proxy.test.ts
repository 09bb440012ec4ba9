/** Short slices of `bun run resilience:proxy` and `resilience:smuggling`: large contents through the compiled file, and nginx behind it. */
import { afterAll, beforeAll, expect } from "bun:test";
import { brokenPromises, KINDS, proxied } from "../../tools/resilience/proxy.ts";
import { smuggle } from "../../tools/resilience/smuggling.ts";
import { type Binary, BUILD_MS, buildBinary } from "../support/binary.ts";
import { linux, needs } from "../support/needs.ts";

let binary: Binary;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
});

for (const kind of KINDS) {
  needs("curl", linux).test(`${kind.name}: arrives whole, in bounded memory`, async () => {
    expect(brokenPromises(await proxied(kind, 32, binary.path))).toEqual([]);
  });
}

needs("nginx").test("nginx sees the same messages as this server, whatever a request pretends to be", async () => {
  const { passed, refused, differences } = await smuggle(3, 400);
  expect(differences).toEqual([]);
  expect([passed > 50, refused > 50]).toEqual([true, true]);
});
