/** The examples of RFC 7541, appendix C: each block gives the fields and leaves the dynamic table that the RFC says. */
import { describe, expect, test } from "bun:test";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { decodeHuffman, encodeHuffman, huffmanLength, huffmanRoom } from "../../src/http2/huffman.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { decodedBlock, tableOf } from "../support/hpack.ts";

interface Example {
  readonly name: string;
  /** Hexadecimal digits of the block. */
  readonly block: string;
  /** Fields of the block. */
  readonly fields: readonly string[];
  /** Dynamic table after it, the newest entry first. */
  readonly table: readonly string[];
  readonly tableBytes: number;
}

describe("C.2: a field by itself", () => {
  const examples: readonly Example[] = [
    {
      name: "C.2.1: a literal that becomes an entry",
      block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      fields: ["custom-key: custom-header"],
      table: ["custom-key: custom-header"],
      tableBytes: 55,
    },
    {
      name: "C.2.2: a literal without an entry",
      block: "040c 2f73 616d 706c 652f 7061 7468",
      fields: [":path: /sample/path"],
      table: [],
      tableBytes: 0,
    },
    {
      name: "C.2.3: a literal that never becomes an entry",
      block: "1008 7061 7373 776f 7264 0673 6563 7265 74",
      fields: ["password: secret"],
      table: [],
      tableBytes: 0,
    },
    { name: "C.2.4: a reference", block: "82", fields: [":method: GET"], table: [], tableBytes: 0 },
  ];
  for (const example of examples) test(example.name, () => follow([example]));
});

const REQUESTS: readonly Omit<Example, "name" | "block">[] = [
  {
    fields: [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    table: [":authority: www.example.com"],
    tableBytes: 57,
  },
  {
    fields: [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
    table: ["cache-control: no-cache", ":authority: www.example.com"],
    tableBytes: 110,
  },
  {
    fields: [
      ":method: GET",
      ":scheme: https",
      ":path: /index.html",
      ":authority: www.example.com",
      "custom-key: custom-value",
    ],
    table: ["custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com"],
    tableBytes: 164,
  },
];

describe("requests on one connection", () => {
  test("C.3: without Huffman code", () => {
    follow(
      withBlocks(REQUESTS, [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ]),
    );
  });

  test("C.4: with Huffman code", () => {
    follow(
      withBlocks(REQUESTS, [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ]),
    );
  });
});

const DATE = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const LATER_DATE = "date: Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION = "location: https://www.example.com";
const COOKIE = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/** The table has 256 bytes, so older entries leave it. */
const RESPONSES: readonly Omit<Example, "name" | "block">[] = [
  {
    fields: [":status: 302", "cache-control: private", DATE, LOCATION],
    table: [LOCATION, DATE, "cache-control: private", ":status: 302"],
    tableBytes: 222,
  },
  {
    fields: [":status: 307", "cache-control: private", DATE, LOCATION],
    table: [":status: 307", LOCATION, DATE, "cache-control: private"],
    tableBytes: 222,
  },
  {
    fields: [":status: 200", "cache-control: private", LATER_DATE, LOCATION, "content-encoding: gzip", COOKIE],
    table: [COOKIE, "content-encoding: gzip", LATER_DATE],
    tableBytes: 215,
  },
];

describe("responses on one connection, with a table of 256 bytes", () => {
  test("C.5: without Huffman code", () => {
    follow(
      withBlocks(RESPONSES, [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
         474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        "4803 3330 37c1 c0bf",
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
         666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
         3630 303b 2076 6572 7369 6f6e 3d31`,
      ]),
      256,
    );
  });

  test("C.6: with Huffman code", () => {
    follow(
      withBlocks(RESPONSES, [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
         63c7 8f0b 97c8 e9ae 82ae 43d3`,
        "4883 640e ffc1 c0bf",
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
         b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ]),
      256,
    );
  });
});

describe("the strings of C.4 and C.6 in Huffman code", () => {
  test.each([
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-key", "25a849e95ba97d7f"],
    ["custom-value", "25a849e95bb8e8b4bf"],
    ["302", "6402"],
    ["private", "aec3771a4b"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
    ["307", "640eff"],
    ["gzip", "9bd9ab"],
    [
      COOKIE.slice("set-cookie: ".length),
      "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
  ])("%s", (text, hex) => {
    const coded = new Uint8Array(huffmanLength(text));
    expect(encodeHuffman(text, coded, 0)).toBe(coded.length);
    expect(Buffer.from(coded).toString("hex")).toBe(hex);
    const decoded = new Uint8Array(huffmanRoom(coded.length));
    const count = decodeHuffman(coded, 0, coded.length, decoded);
    expect(textOf(decoded.subarray(0, count))).toBe(text);
  });
});

/** Decodes the blocks of one connection, and compares fields and table after each. */
function follow(examples: readonly Example[], tableBytes?: number): void {
  const decoder = new HpackDecoder(() => 0);
  if (tableBytes !== undefined) {
    // The RFC lets both sides begin with this size; on the wire it is a change of the table's size.
    decoder.decode(bytesOf("\x3f\xe1\x01"), 0, 3, 0, { field() {} });
  }
  for (const { name, block, fields, table, tableBytes: bytes } of examples) {
    const found = decodedBlock(decoder, Uint8Array.fromHex(block.replace(/\s/g, "")));
    expect({ name, ...found }).toEqual({ name, error: 0, fields: [...fields] });
    const { entries, bytes: size } = tableOf(decoder);
    expect({ name, entries, size }).toEqual({ name, entries: [...table], size: bytes });
  }
}

function withBlocks(expected: readonly Omit<Example, "name" | "block">[], blocks: readonly string[]): Example[] {
  return expected.map((example, i) => ({ ...example, name: `block ${i + 1}`, block: blocks[i] ?? "" }));
}
