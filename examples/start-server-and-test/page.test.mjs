import assert from "node:assert";
import test from "node:test";

test("the page has its title", async () => {
  const response = await fetch("http://127.0.0.1:8080/");
  assert.match(await response.text(), /<title>Fixture<\/title>/);
});
