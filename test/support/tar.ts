/** Reads an archive as POSIX describes it, and refuses everything that a writer of ours has no reason to write. */

export interface Unpacked {
  readonly path: string;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly mode: number;
  readonly content: Buffer;
}

/** Returns the entries of an archive with its end. Throws an Error for bytes that are none. */
export function unpack(archive: Buffer): readonly Unpacked[] {
  const entries: Unpacked[] = [];
  let at = 0;
  while (!isZero(archive.subarray(at, at + 512))) {
    const [entry, end] = readEntry(archive, at);
    entries.push(entry);
    at = end;
  }
  if (archive.length !== at + 1024 || !isZero(archive.subarray(at)))
    throw new Error("the end is not two blocks of zeros");
  return entries;
}

/** Returns the entry whose head begins at `at`, and where it ends. Content that is not there is empty. */
export function readEntry(archive: Buffer, at: number): readonly [entry: Unpacked, end: number] {
  const pax = new Map<string, string>();
  let start = at;
  let head = readHead(archive, start);
  if (head.type === "x") {
    for (let data = archive.toString("utf8", start + 512, start + 512 + head.size); data !== ""; ) {
      const length = Number.parseInt(data, 10);
      const bytes = Buffer.from(data);
      const record = /^\d+ ([a-z]+)=(.*)\n$/s.exec(bytes.toString("utf8", 0, length));
      if (record === null || pax.has(record[1] as string)) throw new Error(`a line of the pax header is ${data}`);
      pax.set(record[1] as string, record[2] as string);
      data = bytes.toString("utf8", length);
    }
    start += 512 + blocks(head.size);
    head = readHead(archive, start);
  }
  const size = Number(pax.get("size") ?? head.size);
  const path = pax.get("path") ?? head.path;
  if ((head.type === "5") !== path.endsWith("/") || (head.type !== "0" && size > 0))
    throw new Error(`a type ${head.type}`);
  const content = Buffer.from(archive.subarray(start + 512, start + 512 + size));
  const end = start + 512 + blocks(size);
  if (!isZero(archive.subarray(start + 512 + size, end))) throw new Error("the rest of a block is not zeros");
  return [{ path, size, mtime: Number(pax.get("mtime") ?? head.mtime), mode: head.mode, content }, end];
}

function readHead(archive: Buffer, at: number) {
  const block = Buffer.from(archive.subarray(at, at + 512));
  if (block.length < 512) throw new Error("a head is not whole");
  const text = (from: number, length: number) => block.toString("utf8", from, from + length).replace(/\0.*$/s, "");
  const octal = (from: number, length: number) => {
    const digits = block.toString("latin1", from, from + length);
    if (!/^[0-7]+\0 ?$/.test(digits)) throw new Error(`a number is ${JSON.stringify(digits)}`);
    return Number.parseInt(digits, 8);
  };
  const checksum = octal(148, 8);
  if (block.toString("latin1", 257, 265) !== "ustar\x0000") throw new Error("it is no ustar");
  const [name, prefix] = [text(0, 100), text(345, 155)];
  if (name === "") throw new Error("a name is empty");
  const head = {
    path: prefix === "" ? name : `${prefix}/${name}`,
    mode: octal(100, 8),
    size: octal(124, 12),
    mtime: octal(136, 12),
    type: text(156, 1),
  };
  block.fill(0x20, 148, 156);
  if (checksum !== block.reduce((sum, byte) => sum + byte, 0)) throw new Error("a checksum is wrong");
  return head;
}

function blocks(size: number): number {
  return Math.ceil(size / 512) * 512;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
