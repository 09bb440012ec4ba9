/** Rows about RFC 9110, HTTP semantics, and RFC 9111, caching: what a well-framed request is answered. In document order. */
import { ParseError } from "../../src/http/parse-error.ts";
import {
  chunked,
  declined,
  type Expected,
  get,
  head,
  last,
  post,
  type Row,
  request,
  SMUGGLED,
  section,
  served,
  unsplit,
  waits,
} from "./row.ts";
import { ALPHABET, MODIFIED, PAGE } from "./site.ts";

const HOST = "Host: localhost";
const JSON_TYPE = "Content-Type: application/json";

const WHOLE: Expected = { status: 200, body: ALPHABET, fields: { "content-length": "26", "content-range": null } };
const NOT_MODIFIED: Expected = {
  status: 304,
  fields: { etag: /^"[^"]+"$/, "cache-control": "no-cache", "content-type": null, "content-range": null },
};
const FAILED: Expected = { status: 412, fields: { etag: null, "last-modified": null } };
const UNSATISFIABLE: Expected = { status: 416, fields: { "content-range": "bytes */26", etag: null } };

function part(first: number, last: number): Expected {
  return {
    status: 206,
    body: ALPHABET.slice(first, last + 1),
    fields: {
      "content-range": `bytes ${first}-${last}/26`,
      "content-length": String(last - first + 1),
      "content-type": "application/octet-stream",
      etag: /^"[^"]+"$/,
      "last-modified": MODIFIED,
      "accept-ranges": "bytes",
    },
  };
}

/** Several parts, with a boundary that each delimiter repeats. A line end stands before each, as zsync reads them. */
function parts(...ranges: readonly (readonly [first: number, last: number])[]): Expected {
  const texts = ranges.map(([first, last], index) => {
    const delimiter = index === 0 ? "\r\n--([0-9A-Za-z'()+_,./:=?-]{1,70})" : "\r\n--\\1";
    return `${delimiter}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${first}-${last}/26\r\n\r\n${ALPHABET.slice(first, last + 1)}`;
  });
  return {
    status: 206,
    body: new RegExp(`^${texts.join("")}\r\n--\\1--\r\n$`),
    fields: { "content-type": /^multipart\/byteranges; boundary=[0-9a-zA-Z]{1,70}$/, "content-range": null },
  };
}

function ranged(value: string, ...fields: readonly string[]): string {
  return get("/data.txt", `Range: ${value}`, ...fields);
}

/** `count` ranges of one byte each, with a gap between any two. */
function pairs(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`).join(",");
}

function since(value: string): string {
  return get("/data.txt", `If-Modified-Since: ${value}`);
}

const dates = section("RFC 9110 §5.6.7", [
  served("an IMF-fixdate", since("Sun, 06 Nov 1994 08:49:37 GMT"), NOT_MODIFIED),
  served("an RFC 850 date", since("Sunday, 06-Nov-94 08:49:37 GMT"), NOT_MODIFIED),
  served("an asctime date", since("Sun Nov  6 08:49:37 1994"), NOT_MODIFIED),
  served("an asctime date with two digits for the day", since("Wed Nov 16 08:49:37 1994"), NOT_MODIFIED),
  served("a second before", since("Sun, 06 Nov 1994 08:49:36 GMT"), WHOLE),
  served("an RFC 850 date a second before", since("Sunday, 06-Nov-94 08:49:36 GMT"), WHOLE),
  served("an asctime date a second before", since("Sun Nov  6 08:49:36 1994"), WHOLE),
  served("a second later", since("Sun, 06 Nov 1994 08:49:38 GMT"), NOT_MODIFIED),
  served("a year of two digits more than 50 years ahead is past", since("Sunday, 06-Nov-93 08:49:37 GMT"), WHOLE),
  served("a leap day", since("Thu, 29 Feb 1996 00:00:00 GMT"), NOT_MODIFIED),
  ...[
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 gmt",
    "sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun,06 Nov 1994 08:49:37 GMT",
    "Sun, 06  Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov-1994 08:49:37 GMT",
    "Sun, 06 November 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 32 Nov 1994 08:49:37 GMT",
    "Thu, 29 Feb 1995 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov  6 08:49:37 94",
    "1994-11-06T08:49:37Z",
    "784111777",
    "never",
    "",
    "Sun, 06 Nov 1994 08:49:37 GMT; length=26",
  ].map((text) => served(`the date ${JSON.stringify(text)} is none`, since(text), WHOLE)),
]);

const messages = section("RFC 9110 §6.6.1", [
  served(
    "a Date in every answer",
    get("/page.html") + get("/none"),
    { status: 200, fields: { date: /GMT$/ } },
    { status: 404, fields: { date: /GMT$/ } },
  ),
]);

const upgrade = section("RFC 9110 §7.8", [
  served(
    "an upgrade to HTTP/2 is not taken",
    get(
      "/page.html",
      "Connection: Upgrade, HTTP2-Settings",
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    ),
    { status: 200, body: PAGE, fields: { upgrade: null } },
  ),
  served(
    "an upgrade to WebSocket is not taken",
    get(
      "/page.html",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
    ),
    200,
  ),
  served(
    "an upgrade to TLS is not taken",
    request("OPTIONS * HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: TLS/1.0"),
    204,
  ),
]);

const representation = section("RFC 9110 §8", [
  served("a page's type and length", get("/page.html"), {
    status: 200,
    fields: {
      "content-type": "text/html; charset=utf-8",
      "content-length": String(PAGE.length),
      "content-disposition": null,
      "x-content-type-options": "nosniff",
    },
  }),
  served("a text is a download", get("/data.txt"), {
    status: 200,
    fields: { "content-type": "application/octet-stream", "content-disposition": 'attachment; filename="data.txt"' },
  }),
  served("a file of no bytes", get("/empty.txt"), { status: 200, body: "", fields: { "content-length": "0" } }),
  served("validators", get("/data.txt"), {
    status: 200,
    fields: { etag: /^"[\x21\x23-\x7e]+"$/, "last-modified": MODIFIED, "accept-ranges": "bytes" },
  }),
  served("no validators on an error", get("/none"), {
    status: 404,
    fields: { etag: null, "last-modified": null, "accept-ranges": null },
  }),
  served("the same entity tag twice", get("/data.txt", "If-Match: {{etag}}").repeat(2), 200, 200),
  served("no Content-Location, no Content-Encoding", get("/data.txt"), {
    status: 200,
    fields: { "content-location": null, "content-encoding": null },
  }),
]);

const methods = section("RFC 9110 §9.3", [
  served("GET", get("/page.html"), { status: 200, body: PAGE }),
  served("HEAD has GET's fields and no content", head("/page.html"), {
    status: 200,
    toHead: true,
    fields: {
      "content-length": String(PAGE.length),
      "content-type": "text/html; charset=utf-8",
      etag: /./,
      "last-modified": /GMT$/,
      "accept-ranges": "bytes",
    },
  }),
  served("HEAD of a download", head("/data.txt"), {
    status: 200,
    toHead: true,
    fields: { "content-length": "26", "content-disposition": 'attachment; filename="data.txt"' },
  }),
  served("HEAD of nothing", head("/none"), { status: 404, toHead: true, fields: { "content-length": /^[1-9]/ } }),
  served("HEAD of a folder", head("/dir"), { status: 308, toHead: true, fields: { location: "/dir/" } }),
  served("HEAD of a forbidden path", head("/../x"), { status: 403, toHead: true }),
  served("HEAD of a file of no bytes", head("/empty.txt"), {
    status: 200,
    toHead: true,
    fields: { "content-length": "0" },
  }),
  served("HEAD of the upload", head("/upload"), { status: 405, toHead: true, fields: { allow: "POST, OPTIONS" } }),
  served(
    "two HEADs",
    head("/data.txt") + head("/page.html"),
    { status: 200, toHead: true },
    { status: 200, toHead: true },
  ),
  served("a folder gives its index", get("/dir/"), { status: 200, body: PAGE }),
  served("a folder without its slash", get("/dir"), { status: 308, fields: { location: "/dir/" } }),
  served("a folder without its slash, with a query", get("/dir?a=b"), {
    status: 308,
    fields: { location: "/dir/?a=b" },
  }),
  served("a folder without an index", get("/bare/"), 404),
  served("a folder without an index and slash", get("/bare"), 404),
  served("a file with a slash behind it", get("/page.html/"), 404),
  served("GET of the upload", get("/upload"), { status: 405, fields: { allow: "POST, OPTIONS" } }),
  served("PUT of the upload", request("PUT /upload HTTP/1.1", HOST), {
    status: 405,
    fields: { allow: "POST, OPTIONS" },
  }),
  served("POST of JSON", post(["Content-Length: 7"], '{"a":1}'), {
    status: 201,
    body: /"filepath":"\/uploads\/upload_/,
    fields: { "content-type": "application/json", location: null },
  }),
  served("POST of JSON in chunks", chunked("3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"), { status: 201, body: /"bytes":5/ }),
  served("POST of JSON behind a byte order mark", post(["Content-Length: 6"], "\xef\xbb\xbf[1]"), {
    status: 201,
    body: /"bytes":6/,
  }),
  served(
    "POST of JSON by its suffix",
    `${request("POST /upload HTTP/1.1", HOST, "Content-Type: application/problem+json", "Content-Length: 2")}{}`,
    201,
  ),
  served("POST of what is no JSON", post(["Content-Length: 4"], "[1,]"), {
    status: 400,
    fields: { "content-type": "application/json" },
  }),
  served("POST of broken UTF-8", post(["Content-Length: 4"], '"\xff"\n'), 400),
  served(
    "POST of another type",
    `${request("POST /upload HTTP/1.1", HOST, "Content-Type: text/plain", "Content-Length: 3")}[1]`,
    415,
  ),
  served("POST without a type", `${request("POST /upload HTTP/1.1", HOST, "Content-Length: 3")}[1]`, 415),
  served(
    "POST with two types",
    `${request("POST /upload HTTP/1.1", HOST, JSON_TYPE, JSON_TYPE, "Content-Length: 3")}[1]`,
    415,
  ),
  served(
    "POST of JSON, charset named",
    request("POST /upload HTTP/1.1", HOST, "Content-Type: Application/JSON; charset=UTF-8", "Content-Length: 3") +
      "[1]",
    201,
  ),
  served(
    "POST of JSON in another charset",
    request("POST /upload HTTP/1.1", HOST, "Content-Type: application/json; charset=latin1", "Content-Length: 3") +
      "[1]",
    415,
  ),
  served("POST of coded content", post(["Content-Encoding: gzip", "Content-Length: 3"], "[1]"), 415),
  served("POST with a query", `${request("POST /upload?a=b HTTP/1.1", HOST, JSON_TYPE, "Content-Length: 3")}[1]`, 201),
  served("POST to a file", request("POST /page.html HTTP/1.1", HOST, "Content-Length: 0"), {
    status: 405,
    fields: { allow: "GET, HEAD, OPTIONS" },
  }),
  served("POST to nothing", request("POST /none HTTP/1.1", HOST, "Content-Length: 0"), 404),
  served("PUT of nothing", request("PUT /none HTTP/1.1", HOST, "Content-Length: 0"), {
    status: 405,
    fields: { allow: /GET/ },
  }),
  served("OPTIONS of a file", request("OPTIONS /page.html HTTP/1.1", HOST), {
    status: 204,
    fields: { allow: "GET, HEAD, OPTIONS" },
  }),
  served("OPTIONS of the upload", request("OPTIONS /upload HTTP/1.1", HOST), {
    status: 204,
    fields: { allow: "POST, OPTIONS" },
  }),
  served("OPTIONS with Max-Forwards", request("OPTIONS * HTTP/1.1", HOST, "Max-Forwards: 0"), 204),
  served("TRACE echoes nothing", request("TRACE /page.html HTTP/1.1", HOST, "X-Secret: 1"), {
    status: 405,
    body: /^(?![\s\S]*X-Secret)/,
    fields: { allow: "GET, HEAD, OPTIONS" },
  }),
]);

const expectation = section("RFC 9110 §10.1.1", [
  waits("100 before content that is wanted", post(["Content-Length: 3", "Expect: 100-continue"], ""), 100),
  waits("100 in any case", post(["Content-Length: 3", "Expect: 100-CONTINUE"], ""), 100),
  waits("100 before chunks", post(["Transfer-Encoding: chunked", "Expect: 100-continue"], ""), 100),
  unsplit(served("no 100 when the content is there", post(["Content-Length: 3", "Expect: 100-continue"], "[1]"), 201)),
  last(
    "415 instead of 100",
    request("POST /upload HTTP/1.1", HOST, "Content-Type: text/plain", "Content-Length: 3", "Expect: 100-continue"),
    415,
  ),
  last("413 instead of 100", post(["Content-Length: 99999", "Expect: 100-continue"], ""), 413),
  last("404 instead of 100", request("POST /none HTTP/1.1", HOST, "Content-Length: 3", "Expect: 100-continue"), 404),
  last("405 instead of 100", request("PUT / HTTP/1.1", HOST, "Content-Length: 3", "Expect: 100-continue"), 405),
  last(
    "403 instead of 100",
    request("POST /upload HTTP/1.1", "Host: evil.example", JSON_TYPE, "Content-Length: 3", "Expect: 100-continue"),
    403,
  ),
  last("200 instead of 100 for a GET", get("/page.html", "Content-Length: 3", "Expect: 100-continue"), 200),
  unsplit(
    last(
      "what comes after a refusal instead of 100 is no request",
      request("PUT / HTTP/1.1", HOST, `Content-Length: ${SMUGGLED.length}`, "Expect: 100-continue"),
      405,
    ),
  ),
  served("411 without a length", post(["Expect: 100-continue"], ""), 411),
  served("no content: nothing to wait for", get("/page.html", "Expect: 100-continue"), 200),
  served("content of no bytes: nothing to wait for", post(["Content-Length: 0", "Expect: 100-continue"], ""), 400),
  served(
    "HTTP/1.0 has no expectations",
    `${request(
      "POST /upload HTTP/1.0",
      HOST,
      JSON_TYPE,
      "Connection: keep-alive",
      "Content-Length: 3",
      "Expect: 100-continue",
    )}[1]`,
    201,
  ),
  served(
    "HTTP/1.0 has none that is unknown",
    request("GET /page.html HTTP/1.0", "Connection: keep-alive", "Expect: magic"),
    200,
  ),
  ...[
    "200-ok",
    "100-continue, 100-continue",
    "100-continue;q=1",
    "100 continue",
    "",
    "100-continued",
    "continue",
    "magic",
  ].map((text) =>
    declined(
      `Expect: ${JSON.stringify(text)}`,
      get("/page.html", `Expect: ${text}`),
      417,
      ParseError.ExpectationUnknown,
    ),
  ),
  declined(
    "the known and an unknown expectation",
    get("/page.html", "Expect: 100-continue", "Expect: magic"),
    417,
    ParseError.ExpectationUnknown,
  ),
  declined(
    "content behind a 417 is no request",
    post([`Content-Length: ${SMUGGLED.length}`, "Expect: magic"], SMUGGLED),
    417,
    ParseError.ExpectationUnknown,
  ),
  declined(
    "a missing Host comes before an unknown expectation",
    request("GET / HTTP/1.1", "Expect: magic"),
    400,
    ParseError.HostMissing,
  ),
]);

const accept = section("RFC 9110 §12.5.1", [
  served("an error is a page", get("/none"), {
    status: 404,
    fields: { "content-type": "text/html; charset=utf-8" },
    body: /<h1>404 Not Found/,
  }),
  ...[
    "application/json",
    "application/json, */*;q=0.1",
    "text/html;q=0.5, application/json",
    "application/*",
    "text/html;q=0, */*",
    "Application/JSON",
    "application/problem+json",
  ].map((text) =>
    served(`an error is JSON for ${text}`, get("/none", `Accept: ${text}`), {
      status: 404,
      fields: { "content-type": "application/json" },
      body: /"code":404/,
    }),
  ),
  ...[
    "*/*",
    "text/html",
    "text/html, application/json;q=0.9",
    "text/*",
    "application/json;q=0",
    "image/png",
    "",
    "a b",
    "application/json;q=2",
    "application/json;q=x",
    "text/html;q=2, application/json",
  ].map((text) =>
    served(`an error is a page for ${JSON.stringify(text)}`, get("/none", `Accept: ${text}`), {
      status: 404,
      fields: { "content-type": "text/html; charset=utf-8" },
    }),
  ),
  served("a file is sent whatever is accepted", get("/page.html", "Accept: image/png"), 200),
]);

const ifMatch = section("RFC 9110 §13.1.1", [
  served("If-Match: the tag", get("/data.txt", "If-Match: {{etag}}"), WHOLE),
  served("If-Match: *", get("/data.txt", "If-Match: *"), WHOLE),
  served("If-Match: a list with the tag", get("/data.txt", 'If-Match: "a", "b,c", {{etag}}'), WHOLE),
  served("If-Match: two lines", get("/data.txt", 'If-Match: "a"', "If-Match: {{etag}}"), WHOLE),
  served("If-Match: empty elements", get("/data.txt", "If-Match: ,, {{etag}} ,"), WHOLE),
  served("If-Match: another tag", get("/data.txt", 'If-Match: "other"'), FAILED),
  served("If-Match: the tag as a weak one", get("/data.txt", "If-Match: W/{{etag}}"), FAILED),
  served("If-Match: no list", get("/data.txt", "If-Match: other"), FAILED),
  served("If-Match: the tag and something that is none", get("/data.txt", "If-Match: {{etag}} x"), FAILED),
  served("If-Match: empty", get("/data.txt", "If-Match:"), FAILED),
  served("If-Match: HEAD", head("/data.txt", 'If-Match: "other"'), { status: 412, toHead: true }),
  served("If-Match on nothing", get("/none", "If-Match: *"), 404),
]);

const ifNoneMatch = section("RFC 9110 §13.1.2", [
  served("If-None-Match: the tag", get("/data.txt", "If-None-Match: {{etag}}"), NOT_MODIFIED),
  served("If-None-Match: the tag as a weak one", get("/data.txt", "If-None-Match: W/{{etag}}"), NOT_MODIFIED),
  served("If-None-Match: *", get("/data.txt", "If-None-Match: *"), NOT_MODIFIED),
  served("If-None-Match: a list", get("/data.txt", 'If-None-Match: "a",{{etag}} , W/"b"'), NOT_MODIFIED),
  served("If-None-Match: two lines", get("/data.txt", 'If-None-Match: "a"', "If-None-Match: {{etag}}"), NOT_MODIFIED),
  served("If-None-Match: HEAD", head("/data.txt", "If-None-Match: {{etag}}"), { ...NOT_MODIFIED, toHead: true }),
  served("If-None-Match: another tag", get("/data.txt", 'If-None-Match: "other"'), WHOLE),
  served("If-None-Match: the tag without quotes", get("/data.txt", "If-None-Match: x"), WHOLE),
  served("If-None-Match: w/ in lower case is no tag", get("/data.txt", "If-None-Match: w/{{etag}}"), WHOLE),
  served("If-None-Match: no comma between tags", get("/data.txt", 'If-None-Match: "a" {{etag}}'), WHOLE),
  served("If-None-Match: an open quote", get("/data.txt", 'If-None-Match: "abc'), WHOLE),
  served("If-None-Match: empty", get("/data.txt", "If-None-Match:"), WHOLE),
  served("If-None-Match: * in a list", get("/data.txt", 'If-None-Match: "a", *'), WHOLE),
  served("If-None-Match on nothing", get("/none", "If-None-Match: *"), 404),
  served("If-None-Match on a folder without its slash", get("/dir", "If-None-Match: *"), 308),
]);

const ifModifiedSince = section("RFC 9110 §13.1.3", [
  served("If-Modified-Since: the date", since(MODIFIED), NOT_MODIFIED),
  served("If-Modified-Since: a later date", since("Mon, 07 Nov 1994 08:49:37 GMT"), NOT_MODIFIED),
  served("If-Modified-Since: an earlier date", since("Sat, 05 Nov 1994 08:49:37 GMT"), WHOLE),
  served("If-Modified-Since: HEAD", head("/data.txt", `If-Modified-Since: ${MODIFIED}`), {
    ...NOT_MODIFIED,
    toHead: true,
  }),
  served(
    "If-Modified-Since: two lines are no date",
    get("/data.txt", `If-Modified-Since: ${MODIFIED}`, `If-Modified-Since: ${MODIFIED}`),
    WHOLE,
  ),
]);

const ifUnmodifiedSince = section("RFC 9110 §13.1.4", [
  served("If-Unmodified-Since: the date", get("/data.txt", `If-Unmodified-Since: ${MODIFIED}`), WHOLE),
  served(
    "If-Unmodified-Since: a later date",
    get("/data.txt", "If-Unmodified-Since: Mon, 07 Nov 1994 08:49:37 GMT"),
    WHOLE,
  ),
  served(
    "If-Unmodified-Since: an earlier date",
    get("/data.txt", "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT"),
    FAILED,
  ),
  served("If-Unmodified-Since: no date", get("/data.txt", "If-Unmodified-Since: never"), WHOLE),
]);

const ifRange = section("RFC 9110 §13.1.5", [
  served("If-Range: the tag", ranged("bytes=0-4", "If-Range: {{etag}}"), part(0, 4)),
  served("If-Range: another tag", ranged("bytes=0-4", 'If-Range: "other"'), WHOLE),
  served("If-Range: the tag as a weak one", ranged("bytes=0-4", "If-Range: W/{{etag}}"), WHOLE),
  served("If-Range: a list", ranged("bytes=0-4", "If-Range: {{etag}}, {{etag}}"), WHOLE),
  served("If-Range: *", ranged("bytes=0-4", "If-Range: *"), WHOLE),
  served("If-Range: the date", ranged("bytes=0-4", "If-Range: {{modified}}"), part(0, 4)),
  served(
    "If-Range: the date in another form",
    ranged("bytes=0-4", "If-Range: Sunday, 06-Nov-94 08:49:37 GMT"),
    part(0, 4),
  ),
  served("If-Range: a later date", ranged("bytes=0-4", "If-Range: Mon, 07 Nov 1994 08:49:37 GMT"), WHOLE),
  served("If-Range: an earlier date", ranged("bytes=0-4", "If-Range: Sat, 05 Nov 1994 08:49:37 GMT"), WHOLE),
  served("If-Range: no date", ranged("bytes=0-4", "If-Range: x"), WHOLE),
  served("If-Range without Range", get("/data.txt", 'If-Range: "other"'), WHOLE),
  served("If-Range keeps a 416 away", ranged("bytes=99-", 'If-Range: "other"'), WHOLE),
]);

const precedence = section("RFC 9110 §13.2.2", [
  served(
    "If-Match true outdoes If-Unmodified-Since",
    get("/data.txt", "If-Match: {{etag}}", "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT"),
    WHOLE,
  ),
  served("If-Match false is 412 whatever else", get("/data.txt", 'If-Match: "x"', "If-None-Match: {{etag}}"), FAILED),
  served(
    "If-Match true, then If-None-Match",
    get("/data.txt", "If-Match: {{etag}}", "If-None-Match: {{etag}}"),
    NOT_MODIFIED,
  ),
  served(
    "If-Unmodified-Since false comes before If-None-Match",
    get("/data.txt", "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT", "If-None-Match: {{etag}}"),
    FAILED,
  ),
  served(
    "If-None-Match outdoes If-Modified-Since: 200",
    get("/data.txt", 'If-None-Match: "x"', `If-Modified-Since: ${MODIFIED}`),
    WHOLE,
  ),
  served(
    "If-None-Match outdoes If-Modified-Since: 304",
    get("/data.txt", "If-None-Match: {{etag}}", "If-Modified-Since: Sat, 05 Nov 1994 08:49:37 GMT"),
    NOT_MODIFIED,
  ),
  served(
    "an If-None-Match that is none outdoes If-Modified-Since",
    get("/data.txt", "If-None-Match: x", `If-Modified-Since: ${MODIFIED}`),
    WHOLE,
  ),
  served("304 before Range", ranged("bytes=0-4", "If-None-Match: {{etag}}"), NOT_MODIFIED),
  served("412 before Range", ranged("bytes=0-4", 'If-Match: "x"'), FAILED),
  served("412 before 416", ranged("bytes=99-", 'If-Match: "x"'), FAILED),
  served("304 before 416", ranged("bytes=99-", "If-None-Match: {{etag}}"), NOT_MODIFIED),
  served("If-Match true, then Range", ranged("bytes=0-4", "If-Match: {{etag}}"), part(0, 4)),
]);

const ranges = section("RFC 9110 §14.1", [
  served("first and last", ranged("bytes=0-4"), part(0, 4)),
  served("the first byte", ranged("bytes=0-0"), part(0, 0)),
  served("the last byte", ranged("bytes=25-25"), part(25, 25)),
  served("open", ranged("bytes=20-"), part(20, 25)),
  served("open from the start", ranged("bytes=0-"), part(0, 25)),
  served("a suffix", ranged("bytes=-5"), part(21, 25)),
  served("a suffix of one", ranged("bytes=-1"), part(25, 25)),
  served("a suffix as long as the file", ranged("bytes=-26"), part(0, 25)),
  served("a suffix longer than the file", ranged("bytes=-99"), part(0, 25)),
  served("the last position beyond the end", ranged("bytes=20-99"), part(20, 25)),
  served("the last position beyond every file", ranged("bytes=20-99999999999999999999999999"), part(20, 25)),
  served("leading zeros", ranged("bytes=000-004"), part(0, 4)),
  served("the unit in another case", ranged("BYTES=0-4"), part(0, 4)),
  served("white space around the list's elements", ranged("bytes=0-4 ,"), part(0, 4)),
  served("from the end on", ranged("bytes=26-"), UNSATISFIABLE),
  served("from beyond the end", ranged("bytes=99-100"), UNSATISFIABLE),
  served("from beyond every file", ranged("bytes=99999999999999999999999999-"), UNSATISFIABLE),
  served("a suffix of no bytes", ranged("bytes=-0"), UNSATISFIABLE),
  served("several, none of them inside", ranged("bytes=26-27, 30-, -0"), UNSATISFIABLE),
  served("several, one of them inside", ranged("bytes=99-, 0-4"), part(0, 4)),
  served("a range of a file of no bytes", get("/empty.txt", "Range: bytes=0-0"), {
    status: 416,
    fields: { "content-range": "bytes */0" },
  }),
  served("a suffix of a file of no bytes", get("/empty.txt", "Range: bytes=-5"), { status: 200, body: "" }),
  served("a range of a large file", get("/large.bin", "Range: bytes=99998-"), {
    status: 206,
    body: String.fromCharCode(99_998 % 251, 99_999 % 251),
    fields: { "content-range": "bytes 99998-99999/100000" },
  }),
  served("a range within a large file", get("/large.bin", "Range: bytes=250-252"), {
    status: 206,
    body: "\xfa\x00\x01",
  }),
  ...[
    "bytes=",
    "bytes",
    "bytes=-",
    "bytes= 0-4",
    "bytes =0-4",
    "bytes=0",
    "bytes=4-0",
    "bytes=0-4x",
    "bytes=x-4",
    "bytes=0-x",
    "bytes=0--4",
    "bytes=--4",
    "bytes=+0-4",
    "bytes=0-+4",
    "bytes=0 - 4",
    "bytes=0-4 5-6",
    "bytes=0-4;5-6",
    "bytes:0-4",
    "bytes=0x0-0x4",
    "bytes=1.0-4",
    "bytes=,",
    "items=0-4",
    "seconds=0-4",
    "none",
    "",
    "0-4",
    "=0-4",
    "bytes=0-4, x",
    "bytes=0-4, 4-2",
    "bytes=\xb2-4",
  ].map((text) => served(`Range: ${JSON.stringify(text)} is ignored`, ranged(text), WHOLE)),
]);

const rangeRules = section("RFC 9110 §14.2", [
  served("HEAD ignores Range", head("/data.txt", "Range: bytes=0-4"), {
    status: 200,
    toHead: true,
    fields: { "content-length": "26", "content-range": null },
  }),
  served("HEAD ignores a Range that cannot be satisfied", head("/data.txt", "Range: bytes=99-"), {
    status: 200,
    toHead: true,
  }),
  served("POST ignores Range", post(["Range: bytes=0-0", "Content-Length: 3"], "[1]"), 201),
  served("an error ignores Range", get("/none", "Range: bytes=0-4"), {
    status: 404,
    fields: { "content-range": null },
  }),
  served("a redirect ignores Range", get("/dir", "Range: bytes=0-4"), 308),
  served("two Range lines are one list", get("/data.txt", "Range: bytes=0-4", "Range: bytes=6-7"), WHOLE),
  served(
    "twenty ranges, as zsync asks for them",
    ranged(`bytes=${Array.from({ length: 20 }, (_, i) => `${i}-${i}`).join(",")}`),
    parts(...Array.from({ length: 20 }, (_, i) => [i, i] as const)),
  ),
  served("a thousand ranges", get("/large.bin", `Range: bytes=${pairs(1000)}`), { status: 206 }),
  served("a thousand and one ranges are ignored", get("/large.bin", `Range: bytes=${pairs(1001)}`), {
    status: 200,
    fields: { "content-length": "100000" },
  }),
  served("more bytes in all than there are", ranged("bytes=0-,0-,0-"), WHOLE),
  served("two that are more than the whole", ranged("bytes=0-,0-0"), WHOLE),
  served("three that overlap", ranged("bytes=0-5,4-8,7-12"), WHOLE),
  served("many that overlap", ranged(`bytes=${"0-1,".repeat(10)}`), WHOLE),
]);

const multipart = section("RFC 9110 §14.6", [
  served("two parts", ranged("bytes=0-1,4-5"), parts([0, 1], [4, 5])),
  served("three parts of each kind", ranged("bytes=0-1, 10-12, -3"), parts([0, 1], [10, 12], [23, 25])),
  served("parts in the order asked", ranged("bytes=10-11,0-1"), parts([10, 11], [0, 1])),
  served("adjacent parts stay two", ranged("bytes=0-1,2-3"), parts([0, 1], [2, 3])),
  served("two that overlap", ranged("bytes=0-5,4-8"), parts([0, 5], [4, 8])),
  served("a part that is left of two is not multipart", ranged("bytes=0-1,99-"), part(0, 1)),
  served("parts behind a condition", ranged("bytes=0-1,4-5", "If-Range: {{etag}}"), parts([0, 1], [4, 5])),
  served("parts of a large file", get("/large.bin", "Range: bytes=0-0,99999-"), {
    status: 206,
    fields: { "content-type": /^multipart\/byteranges; boundary=/ },
    body: /Content-Range: bytes 99999-99999\/100000\r\n\r\n/,
  }),
]);

const statuses = section("RFC 9110 §15", [
  served("304 has no content and no length of any", get("/data.txt", "If-None-Match: *"), {
    status: 304,
    fields: { "content-length": null, date: /GMT$/ },
  }),
  served("204 has no content", request("OPTIONS * HTTP/1.1", HOST), {
    status: 204,
    fields: { "content-length": null, "content-type": null },
  }),
  served("416 names the size", ranged("bytes=26-"), {
    status: 416,
    fields: { "content-range": "bytes */26", "content-type": "text/html; charset=utf-8" },
  }),
  served("415 says what is taken", `${request("POST /upload HTTP/1.1", HOST, "Content-Length: 3")}[1]`, {
    status: 415,
    fields: { accept: "application/json" },
  }),
  served("405 says what is allowed", request("DELETE /page.html HTTP/1.1", HOST), {
    status: 405,
    fields: { allow: "GET, HEAD, OPTIONS" },
  }),
]);

const caching = section("RFC 9111 §5.2", [
  served("a file is to be revalidated", get("/data.txt"), { status: 200, fields: { "cache-control": "no-cache" } }),
  served("an error is not to be stored", get("/none"), { status: 404, fields: { "cache-control": "no-store" } }),
  served("Cache-Control: no-cache of a request changes nothing", get("/data.txt", "Cache-Control: no-cache"), WHOLE),
  served(
    "Cache-Control: only-if-cached of a request changes nothing",
    get("/data.txt", "Cache-Control: only-if-cached"),
    WHOLE,
  ),
  served(
    "Pragma of a request changes nothing",
    get("/data.txt", "Pragma: no-cache", "If-None-Match: {{etag}}"),
    NOT_MODIFIED,
  ),
]);

export const rfc9110: readonly Row[] = [
  ...dates,
  ...messages,
  ...upgrade,
  ...representation,
  ...methods,
  ...expectation,
  ...accept,
  ...ifMatch,
  ...ifNoneMatch,
  ...ifModifiedSince,
  ...ifUnmodifiedSince,
  ...ifRange,
  ...precedence,
  ...ranges,
  ...rangeRules,
  ...multipart,
  ...statuses,
];

export const rfc9111: readonly Row[] = caching;
