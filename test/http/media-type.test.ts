import { expect, test } from "bun:test";
import { isJsonMediaType } from "../../src/http/media-type.ts";

test("application/json, and what ends with +json, is taken with parameters in their grammar, of which a charset says utf-8", () => {
  const good = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    'application/json ;charset="UTF-8"',
    'application/json;a=b; c="d;\\"e"',
    "application/json;",
    "application/json; ;charset=utf-8",
    "application/problem+json",
    "application/vnd.api+JSON;charset=utf-8",
  ];
  const bad = [
    null,
    "",
    "application/jsonx",
    "application/+json",
    "application/problem+json+xml",
    "application/problem+json; charset=latin1",
    "text/x+json",
    "application/json, text/html",
    "application/json; charset=latin1",
    "application/json; a=b;charset=utf-16",
    "application/json; charset",
    "application/json charset=utf-8",
    'application/json; charset="utf-8',
    "application/json; charset = utf-8",
    "application/json; charset=utf-8, x",
  ];
  for (const value of good) expect([value, isJsonMediaType(value)]).toEqual([value, true]);
  for (const value of bad) expect([value, isJsonMediaType(value)]).toEqual([value, false]);
  // An expression that went back and forth would take minutes for these.
  expect(isJsonMediaType(`application/json${"; ".repeat(100_000)}"`)).toBe(false);
  expect(isJsonMediaType(`application/json;a="${'\\"'.repeat(100_000)}`)).toBe(false);
});
