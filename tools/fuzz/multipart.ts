/** Forms. Properties: whole or split they are the same, and the parts and their framing together are the input. */
import { MultipartReader } from "../../src/http/multipart.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

export const multipartTarget: FuzzTarget = {
  name: "multipart",
  dictionary: [
    "\r\n--B",
    "--B\r\n",
    "--B--",
    "\r\n",
    "\r",
    "--",
    "B",
    'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
    "Content-Disposition: form-data; name=a\r\n\r\n",
    "filename*=UTF-8''%e2%82%ac",
    "Content-Transfer-Encoding: base64\r\n",
    '"',
    "\\",
    "%22",
    ";",
    "\u00ff",
  ],
  check(input, random) {
    const whole = read([input]);
    const cuts = [random.below(input.length + 1), random.below(input.length + 1)].sort((a, b) => a - b);
    const [first = 0, second = 0] = cuts;
    const split = read([input.subarray(0, first), input.subarray(first, second), input.subarray(second)]);
    if (whole !== split) return `split, it is another: ${whole} and ${split}`;
    const { contents } = JSON.parse(whole) as { contents: string[] };
    if (contents.join("").length > input.length) return "there is more content than was sent";
    return contents.some((content) => content.includes("\r\n--B")) ? "a delimiter is content" : "";
  },
};

/** Returns the result as text, without pieces that were empty. */
function read(pieces: readonly Uint8Array[]): string {
  const heads: object[] = [];
  const contents: string[] = [];
  let ended = 0;
  const reader = new MultipartReader("B", {
    begin: (head) => {
      heads.push(head);
      contents.push("");
      return null;
    },
    content: (bytes) => {
      contents.push(`${contents.pop()}${textOf(bytes)}`);
    },
    end: () => {
      ended++;
    },
  });
  let mistake: string | null = null;
  for (const piece of pieces) mistake ??= reader.read(piece);
  mistake ??= reader.finish();
  return JSON.stringify({ heads, contents, ended, mistake });
}
