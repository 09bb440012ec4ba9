/** Which request gets which fault, and the room where tests order them. */
import { describe, expect, test } from "bun:test";
import { FaultRules, faultsRoom } from "../../src/handlers/fault-rules.ts";
import { type FaultRule, parseFaultRule } from "../../src/http/fault.ts";
import { answerOf, makeRequest } from "./exchange.ts";

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

describe("the room", () => {
  async function ask(
    rules: FaultRules,
    line: string,
    body = "",
    part = "",
  ): Promise<{ status: number; json: unknown }> {
    const request = makeRequest(line, body === "" ? {} : { "Content-Length": String(body.length) }, Buffer.from(body));
    const { status, text } = answerOf(await faultsRoom(rules, null).respond(request, part));
    return { status, json: JSON.parse(text) };
  }

  test("takes a rule, and shows it with its counts as it can be ordered again", async () => {
    const rules = new FaultRules();
    const rule = {
      match: { method: "GET", path: "/app.js" },
      fault: "reset",
      after: 1024,
      delay: "5ms",
      skip: 1,
      times: 2,
    };
    expect(await ask(rules, "POST /", JSON.stringify(rule))).toEqual({ status: 201, json: { id: "f1" } });
    faultsOf(rules, "GET /app.js", "GET /app.js");
    const shown = { id: "f1", ...rule, matched: 2, applied: 1, left: 1 };
    expect(await ask(rules, "GET /")).toEqual({ status: 200, json: [shown] });
    expect(await ask(rules, "GET /", "", "f1")).toEqual({ status: 200, json: shown });
    expect(await ask(rules, "GET /", "", "f2")).toMatchObject({ status: 404 });
  });

  test("withdraws one rule, or all of them", async () => {
    const rules = rulesOf("GET /a reset", "GET /b reset", "GET /c reset");
    expect(await ask(rules, "DELETE /", "", "f2")).toEqual({ status: 200, json: { removed: 1 } });
    expect(await ask(rules, "DELETE /", "", "f2")).toMatchObject({ status: 404 });
    expect(faultsOf(rules, "GET /a", "GET /b", "GET /c")).toBe("reset - reset");
    expect(await ask(rules, "DELETE /")).toEqual({ status: 200, json: { removed: 2 } });
    expect(faultsOf(rules, "GET /a", "GET /c")).toBe("- -");
  });

  test("refuses what it does not understand in a sentence that names the field", async () => {
    const rules = new FaultRules();
    const refused: readonly [body: string, message: string | RegExp][] = [
      ["{", "expected JSON in UTF-8"],
      ["\xff", "expected JSON in UTF-8"],
      ["[]", /^expected an object/],
      [`{"fault":"reset","after":"many"}`, /^after: expected bytes/],
      [`{"fault":"explode"}`, /^fault: expected one of/],
    ];
    for (const [body, message] of refused) {
      const { status, json } = await ask(rules, "POST /", body);
      expect(status).toBe(400);
      expect((json as { message: string }).message).toMatch(message);
    }
    expect(rules.size).toBe(0);
    expect(await ask(rules, "POST /", `{"fault":"reset"}`, "f1")).toMatchObject({ status: 404 });
  });

  test("takes a thousand rules and no more, and begins anew behind a reset", async () => {
    const rules = rulesOf(...Array<string>(1000).fill("GET /a reset"));
    expect(await ask(rules, "POST /", `{"fault":"reset"}`)).toMatchObject({ status: 400 });
    rules.clear();
    expect(await ask(rules, "POST /", `{"fault":"reset"}`)).toEqual({ status: 201, json: { id: "f1" } });
  });
});
