/** Uploads of any file on the socket: when a client is invited, what a fixture tells of them, and what a cut one leaves. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "../../src/handlers/digest.ts";
import { type FixtureServer, type StartOptions, startServer } from "../../src/index.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

const top = mkdtempSync(join(tmpdir(), "any-uploads-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let folders = 0;

async function start(options: StartOptions = {}): Promise<{ server: FixtureServer; uploads: string }> {
  const uploads = join(top, `uploads-${++folders}`);
  const server = await startServer({ files: { "/a.txt": "a" }, uploads, uploadAny: true, ...options, fixture: true });
  return { server, uploads };
}

function put(port: number, name: string, fields: string): string {
  return request(port, `PUT /uploads/${name}`).replace("\r\n\r\n", `\r\n${fields}\r\n\r\n`);
}

const WAITS = "Content-Length: 3\r\nExpect: 100-continue";

describe("a client that waits to be invited", () => {
  test("is, and may send the next request after its upload", async () => {
    const { server } = await start();
    await using _server = server;
    using client = await RawClient.connect(server.port);
    client.send(put(server.port, "a", WAITS));
    expect((await client.answer("PUT")).status).toBe(100);
    client.send(`abc${put(server.port, "b", "Content-Length: 0")}${request(server.port, "GET /uploads/a")}`);
    const answers = [await client.answer("PUT"), await client.answer("PUT"), await client.answer("GET")];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 200]);
    expect(answers[2]?.text).toBe("abc");
  });

  test("is not, if the name is taken, the room is too small, or the page is from elsewhere", async () => {
    const { server } = await start({ uploadsMaxBytes: 2 });
    await using _server = server;
    for (const [fields, status] of [
      [WAITS, 507],
      [`${WAITS}\r\nOrigin: null`, 403],
      [`${WAITS}\r\nContent-Range: bytes 0-2/3`, 400],
    ] as const) {
      using client = await RawClient.connect(server.port);
      client.send(put(server.port, "a", fields));
      expect((await client.answer("PUT")).status).toBe(status);
    }
  });
});

test("an upload that its client leaves has no file, whole or in part", async () => {
  const { server, uploads } = await start();
  await using _server = server;
  using client = await RawClient.connect(server.port);
  client.send(`${put(server.port, "a", "Content-Length: 1000000")}some`);
  await until(
    () => readdirSync(top).includes(uploads.slice(top.length + 1)) && readdirSync(uploads).length === 1,
    "a file",
  );
  client[Symbol.dispose]();
  await until(() => readdirSync(uploads).length === 0, "the file to go");
});

test("a fixture has them in its journal and its list, and removes them with a reset", async () => {
  const { server, uploads } = await start();
  await using _server = server;
  const content = "\0 any bytes";
  const form = new FormData();
  form.append("file", new File([content], 'Grüße "1".bin'));
  expect((await fetch(`${server.url}/uploads/a.bin`, { method: "PUT", body: content })).status).toBe(201);
  expect((await fetch(`${server.url}/uploads/`, { method: "POST", body: form })).status).toBe(201);
  expect((await fetch(`${server.url}/upload`, { method: "POST", body: "[1]", headers: JSON_TYPE })).status).toBe(201);
  writeFileSync(join(uploads, "other"), "stays");
  const body = { bytes: content.length, sha256: sha256Hex(content) };
  expect(server.requests().map((record) => [record.method, record.status, record.body])).toEqual([
    ["PUT", 201, body],
    ["POST", 201, body],
    ["POST", 201, { bytes: 3, sha256: sha256Hex("[1]"), text: "[1]", isWhole: true }],
  ]);
  expect(server.uploads().map(({ name, bytes }) => [name, bytes])).toEqual([
    ["a.bin", content.length],
    ['Grüße "1".bin', content.length],
    [expect.stringMatching(/^upload_/), 3],
  ]);
  expect(readFileSync(join(uploads, 'Grüße "1".bin'), "utf8")).toBe(content);
  server.reset();
  expect(readdirSync(uploads)).toEqual(["other"]);
});

test("a fault resets an upload after as many bytes as it says, and no file is left", async () => {
  const { server, uploads } = await start();
  await using _server = server;
  server.fault("PUT /uploads/a reset-request after=100000 times=1");
  using client = await RawClient.connect(server.port);
  client.send(`${put(server.port, "a", "Content-Length: 3000000")}${"x".repeat(99_999)}`);
  await until(() => server.connections().open.some(({ state }) => state === "working"), "the upload to begin");
  expect(client.ending).toBeNull();
  client.send("x");
  await until(() => client.ending === "reset", "the reset");
  expect(server.requests().map(({ path, fault }) => [path, fault])).toEqual([["/uploads/a", "reset-request"]]);
  expect((await fetch(`${server.url}/uploads/a`, { method: "PUT", body: "abc" })).status).toBe(201);
  expect(readdirSync(uploads)).toEqual(["a"]);
});

test("with a password for uploads, the form and PUT need it, and no content is taken before", async () => {
  const hash = await Bun.password.hash("secret", { algorithm: "argon2id", memoryCost: 1024, timeCost: 1 });
  const { server } = await start({ basicAuth: [`ann:${hash}`], authUploads: true });
  await using _server = server;
  using client = await RawClient.connect(server.port);
  client.send(put(server.port, "a", WAITS));
  expect((await client.answer("PUT")).status).toBe(401);
  const headers = { Authorization: `Basic ${btoa("ann:secret")}` };
  const sent = await fetch(`${server.url}/uploads/a`, { method: "PUT", body: "abc", headers });
  expect([sent.status, (await fetch(`${server.url}/uploads/a`)).status]).toEqual([201, 401]);
});

const JSON_TYPE = { "Content-Type": "application/json" };
