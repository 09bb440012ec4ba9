/** The conformance rows as cases: whole, with a cut, and a part of them byte by byte. */
import { cases } from "../../../test/conformance/cases.ts";
import { parity } from "../../../test/conformance/parity.ts";
import type { Row } from "../../../test/conformance/row.ts";
import { MODIFIED } from "../../../test/conformance/site.ts";
import { Random } from "../../fuzz/random.ts";
import { type Case, PROBE, type Step } from "./case.ts";

/** One row in so many is also sent byte by byte, if it is not longer than this. */
const BYTEWISE_SHARE = 9;
const BYTEWISE_LENGTH_MAX = 500;

/** Milliseconds in which a server that has something to say about an incomplete request has said it. */
const QUIET_MS = 60;

/** All rows, in document order. */
export const ROWS: readonly Row[] = [...cases, ...parity];

/** The text that a row sends, with placeholders of this comparison. */
function textOf(row: Row): string {
  return row.raw.replaceAll("{{etag}}", "{{etag:/data.txt}}").replaceAll("{{modified}}", MODIFIED);
}

export function rowCases(seed: number): readonly Case[] {
  const random = new Random(seed);
  const whole = ROWS.map((row, index) => caseOf(row, index, "", [["send", textOf(row)]]));
  const cut = ROWS.flatMap((row, index) => {
    const text = textOf(row);
    // A placeholder must stay in one piece.
    if (row.whole || text.length < 2 || text.includes("{{")) return [];
    const at = 1 + random.below(text.length - 1);
    return [caseOf(row, index, `, cut at ${at}`, [["send", text.slice(0, at)], ["apart"], ["send", text.slice(at)]])];
  });
  const bytewise = ROWS.flatMap((row, index) => {
    const text = textOf(row);
    if (index % BYTEWISE_SHARE !== 0 || row.whole || text.length > BYTEWISE_LENGTH_MAX || text.includes("{{"))
      return [];
    return [
      caseOf(
        row,
        index,
        ", byte by byte",
        [...text].flatMap((byte): Step[] => [["send", byte], ["apart"]]),
      ),
    ];
  });
  return [...whole, ...cut, ...bytewise];
}

function caseOf(row: Row, index: number, manner: string, sends: readonly Step[]): Case {
  return {
    id: `row ${index} (${row.section}: ${row.name})${manner}`,
    conversations: [[...sends, ...endOf(row)]],
    isVolatile: row.raw.startsWith("POST"),
  };
}

function endOf(row: Row): readonly Step[] {
  if (row.finish) return [["finish"]];
  if (row.end === "waits") {
    const answered: readonly Step[] = row.answers.length > 0 ? [["heard"]] : [];
    return [...answered, ["quiet", QUIET_MS], ["finish"]];
  }
  // A server that was asked to say 100 decides by what has come, so there the probe comes later.
  return row.raw.includes("100-continue") ? [["heard"], PROBE] : [PROBE];
}
