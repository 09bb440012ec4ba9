/** Comments keep to docs/style.md: sentences about things that the code has, in plain English. Budgets may only shrink. */
import { describe, expect, test } from "bun:test";
import { commentsOf, type Module, readTree } from "./modules.ts";

/** Most uses per thousand words of comment in src. */
const BUDGETS: Readonly<Record<string, { readonly pattern: RegExp; readonly perThousand: number }>> = {
  what: { pattern: /\bwhat\b/gi, perThousand: 0.4 },
  "who, whom, whoever": { pattern: /\b(?:who|whom|whoever|whomever)\b/gi, perThousand: 0.1 },
  "somebody, nobody, everybody": { pattern: /\b(?:some|no|every|any)body\b/gi, perThousand: 0 },
  "is no": { pattern: /(?<!\bthere )\b(?:is|are) no\b(?! longer| more| smaller)/gi, perThousand: 0 },
};

/** Phrases that are not English, or not plain. */
const PHRASES =
  /\b(?:all the same|at the most|at the least|another one|shall|whatever it|of itself|goes on|as (?:the )?\w+ has it|any more)\b/i;

/** Words with which no doc comment begins: each hides its subject. */
const FIRST_WORDS = /^(?:What|Who|Whom|Whoever|Whose|Of|As|Those|The same|And|That|Where|Whether)\b/;

const source = readTree("src").filter(({ path }) => path.endsWith(".ts"));

describe("comments", () => {
  for (const [name, { pattern, perThousand }] of Object.entries(BUDGETS)) {
    test(`say "${name}" at most ${perThousand} times in a thousand words`, () => {
      const text = source.flatMap(commentsOf).join("\n");
      const uses = text.match(pattern)?.length ?? 0;
      expect((1000 * uses) / wordCount(text)).toBeLessThanOrEqual(perThousand);
    });
  }

  test("have no phrase that is not plain English", () => {
    expect(phrases(source)).toEqual([]);
  });

  test("do not begin with a word that hides the subject", () => {
    expect(hiddenSubjects(source)).toEqual([]);
  });

  test("that break a rule are found", () => {
    const module = {
      path: "src/a.ts",
      text: "/** What a peer sends all the same. */\nconst a = 1; // It shall not.\n",
    };
    expect(phrases([module])).toHaveLength(2);
    expect(hiddenSubjects([module])).toHaveLength(1);
    expect(wordCount(commentsOf(module).join("\n"))).toBe(10);
  });
});

function wordCount(text: string): number {
  return text.match(/[A-Za-z][\w'-]*/g)?.length ?? 0;
}

function phrases(modules: readonly Module[]): string[] {
  return modules.flatMap((module) =>
    commentsOf(module)
      .filter((comment) => PHRASES.test(comment))
      .map((comment) => `${module.path}: ${PHRASES.exec(comment)?.[0]}: ${comment.slice(0, 100)}`),
  );
}

function hiddenSubjects(modules: readonly Module[]): string[] {
  return modules.flatMap((module) =>
    commentsOf(module)
      .filter((comment) => FIRST_WORDS.test(comment))
      .map((comment) => `${module.path}: ${comment.slice(0, 100)}`),
  );
}
