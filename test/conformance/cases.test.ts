/** The table itself: names that tell rows apart, and the order of the documents. */
import { describe, expect, test } from "bun:test";
import { cases } from "./cases.ts";
import { parity } from "./parity.ts";

const all = [...cases, ...parity];

describe("the conformance table", () => {
  test("has no two rows of one name in a section", () => {
    const names = all.map((row) => `${row.section}: ${row.name}`);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test("stands in document order within each document", () => {
    const keys = cases.map((row) => keyOf(row.section));
    const misplaced = cases.filter((row, index) => {
      const [document, place] = keyOf(row.section);
      const before = keys[index - 1];
      return before !== undefined && before[0] === document && place < before[1];
    });
    expect(misplaced.map((row) => row.section)).toEqual([]);
  });
});

/** The document, and its section as text that sorts as sections do. */
function keyOf(section: string): readonly [document: string, place: string] {
  const [document = "", place = ""] = section.split(" §");
  return [
    document,
    place
      .split(".")
      .map((part) => part.padStart(3, "0"))
      .join("."),
  ];
}
