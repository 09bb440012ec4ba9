/**
 * Fields of proxies. Properties: the client is a well-formed node, a trusted hop further right changes nothing, and one that is not trusted
 * is the client.
 */
import { type ForwardedClient, findClient } from "../../src/http/forwarded.ts";
import { parseAddress } from "../../src/http/ip-address.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

const TRUSTED: ReadonlySet<string> = new Set(["10.0.0.1", "10.0.0.2", "2001:db8::f"]);

export const forwardedTarget: FuzzTarget = {
  name: "forwarded",
  dictionary: [
    "for=",
    "by=",
    "proto=https",
    "host=",
    '"',
    "\\",
    ";",
    ",",
    " ",
    "192.0.2.1",
    "10.0.0.1",
    "[2001:db8::1]",
    "[2001:db8::f]",
    "::ffff:10.0.0.1",
    "unknown",
    "_a",
    ":80",
    ":_p",
    "a.test:8443",
  ],
  check(input, random) {
    const text = textOf(input);
    const isOlder = random.below(2) === 0;
    const read = (value: string) => {
      const fields = isOlder ? { ...NONE, xFor: value } : { ...NONE, forwarded: value };
      return findClient(fields, (address) => TRUSTED.has(address));
    };
    const client = read(text);
    if (client === null) return "a field that is there says nothing";
    if (typeof client === "number") return "";
    const fault = faultOf(client);
    if (fault !== "") return fault;
    const hop = (address: string) => (isOlder ? address : `for=${address}`);
    const further = read(`${text}, ${hop("10.0.0.2")}`);
    // Where all were trusted, the leftmost is the client, and it stays.
    if (!Bun.deepEquals(further, client)) return "a trusted hop changes the client";
    const last = read(`${text} ,${hop("192.0.2.9")}`);
    if (last === null || typeof last === "number" || last.node.address !== "192.0.2.9")
      return "the rightmost hop is not the client";
    return Bun.deepEquals(read(`,\t${text} ,`), client) ? "" : "empty members change the client";
  },
};

const NONE = { forwarded: null, xFor: null, xProto: null, xHost: null };

function faultOf({ node, host }: ForwardedClient): string {
  const { address, text } = node;
  const isName = address === "unknown" || /^_[\w.-]+$/.test(address);
  if (!isName && parseAddress(address)?.text !== address) return `${address} is no address in its one spelling`;
  if (/[^ -~]| |"|,/.test(text)) return `${text} would break a log line`;
  return host === null || /^[^\s"/@]+$/.test(host.host) ? "" : `${host.host} is no host`;
}
