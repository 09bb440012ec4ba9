import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ErrorPages } from "../../src/handlers/error-page.ts";
import type { Response } from "../../src/http/message.ts";
import { answerOf, ask, makeRequest, makeSite } from "../support/site.ts";

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
    pages.answer(405, "No.", false, { ...allow, isLast: true }),
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

test("the operator's page takes the place of ours, with its own type, and the rest of the answer stays", () => {
  using site = makeSite();
  const path = join(site.folder, "wrong, really=.txt");
  writeFileSync(path, "Nothing here.\n");
  using own = makeSite({ errorPages: [`404=${path}`, `405=${path}`] });
  const missing = answerOf(own.handler.admit(makeRequest("GET /.env")).refusal as Response);
  expect([missing.status, missing.text]).toEqual([404, "Nothing here.\n"]);
  expect(missing.fields).toEqual({
    "content-type": "text/plain; charset=utf-8",
    "content-length": "14",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  const refused = answerOf(own.handler.admit(makeRequest("PUT /")).refusal as Response);
  expect([refused.status, refused.text, refused.fields["allow"]]).toEqual([
    405,
    "Nothing here.\n",
    "GET, HEAD, OPTIONS",
  ]);
  expect(answerOf(own.handler.failure(400, "No.", null)).text).toContain("400 Bad Request");
  expect(answerOf(own.handler.failure(404, "No.", null)).text).toBe("Nothing here.\n");
});

test("who prefers JSON gets JSON, whatever page there is", async () => {
  using site = makeSite();
  writeFileSync(join(site.root, "404.html"), "<p>Nothing here.");
  using own = makeSite({ errorPages: [`404=${join(site.root, "404.html")}`] });
  const json = await ask(own, "GET /none", { Accept: "application/json" });
  expect([json.status, json.fields["content-type"]]).toEqual([404, "application/json"]);
  expect(JSON.parse(json.text)).toMatchObject({ status: "error", code: 404 });
  expect((await ask(own, "GET /none", { Accept: "text/html" })).fields["content-type"]).toBe(
    "text/html; charset=utf-8",
  );
});

test("a page that is gone after the start is still sent", async () => {
  using site = makeSite();
  const path = join(site.folder, "404.html");
  writeFileSync(path, "first");
  using own = makeSite({ errorPages: [`404=${path}`] });
  rmSync(path);
  expect((await ask(own, "GET /none")).text).toBe("first");
});

test("a page that cannot be used is refused at the start", () => {
  using site = makeSite();
  const path = join(site.folder, "404.html");
  writeFileSync(path, "x".repeat(65_537));
  for (const [file, message] of [
    [path, "it has more than 65536 bytes"],
    [`${path}.none`, "404.html.none (ENOENT)"],
    [site.folder, "it is not a file"],
    ["/dev/zero", "it is not a file"],
    ["/proc/self/environ", "it is not a file on a disk"],
    ["/proc/kmsg", "cannot read /proc/kmsg"],
  ] as const) {
    expect(() => makeSite({ errorPages: [`404=${file}`] })).toThrow(RangeError);
    expect(() => makeSite({ errorPages: [`404=${file}`] })).toThrow(message);
  }
});
