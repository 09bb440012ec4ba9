/** Connections that begin with a PROXY header, on sockets: whose client they are, and which are closed. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FixtureServer, ManualClock, type StartOptions, startServer } from "../../src/index.ts";
import type { AccessEntry, ServerLog } from "../../src/server/access-log.ts";
import { FrameLog, get, HELLO, PREFACE } from "../support/http2.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { turns, until } from "../support/waiting.ts";

const top = mkdtempSync(join(tmpdir(), "proxy-protocol-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folders = 0;

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const LINE = "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n";
const BINARY = `${SIGNATURE}\x21\x11\0\x0c\xc0\0\x02\x02\x0a\0\0\x01\x12\x67\0\x50`;
const WITH_TLS = `${BINARY.replace("\0\x0c", "\0\x14")}\x20\0\x05\x01\0\0\0\0`;
const LOCAL = `${SIGNATURE}\x20\0\0\0`;

interface Started extends AsyncDisposable {
  readonly server: FixtureServer;
  readonly entries: AccessEntry[];
  readonly details: string[];
  readonly warnings: string[];
  readonly clock: ManualClock;
}

/** Starts a server that trusts this machine, and takes PROXY headers unless `options` say otherwise. */
async function start(options: Omit<StartOptions, "fixture"> = {}): Promise<Started> {
  const entries: AccessEntry[] = [];
  const details: string[] = [];
  const warnings: string[] = [];
  const clock = new ManualClock();
  const log: ServerLog = {
    access: (entry) => entries.push({ ...entry }),
    info() {},
    detail: (line) => details.push(line),
    warn: (line) => warnings.push(line),
    error() {},
  };
  const server = await startServer({
    files: { "/a.html": "page" },
    uploads: join(top, String(++folders)),
    trustedProxies: ["127.0.0.1"],
    proxyProtocol: true,
    clock,
    log,
    ...options,
    fixture: true,
  });
  return {
    server,
    entries,
    details,
    warnings,
    clock,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Announces a client and asks for a file. */
async function ask({ server }: Started, header: string, fields = "", path = "/a.html"): Promise<number> {
  using client = await RawClient.connect(server.port);
  client.send(header + request(server.port, `GET ${path}`, fields));
  return (await client.answer()).status;
}

describe("a client that a trusted proxy announces", () => {
  const rows: readonly [name: string, header: string, peer: RegExp][] = [
    ["in text", LINE, /^192\.0\.2\.1:4711$/],
    ["in bytes", BINARY, /^192\.0\.2\.2:4711$/],
    ["that is unknown", "PROXY UNKNOWN\r\n", /^unknown$/],
    ["that is the proxy itself", LOCAL, /^127\.0\.0\.1:\d+$/],
  ];
  for (const [name, header, peer] of rows) {
    test(`${name}, is in the log, the journal and the list of connections`, async () => {
      await using started = await start();
      using client = await RawClient.connect(started.server.port);
      client.send(header + request(started.server.port, "GET /a.html"));
      expect((await client.answer()).status).toBe(200);
      const { open } = started.server.connections();
      const named = [started.entries, started.server.requests(), open].map((all) => all.map((each) => each.peer));
      for (const peers of named) expect(peers).toEqual([expect.stringMatching(peer)]);
      client.send(request(started.server.port, "GET /a.html"));
      expect((await client.answer()).status).toBe(200);
    });

    test(`${name}, may come byte by byte`, async () => {
      await using started = await start();
      using client = await RawClient.connect(started.server.port);
      for (const byte of header) {
        client.send(byte);
        await turns();
      }
      client.send(request(started.server.port, "GET /a.html"));
      expect((await client.answer()).status).toBe(200);
      expect(started.entries[0]?.peer).toMatch(peer);
    });
  }

  for (const [name, header, peer] of rows) {
    test(`${name}, may speak HTTP/2, whole and byte by byte`, async () => {
      await using started = await start();
      const text = header + HELLO + get(1, "/a.html");
      for (const pieces of [[text], [...text]]) {
        using client = await RawClient.connect(started.server.port);
        for (const piece of pieces) {
          client.send(piece);
          if (pieces.length > 1) await turns();
        }
        const log = new FrameLog();
        let length = 0;
        await until(() => {
          log.take(client.text.slice(length));
          length = client.text.length;
          return log.stream(1).isEnded || log.goAways.length > 0;
        }, "a response");
        expect([log.goAways, log.stream(1).status, log.stream(1).body]).toEqual([[], 200, "page"]);
        expect(started.server.connections().open.map((one) => one.peer)).toEqual([expect.stringMatching(peer)]);
        client.finish();
        await until(() => started.server.connections().open.length === 0, "the end");
      }
      expect(started.entries.map((one) => [one.requestLine, one.protocol, one.stream, peer.test(one.peer)])).toEqual([
        ["GET /a.html HTTP/2.0", "2", 1, true],
        ["GET /a.html HTTP/2.0", "2", 1, true],
      ]);
      expect(started.server.requests().map((one) => [one.protocol, one.stream, peer.test(one.peer)])).toEqual([
        ["2", 1, true],
        ["2", 1, true],
      ]);
    });
  }

  test("that is not complete before HTTP/2 has its deadline", async () => {
    await using started = await start();
    using client = await RawClient.connect(started.server.port);
    client.send(LINE + PREFACE.slice(0, 10));
    await turns(4);
    started.clock.advance(20_000);
    await client.left();
    expect(client.text).toContain("408");
  });

  test("has used https if the proxy says so", async () => {
    await using started = await start({ httpbin: "/bin", hstsMs: 60_000 });
    for (const [header, scheme] of [
      [WITH_TLS, "https"],
      [BINARY, "http"],
    ] as const) {
      using client = await RawClient.connect(started.server.port);
      client.send(header + request(started.server.port, "GET /bin/get"));
      const { text, fields } = await client.answer();
      expect(JSON.parse(text)).toMatchObject({ origin: "192.0.2.2", url: expect.stringContaining(`${scheme}://`) });
      expect(fields.get("strict-transport-security") ?? null).toBe(scheme === "https" ? "max-age=60" : null);
    }
  });

  test("is not believed about others, unless it is a trusted proxy", async () => {
    await using started = await start({ trustedProxies: ["127.0.0.1", "192.0.2.1"] });
    for (const header of [LINE, BINARY, LOCAL]) await ask(started, header, "X-Forwarded-For: 198.51.100.1\r\n");
    const peers = started.entries.map(({ peer }) => peer);
    expect(peers).toEqual(["198.51.100.1", "192.0.2.2:4711", "198.51.100.1"]);
  });

  test("counts for its own address, which may have a limit", async () => {
    await using started = await start({ maxConnectionsPerAddress: 1 });
    const { server } = started;
    using first = await RawClient.connect(server.port);
    first.send(LINE + request(server.port, "GET /a.html"));
    expect((await first.answer()).status).toBe(200);
    using second = await RawClient.connect(server.port);
    second.send(LINE + request(server.port, "GET /a.html"));
    expect((await second.answer()).status).toBe(503);
    expect(await ask(started, BINARY)).toBe(200);
    expect(await ask(started, BINARY)).toBe(200);
    first[Symbol.dispose]();
    await until(() => server.connections().open.length === 0, "the first connection to close");
    expect(await ask(started, LINE)).toBe(200);
  });

  test("cannot use the endpoints of a fixture, and a health check of the proxy can", async () => {
    await using started = await start();
    const path = "/__server/requests";
    expect(await ask(started, LINE, "", path)).toBe(403);
    expect(await ask(started, LINE.replace("192.0.2.1", "127.0.0.1"), "", path)).toBe(200);
    expect(await ask(started, "PROXY UNKNOWN\r\n", "", path)).toBe(403);
    expect(await ask(started, LOCAL, "", path)).toBe(200);
  });
});

describe("a connection is closed", () => {
  const rows: readonly [name: string, bytes: string, told: string][] = [
    ["without a header", "GET / HTTP/1.1\r\n\r\n", "the first bytes are no PROXY header"],
    ["with a malformed one", "PROXY TCP4 1 2 3 4\r\n", "the line is malformed"],
    ["with a part of one, and FIN", "PROXY TCP4 192", "it ends before the header does"],
  ];
  for (const [name, bytes, told] of rows) {
    test(`${name}, without an answer`, async () => {
      await using started = await start();
      using client = await RawClient.connect(started.server.port);
      client.send(bytes);
      if (told.startsWith("it ends")) client.finish();
      await client.left();
      expect(client.receivedBytes).toBe(0);
      expect(started.details.join("\n")).toContain(told);
      expect(started.warnings.join("\n")).toContain("began without a PROXY header");
      expect(started.server.connections().open).toEqual([]);
      expect(await ask(started, LINE)).toBe(200);
    });
  }

  test("whose header is not complete in time", async () => {
    await using started = await start({ headerTimeoutMs: 1000 });
    using client = await RawClient.connect(started.server.port);
    client.send("PROXY TCP4");
    await until(() => started.server.connections().open.length === 1, "the connection");
    started.clock.advance(900);
    await turns(3);
    expect(client.ending).toBeNull();
    started.clock.advance(400);
    await client.left();
    expect(started.details.join("\n")).toContain("the header is not complete in time");
  });

  test("that only looks whether the port listens, without a word", async () => {
    await using started = await start();
    using client = await RawClient.connect(started.server.port);
    client.finish();
    await client.left();
    expect(started.warnings).toEqual([]);
  });

  test("that does not come from a trusted proxy", async () => {
    await using started = await start({ trustedProxies: ["192.0.2.1"] });
    using client = await RawClient.connect(started.server.port);
    client.send(LINE + request(started.server.port, "GET /a.html"));
    await client.left();
    expect([client.receivedBytes, started.entries.length]).toEqual([0, 0]);
    expect(started.warnings.join("\n")).toContain("does not come from a --trusted-proxy");
  });

  test("when the server ends before the header came", async () => {
    const started = await start();
    using client = await RawClient.connect(started.server.port);
    await until(() => started.server.connections().open.length === 1, "the connection");
    await started.server.stop();
    await client.left();
  });
});

test("without the flag a PROXY line is a malformed request", async () => {
  await using started = await start({ proxyProtocol: false });
  for (const header of [LINE, BINARY]) {
    using client = await RawClient.connect(started.server.port);
    client.send(header + request(started.server.port, "GET /a.html"));
    expect((await client.answer()).status).toBe(400);
    expect(await client.left()).toBe("fin");
  }
});

test("connections of a proxy count among all before their client is known", async () => {
  await using started = await start({ maxConnections: 2 });
  const { server } = started;
  using first = await RawClient.connect(server.port);
  using second = await RawClient.connect(server.port);
  await until(() => server.connections().open.length === 2, "two connections");
  using third = await RawClient.connect(server.port);
  third.send(LINE + request(server.port, "GET /a.html"));
  expect((await third.answer()).status).toBe(503);
  for (const client of [first, second]) {
    client.send(LINE + request(server.port, "GET /a.html"));
    expect((await client.answer()).status).toBe(200);
  }
});
