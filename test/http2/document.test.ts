/** The exchange that docs/http2.md shows byte by byte is the exchange of a connection with a fixed clock. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fields } from "../../src/http/fields.ts";
import { response } from "../../src/http/message.ts";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { bytesOf } from "../support/bytes.ts";
import { FakeHttp2Server, PREFACE } from "../support/http2.ts";

const HEX = /^([<>]) ((?:[0-9a-f]{2} )+) +(\S.*)$/;
const FIELD = /^(:?[a-z-]+): (.+)$/;
const FRAME = /^(DATA|HEADERS|SETTINGS|WINDOW_UPDATE), (?:(\d+) bytes|ACK)(?:.* stream (\d+))?/;
const TYPES: Readonly<Record<string, string>> = { DATA: "00", HEADERS: "01", SETTINGS: "04", WINDOW_UPDATE: "08" };

interface Line {
  readonly side: string;
  readonly hex: string;
  readonly comment: string;
}

/** Lines of one side, up to the next line of the other side. */
interface Part {
  readonly side: string;
  hex: string;
}

const page = readFileSync(join(import.meta.dir, "../../docs/http2.md"), "utf8");

const lines: readonly Line[] = Array.from(page.matchAll(/^```hex\n([\s\S]*?)^```$/gm), ([, block = ""]) => block)
  .flatMap((block) => block.trimEnd().split("\n"))
  .map((text) => {
    const [, side = "", hex, comment = ""] = HEX.exec(text) ?? [];
    if (hex === undefined) throw new Error(`docs/http2.md has a line that is neither bytes nor their meaning: ${text}`);
    return { side, hex: hex.replaceAll(" ", ""), comment };
  });

describe("docs/http2.md", () => {
  test("shows the bytes that the server sends to the client's", () => {
    const shown: string[] = [];
    const sent: string[] = [];
    const client = newServer().connectHttp2();
    let seen = 0; // The server's settings wait for no byte of the client.
    for (const { side, hex } of partsOf(lines)) {
      if (side === ">") {
        client.send(textIn(hex));
        sent.push(hexOf(client.transport.sent.slice(seen)));
        seen = client.transport.sent.length;
      } else shown.push(hex);
    }
    expect(shown.length).toBe(2);
    expect(sent).toEqual(shown);
    expect(client.stream(1)).toMatchObject({ status: 200, body: "Hello\n", isEnded: true });
    expect(client.stream(3)).toMatchObject({ status: 200, body: "Hello\n", isEnded: true });
    expect(client.log.settingsAcks).toBe(1);
    expect(client.ends).toEqual([]);
  });

  test("begins with the preface", () => {
    expect(textIn(lines[0]?.hex ?? "")).toBe(PREFACE);
  });

  test.each([">", "<"])("names the fields that the blocks of %s have", (side) => {
    const decoder = new HpackDecoder(() => 0);
    const own = lines.filter((line) => line.side === side && FIELD.test(line.comment));
    expect(own.length).toBeGreaterThan(9);
    for (const { hex, comment } of own) {
      const bytes = bytesOf(textIn(hex));
      const fields: string[] = [];
      const field = (name: string, value: string) => fields.push(`${name}: ${value}`);
      expect(decoder.decode(bytes, 0, bytes.length, Number.POSITIVE_INFINITY, { field })).toBe(0);
      expect(fields).toEqual([comment]);
    }
  });

  test("names the type, length and stream of each frame", () => {
    const heads = lines.filter(({ comment }) => FRAME.test(comment));
    expect(heads.length).toBeGreaterThan(8);
    for (const { hex, comment } of heads) {
      const [, type = "", length = "0", stream = "0"] = FRAME.exec(comment) ?? [];
      expect([hex.slice(0, 6), hex.slice(6, 8), hex.slice(10)]).toEqual([
        Number(length).toString(16).padStart(6, "0"),
        TYPES[type] ?? "",
        Number(stream).toString(16).padStart(8, "0"),
      ]);
    }
  });
});

/** A server that answers each request with the small file of the page. */
function newServer(): FakeHttp2Server {
  const server = new FakeHttp2Server();
  const fields = Fields.of([
    ["Content-Type", "text/plain; charset=utf-8"],
    ["Content-Length", "6"],
  ]);
  server.handler.respond = ({ target }) =>
    response(target.path === "/hello.txt" ? 200 : 404, fields, bytesOf("Hello\n"), "test");
  return server;
}

function partsOf(all: readonly Line[]): Part[] {
  const parts: Part[] = [];
  for (const { side, hex } of all) {
    const last = parts.at(-1);
    if (last?.side === side) last.hex += hex;
    else parts.push({ side, hex });
  }
  return parts;
}

function textIn(hex: string): string {
  return Buffer.from(hex, "hex").toString("latin1");
}

function hexOf(text: string): string {
  return Buffer.from(text, "latin1").toString("hex");
}
