import { expect, test } from "bun:test";
import { ReadState, readEdge } from "../../src/http1/state.ts";

test.each<[from: keyof typeof ReadState, to: readonly (keyof typeof ReadState)[]]>([
  ["Head", ["Body", "Done", "Closed"]],
  ["Body", ["Rest", "Done", "Closed"]],
  ["Rest", ["Head", "Closed"]],
  ["Done", ["Head", "Closed"]],
  ["Closed", []],
])("from %s a connection reads on in %j, and everything else is our own mistake", (from, to) => {
  for (const name of ["Head", "Body", "Rest", "Done", "Closed"] as const) {
    const move = () => readEdge(ReadState[from], ReadState[name]);
    if (to.includes(name)) expect(move()).toBe(ReadState[name]);
    else expect(move).toThrow(`no edge from ${from} to ${name}`);
  }
});
