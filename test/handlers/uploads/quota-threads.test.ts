/** Uploads of several threads into one folder, stopped between any two steps, with fixed seeds; a broken quota is found. */
import { expect, test } from "bun:test";
import { interleaveUploads } from "../../../tools/fuzz/interleaving/uploads.ts";

/** Changes of the source, each with the rule that it breaks. The text before is in the source once. */
const BROKEN: readonly (readonly [rule: string, before: string, after: string])[] = [
  [
    "look and change are one step",
    "if (!this.#books.committed.take(bytes, this.#ceiling)) return false;",
    "if (this.#books.committed.value + bytes > this.#ceiling) return false;\n    this.#books.committed.add(bytes);",
  ],
  [
    "what is kept while the folder is measured counts",
    "    const kept = this.#books.kept.value;\n    this.#ceiling = this.#maxBytes - (await room.usedBytes()) + kept;",
    "    this.#ceiling = this.#maxBytes - (await room.usedBytes()) + this.#books.kept.value;",
  ],
  [
    "the books are read before the disk",
    "this.#ceiling = written.value + room.freeBytes() - SPARE_BYTES;",
    "this.#ceiling = room.freeBytes() + written.value - SPARE_BYTES;",
  ],
  [
    "written bytes of a dropped upload stay committed while the disk is measured",
    "const committed = this.#maxBytes === FREE_SPACE ? taken : kept;",
    "const committed = kept;",
  ],
  ["an upload is settled once", "    if (this.#isOver) return;\n", ""],
];

const TIMEOUT_MS = 60_000;

test("uploads of three threads never have more room than there is, and lose none", async () => {
  const { granted, refused, failure } = await interleaveUploads(1000);
  expect(failure).toBeNull();
  expect(Math.min(granted, refused)).toBeGreaterThan(1000);
});

for (const [rule, before, after] of BROKEN) {
  test(
    `a quota is found broken: ${rule}`,
    async () => {
      const { failure } = await interleaveUploads(20_000, (source) => {
        expect(source.split(before)).toHaveLength(2);
        return source.replace(before, () => after);
      });
      expect(failure?.violation ?? "").not.toBe("");
    },
    TIMEOUT_MS,
  );
}
