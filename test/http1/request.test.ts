/**
 * An exchange does not read a head again that it has just read. Whatever comes one after the other, what it says of a request
 * is what one says that has never seen another.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ContentMemory } from "../../src/exchange/content-buffer.ts";
import { directPeer } from "../../src/exchange/peer.ts";
import { Field } from "../../src/http/field.ts";
import { PathMemo } from "../../src/http/path-memo.ts";
import { RequestPool, RequestReader } from "../../src/http1/request.ts";
import { bytesOf } from "../support/bytes.ts";

const HEAD_LIMITS = { maxHeaderBytes: 4096, maxFields: 20, maxEmptyLines: 2 };
const MEMORY = new ContentMemory(1_000_000);

const fresh = () => new RequestReader(HEAD_LIMITS, MEMORY, new PathMemo());

/** All that is known of the request that `bytes` begin with, behind `start` bytes of something else. */
function read(exchange: RequestReader, bytes: Uint8Array, start = 0): unknown {
  const consumed = exchange.readHead(bytes, start, bytes.length);
  if (consumed <= 0) return { consumed };
  const error = exchange.understand();
  if (error < 0) return { consumed, error };
  const { head, target, framing } = exchange;
  const fields = Array.from({ length: head.fieldCount }, (_, i) => [head.fieldName(i), head.fieldValue(i)]);
  const { authority, verdict, path, query, form, scheme, hasDotName } = target;
  return {
    consumed,
    line: [head.methodText, head.targetText, head.minorVersion, head.requestLine],
    fields,
    known: Array.from(head.known),
    repeated: head.repeated,
    target: { verdict, path, query, form, scheme, hasDotName, host: authority.host, port: authority.port },
    framing: { ...framing },
  };
}

const PLAIN = "GET /page.html HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n";

describe("a head that repeats the one before it", () => {
  const REPEATED = {
    "a plain one": PLAIN,
    "an absolute target": "GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "one with content": "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    "one that closes": "GET / HTTP/1.0\r\n\r\n",
    "one behind empty lines": `\r\n\r\n${PLAIN}`,
    "one out of the tree": "GET /../x HTTP/1.1\r\nHost: a.test\r\n\r\n",
  };
  for (const [what, text] of Object.entries(REPEATED)) {
    test(`says the same: ${what}`, () => {
      const exchange = fresh();
      const first = read(exchange, bytesOf(text));
      expect(first).toHaveProperty("framing");
      expect(read(exchange, bytesOf(text))).toEqual(first);
      expect(read(exchange, bytesOf(`GET${text}${text}`), 3)).toEqual(first);
      expect(read(exchange, bytesOf(text))).toEqual(first);
    });
  }

  test("is not read again", () => {
    const exchange = fresh();
    const bytes = bytesOf(PLAIN);
    read(exchange, bytes);
    read(exchange, bytesOf(PLAIN));
    expect(exchange.head.bytes).toBe(bytes);
  });

  test("is one also where another connection had sent it", () => {
    const pool = new RequestPool(HEAD_LIMITS, MEMORY);
    const first = pool.take(directPeer("127.0.0.1", 50000, false));
    read(first, bytesOf(PLAIN));
    pool.takeBack({ request: first });
    const second = pool.take(directPeer("127.0.0.1", 50000, false));
    expect(second).toBe(first);
    expect(read(second, bytesOf(PLAIN))).toEqual(read(fresh(), bytesOf(PLAIN)));
    expect(second.head.value(Field.Accept)).toBe("*/*");
  });

  test("is none as long as its end is missing", () => {
    const exchange = fresh();
    read(exchange, bytesOf(PLAIN));
    for (let length = 1; length < PLAIN.length; length++)
      expect(exchange.readHead(bytesOf(PLAIN.slice(0, length)), 0, length)).toBe(0);
    expect(read(exchange, bytesOf(PLAIN))).toEqual(read(fresh(), bytesOf(PLAIN)));
  });
});

test("a head that differs in one byte, wherever that is, is read anew", () => {
  const exchange = fresh();
  for (let at = 0; at < PLAIN.length; at++) {
    for (const byte of [0x00, 0x0a, 0x0d, 0x20, 0x2e, 0x2f, 0x30, 0x3a, 0x61, 0xff]) {
      read(exchange, bytesOf(PLAIN));
      const other = bytesOf(PLAIN);
      other[at] = byte;
      expect(read(exchange, other)).toEqual(read(fresh(), other));
    }
  }
});

test("a head that differs in its target alone means what it means alone", () => {
  const rest = "Host: a.test\r\nAccept: text/html\r\nAccept: */*\r\nConnection: close\r\nX: y\r\n\r\n";
  const room = HEAD_LIMITS.maxHeaderBytes - `GET  HTTP/1.1\r\n${rest}`.length;
  const targets = [
    ...[
      "/page.html",
      "/other.html",
      "/",
      "",
      "/a b",
      "/..",
      "/%2e%2e/x",
      "/a?b=c",
      "/a\\b",
      "/a?b\\c",
      "/é",
      "*",
      "/\r\n",
      "/\t",
    ],
    ...["http://a.test/x", "http://b.test/x", "/x/page.html", "/x/x/x/page.html", "a.test:80", "/%zz", "/\x00"],
    ...[room - 1, room, room + 1].map((length) => `/${"x".repeat(length - 1)}`),
  ];
  const turns = ["GET", "BREW"].flatMap((method) =>
    targets.flatMap((first) => targets.map((second) => [method, first, second] as const)),
  );
  for (const [method, first, second] of turns) {
    const exchange = fresh();
    for (const target of [first, second, first]) {
      const before = target === second ? "xx" : "xyz\r\n\r\n";
      const bytes = bytesOf(`${before}${method} ${target} HTTP/1.1\r\n${rest}GET / HTTP/1.1\r\n`);
      const start = target === second ? 2 : 7;
      const cut = bytes.subarray(0, bytes.length - "\r\nGET / HTTP/1.1\r\n".length);
      for (const some of [bytes, cut, bytes]) expect(read(exchange, some, start)).toEqual(read(fresh(), some, start));
    }
  }
});

test("a head that could not be understood is no pattern for the next", () => {
  for (const wrong of [
    "GET /page.html HTTP/1.1\r\n\r\n",
    "GET /page.html HTTP/1.1\r\nHost: a.test\r\nExpect: tea\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
  ]) {
    const exchange = fresh();
    for (const text of [PLAIN, wrong, wrong, PLAIN, wrong, PLAIN])
      expect(read(exchange, bytesOf(text))).toEqual(read(fresh(), bytesOf(text)));
  }
});

test("a head that could not be understood has no target of the one before it", () => {
  const exchange = fresh();
  for (const wrong of [
    "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n",
    "GET /a HTTP/1.1\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n",
  ]) {
    read(exchange, bytesOf("GET /before.html?q HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    expect(read(exchange, bytesOf(wrong))).toHaveProperty("error");
    expect([exchange.target.path, exchange.target.query]).toEqual(["", ""]);
  }
});

test("a request says its version, its content and its method in words of every version of HTTP", () => {
  const exchange = fresh();
  const said = (text: string) => {
    read(exchange, bytesOf(text));
    return [exchange.protocol, exchange.announced, exchange.head.methodText, exchange.head.targetText];
  };
  const host = "Host: a.test\r\n";
  expect(said("GET / HTTP/1.0\r\n\r\n")).toEqual(["1.0", "none", "GET", "/"]);
  expect(said(`PUT /a?b HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`)).toEqual(["1.1", 0, "PUT", "/a?b"]);
  expect(said(`BREW /a HTTP/1.1\r\n${host}Content-Length: 7\r\n\r\n`)).toEqual(["1.1", 7, "BREW", "/a"]);
  expect(said(`POST / HTTP/1.9\r\n${host}Transfer-Encoding: chunked\r\n\r\n`)).toEqual(["1.1", "unknown", "POST", "/"]);
});

test("whatever heads follow each other, each means what it means alone", () => {
  const piece = fc.constantFrom("a", "b", "/", ".", "%2e", "?", " ", "\r\n", ":", "\r");
  const target = fc.array(piece, { maxLength: 4 }).map((pieces) => `/${pieces.join("")}`);
  const field = fc.constantFrom(
    "Host: a.test",
    "Host: b.test:1",
    "Accept: x",
    "Content-Length: 0",
    "Connection: close",
  );
  const head = fc
    .tuple(
      fc.constantFrom("GET", "HEAD", "POST"),
      target,
      fc.constantFrom("1.1", "1.0"),
      fc.array(field, { maxLength: 3 }),
    )
    .map(([method, path, version, fields]) => `${method} ${path} HTTP/${version}\r\n${fields.join("\r\n")}\r\n\r\n`);
  // Few different ones, so that many repeat.
  const few = fc.uniqueArray(head, { minLength: 1, maxLength: 3 });
  const turns = fc.tuple(few, fc.array(fc.nat({ max: 2 }), { minLength: 2, maxLength: 12 }));
  fc.assert(
    fc.property(turns, ([heads, order]) => {
      const exchange = fresh();
      for (const i of order) {
        const bytes = bytesOf(heads[i % heads.length] ?? "");
        expect(read(exchange, bytes)).toEqual(read(fresh(), bytes));
      }
    }),
  );
});

test("of requests that are not in use a bounded number is kept", () => {
  const pool = new RequestPool(HEAD_LIMITS, MEMORY);
  const peer = directPeer("127.0.0.1", 50000, false);
  const all = Array.from({ length: 257 }, () => pool.take(peer));
  for (const request of all) pool.takeBack({ request });
  const again = Array.from({ length: 257 }, () => pool.take(peer));
  expect(again.filter((request) => all.includes(request))).toHaveLength(256);
});

test("a head that differs from the one before in its first byte alone is another", () => {
  const exchange = fresh();
  read(exchange, bytesOf(PLAIN));
  const other = PLAIN.replace("GET", "SET");
  expect(read(exchange, bytesOf(other))).toEqual(read(fresh(), bytesOf(other)));
});
