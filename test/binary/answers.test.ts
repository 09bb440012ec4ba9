/**
 * The compiled file's answers as clients outside see them: fields on every answer, own error pages, passwords by curl; pages
 * of one origin that read and upload at another by headless Chromium, which is who enforces CORS.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { type Binary, BUILD_MS, buildBinary, curl, curlStatus, Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser } from "../support/page.ts";
import { until } from "../support/waiting.ts";

let binary: Binary;
/** The programs' working directory: the sample site, and `uploads`, which they share. */
let folder = "";

beforeAll(async () => {
  binary = await buildBinary();
  folder = mkdtempSync(join(tmpdir(), "answers-"));
  cpSync(join(import.meta.dir, "..", "..", "resources"), join(folder, "resources"), { recursive: true });
}, BUILD_MS);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  binary[Symbol.dispose]();
});

function start(...words: readonly string[]): Promise<Program> {
  return Program.start([binary.path, "--port", "0", ...words], { cwd: folder });
}

/** The head that curl got, and how often each field is in it, by name in lower case. */
async function headOf(...words: readonly string[]): Promise<{ status: string; fields: ReadonlyMap<string, string[]> }> {
  const { stdout } = await curl("--dump-header", "-", "--output", "/dev/null", ...words);
  const [statusLine = "", ...lines] = stdout.trimEnd().split("\r\n");
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(": ");
    const name = line.slice(0, colon).toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 2)]);
  }
  return { status: statusLine.split(" ")[1] ?? "", fields };
}

needs("curl").describe("curl", () => {
  test("the operator's fields, the preset and CORS stand once on every kind of answer", async () => {
    await using server = await start("--header", "X-Team: a, b", "--security-headers", "--cors=*");
    const { url } = server;
    const etag = (await headOf(url)).fields.get("etag")?.[0] ?? "";
    const cases: readonly [status: string, words: readonly string[]][] = [
      ["200", [url]],
      ["200", ["--head", url]],
      ["206", ["--range", "0-1", url]],
      ["304", ["--header", `If-None-Match: ${etag}`, url]],
      ["404", [`${url}/none`]],
      ["405", ["--request", "PUT", url]],
      ["204", ["--request", "OPTIONS", url]],
      ["403", ["--header", "Host: evil.test", url]],
      ["400", ["--header", "Host: a b", url]],
      ["411", ["--request", "POST", `${url}/upload`]],
      ["201", ["--header", "Content-Type: application/json", "--data", "{}", `${url}/upload`]],
    ];
    for (const [expected, words] of cases) {
      const { status, fields } = await headOf(...words);
      expect([words, status]).toEqual([words, expected]);
      expect(fields.get("x-team")).toEqual(["a, b"]);
      expect(fields.get("content-security-policy")).toEqual(["frame-ancestors 'self'"]);
      expect(fields.get("x-frame-options")).toEqual(["SAMEORIGIN"]);
      expect(fields.get("access-control-allow-origin")).toEqual(["*"]);
      expect(fields.get("connection")).toHaveLength(1);
      expect(fields.get("date")).toHaveLength(1);
    }
  });

  test("an answer to whom is turned away above a cap has them too", async () => {
    await using server = await start("--header", "X-Team: a", "--max-connections-per-address", "1");
    const held = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data() {} } });
    try {
      const { status, fields } = await headOf(server.url);
      expect([status, fields.get("x-team")]).toEqual(["503", ["a"]]);
    } finally {
      held.terminate();
    }
  });

  test("an own page for an error keeps the status, and programs get JSON", async () => {
    const page = join(folder, "missing.html");
    writeFileSync(page, "<title>Lost</title>");
    await using server = await start("--error-page", `404=${page}`);
    expect((await curl("--write-out", " %{http_code} %{content_type}", `${server.url}/none`)).stdout).toBe(
      "<title>Lost</title> 404 text/html; charset=utf-8",
    );
    const json = await curl("--header", "Accept: application/json", `${server.url}/none`);
    expect(JSON.parse(json.stdout)).toMatchObject({ code: 404 });
  });

  test("a hash that the program made lets its password in, from a file of users, and no other", async () => {
    const made = await run(["sh", "-c", `printf 'pass: ö\\n' | "$0" hash-password ann`, binary.path], { cwd: folder });
    expect(made).toMatchObject({ code: 0, stderr: "" });
    writeFileSync(join(folder, "users"), `# users\n${made.stdout}`);
    await using server = await start("--basic-auth", "@users");
    const { status, fields } = await headOf(server.url);
    expect([status, fields.get("www-authenticate")]).toEqual(["401", ['Basic realm="httpserver", charset="UTF-8"']]);
    for (const [user, expected] of [
      ["ann:pass: ö", "200"],
      ["ann:pass: ö", "200"],
      ["ann:wrong", "401"],
      ["eve:pass: ö", "401"],
    ] as const) {
      expect([user, await curlStatus("--user", user, server.url)]).toEqual([user, expected]);
    }
    for (const line of ["Security: wrong password for ann", "Security: credentials of an unknown user"]) {
      await until(() => server.stderr.includes(line), line);
    }
    expect(server.stderr.replaceAll("wrong password", "")).not.toMatch(/wrong|eve|pass/);
    const upload = ["--header", "Content-Type: application/json", "--data", "{}", `${server.url}/upload`];
    expect(await curlStatus(...upload)).toBe("401");
    expect(await curlStatus("--user", "ann:pass: ö", ...upload)).toBe("201");
  });

  test("a flood of wrong passwords holds up nobody who is in", async () => {
    const hash = await Bun.password.hash("x", { algorithm: "bcrypt", cost: 8 });
    await using server = await start("--basic-auth", `ann:${hash}`, "--threads", "4");
    expect(await curlStatus("--user", "ann:x", server.url)).toBe("200");
    const guesses = Array.from({ length: 200 }, (_, i) => Buffer.from(`ann:${i}`).toString("base64"));
    const flood = guesses.map((token) => fetch(server.url, { headers: { Authorization: `Basic ${token}` } }));
    const token = Buffer.from("ann:x").toString("base64");
    for (let i = 0; i < 10; i++) {
      expect((await fetch(server.url, { headers: { Authorization: `Basic ${token}` } })).status).toBe(200);
    }
    const statuses = new Set((await Promise.all(flood)).map((response) => response.status));
    expect([...statuses].sort()).toEqual([401, 503]);
  }, 20_000);
});

needs(CHROMIUM).describe(CHROMIUM, () => {
  let browser: Browser;
  let page: Page;
  /** The page comes from `home`; the others answer it: to nobody else, to everybody, to it by name. */
  let home: Program;
  let closed: Program;
  let open: Program;
  let named: Program;

  beforeAll(async () => {
    home = await start();
    [closed, open, named, browser] = await Promise.all([
      start(),
      start("--cors=*"),
      start("--cors", home.url, "--header", "X-Team: a"),
      launchBrowser(),
    ]);
    page = await browser.newPage();
    await page.goto(`${home.url}/about.html`);
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    for (const server of [home, closed, open, named]) await server[Symbol.asyncDispose]();
  });

  /** What the page got: status and some fields that it may see, or "blocked". */
  function fetched(url: string, init: object = {}): Promise<unknown> {
    return page.evaluate<unknown>(`
      fetch(${JSON.stringify(url)}, ${JSON.stringify(init)}).then(
        (answer) => [answer.status, answer.headers.has("etag"), answer.headers.get("content-range"), answer.headers.get("x-team")],
        () => "blocked")`);
  }

  const json = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };

  test("a page from elsewhere reads nothing and uploads nothing without --cors", async () => {
    const before = readdirSync(join(folder, "uploads")).length;
    expect(await fetched(`${closed.url}/index.html`)).toBe("blocked");
    expect(await fetched(`${closed.url}/upload`, json)).toBe("blocked");
    // What a page may send without a preflight is no upload.
    expect(await fetched(`${closed.url}/upload`, { method: "POST", mode: "no-cors", body: "{}" })).toEqual([
      0,
      false,
      null,
      null,
    ]);
    expect(readdirSync(join(folder, "uploads"))).toHaveLength(before);
  });

  for (const [how, server, team] of [
    ["everybody's", () => open, null],
    ["its own by name", () => named, "a"],
  ] as const) {
    test(`a page reads files, their fields and ranges, and uploads, where the origin is ${how}`, async () => {
      expect(await fetched(`${server().url}/index.html`)).toEqual([200, true, null, team]);
      const range = { headers: { Range: "bytes=0-9", "If-None-Match": '"x"' } };
      const [status, hasTag, contentRange] = (await fetched(`${server().url}/index.html`, range)) as unknown[];
      expect([status, hasTag, contentRange]).toEqual([206, true, expect.stringMatching(/^bytes 0-9\//)]);
      expect(await fetched(`${server().url}/none`)).toEqual([404, false, null, team]);
      expect(await fetched(`${server().url}/upload`, json)).toEqual([201, false, null, team]);
      // Nobody is allowed what the browser keeps.
      expect(await fetched(`${server().url}/index.html`, { credentials: "include" })).toBe("blocked");
    });
  }

  test("a page of another origin orders no faults and reads no endpoint of a fixture, and a page of its own does", async () => {
    await using fixture = await start("--fixture", "--cors=*");
    const order = { headers: { "X-Fixture": "status=599" } };
    const journal = "__server/requests";
    // One origin differs by its port alone, which is another origin of the same site; the other is another site.
    for (const url of [fixture.url, fixture.url.replace("127.0.0.1", "localhost")]) {
      expect(await fetched(`${url}/index.html`, order)).toEqual([403, false, null, null]);
      expect(await fetched(`${url}/index.html`)).toEqual([200, true, null, null]);
      expect(await fetched(`${url}/${journal}`)).toEqual([403, false, null, null]);
    }
    const own = await browser.newPage();
    await own.goto(`${fixture.url}/about.html`);
    const ask = (path: string, init: object = {}) =>
      own.evaluate<unknown>(`fetch("/${path}", ${JSON.stringify(init)}).then((a) => a.status, () => "blocked")`);
    expect([await ask("index.html", order), await ask(journal)]).toEqual([599, 200]);
    expect(await ask(journal, { method: "DELETE" })).toBe(403);
    await own.close();
  });

  test("a page of an origin that is not named is told nothing", async () => {
    const stranger = await browser.newPage();
    await stranger.goto(`${closed.url}/about.html`);
    const read = `fetch(${JSON.stringify(`${named.url}/index.html`)}).then((a) => a.status, () => "blocked")`;
    expect(await stranger.evaluate<unknown>(read)).toBe("blocked");
    await stranger.close();
  });
});
