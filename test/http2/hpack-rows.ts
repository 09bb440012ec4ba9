/** Field blocks of one connection and their fields, section by section. docs/rfc.md quotes sections and names. */

interface HpackRow {
  readonly section: string;
  readonly name: string;
  /** Hexadecimal digits of each block. All but the last are without a mistake. */
  readonly blocks: readonly string[];
  /** Fields of the last block, or the name of its error. */
  readonly result: readonly string[] | string;
  /** Dynamic table at the end, the newest entry first, if the row is about it. */
  readonly table?: readonly string[];
  /** Our SETTINGS_HEADER_TABLE_SIZE, set after the first block. */
  readonly limit?: number;
}

/** `a: b` as a literal that becomes an entry of 34 bytes. */
const AB = "40 0161 0162";
const CD = "40 0163 0164";

/** Sets the table's size to 34, 68, 4,096 and 4,097 bytes. */
const SIZE_34 = "3f 03";
const SIZE_68 = "3f 25";
const SIZE_4096 = "3f e11f";
const SIZE_4097 = "3f e21f";

export const hpackRows: readonly HpackRow[] = [
  ...section("RFC 7541 §2.3", [
    ["the first entry of the static table", ["81"], [":authority: "]],
    ["the last entry of the static table", ["bd"], ["www-authenticate: "]],
    ["the newest entry is behind the static table", [AB + CD, "be bf"], ["c: d", "a: b"]],
    ["an index behind the static table while no entry is there", ["be"], "IndexInvalid"],
    ["an index behind the last entry", [AB, "bf"], "IndexInvalid"],
    ["an index far behind the last entry", [AB, "ff 80 80 01"], "IndexInvalid"],
    ["a name behind the last entry", [AB, "7f 00 0162"], "IndexInvalid"],
    ["a name behind the last entry, in a literal without an entry", [AB, "0f 30 0162"], "IndexInvalid"],
    ["the same entry twice", [AB + AB, "be bf"], ["a: b", "a: b"], ["a: b", "a: b"]],
    ["an entry is there for the next field of its block", [`${AB}be`], ["a: b", "a: b"]],
    ["the table lives as long as its connection", [AB, "82", "be"], ["a: b"]],
  ]),
  ...section("RFC 7541 §4.2", [
    ["a size before the first field", [`${SIZE_34}82`], [":method: GET"]],
    ["the size that our settings allow", [`${SIZE_4096}82`], [":method: GET"]],
    ["a smaller and a final size", [AB, `20 ${SIZE_4096}82`], [":method: GET"], []],
    ["a size and no field", [`${SIZE_34}`], []],
    ["three sizes in one block", ["20 20 20 82"], "TableSizeRepeated"],
    ["a size behind a field", ["82 20"], "TableSizeMisplaced"],
    ["a size between two fields", [`82 ${SIZE_34} 82`], "TableSizeMisplaced"],
    ["a size in each of two blocks", [SIZE_34, `${SIZE_68} 82`], [":method: GET"]],
    ["our smaller setting, and a block without a size", [AB, "82"], "TableSizeMissing", undefined, 34],
    ["our smaller setting, and a size above it", [AB, `${SIZE_68} 82`], "TableSizeTooLarge", undefined, 34],
    ["our smaller setting, and its size", [AB + CD, `${SIZE_34} be`], ["c: d"], ["c: d"], 34],
    ["our smaller setting, and a still smaller size first", [AB + CD, `20 ${SIZE_34} 82`], [":method: GET"], [], 34],
    ["our larger setting asks for no size", [AB, "be"], ["a: b"], ["a: b"], 8192],
    ["our larger setting lets the table grow", [AB, "3f e13f be"], ["a: b"], ["a: b"], 8192],
  ]),
  ...section("RFC 7541 §4.3", [
    ["a smaller size removes the oldest entries", [AB + CD, `${SIZE_34}`], [], ["c: d"]],
    ["a size that all entries fit", [AB + CD, `${SIZE_68}`], [], ["c: d", "a: b"]],
    ["a size of one byte less than the entries", [AB + CD, "3f 24"], [], ["c: d"]],
    ["a size of 0 empties the table", [AB + CD, "20"], [], []],
    ["an entry that was removed", [AB + CD, "3f 03 bf"], "IndexInvalid"],
  ]),
  ...section("RFC 7541 §4.4", [
    ["a new entry removes the oldest", [SIZE_34 + AB, CD], ["c: d"], ["c: d"]],
    ["an entry as large as the table", [`${SIZE_34}${AB}`], ["a: b"], ["a: b"]],
    ["an entry larger than the table empties it", [SIZE_34 + AB, "40 0163 026465"], ["c: de"], []],
    ["an entry for a table of 0 bytes", [`20 ${AB}`], ["a: b"], []],
    ["a new entry with the name of the one that it removes", [SIZE_34 + AB, "7e 0163"], ["a: c"], ["a: c"]],
    ["a larger entry with the name of the one that it removes", [SIZE_34 + AB, "7e 03636465"], ["a: cde"], []],
  ]),
  ...section("RFC 7541 §5.1", [
    ["10 in five bits (C.1.1)", ["2a"], []],
    ["1337 in five bits (C.1.2)", ["3f 9a0a"], []],
    ["the largest index of one octet", ["fe"], "IndexInvalid"],
    ["an integer of two octets", ["ff 00"], "IndexInvalid"],
    ["a length of two octets", [`00 0161 7f 01 ${"62".repeat(128)}`], [`a: ${"b".repeat(128)}`]],
    ["zeros in front of an integer", [`00 0161 7f 81 80 80 00 ${"62".repeat(128)}`], [`a: ${"b".repeat(128)}`]],
    ["an integer of 28 bits", ["ff ff ff ff 7f"], "IndexInvalid"],
    ["an integer of 35 bits", ["ff ff ff ff ff 7f"], "IntegerTooLarge"],
    ["an integer without end", [`ff ${"80".repeat(1000)}`], "IntegerTooLarge"],
    ["a length without end", [`00 0161 7f ${"ff".repeat(1000)}`], "IntegerTooLarge"],
    ["a size of 2^32", ["3f e1 ff ff ff 0f"], "IntegerTooLarge"],
    ["an integer whose octets are missing", ["ff"], "BlockTruncated"],
    ["an integer whose last octet is missing", ["ff 80 80"], "BlockTruncated"],
  ]),
  ...section("RFC 7541 §5.2", [
    ["an empty name and an empty value", ["00 00 00"], [": "]],
    ["an empty string in Huffman code", ["00 80 80"], [": "]],
    ["any octet as it is", ["00 0161 0500 0a 80 ff 20"], ["a: \0\n\x80\xff "]],
    ["any octet in Huffman code", ["00 0161 8c ffc7 ffff ff9f ffcd ffff f729"], ["a: \0\n\x80\xff "]],
    ["a string longer than its block", ["00 0161 0262"], "BlockTruncated"],
    ["a string much longer than its block", ["00 0161 7f ffffff7f 62"], "BlockTruncated"],
    ["a Huffman-coded string longer than its block", ["00 0161 82 1f"], "BlockTruncated"],
    ["padding of 7 bits", ["00 0161 83 fe2e7f"], ["a: !:"]],
    ["padding of 3 bits", ["00 0161 81 1f"], ["a: a"]],
    ["padding of 8 bits", ["00 0161 82 1fff"], "HuffmanPadding"],
    ["padding of a whole octet and no symbol", ["00 0161 81 ff"], "HuffmanPadding"],
    ["padding of 16 bits", ["00 0161 83 1fffff"], "HuffmanPadding"],
    ["padding of zeros", ["00 0161 81 18"], "HuffmanPadding"],
    ["padding that is not the start of EOS", ["00 0161 81 1e"], "HuffmanPadding"],
    ["EOS as the only symbol", ["00 0161 84 ffff ffff"], "HuffmanEos"],
    ["EOS behind a symbol", ["00 0161 85 1fff ffff ff"], "HuffmanEos"],
    ["EOS before a symbol", ["00 0161 85 ffff fffc 7f"], "HuffmanEos"],
    ["a long code that the string cuts", ["00 0161 82 fffe"], "HuffmanPadding"],
    ["a name in Huffman code with EOS", ["00 84 ffff ffff 0162"], "HuffmanEos"],
  ]),
  ...section("RFC 7541 §6.1", [
    ["index 0", ["80"], "IndexInvalid"],
    ["index 0 behind a field", ["82 80"], "IndexInvalid"],
    ["a field of the static table", ["82 87 85"], [":method: GET", ":scheme: https", ":path: /index.html"]],
  ]),
  ...section("RFC 7541 §6.2", [
    ["a literal that becomes an entry", [AB], ["a: b"], ["a: b"]],
    [
      "a literal that becomes an entry, with a name of the static table",
      ["41 0162"],
      [":authority: b"],
      [":authority: b"],
    ],
    ["a literal that becomes an entry, with a name of the dynamic table", [AB, "7e 0163"], ["a: c"], ["a: c", "a: b"]],
    ["a literal without an entry", ["00 0161 0162"], ["a: b"], []],
    ["a literal without an entry, with a name of the static table", ["01 0162"], [":authority: b"], []],
    ["a literal without an entry, with a name of the dynamic table", [AB, "0f 2f 0163"], ["a: c"], ["a: b"]],
    ["a literal that never becomes an entry", ["10 0161 0162"], ["a: b"], []],
    [
      "a literal that never becomes an entry, with a name of the static table",
      ["1f 08 0162"],
      ["authorization: b"],
      [],
    ],
    ["a literal without its name", ["40"], "BlockTruncated"],
    ["a literal without its value", ["40 0161"], "BlockTruncated"],
    ["a literal with a known name, without its value", ["41"], "BlockTruncated"],
  ]),
  ...section("RFC 7541 §6.3", [
    ["a size above our setting", [SIZE_4097], "TableSizeTooLarge"],
    ["a size far above our setting", ["3f ffffff7f"], "TableSizeTooLarge"],
    ["a size above our setting behind one that is allowed", [`20 ${SIZE_4097}`], "TableSizeTooLarge"],
    ["a size whose octets are missing", ["3f"], "BlockTruncated"],
  ]),
  ...section("RFC 9113 §4.3", [
    ["a block that is empty", [""], []],
    ["a block that ends within a field", ["82 40 0161 01"], "BlockTruncated"],
  ]),
];

function section(
  title: string,
  rows: readonly (readonly [
    name: string,
    blocks: readonly string[],
    result: readonly string[] | string,
    table?: readonly string[] | undefined,
    limit?: number,
  ])[],
): HpackRow[] {
  return rows.map(([name, blocks, result, table, limit]) => ({
    section: title,
    name,
    blocks,
    result,
    ...(table !== undefined && { table }),
    ...(limit !== undefined && { limit }),
  }));
}
