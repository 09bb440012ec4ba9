/**
 * Bytes of a client and the outcome of its conversation, section by section: a row for each rule about the connection, its streams
 * and its requests. docs/rfc.md quotes sections and names. The rows of h2spec are among them.
 */
import { FLAG_END_HEADERS, FLAG_END_STREAM, FLAG_PADDED, FrameType, SettingId } from "../../src/http2/frames.ts";
import {
  block,
  data,
  frame,
  get,
  getLines,
  goAway,
  HELLO,
  headers,
  int32,
  PREFACE,
  ping,
  post,
  postLines,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from "../support/http2.ts";

export interface ConversationRow {
  readonly section: string;
  readonly name: string;
  /** A `|` between two parts lets the responses to the first come before the second is sent. */
  readonly bytes: string;
  /** Outcomes of streams and the end, as `outcomeOf` writes them; `open` means that the connection goes on. */
  readonly outcome: string;
}

type Pair = readonly [name: string, value: string];

/** Stands between two parts of a row. */
export const THEN = "|then|";

const { Data, Headers, Priority, PushPromise, Ping, Continuation } = FrameType;
const END = FLAG_END_STREAM;
const WHOLE = FLAG_END_HEADERS;
const PROTOCOL = "GOAWAY PROTOCOL_ERROR";
const CLOSED = "GOAWAY STREAM_CLOSED";
const FLOW = "GOAWAY FLOW_CONTROL_ERROR";
const COMPRESSION = "GOAWAY COMPRESSION_ERROR";
const SIZE = "GOAWAY FRAME_SIZE_ERROR";
const MALFORMED = "1 reset PROTOCOL_ERROR, open";
const SERVED = "1 is 200, open";
const WINDOW_MAX = 2 ** 31 - 1;
/** GET without its :authority, whose value some rows replace. */
const BARE: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
];

function request(...lines: readonly Pair[]): string {
  return HELLO + headers(1, lines);
}

function withField(name: string, value: string): string {
  return HELLO + get(1, "/", [name, value]);
}

function withoutPseudo(name: string): string {
  return request(...getLines().filter((line) => line[0] !== name));
}

function withScheme(scheme: string): string {
  return request([":method", "GET"], [":scheme", scheme], ...getLines().slice(2));
}

function withHosts(scheme: string, authority: string, host: string): string {
  return request([":method", "GET"], [":scheme", scheme], [":authority", authority], [":path", "/"], ["host", host]);
}

/** PRIORITY_UPDATE for each of the streams. */
function priorities(...streamIds: readonly number[]): string {
  return streamIds.map((id) => frame(FrameType.PriorityUpdate, 0, 0, `${int32(id)}u=1`)).join("");
}

function priority(streamId: number, on: number): string {
  return frame(Priority, 0, streamId, `${int32(on)}\x10`);
}

export const conversationRows: readonly ConversationRow[] = [
  ...section("RFC 9113 §3.4", [
    ["the preface, SETTINGS and a request", HELLO + get(1), SERVED],
    ["a request right after SETTINGS, which are not acknowledged", PREFACE + settings() + get(1), SERVED],
    ["another preface", `GET / HTTP/1.1\r\nHost: a\r\n\r\n`, PROTOCOL],
    ["a preface with a wrong byte", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", PROTOCOL],
    ["a first frame other than SETTINGS", PREFACE + ping() + settings(), PROTOCOL],
    ["a request before SETTINGS", PREFACE + get(1), PROTOCOL],
    ["DATA before SETTINGS", PREFACE + data(1, "a"), PROTOCOL],
    ["a first SETTINGS that is an acknowledgement", PREFACE + SETTINGS_ACK, PROTOCOL],
  ]),
  ...section("RFC 9113 §4.3", [
    ["a block that is no HPACK", HELLO + frame(Headers, WHOLE | END, 1, "\xff\xff\xff\xff\xff"), COMPRESSION],
    ["a block in HEADERS and CONTINUATION", HELLO + split(1, [10, 20]), SERVED],
    ["a block with empty fragments", HELLO + split(1, [0, 0, 5, 5]), SERVED],
    ["trailers that are no HPACK", HELLO + post(1) + frame(Headers, WHOLE | END, 1, "\x80"), COMPRESSION],
    [
      "a block on an even stream that is no HPACK",
      HELLO + get(1) + THEN + frame(Headers, WHOLE, 2, "\x80"),
      `1 is 200, ${PROTOCOL}`,
    ],
  ]),
  ...section("RFC 9113 §5.1", [
    ["idle: DATA", HELLO + data(1, "a", true), PROTOCOL],
    ["idle: RST_STREAM", HELLO + rst(1), PROTOCOL],
    ["idle: WINDOW_UPDATE", HELLO + windowUpdate(1, 10), PROTOCOL],
    ["idle: CONTINUATION", HELLO + frame(Continuation, WHOLE, 1, block(...getLines())), PROTOCOL],
    ["idle: PRIORITY", HELLO + priority(1, 0) + get(1), SERVED],
    [
      "open: PRIORITY and WINDOW_UPDATE",
      HELLO + post(1) + priority(1, 3) + windowUpdate(1, 5) + data(1, "a", true),
      SERVED,
    ],
    ["half-closed: DATA", HELLO + get(1, "/wait") + data(1, "a", true), "1 reset STREAM_CLOSED, open"],
    ["half-closed: HEADERS", HELLO + get(1, "/wait") + get(1), "1 reset STREAM_CLOSED, open"],
    ["half-closed: CONTINUATION", HELLO + get(1, "/wait") + frame(Continuation, WHOLE, 1, ""), PROTOCOL],
    [
      "half-closed: PRIORITY, WINDOW_UPDATE",
      HELLO + get(1, "/wait") + priority(1, 3) + windowUpdate(1, 5) + get(3),
      "1 waits, 3 is 200, open",
    ],
    ["half-closed: RST_STREAM", HELLO + get(1, "/wait") + rst(1) + get(3), "3 is 200, open"],
    ["closed by both: DATA", HELLO + get(1) + THEN + data(1, "a"), `1 is 200, ${CLOSED}`],
    ["closed by both: HEADERS", HELLO + get(1) + THEN + get(1), `1 is 200, ${CLOSED}`],
    [
      "closed by both: CONTINUATION",
      HELLO + get(1) + THEN + frame(Continuation, WHOLE, 1, ""),
      `1 is 200, ${PROTOCOL}`,
    ],
    [
      "closed by both: WINDOW_UPDATE, RST_STREAM, PRIORITY",
      HELLO + get(1) + THEN + windowUpdate(1, 1) + rst(1) + priority(1, 0),
      SERVED,
    ],
    ["closed by the client: DATA", HELLO + post(1) + rst(1) + data(1, "a"), "1 reset STREAM_CLOSED, open"],
    ["closed by the client: HEADERS", HELLO + post(1) + rst(1) + get(1), "1 reset STREAM_CLOSED, open"],
    [
      "closed by the client: WINDOW_UPDATE, RST_STREAM",
      HELLO + post(1) + rst(1) + windowUpdate(1, 1) + rst(1) + get(3),
      "3 is 200, open",
    ],
    [
      "closed by us: frames that were on their way",
      `${HELLO + post(1, "/", ["content-length", "1"])}${data(1, "too long")}${data(1, "x")}${windowUpdate(1, 1)}${headers(1, [["a", "b"]])}${rst(1)}${get(3)}`,
      "1 reset PROTOCOL_ERROR, 3 is 200, open",
    ],
  ]),
  ...section("RFC 9113 §5.1.1", [
    ["an even identifier", HELLO + get(2), PROTOCOL],
    ["an identifier below an earlier one", HELLO + get(5) + THEN + get(3), `5 is 200, ${PROTOCOL}`],
    ["identifiers that are left out", HELLO + get(1) + get(101) + get(103), "1 is 200, 101 is 200, 103 is 200, open"],
    ["DATA on an identifier that was left out", HELLO + get(5) + THEN + data(3, "a"), `5 is 200, ${CLOSED}`],
    ["WINDOW_UPDATE on an even identifier", HELLO + get(5) + THEN + windowUpdate(2, 1), `5 is 200, ${PROTOCOL}`],
    ["the largest identifier", HELLO + get(WINDOW_MAX), `${WINDOW_MAX} is 200, open`],
  ]),
  ...section("RFC 9113 §5.1.2", [
    [
      "more streams than are allowed",
      HELLO + [1, 3, 5, 7].map((id) => get(id, "/wait")).join("") + get(9),
      "1 waits, 3 waits, 5 waits, 7 waits, 9 reset REFUSED_STREAM, open",
    ],
  ]),
  ...section("RFC 9113 §5.3", [
    [
      "a stream that depends on itself",
      HELLO + frame(Headers, WHOLE | END | 0x20, 1, `${int32(1)}\x10${block(...getLines())}`),
      SERVED,
    ],
    ["PRIORITY on itself", HELLO + priority(3, 3) + get(1), SERVED],
  ]),
  ...section("RFC 9113 §5.4", [
    ["GOAWAY names the last stream", HELLO + get(1) + get(3) + THEN + data(0, "a"), `1 is 200, 3 is 200, ${PROTOCOL}`],
    ["after an error of the connection nothing is answered", HELLO + data(0, "a") + get(1), PROTOCOL],
    [
      "after an error of a stream others are answered",
      HELLO + withoutMethod(1) + get(3),
      "1 reset PROTOCOL_ERROR, 3 is 200, open",
    ],
  ]),
  ...section("RFC 9113 §5.5", [
    ["a frame of an unknown type", HELLO + frame(0x16, 0xff, 0, "abc") + get(1), SERVED],
    ["a frame of an unknown type on an idle stream", HELLO + frame(0x16, 0, 9, "abc") + get(1), SERVED],
    ["a frame of an unknown type within a block", HELLO + frame(Headers, END, 1, "") + frame(0x16, 0, 1, ""), PROTOCOL],
    ["an unknown setting", PREFACE + settings([0xff, 1], [0xabcd, 0xffff_ffff]) + get(1), SERVED],
  ]),
  ...section("RFC 9113 §6.1", [
    ["content in several frames", HELLO + post(1) + data(1, "ab") + data(1, "cd") + data(1, "", true), SERVED],
    ["content with padding", HELLO + post(1) + frame(Data, FLAG_PADDED | END, 1, "\x03ab\0\0\0"), SERVED],
    ["padding alone", HELLO + post(1) + frame(Data, FLAG_PADDED | END, 1, "\x02\0\0"), SERVED],
    ["DATA on stream 0", HELLO + data(0, "a"), PROTOCOL],
    ["padding as long as the payload", HELLO + post(1) + frame(Data, FLAG_PADDED, 1, "\x03ab"), PROTOCOL],
  ]),
  ...section("RFC 9113 §6.2", [
    ["HEADERS on stream 0", HELLO + get(0), PROTOCOL],
    ["HEADERS within a block", HELLO + frame(Headers, END, 1, "") + get(3), PROTOCOL],
    ["another stream within a block", HELLO + frame(Headers, END, 1, "") + data(3, "a"), PROTOCOL],
    ["padding", HELLO + frame(Headers, WHOLE | END | FLAG_PADDED, 1, `\x02${block(...getLines())}\0\0`), SERVED],
    ["padding longer than the block", HELLO + frame(Headers, WHOLE | END | FLAG_PADDED, 1, "\x09a"), PROTOCOL],
  ]),
  ...section("RFC 9113 §6.3", [
    [
      "PRIORITY of 4 bytes on an open stream",
      HELLO + post(1) + frame(Priority, 0, 1, "abcd"),
      "1 reset FRAME_SIZE_ERROR, open",
    ],
    ["PRIORITY of 4 bytes on an idle stream", HELLO + frame(Priority, 0, 1, "abcd"), SIZE],
  ]),
  ...section("RFC 9113 §6.4", [
    ["RST_STREAM on stream 0", HELLO + rst(0), PROTOCOL],
    ["RST_STREAM of a request", HELLO + post(1) + rst(1) + get(3), "3 is 200, open"],
  ]),
  ...section("RFC 9113 §6.5", [
    ["SETTINGS on a stream", HELLO + frame(FrameType.Settings, 0, 1), PROTOCOL],
    ["SETTINGS with ACK and a payload", HELLO + frame(FrameType.Settings, 1, 0, "abcdef"), SIZE],
    ["SETTINGS of 3 bytes", HELLO + frame(FrameType.Settings, 0, 0, "abc"), SIZE],
    ["ENABLE_PUSH 2", HELLO + settings([SettingId.EnablePush, 2]), PROTOCOL],
    ["INITIAL_WINDOW_SIZE 2^31", HELLO + settings([SettingId.InitialWindowSize, 2 ** 31]), FLOW],
    ["MAX_FRAME_SIZE 16,383", HELLO + settings([SettingId.MaxFrameSize, 16_383]), PROTOCOL],
    ["MAX_FRAME_SIZE 2^24", HELLO + settings([SettingId.MaxFrameSize, 2 ** 24]), PROTOCOL],
    ["the last value of a setting counts", PREFACE + settings([4, 100], [4, 1]) + get(1, "/long"), "1 sends 1, open"],
    ["further SETTINGS", HELLO + settings([4, 5]) + settings([1, 0]) + get(1), SERVED],
  ]),
  ...section("RFC 9113 §6.6", [
    ["PUSH_PROMISE", HELLO + frame(PushPromise, WHOLE, 1, int32(2) + block(...getLines())), PROTOCOL],
  ]),
  ...section("RFC 9113 §6.7", [
    ["PING", HELLO + ping("abcdefgh") + get(1), SERVED],
    ["PING with ACK that no one asked for", HELLO + ping("abcdefgh", 1) + get(1), SERVED],
    ["PING on a stream", HELLO + frame(Ping, 0, 1, "12345678"), PROTOCOL],
    ["PING of 6 bytes", HELLO + frame(Ping, 0, 0, "123456"), SIZE],
  ]),
  ...section("RFC 9113 §6.8", [
    ["GOAWAY on a stream", HELLO + frame(FrameType.GoAway, 0, 1, int32(0) + int32(0)), PROTOCOL],
    [
      "GOAWAY while a request is under way",
      HELLO + post(1) + goAway() + data(1, "a", true),
      "1 is 200, GOAWAY NO_ERROR",
    ],
    ["GOAWAY of a client without requests", HELLO + goAway(), "GOAWAY NO_ERROR"],
  ]),
  ...section("RFC 9113 §6.9", [
    ["an increment of 0 on the connection", HELLO + windowUpdate(0, 0), PROTOCOL],
    ["an increment of 0 on a stream", HELLO + post(1) + windowUpdate(1, 0), MALFORMED],
    ["a window of the connection above 2^31 - 1", HELLO + windowUpdate(0, WINDOW_MAX), FLOW],
    [
      "a window of a stream above 2^31 - 1",
      HELLO + post(1) + windowUpdate(1, WINDOW_MAX),
      "1 reset FLOW_CONTROL_ERROR, open",
    ],
    [
      "an initial window that makes one above 2^31 - 1",
      HELLO + post(1) + windowUpdate(1, WINDOW_MAX - 65_535) + settings([4, 65_536]),
      `${FLOW}`,
    ],
    ["a window of 1 byte", PREFACE + settings([4, 1]) + get(1, "/long"), "1 sends 1, open"],
    ["a window that is widened", PREFACE + settings([4, 1]) + get(1, "/long") + windowUpdate(1, 3), "1 sends 4, open"],
    [
      "an initial window that changes",
      PREFACE + settings([4, 0]) + get(1, "/long") + settings([4, 7]),
      "1 sends 7, open",
    ],
    [
      "an initial window that falls below what was sent",
      PREFACE + settings([4, 5]) + get(1, "/long") + settings([4, 2]) + windowUpdate(1, 4),
      "1 sends 6, open",
    ],
    ["an empty response in a window of 0", PREFACE + settings([4, 0]) + get(1, "/empty"), SERVED],
  ]),
  ...section("RFC 9113 §6.10", [
    ["CONTINUATION on stream 0", HELLO + frame(Headers, END, 1, "") + frame(Continuation, WHOLE, 0, ""), PROTOCOL],
    [
      "CONTINUATION of another stream",
      HELLO + frame(Headers, END, 1, "") + frame(Continuation, WHOLE, 3, ""),
      PROTOCOL,
    ],
    ["CONTINUATION behind a whole block", HELLO + get(1, "/wait") + frame(Continuation, WHOLE, 1, ""), PROTOCOL],
    ["CONTINUATION behind DATA", HELLO + post(1) + data(1, "a") + frame(Continuation, WHOLE, 1, ""), PROTOCOL],
    [
      "more CONTINUATION frames than are read",
      HELLO + frame(Headers, END, 1, "") + frame(Continuation, 0, 1, "").repeat(65),
      "GOAWAY ENHANCE_YOUR_CALM",
    ],
  ]),
  ...section("RFC 9113 §8.1", [
    ["a second HEADERS that does not end the stream", HELLO + post(1) + headers(1, [["a", "b"]], WHOLE), MALFORMED],
    ["trailers", HELLO + post(1) + data(1, "a") + headers(1, [["x-checksum", "1"]]), SERVED],
    ["trailers without content", HELLO + post(1) + headers(1, [["x-checksum", "1"]]), SERVED],
    ["trailers with a pseudo-field", HELLO + post(1) + headers(1, [[":path", "/"]]), MALFORMED],
    ["trailers with a capital letter", HELLO + post(1) + headers(1, [["X-A", "/"]]), MALFORMED],
    ["trailers with Content-Length", HELLO + post(1) + headers(1, [["content-length", "0"]]), MALFORMED],
    ["trailers with Transfer-Encoding", HELLO + post(1) + headers(1, [["transfer-encoding", "chunked"]]), MALFORMED],
    [
      "DATA after trailers",
      `${HELLO + post(1, "/wait")}${headers(1, [["a", "b"]])}${data(1, "a")}`,
      "1 reset STREAM_CLOSED, open",
    ],
  ]),
  ...section("RFC 9113 §8.1.1", [
    [
      "Content-Length that is the content's",
      HELLO + post(1, "/", ["content-length", "3"]) + data(1, "abc", true),
      SERVED,
    ],
    ["Content-Length 0 without content", withField("content-length", "0"), SERVED],
    ["Content-Length 0 and an empty frame", HELLO + post(1, "/", ["content-length", "0"]) + data(1, "", true), SERVED],
    [
      "less content than Content-Length",
      HELLO + post(1, "/", ["content-length", "3"]) + data(1, "ab", true),
      MALFORMED,
    ],
    ["more content than Content-Length", HELLO + post(1, "/", ["content-length", "3"]) + data(1, "abcd"), MALFORMED],
    [
      "more content in several frames",
      HELLO + post(1, "/", ["content-length", "3"]) + data(1, "ab") + data(1, "cd", true),
      MALFORMED,
    ],
    ["Content-Length without content", HELLO + get(1, "/", ["content-length", "3"]), MALFORMED],
    [
      "Content-Length and trailers in place of content",
      HELLO + post(1, "/", ["content-length", "3"]) + headers(1, [["a", "b"]]),
      MALFORMED,
    ],
    [
      "Content-Length twice",
      HELLO + post(1, "/", ["content-length", "1"], ["content-length", "1"]) + data(1, "a", true),
      MALFORMED,
    ],
    ["Content-Length that is no number", withField("content-length", "+0"), MALFORMED],
    ["Content-Length that is empty", withField("content-length", ""), MALFORMED],
    ["Content-Length of 2^64 + 3", withField("content-length", "18446744073709551619"), MALFORMED],
  ]),
  ...section("RFC 9113 §8.2.1", [
    ["a capital letter in a name", withField("X-Test", "a"), MALFORMED],
    ["a space in a name", withField("x test", "a"), MALFORMED],
    ["a colon in a name", withField("x:test", "a"), MALFORMED],
    ["an empty name", withField("", "a"), MALFORMED],
    ["a control character in a name", withField("x\x01", "a"), MALFORMED],
    ["DEL in a name", withField("x\x7f", "a"), MALFORMED],
    ["a byte above 0x7f in a name", withField("x\xe4", "a"), MALFORMED],
    ["NUL in a value", withField("x", "a\0b"), MALFORMED],
    ["LF in a value", withField("x", "a\nb"), MALFORMED],
    ["CR in a value", withField("x", "a\rb"), MALFORMED],
    ["CR LF in a value", withField("x", "a\r\nb: c"), MALFORMED],
    ["DEL in a value", withField("x", "a\x7fb"), MALFORMED],
    ["a space before a value", withField("x", " a"), MALFORMED],
    ["a tab after a value", withField("x", "a\t"), MALFORMED],
    ["a tab within a value", withField("x", "a\tb"), SERVED],
    ["a byte above 0x7f in a value", withField("x", "\xe4"), SERVED],
    ["an empty value", withField("x", ""), SERVED],
    ["CR LF in :path", HELLO + get(1, "/ HTTP/1.1\r\nhost: b"), MALFORMED],
    ["CR LF in :method", request([":method", "GET / HTTP/1.1\r\n"], ...getLines().slice(1)), MALFORMED],
  ]),
  ...section("RFC 9113 §8.2.2", [
    ["Connection", withField("connection", "close"), MALFORMED],
    ["Keep-Alive", withField("keep-alive", "timeout=5"), MALFORMED],
    ["Proxy-Connection", withField("proxy-connection", "keep-alive"), MALFORMED],
    ["Transfer-Encoding", withField("transfer-encoding", "chunked"), MALFORMED],
    ["Upgrade", withField("upgrade", "h2c"), MALFORMED],
    ["TE: trailers", withField("te", "trailers"), SERVED],
    ["TE: trailers and more", withField("te", "trailers, deflate;q=0.5"), MALFORMED],
    ["TE that is empty", withField("te", ""), MALFORMED],
  ]),
  ...section("RFC 9113 §8.2.3", [
    [
      "cookies in several lines",
      HELLO + get(1, "/fields", ["cookie", "a=1"], ["x", "y"], ["cookie", "b=2"]),
      "1 is 200 host: localhost|cookie: a=1; b=2|x: y, open",
    ],
  ]),
  ...section("RFC 9113 §8.3", [
    ["an unknown pseudo-field", request(...getLines(), [":test", "a"]), MALFORMED],
    ["a pseudo-field of responses", request(...getLines(), [":status", "200"]), MALFORMED],
    [
      ":protocol without a setting for it",
      request([":method", "CONNECT"], [":protocol", "websocket"], ...getLines().slice(1)),
      MALFORMED,
    ],
    ["a pseudo-field after a field", request(...BARE, ["a", "b"], [":authority", "localhost"]), MALFORMED],
    [":method twice", request([":method", "GET"], ...getLines()), MALFORMED],
    [":scheme twice", request([":scheme", "http"], ...getLines()), MALFORMED],
    [":path twice", request([":path", "/"], ...getLines()), MALFORMED],
    [":authority twice", request([":authority", "localhost"], ...getLines()), MALFORMED],
    ["a pseudo-field in capitals", request([":METHOD", "GET"], ...getLines().slice(1)), MALFORMED],
  ]),
  ...section("RFC 9113 §8.3.1", [
    [":method is missing", withoutPseudo(":method"), MALFORMED],
    [":scheme is missing", withoutPseudo(":scheme"), MALFORMED],
    [":path is missing", withoutPseudo(":path"), MALFORMED],
    ["no field at all", request(), MALFORMED],
    [":authority and Host are missing", withoutPseudo(":authority"), "1 is 400, open"],
    ["Host in place of :authority", request(...BARE, ["host", "localhost"]), SERVED],
    ["Host that is :authority", withField("host", "LOCALHOST:80"), SERVED],
    ["Host that is not :authority", withField("host", "elsewhere"), MALFORMED],
    ["Host that is malformed", withField("host", "a b"), "1 is 400, open"],
    ["Host twice", request(...BARE, ["host", "localhost"], ["host", "localhost"]), "1 is 400, open"],
    [
      "Host twice, after a request that had it once",
      HELLO + get(1, "/", ["host", "localhost"]) + THEN + get(3, "/", ["host", "localhost"], ["host", "elsewhere"]),
      "1 is 200, 3 is 400, open",
    ],
    [":authority that is malformed", request(...BARE, [":authority", "a/b"]), "1 is 400, open"],
    [":authority that is empty", request(...BARE, [":authority", ""]), "1 is 400, open"],
    ["user information in :authority", request(...BARE, [":authority", "a@localhost"]), MALFORMED],
    [":path that is empty", HELLO + get(1, ""), MALFORMED],
    [":path without a slash", HELLO + get(1, "a"), MALFORMED],
    [":path that is a URL", HELLO + get(1, "http://localhost/"), MALFORMED],
    [":path * with GET", HELLO + get(1, "*"), MALFORMED],
    [":path * with OPTIONS", request([":method", "OPTIONS"], ...getLines("*").slice(1)), SERVED],
    [":path with a space", HELLO + get(1, "/a b"), "1 is 400, open"],
    [":path with a fragment", HELLO + get(1, "/a#b"), "1 is 400, open"],
    [":path with a cut escape", HELLO + get(1, "/a%2"), "1 is 400, open"],
    [":path with %00", HELLO + get(1, "/a%00"), "1 is 400, open"],
    [":path with a backslash", HELLO + get(1, "/a\\b"), "1 is 400, open"],
    [":path with a backslash in the query", HELLO + get(1, "/a?b\\c"), SERVED],
    [":path in raw UTF-8", HELLO + get(1, "/\xc3\xa4"), SERVED],
    [
      ":scheme https without TLS",
      request(...getLines().map((line): Pair => (line[0] === ":scheme" ? [":scheme", "https"] : line))),
      SERVED,
    ],
    [":scheme in upper case", withScheme("HTTP"), SERVED],
    [":scheme https in mixed case", withScheme("hTTpS"), SERVED],
    [":scheme HTTPS, whose port Host leaves out", withHosts("HTTPS", "localhost:443", "localhost"), SERVED],
    [":scheme HTTP, whose port Host leaves out", withHosts("HTTP", "localhost", "localhost:80"), SERVED],
    [":scheme HTTP with the port of the other", withHosts("HTTP", "localhost:443", "localhost"), MALFORMED],
    [":scheme that is empty", request([":method", "GET"], [":scheme", ""], ...getLines().slice(2)), MALFORMED],
    [":scheme that is another", request([":method", "GET"], [":scheme", "ftp"], ...getLines().slice(2)), MALFORMED],
    [":method that is empty", request([":method", ""], ...getLines().slice(1)), MALFORMED],
    [":method that is no token", request([":method", "G T"], ...getLines().slice(1)), MALFORMED],
    [":method that is unknown", request([":method", "BREW"], ...getLines().slice(1)), SERVED],
    [":method of 33 letters", request([":method", "A".repeat(33)], ...getLines().slice(1)), "1 is 501, open"],
    [":path of 16,385 bytes", HELLO + split(1, [12_000, 12_000], `/${"a".repeat(16_384)}`), "1 is 414, open"],
    [
      "more fields than --max-header allows",
      HELLO + split(1, [12_000, 12_000], "/", ["x", "a".repeat(16_384)]),
      "1 is 431, open",
    ],
    [
      "a hundred and one fields",
      HELLO + get(1, "/", ...Array.from({ length: 101 }, (): Pair => ["x", "a"])),
      "1 is 431, open",
    ],
    [
      "a request after one that is too large",
      HELLO + split(1, [12_000, 12_000], "/", ["x", "a".repeat(16_384)]) + get(3),
      "1 is 431, 3 is 200, open",
    ],
  ]),
  ...section("RFC 9113 §8.4", [
    ["PUSH_PROMISE on an open stream", HELLO + post(1) + frame(PushPromise, WHOLE, 1, int32(2)), PROTOCOL],
  ]),
  ...section("RFC 9113 §8.5", [
    ["CONNECT", request([":method", "CONNECT"], [":authority", "localhost:80"]), SERVED],
    ["CONNECT with :scheme and :path", request([":method", "CONNECT"], ...getLines().slice(1)), MALFORMED],
    ["CONNECT without :authority", request([":method", "CONNECT"]), MALFORMED],
    ["CONNECT without a port", request([":method", "CONNECT"], [":authority", "localhost"]), "1 is 400, open"],
  ]),
  ...section("RFC 9110 §10.1.1", [
    ["another expectation in HTTP/2", withField("expect", "200-ok"), "1 is 417, open"],
    ["100-continue without content", withField("expect", "100-continue"), SERVED],
    ["100-continue with content", HELLO + post(1, "/", ["expect", "100-continue"]) + data(1, "a", true), SERVED],
  ]),
  ...section("RFC 9218 §4", [
    ["a priority", withField("priority", "u=1, i"), SERVED],
    ["a priority that is malformed", withField("priority", "u=9;;,,i=?x"), SERVED],
    ["PRIORITY_UPDATE of as many idle streams as may be open", HELLO + priorities(1, 3, 5, 7) + get(1), SERVED],
    ["PRIORITY_UPDATE of more", HELLO + priorities(1, 3, 5, 7, 9), PROTOCOL],
    [
      "PRIORITY_UPDATE of streams that have begun",
      HELLO + priorities(1, 3, 5) + get(5) + priorities(7, 9),
      "5 is 200, open",
    ],
    ["PRIORITY_UPDATE about a push", HELLO + frame(0x10, 0, 0, `${int32(2)}u=0`), PROTOCOL],
    ["PRIORITY_UPDATE", HELLO + frame(0x10, 0, 0, `${int32(1)}u=0`) + get(1), SERVED],
  ]),
];

/** A GET whose block comes in fragments of these lengths, and the rest. */
function split(streamId: number, lengths: readonly number[], path = "/", ...more: readonly Pair[]): string {
  const whole = block(...getLines(path, ...more));
  let at = 0;
  const frames = lengths.map((length, index) => {
    const part = whole.slice(at, at + length);
    at += length;
    return index === 0 ? frame(Headers, END, streamId, part) : frame(Continuation, 0, streamId, part);
  });
  return frames.join("") + frame(Continuation, WHOLE, streamId, whole.slice(at));
}

function withoutMethod(streamId: number): string {
  return headers(streamId, postLines().slice(1));
}

function section(
  name: string,
  rows: readonly (readonly [name: string, bytes: string, outcome: string])[],
): ConversationRow[] {
  return rows.map(([row, bytes, outcome]) => ({ section: name, name: row, bytes, outcome }));
}
