/**
 * Headers of the PROXY protocol. Properties: the verdict is the same however the bytes are split, the end lies within the bytes, bytes after
 * it change nothing, and a client has a numeric address.
 */
import { parseAddress } from "../../src/http/ip-address.ts";
import { PROXY_HEADER_BYTES_MAX, parseProxyHeader } from "../../src/http/proxy-header.ts";
import type { FuzzTarget } from "./target.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";

export const proxyHeaderTarget: FuzzTarget = {
  name: "proxy-header",
  dictionary: [
    "PROXY ",
    "TCP4 ",
    "TCP6 ",
    "UNKNOWN",
    "192.0.2.1 ",
    "2001:db8::1 ",
    "65535 ",
    "\r\n",
    SIGNATURE,
    "\x21\x11\0\x0c",
    "\x21\x21\0\x24",
    "\x20\0\0\0",
    "\x20\0\x05\x01\0\0\0\0",
  ],
  check(input, random) {
    // Most random bytes are refused at once, so half of the inputs begin as a header does.
    const start = random.pick(["", "PROXY ", SIGNATURE, `${SIGNATURE}\x21\x11`]);
    const bytes = new Uint8Array([...Buffer.from(start, "latin1"), ...input]);
    const whole = parseProxyHeader(bytes);
    for (let end = random.below(3); end < bytes.length; end += 1 + random.below(4)) {
      const part = parseProxyHeader(bytes.subarray(0, end));
      if (part !== null && !Bun.deepEquals(part, whole)) return `split at ${end}, it is another`;
    }
    if (whole === null) return bytes.length < PROXY_HEADER_BYTES_MAX ? "" : "it never ends";
    if (typeof whole === "string") return "";
    const { length, client } = whole;
    if (length > bytes.length || length > PROXY_HEADER_BYTES_MAX) return `${length} bytes of ${bytes.length}`;
    if (!Bun.deepEquals(parseProxyHeader(bytes.subarray(0, length)), whole)) return "bytes after it change it";
    if (client === null || (client.address === "unknown" && client.port === -1)) return "";
    const isSound = parseAddress(client.address)?.text === client.address && client.port >= 0 && client.port <= 65_535;
    return isSound ? "" : `${client.address} ${client.port} is no client`;
  },
};
