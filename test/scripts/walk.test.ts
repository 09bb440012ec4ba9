/** The counter that the walk puts into a copy of the source: every kind of function has it, and behaves as before. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COUNTER, instrument } from "../../tools/scripts/walk/instrument.ts";

const SOURCE = `
export function plain(): string { return "ü…"; }
export const arrow = (value: number) => ({ value });
export const inner = () => { const nested = (n: number) => n + 1; return [1].map((n) => nested(n)); };
export class Box {
  #width = 1;
  readonly doubled = () => this.#width * 2;
  constructor(width: number) { this.#width = width; }
  get width(): number { return this.#width; }
  set width(width: number) { this.#width = width; }
  static of(width: number): Box { return new Box(width); }
  async later(): Promise<number> { return this.width; }
}
export function isDigit(code: number): boolean { return code >= 48 && code <= 57; }
`;

test("every function of a tree calls the counter at its entry, once, and does what it did", async () => {
  const tree = realpathSync(mkdtempSync(join(tmpdir(), "walk-test-")));
  try {
    mkdirSync(join(tree, "src"));
    writeFileSync(join(tree, "src", "a.ts"), SOURCE);
    writeFileSync(join(tree, "tsconfig.json"), '{ "include": ["src"] }');
    const functions = await instrument(tree);
    const called: string[] = [];
    Object.assign(globalThis, { [COUNTER]: (id: number) => called.push(functions[id]?.name ?? "") });
    const { plain, arrow, inner, Box, isDigit } = await import(join(tree, "src", "a.ts"));
    expect(plain()).toBe("ü…");
    expect(arrow(3)).toEqual({ value: 3 });
    expect(inner()).toEqual([2]);
    expect(isDigit(50)).toBe(true);
    const box = Box.of(5);
    box.width = 6;
    expect(box.doubled()).toBe(12);
    expect(await box.later()).toBe(6);
    expect(called).toEqual([
      ...["plain", "arrow", "inner", "→ in inner", "inner.nested", "isDigit"],
      ...["Box.of", "Box.constructor", "Box.set width", "Box.doubled", "Box.later", "Box.get width"],
    ]);
    expect(functions.filter(({ isByteHelper }) => isByteHelper).map(({ name }) => name)).toEqual(["isDigit"]);
    expect(functions.find(({ name }) => name === "Box.of")).toMatchObject({ file: "src/a.ts", line: 11 });
  } finally {
    Reflect.deleteProperty(globalThis, COUNTER);
    rmSync(tree, { recursive: true, force: true });
  }
});
