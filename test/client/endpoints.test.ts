/** Methods of a fixture over HTTP, as the library calls them outside of Bun, and a server of this process for them to ask. */
import { expect, test } from "bun:test";
import { Endpoints, remoteMethods } from "../../src/client/endpoints.ts";
import { type FixtureServer, type StubOrder, startServer } from "../../src/index.ts";

function remoteOf({ url }: FixtureServer) {
  return remoteMethods(new Endpoints({ url, token: "", uploads: "", end: () => null }));
}

test("stubs are added, listed and removed as in the process, and records have their content", async () => {
  await using server = await startServer({ files: {}, fixture: true });
  const remote = remoteOf(server);
  const id = await remote.stub({ match: { method: "POST", path: "/a", json: { qty: 1 } }, answer: { text: "b" } });
  const answer = await fetch(`${server.url}/a`, {
    method: "POST",
    body: '{"qty":1}',
    headers: { Connection: "close" },
  });
  expect(await answer.text()).toBe("b");
  expect(await remote.stubs()).toEqual(server.stubs());
  expect(await remote.requests({ json: { qty: 1 } })).toEqual(server.requests());
  expect((await remote.requests())[0]?.body?.text).toBe('{"qty":1}');
  expect(await remote.removeStub(id)).toBe(true);
  expect(await remote.removeStub(id)).toBe(false);
});

test.each<[order: object, message: string]>([
  [
    { answer: () => ({}) },
    "answer: a function needs a server in the test's own process, under Bun; expected an object",
  ],
  [{ match: { json: { a: undefined } }, answer: {} }, "match.json.a: expected JSON, got undefined"],
  [{ answer: { json: { at: new Date(0) } } }, 'answer.json.at: expected JSON, got an object of the class "Date"'],
  [{ answer: { status: 100 } }, "answer.status: expected a status from 200 to 599"],
  [{ answer: { text: "x".repeat(1 << 20) } }, "larger than 1048576 bytes"],
])("a stub that is none is a RangeError, whichever side finds it (%#)", async (order, message) => {
  await using server = await startServer({ files: {}, fixture: true });
  const refused = remoteOf(server).stub(order as StubOrder);
  await expect(refused).rejects.toThrow(message);
  await expect(refused).rejects.toBeInstanceOf(RangeError);
});
