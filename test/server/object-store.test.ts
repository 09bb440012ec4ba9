/**
 * Uploads to an object store over sockets, with two stores of other people: their servers run in this process. Neither obeys If-None-Match,
 * so uploads by name are tried on the store in memory (test/handlers/uploads/s3) and on Ceph (tools/resilience/object-store.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFauxqs } from "fauxqs";
import S3rver from "s3rver";
import { sha256Hex } from "../../src/handlers/digest.ts";
import { type FixtureServer, OptionsError, StartError, type StartOptions, startServer } from "../../src/index.ts";
import { findTarget } from "../../src/server/object-store.ts";
import { ManualClock } from "../../src/server/time-source.ts";
import { readExposition } from "../support/exposition.ts";
import { RawUpstream } from "../support/raw-upstream.ts";
import { turns, until } from "../support/waiting.ts";

const SECRET = "S3RVER";
const VARIABLES = {
  AWS_ACCESS_KEY_ID: "S3RVER",
  AWS_SECRET_ACCESS_KEY: SECRET,
  AWS_SESSION_TOKEN: "",
  AWS_REGION: "us-east-1",
  AWS_DEFAULT_REGION: "",
  AWS_ENDPOINT_URL_S3: "",
  AWS_ENDPOINT_URL: "",
  AWS_ENDPOINT: "",
};

interface Started extends AsyncDisposable {
  readonly server: FixtureServer;
  readonly lines: string[];
}

/** Starts a server with these variables, which are as before afterwards. */
async function start(variables: Partial<typeof VARIABLES>, options: StartOptions = {}): Promise<Started> {
  const before = Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, process.env[name]]));
  const lines: string[] = [];
  const take = (line: string) => lines.push(line);
  const log = { access: null, info: take, detail: null, warn: take, error: take };
  Object.assign(process.env, VARIABLES, variables);
  try {
    const server = await startServer({ uploads: "s3://bucket/in", files: {}, log, ...options, fixture: true });
    return { server, lines, [Symbol.asyncDispose]: () => server.stop() };
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

function post(server: FixtureServer, content: string): Promise<Response> {
  return fetch(`${server.url}/upload`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: content,
  });
}

interface Store {
  readonly url: string;
  stop(): Promise<unknown>;
}

const STORES: Readonly<Record<string, () => Promise<Store>>> = {
  fauxqs: async () => {
    const store = await startFauxqs({ port: 0, logger: false });
    store.createBucket("bucket");
    return { url: store.address, stop: () => store.stop() };
  },
  s3rver: async () => {
    const directory = mkdtempSync(join(tmpdir(), "s3rver-"));
    const store = new S3rver({
      port: 0,
      address: "127.0.0.1",
      silent: true,
      directory,
      configureBuckets: [{ name: "bucket", configs: [] }],
    });
    const { port } = await store.run();
    const stop = async () => {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    };
    return { url: `http://127.0.0.1:${port}`, stop };
  },
};

describe.each(Object.keys(STORES))("with %s", (name) => {
  let store: Store;
  beforeAll(async () => {
    store = await (STORES[name] as () => Promise<Store>)();
  });
  afterAll(() => store.stop());

  test("uploads are kept, read back in whole and in part, and removed by a test", async () => {
    await using started = await start({ AWS_ENDPOINT_URL: store.url }, { serveUploads: true });
    const { server, lines } = started;
    await until(() => lines.length > 0, "the store's conditions");
    expect(lines).toEqual([
      "s3://bucket/in: the store does not obey If-None-Match; JSON uploads keep apart by 128 random bits in their names",
    ]);
    const content = JSON.stringify({ text: "x".repeat(100_000) });
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(server, content)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const kept = server.uploads();
    expect(kept).toHaveLength(20);
    expect(kept[0]).toMatchObject({ bytes: content.length, sha256: sha256Hex(content) });
    expect(kept[0]?.path).toBe(`s3://bucket/in/${kept[0]?.name}`);
    for (const { name } of kept) {
      const read = await fetch(`${server.url}/uploads/${name}`);
      expect([read.status, await read.text()]).toEqual([200, content]);
    }
    const url = `${server.url}/uploads/${kept[0]?.name}`;
    const part = await fetch(url, { headers: { Range: "bytes=8-11" } });
    expect([part.status, await part.text()]).toEqual([206, '"xxx']);
    const etag = part.headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "If-None-Match": etag } })).status).toBe(304);
    expect((await fetch(url, { method: "HEAD" })).headers.get("content-length")).toBe(String(content.length));
    expect(server.removeUploads()).toBe(20);
    await until(async () => (await fetch(url)).status === 404, "the object to be removed");
  });

  test("uploads by name are 501, because an object could be replaced", async () => {
    await using started = await start({ AWS_ENDPOINT_URL: store.url }, { uploadAny: true });
    const { server } = started;
    const answer = await fetch(`${server.url}/uploads/a`, { method: "PUT", body: "x" });
    expect(answer.status).toBe(501);
  });

  test("a bucket that does not exist is 500, and one line", async () => {
    await using started = await start({ AWS_ENDPOINT_URL: store.url }, { uploads: "s3://missing" });
    const { server, lines } = started;
    expect((await post(server, "[]")).status).toBe(500);
    expect((await post(server, "[]")).status).toBe(500);
    expect(lines).toEqual([`--uploads: ${store.url} refuses requests: it answers 404 (NoSuchBucket)`]);
  });
});

test("keys that s3rver does not know are 500, one line, and stand nowhere", async () => {
  const store = await (STORES["s3rver"] as () => Promise<Store>)();
  const variables = {
    AWS_ENDPOINT_URL: store.url,
    AWS_ACCESS_KEY_ID: "AKIAWRONG",
    AWS_SECRET_ACCESS_KEY: "WRONGSECRET",
  };
  const started = await start(variables, { status: true });
  try {
    const { server, lines } = started;
    const answer = await post(server, "[]");
    const metrics = await (await fetch(`${server.url}/__server/metrics`)).text();
    const journal = JSON.stringify(await server.requests());
    const shown = [await answer.text(), JSON.stringify([...answer.headers]), metrics, journal, ...lines].join("\n");
    expect(answer.status).toBe(500);
    expect(lines).toEqual([`--uploads: ${store.url} refuses requests: it answers 403 (InvalidAccessKeyId)`]);
    for (const secret of ["AKIAWRONG", "WRONGSECRET", "Signature="]) expect(shown).not.toContain(secret);
  } finally {
    await started.server.stop();
    await store.stop();
  }
});

test("a store that is away is a warning at the start, and 503 in time; the metrics tell", async () => {
  const clock = new ManualClock();
  const upstream = new RawUpstream();
  const { url } = upstream;
  upstream[Symbol.dispose]();
  await using started = await start({ AWS_ENDPOINT_URL: url }, { clock, status: true, uploadTimeoutMs: 3000 });
  const { server, lines } = started;
  await until(() => lines.length > 0, "the warning");
  expect(lines).toEqual([`--uploads: ${url} cannot be reached (ECONNREFUSED)`]);
  const answered = post(server, "[]");
  let isOver = false;
  answered.then(() => {
    isOver = true;
  });
  await until(async () => {
    clock.advance(500);
    await turns(2);
    return isOver;
  }, "the answer");
  const { status, headers } = await answered;
  expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
  const scrape = readExposition(await (await fetch(`${server.url}/__server/metrics`)).text());
  expect(scrape.value("httpserver_store_away")).toBe(1);
  expect(scrape.value("httpserver_store_failures_total")).toBeGreaterThan(0);
  expect(scrape.value("httpserver_store_in_flight")).toBe(0);
});

describe("the server of a bucket", () => {
  test.each<[string, Record<string, string>, string, string]>([
    ["bucket", {}, "https://bucket.s3.us-east-1.amazonaws.com", "/"],
    ["bucket", { AWS_DEFAULT_REGION: "eu-west-1" }, "https://bucket.s3.eu-west-1.amazonaws.com", "/"],
    ["bucket", { AWS_DEFAULT_REGION: "x", AWS_REGION: "eu-west-1" }, "https://bucket.s3.eu-west-1.amazonaws.com", "/"],
    ["my.bucket", {}, "https://s3.us-east-1.amazonaws.com", "/my.bucket/"],
    ["bucket", { AWS_ENDPOINT: "http://127.0.0.1:9000" }, "http://127.0.0.1:9000", "/bucket/"],
    ["bucket", { AWS_ENDPOINT_URL: "https://[::1]:9000/" }, "https://[::1]:9000", "/bucket/"],
    ["bucket", { AWS_ENDPOINT_URL: "https://bucket.r2.test" }, "https://bucket.r2.test", "/"],
    ["bucket", { AWS_ENDPOINT_URL: "https://bucketry.test" }, "https://bucketry.test", "/bucket/"],
    [
      "bucket",
      {
        AWS_ENDPOINT_URL_S3: "http://one.test",
        AWS_ENDPOINT_URL: "http://two.test",
        AWS_ENDPOINT: "http://three.test",
      },
      "http://one.test",
      "/bucket/",
    ],
  ])("%s, with %p, is %s, and keys begin with %s", (bucket, environment, url, base) => {
    expect(findTarget({ bucket, prefix: "" }, environment).target).toMatchObject({ url, base });
  });
});

describe("the start", () => {
  test.each([
    [{ AWS_ACCESS_KEY_ID: "" }, "--uploads s3://… needs AWS_ACCESS_KEY_ID in the environment"],
    [{ AWS_SECRET_ACCESS_KEY: " " }, "--uploads s3://… needs AWS_SECRET_ACCESS_KEY in the environment"],
    [
      { AWS_ACCESS_KEY_ID: "a b" },
      "AWS_ACCESS_KEY_ID cannot be used for --uploads: it has spaces or other odd characters",
    ],
    [{ AWS_REGION: "EU west" }, "AWS_REGION cannot be used for --uploads: expected a region such as us-east-1"],
    [
      { AWS_ENDPOINT_URL: "s3.test" },
      /^AWS_ENDPOINT_URL cannot be used for --uploads: expected a URL that begins with http/,
    ],
    [
      { AWS_ENDPOINT_URL_S3: "http://s3.test/path" },
      /^AWS_ENDPOINT_URL_S3 cannot be used for --uploads: expected a URL without a path/,
    ],
  ])("is refused for variables that can never work: %p", async (variables, message) => {
    const error = await start(variables).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StartError);
    const text = (error as StartError).message;
    if (typeof message === "string") expect(text).toBe(message);
    else expect(text).toMatch(message);
    expect(text).not.toContain(SECRET);
  });

  test.each(["s3://", "s3://B", "s3://bucket/a//b", "s3://bucket/../a", "s3:bucket"])(
    "is refused for %s",
    async (uploads) => {
      const error = await start({}, { uploads }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(OptionsError);
      expect((error as Error).message).toContain("expected a folder, an object store as s3://bucket/prefix, or off");
    },
  );

  test("is refused with a bound on the bytes of a store", async () => {
    const error = await start({}, { uploadAny: true, uploadsMaxBytes: 1000 }).catch((error: unknown) => error);
    expect((error as Error).message).toBe(
      "uploadsMaxBytes needs a folder for uploads: an object store has a quota of its own",
    );
  });
});
