/** A server behind a proxy on a socket: where the client's address, scheme and host arrive. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FixtureServer, type StartOptions, startServer } from "../../src/index.ts";
import type { AccessEntry, ServerLog } from "../../src/server/access-log.ts";
import { type Answer, RawClient } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

const top = mkdtempSync(join(tmpdir(), "forwarded-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folders = 0;

const CLIENT = "X-Forwarded-For: 192.0.2.7:4711\r\n";

interface Started extends AsyncDisposable {
  readonly server: FixtureServer;
  readonly entries: AccessEntry[];
  readonly details: string[];
  /** Sends one request with these field lines, which may name another Host. */
  ask(line: string, fields?: string, body?: string): Promise<Answer>;
}

/** Starts a server that trusts this machine, unless `options` say otherwise. */
async function start(options: Omit<StartOptions, "fixture"> = {}): Promise<Started> {
  const entries: AccessEntry[] = [];
  const details: string[] = [];
  const log: ServerLog = {
    access: (entry) => entries.push({ ...entry }),
    info() {},
    detail: (line) => details.push(line),
    warn() {},
    error() {},
  };
  const server = await startServer({
    files: { "/a.html": "page" },
    uploads: join(top, String(++folders)),
    trustedProxies: ["127.0.0.1"],
    log,
    ...options,
    fixture: true,
  });
  return {
    server,
    entries,
    details,
    async ask(line, fields = "", body = "") {
      using client = await RawClient.connect(server.port);
      const host = /^Host:/m.test(fields) ? "" : `Host: 127.0.0.1:${server.port}\r\n`;
      client.send(`${line} HTTP/1.1\r\n${host}${fields}Connection: close\r\n\r\n${body}`);
      return await client.answer(line.startsWith("HEAD") ? "HEAD" : "GET");
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe("the client's address", () => {
  test("is in the log and in the journal", async () => {
    await using started = await start();
    expect((await started.ask("GET /a.html", CLIENT)).status).toBe(200);
    expect(started.entries.map(({ peer }) => peer)).toEqual(["192.0.2.7:4711"]);
    expect(started.server.requests().map(({ peer }) => peer)).toEqual(["192.0.2.7:4711"]);
    expect((await started.ask("GET /%zz", CLIENT)).status).toBe(400);
    expect(started.entries.map(({ peer }) => peer)).toEqual(["192.0.2.7:4711", "192.0.2.7:4711"]);
    expect(started.details.join("\n")).toContain("Client: 192.0.2.7:4711, as the proxy 127.0.0.1 says");
  });

  test("is on the live page", async () => {
    await using started = await start({ status: true });
    const recent: string[] = [];
    const unwatch = started.server.watch((snapshot) => recent.push(...snapshot.recent.map(({ peer }) => peer)));
    expect((await started.ask("GET /a.html", CLIENT)).status).toBe(200);
    await until(() => recent.length > 0, "a snapshot with the request");
    unwatch();
    expect(recent).toEqual(["192.0.2.7:4711"]);
  });

  test("is the origin that httpbin tells, with the URL of the client", async () => {
    await using started = await start({ httpbin: "/bin" });
    const fields = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n";
    const told = JSON.parse((await started.ask("GET /bin/get", fields)).text);
    expect([told.origin, told.url]).toEqual(["192.0.2.7", "https://shop.test/bin/get"]);
    const redirect = await started.ask("GET /bin/absolute-redirect/1", fields);
    expect(redirect.fields.get("location")).toBe("https://shop.test/bin/get");
  });

  test("is ignored from a peer that is not trusted", async () => {
    await using started = await start({ trustedProxies: ["10.0.0.0/8"] });
    expect((await started.ask("GET /a.html", "X-Forwarded-For: bad\r\n")).status).toBe(200);
    expect(started.entries[0]?.peer).toStartWith("127.0.0.1:");
  });

  test("that is malformed is 400, and the verbose log and the journal name the rule", async () => {
    await using started = await start();
    expect((await started.ask("GET /a.html", "Forwarded: for=::1\r\n")).status).toBe(400);
    expect(started.details.join("\n")).toContain("Refused: ForwardedInvalid, RFC 7239 §4");
    expect(started.server.requests()[0]?.violation?.rule).toBe("ForwardedInvalid");
  });
});

describe("the endpoints of a fixture", () => {
  const rows: readonly [name: string, trusted: string, fields: string, status: number][] = [
    ["are for this machine", "127.0.0.1", "", 200],
    ["are for a client on the machine of the proxy", "127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\n", 200],
    ["are not for a client elsewhere", "127.0.0.1", CLIENT, 403],
    ["are not for a client that the proxy does not name", "127.0.0.1", "Forwarded: for=unknown\r\n", 403],
    ["are not for a client that the proxy is silent about", "127.0.0.1", "X-Forwarded-Proto: http\r\n", 403],
    [
      "are not for a client that names this machine first",
      "127.0.0.1",
      "X-Forwarded-For: 127.0.0.1, 192.0.2.7\r\n",
      403,
    ],
    ["ignore the fields of others", "10.0.0.1", CLIENT, 200],
  ];
  for (const [name, trusted, fields, status] of rows) {
    test(name, async () => {
      await using started = await start({ trustedProxies: [trusted] });
      expect((await started.ask("GET /__server/requests", fields)).status).toBe(status);
    });
  }
});

describe("a form", () => {
  const body = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n--b--\r\n';
  const form = `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\nAccept: text/html\r\n`;

  test("behind a proxy that changes Host is taken, if the proxy says which Host came", async () => {
    await using started = await start({ uploadAny: true });
    const fields = `${form}Host: backend.internal\r\nOrigin: https://shop.test\r\n`;
    const forwarded = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n";
    expect((await started.ask("POST /uploads/", fields, body)).status).toBe(403);
    expect((await started.ask("POST /uploads/", fields + forwarded.replace("shop", "other"), body)).status).toBe(403);
    expect((await started.ask("POST /uploads/", fields + forwarded, body)).status).toBe(303);
  });

  test("of a page over http is not taken for one over https", async () => {
    await using started = await start({ uploadAny: true });
    const fields = `${form}Origin: http://shop.test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n`;
    expect((await started.ask("POST /uploads/", fields, body)).status).toBe(403);
  });
});

describe("https in front of a plain port", () => {
  const SECURE = `${CLIENT}X-Forwarded-Proto: https\r\n`;
  const HSTS = "strict-transport-security";

  test("has Strict-Transport-Security, on files, refusals and endpoints, and http has not", async () => {
    await using started = await start({ hstsMs: 60_000, allowedHosts: ["*"] });
    for (const line of ["GET /a.html", "GET /none", "GET /%zz", "DELETE /a.html"]) {
      expect([line, (await started.ask(line, SECURE)).fields.get(HSTS)]).toEqual([line, "max-age=60"]);
      expect([line, (await started.ask(line, CLIENT)).fields.has(HSTS)]).toEqual([line, false]);
      expect([line, (await started.ask(line)).fields.has(HSTS)]).toEqual([line, false]);
    }
  });

  test("does without a redirect from the plain port beside a TLS one", async () => {
    await using started = await start({
      tlsSelfSigned: true,
      httpsRedirectPort: 0,
      hstsMs: 60_000,
      allowedHosts: ["*"],
    });
    const port = Number(new URL(started.server.redirectUrl ?? "").port);
    const answer = async (fields: string) => {
      using client = await RawClient.connect(port);
      client.send(`GET /a.html HTTP/1.1\r\nHost: localhost\r\n${fields}Connection: close\r\n\r\n`);
      const { status, fields: lines } = await client.answer();
      return [status, lines.get("location") ?? null, lines.get(HSTS) ?? null];
    };
    expect(await answer(SECURE)).toEqual([200, null, "max-age=60"]);
    expect(await answer(CLIENT)).toEqual([308, `https://localhost:${started.server.port}/a.html`, null]);
    expect(await answer(`${CLIENT}X-Forwarded-Host: shop.test\r\n`)).toEqual([308, "https://shop.test/a.html", null]);
  });
});
