import { expect, test } from "bun:test";
import { Admission } from "../../src/server/admission.ts";

test("so many enter, and one more when one has left", () => {
  const admission = new Admission(2, 0);
  expect([admission.enter("a"), admission.enter("a")]).toEqual([null, null]);
  expect(admission.enter("b")?.sentence).toBe("The server has too many connections.");
  admission.leave("a");
  expect(admission.enter("b")).toBeNull();
});

test("one address may have fewer than all have, and others still enter", () => {
  const admission = new Admission(10, 2);
  expect([admission.enter("a"), admission.enter("a")]).toEqual([null, null]);
  expect(admission.enter("a")?.sentence).toBe("The server has too many connections from your address.");
  expect(admission.enter("b")).toBeNull();
  admission.leave("a");
  expect(admission.enter("a")).toBeNull();
  expect(admission.enter("a")).not.toBeNull();
});

test("who was turned away does not count", () => {
  const admission = new Admission(3, 1);
  expect(admission.enter("a")).toBeNull();
  for (let i = 0; i < 10; i++) expect(admission.enter("a")).not.toBeNull();
  expect([admission.enter("b"), admission.enter("c")]).toEqual([null, null]);
  for (const address of ["a", "b", "c"]) admission.leave(address);
  expect([admission.enter("a"), admission.enter("b"), admission.enter("c")]).toEqual([null, null, null]);
});
