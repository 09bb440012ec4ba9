/** The static table, entry by entry (RFC 7541 Appendix A). */
import { expect, test } from "bun:test";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { staticFieldIndex, staticNameIndex } from "../../src/http2/static-table.ts";
import { decodedBlock } from "../support/hpack.ts";

/** Name, and after a space its value. */
const ENTRIES: readonly string[] = [
  ":authority",
  ":method GET",
  ":method POST",
  ":path /",
  ":path /index.html",
  ":scheme http",
  ":scheme https",
  ":status 200",
  ":status 204",
  ":status 206",
  ":status 304",
  ":status 400",
  ":status 404",
  ":status 500",
  "accept-charset",
  "accept-encoding gzip, deflate",
  "accept-language",
  "accept-ranges",
  "accept",
  "access-control-allow-origin",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "server",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
];

test.each(ENTRIES.map((entry, at) => [at + 1, entry] as const))("%d is %s", (index, entry) => {
  const [name = "", value = ""] = entry.split(/ (.*)/);
  const block = Uint8Array.of(0x80 | index);
  expect(decodedBlock(new HpackDecoder(() => 0), block).fields).toEqual([`${name}: ${value}`]);
  const first = ENTRIES.findIndex((other) => other.split(" ")[0] === name) + 1;
  expect([staticNameIndex(name), staticFieldIndex(first, name, value)]).toEqual([first, index]);
});

test("a name that is not there has no index, and neither has another value", () => {
  expect([staticNameIndex("x-any"), staticNameIndex(""), staticFieldIndex(8, ":status", "999")]).toEqual([0, 0, 0]);
});
