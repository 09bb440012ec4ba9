/** Which request gets which fault. */
import { describe, expect, test } from "bun:test";
import { FaultRules } from "../../src/handlers/fault-rules.ts";
import { type FaultRule, parseFaultRule } from "../../src/http/fault.ts";

function rulesOf(...texts: readonly string[]): FaultRules {
  const rules = new FaultRules();
  for (const text of texts) rules.add(parseFaultRule(text) as FaultRule);
  return rules;
}

/** The faults of requests one after the other, "-" for none. */
function faultsOf(rules: FaultRules, ...requests: readonly string[]): string {
  return requests
    .map((line) => {
      const [method = "", path = ""] = line.split(" ");
      return rules.take(method, path)?.kind ?? "-";
    })
    .join(" ");
}

describe("a rule", () => {
  test("is for its method and its path alone", () => {
    const rules = rulesOf("GET /app.js reset");
    expect(faultsOf(rules, "GET /app.js", "HEAD /app.js", "GET /app.jsx", "GET /x/app.js", "GET /app.js")).toBe(
      "reset - - - reset",
    );
  });

  test("may be for all methods and for patterns of paths", () => {
    expect(faultsOf(rulesOf("* /a/*.js hang"), "PUT /a/b.js", "GET /a/b/c.js", "GET /a.js")).toBe("hang - -");
    expect(faultsOf(rulesOf("* /a/** hang"), "GET /a/b/c.js", "GET /a/b", "GET /b")).toBe("hang hang -");
    expect(faultsOf(rulesOf("* *.js hang"), "GET /a.js", "GET /a/b/c.js", "GET /a.css")).toBe("hang hang -");
  });

  test("whose path has a bracket is also for the path that is written so", () => {
    expect(faultsOf(rulesOf("GET /[ab] hang"), "GET /a", "GET /[ab]", "GET /c")).toBe("hang hang -");
  });

  test("skips the first, then applies so often, and then no more", () => {
    const rules = rulesOf("GET /a reset skip=2 times=3");
    expect(faultsOf(rules, ...Array<string>(8).fill("GET /a"))).toBe("- - reset reset reset - - -");
  });

  test("that is not the first leaves its turn to the one before, and gets what that one leaves", () => {
    const rules = rulesOf("GET /a reset skip=1 times=1", "GET /** hang times=2");
    expect(faultsOf(rules, "GET /a", "GET /a", "GET /b", "GET /a")).toBe("hang reset hang -");
  });
});

describe("rules", () => {
  test("are a thousand at most", () => {
    const rules = rulesOf(...Array<string>(1000).fill("GET /a reset"));
    const more = parseFaultRule("GET /a reset") as FaultRule;
    expect(() => rules.add(more)).toThrow(RangeError);
    rules.remove("f7");
    expect(rules.add(more)).toBe("f1001");
  });

  test("have ids that none has had before, also when all were removed", () => {
    const rules = rulesOf("GET /a reset", "GET /b reset");
    expect(rules.clear()).toBe(2);
    expect(rules.add(parseFaultRule("GET /c reset") as FaultRule)).toBe("f3");
    expect(rules.remove("f1")).toBe(false);
    expect(faultsOf(rules, "GET /a", "GET /c")).toBe("- reset");
  });
});
