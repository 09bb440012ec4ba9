/** Names in a stub folder: which segment of a path, and which method, a name stands for. */
import { describe, expect, test } from "bun:test";
import {
  isIgnored,
  isKept,
  Segment,
  segmentOf,
  segmentsOf,
  stubNameOf,
} from "../../../src/handlers/stubs/stub-path.ts";

describe("the name of a folder", () => {
  test.each([
    ["orders", Segment.Literal],
    ["a b", Segment.Literal],
    ["größe", Segment.Literal],
    ["50%", Segment.Literal],
    ["a*b?", Segment.Literal],
    [".well-known", Segment.Literal],
    ["GET.http", Segment.Literal],
    ["[id]", Segment.One],
    ["[order_id]", Segment.One],
    ["[...rest]", Segment.Rest],
  ])("%p is a segment of the kind %p", (name, kind) => {
    expect(segmentOf(name)).toBe(kind);
  });

  test.each(["[", "]", "[]", "[...]", "[a-b]", "[[...rest]]", "[id].json", "v[id]", "[id", "..]", "[..rest]", "[ id]"])(
    "%p is a mistake: brackets are for a whole name",
    (name) => {
      expect(segmentOf(name)).toStartWith("expected [name] or [...name]");
    },
  );

  test.each([
    ["a%2Fb", "expected the character itself"],
    ["a%20b", "expected the character itself"],
    ["a\\b", "expected a name that a URL can have"],
    ["a\nb", "expected a name that a URL can have"],
    ["a\x7f", "expected a name that a URL can have"],
    ["a\ufffd", "expected a name in UTF-8"],
  ])("%p is a mistake: no request reaches it", (name, expected) => {
    expect(segmentOf(name)).toStartWith(expected);
  });
});

describe("the name of a file", () => {
  test.each([
    ["GET.http", "GET", 0],
    ["POST.1.http", "POST", 1],
    ["POST.1000.http", "POST", 1000],
    ["OPTIONS.http", "OPTIONS", 0],
    ["PROPFIND.http", "PROPFIND", 0],
    ["VERSION-CONTROL.http", "VERSION-CONTROL", 0],
  ])("%p is %p, place %p", (file, method, number) => {
    expect(stubNameOf(file)).toEqual({ method, number });
  });

  test.each([
    ["get.http", "expected a method in capital letters: GET.http"],
    ["Post.2.http", "expected a method in capital letters: POST.2.http"],
    [".http", "expected METHOD.http"],
    ["index.html.http", "expected METHOD.http"],
    ["GET-.1.2.http", "expected METHOD.http"],
    ["GET (copy).http", "expected METHOD.http"],
    ["1.http", "expected METHOD.http"],
    [`${"X".repeat(33)}.http`, "expected METHOD.http"],
    ["POST.0.http", "expected a number from 1 to 1000"],
    ["POST.01.http", "expected a number from 1 to 1000"],
    ["POST.1001.http", "expected a number from 1 to 1000"],
    ["CONNECT.http", "expected a method other than CONNECT"],
  ])("%p is a mistake", (file, expected) => {
    expect(stubNameOf(file)).toStartWith(expected);
  });

  test("is passed over if it is hidden, or does not end in .http", () => {
    for (const name of ["README.md", "GET.json", "GET.http~", "#GET.http#", ".#GET.http", ".DS_Store", ".http"]) {
      expect([name, isIgnored(name, false)]).toEqual([name, true]);
    }
    expect(isIgnored("GET.http", false)).toBe(false);
  });
});

test("a hidden folder is passed over, but for .well-known", () => {
  expect([".git", ".well-known", "orders"].map((name) => isIgnored(name, true))).toEqual([true, false, false]);
});

test("a slash at the end and repeated slashes make no difference", () => {
  expect(["/", "/a/b", "/a/b/", "//a//b"].map(segmentsOf)).toEqual([[], ["a", "b"], ["a", "b"], ["a", "b"]]);
});

test("the server's own paths are kept", () => {
  const kept = ["/upload", "/upload/", "/uploads", "/uploads/a.json", "/__server", "/__server/stubs"];
  const free = ["/", "/upload/a", "/uploads2", "/api/upload", "/__server2"];
  expect([...kept, ...free].map((path) => isKept(segmentsOf(path)))).toEqual([
    ...kept.map(() => true),
    ...free.map(() => false),
  ]);
});
