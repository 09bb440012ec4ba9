/** From what was given to complete settings: defaults, refusals and their words. */
import { describe, expect, test } from "bun:test";
import { limits } from "../../src/settings/limits.ts";
import { type ProgramSettings, programTable } from "../../src/settings/program-settings.ts";
import {
  resolveServerSettings,
  resolveSettings,
  type Settings,
  settingNames,
  settingTable,
} from "../../src/settings/resolve.ts";
import { type ServerSettings, serverTable } from "../../src/settings/server-settings.ts";
import { OptionsError } from "../../src/settings/start-error.ts";

describe("resolveSettings", () => {
  test("keeps what is given, and treats undefined as not given", () => {
    const options = resolveSettings({ port: 0, threads: 3, ...({ root: undefined } as unknown as Partial<Settings>) });
    expect([options.port, options.threads, options.root]).toEqual([0, 3, "resources"]);
  });

  test("brings a host to its one spelling", () => {
    expect(resolveSettings({ host: "[::1]" }).host).toBe("::1");
    expect(resolveSettings({ host: "localhost" }).host).toBe("127.0.0.1");
    expect(() => resolveSettings({ host: "*" })).toThrow(OptionsError);
  });

  test("gives an object that cannot be changed afterwards", () => {
    expect(Object.isFrozen(resolveSettings({}))).toBe(true);
  });

  const refused: readonly [what: string, given: unknown, message: string][] = [
    ["a port beyond 65535", { port: 65_536 }, "port: expected a whole number from 0 to 65535, got 65536"],
    ["half a thread", { threads: 1.5 }, "threads: expected a whole number from 1 to 1024, got 1.5"],
    ["no thread", { threads: 0 }, "threads: expected a whole number from 1 to 1024, got 0"],
    ["NaN", { queue: Number.NaN }, "queue: expected a whole number from 0 to 100000, got null"],
    ["text for a number", { port: "80" }, 'port: expected a whole number from 0 to 65535, got "80"'],
    ["an empty root", { root: "" }, 'root: expected a folder, got ""'],
    ["a path with NUL", { root: "a\0b" }, 'root: expected a folder, got "a\\u0000b"'],
    [
      "a header limit no browser fits",
      { maxHeaderBytes: 100 },
      "maxHeaderBytes: expected a size from 1kb to 1mb such as",
    ],
    [
      "a body beyond the memory budget",
      { maxBodyBytes: limits.bodyMemoryBytesMax + 1 },
      "maxBodyBytes: expected a size from 0",
    ],
    [
      "an unknown format",
      { logFormat: "xml" },
      'logFormat: expected one of auto, pretty, common, combined, json, got "xml"',
    ],
    ["a host that is no text", { allowedHosts: [1] }, "allowedHosts: expected a host name, *.domain, or *, got [1]"],
    [
      "a Cache-Control that would end its line",
      { cacheControl: "no-cache\r\nX: y" },
      "cacheControl: expected the value of a Cache-Control field",
    ],
    ["an index in another folder", { index: "../index.html" }, "index: expected the name of a file"],
    ["an index that would be hidden", { index: ".index.html" }, "index: expected the name of a file"],
    ["a header without a colon", { headers: ["X-A b"] }, "headers: expected a field line, 'Name: value', got"],
    ["a header with a line break", { headers: ["X-A: b\r\nX-B: c"] }, "headers: expected a field line, 'Name: value'"],
    [
      "a header that would break framing",
      { headers: ["Content-Length: 5"] },
      "headers: Content-Length cannot be set: it says where a message ends",
    ],
    [
      "more headers than fit",
      { headers: Array(3).fill(`X: ${"y".repeat(3000)}`) },
      "headers: expected at most 8192 bytes of fields, got 9015",
    ],
    ["an origin without its scheme", { cors: ["app.test"] }, "cors: expected an origin such as https://app.test, or *"],
    ["the origin of any sandboxed page", { cors: ["null"] }, "cors: expected an origin such as"],
    ["an origin with a path", { cors: ["https://app.test/x"] }, "cors: expected an origin such as"],
    ["an origin with a wildcard in it", { cors: ["https://*.app.test"] }, "cors: expected an origin such as"],
    [
      "every origin and another",
      { cors: ["*", "https://app.test"] },
      "cors: * includes every origin; give it alone, or leave it out",
    ],
    [
      "CORS twice",
      { cors: ["*"], headers: ["Access-Control-Allow-Origin: *"] },
      "cors and an Access-Control field of headers exclude each other",
    ],
    [
      "a page for a success",
      { errorPages: ["200=a.html"] },
      "errorPages: expected STATUS=FILE such as 404=missing.html",
    ],
    [
      "two pages for a status",
      { errorPages: ["404=a", "404=b"] },
      "errorPages: expected one page for each status, got two for 404",
    ],
    ["credentials without a user", { basicAuth: [":hash"] }, "basicAuth: expected USER:HASH, or @FILE with such lines"],
    ["an @ without a file", { basicAuth: ["@"] }, "basicAuth: expected the name of a file after @"],
    [
      "a hash that would take a minute",
      { basicAuth: ["a:$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"] },
      "basicAuth: expected a hash with at most 262144 KiB and 20 passes",
    ],
    [
      "a hash that cannot be verified",
      { basicAuth: ["a:$argon2id$v=19$m=1024,t=0,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"] },
      "basicAuth: expected a hash that can be verified",
    ],
    ["an origin with a control character", { cors: ["app://a.test\x01"] }, "cors: expected an origin such as"],
    ["a record of nothing", { record: "out" }, "record needs proxies: without it, there are no answers to record"],
    [
      "a proxy by its name",
      { trustedProxies: ["lb.test"] },
      "trustedProxies: expected an address, or a network such as",
    ],
    ["a network by one of its hosts", { trustedProxies: ["10.1.2.3/8"] }, "trustedProxies: expected 10.0.0.0/8"],
    [
      "PROXY headers of all",
      { proxyProtocol: true },
      "proxyProtocol needs trustedProxies: it says whose PROXY headers count",
    ],
    [
      "a PROXY header before TLS",
      { proxyProtocol: true, trustedProxies: ["::1"], tlsSelfSigned: true },
      "proxyProtocol and tlsSelfSigned exclude each other: the runtime cannot read a PROXY header before TLS",
    ],
    ["uploads that no user could make", { authUploads: true }, "authUploads needs basicAuth: no users are defined"],
    ["quiet with verbose", { quiet: true, verbose: true }, "quiet and verbose exclude each other"],
    ["an option that does not exist", { prot: 80 }, '"prot" is not a setting of this server'],
    ["an old name with a successor", { bodyTimeoutMs: 1 }, "bodyTimeoutMs is now stallTimeoutMs"],
    ["an old switch with a successor", { fixtureOpen: true }, 'fixtureOpen is now fixtureToken: "*"'],
    ["an old name without a successor", { fileCacheAgeMs: 1 }, "fileCacheAgeMs is gone: a file in memory is compared"],
    ["a name of Object.prototype", { toString: 1 }, '"toString" is not a setting of this server'],
  ];
  for (const [what, given, message] of refused) {
    test(`refuses ${what} with one line`, () => {
      const error = thrownBy(() => resolveSettings(given as Partial<Settings>));
      expect(error).toBeInstanceOf(OptionsError);
      expect((error as Error).message).toStartWith(message);
      expect((error as Error).message).toMatch(/^[ -~]+$/);
    });
  }

  test("never repeats a password that stands where its hash belongs, and says what makes a hash", () => {
    const error = thrownBy(() => resolveSettings({ basicAuth: ["ann:correct horse"] }));
    expect((error as Error).message).toContain("hash-password");
    expect((error as Error).message).not.toMatch(/correct|horse|ann/);
  });

  test("brings headers and origins to their one spelling", () => {
    const options = resolveSettings({
      headers: ["X-A:b ", "Link: </a>; rel=x, </b>; rel=y"],
      cors: ["HTTPS://App.test:443/", "http://[::1]:80", "http://localhost:3000", "chrome-extension://Abc"],
    });
    expect(options.headers).toEqual(["X-A: b", "Link: </a>; rel=x, </b>; rel=y"]);
    expect(options.cors).toEqual([
      "https://app.test",
      "http://[::1]",
      "http://localhost:3000",
      "chrome-extension://abc",
    ]);
  });

  test("shortens a long value and shows no control character of it", () => {
    const error = thrownBy(() => resolveSettings({ host: `\x1b[2J\u009b\0${"x".repeat(500)}` }));
    expect((error as Error).message).toMatch(/^[ -~]{20,200}$/);
  });
});

describe("resolveServerSettings", () => {
  test("takes every setting of a server, and gives no other", () => {
    expect(Object.keys(resolveServerSettings({}))).toEqual(Object.keys(serverTable));
    for (const name of Object.keys(serverTable) as (keyof ServerSettings)[]) {
      expect(() => resolveServerSettings({ [name]: serverTable[name].default })).not.toThrow();
    }
  });

  test("refuses every setting of the program", () => {
    expect(Object.keys(programTable)).toHaveLength(13);
    for (const name of Object.keys(programTable) as (keyof ProgramSettings)[]) {
      const error = thrownBy(() => resolveServerSettings({ [name]: programTable[name].default }));
      expect(error).toBeInstanceOf(OptionsError);
      expect((error as Error).message).toStartWith(`${name} is a setting of the httpserver program`);
    }
  });
});

test("each default fits its own bounds", () => {
  for (const name of settingNames) {
    expect(() => resolveSettings({ [name]: settingTable[name].default })).not.toThrow();
  }
});

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
