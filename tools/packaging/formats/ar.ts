/** Archives in the common format of ar, as packages of Debian are (deb(5)). Pure. */

/** Longest name of a member, in bytes. */
const NAME_BYTES = 16;

/** Returns the archive with its members in the given order. `dateMs` is the time of all, in milliseconds since 1970. */
export function ar(
  members: readonly (readonly [name: string, content: Uint8Array])[],
  dateMs: number,
): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [ascii("!<arch>\n")];
  for (const [name, content] of members) {
    if (name.length > NAME_BYTES) throw new Error(`${name} is too long for ar`);
    const seconds = String(Math.floor(dateMs / 1000));
    const fields = [name.padEnd(NAME_BYTES), seconds.padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
    pieces.push(ascii(`${fields.join("")}${String(content.length).padEnd(10)}\`\n`), content);
    // Each member begins at an even place.
    if (content.length % 2 === 1) pieces.push(ascii("\n"));
  }
  return Buffer.concat(pieces);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
