/** A server with a stub folder, on its socket. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FixtureServer, StartError, type StartOptions, startServer } from "../../src/index.ts";
import { message, StubGround } from "../handlers/stubs/folder.ts";
import { RawClient, request } from "../support/raw-client.ts";

const ground = new StubGround({
  "stubs/api/GET.http": "api",
  "stubs/api/POST.1.http": message("first", 201),
  "stubs/api/POST.2.http": message("second", 409),
  "stubs/gone/GET.http": message("", 404),
  "stubs/events/GET.http": message("data: 1\n\ndata: 2\n\n", 200, "Content-Type: text/event-stream\n"),
  "www/a.html": "a",
});
const FOLDERS = { root: ground.at("www"), uploads: "", stubs: ground.at("stubs") };
afterAll(() => ground[Symbol.dispose]());

function start(): Promise<FixtureServer> {
  return startServer({ ...FOLDERS, fixture: true });
}

async function startFailure(options: StartOptions): Promise<string> {
  try {
    await using server = await startServer(options);
    return `listens at ${server.url}`;
  } catch (error) {
    return error instanceof StartError ? error.message : String(error);
  }
}

async function post(server: { readonly url: string }, body: string | ReadableStream = "{}"): Promise<string> {
  const response = await fetch(`${server.url}/api`, { method: "POST", body });
  return `${response.status} ${await response.text()}`;
}

describe("a stub", () => {
  test("answers on a connection that stays, pipelined and in order, with and without content", async () => {
    await using server = await startServer(FOLDERS);
    using client = await RawClient.connect(server.port);
    const withContent = request(server.port, "POST /api").replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc");
    const chunked = request(server.port, "POST /api").replace(
      "\r\n\r\n",
      "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    client.send(request(server.port, "GET /api") + withContent + request(server.port, "HEAD /api") + chunked);
    const answers = [];
    for (const method of ["GET", "POST", "HEAD", "POST"]) answers.push(await client.answer(method));
    expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual([
      "200 api",
      "201 first",
      "200 ",
      "409 second",
    ]);
    expect(answers.map(({ fields }) => fields.get("connection"))).toEqual(Array(4).fill("keep-alive"));
  });

  test("of a stream is sent chunked, and in one piece to HTTP/1.0", async () => {
    await using server = await startServer(FOLDERS);
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /events").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    await client.left();
    expect(client.text).toContain("\r\nTransfer-Encoding: chunked\r\n");
    expect(client.text).not.toContain("Content-Length");
    expect(client.text).toEndWith("data: 2\n\n\r\n0\r\n\r\n");
    using old = await RawClient.connect(server.port);
    old.send(`GET /events HTTP/1.0\r\nHost: localhost:${server.port}\r\n\r\n`);
    const whole = await old.answer("GET");
    expect([whole.fields.get("content-length"), whole.text]).toEqual(["18", "data: 1\n\ndata: 2\n\n"]);
  });

  test("takes content up to the limit, and refuses more by what is announced or comes", async () => {
    await using server = await startServer({ ...FOLDERS, maxBodyBytes: 10 });
    expect(await post(server, "0123456789")).toBe("201 first");
    expect(await post(server, "0123456789a")).toStartWith("413 ");
    const pieces = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("0123456789a"));
        controller.close();
      },
    });
    expect(await post(server, pieces)).toStartWith("413 ");
    expect(await post(server)).toBe("409 second");
  });

  test("is changed by a test while the server runs", async () => {
    using own = new StubGround({ "stubs/GET.http": "old", "www/a.html": "a" });
    await using server = await startServer({ root: own.at("www"), uploads: "", stubs: own.at("stubs") });
    const get = async () => await (await fetch(server.url)).text();
    expect(await get()).toBe("old");
    own.write("stubs/GET.http", "new");
    expect(await get()).toBe("new");
  });
});

describe("in a fixture", () => {
  test("the journal names the stub and keeps the content, and a 404 of a stub is expected", async () => {
    await using server = await start();
    await post(server, '{"a":1}');
    await (await fetch(`${server.url}/gone`)).text();
    await (await fetch(`${server.url}/none`)).text();
    expect(server.requests().map(({ path, stub, status }) => [path, stub, status])).toEqual([
      ["/api", "api/POST.1.http", 201],
      ["/gone", "gone/GET.http", 404],
      ["/none", null, 404],
    ]);
    expect(server.requests()[0]?.body?.bytes).toBe(7);
    expect(server.unmatched().map(({ path }) => path)).toEqual(["/none"]);
  });

  test("a reset restarts sequences", async () => {
    await using server = await start();
    expect([await post(server), await post(server)]).toEqual(["201 first", "409 second"]);
    server.reset();
    expect(await post(server)).toBe("201 first");
  });

  test("faults apply to stubs as to files", async () => {
    await using server = await start();
    server.fault("POST /api status=503 times=1");
    expect([(await post(server)).slice(0, 3), await post(server)]).toEqual(["503", "201 first"]);
  });
});

test("numbered stubs that no request has reached are named, and none without stubs", async () => {
  await using server = await startServer(FOLDERS);
  expect(server.unreachedStubs()).toEqual([ground.at("stubs/api/POST.1.http"), ground.at("stubs/api/POST.2.http")]);
  await post(server);
  expect(server.unreachedStubs()).toEqual([ground.at("stubs/api/POST.2.http")]);
  await using plain = await startServer({ root: ground.at("www") });
  expect(plain.unreachedStubs()).toEqual([]);
});

describe("the stub folder", () => {
  test("inside the served one is never served, neither by name nor by a link nor in a listing", async () => {
    using own = new StubGround({ "secret/api/GET.http": "api", "a.html": "a" });
    mkdirSync(own.at("secret/notes"));
    writeFileSync(own.at("secret/notes/todo.txt"), "todo");
    symlinkSync(own.at("secret/notes/todo.txt"), own.at("link.txt"));
    symlinkSync("secret", own.at("folder"));
    const options = { root: own.path, uploads: "", stubs: own.at("secret"), listing: true };
    await using server = await startServer(options);
    for (const path of [
      "/secret",
      "/secret/",
      "/secret/api/GET.http",
      "/secret/notes/todo.txt",
      "/link.txt",
      "/folder/",
    ]) {
      expect([path, (await fetch(server.url + path)).status]).toEqual([path, 404]);
    }
    const names = await (await fetch(`${server.url}/`)).text();
    expect([/a\.html/, /secret/, /link\.txt/, /folder/].map((name) => name.test(names))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(await (await fetch(`${server.url}/api`)).text()).toBe("api");
  });

  test("that cannot be used is refused in one line", async () => {
    const { root } = FOLDERS;
    const cases: readonly (readonly [StartOptions, string])[] = [
      [{ root, stubs: ground.at("none") }, "does not exist; create it or choose another with --stubs <folder>"],
      [{ root, stubs: ground.at("www/a.html") }, "is not a folder; choose one with --stubs <folder>"],
      [{ root, stubs: root }, "is the served folder itself; choose another folder"],
      [{ root, stubs: ground.path }, "contains the served folder; choose another folder"],
      [{ root, stubs: ground.at("stubs"), uploads: ground.at("stubs") }, "overlap; choose two folders side by side"],
      [
        { root, stubs: ground.at("stubs"), uploads: ground.at("stubs/api") },
        "overlap; choose two folders side by side",
      ],
    ];
    for (const [options, expected] of cases) {
      const line = await startFailure(options);
      expect(line).toContain(expected);
      expect(line).not.toContain("\n");
    }
  });

  test("with a mistake does not start, and leaves no listener", async () => {
    using own = new StubGround({ "stubs/GET.http": "HTTP/1.1 200 OK\nA: 1\n" });
    const line = await startFailure({ root: FOLDERS.root, stubs: join(own.path, "stubs") });
    expect(line).toBe(`--stubs: ${own.at("stubs")}/GET.http:3: expected an empty line after the head`);
  });
});
