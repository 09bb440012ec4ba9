import { expect, test } from "bun:test";
import { ErrorPages } from "../../src/handlers/error-page.ts";
import { answerOf } from "./exchange.ts";

test("a page has the code, the phrase, the sentence and our name, and nothing from outside", () => {
  const { text, fields, content } = answerOf(new ErrorPages().answer(404, "There is <no> such file.", false));
  for (const part of [
    "<title>404 Not Found</title>",
    "There is &#60;no&#62; such file.",
    "httpserver",
    "prefers-color-scheme: dark",
  ]) {
    expect(text).toContain(part);
  }
  expect(text).not.toMatch(/https?:|src=|url\(/);
  expect(fields).toMatchObject({ "content-length": String(content.length), "cache-control": "no-store" });
});

test("the same answer is made once; another sentence, kind, field or ending is another answer", () => {
  const pages = new ErrorPages();
  const allow = { fields: [["Allow", "GET"]] } as const;
  const first = pages.answer(405, "No.", false, allow);
  expect(pages.answer(405, "No.", false, { fields: [["Allow", "GET"]] })).toBe(first);
  const others = [
    pages.answer(405, "Not.", false, allow),
    pages.answer(405, "No.", true, allow),
    pages.answer(405, "No.", false, { fields: [["Allow", "POST"]] }),
    pages.answer(405, "No.", false, { ...allow, close: true }),
  ];
  expect(new Set([first, ...others]).size).toBe(5);
  expect(answerOf(first).fields["allow"]).toBe("GET");
});

test("more different answers than are kept are still right", () => {
  const pages = new ErrorPages();
  for (let size = 0; size < 1000; size++) {
    const answer = answerOf(pages.answer(416, "No.", false, { fields: [["Content-Range", `bytes */${size}`]] }));
    expect(answer.fields["content-range"]).toBe(`bytes */${size}`);
  }
});
