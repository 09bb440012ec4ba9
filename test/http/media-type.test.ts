import { expect, test } from "bun:test";
import { isJsonMediaType } from "../../src/http/media-type.ts";

test("application/json is taken with parameters in their grammar, of which a charset says utf-8", () => {
  const good = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    'application/json ;charset="UTF-8"',
    'application/json;a=b; c="d;\\"e"',
    "application/json;",
    "application/json; ;charset=utf-8",
  ];
  const bad = [
    null,
    "",
    "application/jsonx",
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
  const started = performance.now();
  isJsonMediaType(`application/json${"; ".repeat(4000)}"`);
  isJsonMediaType(`application/json;a="${'\\"'.repeat(4000)}`);
  expect(performance.now() - started).toBeLessThan(500);
});
