import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { imfDate } from "../../src/http/date.ts";
import { type FieldLines, Fields } from "../../src/http/fields.ts";
import { Http2Error } from "../../src/http2/errors.ts";
import { encodeLines, FieldLiterals } from "../../src/http2/field-literals.ts";
import { FIELD_OVERHEAD_BYTES, HpackDecoder, TABLE_BYTES } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { decodeHuffman, encodeHuffman, huffmanLength, huffmanRoom } from "../../src/http2/huffman.ts";
import { STATIC_NAMES } from "../../src/http2/static-table.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { decodedBlock, tableOf } from "../support/hpack.ts";
import { hpackRows } from "./hpack-rows.ts";

const NONE = Fields.of([]);
const DATE = `date: ${imfDate(1)}`;

describe("a block that is decoded", () => {
  for (const { section, name, blocks, result, table, limit } of hpackRows) {
    test(`${section}: ${name}`, () => {
      const decoder = new HpackDecoder(() => 0);
      const found = blocks.map((hex, i) => {
        if (i === 1 && limit !== undefined) decoder.setLimit(limit);
        return decodedBlock(decoder, fromHex(hex));
      });
      for (const { error } of found.slice(0, -1)) expect(error).toBe(0);
      const { error, fields } = found.at(-1) ?? { error: Number.NaN, fields: [] };
      expect(error === 0 ? fields : `${Http2Error[error]}`).toEqual(typeof result === "string" ? result : [...result]);
      if (table !== undefined) expect(tableOf(decoder).entries).toEqual([...table]);
    });
  }

  test("and is cut anywhere gives its first fields, and an error unless a field ends there", () => {
    const rows = hpackRows.filter(({ blocks, result }) => blocks.length === 1 && typeof result !== "string");
    expect(rows.length).toBeGreaterThan(20);
    for (const { blocks, result } of rows) {
      const block = fromHex(blocks[0] ?? "");
      for (let end = 0; end < block.length; end++) {
        const { error, fields } = decodedBlock(new HpackDecoder(() => 0), block.subarray(0, end));
        expect(result.slice(0, fields.length)).toEqual(fields);
        if (error !== 0) expect(Http2Error[error]).toBe("BlockTruncated");
      }
    }
  });

  test("may stand anywhere in the buffer, and no byte around it is read", () => {
    const block = fromHex("82 40 0161 0162 be");
    const bytes = new Uint8Array(block.length + 10).fill(0x80);
    bytes.set(block, 5);
    const fields: string[] = [];
    const sink = { field: (name: string, value: string) => fields.push(`${name}: ${value}`) };
    const decoder = new HpackDecoder(() => 0);
    expect(decoder.decode(bytes, 5, 5 + block.length, 1000, sink)).toBe(0);
    expect(fields).toEqual([":method: GET", "a: b", "a: b"]);
    expect(decoder.decode(bytes, 5, 5 + block.length - 2, 1000, sink)).toBe(Http2Error.BlockTruncated);
  });

  test("keeps its strings when the buffer is used again", () => {
    const decoder = new HpackDecoder(() => 0);
    const block = fromHex("40 0161 0162");
    decodedBlock(decoder, block);
    block.fill(0x7a);
    expect(tableOf(decoder).entries).toEqual(["a: b"]);
  });
});

test("a smaller setting that was taken back still asks for a size", () => {
  const decoder = new HpackDecoder(() => 0);
  decoder.setLimit(34);
  decoder.setLimit(TABLE_BYTES);
  expect(decodedBlock(decoder, fromHex("82")).error).toBe(Http2Error.TableSizeMissing);
});

describe("the mark of a field", () => {
  test("is made once for a literal, and goes with every reference to it", () => {
    const judged: string[] = [];
    const check = (name: string, value: string) => judged.push(`${name}: ${value}`);
    const decoder = new HpackDecoder(check);
    const made = judged.length;
    const marks: number[] = [];
    const sink = { field: (_name: string, _value: string, mark: number) => marks.push(mark) };
    const block = fromHex("82 40 0161 0162 be be 00 0161 0162");
    expect(decoder.decode(block, 0, block.length, 1000, sink)).toBe(0);
    expect(judged.slice(made)).toEqual(["a: b", "a: b"]);
    expect(judged[(marks[0] ?? 0) - 1]).toBe(":method: GET");
    expect(marks.slice(1)).toEqual([made + 1, made + 1, made + 1, made + 2]);
    // The static table is judged once for all connections.
    new HpackDecoder(check);
    expect(judged).toHaveLength(made + 2);
  });
});

describe("a section that is too large", () => {
  test("gives the fields that fit, and keeps the table that of the peer", () => {
    const decoder = new HpackDecoder(() => 0);
    // Three fields of 34, and one that is a new entry.
    const block = fromHex("00 0161 0162 00 0163 0164 00 0165 0166 40 0167 0168");
    expect(decodedBlock(decoder, block, 2 * 34)).toEqual({ error: 0, fields: ["a: b", "c: d"] });
    expect(decoder.sectionBytes).toBe(4 * 34);
    expect(decodedBlock(decoder, fromHex("be"))).toEqual({ error: 0, fields: ["g: h"] });
    expect(decoder.sectionBytes).toBe(34);
  });

  test("gives no field behind the first that does not fit, even a small one", () => {
    const decoder = new HpackDecoder(() => 0);
    const block = fromHex(`00 0161 7f 00 ${"62".repeat(127)} 00 0163 0164`);
    expect(decodedBlock(decoder, block, 100).fields).toEqual([]);
  });

  test("is still checked", () => {
    const block = fromHex("00 0161 0162 00 0161 81 18");
    expect(decodedBlock(new HpackDecoder(() => 0), block, 0).error).toBe(Http2Error.HuffmanPadding);
  });
});

describe("a block that means more than it has bytes", () => {
  /** An entry that fills the table, and a reference to it in every further byte. */
  const bomb = new Uint8Array(16_384).fill(0xbe);
  const value = TABLE_BYTES - FIELD_OVERHEAD_BYTES - 1;
  bomb.set(fromHex(`40 0161 7f ${(0x80 | ((value - 127) & 0x7f)).toString(16)} ${((value - 127) >> 7).toString(16)}`));
  bomb.fill(0x62, 6, 6 + value);

  test("is counted in full, and gives no more than the bound", () => {
    const decoder = new HpackDecoder(() => 0);
    const { error, fields } = decodedBlock(decoder, bomb, 16_384);
    expect(error).toBe(0);
    expect(fields).toHaveLength(4);
    expect(decoder.sectionBytes).toBe((bomb.length - 6 - value + 1) * TABLE_BYTES);
  });

  test("shares one string, and judges it once", () => {
    let judged = 0;
    const decoder = new HpackDecoder(() => judged++);
    judged = 0;
    const values = new Set<string>();
    decoder.decode(bomb, 0, bomb.length, Number.POSITIVE_INFINITY, { field: (_, text) => values.add(text) });
    expect(values.size).toBe(1);
    expect(judged).toBe(1);
  });

  test("of entries that remove each other leaves no more than the table", () => {
    const decoder = new HpackDecoder(() => 0);
    const entry = fromHex(`40 0161 7f 80 1e ${"62".repeat(127 + 0x1e * 128)}`);
    const many = new Uint8Array(entry.length * 100);
    for (let i = 0; i < 100; i++) many.set(entry, i * entry.length);
    expect(decodedBlock(decoder, many, 0).error).toBe(0);
    expect(tableOf(decoder).bytes).toBeLessThanOrEqual(TABLE_BYTES);
    const changes = decoder.changes;
    expect(changes).toBe(100);
  });

  test("of the smallest entries leaves 128 of them", () => {
    const decoder = new HpackDecoder(() => 0);
    const block = fromHex("40 00 00".repeat(5000));
    expect(decodedBlock(decoder, block, 0).error).toBe(0);
    // 61 entries of the static table, and 128 of 32 bytes: index 189 is the last one.
    expect(decodedBlock(decoder, fromHex("ff 3e")).fields).toEqual([": "]);
    expect(decodedBlock(decoder, fromHex("ff 3f")).error).toBe(Http2Error.IndexInvalid);
  });

  test("of Huffman code grows to eight fifths at most", () => {
    const decoder = new HpackDecoder(() => 0);
    // The code of "0" is five zeros.
    const { error, fields } = decodedBlock(decoder, fromHex(`00 0161 ff 91 4d ${"00".repeat(10_000)}`));
    expect({ error, length: fields[0]?.length }).toEqual({ error: 0, length: "a: ".length + 16_000 });
  });
});

describe("the table of a decoder", () => {
  test("says whether a block changed it", () => {
    const decoder = new HpackDecoder(() => 0);
    const changed = (hex: string) => {
      const before = decoder.changes;
      decodedBlock(decoder, fromHex(hex));
      return decoder.changes !== before;
    };
    expect(changed("82 00 0161 0162")).toBe(false);
    expect(changed("40 0161 0162")).toBe(true);
    expect(changed("be")).toBe(false);
    expect(changed("3f 03")).toBe(true);
    expect(changed(`40 0161 7f 00 ${"62".repeat(127)}`)).toBe(true);
  });

  test("is the same after any entries and sizes as one that is kept as a list", () => {
    const step = fc.oneof(
      fc.record({ name: fc.nat(40), value: fc.nat(300) }),
      fc.record({ size: fc.constantFrom(0, 33, 100, 500, 4096) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const decoder = new HpackDecoder(() => 0);
        const model: string[] = [];
        let max = TABLE_BYTES;
        const bytes = () => model.reduce((sum, line) => sum + line.length - 2 + FIELD_OVERHEAD_BYTES, 0);
        steps.forEach((made, i) => {
          if ("size" in made) {
            max = made.size;
            expect(decodedBlock(decoder, integer(0x20, 5, max)).error).toBe(0);
          } else {
            const [name, value] = [`${i}`.padEnd(made.name, "n"), "v".repeat(made.value)];
            const parts = [integer(0x40, 6, 0), integer(0, 7, name.length), bytesOf(name)];
            const block = Buffer.concat([...parts, integer(0, 7, value.length), bytesOf(value)]);
            expect(decodedBlock(decoder, block)).toEqual({ error: 0, fields: [`${name}: ${value}`] });
            model.unshift(`${name}: ${value}`);
          }
          while (bytes() > max) model.pop();
        });
        expect(tableOf(decoder).entries).toEqual(model.slice(0, 65));
      }),
    );
  });
});

describe("the Huffman code", () => {
  test("gives every octet back, alone and between others", () => {
    for (let byte = 0; byte < 256; byte++) {
      for (const text of [String.fromCharCode(byte), `a${String.fromCharCode(byte, byte)}0`])
        expect(recoded(text)).toBe(text);
    }
  });

  test("gives any string back", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => recoded(textOf(bytes)) === textOf(bytes)));
  });

  test("has one code for a string: bytes that are decoded are those that encoding gives", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const into = new Uint8Array(huffmanRoom(bytes.length));
        const count = decodeHuffman(bytes, 0, bytes.length, into);
        if (count < 0) return true;
        const text = textOf(into.subarray(0, count));
        const coded = new Uint8Array(huffmanLength(text));
        encodeHuffman(text, coded, 0);
        return textOf(coded) === textOf(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  function recoded(text: string): string {
    const coded = new Uint8Array(huffmanLength(text) + 1);
    expect(encodeHuffman(text, coded, 1)).toBe(coded.length);
    const into = new Uint8Array(huffmanRoom(coded.length - 1));
    return textOf(into.subarray(0, decodeHuffman(coded, 1, coded.length, into)));
  }
});

describe("the block of a response", () => {
  const PAGE = Fields.of([
    ["Content-Type", "text/html; charset=utf-8"],
    ["ETag", '"abc"'],
    ["Cache-Control", "no-cache"],
  ]);
  const HEAD = [":status: 200", "server: httpserver", DATE];
  const PAGE_LINES = ["content-type: text/html; charset=utf-8", "cache-control: no-cache", 'etag: "abc"'];

  test("has the status first, then server, date and the fields, with names in lower case", () => {
    const peer = new Peer();
    expect(peer.receive(200, PAGE)).toEqual([...HEAD, ...PAGE_LINES]);
  });

  test("repeats what many responses share in one byte each", () => {
    const peer = new Peer();
    const first = peer.bytesOf(200, PAGE);
    const second = peer.bytesOf(200, PAGE);
    expect(peer.fieldsOf(first)).toEqual(peer.fieldsOf(second));
    // :status, server, date, content-type and cache-control; the tag is a literal.
    expect(second.length).toBe(5 + encodeLines([["etag", '"abc"']]).length);
  });

  test.each([100, 103, 200, 204, 206, 301, 304, 404, 418, 500, 999])("%d", (status) => {
    const peer = new Peer();
    expect(peer.receive(status, NONE)[0]).toBe(`:status: ${status}`);
    const into = new Uint8Array(20);
    expect(peer.fieldsOf(into.subarray(0, peer.encoder.writeStatus(into, 0, status)))).toEqual([`:status: ${status}`]);
  });

  test.each([
    ..."accept-ranges cache-control content-encoding content-security-policy content-type".split(" "),
    ..."cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy".split(" "),
    ..."permissions-policy referrer-policy strict-transport-security vary".split(" "),
    ..."x-content-type-options x-frame-options".split(" "),
  ])("repeats %s by a reference", (name) => {
    const fields = Fields.of([[name, "a value that no table has before"]]);
    const peer = new Peer();
    const bare = new Peer();
    for (const _ of [1, 2]) bare.bytesOf(200, NONE);
    peer.bytesOf(200, fields);
    expect(peer.bytesOf(200, fields).length).toBe(bare.bytesOf(200, NONE).length + 1);
  });

  test.each([
    [":method", "POST", 0x83],
    [":path", "/index.html", 0x85],
    [":scheme", "https", 0x87],
    [":status", "500", 0x8e],
    [":status", "204", 0x89],
  ])("has %s: %s by its index in the static table", (name, value, byte) => {
    expect([...encodeLines([[name, value]])]).toEqual([byte]);
  });

  test("has the date of its second", () => {
    const peer = new Peer();
    for (const second of [1, 1, 2, 1]) expect(peer.receive(200, NONE, second)[2]).toBe(`date: ${imfDate(second)}`);
  });

  test("keeps the order of fields with one name", () => {
    const cookies = Fields.of([
      ["Set-Cookie", "b=1"],
      ["X-Other", "1"],
      ["Set-Cookie", "a=2"],
    ]);
    expect(new Peer().receive(200, cookies).filter((line) => line.startsWith("set-cookie"))).toEqual([
      "set-cookie: b=1",
      "set-cookie: a=2",
    ]);
  });

  test("never lets a table keep a secret", () => {
    const fields = Fields.of([["Set-Cookie", "id=secret"]]);
    const peer = new Peer();
    const block = peer.bytesOf(200, fields);
    // A literal that never becomes an entry, with the name at index 55.
    expect(textOf(block)).toContain("\x1f\x28");
    expect(peer.table().some((line) => line.startsWith("set-cookie"))).toBe(false);
    expect(encodeLines([["authorization", "Basic eDp5"]])[0]).toBe(0x1f);
    expect(encodeLines([["cookie", "a=b"]])[0]).toBe(0x1f);
    expect(encodeLines([["proxy-authorization", "Basic eDp5"]])[0]).toBe(0x1f);
  });

  test("has no field that HTTP/2 does not have", () => {
    const lines = ["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "X-Kept"];
    const block = encodeLines(lines.map((name) => [name, "1"]));
    expect(decodedBlock(new HpackDecoder(() => 0), block).fields).toEqual(["x-kept: 1"]);
  });

  test("has Huffman code only where it is shorter", () => {
    expect(textOf(encodeLines([["x", "aaaaaaaa"]]))).toBe("\0\x01x\x85\x18\xc6\x31\x8c\x63");
    expect(textOf(encodeLines([["x", "\xff\xfe"]]))).toBe("\0\x01x\x02\xff\xfe");
  });

  test("fits the room that it announces", () => {
    const fields = Fields.of([
      ["Content-Security-Policy", "x".repeat(300)],
      ["X-Long", "\xff".repeat(500)],
      ["Vary", ""],
    ]);
    const peer = new Peer();
    peer.encoder.setLimit(0);
    peer.encoder.setLimit(4000);
    expect(peer.bytesOf(999, fields).length).toBeLessThanOrEqual(peer.encoder.headBytesMax(NONE, fields));
  });

  test.each([...STATIC_NAMES.slice(1), "x"])("has %s with its index, or its name", (name) => {
    for (const length of [1, 126, 127, 128, 254, 255, 256]) {
      const value = "\xff".repeat(length);
      const lines: FieldLines = [[name, value]];
      const { fields } = decodedBlock(new HpackDecoder(() => 0), encodeLines(lines));
      expect(fields).toEqual(name === "transfer-encoding" ? [] : [`${name}: ${value}`]);
    }
  });

  test("refers to entries by two octets where one is not enough", () => {
    const peer = new Peer();
    const many = Array.from({ length: 100 }, (_, i) => `${i}`);
    for (const value of [...many, ...many]) {
      expect(peer.receive(200, Fields.of([["Vary", value]]))[3]).toBe(`vary: ${value}`);
    }
    // The first of them is behind 99 others, and in the table: both octets of its index are there.
    const block = peer.bytesOf(200, Fields.of([["Vary", "0"]]));
    expect(textOf(block.subarray(-2))).toBe(`\xff${String.fromCharCode(61 + 100 - 127)}`);
  });

  test("makes an entry of a field of 1,024 bytes, and of no longer one", () => {
    for (const [length, isEntry] of [
      [969, true],
      [970, false],
    ] as const) {
      const peer = new Peer();
      const fields = Fields.of([["Content-Security-Policy", "x".repeat(length)]]);
      peer.receive(200, fields);
      expect(peer.bytesOf(200, fields).length < 10).toBe(isEntry);
    }
  });

  test("makes entries of 256 fields at most, on all connections together", () => {
    const literals = new FieldLiterals();
    const isEntry = (value: string) => {
      const peer = new Peer(literals);
      const fields = Fields.of([["Vary", value]]);
      peer.receive(200, fields);
      return peer.bytesOf(200, fields).length === 4;
    };
    // `server` is one of them.
    for (let i = 0; i < 255; i++) expect(isEntry(`a${i}`)).toBe(true);
    expect(isEntry("b")).toBe(false);
    expect(isEntry("a0")).toBe(true);
  });

  test("does not let one long field take the table", () => {
    const peer = new Peer();
    peer.receive(200, Fields.of([["Content-Security-Policy", "x".repeat(2000)]]));
    expect(peer.table().some((line) => line.startsWith("content-security-policy"))).toBe(false);
  });
});

describe("the encoder's table", () => {
  const SHARED = Fields.of([["Cache-Control", "no-cache"]]);

  test("begins a block with the smaller size that the peer wants", () => {
    const peer = new Peer();
    peer.receive(200, SHARED);
    peer.encoder.setLimit(100);
    peer.decoder.setLimit(100);
    const block = peer.bytesOf(200, SHARED);
    expect(textOf(block.subarray(0, 2))).toBe("\x3f\x45");
    expect(peer.fieldsOf(block)).toHaveLength(4);
  });

  test("goes through the smallest size on its way to the last", () => {
    const peer = new Peer();
    peer.receive(200, SHARED);
    for (const size of [1000, 0, 500]) peer.encoder.setLimit(size);
    peer.decoder.setLimit(0);
    peer.decoder.setLimit(500);
    const block = peer.bytesOf(200, SHARED);
    expect(textOf(block.subarray(0, 4))).toBe("\x20\x3f\xd5\x03");
    expect(peer.fieldsOf(block)).toHaveLength(4);
    expect(textOf(peer.bytesOf(200, SHARED).subarray(0, 1))).toBe("\x88");
  });

  test("is emptied by a size of 0 in between, also if the size is the same again", () => {
    const peer = new Peer();
    peer.receive(200, SHARED);
    peer.encoder.setLimit(0);
    peer.encoder.setLimit(TABLE_BYTES);
    const block = peer.bytesOf(200, SHARED);
    expect(textOf(block.subarray(0, 4))).toBe("\x20\x3f\xe1\x1f");
    expect(peer.fieldsOf(block)).toHaveLength(4);
  });

  test("does not grow beyond 4,096 bytes, whatever the peer allows", () => {
    const peer = new Peer();
    peer.encoder.setLimit(65_536);
    expect(textOf(peer.bytesOf(200, SHARED).subarray(0, 1))).toBe("\x88");
  });

  test("of 0 bytes is not used", () => {
    const peer = new Peer();
    peer.encoder.setLimit(0);
    peer.decoder.setLimit(0);
    const first = peer.receive(200, SHARED);
    expect(peer.receive(200, SHARED)).toEqual(first);
    expect(peer.table()).toEqual([]);
  });

  test("is that of the peer after so many dates that older entries leave it", () => {
    const peer = new Peer();
    for (let second = 0; second < 300; second++) {
      expect(peer.receive(200, SHARED, second)).toEqual([
        ":status: 200",
        "server: httpserver",
        `date: ${imfDate(second)}`,
        "cache-control: no-cache",
      ]);
    }
  });

  test("is that of the peer through any responses and sizes", () => {
    const line = fc.tuple(
      fc.constantFrom("Cache-Control", "Content-Type", "Vary", "ETag", "Set-Cookie", "X-A"),
      fc.constantFrom("", "a", "b", "c".repeat(150), "\xff"),
    );
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ lines: fc.array(line, { maxLength: 6 }), second: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ size: fc.constantFrom(0, 40, 150, 400, 4096, 65_536) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const peer = new Peer();
        for (const made of steps) {
          if ("size" in made) {
            peer.encoder.setLimit(made.size);
            peer.decoder.setLimit(Math.min(made.size, TABLE_BYTES));
            continue;
          }
          const found = peer.receive(200, Fields.of(made.lines), made.second);
          const expected = made.lines.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
          expect(found.slice(3).sort()).toEqual(expected.sort());
          expect(found[2]).toBe(`date: ${imfDate(made.second)}`);
        }
      }),
    );
  });
});

/** An encoder, and the decoder of its peer. */
class Peer {
  readonly encoder: HpackEncoder;
  readonly decoder = new HpackDecoder(() => 0);

  constructor(literals = new FieldLiterals()) {
    this.encoder = new HpackEncoder(literals);
  }

  bytesOf(status: number, fields: Fields, second = 1): Uint8Array {
    const dateLine = bytesOf(`Date: ${imfDate(second)}\r\n`);
    const into = new Uint8Array(this.encoder.headBytesMax(NONE, fields));
    return into.subarray(0, this.encoder.writeHead(into, 0, status, second, dateLine, NONE, fields));
  }

  fieldsOf(block: Uint8Array): string[] {
    const { error, fields } = decodedBlock(this.decoder, block);
    expect(error).toBe(0);
    return fields;
  }

  receive(status: number, fields: Fields, second?: number): string[] {
    return this.fieldsOf(this.bytesOf(status, fields, second));
  }

  table(): string[] {
    return tableOf(this.decoder).entries;
  }
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

/** Returns an integer with a prefix of `bits` (RFC 7541 §5.1). */
function integer(firstByte: number, bits: number, value: number): Uint8Array {
  const most = 2 ** bits - 1;
  if (value < most) return Uint8Array.of(firstByte | value);
  const octets = [firstByte | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push(128 + (rest % 128));
  return Uint8Array.of(...octets, rest);
}
