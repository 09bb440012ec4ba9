/** The door on real sockets: which first bytes, and which negotiated protocol, begin which version of HTTP. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { type RunningServer, type StartOptions, startServer } from "../../src/index.ts";
import { makeSelfSigned } from "../../src/server/self-signed.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { FrameLog, get, HELLO, PREFACE, SETTINGS_ACK, settings } from "../support/http2.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { turns, until } from "../support/waiting.ts";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "door-"));
  writeFileSync(join(folder, "index.html"), "page");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function options(more: StartOptions = {}): StartOptions {
  return { port: 0, root: folder, uploads: join(folder, "uploads"), inline: true, anyPort: true, ...more };
}

/** Reads the frames of a raw client until stream 1 has ended, or the server has sent GOAWAY. */
async function conversation(client: RawClient): Promise<FrameLog> {
  const log = new FrameLog();
  let length = 0;
  await until(() => {
    const { text } = client;
    log.take(text.slice(length));
    length = text.length;
    return log.stream(1).isEnded || log.goAways.length > 0;
  }, "the end of stream 1");
  return log;
}

describe("without TLS", () => {
  test("the preface begins HTTP/2, cut at any byte", async () => {
    await using server = await startServer(options());
    for (let at = 1; at <= PREFACE.length; at++) {
      using client = await RawClient.connect(server.port);
      client.send(HELLO.slice(0, at));
      await turns(2);
      client.send(HELLO.slice(at) + get(1, "/index.html"));
      const log = await conversation(client);
      expect([log.goAways, log.stream(1).status, log.stream(1).body]).toEqual([[], 200, "page"]);
    }
  });

  test("both versions are served side by side", async () => {
    await using server = await startServer(options());
    using first = await RawClient.connect(server.port);
    expect((await first.send(request(server.port, "GET /")).answer()).text).toBe("page");
    expect(await page(server.url)).toEqual([200, "page"]);
    expect((await first.send(request(server.port, "GET /")).answer()).text).toBe("page");
  });

  test("a preface that goes wrong is the request of another version", async () => {
    await using server = await startServer(options());
    for (const text of ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n", "PRI * HTTP/2.0\r\nA"]) {
      for (const pieces of [[text], [...text]]) {
        using client = await RawClient.connect(server.port);
        for (const piece of pieces) client.send(piece);
        expect((await client.answer()).status).toBe(505);
      }
    }
  });

  test("a preface that ends with FIN is refused", async () => {
    await using server = await startServer(options());
    using client = await RawClient.connect(server.port);
    client.send(PREFACE.slice(0, 20)).finish();
    expect((await client.answer()).status).toBe(505);
  });

  test("the preface after a request, or after an empty line, is no preface", async () => {
    await using server = await startServer(options());
    using client = await RawClient.connect(server.port);
    expect((await client.send(request(server.port, "GET /")).answer()).status).toBe(200);
    expect((await client.send(HELLO).answer()).status).toBe(505);
    using other = await RawClient.connect(server.port);
    expect((await other.send(`\r\n${HELLO}`).answer()).status).toBe(505);
  });

  test("an upgrade to h2c stays HTTP/1.1", async () => {
    await using server = await startServer(options());
    using client = await RawClient.connect(server.port);
    const fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    expect((await client.send(request(server.port, "GET /", fields)).answer()).text).toBe("page");
  });

  test("--no-http2 refuses the preface", async () => {
    await using server = await startServer(options({ http2: false }));
    using client = await RawClient.connect(server.port);
    expect((await client.send(HELLO).answer()).status).toBe(505);
  });

  test("bytes that come while HTTP/2 is loaded wait", async () => {
    await using server = await startServer(options());
    using client = await RawClient.connect(server.port);
    client.send(PREFACE);
    client.send(settings());
    client.send(SETTINGS_ACK + get(1, "/index.html"));
    expect((await conversation(client)).stream(1).status).toBe(200);
  });
});

describe("over TLS", () => {
  test("h2 is chosen with and without a name, and after a reload", async () => {
    const { cert, key } = await makeSelfSigned([], Date.now());
    const [tlsCert, tlsKey] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    writeFileSync(tlsCert, cert);
    writeFileSync(tlsKey, key);
    await using server = await startServer(options({ tlsCert, tlsKey }));
    for (const servername of ["localhost", ""]) {
      expect(await chosen(server, ["h2", "http/1.1"], servername)).toBe("h2");
      expect(await chosen(server, ["http/1.1", "h2"], servername)).toBe("h2");
      expect(await chosen(server, ["http/1.1"], servername)).toBe("http/1.1");
      expect(await chosen(server, [], servername)).toBe("");
    }
    const renewed = await makeSelfSigned([], Date.now());
    writeFileSync(tlsCert, renewed.cert);
    writeFileSync(tlsKey, renewed.key);
    for (let times = 0; times < 3; times++) {
      await server.reload();
      for (const servername of ["localhost", ""]) {
        expect(await chosen(server, ["h2", "http/1.1"], servername)).toBe("h2");
        expect(await chosen(server, ["http/1.1"], servername)).toBe("http/1.1");
      }
    }
    expect(await page(server.url, renewed.cert)).toEqual([200, "page"]);
  });

  test("the negotiation is what is spoken", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true }));
    expect(await page(server.url, server.certificate?.pem)).toEqual([200, "page"]);
    // Without the preface h2 ends with an error, and http/1.1 with the preface is a request of another version.
    const broken = new FrameLog();
    broken.take(await exchanged(server, ["h2"], request(server.port, "GET /")));
    expect(broken.goAways).toMatchObject([{ code: "PROTOCOL_ERROR" }]);
    expect(await exchanged(server, ["http/1.1"], HELLO)).toStartWith("HTTP/1.1 505 ");
    expect(await exchanged(server, [], HELLO)).toStartWith("HTTP/1.1 505 ");
    expect(await exchanged(server, ["http/1.1"], request(server.port, "GET /", "Connection: close\r\n"))).toEndWith(
      "page",
    );
  });

  test("--no-http2 leaves http/1.1", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, http2: false }));
    expect(await chosen(server, ["h2", "http/1.1"], "localhost")).toBe("http/1.1");
  });
});

test("a server that stops says so with GOAWAY", async () => {
  const server = await startServer(options());
  using client = await RawClient.connect(server.port);
  client.send(HELLO + get(1));
  await conversation(client);
  await server.stop();
  const log = new FrameLog();
  log.take(client.text);
  expect(log.goAways.at(-1)).toMatchObject({ code: "NO_ERROR", last: 1 });
});

/** Gets a page with Node's client. */
async function page(url: string, ca?: string): Promise<[status: number, text: string]> {
  const session = http2.connect(url, ca === undefined ? {} : { ca });
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({ ":path": "/" });
      let status = 0;
      let text = "";
      stream.on("response", (fields) => {
        status = Number(fields[":status"]);
      });
      stream.on("data", (chunk) => {
        text += chunk;
      });
      stream.on("end", () => resolve([status, text]));
      stream.on("error", reject);
    });
  } finally {
    session.close();
  }
}

function connectTls(server: RunningServer, protocols: readonly string[], servername: string): tls.TLSSocket {
  return tls.connect({
    host: "127.0.0.1",
    port: server.port,
    servername,
    rejectUnauthorized: false,
    ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
  });
}

/** Returns the protocol that the server chooses; "" if none is negotiated. */
async function chosen(server: RunningServer, protocols: readonly string[], servername: string): Promise<string> {
  const socket = connectTls(server, protocols, servername);
  try {
    await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    return socket.alpnProtocol || "";
  } finally {
    socket.destroy();
  }
}

/** Sends bytes over TLS, and returns all that comes until the server ends. */
async function exchanged(server: RunningServer, protocols: readonly string[], text: string): Promise<string> {
  const socket = connectTls(server, protocols, "localhost");
  try {
    let got = "";
    socket.on("data", (bytes) => {
      got += textOf(bytes as Uint8Array);
    });
    socket.write(bytesOf(text));
    await new Promise<void>((resolve, reject) => socket.once("end", resolve).once("error", reject));
    return got;
  } finally {
    socket.destroy();
  }
}
