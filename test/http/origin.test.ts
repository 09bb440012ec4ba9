/** Whether a page comes from this server. */
import { expect, test } from "bun:test";
import { Authority, parseAuthority } from "../../src/http/authority.ts";
import { isOwnOrigin } from "../../src/http/origin.ts";
import { bytesOf } from "../support/bytes.ts";

function isOwn(origin: string, host: string, secure = false): boolean {
  const authority = new Authority();
  const bytes = bytesOf(host);
  if (host !== "" && !parseAuthority(bytes, 0, bytes.length, authority)) throw new Error(host);
  return isOwnOrigin(origin, authority, secure);
}

test("an origin is ours by host and port, and by https where the connection is TLS", () => {
  for (const [origin, host, secure] of [
    ["http://127.0.0.1:8080", "127.0.0.1:8080", false],
    ["http://localhost", "localhost", false],
    ["http://LOCALHOST", "localhost:80", false],
    ["http://[::1]:8080", "[::1]:8080", false],
    ["https://files.test", "files.test", false],
    ["https://files.test", "files.test:443", true],
  ] as const)
    expect([origin, host, isOwn(origin, host, secure)]).toEqual([origin, host, true]);
});

test("every other one is foreign, and so is null", () => {
  for (const [origin, host, secure] of [
    ["null", "localhost", false],
    ["", "localhost", false],
    ["http://localhost:8081", "localhost:8080", false],
    ["http://localhost", "localhost:8080", false],
    ["http://127.0.0.1:8080", "localhost:8080", false],
    ["http://files.test", "files.test", true],
    ["http://files.test.evil.test", "files.test", false],
    ["http://user@files.test", "files.test", false],
    ["http://files.test, http://evil.test", "files.test", false],
    ["http://files.test/", "files.test", false],
    ["file://files.test", "files.test", false],
    ["http://files.test", "", false],
  ] as const)
    expect([origin, host, isOwn(origin, host, secure)]).toEqual([origin, host, false]);
});
