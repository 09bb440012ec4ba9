/** A server beside tests in any language: `./httpserver run --root fixtures -- bun test` sets HTTPSERVER_URL. */
import { expect, test } from "bun:test";

const url = process.env["HTTPSERVER_URL"];

test("the client reads the answer of the server that the tests run beside", async () => {
  const response = await fetch(`${url}/answer.json`);
  expect(await response.json()).toEqual({ answer: 42 });
});
