/** Names that other parties define: methods, fields, status codes, error codes. */
import { expect, test } from "bun:test";
import { STATUS_CODES } from "node:http";
import { constants } from "node:http2";
import { ERROR_CODE_NAMES } from "../../src/http/error-codes.ts";
import { FIELD_NAMES, Field } from "../../src/http/field.ts";
import { isRead, METHOD_NAMES, Method } from "../../src/http/method.ts";
import { reasonPhrase } from "../../src/http/status.ts";

/** Phrases that Node has from an older RFC, and codes that it has beside the registry. */
const OLDER: Readonly<Record<string, string>> = {
  "413": "Content Too Large",
  "418": "",
  "422": "Unprocessable Content",
  "509": "",
};

test("the phrase of each status code is that of the registry", () => {
  for (let status = 0; status < 1000; status++) {
    expect([status, reasonPhrase(status)]).toEqual([status, OLDER[status] ?? STATUS_CODES[status] ?? ""]);
  }
});

test("the error codes of HTTP/2 have the names of their numbers", () => {
  const named = constants as unknown as Record<string, number>;
  expect(ERROR_CODE_NAMES).toHaveLength(14);
  ERROR_CODE_NAMES.forEach((name, code) => {
    expect([name, named[`NGHTTP2_${name}`]]).toEqual([name, code]);
  });
});

test("each field has its own name, in lower case, at its number", () => {
  expect(FIELD_NAMES).toHaveLength(Field.Count);
  FIELD_NAMES.forEach((name, field) => {
    expect((Field[field] as string).toLowerCase()).toBe(name.replaceAll("-", ""));
    expect(name).toMatch(/^[a-z-]+$/);
  });
});

test("each method has its own name, and two of them read", () => {
  expect(METHOD_NAMES.slice(1)).toEqual(METHOD_NAMES.slice(1).map((_, at) => (Method[at + 1] as string).toUpperCase()));
  const methods = METHOD_NAMES.map((_, method) => method as Method);
  expect(methods.filter(isRead)).toEqual([Method.Get, Method.Head]);
});
