/** A server of the test's own, on Node: `npx vitest run`. It has a free port, and stops at the end of the block. */
import { startServer } from "@httpserver/httpserver";
import { expect, test } from "vitest";

test("the client tries again after a 503", async () => {
  await using server = await startServer({ files: { "/answer.json": '{ "answer": 42 }' }, fixture: true });
  await server.fault("GET /answer.json status=503 times=1");
  let response = await fetch(`${server.url}/answer.json`);
  if (response.status === 503) response = await fetch(`${server.url}/answer.json`);
  expect(await response.json()).toEqual({ answer: 42 });
  expect((await server.requests()).map(({ status }) => status)).toEqual([503, 200]);
});
