/** docs/api.md is what the types of the library and their comments say today. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../support/binary.ts";

const TOP = join(import.meta.dir, "..", "..");

test("docs/api.md has every exported name with its comment, as `bun tools/scripts/api.ts` writes it", async () => {
  const { code, stdout, stderr } = await run([process.execPath, "tools/scripts/api.ts", "--print"], {
    cwd: TOP,
    timeoutMs: 120_000,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toBe(readFileSync(join(TOP, "docs", "api.md"), "utf8"));
}, 130_000);
