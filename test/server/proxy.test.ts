/** A server with others behind it, on sockets: responses that are passed on, broken ones, late ones, and clients that leave. */
import { describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type FixtureServer, ManualClock, type StartOptions, startServer } from "../../src/index.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { RawUpstream } from "../support/raw-upstream.ts";
import { until } from "../support/waiting.ts";

interface Proxied extends AsyncDisposable {
  readonly upstream: RawUpstream;
  readonly server: FixtureServer;
  readonly warnings: string[];
  readonly clock: ManualClock;
}

async function start(options: Omit<StartOptions, "fixture"> = {}): Promise<Proxied> {
  const upstream = new RawUpstream();
  const warnings: string[] = [];
  const clock = new ManualClock();
  const log = { access: null, info() {}, detail: null, warn: (line: string) => warnings.push(line), error() {} };
  const server = await startServer({
    files: { "/a.html": "file" },
    uploads: "",
    proxies: [`/** ${upstream.url}`],
    clock,
    log,
    ...options,
    fixture: true,
  });
  return {
    upstream,
    server,
    warnings,
    clock,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      upstream[Symbol.dispose]();
    },
  };
}

const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/** A request with content that is announced as chunks. */
function chunked(port: number, line: string): string {
  return request(port, line).replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/** Starts a server of `node:http`. */
async function startNode(handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const node = createServer(handler);
  await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(node.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      node.closeAllConnections();
      node.close();
    },
  };
}

describe("a response from behind", () => {
  test("is passed on, and its connection is used again", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    for (const [index, path] of ["/b?c", "/d"].entries()) {
      client.send(request(server.port, `GET ${path}`));
      (await upstream.came(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${upstream.port}\r\n`)).send(HELLO);
      const { status, text, fields } = await client.answer();
      expect([status, text, fields.get("content-length"), fields.get("via")]).toEqual([
        200,
        "hello",
        "5",
        "1.1 httpserver",
      ]);
      await until(() => server.requests().length === index + 1, "the record");
    }
    expect(upstream.connections.length).toBe(1);
    const [first] = server.requests();
    expect(first).toMatchObject({
      status: 200,
      transfer: "proxy",
      bytes: 5,
      slot: 1,
      upstream: { url: upstream.url, status: 200 },
    });
  });

  test("of unknown length is sent in chunks, and until the close to HTTP/1.0", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    const first = await upstream.came("GET /b");
    first.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    await client.received(1);
    first.send("6\r\n world\r\n0\r\nX-Trailer: x\r\n\r\n");
    await until(() => client.text.endsWith("0\r\n\r\n"), "the last chunk");
    expect(client.text).toContain("Connection: keep-alive\r\n");
    expect(client.text).toEndWith("\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    using old = await RawClient.connect(server.port);
    old.send(`GET /c HTTP/1.0\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
    (await upstream.came("GET /c")).send("HTTP/1.1 200 OK\r\n\r\nhello").finish();
    expect(await old.left()).toBe("fin");
    expect(old.text).toEndWith("\r\n\r\nhello");
    expect(old.text).not.toContain("Transfer-Encoding");
  });

  test("that breaks off resets the connection, whatever its framing", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    for (const [index, framing] of ["Content-Length: 9", "Transfer-Encoding: chunked", "X-Until: close"].entries()) {
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, `GET /${index}`));
      const connection = await upstream.came(`GET /${index}`, index);
      connection.send(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n5\r\nhello`);
      await until(() => client.receivedBytes > 0, "the head");
      connection.reset();
      expect(await client.left()).toBe("reset");
    }
    expect(server.requests().map(({ close }) => close)).toEqual(Array(3).fill("short content"));
  });

  test("to HEAD has the length of GET and no content", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "HEAD /b"));
    (await upstream.came("HEAD /b")).send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    const { status, fields } = await client.answer("HEAD");
    expect([status, fields.get("content-length")]).toEqual([200, "5"]);
    client.send(request(server.port, "GET /a.html"));
    expect((await client.answer()).text).toBe("file");
  });

  test("that could be read in two ways is 502, and the operator gets the rule", async () => {
    await using proxied = await start();
    const { server, upstream, warnings } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    const connection = await upstream.came("GET /b");
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    const { status, fields } = await client.answer();
    expect([status, fields.get("connection")]).toEqual([502, "keep-alive"]);
    expect(warnings).toEqual([
      `--proxy: ${upstream.url} sent a response that breaks the rules: TransferEncodingWithLength (RFC 9112 §6.1)`,
    ]);
    await until(() => connection.hasEnded, "the end of the connection");
  });

  test("cannot add a response of its own for the next request", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    (await upstream.came("GET /b")).send(`${HELLO}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
    expect((await client.answer()).text).toBe("hello");
    client.send(request(server.port, "GET /c"));
    (await upstream.came("GET /c", 1)).send(HELLO);
    expect((await client.answer()).text).toBe("hello");
  });

  test("obeys a fault", async () => {
    await using proxied = await start({ faults: ["GET /b truncate after=3"] });
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    (await upstream.came("GET /b")).send(HELLO);
    await client.left();
    expect(client.text).toEndWith("\r\n\r\nhel");
    expect(server.requests()[0]).toMatchObject({ fault: "truncate", upstream: { status: 200 } });
  });
});

describe("an upstream", () => {
  test("that is away is 502", async () => {
    await using proxied = await start();
    const { server, upstream, warnings } = proxied;
    upstream[Symbol.dispose]();
    const response = await fetch(`${server.url}/b`);
    expect([response.status, warnings]).toEqual([502, [`--proxy: ${upstream.url} cannot be reached (ECONNREFUSED)`]]);
    expect(server.requests()[0]).toMatchObject({ status: 502, upstream: { url: upstream.url, status: null } });
  });

  test("that is silent is 504, and is cut", async () => {
    await using proxied = await start({ proxyTimeoutMs: 2000 });
    const { server, upstream, clock } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    const connection = await upstream.came("GET /b");
    clock.advance(2500);
    expect((await client.answer()).status).toBe(504);
    await until(() => connection.hasEnded, "the end of the connection");
  });

  test("that is silent in its TLS handshake is 504, and is cut", async () => {
    using upstream = new RawUpstream();
    const clock = new ManualClock();
    const proxies = [`/** https://127.0.0.1:${upstream.port}`];
    await using server = await startServer({ files: {}, uploads: "", proxies, proxyTimeoutMs: 2000, clock });
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    await until(() => (upstream.connections[0]?.text.length ?? 0) > 0, "the first message of TLS");
    clock.advance(2500);
    expect((await client.answer()).status).toBe(504);
    await until(() => upstream.connections[0]?.hasEnded === true, "the end of the connection");
  });

  test("that speaks no TLS, or shows a certificate that is not known, is 502", async () => {
    await using secure = await startServer({ files: { "/b": "secret" }, tlsSelfSigned: true, uploads: "" });
    const upstream = new RawUpstream();
    const warnings: string[] = [];
    const log = { access: null, info() {}, detail: null, warn: (line: string) => warnings.push(line), error() {} };
    const proxies = [`/b https://127.0.0.1:${secure.port}`, `/c https://127.0.0.1:${upstream.port}`];
    await using server = await startServer({ files: {}, uploads: "", proxies, log });
    expect((await fetch(`${server.url}/b`)).status).toBe(502);
    expect(warnings[0]).toContain(`127.0.0.1:${secure.port} has no valid certificate for its name`);
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /c"));
    await until(() => upstream.connections.length === 1, "the connection");
    upstream.connections[0]?.send(HELLO);
    expect((await client.answer()).status).toBe(502);
    upstream[Symbol.dispose]();
  });

  test("that closes an idle connection at its next use gets the request once more", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b"));
    const first = await upstream.came("GET /b");
    first.send(HELLO);
    await client.answer();
    client.send(request(server.port, "GET /c"));
    (await upstream.came("GET /c")).reset();
    (await upstream.came("GET /c", 1)).send(HELLO);
    expect((await client.answer()).text).toBe("hello");
  });

  test("of node:http gets content of any kind, and answers", async () => {
    using node = await startNode((received, response) => {
      let bytes = 0;
      received.on("data", (piece: Buffer) => {
        bytes += piece.length;
      });
      received.on("end", () => response.end(`${received.method} ${received.url} ${bytes}`));
    });
    await using server = await startServer({ files: {}, uploads: "", proxies: [`/** ${node.url}`] });
    const text = async (path: string, init: RequestInit) => (await fetch(`${server.url}${path}`, init)).text();
    expect(await text("/a?b", { method: "DELETE" })).toBe("DELETE /a?b 0");
    expect(await text("/a", { method: "POST", body: "hello" })).toBe("POST /a 5");
    expect(await text("/a", { method: "PUT", body: new Uint8Array(3_000_000) })).toBe("PUT /a 3000000");
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(50_000));
        controller.close();
      },
    });
    expect(await text("/a", { method: "POST", body: stream })).toBe("POST /a 1000000");
  });

  test("of node:http that echoes a small upload while it comes gives it back whole", async () => {
    using node = await startNode((received, response) => void received.pipe(response));
    await using server = await startServer({ files: {}, uploads: "", proxies: [`/** ${node.url}`] });
    const body = "x".repeat(600_000);
    expect((await (await fetch(`${server.url}/a`, { method: "POST", body })).text()).length).toBe(body.length);
  });
});

describe("content of a request", () => {
  test("is passed on piece by piece, and 100 (Continue) is this server's", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(chunked(server.port, "POST /b").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    expect((await client.answer()).status).toBe(100);
    client.send("3\r\none\r\n");
    const connection = await upstream.came("\r\n\r\n3\r\none\r\n");
    client.send("3\r\ntwo\r\n0\r\n\r\n");
    await upstream.came("3\r\ntwo\r\n0\r\n\r\n");
    connection.send(HELLO);
    expect((await client.answer()).text).toBe("hello");
    expect(connection.text).not.toContain("Expect");
  });

  test("that breaks off cuts the upstream, which does not take a part for the whole", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(`${chunked(server.port, "POST /b")}3\r\none\r\n`);
    const connection = await upstream.came("one");
    client.reset();
    await until(() => connection.hasEnded, "the end of the connection");
    expect(connection.text).not.toContain("0\r\n\r\n");
  });

  test("that is malformed is 400, and cuts the upstream", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(`${chunked(server.port, "POST /b")}3\r\none\r\n`);
    const connection = await upstream.came("one");
    client.send("zz\r\n");
    expect((await client.answer()).status).toBe(400);
    await until(() => connection.hasEnded, "the end of the connection");
  });

  test("is not read to its end if the upstream refuses it", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(`${chunked(server.port, "POST /b")}3\r\none\r\n`);
    (await upstream.came("one")).send("HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno");
    const { status, text, fields } = await client.answer();
    expect([status, text, fields.get("connection")]).toEqual([413, "no", "close"]);
  });
});

describe("a client", () => {
  test("that leaves has its upstream cut, before the response and within it", async () => {
    await using proxied = await start();
    const { server, upstream, clock } = proxied;
    for (const [index, sent] of ["", "HTTP/1.1 200 OK\r\n\r\nhello"].entries()) {
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, `GET /${index}`));
      const connection = await upstream.came(`GET /${index}`, index);
      connection.send(sent);
      if (sent !== "") await until(() => client.receivedBytes > 0, "the head");
      client.reset();
      await until(() => {
        clock.advance(1000);
        return connection.hasEnded;
      }, "the end of the connection");
    }
    await until(() => server.connections().open.length === 0, "the end of the clients");
  });

  test("that half-closes still gets its response", async () => {
    await using proxied = await start();
    const { server, upstream } = proxied;
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b")).finish();
    (await upstream.came("GET /b")).send(HELLO);
    expect((await client.answer()).text).toBe("hello");
  });
});

test("a server that stops lets a response end, and keeps no connection", async () => {
  await using proxied = await start();
  const { server, upstream } = proxied;
  using client = await RawClient.connect(server.port);
  client.send(request(server.port, "GET /b"));
  const connection = await upstream.came("GET /b");
  connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  await until(() => client.receivedBytes > 0, "the head");
  const stopped = server.stop();
  connection.send("llo");
  expect((await client.answer()).text).toBe("hello");
  await stopped;
  await until(() => connection.hasEnded, "the end of the connection");
});
