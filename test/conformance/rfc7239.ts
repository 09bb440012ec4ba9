/** RFC 7239: the fields of a proxy that is trusted. These rows need a server that trusts the client of the row. */
import { ParseError } from "../../src/http/parse-error.ts";
import { declined, type Expected, get, post, type Row, request, section, served } from "./row.ts";

const { ForwardedInvalid, XForwardedInvalid, ForwardedConflict } = ParseError;

const PAGE: Expected = { status: 200, fields: { "content-type": "text/html; charset=utf-8" } };

/** A request whose Host is not ours. */
function foreign(...fields: readonly string[]): string {
  return request("GET /page.html HTTP/1.1", "Host: backend.internal", ...fields);
}

export const rfc7239: readonly Row[] = [
  ...section(
    "RFC 7239 §4",
    [
      served("one hop", get("/page.html", "Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43"), PAGE),
      served("quoted, with a port", get("/page.html", 'Forwarded: For="[2001:db8:cafe::17]:4711"'), PAGE),
      served(
        "several lines are one list",
        get("/page.html", "Forwarded: for=192.0.2.43", "Forwarded: for=unknown"),
        PAGE,
      ),
      served("empty members", get("/page.html", "Forwarded: , for=192.0.2.43,,"), PAGE),
      declined("no member", get("/page.html", "Forwarded:"), 400, ForwardedInvalid),
      declined("an IPv6 address without quotes", get("/page.html", "Forwarded: for=[::1]"), 400, ForwardedInvalid),
      declined("a port without quotes", get("/page.html", "Forwarded: for=192.0.2.1:80"), 400, ForwardedInvalid),
      declined("a name as address", get("/page.html", "Forwarded: for=client.test"), 400, ForwardedInvalid),
      declined("a parameter twice", get("/page.html", "Forwarded: for=192.0.2.1;for=192.0.2.2"), 400, ForwardedInvalid),
      declined("a quoted string without end", get("/page.html", 'Forwarded: for="192.0.2.1'), 400, ForwardedInvalid),
      declined("content is read past", post(["Content-Length: 2", "Forwarded: for=x"], "{}"), 400, ForwardedInvalid),
      declined(
        "an earlier request of the pipeline is answered",
        get("/page.html", "Forwarded: for=192.0.2.1") + get("/page.html", "Forwarded: for"),
        400,
        ForwardedInvalid,
      ),
    ].map((row) => (row.name.startsWith("an earlier") ? { ...row, answers: [PAGE, ...row.answers] } : row)),
  ),
  ...section("RFC 7239 §5.3", [
    served("host passes the Host rule", foreign("Forwarded: for=192.0.2.1;host=shop.test"), PAGE),
    served("host without a proxy's word does not", foreign("Forwarded: for=192.0.2.1"), 403),
    served(
      "host is not taken from a hop before an unknown one",
      foreign("Forwarded: host=shop.test, for=192.0.2.1"),
      403,
    ),
    declined("a malformed host", get("/page.html", 'Forwarded: host="a/b"'), 400, ForwardedInvalid),
    served(
      "a request that names one is followed by one that does not",
      foreign("Forwarded: for=192.0.2.1;host=shop.test") + foreign("Forwarded: for=192.0.2.1"),
      PAGE,
      403,
    ),
  ]),
  ...section("RFC 7239 §7.4", [
    served("X-Forwarded-For", get("/page.html", "X-Forwarded-For: 192.0.2.1, 2001:db8::1"), PAGE),
    served(
      "X-Forwarded-Host passes the Host rule",
      foreign("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: shop.test"),
      PAGE,
    ),
    served("both kinds agree", get("/page.html", "Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1"), PAGE),
    declined(
      "both kinds differ",
      get("/page.html", "Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.2"),
      400,
      ForwardedConflict,
    ),
    declined(
      "one kind says more",
      get("/page.html", "Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"),
      400,
      ForwardedConflict,
    ),
    declined("X-Forwarded-For is malformed", get("/page.html", "X-Forwarded-For: 192.0.2"), 400, XForwardedInvalid),
    declined(
      "X-Forwarded-Proto is malformed",
      get("/page.html", "X-Forwarded-Proto: http/1.1"),
      400,
      XForwardedInvalid,
    ),
    declined("X-Forwarded-Host is malformed", get("/page.html", "X-Forwarded-Host: a b"), 400, XForwardedInvalid),
    declined("X-Forwarded-For is empty", get("/page.html", "X-Forwarded-For: "), 400, XForwardedInvalid),
  ]),
];
