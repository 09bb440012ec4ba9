/** The comparison of two builds: what it blanks, what it tells apart, and that it notices a server that answers otherwise. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transcript } from "../../tools/scripts/same-bytes/case.ts";
import { differences, normalized } from "../../tools/scripts/same-bytes/compare.ts";
import { generatedCases } from "../../tools/scripts/same-bytes/conversations.ts";
import { faultCases } from "../../tools/scripts/same-bytes/faults.ts";
import { rowCases } from "../../tools/scripts/same-bytes/rows.ts";
import { compareSetup } from "../../tools/scripts/same-bytes/runner.ts";
import { makeSite } from "../../tools/scripts/same-bytes/site.ts";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");
const ORIGIN = { port: 40_001, pid: 7 };

describe("the corpus", () => {
  test("is the same for the same seed, and differs for a different one", () => {
    expect(generatedCases(1, 50, "a", false)).toEqual(generatedCases(1, 50, "a", false));
    expect(generatedCases(2, 50, "a", false)).not.toEqual(generatedCases(1, 50, "a", false));
  });

  test("has no two cases of one name", () => {
    for (const cases of [rowCases(1), generatedCases(1, 300, "a", true), faultCases().cases]) {
      expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
    }
  });
});

describe("two transcripts", () => {
  const now = new Date().toUTCString();

  test("are equal when they differ in dates of today, ports and names of uploads", () => {
    const one = answer(201, [`Date: ${now}`, "Location: /uploads/upload_20260101_000000_0a1b2c.json"], "");
    const other = answer(201, ["Date: {{now}}", "Location: /uploads/upload_20261231_235959_ffffff.json"], "");
    expect(labels(one, other)).toEqual([]);
    expect(read(answer(308, ["Location: http://localhost:40001/"], "")).text).toContain("localhost:{{port}}/");
  });

  test("differ in an old date", () => {
    const before = answer(200, ["Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"], "");
    const after = answer(200, ["Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT"], "");
    expect(labels(before, after)).toHaveLength(1);
  });

  test("are described by status, by field, by order, by content and by the connection's end", () => {
    const one = answer(200, ["A: 1", "B: 2"], "content");
    expect(labels(one, answer(404, ["A: 1", "B: 2"], "content"))).toEqual(["status: HTTP/1.1 200 X → HTTP/1.1 404 X"]);
    expect(labels(one, answer(200, ["A: 1"], "content"))).toEqual(["200: field B: 2 → none"]);
    expect(labels(one, answer(200, ["A: 1", "B: 3"], "content"))).toEqual(["200: field B: 2 → 3"]);
    expect(labels(one, answer(200, ["B: 2", "A: 1"], "content"))).toEqual(["200: order of fields: A, B → B, A"]);
    expect(labels(one, answer(200, ["A: 1", "B: 2"], "context"))).toEqual(['200: content: "content" → "context"']);
    expect(labels(one, one + one)).toEqual(["answers: [200] → [200 200]"]);
    expect(differences([read(one)], [{ ...read(one), end: "reset" }]).map(({ label }) => label)).toEqual([
      "end: fin → reset",
    ]);
  });
});

describe("two servers", () => {
  test("of one source differ in nothing, and one that says 404 to all differs in every answer", async () => {
    using site = makeSite();
    const folder = mkdtempSync(join(tmpdir(), "same-bytes-test-"));
    try {
      const other = join(folder, "other.ts");
      writeFileSync(other, OTHER_SERVER);
      const cases = rowCases(1).filter(({ id }) => /§9\.3\.[12]/.test(id));
      expect(cases.length).toBeGreaterThan(5);
      const flags = ["--root", site.conformance, "--allowed-host", "localhost"];
      const setup = { name: "test", flags, etagsOf: ["/data.txt"], credentials: "", cases };
      const options = { site, folder, concurrent: 8 };
      expect((await compareSetup(setup, [MAIN, MAIN], options)).differing).toEqual([]);
      const { differing } = await compareSetup(setup, [MAIN, other], options);
      expect(differing.filter(({ isByChance }) => !isByChance)).toHaveLength(cases.length);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});

const OTHER_SERVER = `
const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: {
  data(socket) { socket.end("HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"); },
} });
console.log(\`Listening on port \${listener.port} (http://127.0.0.1:\${listener.port}/) pid=\${process.pid}\`);
`;

function answer(status: number, lines: readonly string[], content: string): string {
  return [`HTTP/1.1 ${status} X`, ...lines, "", content].join("\r\n");
}

function read(received: string): Transcript & { readonly text: string } {
  const transcript = { received, end: "fin" } as const;
  return { ...transcript, text: normalized(transcript, ORIGIN, true) };
}

function labels(before: string, after: string): readonly string[] {
  return differences([read(before)], [read(after)]).map(({ label }) => label);
}
