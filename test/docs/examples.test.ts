/** Requests and outputs that the documents show are tried: a server answers them as the page says, in the page's words. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readyLine } from "../../src/cli/announce.ts";
import { startServer } from "../../src/index.ts";
import { type AccessEntry, AccessLog } from "../../src/server/access-log.ts";
import { settingTable } from "../../src/settings/resolve.ts";
import { codeSpans, commandsIn, programsIn, read, TOP } from "./documents.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "examples-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A request in the words of curl. */
interface Asked {
  readonly path: string;
  readonly init: RequestInit;
}

test("docs/fixture.md asks endpoints that answer", async () => {
  const asked = commandsIn(read("docs/fixture.md"))
    .flatMap(programsIn)
    .flatMap(curlOf)
    .filter(({ path }) => path.startsWith("/__server/"));
  expect(asked.length).toBeGreaterThan(4);
  await using server = await startServer({ root: join(TOP, "examples/fixtures"), fixture: true });
  for (const { path, init } of asked) {
    const { status } = await fetch(server.url + path, init);
    // 409: a verification says that no such request came, because none did.
    expect({ path, isFine: status < 300 || status === 409 }).toEqual({ path, isFine: true });
    server.release();
  }
});

test("docs/httpbin.md lists paths that answer", async () => {
  const [listed = ""] = read("docs/httpbin.md").split("## Moving from");
  const rows = listed.match(/^\| `\/.*$/gm) ?? [];
  const paths = rows.flatMap((row) => codeSpans(row.split(" | ")[0] ?? "").filter((span) => span.startsWith("/")));
  expect(paths.length).toBeGreaterThan(25);
  await using server = await startServer({ httpbin: "/" });
  const quick = (path: string) =>
    path
      .replace("/…", "/x")
      .replace("url=…", "url=/get")
      .replace(/\b(?:2|300ms)$/, "10ms")
      .replace(/(duration|delay)=\ds/g, "$1=10ms");
  for (const path of paths.map(quick)) {
    const method = /^\/(post|put|patch|delete)$/.exec(path)?.[1]?.toUpperCase() ?? "GET";
    const { status } = await fetch(server.url + path, { method, redirect: "manual" });
    const isKnown = (status !== 404 || path === "/status/404") && status !== 405 && status < 500;
    expect({ path, status: isKnown ? "known" : status }).toEqual({ path, status: "known" });
  }
});

test("docs/uploads.md uploads a file in both ways", async () => {
  await using server = await startServer({ files: {}, uploads: join(folder, "inbox"), uploadAny: true, listing: true });
  const put = await fetch(`${server.url}/uploads/film.mkv`, { method: "PUT", body: "film" });
  expect([put.status, put.headers.get("location")]).toEqual([201, "/uploads/film.mkv"]);
  const report = (await put.json()) as object;
  const [, listed = ""] = /report in JSON: (.+?) \|/.exec(read("docs/uploads.md")) ?? [];
  for (const member of codeSpans(listed)) expect(Object.keys(report)).toContain(member);
  const form = new FormData();
  form.append("file", new File(["film"], "other.mkv"));
  expect((await fetch(`${server.url}/uploads/`, { method: "POST", body: form })).status).toBe(201);
  expect((await fetch(`${server.url}/uploads/film.mkv`, { method: "PUT", body: "film" })).status).toBe(409);
});

describe("docs/operating.md", () => {
  const ENTRY: AccessEntry = {
    wallMs: new Date(2026, 2, 15, 10, 30, 15, 679).getTime(),
    slot: 3,
    peer: "127.0.0.1:50000",
    requestLine: "GET / HTTP/1.1",
    protocol: "1.1",
    stream: 0,
    host: "ok",
    status: 200,
    bytes: 1042,
    transfer: "html",
    durationMs: 0.43,
    persistent: true,
    referer: null,
    userAgent: null,
    fault: null,
    stub: null,
  };
  const rows = new Map(
    Array.from(read("docs/operating.md").matchAll(/^\| `(\w+)` \| `([^`]+)`/gm), ([, name = "", line = ""]) => [
      name,
      line,
    ]),
  );

  test.each(settingTable.logFormat.choices.filter((name) => name !== "auto" && name !== "combined"))(
    "shows a line of the format %s",
    (format) => {
      const lines: string[] = [];
      new AccessLog(format, { write: (text: string) => void lines.push(text) }, null).write(ENTRY);
      const zoneless = (text: string) =>
        text
          .trimEnd()
          .replace(/ [+-]\d{4}\]/, " ZONE]")
          .replace(/"time":"[^"]*"/, '"time"');
      const line = zoneless(lines.join(""));
      const shown = zoneless(rows.get(format) ?? "");
      if (format === "json") {
        const members = (text: string) => Array.from(text.matchAll(/"(\w+)"(?=[:,])/g), ([, name]) => name);
        expect(members(line).filter((name) => name !== "ok" && name !== "html")).toEqual(
          members(shown).filter((name) => name !== "ok" && name !== "html"),
        );
      } else expect(line).toBe(shown);
    },
  );
});

test("docs/ci.md shows the ready line, as text and as JSON", () => {
  const spans = codeSpans(read("docs/ci.md"));
  const listening = {
    url: "http://127.0.0.1:8080",
    urls: ["http://127.0.0.1:8080"],
    port: 8080,
    redirectUrl: null,
    certificate: null,
    takesUploads: true,
  };
  const shape = (text: string) =>
    text
      .trim()
      .replace(/pid=\d+|"pid":\d+/, "pid")
      .replace(/"urls":\[[^\]]*\]/, "urls")
      .replace(/"version":"[^"]*"/, "version");
  for (const format of ["text", "json"] as const) {
    const line = shape(readyLine(format, listening as Parameters<typeof readyLine>[1]));
    expect(spans.map(shape)).toContain(line);
  }
});

/** Reads the words of curl: a URL of port 8080, a method, JSON. */
function curlOf(words: readonly string[]): Asked[] {
  const [program, ...rest] = words;
  const url = rest.find((word) => /^(?:http:\/\/)?(?:localhost|127\.0\.0\.1):8080/.test(word));
  if (program !== "curl" || url === undefined || rest.some((word) => /\$|^-(?:T|F|-limit-rate)$/.test(word))) return [];
  const after = (flag: string) => (rest.includes(flag) ? rest[rest.indexOf(flag) + 1] : undefined);
  const json = after("--json");
  const method = after("-X") ?? (json === undefined ? "GET" : "POST");
  const init =
    json === undefined ? { method } : { method, body: json, headers: { "Content-Type": "application/json" } };
  return [{ path: url.replace(/^(?:http:\/\/)?[^/]+/, ""), init }];
}
