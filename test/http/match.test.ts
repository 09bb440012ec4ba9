/** Conditions on a request: which are read, which are refused and where, and which requests meet them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Candidate, contentHolds, describeMatch, headHolds, type Match, readMatch } from "../../src/http/match.ts";

interface Asked {
  readonly method?: string;
  readonly query?: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly content?: string | null;
}

function candidate({ method = "GET", query = "", fields = [], content = null }: Asked, fallback?: string): Candidate {
  const bytes = content === null ? null : new TextEncoder().encode(content);
  return new Candidate({ method, path: "/a", query, lines: () => fields, content: bytes }, fallback);
}

function matchOf(given: object): Match {
  const match = readMatch(given);
  if (typeof match === "string") throw new Error(match);
  return match;
}

/** Which of the requests meet the conditions. */
function held(given: object, ...asked: readonly Asked[]): boolean[] {
  const match = matchOf(given);
  return asked.map((each) => {
    const made = candidate(each);
    return headHolds(match, made) && contentHolds(match, made);
  });
}

function heldByContent(json: unknown, ...contents: readonly string[]): boolean[] {
  return held({ json }, ...contents.map((content) => ({ content })));
}

describe("query", () => {
  test("is decoded as a form is, and has the parameter, wherever it stands", () => {
    expect(
      held(
        { query: { q: "a b&ü" } },
        { query: "?q=a+b%26%C3%BC" },
        { query: "?x=1&q=a%20b%26\xc3\xbc" },
        { query: "?q=a" },
      ),
    ).toEqual([true, true, false]);
  });

  test("holds for one of the values of a parameter that is there twice", () => {
    expect(held({ query: { id: "2" } }, { query: "?id=1&id=2" }, { query: "?id=12" }, { query: "?ID=2" }, {})).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test("with several names holds when all do; with none it always holds", () => {
    expect(held({ query: { a: "1", b: "" } }, { query: "?b&a=1" }, { query: "?a=1" })).toEqual([true, false]);
    expect(held({ query: {} }, {}, { query: "?a" })).toEqual([true, true]);
  });

  test("may ask for names that objects have by themselves", () => {
    const given = JSON.parse('{"query":{"__proto__":"1","constructor":"2"}}') as object;
    expect(held(given, { query: "?__proto__=1&constructor=2" }, { query: "?constructor=2" })).toEqual([true, false]);
  });

  test("with a percent sign that begins no escape is taken as it is", () => {
    expect(held({ query: { q: "50%" } }, { query: "?q=50%" }, { query: "?q=50%25" })).toEqual([true, true]);
  });
});

describe("fields", () => {
  test("have names in any case and an exact value", () => {
    const line = (name: string, value: string) => ({ fields: [[name, value]] as const });
    expect(
      held(
        { fields: { "X-Trace": "Abc" } },
        line("x-trace", "Abc"),
        line("X-Trace", "abc"),
        line("X-Trace", "Abc "),
        {},
      ),
    ).toEqual([true, false, false, false]);
  });

  test("hold for one line of several", () => {
    const fields = [
      ["Accept", "text/html"],
      ["Accept", "*/*"],
    ] as const;
    expect(held({ fields: { accept: "*/*" } }, { fields })).toEqual([true]);
  });
});

describe("json", () => {
  test("holds for an object with further members, at every depth", () => {
    expect(
      heldByContent({ a: { b: 1 } }, '{"a":{"b":1,"c":2},"d":3}', '{"a":{"b":2}}', '{"a":1}', '{"b":1}', "[]"),
    ).toEqual([true, false, false, false, false]);
  });

  test("holds for an array of the same length whose items hold", () => {
    expect(heldByContent([{ a: 1 }, 2], '[{"a":1,"b":1},2]', "[2]", '[{"a":1},2,3]', '{"0":{"a":1},"1":2}')).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test("compares numbers by their value, and nothing across types", () => {
    expect(heldByContent({ n: 10 }, '{"n":1e1}', '{"n":10.0}', '{"n":"10"}', '{"n":true}')).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(heldByContent(null, "null", "{}", "0", "")).toEqual([true, false, false, false]);
  });

  test("asks for own members alone", () => {
    expect(heldByContent({ constructor: {} }, "{}", '{"constructor":{}}')).toEqual([false, true]);
    const match = JSON.parse('{"json":{"__proto__":1}}') as { json: unknown };
    expect(heldByContent(match.json, '{"__proto__":1}', "{}")).toEqual([true, false]);
    const inherited = JSON.parse('{"__proto__":{}}') as unknown;
    expect(heldByContent(inherited, "{}", '{"__proto__":{"a":1}}')).toEqual([false, true]);
  });

  test("holds for no content that is not JSON, not UTF-8, or nested without end", () => {
    expect(heldByContent({}, "{", "", "{}x", "{}", `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`)).toEqual([
      false,
      false,
      false,
      true,
      false,
    ]);
    expect(held({ json: {} }, { content: null })).toEqual([false]);
  });

  test("is a copy: a later change of the object changes nothing", () => {
    const json = { a: 1 };
    const match = matchOf({ json });
    json.a = 2;
    expect(contentHolds(match, candidate({ content: '{"a":1}' }))).toBe(true);
  });
});

describe("a method", () => {
  test("is compared with case, and a star holds for every one", () => {
    expect(held({ method: "GET" }, {}, { method: "get" }, { method: "HEAD" })).toEqual([true, false, false]);
    expect(held({ method: "*" }, { method: "M-SEARCH" }, { method: "OPTIONS" })).toEqual([true, true]);
  });

  test("may be the one that stands in for the request's own", () => {
    const head = candidate({ method: "HEAD" }, "GET");
    expect(["GET", "HEAD", "POST"].map((method) => headHolds({ method }, head))).toEqual([true, true, false]);
  });
});

class Money {
  readonly amount = 1;
}

describe("conditions that no request meets are refused with their place", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 101; i++) deep = [deep];
  const refused: readonly [given: unknown, message: string | RegExp][] = [
    [null, /^match: expected an object such as .*, got null$/],
    [[], /^match: expected an object/],
    [{ querry: {} }, 'match: unknown member "querry"; known: method, path, query, fields, json'],
    [{ constructor: 1 }, /^match: unknown member "constructor"/],
    [{ method: 1 }, "match.method: expected text, got 1"],
    [{ method: "" }, "match.method: expected a method such as GET, or * for every one"],
    [{ method: "post" }, 'match.method: expected POST, for case counts in a method, got "post"'],
    [{ path: "" }, /^match\.path: expected a path/],
    [{ path: "/a?page=2" }, "match.path: a path has no query; use query"],
    [{ path: "/a\0" }, "match.path: expected a path in UTF-8, without NUL, CR and LF"],
    [{ path: "/\ud800" }, "match.path: expected a path in UTF-8, without NUL, CR and LF"],
    [{ path: "http://localhost:8080/a" }, "match.path: expected a path such as /app.js, without scheme and host"],
    [{ query: "page=2" }, 'match.query: expected an object of texts such as {"page":"2"}, got "page=2"'],
    [{ query: { page: 2 } }, "match.query.page: expected text, got 2"],
    [{ query: { "a b": null } }, 'match.query["a b"]: expected text, got null'],
    [
      { query: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [i, ""])) },
      /^match\.query: .* at most 100 names, got 101$/,
    ],
    [{ fields: { Accept: ["a"] } }, 'match.fields.Accept: expected text, got ["a"]'],
    [{ fields: { "Accept:": "a" } }, 'match.fields["Accept:"]: expected the name of a field, such as Accept'],
    [{ fields: { "": "a" } }, /^match\.fields\[""\]: expected the name of a field/],
    [{ fields: { Accept: "a\n" } }, /^match\.fields\.Accept: expected the value of a field, without .*, got "a\\n"$/],
    [{ fields: { Accept: " a" } }, /^match\.fields\.Accept: expected the value of a field/],
    [{ fields: { Accept: "日本" } }, /^match\.fields\.Accept: expected the value of a field/],
    [{ json: { a: [1, undefined] } }, "match.json.a[1]: expected JSON, got undefined"],
    [{ json: { a: Number.NaN } }, "match.json.a: expected JSON, got NaN"],
    [{ json: () => 1 }, "match.json: expected JSON, got a function"],
    [{ json: { at: new Date(0) } }, 'match.json.at: expected JSON, got an object of the class "Date"'],
    [{ json: [new Money()] }, 'match.json[0]: expected JSON, got an object of the class "Money"'],
    [{ json: deep }, /expected at most 100 arrays and objects inside each other$/],
  ];
  for (const [given, message] of refused) {
    test(String(message), () => {
      expect(readMatch(given)).toMatch(message);
    });
  }

  test("but members that are undefined count as missing", () => {
    expect(readMatch({ method: undefined, query: undefined, json: undefined })).toEqual({
      method: "*",
      path: "/**",
    });
  });
});

const anyMatch = fc.record(
  {
    method: fc.constantFrom("*", "GET", "M-SEARCH"),
    path: fc.constantFrom("/", "/a/*", "/**", "*.js"),
    query: fc.dictionary(fc.string(), fc.string()),
    fields: fc.dictionary(fc.constantFrom("Accept", "x-a"), fc.constantFrom("a", "", "b c")),
    json: fc.jsonValue({ maxDepth: 5 }),
  },
  { requiredKeys: [] },
);

test("what is described is read again as the same conditions", () => {
  fc.assert(
    fc.property(anyMatch, (given) => {
      const match = matchOf(given);
      expect(readMatch(JSON.parse(JSON.stringify(describeMatch(match))))).toEqual(match);
    }),
  );
});

test("JSON contains itself, and with further members", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (json) => {
      expect(heldByContent(json, JSON.stringify(json))).toEqual([true]);
      expect(heldByContent({ a: json }, JSON.stringify({ b: 1, a: json }))).toEqual([true]);
    }),
  );
});
