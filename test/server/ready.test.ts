/** What test runners rely on when they wait for `/__server/ready`: wait-on by HEAD, Playwright and start-server-and-test by GET. */
import { describe, expect, test } from "bun:test";
import {
  type AccessEntry,
  ManualClock,
  type RunningServer,
  type ServerLog,
  type StartOptions,
  startServer,
} from "../../src/index.ts";
import { RawClient, request } from "../support/raw-client.ts";

/** Bytes of content that no answer exceeds. */
const CONTENT_BYTES_MAX = 200;

const READY = "/__server/ready";

for (const flag of ["fixture", "status"] as const) {
  describe(`with --${flag}`, () => {
    const options: StartOptions = { files: { "/large.bin": new Uint8Array(64 * 1024 * 1024) }, [flag]: true };

    test("GET is exactly 200 and small, HEAD is the same head, and neither is in the log", async () => {
      const logged: AccessEntry[] = [];
      await using server = await startServer({ ...options, clock: new ManualClock(), log: logTo(logged) });
      using client = await RawClient.connect(server.port);
      const got = await client.send(request(server.port, `GET ${READY}`)).answer();
      expect(got.status).toBe(200);
      expect(got.body.length).toBeLessThanOrEqual(CONTENT_BYTES_MAX);
      expect(JSON.parse(got.text)).toMatchObject({ status: "ready", instance: expect.any(String) });
      const seen = await client.send(request(server.port, `HEAD ${READY}`)).answer("HEAD");
      expect(seen.head).toBe(got.head.replace(/max=\d+/, (text) => `max=${Number(text.slice(4)) - 1}`));
      expect(client.text).toBe("");
      await client.send(request(server.port, "GET /missing")).answer();
      expect(logged.map(({ requestLine }) => requestLine)).toEqual(["GET /missing HTTP/1.1"]);
    });

    test("it is another server when its instance is another one", async () => {
      await using first = await startServer(options);
      await using second = await startServer(options);
      const instanceOf = async ({ url }: RunningServer) =>
        ((await (await fetch(url + READY)).json()) as { instance: string }).instance;
      const instances = [await instanceOf(first), await instanceOf(first), await instanceOf(second)];
      expect(new Set(instances).size).toBe(2);
    });

    test("a full pool does not keep it from its answer", async () => {
      await using server = await startServer({ ...options, threads: 1, queue: 0 });
      using slow = await RawClient.connect(server.port, { onlyCount: true });
      slow.send(request(server.port, "GET /large.bin"));
      await slow.received(1);
      slow.pause();
      using client = await RawClient.connect(server.port);
      expect((await client.send(request(server.port, `GET ${READY}`)).answer()).status).toBe(200);
      expect((await client.send(request(server.port, `HEAD ${READY}`)).answer("HEAD")).status).toBe(200);
      expect((await client.send(request(server.port, "GET /large.bin")).answer()).status).toBe(503);
    });

    test("a server that drains says so with 503", async () => {
      await using server = await startServer(options);
      using client = await RawClient.connect(server.port);
      expect((await client.send(request(server.port, `GET ${READY}`)).answer()).status).toBe(200);
      const stopped = server.stop({ graceMs: 1000, timeoutMs: 1000 });
      const answer = await client.send(request(server.port, `GET ${READY}`)).answer();
      expect(answer.status).toBe(503);
      expect(JSON.parse(answer.text)).toMatchObject({ status: "draining" });
      await stopped;
    });
  });
}

test("without either flag it is a file that is not there, so that any answer means that the server listens", async () => {
  await using server = await startServer({ files: {} });
  using client = await RawClient.connect(server.port);
  expect((await client.send(request(server.port, `GET ${READY}`)).answer()).status).toBe(404);
});

function logTo(entries: AccessEntry[]): ServerLog {
  return {
    access: (entry) => void entries.push(entry),
    info() {},
    detail: null,
    warn() {},
    error() {},
  };
}
