/** The paths of uploads before an object store: what clients get, and what they read back. */
import { describe, expect, test } from "bun:test";
import { AnyUploads } from "../../../../src/handlers/uploads/any.ts";
import type { ContentSink } from "../../../../src/http/message.ts";
import { type Answer, answerOf, ask, makeRequest, makeSite, post, type Site } from "../../../support/site.ts";
import { type Ground, keep, letPass, makeGround } from "./ground.ts";

interface Shelf extends Site, Ground {}

async function makeShelf(settings: Parameters<typeof makeSite>[0] = {}, isAny = true): Promise<Shelf> {
  const ground = makeGround();
  await keep(ground, "a b.html", "0123456789");
  ground.s3.requests.length = 0;
  const uploads = { uploads: ground.store, ...(isAny ? { anyUploads: AnyUploads } : {}) };
  const site = makeSite({ serveUploads: true, listing: true, ...settings }, uploads);
  return { ...site, ...ground, lines: ground.lines, [Symbol.dispose]: () => site[Symbol.dispose]() };
}

async function put(site: Site, name: string, content: string, fields: Record<string, string> = {}): Promise<Answer> {
  const request = makeRequest(`PUT /uploads/${name}`, { "Content-Length": String(content.length), ...fields });
  const admission = site.handler.admit(request);
  if (admission.refusal !== null) return answerOf(admission.refusal);
  const answered = site.handler.respond(request, admission);
  const { sink } = admission.content as { sink: ContentSink };
  sink.write(new TextEncoder().encode(content));
  sink.ended();
  return answerOf(await answered);
}

const summary = ({ status, text }: Answer) => (status < 300 ? `${status} ${text}` : String(status));

describe("uploads", () => {
  test("get 201 as from a folder, with the place to read them back", async () => {
    using site = await makeShelf();
    const json = await post(site, '{"a":1}');
    const { filepath } = JSON.parse(json.text) as { filepath: string };
    expect([json.status, json.fields["location"]]).toEqual([201, filepath]);
    expect(filepath).toMatch(/^\/uploads\/upload_\d{8}_\d{6}_[0-9a-f]{32}\.json$/);
    expect((await ask(site, `GET ${filepath}`)).text).toBe('{"a":1}');
    const named = await put(site, "x.bin", "content");
    expect([named.status, named.fields["location"]]).toEqual([201, "/uploads/x.bin"]);
    expect(JSON.parse(named.text)).toMatchObject({ filepath: "/uploads/x.bin", name: "x.bin", bytes: 7 });
  });

  test("without --serve-uploads have no Location, and cannot be read", async () => {
    using site = await makeShelf({ serveUploads: false }, false);
    const { status, fields } = await post(site, "[]");
    expect([status, fields["location"]]).toEqual([201, undefined]);
    expect((await ask(site, "GET /uploads/a%20b.html")).status).toBe(404);
  });

  test("never replace: 409, 412 if the request says so, also if it depends on an upload that is there", async () => {
    using site = await makeShelf();
    expect((await put(site, "a%20b.html", "x")).status).toBe(409);
    expect((await put(site, "a%20b.html", "x", { "If-None-Match": "*" })).status).toBe(412);
    expect((await put(site, "new", "x", { "If-Match": "*" })).status).toBe(412);
    expect(site.s3.objects.get("in/a b.html")?.content.toString()).toBe("0123456789");
  });

  test("with a wrong Content-Digest are 400, and nothing is kept", async () => {
    using site = await makeShelf();
    const digest = { "Content-Digest": `sha-256=:${Buffer.alloc(32).toString("base64")}:` };
    expect((await put(site, "new", "x", digest)).status).toBe(400);
    expect(site.s3.objects.has("in/new")).toBe(false);
  });

  test("are 503 with Retry-After while the store is away, and 500 if it refuses", async () => {
    using site = await makeShelf();
    site.s3.fate = () => ({ status: 403, code: "AccessDenied" });
    expect((await put(site, "new", "x")).status).toBe(500);
    expect((await post(site, "[]")).status).toBe(500);
    site.s3.fate = () => "refused";
    const late = await letPass(site, post(site, "[]"));
    expect([late.status, late.fields["retry-after"]]).toEqual([503, "1"]);
    const soon = await put(site, "new", "x");
    expect([soon.status, soon.fields["retry-after"]]).toEqual([503, "1"]);
    expect(soon.fields["content-type"]).toStartWith("text/html");
  });

  test("are not listed", async () => {
    using site = await makeShelf();
    expect((await ask(site, "GET /uploads/")).status).toBe(404);
    expect((await ask(site, "GET /uploads")).status).toBe(404);
    expect((await ask(site, "GET /")).text).not.toContain('href="uploads/"');
    expect((await ask(site, "OPTIONS /uploads/x")).fields["allow"]).toBe("GET, HEAD, PUT, OPTIONS");
  });
});

describe("reading back", () => {
  test("is one request, and always a download in a sandbox", async () => {
    using site = await makeShelf({ inline: true });
    const { status, text, fields } = await ask(site, "GET /uploads/a%20b.html");
    expect([status, text]).toEqual([200, "0123456789"]);
    expect(fields).toEqual({
      etag: '"781e5e245d69b566979b86e28d23f2c7"',
      "last-modified": "Tue, 01 Jan 2030 00:00:00 GMT",
      "cache-control": "no-cache",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
      "content-disposition": 'attachment; filename="a b.html"',
      "content-security-policy": "sandbox",
      "content-type": "application/octet-stream",
      "content-length": "10",
    });
    expect(site.s3.requests).toEqual(["GET /bucket/in/a%20b.html"]);
    const head = await ask(site, "HEAD /uploads/a%20b.html");
    expect([head.status, head.fields]).toEqual([200, fields]);
  });

  const ETAG = '"781e5e245d69b566979b86e28d23f2c7"';
  const MODIFIED = "Tue, 01 Jan 2030 00:00:00 GMT";

  test.each<[Record<string, string>, string]>([
    [{ "If-None-Match": ETAG }, "304"],
    [{ "If-None-Match": `W/${ETAG}, "x"` }, "304"],
    [{ "If-None-Match": '"x"' }, "200 0123456789"],
    [{ "If-Modified-Since": MODIFIED }, "304"],
    [{ "If-Modified-Since": "Mon, 31 Dec 2029 23:59:59 GMT" }, "200 0123456789"],
    [{ "If-Match": '"x"' }, "412"],
    [{ "If-Match": ETAG }, "200 0123456789"],
    [{ "If-Unmodified-Since": "Mon, 31 Dec 2029 23:59:59 GMT" }, "412"],
    [{ Range: "bytes=2-4" }, "206 234"],
    [{ Range: "bytes=-3" }, "206 789"],
    [{ Range: "bytes=8-" }, "206 89"],
    [{ Range: "bytes=10-" }, "416"],
    [{ Range: "bytes=0-1,4-5" }, "200 0123456789"],
    [{ Range: "lines=1-2" }, "200 0123456789"],
    [{ Range: "bytes=2-4", "If-Range": ETAG }, "206 234"],
    [{ Range: "bytes=2-4", "If-Range": '"x"' }, "200 0123456789"],
    [{ Range: "bytes=2-4", "If-None-Match": ETAG }, "304"],
  ])("under %p is %s", async (fields, expected) => {
    using site = await makeShelf();
    site.clock.advance(10_000);
    expect(summary(await ask(site, "GET /uploads/a%20b.html", fields))).toBe(expected);
  });

  test("of a part names the part and the whole", async () => {
    using site = await makeShelf();
    const { fields } = await ask(site, "GET /uploads/a%20b.html", { Range: "bytes=2-4" });
    expect([fields["content-range"], fields["content-length"]]).toEqual(["bytes 2-4/10", "3"]);
    const refused = await ask(site, "GET /uploads/a%20b.html", { Range: "bytes=99-" });
    expect(refused.fields["content-range"]).toBe("bytes */10");
    const head = await ask(site, "HEAD /uploads/a%20b.html", { Range: "bytes=2-4" });
    expect([head.status, head.fields["content-length"]]).toEqual([200, "10"]);
  });

  test("of an object that changes between its state and its content is 412", async () => {
    using site = await makeShelf();
    site.s3.fate = (request) => {
      if (request.startsWith("HEAD")) return null;
      site.s3.objects.set("in/a b.html", { content: Buffer.from("other"), lines: [["ETag", '"other"']] });
      return null;
    };
    expect((await ask(site, "GET /uploads/a%20b.html", { Range: "bytes=2-4" })).status).toBe(412);
  });

  test.each(["missing", "a/b", ".httpserver-conditional-writes", "a%20", "con", ""])("of %s is 404", async (name) => {
    using site = await makeShelf();
    expect((await ask(site, `GET /uploads/${name}`)).status).toBe(404);
    expect(site.s3.requests).toEqual(name === "missing" ? ["GET /bucket/in/missing"] : []);
  });

  test("of a name that is only kept for an upload in parts is 404", async () => {
    using site = await makeShelf();
    const lines = [
      ["ETag", '"e"'],
      ["Last-Modified", MODIFIED],
      ["x-amz-meta-httpserver-pending", "id"],
    ] as const;
    site.s3.objects.set("in/pending", { content: Buffer.alloc(0), lines });
    expect((await ask(site, "GET /uploads/pending")).status).toBe(404);
    expect((await ask(site, "HEAD /uploads/pending")).status).toBe(404);
    expect((await ask(site, "GET /uploads/pending", { Range: "bytes=0-" })).status).toBe(404);
  });

  test("is tried twice, and then 503 with Retry-After", async () => {
    using site = await makeShelf();
    site.s3.fates = ["refused"];
    expect((await ask(site, "GET /uploads/a%20b.html")).status).toBe(200);
    site.s3.fates = ["refused", { status: 503 }];
    const away = await ask(site, "GET /uploads/a%20b.html");
    expect([away.status, away.fields["retry-after"]]).toEqual([503, "1"]);
  });

  test("that the store refuses is 500, and the operator is told", async () => {
    using site = await makeShelf();
    site.s3.fate = () => ({ status: 403, code: "AccessDenied" });
    expect((await ask(site, "GET /uploads/a%20b.html")).status).toBe(500);
    expect(site.lines.at(-1)).toBe("--uploads: http://s3.test refuses requests: it answers 403");
  });

  test("of an object whose state cannot be told, or of another part than the one that was asked for, is 500", async () => {
    using site = await makeShelf();
    site.s3.objects.set("in/odd", { content: Buffer.from("x"), lines: [["ETag", "no tag"]] });
    expect((await ask(site, "GET /uploads/odd")).status).toBe(500);
    const { lines = [] } = site.s3.objects.get("in/a b.html") ?? {};
    site.s3.fate = (request) => {
      if (request.startsWith("GET")) site.s3.objects.set("in/a b.html", { content: Buffer.from("0123"), lines });
      return null;
    };
    expect((await ask(site, "GET /uploads/a%20b.html", { Range: "bytes=2-8" })).status).toBe(500);
  });

  test("has no bound in time once it has begun: the client's pace counts", async () => {
    using site = await makeShelf();
    const { call } = site.s3;
    let failed = 0;
    site.s3.call = (request, listener) => {
      // The client reads slowly, so the response does not end.
      const made = call.call(site.s3, request, { ...listener, ended() {} });
      return { ...made, failed: () => failed++ };
    };
    expect((await ask(site, "GET /uploads/a%20b.html")).status).toBe(200);
    site.clock.advance(3_600_000);
    expect(failed).toBe(0);
  });
});
