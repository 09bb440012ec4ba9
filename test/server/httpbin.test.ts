/** The endpoints of httpbin in a server: pool, drain, clients that leave, faults, journal, CORS. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FixtureServer, ManualClock, type StartOptions, startServer } from "../../src/index.ts";
import { makeBin } from "../handlers/httpbin/bin.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { ask, makeSite } from "../support/site.ts";
import { until } from "../support/waiting.ts";

const FILES = { "/get": "a file", "/page.html": "<p>a page</p>", "/bin/page.html": "hidden" };

function start(options: StartOptions = {}): Promise<FixtureServer> {
  return startServer({ files: FILES, httpbin: "/", ...options, fixture: true });
}

/** Returns whether a request holds a slot. */
function isBusy(server: FixtureServer): boolean {
  return server.connections().open.some(({ state }) => state === "working" || state === "sending");
}

describe("the endpoints", () => {
  test("come before files of the same names, and leave the others to the folder", async () => {
    await using server = await start();
    expect(await (await fetch(`${server.url}/get`)).json()).toMatchObject({ url: `${server.url}/get` });
    expect(await (await fetch(`${server.url}/page.html`)).text()).toBe("<p>a page</p>");
  });

  test("below a prefix hide the files there, and no others", async () => {
    await using server = await start({ httpbin: "/bin/" });
    expect(await (await fetch(`${server.url}/get`)).text()).toBe("a file");
    expect((await fetch(`${server.url}/bin/get`)).status).toBe(200);
    expect((await fetch(`${server.url}/bin/page.html`)).status).toBe(404);
  });

  test("come after uploads and the server's own endpoints", async () => {
    await using server = await start({ status: true });
    expect((await fetch(`${server.url}/__server/ready`)).status).toBe(200);
    expect((await fetch(`${server.url}/upload`, { method: "GET" })).status).toBe(405);
  });

  test("are not there without the flag", async () => {
    await using server = await start({ httpbin: "" });
    expect(await (await fetch(`${server.url}/get`)).text()).toBe("a file");
    expect((await fetch(`${server.url}/status/200`)).status).toBe(404);
  });

  test("stand where the mounts are composed", async () => {
    using www = makeSite({}, { httpbin: makeBin().mount });
    mkdirSync(join(www.root, "status"));
    writeFileSync(join(www.root, "status", "418"), "file");
    expect((await ask(www, "GET /status/418")).status).toBe(418);
    expect((await ask(www, "OPTIONS /post")).fields).toEqual({ allow: "POST, OPTIONS" });
    const refused = await ask(www, "GET /post");
    expect([refused.status, refused.fields["allow"]]).toEqual([405, "POST, OPTIONS"]);
  });

  test("take content up to the limit of uploads", async () => {
    await using server = await start({ maxBodyBytes: 1000 });
    const echo = (length: number) => fetch(`${server.url}/post`, { method: "POST", body: "a".repeat(length) });
    expect((await echo(1000)).status).toBe(200);
    expect((await echo(1001)).status).toBe(413);
  });

  test("answer HEAD as GET, without content", async () => {
    await using server = await start();
    for (const path of ["/get", "/anything/a", "/stream/3", "/drip?delay=0&duration=0", "/bytes/10", "/delay/0"]) {
      const response = await fetch(server.url + path, { method: "HEAD" });
      expect([path, response.status, await response.text()]).toEqual([path, 200, ""]);
    }
  });

  test("keep the connection, after streams as well", async () => {
    await using server = await start();
    using client = await RawClient.connect(server.port);
    for (const path of ["/stream/2", "/drip?numbytes=2&delay=0&duration=0", "/sse?count=1", "/range/5", "/ip"]) {
      client.send(request(server.port, `GET ${path}`));
    }
    await until(() => client.text.includes('"origin": "127.0.0.1"'), "the last answer");
    expect(client.text.match(/HTTP\/1\.1 200/g)).toHaveLength(5);
    expect(client.ending).toBeNull();
  });

  test("are in the journal, and get faults", async () => {
    await using server = await start();
    server.fault("GET /get status=503 times=1");
    server.fault("GET /bytes/* truncate after=3");
    expect((await fetch(`${server.url}/get`)).status).toBe(503);
    expect((await fetch(`${server.url}/get`)).status).toBe(200);
    await expect(fetch(`${server.url}/bytes/10`).then((response) => response.bytes())).rejects.toThrow();
    await fetch(`${server.url}/post`, { method: "POST", body: "abc" });
    await server.waitForRequests({}, 4);
    expect(server.requests().map(({ path, status, fault, body }) => [path, status, fault, body?.bytes])).toEqual([
      ["/get", 503, "status", undefined],
      ["/get", 200, null, undefined],
      ["/bytes/10", 200, "truncate", undefined],
      ["/post", 200, null, 3],
    ]);
  });

  test("can be read by pages of allowed origins alone", async () => {
    await using server = await start({ cors: ["https://app.test"] });
    const headers = { Origin: "https://app.test" };
    const response = await fetch(`${server.url}/get`, { headers });
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe("https://app.test");
    const preflight = await fetch(`${server.url}/put`, {
      method: "OPTIONS",
      headers: { ...headers, "Access-Control-Request-Method": "PUT" },
    });
    expect(preflight.headers.get("Access-Control-Allow-Methods")).toBe("PUT, OPTIONS");
  });
});

describe("a delay", () => {
  test("holds its slot, and the next request waits", async () => {
    const clock = new ManualClock();
    await using server = await start({ clock, threads: 1 });
    const late = fetch(`${server.url}/delay/5`);
    await until(() => isBusy(server), "the delay");
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /ip"));
    await until(() => server.connections().open.some(({ state }) => state === "waiting"), "the next one");
    clock.advance(5000);
    expect((await late).headers.get("Server-Timing")).toBe('initial_delay;dur=5000.00;desc="initial delay"');
    await until(() => client.text.includes('"origin"'), "the next one's answer");
  });

  test("gives its slot back when its client has left, also while it waits for one", async () => {
    await using server = await start({ clock: new ManualClock(), threads: 1 });
    const clients = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
    for (const client of clients) {
      client.send(request(server.port, "GET /delay/10"));
      await until(() => server.connections().open.filter(({ state }) => state !== "idle").length > 0, "a delay");
    }
    for (const client of clients) client[Symbol.dispose]();
    expect((await fetch(`${server.url}/ip`)).status).toBe(200);
  });

  test("and a drip end at once when the server stops, in full", async () => {
    const server = await start({ clock: new ManualClock() });
    const delayed = fetch(`${server.url}/delay/10`).then((response) => response.json());
    const dripped = fetch(`${server.url}/drip?duration=10&delay=0&numbytes=4`).then((response) => response.text());
    await until(() => server.connections().open.filter(({ state }) => state !== "idle").length === 2, "both");
    await server.stop();
    expect(await delayed).toMatchObject({ url: `${server.url}/delay/10` });
    expect(await dripped).toBe("****");
  });
});

test("a client that does not read its stream costs one piece, and others are served", async () => {
  await using server = await start({ threads: 1 });
  using slow = await RawClient.connect(server.port);
  slow.pause();
  slow.send(request(server.port, "GET /bytes/1048576"));
  slow.send(request(server.port, "GET /bytes/1048576"));
  expect((await fetch(`${server.url}/stream/100`)).status).toBe(200);
});
