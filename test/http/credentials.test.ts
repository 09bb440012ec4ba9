import { expect, test } from "bun:test";
import { bearerTokenIn, isBearerToken, problemOfUser } from "../../src/http/credentials.ts";

const NO_HASH =
  "expected USER:HASH with an argon2id or bcrypt hash, never a password; httpserver hash-password makes one";
const COSTLY = "expected a hash with at most 262144 KiB and 20 passes";
const UNSOUND = "expected a hash that can be verified: its passes, lanes and memory contradict each other";

function argon2(memory: number, passes: number, lanes: number): string {
  return `a:$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${"A".repeat(22)}$${"B".repeat(43)}`;
}

function bcrypt(cost: string, version = "2b"): string {
  return `a:$${version}$${cost}$${"A".repeat(53)}`;
}

test.each<[item: string, problem: string | null]>([
  ["@users", null],
  ["@", "expected the name of a file after @"],
  ["user", "expected USER:HASH, or @FILE with such lines"],
  [":hash", "expected USER:HASH, or @FILE with such lines"],
  ["u:secret", NO_HASH],
  [bcrypt("04"), null],
  [bcrypt("15", "2y"), null],
  [bcrypt("03"), NO_HASH],
  [bcrypt("16"), NO_HASH],
  [`${bcrypt("10")}x`, NO_HASH],
  [argon2(65_536, 2, 1), null],
  [argon2(262_144, 20, 1), null],
  [argon2(262_145, 2, 1), COSTLY],
  [argon2(65_536, 21, 1), COSTLY],
  [argon2(8, 1, 1), null],
  [argon2(7, 1, 1), UNSOUND],
  [argon2(32, 1, 4), null],
  [argon2(31, 1, 4), UNSOUND],
  [argon2(65_536, 0, 1), UNSOUND],
  [argon2(65_536, 1, 0), UNSOUND],
])("%s", (item, problem) => {
  expect(problemOfUser(item)).toBe(problem);
});

test("a bearer token has the characters of RFC 6750, and a bound", () => {
  expect(["a", "aZ0._~+/-==", "x".repeat(256)].filter(isBearerToken)).toHaveLength(3);
  expect(["", "=", "a b", "a=b", "é", "x".repeat(257)].filter(isBearerToken)).toEqual([]);
});

test("a bearer token stands after its scheme, in any case", () => {
  expect(["Bearer abc", "bearer  abc"].map(bearerTokenIn)).toEqual(["abc", "abc"]);
  expect(["Basic abc", "Bearer", "Bearer a b", "Bearerabc"].map(bearerTokenIn)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
