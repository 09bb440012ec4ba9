/** A fixture server as a test in this process drives it. */
import { describe, expect, test } from "bun:test";
import { type FixtureServer, ManualClock, type StartOptions, startServer } from "../../src/index.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";

const FILES = { "/a.txt": "hello", "/b.bin": new Uint8Array(100_000).fill(7) };

function start(options: StartOptions = {}): Promise<FixtureServer> {
  return startServer({ files: FILES, ...options, fixture: true });
}

/** Status and text, or the error's code, on a connection of its own. */
async function get(server: FixtureServer, path: string): Promise<string> {
  try {
    const response = await fetch(server.url + path, { headers: { Connection: "close" } });
    return `${response.status} ${await response.text()}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

function upload(server: FixtureServer, content: string): Promise<Response> {
  const headers = { "Content-Type": "application/json", Connection: "close" };
  return fetch(`${server.url}/upload`, { method: "POST", headers, body: content });
}

describe("faults", () => {
  test("make the first two requests fail and the third succeed", async () => {
    await using server = await start();
    server.fault("GET /a.txt status=503 times=2");
    const seen = [await get(server, "/a.txt"), await get(server, "/a.txt"), await get(server, "/a.txt")];
    expect(seen.map((answer) => answer.slice(0, 3))).toEqual(["503", "503", "200"]);
    expect(server.requests({ path: "/a.txt" }).map(({ status, fault }) => [status, fault])).toEqual([
      [503, "status"],
      [503, "status"],
      [200, null],
    ]);
    expect(server.unmatched()).toEqual([]);
  });

  test("cut a file to the byte, as an object says", async () => {
    await using server = await start();
    server.fault("GET /b.bin", { fault: "reset", after: 4096, delay: "10ms" });
    using client = await RawClient.connect(server.port);
    client.send(request(server.port, "GET /b.bin"));
    expect(await client.left()).toBe("reset");
    expect(client.text.length - client.text.indexOf("\r\n\r\n") - 4).toBe(4096);
    expect(server.requests()).toMatchObject([{ status: 200, fault: "reset", bytes: 4096, close: "fault" }]);
  });

  test("may be for a query, which the path cannot have", async () => {
    await using server = await start();
    server.fault("GET /a.txt", { query: { page: "2" }, status: 503 });
    const seen = [await get(server, "/a.txt?page=2"), await get(server, "/a.txt"), await get(server, "/a.txt?page=3")];
    expect(seen.map((answer) => answer.slice(0, 3))).toEqual(["503", "200", "200"]);
  });

  test("are taken back", async () => {
    await using server = await start();
    const id = server.fault("* /** empty");
    expect(server.removeFault(id)).toBe(true);
    expect(server.removeFault(id)).toBe(false);
    expect(await get(server, "/a.txt")).toBe("200 hello");
  });

  test.each<[rule: string, more: object | undefined]>([
    ["GET /a.txt explode", undefined],
    ["GET", undefined],
    ["GET /a.txt reset after=-1", undefined],
    ["GET /a.txt reset", { after: 1 }],
    ["GET /a.txt", { fault: "reset", afterwards: 1 }],
    ["GET", { fault: "reset" }],
  ])("that are none say so: %p %p", async (rule, more) => {
    await using server = await start();
    expect(() => server.fault(rule, more)).toThrow(RangeError);
  });

  test("that hang hold nobody up at the end", async () => {
    const server = await start();
    server.fault("GET /a.txt hang");
    const answer = get(server, "/a.txt");
    await until(() => server.connections().open.some(({ state }) => state === "sending"), "the request");
    await server[Symbol.asyncDispose]();
    expect(await answer).toMatch(/^[A-Z]/); // An error, and no answer.
  });
});

test("requests are waited for, verified, and told with what they brought", async () => {
  await using server = await start();
  const waited = server.waitForRequests({ path: "/upload" }, 2);
  await upload(server, '{"n":1}');
  await upload(server, '{"n":2}');
  const { requests, isComplete } = await waited;
  expect([requests.length, isComplete]).toEqual([2, true]);
  expect(requests[0]?.body).toMatchObject({ bytes: 7, text: '{"n":1}', isWhole: true });
  expect(server.requests({ json: { n: 2 } })).toMatchObject([{ body: { text: '{"n":2}' } }]);
  expect(() => server.requests({ pth: "/a" } as object)).toThrow('unknown member "pth"');
  expect(() => server.verify({ atMots: 1 } as object)).toThrow('unknown member "atMots"');
  expect(() => server.verify({ match: { query: { a: 1 } as unknown as Record<string, string> } })).toThrow(
    "match.query.a: expected text, got 1",
  );
  expect(() => server.verify({ count: 1, atMost: 2 })).toThrow('"count" stands alone');
  expect(server.uploads()).toHaveLength(2);
  expect(server.verify({ match: { method: "POST" }, count: 2 }).verified).toBe(true);
  expect(server.verify({ match: { path: "/a.txt" } }).verified).toBe(false);
  expect((await get(server, "/none")).slice(0, 3)).toBe("404");
  expect(server.unmatched().map(({ path }) => path)).toEqual(["/none"]);
});

test("a full pool and queue are had on demand, and given back", async () => {
  await using server = await start({ threads: 2, queue: 0 });
  server.hold(2);
  expect((await get(server, "/a.txt")).slice(0, 3)).toBe("503");
  expect(server.release()).toBe(2);
  expect(await get(server, "/a.txt")).toBe("200 hello");
  expect(() => server.hold(3)).toThrow(RangeError);
});

test("after a reset it is as after its start", async () => {
  await using server = await start({ threads: 1, queue: 0 });
  server.fault("GET /a.txt hang");
  server.fault("GET /b.bin status=500");
  await upload(server, "{}");
  const hanging = get(server, "/a.txt");
  await until(() => server.connections().open.some(({ state }) => state === "sending"), "the answer to be under way");
  server.reset();
  expect(await hanging).toMatch(/^[A-Z]/);
  expect([server.requests(), server.uploads()]).toEqual([[], []]);
  expect((await get(server, "/b.bin")).slice(0, 3)).toBe("200");
});

test("by a clock moved by hand, an idle connection closes after 30 s and a slow answer comes when it is due", async () => {
  const clock = new ManualClock();
  await using server = await start({ clock });
  server.fault("GET /b.bin", { delay: "20s" });
  using idle = await RawClient.connect(server.port);
  using slow = await RawClient.connect(server.port);
  await idle.send(request(server.port, "GET /a.txt")).answer();
  slow.send(request(server.port, "GET /b.bin"));
  await until(() => server.connections().open.some(({ state }) => state === "sending"), "the answer to be under way");
  clock.advance(19_999);
  await get(server, "/a.txt");
  expect(slow.receivedBytes).toBe(0);
  clock.advance(1);
  expect((await slow.answer()).status).toBe(200);
  clock.advance(11_000);
  expect(await idle.left()).toBe("fin");
});
