/** A short slice of each fuzz target with a fixed seed, and every input that once failed. `bun tools/fuzz/run.ts` goes on from here. */
import { describe, expect, test } from "bun:test";
import { fuzz, judged } from "../tools/fuzz/target.ts";
import { corpusOf, regressions, targets } from "../tools/fuzz/targets.ts";

const SLICE = { seed: 20_260_315, count: 4000, seconds: 3 };

/** Choices of a target, such as where it cuts an input, that each kept input is tried with. */
const CHOICES = 20;

describe("fuzzing", () => {
  for (const target of targets) {
    test(`${target.name}: nothing fails in a short run`, () => {
      const { count, failure } = fuzz(target, corpusOf(target), SLICE);
      const shown = failure && { ...failure, input: Buffer.from(failure.input).toString("latin1") };
      expect(shown).toBeNull();
      expect(count).toBeGreaterThan(0);
    });

    test(`${target.name}: nothing in the corpus fails`, () => {
      expect(corpusOf(target)).not.toBeEmpty();
      for (const input of corpusOf(target)) {
        for (let seed = 0; seed < CHOICES; seed++) expect(judged(target, input, seed)).toBe("");
      }
    });
  }

  for (const { file, target, input } of regressions()) {
    test(`${file} does not fail again`, () => {
      for (let seed = 0; seed < CHOICES; seed++) expect(judged(target, input, seed)).toBe("");
    });
  }

  test("a target that fails is found, with its smallest input", () => {
    const failing = {
      name: "failing",
      dictionary: ["x"],
      check: (input: Uint8Array) => (input.includes(0x78) ? "x" : ""),
    };
    const { failure } = fuzz(failing, [new Uint8Array(40)], SLICE);
    expect(failure?.sentence).toBe("x");
    expect([...(failure?.input ?? [])]).toEqual([0x78]);
  });

  test("a throw is a failure", () => {
    const throwing = {
      name: "throwing",
      dictionary: ["x"],
      check(): string {
        throw new Error("here");
      },
    };
    expect(fuzz(throwing, [new Uint8Array(4)], SLICE).failure?.sentence).toContain("here");
  });

  test("the same seed gives the same inputs", () => {
    const inputsOf = (seed: number) => {
      const inputs: string[] = [];
      const check = (input: Uint8Array) => {
        inputs.push(Buffer.from(input).toString("latin1"));
        return "";
      };
      fuzz({ name: "listing", dictionary: ["abc"], check }, [new Uint8Array(20)], { seed, count: 50, seconds: 5 });
      return inputs;
    };
    expect(inputsOf(7)).toEqual(inputsOf(7));
    expect(inputsOf(8)).not.toEqual(inputsOf(7));
  });
});
