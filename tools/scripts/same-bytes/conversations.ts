/**
 * Generated conversations: the same seed gives the same ones. Four of five are composed of requests that mix methods, targets,
 * fields, framing and content; one of five is a conformance row with changed bytes.
 */
import { mutated } from "../../fuzz/mutate.ts";
import { Random } from "../../fuzz/random.ts";
import { type Case, type Conversation, inTurn, PROBE, type Step } from "./case.ts";
import { ROWS } from "./rows.ts";

/** One conversation in so many is a mutated row. */
const MUTATED_SHARE = 5;

/** One in so many uploads and reads back what it has uploaded. */
const READ_BACK_SHARE = 20;

/** Credentials of the servers that ask for them. */
export const USER = "user";
export const PASSWORD = "correct horse";

const RIGHT = `Authorization: Basic ${btoa(`${USER}:${PASSWORD}`)}`;

const TARGETS = [
  ..."/ /page.html /page.html /page.html /index.html /data.txt /data.txt /empty.txt /text.txt /large.bin".split(" "),
  ..."/style.css /style.css.gz /assets/app.0123abcd.js /assets/image.png /assets/vector.svg /data.json".split(" "),
  ..."/docs /docs/ /docs/default.html /bare /bare/ /bare/deep /bare/deep/ /bare/one.txt /bare/two%20words.txt".split(
    " ",
  ),
  ..."/missing.html /missing /missing/ /deep/er/missing.html /.hidden /.well-known/security.txt /unknown.type".split(
    " ",
  ),
  ..."/%C3%BC.html /a%20b/c%20d.html /%2541.html /%41.html /p%61ge.html /page%2Ehtml /inside.html /outside.html".split(
    " ",
  ),
  ..."/../page.html /docs/../page.html /docs/./index.html /%2e%2e/page.html /docs/..%2fpage.html //page.html".split(
    " ",
  ),
  ..."/docs//index.html //evil.example/x //evil.example/.. /page.html/ /page.html/more /data.txt/..".split(" "),
  ..."/page.html?x=1 /?q=%20a /docs?x /bare?a=b&c=d /bare/?sort=name /missing?x /page.html?<script>".split(" "),
  ..."/page.html%00 /%zz /%c3 /%ff /page.html%0d%0a /a%5cb /page.html%20 /a;b=c /$&'()*+,=:@".split(" "),
  ..."http://localhost/page.html http://localhost http://example.com/page.html https://localhost/docs".split(" "),
  ..."HTTP://LOCALHOST:80/page.html http:///page.html ftp://localhost/page.html http://user@localhost/".split(" "),
  ..."* localhost:80 page.html /upload /upload/ /uploads /uploads/missing.json".split(" "),
  ..."/__server /__server/ /__server/ready /__server/nothing /__SERVER/ready /%5f_server/ready".split(" "),
  `/${"a".repeat(300)}`,
  `/${"d/".repeat(130)}x`,
  `/${"long".repeat(2200)}`,
];

const METHODS = [
  ..."GET GET GET GET GET GET HEAD HEAD OPTIONS POST PUT DELETE PATCH TRACE CONNECT get GETS PROPFIND".split(" "),
  "G".repeat(40),
];

/** Besides 1.1, which most requests have. */
const VERSIONS = ["1.0", "1.0", "1.0", "1.2", "2.0", "0.9"];

/** A field of these two groups is drawn for a request now and then; the value is one line, without its end. */
const SOUND_FIELDS: readonly string[] = [
  "Accept: */*",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept: application/json",
  "Accept: application/json;q=0, text/html",
  "Accept: text/plain;q=0.5, application/json;q=0.7",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Encoding: gzip",
  "Accept-Encoding: br;q=0, gzip;q=0.5",
  "Accept-Encoding: identity;q=0, *;q=0",
  "Accept-Encoding: zstd",
  "Accept-Encoding:",
  "Accept-Language: de, en;q=0.5",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) compared/1.0",
  "Cookie: a=b; c=d",
  "Referer: http://localhost/page.html",
  "Origin: https://app.example",
  "Origin: https://evil.example",
  "Origin: null",
  "Sec-Fetch-Site: cross-site",
  "Access-Control-Request-Method: POST",
  "Access-Control-Request-Headers: content-type, x-other",
  "Access-Control-Request-Private-Network: true",
  "Range: bytes=0-9",
  "Range: bytes=5-",
  "Range: bytes=-7",
  "Range: bytes=0-0",
  "Range: bytes=100000-200000",
  "Range: bytes=9999999-",
  "Range: bytes=5-1",
  "Range: bytes=0-1,3-4",
  "Range: bytes= 0-3",
  "Range: lines=0-3",
  "Range: bytes=0-99999999999999999999",
  "If-None-Match: *",
  "If-None-Match: {{etag:/page.html}}",
  "If-None-Match: {{etag:/data.txt}}",
  'If-None-Match: "other", {{etag:/data.txt}}',
  "If-None-Match: W/{{etag:/data.txt}}",
  'If-None-Match: "other"',
  "If-None-Match: broken",
  "If-Match: *",
  "If-Match: {{etag:/data.txt}}",
  'If-Match: "other"',
  "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
  "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT",
  "If-Modified-Since: Sun Nov  6 08:49:37 1994",
  "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
  "If-Modified-Since: yesterday",
  "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
  "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT",
  "If-Range: {{etag:/data.txt}}",
  'If-Range: "other"',
  "If-Range: Sun, 06 Nov 1994 08:49:37 GMT",
  "Connection: keep-alive",
  "Connection: close",
  "Connection: Upgrade, HTTP2-Settings",
  "Connection: x-other",
  "Upgrade: h2c",
  "TE: trailers",
  "Via: 1.1 proxy",
  "X-Forwarded-For: 192.0.2.1",
  "X-Fixture: fault=status, status=503",
  "X-Other: \x80\xff",
  "X-Empty:",
  "Max-Forwards: 0",
];

const BROKEN_FIELDS: readonly string[] = [
  "Host: other.example",
  "Host: localhost",
  "Host:",
  "X Y: 1",
  "X : 1",
  ": 1",
  "no colon",
  " folded",
  "X: a\0b",
  "X: a\rb",
  "Content-Length: 5",
  "Content-Length: -1",
  "Content-Length: 3, 3",
  "Transfer-Encoding: gzip",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding: identity",
  "Expect: miracles",
  `X: ${"x".repeat(9000)}`,
  "X: 1\r\n".repeat(120).trimEnd(),
];

const HOSTS = [
  ..."localhost localhost localhost localhost localhost:{{port}} 127.0.0.1 127.0.0.1:{{port}} LOCALHOST".split(" "),
  ..."[::1] [::1]:{{port}} localhost. localhost:1 localhost: evil.example a@b [::1 a%2fb allowed.example".split(" "),
];

const CONTENTS: readonly string[] = [
  "{}",
  "[1]",
  '{"text":"value"}',
  ' {"a" : [true,false,null,-1.5e10] } ',
  '"\\ud83d\\ude00 \xc3\xbc"',
  "",
  " ",
  "{",
  '{"a":1,}',
  "[1] x",
  "01",
  "nul",
  '"\xff"',
  '"\xed\xa0\x80"',
  '"a\nb"',
  "\xef\xbb\xbf{}",
  `${"[".repeat(1500)}${"]".repeat(1500)}`,
  `{"text":"${"x".repeat(3000)}"}`,
  `{"text":"${"GET /page.html HTTP/1.1\\r\\n".repeat(400)}"}`,
  `{"text":"${"y".repeat(70_000)}"}`,
];

const TYPES = [
  ..."application/json application/json application/json application/json;charset=utf-8 text/plain".split(" "),
  'application/json; charset="UTF-8"',
  "application/json; charset=latin1",
  "APPLICATION/JSON",
  "application/merge-patch+json",
  "multipart/form-data; boundary=x",
];

/** `count` cases. `isGuarded`: the server asks for credentials, which most requests then have. */
export function generatedCases(seed: number, count: number, name: string, isGuarded: boolean): readonly Case[] {
  const random = new Random(seed);
  const rows = ROWS.filter(({ raw }) => !raw.includes("{{")).map(({ raw }) => bytesOf(raw));
  const dictionary = [...SOUND_FIELDS, ...BROKEN_FIELDS]
    .filter((line) => line.length < 100 && !line.includes("{{"))
    .map((line) => bytesOf(`${line}\r\n`));
  return Array.from({ length: count }, (_, index): Case => {
    const id = `${name} ${index}`;
    if (random.oneIn(MUTATED_SHARE)) {
      const text = String.fromCharCode(...mutated(rows, dictionary, random));
      return {
        id: `${id}, a row with changed bytes`,
        conversations: [[...sent(text, random), ["finish"]]],
        isVolatile: true,
      };
    }
    const credentials = isGuarded ? RIGHT : "";
    if (random.oneIn(READ_BACK_SHARE)) {
      return { id: `${id}, read back`, conversations: [readBack(credentials, random)], isVolatile: true };
    }
    return { id, conversations: [composed(isGuarded, random)], isVolatile: true };
  });
}

function composed(isGuarded: boolean, random: Random): Conversation {
  const count = random.pick([1, 1, 1, 2, 2, 3, 4, 6, 8, 15]);
  const requests = Array.from({ length: count }, () => writeRequest(isGuarded, random));
  const end: readonly Step[] = random.oneIn(3) ? [["finish"]] : [PROBE, ["finish"]];
  // Each behind the answer to the one before, or all of them in a row.
  if (random.oneIn(3)) {
    return [
      ...requests.flatMap((text, index): Step[] => [
        ["send", text],
        ["answers", index + 1],
      ]),
      ...end,
    ];
  }
  const text = requests.join(random.oneIn(10) ? "\r\n" : "");
  if (random.oneIn(8)) return [...sent(text.slice(0, random.below(text.length)), random), ["finish"]];
  return [...sent(text, random), ...end];
}

/** In one piece or in several. What came together decides on 100 (Continue), so such text stays whole. */
function sent(text: string, random: Random): readonly Step[] {
  if (random.oneIn(2) || text.length < 2 || text.includes("{{") || /expect/i.test(text)) return [["send", text]];
  const cuts = Array.from({ length: random.pick([1, 1, 2, 5]) }, () => 1 + random.below(text.length - 1));
  const places = [0, ...new Set(cuts.sort((a, b) => a - b)), text.length];
  return places.slice(1).flatMap((place, index): Step[] => [["send", text.slice(places[index], place)], ["apart"]]);
}

function readBack(credentials: string, random: Random): Conversation {
  const common = `Host: localhost\r\n${credentials === "" ? "" : `${credentials}\r\n`}`;
  const content = random.pick(CONTENTS.slice(0, 5));
  const upload = `POST /upload HTTP/1.1\r\n${common}Content-Type: application/json\r\n${framed(content, random)}`;
  const second = `${random.pick(["GET", "HEAD", "OPTIONS", "DELETE"])} {{location}} HTTP/1.1\r\n${common}`;
  const range = random.oneIn(2) ? "Range: bytes=1-\r\n" : "";
  return inTurn(upload, `${second}\r\n`, `GET {{location}} HTTP/1.1\r\n${common}${range}\r\n`);
}

function writeRequest(isGuarded: boolean, random: Random): string {
  const isUpload = random.oneIn(5);
  const method = isUpload ? "POST" : random.pick(METHODS);
  const target = isUpload ? random.pick(["/upload", "/upload", "/upload", "/upload?x=1"]) : random.pick(TARGETS);
  const version = random.oneIn(25) ? random.pick(VERSIONS) : "1.1";
  const lines: string[] = [];
  if (!random.oneIn(60)) lines.push(`Host: ${random.oneIn(3) ? random.pick(HOSTS) : "localhost"}`);
  if (isGuarded) lines.push(...credentialsOf(random));
  for (let count = random.pick([0, 0, 1, 1, 2, 3, 5]); count > 0; count--) lines.push(random.pick(SOUND_FIELDS));
  if (random.oneIn(30)) lines.push(random.pick(BROKEN_FIELDS));
  if (isUpload && !random.oneIn(15)) lines.push(`Content-Type: ${random.pick(TYPES)}`);
  if (isUpload && random.oneIn(20)) lines.push(`Content-Encoding: ${random.pick(["gzip", "identity"])}`);
  const head = `${method} ${target} HTTP/${version}\r\n${lines.map((line) => `${line}\r\n`).join("")}`;
  if (!isUpload && !random.oneIn(10)) return `${head}\r\n`;
  return `${head}${random.oneIn(8) ? "Expect: 100-continue\r\n" : ""}${framed(random.pick(CONTENTS), random)}`;
}

/** Wrong credentials are rare: each has to be verified. */
function credentialsOf(random: Random): readonly string[] {
  if (!random.oneIn(6)) return [RIGHT];
  return random.pick([
    [],
    [],
    ["Authorization: Basic !"],
    ["Authorization: Bearer x"],
    [`Authorization: Basic ${btoa("user:wrong")}`],
  ]);
}

/** The framing's fields, the empty line, and the content; now and then with a mistake. */
function framed(content: string, random: Random): string {
  if (random.oneIn(2)) {
    const length = random.oneIn(12) ? content.length + random.pick([-1, 1, 50]) : content.length;
    return `Content-Length: ${length}\r\n\r\n${content}`;
  }
  let text = "";
  for (let at = 0; at < content.length; ) {
    const size = 1 + random.below(content.length - at);
    const extension = random.oneIn(6) ? random.pick([";a", ';a="b;c"', " ; a = b", ";"]) : "";
    text += `${size.toString(16)}${extension}\r\n${content.slice(at, at + size)}\r\n`;
    at += size;
  }
  if (random.oneIn(12))
    return `Transfer-Encoding: chunked\r\n\r\n${text}${random.pick(["g\r\n", "-1\r\n", "\n", "fffffffffffffffff\r\n"])}`;
  const trailers = random.oneIn(6) ? random.pick(["X-Trailer: 1\r\n", "Content-Length: 3\r\n", "broken\r\n"]) : "";
  return `Transfer-Encoding: chunked\r\n\r\n${text}0\r\n${trailers}\r\n`;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
