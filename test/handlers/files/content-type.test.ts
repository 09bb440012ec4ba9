import { expect, test } from "bun:test";
import mime from "mime";
import { contentTypeOf, extensionOf } from "../../../src/handlers/files/content-type.ts";

test("the built-in types are those of the package", () => {
  for (const extension of [
    "html",
    "htm",
    "css",
    "js",
    "mjs",
    "txt",
    "json",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "ico",
    "woff2",
    "pdf",
    "mp4",
  ]) {
    expect(contentTypeOf(`/a/b.${extension}`).split(";")[0]).toBe(mime.getType(extension) as string);
  }
});

test("JavaScript is one type, under every extension that builds give it, and TypeScript is not JavaScript", () => {
  for (const name of ["a.js", "a.mjs", "lib.umd.cjs", "lib.UMD.CJS", "lib.es", "lib.es6", "lib.esm", "lib.jsm"]) {
    expect([name, contentTypeOf(name)]).toEqual([name, "text/javascript; charset=utf-8"]);
  }
  expect([contentTypeOf("segment-1.ts"), contentTypeOf("a.tsx")]).toEqual(["video/mp2t", "application/octet-stream"]);
});

test("types outside of the built-in ones come from the package, with a charset on text alone", () => {
  expect(contentTypeOf("a.md")).toBe("text/markdown; charset=utf-8");
  expect(contentTypeOf("a.CSV")).toBe("text/csv; charset=utf-8");
  expect(contentTypeOf("a.webm")).toBe("video/webm");
  expect(contentTypeOf("a.docx")).toStartWith("application/vnd.openxmlformats-officedocument");
  expect(contentTypeOf("a.json")).toBe("application/json");
});

test("a name without a known extension is bytes", () => {
  for (const name of ["README", "a.", "a.unheardof", "dir.html/file", "/x.png/y"]) {
    expect([name, contentTypeOf(name)]).toEqual([name, "application/octet-stream"]);
  }
  expect([extensionOf(".html"), extensionOf("a.tar.GZ"), extensionOf("/d.x/y")]).toEqual(["", "gz", ""]);
});

test("more extensions than are kept are still right", () => {
  for (let i = 0; i < 1500; i++) expect(contentTypeOf(`a.zz${i}`)).toBe("application/octet-stream");
  expect(contentTypeOf("a.webm")).toBe("video/webm");
});
