import { expect, test } from "bun:test";
import { ReadState, readEdge, reasonToClose } from "../../src/http1/state.ts";

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

test.each<[string, Parameters<typeof reasonToClose>, string | null]>([
  ["further requests may follow", [1, false, true, true, false, false], null],
  ["none may follow", [0, true, true, true, false, true], "last request"],
  ["the server shuts down", [1, true, true, false, false, false], "shutdown"],
  ["the client asks for it", [1, false, true, false, true, true], "client asked"],
  ["the handler wants it", [1, false, true, true, true, false], "last answer"],
  ["the end of the request is not known", [1, false, false, false, false, false], "last answer"],
  ["a fault was ordered for the last response", [1, false, true, true, true, true], "fault"],
  ["a fault was ordered, and more may follow", [1, false, true, true, false, true], null],
])("a connection where %s ends, or not, for its reason", (_, facts, reason) => {
  expect(reasonToClose(...facts)).toBe(reason as ReturnType<typeof reasonToClose>);
});
