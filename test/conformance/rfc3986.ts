/** Rows about RFC 3986, URIs, as far as a target is one, and RFC 6266, RFC 8187 and RFC 8615, names of downloads and hidden names. In document order. */
import { ParseError } from "../../src/http/parse-error.ts";
import { declined, get, type Row, refused, section, served } from "./row.ts";
import { PAGE } from "./site.ts";

const FORBIDDEN = { status: 403, body: /403 Forbidden/ };

const escapes = section("RFC 3986 §2.1", [
  served("an escape", get("/p%61ge.html"), { status: 200, body: PAGE }),
  served("an escape in lower and upper case", get("/%70%4a%6a".replace("%4a%6a", "age.html")), {
    status: 200,
    body: PAGE,
  }),
  served("every byte escaped", get("/%70%61%67%65%2e%68%74%6d%6c"), { status: 200, body: PAGE }),
  served("spaces", get("/a%20b/c%20d.html"), { status: 200, body: PAGE }),
  served("a plus is a plus", get("/a+b.html"), { status: 200, body: PAGE }),
  served("a plus is no space", get("/a+b/c+d.html"), 404),
  served("an escaped percent sign", get("/100%25.html"), { status: 200, body: PAGE }),
  served("an escaped # and ?", get("/a%23b%3Fc.html"), { status: 200, body: PAGE }),
  served("reserved characters, literal", get("/a;b=c,d.html"), { status: 200, body: PAGE }),
  served("reserved characters, escaped", get("/a%3Bb%3Dc%2Cd.html"), { status: 200, body: PAGE }),
  served("two bytes of UTF-8", get("/%C3%BC.html"), { status: 200, body: PAGE }),
  served("four bytes of UTF-8", get("/%F0%9F%98%80.html"), { status: 200, body: PAGE }),
  served("double encoding stays literal", get("/%2541.html"), { status: 200, body: "literal" }),
  served("one decoding", get("/%41.html"), { status: 200, body: "decoded" }),
  served("an escape in the query", get("/page.html?a=%20%00%ff"), 200),
  ...["%", "%4", "%zz", "%4g", "%g4", "%%41", "% 41".replace(" ", "+"), "%-1", "%u0041", "a%", "%C3%B", "%2"].map(
    (text) => declined(`the path /${text}`, get(`/${text}`), 400, ParseError.TargetEscapeInvalid),
  ),
  ...["%", "%4", "%zz", "50%&b=1", "%u0041"].map((text) =>
    served(`the query ?a=${text}, which is opaque`, get(`/page.html?a=${text}`), { status: 200, body: PAGE }),
  ),
  declined("a broken escape before a query with one", get("/%zz?a=%"), 400, ParseError.TargetEscapeInvalid),
  declined("a broken escape before a dot segment", get("/%zz/../x"), 400, ParseError.TargetEscapeInvalid),
  ...["%00", "page.html%00.png", "%01", "%0a", "%0d%0aX:1", "%09", "%1f", "%1b%5b", "%7f"].map((text) =>
    declined(`the path /${text}`, get(`/${text}`), 400, ParseError.TargetControl),
  ),
  ...[
    ["a slash, overlong in two bytes", "%c0%af"],
    ["a dot, overlong in two bytes", "%c0%ae%c0%ae/"],
    ["a slash, overlong in three bytes", "%e0%80%af"],
    ["a slash, overlong in four bytes", "%f0%80%80%af"],
    ["NUL, overlong", "%c0%80"],
    ["a letter, overlong", "%c1%81"],
    ["a surrogate", "%ed%a0%80"],
    ["the last surrogate", "%ed%bf%bf"],
    ["beyond U+10FFFF", "%f4%90%80%80"],
    ["a lead above F4", "%f5%80%80%80"],
    ["five bytes", "%f8%88%80%80%80"],
    ["a continuation alone", "%80"],
    ["a lead alone", "%c3"],
    ["a lead and a letter", "%c3a"],
    ["a sequence that is cut", "%e2%82"],
    ["0xff", "%ff"],
    ["0xfe", "%fe"],
    ["ISO-8859-1", "%fc.html"],
  ].map(([name, text]) => declined(`${name}: /${text}`, get(`/${text}`), 400, ParseError.TargetUtf8Invalid)),
  served("UTF-8 that is not escaped", get("/\xc3\xbc.html"), { status: 200, body: PAGE }),
  served("UTF-8 of which one byte is escaped", get("/\xc3%bc.html"), { status: 200, body: PAGE }),
  refused("ISO-8859-1 that is not escaped", get("/\xfc.html"), 400, ParseError.TargetCharacter),
  refused("a slash, overlong and not escaped", get("/..\xc0\xafpage.html"), 400, ParseError.TargetCharacter),
]);

const dotSegments = section("RFC 3986 §5.2.4", [
  ...[
    "/..",
    "/../",
    "/../secret.html",
    "/../../../../etc/passwd",
    "/dir/..",
    "/dir/../page.html",
    "/dir/../../secret.html",
    "/.",
    "/./",
    "/./page.html",
    "/dir/.",
    "/dir/./index.html",
    "/%2e%2e/secret.html",
    "/%2E%2E/secret.html",
    "/.%2e/secret.html",
    "/%2e./secret.html",
    "/%2e/page.html",
    "/..%2fsecret.html",
    "/..%2Fsecret.html",
    "/%2e%2e%2fsecret.html",
    "/dir%2findex.html",
    "/%2f",
    "/%2fetc/passwd",
    "/..%5csecret.html",
    "/%5c..%5csecret.html",
    "/%2e%2e%5csecret.html",
    "/dir%5cindex.html",
    "//",
    "//page.html",
    "///page.html",
    "//evil.example/..",
    "//evil.example/%2e%2e",
    "/../page.html?a=b",
    "/..?a=b",
    "/link.html",
  ].map((path) => served(`${path} is forbidden`, get(path), FORBIDDEN)),
  served("a double slash inside", get("/dir//index.html"), { status: 200 }),
  served("three dots are a name", get("/dir/..data.html"), 404),
  served("dots in the query", get("/page.html?a=/../b"), 200),
  served("a dot segment, encoded twice, is a name", get("/%252e%252e/secret.html"), 404),
  served("a slash, encoded twice, is no separator", get("/dir%252findex.html"), 404),
  served("a link that stays inside", get("/inside.html"), { status: 200, body: PAGE }),
  served("a semicolon does not hide dots", get("/..;/secret.html"), 404),
  served("a parameter behind a dot segment", get("/dir/..;a=b/page.html"), 404),
]);

const hidden = section("RFC 8615 §3", [
  ...[
    "/.hidden",
    "/.git/config",
    "/.git/",
    "/.git",
    "/%2ehidden",
    "/dir/..data.html",
    "/.well-known/.hidden",
    "/...html",
  ].map((path) => served(`${path} is hidden`, get(path), 404)),
  served("/.well-known/ is shown", get("/.well-known/security.txt"), 200),
]);

const downloads = section("RFC 6266 §4", [
  served("a plain name", get("/data.txt"), {
    status: 200,
    fields: { "content-disposition": 'attachment; filename="data.txt"' },
  }),
  served("a page is shown", get("/page.html"), { status: 200, fields: { "content-disposition": null } }),
]);

const extendedNames = section("RFC 8187 §3.2", [
  served("a name outside of ASCII", get("/%C3%BC.txt"), {
    status: 200,
    fields: { "content-disposition": "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt" },
  }),
  served("a name with a quote", get("/a%22b.txt"), {
    status: 200,
    fields: { "content-disposition": 'attachment; filename="a\\"b.txt"; filename*=UTF-8\'\'a%22b.txt' },
  }),
  served("a name with a percent sign", get("/a%25b.txt"), {
    status: 200,
    fields: { "content-disposition": "attachment; filename=\"a%b.txt\"; filename*=UTF-8''a%25b.txt" },
  }),
]);

export const rfc3986: readonly Row[] = [...escapes, ...dotSegments];
export const rfc6266: readonly Row[] = downloads;
export const rfc8187: readonly Row[] = extendedNames;
export const rfc8615: readonly Row[] = hidden;
