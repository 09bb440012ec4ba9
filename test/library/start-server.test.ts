/** The library's door as a test suite uses it: in memory, in parallel, and gone without a trace. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock, OptionsError, StartError, startServer } from "../../src/index.ts";
import { openDescriptors } from "../support/descriptors.ts";
import { RawClient, request } from "../support/raw-client.ts";

/** Where this file's servers make their folders, and nobody else does. */
let folder = "";
const { TMPDIR } = process.env;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "library-"));
  process.env["TMPDIR"] = folder;
});

afterAll(() => {
  if (TMPDIR === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = TMPDIR;
  rmSync(folder, { recursive: true });
});

function temporaryFolders(): string[] {
  return readdirSync(folder);
}

/** Fetches without keeping the connection, which would be this process's own. */
function get(url: string): Promise<Response> {
  return fetch(url, { headers: { Connection: "close" } });
}

describe("files from memory", () => {
  test("are served as files of a folder are", async () => {
    await using server = await startServer({
      files: { "/index.html": "<p>Grüße</p>", "data/numbers.bin": new Uint8Array([0, 1, 255]) },
    });
    expect(await (await get(server.url)).text()).toBe("<p>Grüße</p>");
    const numbers = await get(`${server.url}/data/numbers.bin`);
    expect([...new Uint8Array(await numbers.arrayBuffer())]).toEqual([0, 1, 255]);
    expect(numbers.headers.get("etag")).not.toBeNull();
  });

  test("and uploads go with the server", async () => {
    const server = await startServer({ files: { "/a.txt": "a" } });
    const [name = ""] = temporaryFolders();
    const uploaded = await fetch(`${server.url}/upload`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Connection: "close" },
      body: "{}",
    });
    expect(uploaded.status).toBe(201);
    expect(readdirSync(join(folder, name, "uploads"))).toHaveLength(1);
    await server.stop();
    await server.stop();
    expect(temporaryFolders()).toEqual([]);
  });

  test.each(["", "/", "/a//b", "../a", "/a/../b", "/./a", "/a/", "a\0b", "/a\nb", "/a\x7f", "/a\\b", "/\ud800"])(
    "cannot be called %p",
    async (path) => {
      await expect(startServer({ files: { [path]: "" } })).rejects.toThrow(OptionsError);
      expect(temporaryFolders()).toEqual([]);
    },
  );

  test.each<[paths: string[]]>([[["/a", "/a/b"]], [["/a/b", "/a"]], [["/a", "a"]], [[`/${"n".repeat(256)}`]]])(
    "cannot be called %j",
    async (paths) => {
      const files = Object.fromEntries(paths.map((path) => [path, "text"]));
      const failed = startServer({ files });
      await expect(failed).rejects.toThrow(OptionsError);
      await expect(failed).rejects.toThrow(`files: the path ${JSON.stringify(paths.at(-1))} `);
      expect(temporaryFolders()).toEqual([]);
    },
  );

  test.each([1, null, {}, [1], new ArrayBuffer(1)])("cannot have %p as content", async (content) => {
    const files = { "/a": content as unknown as string };
    await expect(startServer({ files })).rejects.toThrow('files: expected text or a Uint8Array as content of "/a"');
    expect(temporaryFolders()).toEqual([]);
  });

  test("need a temporary folder that can be used", async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = join(folder, "none");
    try {
      const failed = startServer({ files: {} });
      await expect(failed).rejects.toThrow(StartError);
      await expect(failed).rejects.toThrow("the temporary folder ");
    } finally {
      process.env["TMPDIR"] = before;
    }
  });

  test("are not served together with a folder", async () => {
    await expect(startServer({ files: {}, root: "resources" })).rejects.toThrow(OptionsError);
  });
});

test("a server that cannot start leaves nothing behind", async () => {
  await using first = await startServer({ files: {} });
  const before = temporaryFolders();
  await expect(startServer({ files: {}, port: first.port })).rejects.toThrow(StartError);
  await expect(startServer({ files: {}, threads: 0 })).rejects.toThrow(OptionsError);
  expect(temporaryFolders()).toEqual(before);
});

test("a setting of the program is refused, also by its type", async () => {
  // @ts-expect-error: a log file is the program's.
  const failed = startServer({ files: {}, logFile: "access.log" });
  await expect(failed).rejects.toThrow(OptionsError);
  await expect(failed).rejects.toThrow("logFile is a setting of the httpserver program: startServer writes neither");
});

test("an idle timeout of 30 s takes no time by a clock that is moved by hand", async () => {
  const clock = new ManualClock();
  await using server = await startServer({ files: { "/a.txt": "a" }, clock });
  using client = await RawClient.connect(server.port);
  expect((await client.send(request(server.port, "GET /a.txt")).answer()).status).toBe(200);
  clock.advance(29_000);
  expect((await client.send(request(server.port, "GET /a.txt")).answer()).status).toBe(200);
  clock.advance(31_000);
  expect(await client.left()).toBe("fin");
});

test("a server whose clock stands still ends although a client keeps its side of the connection open", async () => {
  const server = await startServer({ files: { "/a.txt": "a" }, clock: new ManualClock() });
  using client = await RawClient.connect(server.port, { staysOpen: true });
  client.send(request(server.port, "GET /a.txt", "Connection: close\r\n"));
  expect((await client.answer()).status).toBe(200);
  await server.stop({ timeoutMs: 3_600_000 }); // No test lives to see it.
});

test("two hundred servers live side by side, and leave no descriptor, folder or port", async () => {
  await using warm = await startServer({ files: { "/n.txt": "warm" } });
  expect(await (await get(`${warm.url}/n.txt`)).text()).toBe("warm");
  await warm.stop();
  const descriptors = openDescriptors();
  const ports = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      await using server = await startServer({ files: { "/n.txt": `server ${i}` }, fixture: true });
      expect(await (await get(`${server.url}/n.txt`)).text()).toBe(`server ${i}`);
      return server.port;
    }),
  );
  expect(new Set(ports).size).toBeGreaterThan(1);
  expect(temporaryFolders()).toEqual([]);
  expect(openDescriptors()).toBeLessThanOrEqual(descriptors + 2);
});
