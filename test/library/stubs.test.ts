/** Stubs that a test adds to a server in its own process, and over the endpoints: on real sockets. */
import { describe, expect, test } from "bun:test";
import { type FixtureServer, ManualClock, type ServerLog, type StartOptions, startServer } from "../../src/index.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

function start(options: StartOptions = {}): Promise<FixtureServer> {
  return startServer({ files: { "/index.html": "the page", "/api/a": "a file" }, ...options, fixture: true });
}

function post(server: FixtureServer, path: string, content: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json", Connection: "close" };
  return fetch(server.url + path, { method: "POST", headers, body: JSON.stringify(content) });
}

async function text(server: FixtureServer, path: string): Promise<string> {
  const response = await fetch(server.url + path, { headers: { Connection: "close" } });
  return `${response.status} ${await response.text()}`;
}

describe("a stub", () => {
  test("answers before the files, as often as it says, and the journal has the request's content", async () => {
    await using server = await start();
    const id = server.stub({
      match: { method: "POST", path: "/api/orders", json: { qty: 1 } },
      answer: { status: 201, fields: [["Location", "/api/orders/7"]], json: { id: 7 } },
      times: 1,
    });
    const response = await post(server, "/api/orders", { qty: 1, name: "x" });
    expect([response.status, response.headers.get("location"), response.headers.get("content-type")]).toEqual([
      201,
      "/api/orders/7",
      "application/json",
    ]);
    expect(await response.json()).toEqual({ id: 7 });
    expect((await post(server, "/api/orders", { qty: 1 })).status).not.toBe(201);
    expect(server.stubs()).toMatchObject([{ id, matched: 1, applied: 1, left: 0 }]);
    expect(server.requests({ json: { name: "x" } })).toMatchObject([
      { status: 201, stub: "s1", body: { text: '{"qty":1,"name":"x"}', isWhole: true } },
    ]);
    expect(
      server.verify({ match: { method: "POST", path: "/api/orders", json: { qty: 1 } }, atLeast: 1 }).verified,
    ).toBe(true);
  });

  test("by query stands beside a file and a stub of a folder", async () => {
    await using server = await start();
    server.stub({ match: { path: "/api/a", query: { page: "2" } }, answer: { text: "page 2" } });
    expect(await text(server, "/api/a?page=2")).toBe("200 page 2");
    expect(await text(server, "/api/a?page=1")).toBe("200 a file");
  });

  test("answers HEAD as GET, and names its methods", async () => {
    await using server = await start();
    server.stub({ match: { method: "GET", path: "/api/b" }, answer: { text: "hello" } });
    const head = await fetch(`${server.url}/api/b`, { method: "HEAD", headers: { Connection: "close" } });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "5"]);
    const refused = await fetch(`${server.url}/api/b`, { method: "PUT", headers: { Connection: "close" } });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });

  test("is spoiled by a fault as a file is", async () => {
    await using server = await start();
    server.stub({ match: { path: "/api/b" }, answer: { text: "x".repeat(10_000) } });
    server.fault("GET /api/b truncate after=100");
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /api/b"));
    await client.left();
    expect(client.text.length - client.text.indexOf("\r\n\r\n") - 4).toBe(100);
  });

  test("of the type of a stream is sent as one, and cut after an event", async () => {
    await using server = await start();
    const fields = [["Content-Type", "text/event-stream"]] as const;
    server.stub({ match: { path: "/events" }, answer: { fields, text: "data: 1\n\ndata: 2\n\ndata: 3\n\n" } });
    const whole = await fetch(`${server.url}/events`, { headers: { Connection: "close" } });
    expect([whole.headers.get("transfer-encoding"), await whole.text()]).toEqual([
      "chunked",
      "data: 1\n\ndata: 2\n\ndata: 3\n\n",
    ]);
    server.fault("GET /events truncate events=2");
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /events"));
    await client.left();
    expect(client.text).toContain("data: 2");
    expect(client.text).not.toContain("data: 3");
  });

  test("is gone after a removal and after a reset", async () => {
    await using server = await start();
    const id = server.stub({ match: { path: "/x" }, answer: {} });
    expect(server.removeStub(id)).toBe(true);
    expect(server.removeStub(id)).toBe(false);
    server.stub({ match: { path: "/x" }, answer: {} });
    server.reset();
    expect(server.stubs()).toEqual([]);
    expect(await text(server, "/x")).toStartWith("404");
  });

  test("that is none says so", async () => {
    await using server = await start();
    expect(() => server.stub({ match: { path: "/a?b" }, answer: {} })).toThrow(
      "match.path: a path has no query; use query",
    );
    expect(() => server.stub({ answer: { status: 100 } })).toThrow("answer.status");
  });
});

describe("a function", () => {
  test("answers from the request", async () => {
    await using server = await start();
    server.stub({
      match: { path: "/sum" },
      answer: async ({ json }) => ({ json: (json() as number[]).reduce((sum, each) => sum + each, 0) }),
    });
    expect(await (await post(server, "/sum", [1, 2, 3])).json()).toBe(6);
  });

  test("may use the fixture, also in a way that takes turns of connections", async () => {
    await using server = await start();
    server.stub({
      match: { path: "/reset" },
      answer: () => {
        server.forgetRequests();
        server.closeIdle();
        return { json: server.stubs().length };
      },
    });
    expect(await text(server, "/reset")).toBe("200 1");
  });

  test("that throws is a 500, in the log and in the journal with its reason", async () => {
    const told: unknown[] = [];
    const log: ServerLog = { access: null, info() {}, detail: null, warn() {}, error: (_, error) => told.push(error) };
    await using server = await start({ log });
    server.stub({
      match: { path: "/x" },
      answer: () => {
        throw new Error("boom");
      },
    });
    expect(await text(server, "/x")).toStartWith("500");
    expect(String(told[0])).toContain("stub s1: the function failed: boom");
    expect(server.unmatched()).toMatchObject([{ status: 500, failure: "stub s1: the function failed: boom" }]);
  });

  test("that never answers does not delay the end of the server", async () => {
    const server = await start();
    server.stub({ answer: () => new Promise(() => {}) });
    const answer = text(server, "/x").catch(() => "gone");
    await until(() => server.connections().open.some(({ state }) => state === "working"), "the request");
    await server[Symbol.asyncDispose]();
    expect(await answer).toBe("gone");
  });

  test("that never answers gives its slot back when the client goes, with FIN or with RST", async () => {
    const clock = new ManualClock();
    await using server = await start({ threads: 1, queue: 0, clock });
    server.stub({ match: { path: "/hang" }, answer: () => new Promise(() => {}) });
    for (const leave of ["reset", "close"] as const) {
      const client = await RawClient.connect(server.port);
      client.send(request(server.port, "GET /hang"));
      await until(() => server.connections().open.some(({ state }) => state === "working"), "the request");
      expect(await text(server, "/")).toStartWith("503");
      if (leave === "reset") client.reset();
      else client[Symbol.dispose]();
      await until(() => {
        clock.advance(1000);
        return server.connections().open.length === 0;
      }, "the end of the connection");
      expect(await text(server, "/")).toBe("200 the page");
    }
  });

  test("that has not answered at a reset is 503", async () => {
    await using server = await start();
    server.stub({ answer: () => new Promise(() => {}) });
    const answer = text(server, "/x");
    await until(() => server.connections().open.some(({ state }) => state === "working"), "the request");
    server.reset();
    expect(await answer).toStartWith("503");
  });
});

describe("over the endpoints", () => {
  test("stubs are added, listed and removed, one by one and all", async () => {
    await using server = await start();
    const ask = async (method: string, path: string, content?: object) => {
      const headers = { "Content-Type": "application/json", Accept: "application/json", Connection: "close" };
      const body = content === undefined ? {} : { body: JSON.stringify(content) };
      const response = await fetch(`${server.url}/__server/${path}`, { method, headers, ...body });
      return [response.status, await response.json()] as const;
    };
    const order = { match: { method: "GET", path: "/api/b" }, answer: { status: 200, json: [] }, times: 1 };
    expect(await ask("POST", "stubs", order)).toEqual([201, { id: "s1" }]);
    expect(await text(server, "/api/b")).toBe("200 []");
    const [, listed] = await ask("GET", "stubs");
    expect(listed).toMatchObject({
      stubs: [{ id: "s1", ...order, answer: { json: [] }, matched: 1, applied: 1, left: 0 }],
    });
    expect(await ask("GET", "stubs/s1")).toMatchObject([200, { id: "s1" }]);
    expect(await ask("POST", "stubs", { answer: { text: "x".repeat(900_000) } })).toEqual([201, { id: "s2" }]);
    expect(JSON.stringify(await ask("GET", "stubs/s2")).length).toBeLessThan(1000);
    expect(await ask("DELETE", "stubs/s1")).toEqual([200, { removed: 1 }]);
    expect(await ask("DELETE", "stubs/s1")).toMatchObject([404, {}]);
    expect(await ask("DELETE", "stubs")).toEqual([200, { removed: 1 }]);
    expect(await ask("POST", "stubs", { answer: { json: 1, text: "" } })).toMatchObject([
      400,
      { message: "answer: expected one content, got json and text" },
    ]);
    expect((await ask("POST", "stubs", { answer: { text: "x".repeat(1 << 20) } }))[0]).toBe(413);
  });
});
