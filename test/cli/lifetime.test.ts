/** The end of a parent process as each system shows it. `test/binary/starting.test.ts` ends a real one. */
import { expect, test } from "bun:test";
import { hasParentEnded } from "../../src/cli/lifetime.ts";
import { renewsOnHangup } from "../../src/cli/signals.ts";

const isGone = () => false;
const isThere = () => true;

test("an orphan has another parent, on Linux and macOS", () => {
  for (const system of ["linux", "darwin"] as const) {
    expect(hasParentEnded(100, 100, system, isGone)).toBe(false);
    expect(hasParentEnded(100, 1, system, isThere)).toBe(true);
  }
});

test("an orphan keeps the number of its parent on Windows, so the process is looked for", () => {
  expect(hasParentEnded(100, 100, "win32", isThere)).toBe(false);
  expect(hasParentEnded(100, 100, "win32", isGone)).toBe(true);
});

test("SIGHUP reopens the log and reads the certificate again, but on Windows it ends the program", () => {
  expect(renewsOnHangup(true, false, "linux")).toBe(true);
  expect(renewsOnHangup(false, true, "darwin")).toBe(true);
  expect(renewsOnHangup(false, false, "linux")).toBe(false);
  expect(renewsOnHangup(true, true, "win32")).toBe(false);
});
