/** The conformance table: every row, RFC by RFC, each in document order. */
import { rfc3986, rfc6266, rfc8187, rfc8615 } from "./rfc3986.ts";
import { rfc9110, rfc9111 } from "./rfc9110.ts";
import { rfc9112 } from "./rfc9112.ts";
import type { Row } from "./row.ts";

export const cases: readonly Row[] = [
  ...rfc3986,
  ...rfc6266,
  ...rfc8187,
  ...rfc8615,
  ...rfc9110,
  ...rfc9111,
  ...rfc9112,
];
