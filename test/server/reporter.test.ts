/** The words of the log for events of connections. */
import { expect, test } from "bun:test";
import { newAnswered } from "../../src/exchange/observer.ts";
import { ParseError, violationOf } from "../../src/http/parse-error.ts";
import type { ServerLog } from "../../src/server/access-log.ts";
import { Reporter } from "../../src/server/reporter.ts";

function narrated(violation: number): string[] {
  const lines: string[] = [];
  const log: ServerLog = { access: () => {}, info() {}, detail: (text) => lines.push(text), warn() {}, error() {} };
  new Reporter(log, () => 0).answered({ ...newAnswered(), connection: 7, violation });
  return lines;
}

test("--verbose names the rule that a malformed request breaks, its section, and the attack it stops", () => {
  const [refused] = narrated(ParseError.FieldSpaceBeforeColon);
  const { attack } = violationOf(ParseError.FieldSpaceBeforeColon) ?? { attack: "none" };
  expect(refused).toBe(`[-] #7 Refused: FieldSpaceBeforeColon, RFC 9112 §5.1 (would allow: ${attack})`);
});

test("--verbose says nothing of rules for a well-formed request", () => {
  expect(narrated(0).some((line) => line.includes("Refused"))).toBe(false);
});
