import { expect, test } from "bun:test";
import { PathMemo } from "../../src/http/path-memo.ts";
import { Target, Verdict } from "../../src/http/target.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { readTarget } from "../../src/http1/request-target.ts";
import { bytesOf } from "../support/bytes.ts";

function find(memo: PathMemo, text: string): string | null {
  const bytes = bytesOf(`xx${text}yy`);
  return memo.find(bytes, 2, bytes.length - 2);
}

function keep(memo: PathMemo, text: string, path = text): void {
  memo.keep(bytesOf(text), 0, bytesOf(text).length, path);
}

test("a kept path is found by the same bytes, wherever they lie, and is the very same text", () => {
  const memo = new PathMemo();
  keep(memo, "/%61.html", "/a.html");
  keep(memo, "/b.html");
  expect([find(memo, "/%61.html"), find(memo, "/b.html")]).toEqual(["/a.html", "/b.html"]);
});

test("other bytes find nothing: shorter, longer, another letter, another case", () => {
  const memo = new PathMemo();
  keep(memo, "/page.html");
  for (const text of ["/page.htm", "/page.html?", "/pagf.html", "/Page.html", "", "/"])
    expect(find(memo, text)).toBeNull();
});

test("two targets with the same hash do not find each other's path", () => {
  // Only the last 32 bytes are hashed, and the length: these two differ before them.
  const end = "x".repeat(32);
  const memo = new PathMemo();
  keep(memo, `/a${end}`);
  expect(find(memo, `/b${end}`)).toBeNull();
  keep(memo, `/b${end}`);
  expect(find(memo, `/b${end}`)).toBe(`/b${end}`);
});

test("what is kept does not change with the array it came from", () => {
  const memo = new PathMemo();
  const bytes = bytesOf("/page.html");
  memo.keep(bytes, 0, bytes.length, "/page.html");
  bytes.fill(0);
  expect(find(memo, "/page.html")).toBe("/page.html");
});

test("however many paths there were, the newest is found, and not all of them are kept", () => {
  const memo = new PathMemo();
  for (let i = 0; i < 20_000; i++) keep(memo, `/${i}`);
  expect(find(memo, "/19999")).toBe("/19999");
  expect(find(memo, "/0")).toBeNull();
});

test("a target that was read before is read as the first time, with what the one between left behind forgotten", () => {
  const head = new ParsedHead({
    maxHeaderBytes: 1000,
    maxFields: 10,
    maxEmptyLines: 0,
  });
  const target = new Target();
  const read = (text: string, into: Target) => {
    const bytes = bytesOf(`GET ${text} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(parseRequestHead(bytes, 0, bytes.length, head)).toBe(bytes.length);
    const result = readTarget(head, into);
    return [result, into.form, into.path, into.query, into.scheme, into.verdict, into.hasDotName];
  };
  const texts = [
    "/a",
    "/%61",
    "/a?b",
    "/.git",
    "/.well-known/x",
    "/a/../b",
    "//a",
    "/%",
    "http://a/.x?y",
    "/a%2fb",
    "/",
  ];
  for (const text of [...texts, ...texts.toReversed(), ...texts])
    expect(read(text, target)).toEqual(read(text, new Target()));
  expect(read("/a/../b", target)[5]).toBe(Verdict.ParentSegment);
});
