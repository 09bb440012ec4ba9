/** A server in the test's own process: it has a free port, serves files from memory or a folder, and stops at the end of the block. */
import { expect, test } from "bun:test";
import { ManualClock, startServer } from "httpserver";

test("the client reads the answer", async () => {
  await using server = await startServer({ files: { "/answer.json": '{ "answer": 42 }' } });
  const response = await fetch(`${server.url}/answer.json`);
  expect(await response.json()).toEqual({ answer: 42 });
});

test("the client goes on after its idle connection was closed, 30 s later by a clock that the test moves", async () => {
  const clock = new ManualClock();
  await using server = await startServer({ root: "fixtures", clock });
  expect((await fetch(`${server.url}/answer.json`)).status).toBe(200);
  clock.advance(31_000);
  expect((await fetch(`${server.url}/answer.json`)).status).toBe(200);
});
