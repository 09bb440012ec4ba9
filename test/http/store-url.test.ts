import { expect, test } from "bun:test";
import { formatStoreUrl, isStoreUrl, parseStoreUrl } from "../../src/http/store-url.ts";

test.each<[text: string, bucket: string, prefix: string, spelling: string]>([
  ["s3://bucket", "bucket", "", "s3://bucket"],
  ["S3://bucket/", "bucket", "", "s3://bucket"],
  ["s3://my.bucket-1/a", "my.bucket-1", "a/", "s3://my.bucket-1/a"],
  ["s3://bucket/a/b.c_d/", "bucket", "a/b.c_d/", "s3://bucket/a/b.c_d"],
  [`s3://bucket/${"x".repeat(512)}`, "bucket", `${"x".repeat(512)}/`, `s3://bucket/${"x".repeat(512)}`],
])("%s", (text, bucket, prefix, spelling) => {
  const store = parseStoreUrl(text);
  expect(store).toEqual({ bucket, prefix });
  expect(store === undefined ? "" : formatStoreUrl(store)).toBe(spelling);
});

test.each([
  "s3:",
  "s3://",
  "s3://ab",
  "s3://-ab",
  "s3://ab-",
  "s3://Bucket",
  `s3://${"b".repeat(64)}`,
  "s3://bucket///",
  "s3://bucket/a//b",
  "s3://bucket/.",
  "s3://bucket/a/..",
  "s3://bucket/a b",
  "s3://bucket/a%20b",
  `s3://bucket/${"x".repeat(513)}`,
  "http://bucket/a",
])("%s is none", (text) => {
  expect(parseStoreUrl(text)).toBeUndefined();
});

test("text that names a store begins with its scheme", () => {
  expect(["s3:", "S3://x", "s3", "/s3:", "as3:"].filter(isStoreUrl)).toEqual(["s3:", "S3://x"]);
});
