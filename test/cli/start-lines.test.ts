/** The lines after the ready line: addresses by a table of machines, surprises by folders. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { NetworkInterfaceInfo } from "node:os";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { networkUrls, surprises } from "../../src/cli/start-lines.ts";
import { resolveSettings, type Settings } from "../../src/settings/resolve.ts";

function address(text: string, internal = false): NetworkInterfaceInfo {
  const common = { address: text, netmask: "", mac: "", internal, cidr: null };
  return text.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
}

const MACHINE = {
  interfaces: {
    lo: [address("127.0.0.1", true), address("::1", true)],
    eth0: [address("192.168.7.7"), address("2001:db8::7"), address("fe80::7")],
  },
  name: "box",
};

function placeOf(...urls: [string, ...string[]]) {
  return { url: urls[0], urls, port: 80 };
}

describe("further addresses", () => {
  test("of a server on all IPv4 addresses are the interfaces' and the machine's name", () => {
    const others = networkUrls("0.0.0.0", placeOf("http://127.0.0.1:80"), MACHINE);
    expect(others).toEqual(["http://192.168.7.7:80", "http://box:80"]);
  });

  test("of a server on all addresses are IPv6 ones, too, but for link-local ones", () => {
    const others = networkUrls("::", placeOf("https://[::1]:80"), MACHINE);
    expect(others).toEqual([
      "https://127.0.0.1:80",
      "https://192.168.7.7:80",
      "https://[2001:db8::7]:80",
      "https://box:80",
    ]);
  });

  test("leave out a name that no Host may have, and there are none for one address", () => {
    const machine = { ...MACHINE, name: "my box" };
    expect(networkUrls("0.0.0.0", placeOf("http://127.0.0.1:80"), machine)).toEqual(["http://192.168.7.7:80"]);
    expect(networkUrls("127.0.0.1", placeOf("http://127.0.0.1:80"), MACHINE)).toEqual([]);
  });
});

describe("surprises", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "lines-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const linesOf = (more: Partial<Settings> = {}) => surprises(resolveSettings({ root, ...more }));

  test("name the servers behind, and then / may be theirs", () => {
    const texts = linesOf({ proxies: ["/** http://127.0.0.1:3000", "/api/** https://api.test"] }).map(
      ({ text }) => text,
    );
    expect(texts).toEqual([
      "Requests for /** without a file or a stub go to http://127.0.0.1:3000",
      "Requests for /api/** without a file or a stub go to https://api.test",
    ]);
  });

  test("there are none for a page, or a listing of files that are shown", () => {
    writeFileSync(join(root, "a.png"), "");
    expect(linesOf({ listing: true, inline: true })).toEqual([]);
    rmSync(join(root, "a.png"));
    writeFileSync(join(root, "index.html"), "");
    expect(linesOf()).toEqual([]);
    expect(linesOf({ spa: true })).toEqual([]);
  });

  test("a folder that --httpbin took as its prefix", () => {
    writeFileSync(join(root, "index.html"), "");
    const text = `--httpbin took ${root}, a folder here, as the prefix of its paths; a folder to serve comes before the flag`;
    expect(linesOf({ httpbin: root })).toEqual([{ level: "warn", text }]);
    expect(linesOf({ httpbin: "/bin-that-is-not-there" })).toEqual([]);
    expect(linesOf({ httpbin: "/" })).toEqual([]);
  });

  test("no index and no listing", () => {
    mkdirSync(join(root, "a"));
    const text = "The folder has no index.html, so / gets 404; --listing lists the files";
    expect(linesOf()).toEqual([{ level: "info", text }]);
    expect(linesOf({ index: "a" })).toEqual([]);
  });

  test("downloads without --inline, with a name for instance", () => {
    writeFileSync(join(root, "index.html"), "");
    writeFileSync(join(root, "logo.PNG"), "");
    const text = "Text files and pictures, such as logo.PNG, are downloads; --inline shows them in the browser";
    expect(linesOf()).toEqual([{ level: "info", text }]);
    expect(linesOf({ inline: true })).toEqual([]);
  });

  test("--spa without an index is a warning", () => {
    expect(linesOf({ spa: true, listing: true })).toEqual([
      { level: "warn", text: `--spa needs index.html in ${root}: without it, unknown pages get 404` },
    ]);
  });

  test("a folder that cannot be read is a warning", () => {
    const [line, ...others] = linesOf({ root: join(root, "missing") });
    expect(line).toEqual({
      level: "warn",
      text: `the folder ${join(root, "missing")} cannot be read (ENOENT): its files get 403 or 404`,
    });
    expect(others).toEqual([]);
  });
});
