/**
 * The compiled file over HTTP/2 against the clients that people have: with prior knowledge on the plain port, and by ALPN over TLS.
 * Each test asserts the client's own report. The journal adds which connection and protocol carried the requests.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { BUILD_MS, curl, type Finished, type Program, run } from "../support/binary.ts";
import { installable, needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage, PAGE_TEST_MS } from "../support/page.ts";
import { noise, sha256OfFile, Workshop } from "../support/workshop.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 3 * MIB + 5;
const SMALL_FILES = 200;
const EVENT_STREAMS = 8;
/** Milliseconds for a client that is compiled first. */
const COMPILED_MS = 60_000;

let shop: Workshop;
let plain: Program;
let secure: Program;
/** A JSON document of 1.5 MB, larger than the window of a stream. */
let document = "";
let largeSum = "";

beforeAll(async () => {
  shop = await Workshop.open();
  largeSum = sha256OfFile(shop.add("large.bin", noise(LARGE_BYTES)));
  document = join(shop.folder, "document.json");
  writeFileSync(document, JSON.stringify({ text: "x".repeat(1.5 * MIB) }));
  // A client that is compiled first may take long over its handshake on a busy machine.
  const words = ["--fixture", "--quiet", "--inline", "--threads", "20", "--max-body", "4mb", "--header-timeout", "60s"];
  [plain, secure] = await Promise.all([
    shop.start(...words),
    shop.start(...words, "--httpbin", "/bin", "--tls-self-signed"),
  ]);
}, BUILD_MS);

afterAll(async () => {
  await plain[Symbol.asyncDispose]();
  await secure[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

interface Entry {
  readonly connection: number;
  readonly stream: number | null;
  readonly protocol: string;
  readonly path: string;
}

/** Requests in the journal whose path begins with `path`. */
async function journal(server: Program, path: string): Promise<readonly Entry[]> {
  const answer = await fetch(`${server.url}/__server/requests`, { tls: { rejectUnauthorized: false } });
  const { requests } = (await answer.json()) as { requests: Entry[] };
  return requests.filter((entry) => entry.path.startsWith(path));
}

/** Asserts that an upload was stored with the bytes of `document`. */
function expectKept(answer: string): void {
  const { status, filepath } = JSON.parse(answer) as { status: string; filepath: string };
  expect(status).toBe("success");
  expect(sha256OfFile(shop.path(filepath))).toBe(sha256OfFile(document));
}

/** Runs a program, which must end well, and returns its output. */
async function output(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr }: Finished = await run(words, { cwd: shop.folder, env, timeoutMs: COMPILED_MS });
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** Both ways to HTTP/2. */
const WAYS = [
  { way: "with prior knowledge", words: ["--http2-prior-knowledge"], server: () => plain },
  { way: "over TLS", words: ["--http2", "--insecure"], server: () => secure },
] as const;

for (const { way, words, server } of WAYS) {
  needs("curl").describe(`curl ${way}`, () => {
    test("takes pages, the head alone, and refusals", async () => {
      const { url } = server();
      const report = [...words, "-o", "/dev/null", "-w", "%{http_version}+%{http_code}"];
      expect(await curl(...report, `${url}/about.html`)).toMatchObject({ code: 0, stdout: "2+200" });
      expect(await curl(...report, `${url}/none`)).toMatchObject({ code: 0, stdout: "2+404" });
      const head = await curl(...words, "--head", `${url}/large.bin`);
      expect(head.stdout).toMatch(new RegExp(`^HTTP/2 200 [\\s\\S]*content-length: ${LARGE_BYTES}\r\n`));
    });

    test("takes a file whole, and a range of it", async () => {
      const url = `${server().url}/large.bin`;
      const copy = join(shop.inbox(), "large.bin");
      expect((await curl(...words, "-o", copy, url)).code).toBe(0);
      expect(sha256OfFile(copy)).toBe(largeSum);
      const part = await curl(...words, "-r", "1000000-2000002", "-o", copy, "-w", "%{http_code}", url);
      expect(part.stdout).toBe("206");
      expect(readFileSync(copy).equals(readFileSync(shop.path("large.bin")).subarray(1_000_000, 2_000_003))).toBe(true);
    });

    test("uploads after 100 (Continue)", async () => {
      const fields = ["-H", "Content-Type: application/json", "-H", "Expect: 100-continue"];
      const upload = ["--verbose", "--data-binary", `@${document}`, `${server().url}/upload`];
      const { code, stdout, stderr } = await curl(...words, ...fields, ...upload);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stderr).toMatch(/< HTTP\/2 100[\s\S]*< HTTP\/2 201/);
      expectKept(stdout);
    });
  });

  needs("nghttp").describe(`nghttp ${way}`, () => {
    test("shows the frames of a response, and its end", async () => {
      const told = await output(["nghttp", "-v", "-n", `${server().url}/about.html`]);
      expect(told).toContain("send SETTINGS frame");
      expect(told).toMatch(/recv SETTINGS frame <length=24/);
      expect(told).toContain("; ACK");
      expect(told).toContain(":status: 200");
      expect(told).toMatch(/recv DATA frame [\s\S]*; END_STREAM/);
      expect(told).not.toContain("RST_STREAM");
    });

    test("uploads a file", async () => {
      const { url } = server();
      expectKept(await output(["nghttp", "-d", document, "-H", "content-type: application/json", `${url}/upload`]));
    });
  });

  needs("h2load").describe(`h2load ${way}`, () => {
    test("has every response of 16 streams on each of 4 connections", async () => {
      const { url } = server();
      const told = await output(["h2load", "-n", "2000", "-c", "4", "-m", "16", `${url}/style.css`, `${url}/none`]);
      expect(told).toContain("Application protocol: h2");
      expect(told).toContain("2000 done, 1000 succeeded, 1000 failed, 0 errored, 0 timeout");
      expect(told).toContain("status codes: 1000 2xx, 0 3xx, 1000 4xx, 0 5xx");
    });
  });

  needs("node").describe(`Node's http2 ${way}`, () => {
    test("pings, gives a stream up, and uploads more than a window", async () => {
      const script = `
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import http2 from "node:http2";
import { once } from "node:events";
const [url, document] = process.argv.slice(1);
const session = http2.connect(url, { rejectUnauthorized: false });
const ask = async (fields, body) => {
  const stream = session.request(fields, { endStream: body === undefined });
  body?.pipe(stream);
  const [head] = await once(stream, "response");
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return [head[":status"], Buffer.concat(chunks)];
};
await once(session, "remoteSettings");
const echo = await new Promise((resolve, reject) => {
  session.ping(Buffer.from("12345678"), (error, _, bytes) => (error ? reject(error) : resolve(String(bytes))));
});
await new Promise((resolve) => session.settings({ initialWindowSize: 20_000 }, resolve));
const given = session.request({ ":path": "/large.bin" });
await once(given, "data");
given.close(http2.constants.NGHTTP2_CANCEL);
await once(given, "close");
const [status, content] = await ask({ ":path": "/large.bin" });
const upload = { ":path": "/upload", ":method": "POST", "content-type": "application/json" };
const [stored, answer] = await ask(upload, createReadStream(document));
session.close();
const { maxConcurrentStreams } = session.remoteSettings;
const sum = createHash("sha256").update(content).digest("hex");
console.log(JSON.stringify({ echo, maxConcurrentStreams, status, sum, stored, answer: String(answer) }));`;
      const words = ["node", "--no-warnings", "--input-type=module", "--eval", script, server().url, document];
      const { answer, ...told } = JSON.parse(await output(words)) as Record<string, unknown>;
      expect(told).toEqual({
        echo: "12345678",
        maxConcurrentStreams: 100,
        status: 200,
        sum: largeSum,
        stored: 201,
      });
      expectKept(answer as string);
    });
  });
}

// With prior knowledge, curl 7.88 fails when it uses a connection again, with nginx too.
needs("curl").describe("curl over TLS", () => {
  test("keeps one connection for pages and refusals", async () => {
    const pages = ["/", "/about.html", "/none"].flatMap((path) => ["-o", "/dev/null", secure.url + path]);
    const told = await curl("--insecure", "-w", "%{stderr}%{http_version}+%{http_code}+%{num_connects} ", ...pages);
    expect(told).toMatchObject({ code: 0, stderr: "2+200+1 2+200+0 2+404+0 " });
  });
});

needs("node").describe("undici", () => {
  test("shares a connection among requests when it may use HTTP/2", async () => {
    const script = `
const { Agent, fetch } = await import(process.argv[2]);
const dispatcher = new Agent({ allowH2: true, connections: 1, connect: { rejectUnauthorized: false } });
const statuses = [];
const ask = async (n) => {
  const answer = await fetch(process.argv[1] + "/about.html?undici=" + n, { dispatcher });
  return [answer.status, (await answer.text()).length];
};
const first = await ask(0);
console.log(JSON.stringify([first, ...(await Promise.all([1, 2, 3, 4, 5].map(ask)))]));
await dispatcher.close();`;
    const before = (await journal(secure, "/about.html")).length;
    const path = join(import.meta.dir, "..", "..", "node_modules", "undici", "index.js");
    const told = await output(["node", "--no-warnings", "--input-type=module", "--eval", script, secure.url, path]);
    const { length } = readFileSync(shop.path("about.html"), "utf8");
    expect(JSON.parse(told)).toEqual(Array.from({ length: 6 }, () => [200, length]));
    const entries = (await journal(secure, "/about.html")).slice(before);
    expect(entries).toHaveLength(6);
    expect(new Set(entries.map(({ protocol }) => protocol))).toEqual(new Set(["2"]));
    expect(new Set(entries.map(({ connection }) => connection)).size).toBe(1);
  });
});

needs("java").describe("Java's HttpClient", () => {
  test(
    "speaks HTTP/2 over TLS",
    async () => {
      const source = join(shop.inbox(), "Ask.java");
      writeFileSync(source, JAVA);
      const told = await output(["java", "-Djdk.internal.httpclient.disableHostnameVerification", source, secure.url]);
      expect(told).toBe(`HTTP_2 200 ${LARGE_BYTES}\nHTTP_2 404\n`);
    },
    COMPILED_MS,
  );
});

needs("go").describe("Go's net/http", () => {
  test(
    "speaks HTTP/2 over TLS",
    async () => {
      const folder = shop.inbox();
      writeFileSync(join(folder, "ask.go"), GO);
      const env = { GO111MODULE: "off", GOCACHE: join(folder, "cache"), HOME: folder };
      const told = await output(["go", "run", join(folder, "ask.go"), secure.url], env);
      expect(told).toBe(`HTTP/2.0 200 ${LARGE_BYTES}\nHTTP/2.0 404\n`);
    },
    COMPILED_MS,
  );
});

const PYTHON_H2 = "/usr/lib/python3/dist-packages/h2/__init__.py";
const library = installable(existsSync(PYTHON_H2) ? null : "Python's h2 is not installed");

needs(library).describe("Python's h2", () => {
  test("finds no mistake in the frames of a response", async () => {
    const told = await output(["/usr/bin/python3", "-c", PYTHON, String(plain.port)]);
    expect(JSON.parse(told)).toEqual({ status: "200", bytes: LARGE_BYTES, ended: true });
  });
});

needs(CHROMIUM).describe(CHROMIUM, () => {
  let browser: Browser;

  beforeAll(async () => {
    mkdirSync(join(shop.root, "small"));
    for (let i = 0; i < SMALL_FILES; i++) shop.add(`small/${i}.css`, `.c${i} { order: ${i} }`);
    const links = Array.from({ length: SMALL_FILES }, (_, i) => `<link rel="stylesheet" href="small/${i}.css">`);
    const start = '<!doctype html><html lang="en"><title>test</title><link rel="icon" href="data:,">';
    shop.add("many.html", start + links.join(""));
    shop.add("streams.html", `${start}<script>${EVENTS}</script>`);
    browser = await launchBrowser(CHROMIUM);
  }, BUILD_MS);

  afterAll(() => browser.close());

  test(
    `loads a page of ${SMALL_FILES} small files over one connection`,
    async () => {
      const page = await openPage(browser, { ignoreHTTPSErrors: true });
      await page.goto(`${secure.url}/many.html`);
      expect(await page.evaluate<number>("document.styleSheets.length")).toBe(SMALL_FILES);
      const entries = await journal(secure, "/small/");
      expect(new Set(entries.map(({ path }) => path)).size).toBe(SMALL_FILES);
      expect(new Set(entries.map(({ protocol }) => protocol))).toEqual(new Set(["2"]));
      expect(new Set(entries.map(({ connection }) => connection)).size).toBe(1);
      await page.context().close();
    },
    PAGE_TEST_MS,
  );

  test(
    `has ${EVENT_STREAMS} event streams at the same time, and a page beside them`,
    async () => {
      const page = await openPage(browser, { ignoreHTTPSErrors: true });
      await page.goto(`${secure.url}/streams.html`);
      await page.waitForFunction(`counts.every((count) => count >= 2)`);
      expect(await page.evaluate<number[]>("sources.map((source) => source.readyState)")).toEqual(
        Array.from({ length: EVENT_STREAMS }, () => 1),
      );
      expect(await page.evaluate<number>('fetch("/about.html").then(({ status }) => status)')).toBe(200);
      await page.context().close();
    },
    PAGE_TEST_MS,
  );
});

const EVENTS = `
const counts = Array(${EVENT_STREAMS}).fill(0);
const sources = counts.map((_, i) => new EventSource("/bin/sse?count=40&duration=10s&i=" + i));
sources.forEach((source, i) => { source.addEventListener("ping", () => counts[i]++); });`;

const JAVA = `
import java.net.URI;
import java.net.http.*;
import java.security.cert.X509Certificate;
import javax.net.ssl.*;

class Ask {
  public static void main(String[] words) throws Exception {
    TrustManager any = new X509ExtendedTrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String type) {}
      public void checkClientTrusted(X509Certificate[] chain, String type, java.net.Socket socket) {}
      public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
      public void checkServerTrusted(X509Certificate[] chain, String type) {}
      public void checkServerTrusted(X509Certificate[] chain, String type, java.net.Socket socket) {}
      public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    };
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, new TrustManager[] { any }, null);
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).sslContext(tls).build();
    var large = client.send(HttpRequest.newBuilder(URI.create(words[0] + "/large.bin")).build(), HttpResponse.BodyHandlers.ofByteArray());
    System.out.println(large.version() + " " + large.statusCode() + " " + large.body().length);
    var none = client.send(HttpRequest.newBuilder(URI.create(words[0] + "/none")).build(), HttpResponse.BodyHandlers.ofString());
    System.out.println(none.version() + " " + none.statusCode());
  }
}
`;

const GO = `package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	large, err := client.Get(os.Args[1] + "/large.bin")
	if err != nil { panic(err) }
	content, err := io.ReadAll(large.Body)
	if err != nil { panic(err) }
	fmt.Println(large.Proto, large.StatusCode, len(content))
	none, err := client.Get(os.Args[1] + "/none")
	if err != nil { panic(err) }
	fmt.Println(none.Proto, none.StatusCode)
}
`;

/** The library raises an exception for each rule of the RFC that its peer breaks. */
const PYTHON = `
import json, socket, sys
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
connection = H2Connection(H2Configuration(header_encoding="utf-8"))
connection.initiate_connection()
fields = [(":method", "GET"), (":scheme", "http"), (":authority", "127.0.0.1:" + sys.argv[1]), (":path", "/large.bin")]
connection.send_headers(1, fields, end_stream=True)
told = {"status": None, "bytes": 0, "ended": False}
while not told["ended"]:
    client.sendall(connection.data_to_send())
    received = client.recv(65536)
    assert received
    for event in connection.receive_data(received):
        if isinstance(event, ResponseReceived): told["status"] = dict(event.headers)[":status"]
        if isinstance(event, DataReceived):
            told["bytes"] += len(event.data)
            connection.acknowledge_received_data(event.flow_controlled_length, 1)
        if isinstance(event, StreamEnded): told["ended"] = True
print(json.dumps(told))
`;
