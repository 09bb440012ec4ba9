/** Heads of archives. Properties: whole blocks, as many as announced, and a reader finds path, size and time again. */
import { paddingOf, tarBytes, tarHead } from "../../src/http/tar.ts";
import { readEntry } from "../../test/support/tar.ts";
import type { FuzzTarget } from "./target.ts";

const SIZES: readonly number[] = [0, 1, 511, 512, 8 ** 11 - 1, 8 ** 11, Number.MAX_SAFE_INTEGER];
const TIMES: readonly number[] = [0, 1500, -1, 8 ** 11 * 1000 - 1, 8 ** 11 * 1000, -8.64e15, 8.64e15];

export const tarTarget: FuzzTarget = {
  name: "tar",
  dictionary: [
    "/",
    "//",
    "\n",
    " ",
    "=",
    "path=",
    "12 ",
    "-",
    "\u00c3\u00bc",
    "\u00ff",
    "x".repeat(99),
    "y".repeat(155),
  ],
  check(input, random) {
    const path = new TextDecoder().decode(input).replaceAll("\0", "_");
    if (path === "") return "";
    const size = path.endsWith("/") ? 0 : random.pick(SIZES);
    const entry = { path, size, modifiedMs: random.pick(TIMES), isExecutable: false };
    const head = Buffer.from(tarHead(entry));
    if (head.length % 512 !== 0) return `${head.length} bytes are not whole blocks`;
    if (tarBytes(entry) !== head.length + size + paddingOf(size)) return "the announced length is another";
    const [found] = readEntry(head, 0);
    if (found.path !== path) return `the path comes back as ${found.path}`;
    if (found.size !== size) return `the size ${size} comes back as ${found.size}`;
    return found.mtime === Math.floor(entry.modifiedMs / 1000) ? "" : `the time comes back as ${found.mtime}`;
  },
};
