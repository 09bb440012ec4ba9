/** TLS on real sockets, in this process: what is loaded, what is refused at the start, how it is spoken, renewed and cut. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  OptionsError,
  type RunningServer,
  type ServerLog,
  StartError,
  type StartOptions,
  startServer,
} from "../../src/index.ts";
import { makeSelfSigned } from "../../src/server/self-signed.ts";
import { openDescriptors } from "../support/descriptors.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { steady, turns, until } from "../support/waiting.ts";

const LARGE_BYTES = 32 * 1024 * 1024;
const PASSPHRASE = "correct horse";
const NOW = Date.now();
const TWO_YEARS_MS = 2 * 365 * 24 * 60 * 60 * 1000;

let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tls-"));
  mkdirSync(join(folder, "root"));
  writeFileSync(join(folder, "root", "index.html"), "page");
  writeFileSync(join(folder, "root", "large.bin"), "");
  truncateSync(join(folder, "root", "large.bin"), LARGE_BYTES);
  const [first, second, old, early] = await Promise.all([
    makeSelfSigned([], NOW),
    makeSelfSigned(["second.test"], NOW),
    makeSelfSigned([], NOW - TWO_YEARS_MS),
    makeSelfSigned([], NOW + TWO_YEARS_MS),
  ]);
  const encrypted = createPrivateKey(first.key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: PASSPHRASE,
  });
  const { privateKey: shortKey } = generateKeyPairSync("rsa", { modulusLength: 512 });
  const files: Readonly<Record<string, string>> = {
    "first.pem": first.cert,
    "first.key": first.key,
    "second.pem": second.cert,
    "second.key": second.key,
    "chain.pem": first.cert + second.cert,
    "backwards.pem": second.cert + first.cert,
    "damaged.pem": first.cert + second.cert.replace(/\n[^\n]{8}/, "\nAAAAAAAA"),
    "damaged.key": first.key.replace(/\n[^\n]{8}/, "\nAAAAAAAA"),
    "old.pem": old.cert,
    "old.key": old.key,
    "early.pem": early.cert,
    "early.key": early.key,
    "encrypted.key": encrypted.toString(),
    "passphrase.txt": `${PASSPHRASE}\n`,
    "wrong.txt": "incorrect horse\n",
    "words.pem": "no certificate\n",
    "cut.pem": `${first.cert}-----BEGIN CERTIFICATE-----\nMIIB\n`,
    "marked.pem": `\ufeff${first.cert}`,
    "short.key": shortKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
  execFileSync("mkfifo", [path("fifo.pem")]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function path(name: string): string {
  return join(folder, name);
}

function options(more: StartOptions = {}): StartOptions {
  return { port: 0, root: path("root"), uploads: path("uploads"), ...more };
}

function files(cert: string, key: string, more: StartOptions = {}): StartOptions {
  return options({ tlsCert: path(cert), tlsKey: path(key), ...more });
}

function recorded(lines: string[]): ServerLog {
  const keep = (line: string) => void lines.push(line);
  return { access: null, info: keep, detail: keep, warn: keep, error: keep };
}

function caOf(server: RunningServer): string {
  return server.certificate?.pem ?? "";
}

function connect(server: RunningServer, onlyCount = false): Promise<RawClient> {
  return RawClient.connect(server.port, { ca: caOf(server), onlyCount });
}

async function page(server: RunningServer, ca = caOf(server), url = server.url): Promise<string> {
  return await (await fetch(url, { tls: { ca }, keepalive: false })).text();
}

async function startFailure(given: StartOptions): Promise<Error> {
  try {
    await using server = await startServer(given);
    return new Error(`it started on ${server.port}`);
  } catch (error) {
    return error as Error;
  }
}

describe("a certificate in files", () => {
  test("is what clients get, on both loopback addresses", async () => {
    await using server = await startServer(files("first.pem", "first.key"));
    expect(server.urls.every((url) => url.startsWith("https://"))).toBe(true);
    const ca = readFileSync(path("first.pem"), "utf8");
    for (const url of server.urls) expect(await page(server, ca, url)).toBe("page");
    await expect(page(server, readFileSync(path("second.pem"), "utf8"))).rejects.toThrow();
  });

  test("may have a byte order mark before it", async () => {
    await using server = await startServer(files("marked.pem", "first.key"));
    expect(await page(server)).toBe("page");
  });

  test("may have its chain behind it", async () => {
    await using server = await startServer(files("chain.pem", "first.key"));
    expect(await page(server)).toBe("page");
  });

  test("may have an encrypted key, by a file or by itself", async () => {
    await using byFile = await startServer(
      files("first.pem", "encrypted.key", { tlsPassphraseFile: path("passphrase.txt") }),
    );
    await using byText = await startServer(files("first.pem", "encrypted.key", { tlsPassphrase: PASSPHRASE }));
    expect([await page(byFile), await page(byText)]).toEqual(["page", "page"]);
  });

  for (const [name, said] of [
    ["old", /^--tls-cert .*old\.pem expired on \d{4}-\d\d-\d\d/],
    ["early", /^--tls-cert .*early\.pem is not valid before \d{4}/],
  ] as const) {
    test(`that clients refuse today is a warning (${name})`, async () => {
      const lines: string[] = [];
      await using server = await startServer(files(`${name}.pem`, `${name}.key`, { log: recorded(lines) }));
      expect(lines).toEqual([expect.stringMatching(said)]);
      expect(server.port).toBeGreaterThan(0);
    });
  }

  const faults: readonly [what: string, cert: string, key: string, more: StartOptions, said: string][] = [
    ["a missing certificate", "none.pem", "first.key", {}, "cannot read --tls-cert"],
    ["a missing key", "first.pem", "none.key", {}, "cannot read --tls-key"],
    ["a folder for a certificate", "root", "first.key", {}, "cannot read --tls-cert"],
    ["a file without a certificate", "words.pem", "first.key", {}, "has no certificate in PEM"],
    ["a file without a key", "first.pem", "first.pem", {}, "has no key in PEM"],
    ["a damaged certificate in the chain", "damaged.pem", "first.key", {}, "certificate 2 of 2 is damaged"],
    ["a certificate without an end in the chain", "cut.pem", "first.key", {}, "one of its 2 certificates has no end"],
    ["a FIFO, which would be waited for", "fifo.pem", "first.key", {}, "it is not a file"],
    ["a key that nobody would trust", "first.pem", "short.key", {}, "has fewer than 1024 bits"],
    ["a damaged key", "first.pem", "damaged.key", {}, "damaged.key is damaged"],
    ["the key of another certificate", "first.pem", "second.key", {}, "does not fit the first certificate"],
    ["a chain in the wrong order", "backwards.pem", "first.key", {}, "the server's own comes first"],
    ["an encrypted key without a passphrase", "first.pem", "encrypted.key", {}, "HTTPSERVER_TLS_PASSPHRASE"],
    ["a wrong passphrase", "first.pem", "encrypted.key", { tlsPassphrase: "no" }, "the passphrase is wrong"],
  ];
  for (const [what, cert, key, more, said] of faults) {
    test(`stops the start: ${what}`, async () => {
      const error = await startFailure(files(cert, key, more));
      expect(error).toBeInstanceOf(StartError);
      expect(error.message).toContain(said);
      expect(error.message).not.toContain("\n");
    });
  }

  test("stops the start: a wrong passphrase in a file, which goes before the other, and one that is missing", async () => {
    const wrong = files("first.pem", "encrypted.key", {
      tlsPassphraseFile: path("wrong.txt"),
      tlsPassphrase: PASSPHRASE,
    });
    expect((await startFailure(wrong)).message).toContain("the passphrase is wrong");
    const missing = files("first.pem", "encrypted.key", { tlsPassphraseFile: path("none.txt") });
    expect((await startFailure(missing)).message).toContain("cannot read --tls-passphrase-file");
  });

  const conflicts: readonly [what: string, given: StartOptions, said: string][] = [
    ["a certificate without a key", { tlsCert: "a.pem" }, "tlsCert needs tlsKey"],
    ["a key without a certificate", { tlsKey: "a.key" }, "tlsKey needs tlsCert"],
    ["a passphrase for nothing", { tlsPassphraseFile: "a" }, "tlsPassphraseFile needs tlsKey"],
    ["a redirect to nothing", { httpsRedirectPort: 0 }, "httpsRedirectPort needs tlsCert or tlsSelfSigned"],
    ["hsts for plain HTTP", { hstsMs: 1000 }, "hstsMs needs tlsCert or tlsSelfSigned"],
    ["one port for both", { tlsSelfSigned: true, port: 8443, httpsRedirectPort: 8443 }, "are the same port"],
  ];
  for (const [what, given, said] of conflicts) {
    test(`is a mistake: ${what}`, async () => {
      const error = await startFailure({ root: path("root"), uploads: path("uploads"), ...given });
      expect(error).toBeInstanceOf(OptionsError);
      expect(error.message).toContain(said);
    });
  }
});

describe("a certificate of our own making", () => {
  test("names localhost, both loopback addresses and the host, and nobody's authority", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, host: "127.0.0.2" }));
    const certificate = new X509Certificate(caOf(server));
    expect(certificate.subjectAltName).toBe(
      "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:127.0.0.2",
    );
    expect(certificate.ca).toBe(false);
    expect(await page(server)).toBe("page");
    const { names = "", fingerprint, validTo } = server.certificate ?? {};
    expect([names, fingerprint]).toEqual([certificate.subjectAltName ?? "", certificate.fingerprint256]);
    const days = ((validTo?.getTime() ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(396);
    expect(days).toBeLessThan(398);
  });

  test("is another one for each server, and nothing of it is on disk", async () => {
    await using first = await startServer(options({ tlsSelfSigned: true }));
    await using second = await startServer(options({ tlsSelfSigned: true }));
    expect(caOf(first)).not.toBe(caOf(second));
  });

  test("is written where it is wanted, the key for its owner alone, and used again", async () => {
    const given = files("made.pem", "made.key", { tlsSelfSigned: true });
    await using first = await startServer(given);
    expect(readFileSync(path("made.pem"), "utf8")).toBe(caOf(first));
    expect(statSync(path("made.key")).mode & 0o777).toBe(0o600);
    await using again = await startServer(given);
    expect(caOf(again)).toBe(caOf(first));
    expect(await page(again)).toBe("page");
  });

  test("does not go with half of another one, and leaves no half itself", async () => {
    const half = await startFailure(files("first.pem", "absent.key", { tlsSelfSigned: true }));
    expect(half.message).toContain("makes both or neither");
    const unwritable = await startFailure(files(join("absent", "a.pem"), "alone.key", { tlsSelfSigned: true }));
    expect(unwritable.message).toContain("cannot write --tls-cert");
    expect(existsSync(path("alone.key"))).toBe(false);
  });
});

describe("a renewed certificate", () => {
  test("is for new connections, with its chain, and those that are open go on", async () => {
    const given = files("live.pem", "live.key");
    for (const kind of ["pem", "key"]) writeFileSync(path(`live.${kind}`), readFileSync(path(`first.${kind}`)));
    await using server = await startServer(given);
    const old = caOf(server);
    using open = await connect(server);
    await open.send(request(server.port, "GET /")).answer();
    for (const kind of ["pem", "key"]) writeFileSync(path(`live.${kind}`), readFileSync(path(`second.${kind}`)));
    await server.reload();
    expect(caOf(server)).toBe(readFileSync(path("second.pem"), "utf8"));
    expect((await open.send(request(server.port, "GET /")).answer()).text).toBe("page");
    expect(await page(server)).toBe("page");
    await expect(page(server, old)).rejects.toThrow();
  });

  test("that cannot be used changes nothing", async () => {
    for (const kind of ["pem", "key"]) writeFileSync(path(`kept.${kind}`), readFileSync(path(`first.${kind}`)));
    await using server = await startServer(files("kept.pem", "kept.key"));
    const before = caOf(server);
    writeFileSync(path("kept.key"), readFileSync(path("second.key")));
    await expect(server.reload()).rejects.toThrow("does not fit");
    rmSync(path("kept.pem"));
    await expect(server.reload()).rejects.toThrow("cannot read --tls-cert");
    expect(caOf(server)).toBe(before);
    expect(await page(server)).toBe("page");
  });

  test("is no matter for a server in memory, or without TLS", async () => {
    await using secure = await startServer(options({ tlsSelfSigned: true }));
    const before = caOf(secure);
    await secure.reload();
    expect(caOf(secure)).toBe(before);
    await using plain = await startServer(options());
    await plain.reload();
    expect([plain.certificate, plain.redirectUrl]).toEqual([null, null]);
  });
});

describe("over TLS", () => {
  test("a client that half-closes behind its request gets its answer whole", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true }));
    using client = await connect(server, true);
    client.send(request(server.port, "GET /large.bin")).finish();
    await client.received(LARGE_BYTES);
    expect(await client.left()).toBe("fin");
  });

  test("a reader that stops for a while loses nothing", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true }));
    using client = await connect(server);
    client.send(request(server.port, "GET /large.bin"));
    await client.received(1);
    client.pause();
    await turns(100); // The server fills the kernel's buffers, and then waits.
    expect(client.receivedBytes).toBeLessThan(LARGE_BYTES);
    const { body } = await client.resume().answer();
    expect(body.length).toBe(LARGE_BYTES);
  });

  test("a peer that sends ahead of its answers is stopped", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true }));
    using client = await connect(server, true);
    client.pause().send(request(server.port, "GET /large.bin"));
    client.send(request(server.port, "GET /").repeat(400_000));
    expect(await steady(() => client.unsentBytes, "what the server does not take")).toBeGreaterThan(0);
  });

  test("a pipeline is answered in order", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true }));
    using client = await connect(server);
    client.send(request(server.port, "GET /") + request(server.port, "GET /none") + request(server.port, "GET /"));
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await client.answer()).status);
    expect(statuses).toEqual([200, 404, 200]);
  });

  test("a refusal reaches a client that still sends its upload", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, maxBodyBytes: 1000 }));
    using client = await connect(server);
    const fields = `Content-Type: application/json\r\nContent-Length: ${LARGE_BYTES}\r\n`;
    client.send(request(server.port, "POST /upload", fields, "x".repeat(4 * 1024 * 1024)));
    expect((await client.answer()).status).toBe(413);
    expect(await client.left()).toBe("fin");
  });

  test("an idle connection is closed in time, and a stop closes all", async () => {
    const server = await startServer(options({ tlsSelfSigned: true, keepAliveTimeoutMs: 300 }));
    using idle = await connect(server);
    expect(await idle.left()).toBe("fin");
    using open = await connect(server);
    await server.stop();
    expect(await open.left()).toBe("fin");
  });

  // Bun waits some eleven seconds for a close_notify, and a test has fewer.
  test.each([
    ["is idle", "", true],
    ["has not read its response", "GET /index.html", true],
    ["does not read a large response", "GET /large.bin", true],
    ["has not shaken hands", "", false],
  ])(
    "a stop does not wait for a silent peer that %s",
    async (_, line, isSecure) => {
      const server = await startServer(options({ tlsSelfSigned: true }));
      using client = isSecure ? await connect(server) : await RawClient.connect(server.port);
      client.pause();
      if (line !== "") client.send(request(server.port, line));
      await turns(50);
      await server.stop({ timeoutMs: 200 });
    },
    8000,
  );

  test.each([
    ["is idle for too long", "", ""],
    ["has its last response", "GET /index.html", "Connection: close\r\n"],
    ["sends content of a refused request", "PUT /", "Connection: close\r\nContent-Length: 900000\r\n"],
  ])(
    "a silent peer that %s is let go of without its close_notify",
    async (_, line, fields) => {
      await using server = await startServer(options({ tlsSelfSigned: true, keepAliveTimeoutMs: 300 }));
      const before = openDescriptors();
      using client = await connect(server, true);
      client.pause();
      if (line !== "") client.send(request(server.port, line, fields, "x".repeat(line === "PUT /" ? 300_000 : 0)));
      // The descriptor of the client stays.
      await until(() => openDescriptors() <= before + 1, "the server to close", 7000);
    },
    8000,
  );

  test("a peer that does not shake hands is cut in the time of a head", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, headerTimeoutMs: 300 }));
    using silent = await RawClient.connect(server.port);
    using slow = await RawClient.connect(server.port);
    slow.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    expect([await silent.left(), await slow.left()]).toEqual(["reset", "reset"]);
    expect([silent.receivedBytes, slow.receivedBytes]).toEqual([0, 0]);
  });

  test("a thousand handshakes that nobody finishes leave nothing behind", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, headerTimeoutMs: 400 }));
    const before = openDescriptors();
    for (let i = 0; i < 10; i++) {
      const flood = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(server.port)));
      for (const [at, client] of flood.entries()) {
        if (at % 3 === 0) client.send("\x16\x03\x01\x02\x00\x01");
        if (at % 3 === 1) client.send("junk\0junk\0junk");
        if (at % 3 === 2) client.finish();
      }
      if (i % 2 === 0) for (const client of flood) client.reset();
    }
    expect(await page(server)).toBe("page");
    await until(() => openDescriptors() <= before, "all to be closed", 8000);
  }, 30_000);

  test("beyond the cap a connection is cut without a handshake, and the others go on", async () => {
    const lines: string[] = [];
    await using server = await startServer(options({ tlsSelfSigned: true, maxConnections: 1, log: recorded(lines) }));
    using first = await connect(server);
    using second = await RawClient.connect(server.port);
    expect(await second.left()).toBe("reset");
    expect((await first.send(request(server.port, "GET /")).answer()).status).toBe(200);
    expect(lines.join()).toContain("refusing more");
  });

  test("a plain request is told so, in plain text", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, hstsMs: 60_000 }));
    using client = await RawClient.connect(server.port);
    const answer = await client.send(request(server.port, "GET /")).answer();
    expect([answer.status, answer.fields.get("connection")]).toEqual([400, "close"]);
    expect(answer.text).toContain("use https:// instead of http://");
    expect(answer.fields.has("strict-transport-security")).toBe(false);
    await client.left();
  });

  test("every answer says how long to keep to https, where that is wanted", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true, hstsMs: 3_600_000 }));
    for (const target of ["/", "/none", "/../x"]) {
      using client = await connect(server);
      const { fields } = await client.send(request(server.port, `GET ${target}`)).answer();
      expect(fields.get("strict-transport-security")).toBe("max-age=3600");
    }
    await using without = await startServer(options({ tlsSelfSigned: true }));
    using client = await connect(without);
    const { fields } = await client.send(request(without.port, "GET /")).answer();
    expect(fields.has("strict-transport-security")).toBe(false);
  });

  test("an origin with https may send an upload, and an absolute target with https is ours", async () => {
    await using server = await startServer(options({ tlsSelfSigned: true }));
    using client = await connect(server);
    const { status } = await client.send(request(server.port, `GET https://localhost:${server.port}/`)).answer();
    expect(status).toBe(200);
  });
});

describe("the plain port beside it", () => {
  async function redirecting(): Promise<{ server: RunningServer; port: number }> {
    const server = await startServer(options({ tlsSelfSigned: true, httpsRedirectPort: 0, hstsMs: 60_000 }));
    return { server, port: Number(new URL(server.redirectUrl ?? "").port) };
  }

  const targets: readonly [target: string, location: string][] = [
    ["GET /", "/"],
    ["GET /a%20b/c?d=e&f=%2F", "/a%20b/c?d=e&f=%2F"],
    ["HEAD /x", "/x"],
    ["DELETE /x", "/x"],
    ['GET /[a]|b?q=50%&f={"c":"\\"}', "/[a]%7Cb?q=50%25&f=%7B%22c%22:%22%5C%22%7D"],
    ["GET //evil.test/x", "//evil.test/x"],
    ["GET http://localhost:PORT/x?y", "/x?y"],
    ["GET http://localhost:PORT", "/"],
    ["GET http://localhost:PORT?y", "/?y"],
    ["OPTIONS *", "/"],
  ];
  for (const [line, location] of targets) {
    test(`sends ${line} to https, 308`, async () => {
      const { server, port } = await redirecting();
      await using _server = server;
      using client = await RawClient.connect(port);
      client.send(request(port, line.replace("PORT", String(port))));
      const { status, fields } = await client.answer(line.startsWith("HEAD") ? "HEAD" : "GET");
      expect([status, fields.get("location")]).toEqual([308, `https://localhost:${server.port}${location}`]);
      expect(fields.get("connection")).toBe("keep-alive");
      expect(fields.has("strict-transport-security")).toBe(false);
    });
  }

  test("leads no one to a host that is not ours, and reads past what it does not want", async () => {
    const { server, port } = await redirecting();
    await using _server = server;
    using client = await RawClient.connect(port);
    client.send("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    const refused = await client.answer();
    expect([refused.status, refused.fields.has("location")]).toEqual([403, false]);
    client.send(request(port, "POST /upload", "Content-Length: 5\r\n", "12345") + request(port, "GET /after"));
    expect((await client.answer()).fields.get("location")).toBe(`https://localhost:${server.port}/upload`);
    expect((await client.answer()).fields.get("location")).toBe(`https://localhost:${server.port}/after`);
  });

  test("asks for the host where HTTP/1.0 has none, and refuses a tunnel", async () => {
    const { server, port } = await redirecting();
    await using _server = server;
    using old = await RawClient.connect(port);
    expect((await old.send("GET / HTTP/1.0\r\n\r\n").answer()).status).toBe(400);
    using tunnel = await RawClient.connect(port);
    tunnel.send(`CONNECT localhost:${port} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
    expect((await tunnel.answer()).status).toBe(405);
  });

  test("answers on both loopback addresses, follows to the page, and stops with the server", async () => {
    const { server, port } = await redirecting();
    expect(server.redirectUrl).toBe(`http://127.0.0.1:${port}`);
    const response = await fetch(`http://localhost:${port}/index.html`, { tls: { ca: caOf(server) } });
    expect([await response.text(), response.redirected]).toEqual(["page", true]);
    using idle = await RawClient.connect(port);
    await server.stop();
    expect(await idle.left()).toBe("fin");
    await expect(RawClient.connect(port)).rejects.toThrow();
  });

  test("that is taken stops the start, and frees the other one", async () => {
    await using taken = await startServer(options());
    const error = await startFailure(options({ tlsSelfSigned: true, httpsRedirectPort: taken.port }));
    expect(error).toBeInstanceOf(StartError);
    expect(error.message).toContain(`port ${taken.port}`);
    expect(error.message).toContain("--https-redirect 0");
  });

  test("tells a TLS client what it is", async () => {
    const { server, port } = await redirecting();
    await using _server = server;
    using client = await RawClient.connect(port);
    const answer = await client.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc").answer();
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("use http:// instead of https://");
  });
});
