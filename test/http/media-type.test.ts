import { expect, test } from "bun:test";
import { formBoundary, isJsonMediaType } from "../../src/http/media-type.ts";

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

test("the boundary of a form is one of RFC 2046, plain or quoted", () => {
  const good = {
    "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW": "----WebKitFormBoundary7MA4YWxkTrZu0gW",
    "Multipart/Form-Data; charset=utf-8; BOUNDARY=a": "a",
    'multipart/form-data; boundary="a b:c"': "a b:c",
    [`multipart/form-data; boundary=${"x".repeat(70)}`]: "x".repeat(70),
  };
  for (const [value, boundary] of Object.entries(good)) expect([value, formBoundary(value)]).toEqual([value, boundary]);
  for (const value of [
    null,
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""',
    'multipart/form-data; boundary="a "',
    'multipart/form-data; boundary="a\\"b"',
    "multipart/form-data; boundary=a; boundary=b",
    "multipart/form-data; boundary=a%b",
    `multipart/form-data; boundary=${"x".repeat(71)}`,
    "multipart/mixed; boundary=a",
    "application/x-www-form-urlencoded; boundary=a",
  ])
    expect([value, formBoundary(value)]).toEqual([value, null]);
});
