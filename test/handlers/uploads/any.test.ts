/** Uploads of any file at their handler: which are taken, under which name, and that nothing else is kept. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { link, mkdir, open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../../src/handlers/digest.ts";
import { AnyUploads } from "../../../src/handlers/uploads/any.ts";
import type { StoredUpload } from "../../../src/handlers/uploads/store.ts";
import type { ContentFailure, ContentSink } from "../../../src/http/message.ts";
import { bytesOf } from "../../support/bytes.ts";
import { type Answer, answerOf, ask, makeRequest, makeSite, PORT, post, type Site } from "../../support/site.ts";
import { until } from "../../support/waiting.ts";

type Options = Parameters<typeof makeSite>;

function makeShelf(settings: Options[0] = {}, further: Options[1] = {}): Site {
  return makeSite({ listing: true, ...settings }, { anyUploads: AnyUploads, ...further });
}

type Sent = Readonly<Record<string, string>>;

/** Sends a request with its content in pieces, as slowly as its sink wants it, and reads the answer. */
async function send(
  site: Site,
  line: string,
  fields: Sent,
  pieces: readonly (string | Uint8Array)[],
  end: "ended" | ContentFailure = "ended",
): Promise<Answer> {
  const contents = pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece));
  const length = contents.reduce((sum, { length }) => sum + length, 0);
  const framing: Sent = "Transfer-Encoding" in fields ? {} : { "Content-Length": String(length) };
  const request = makeRequest(line, { ...framing, ...fields });
  const admission = site.handler.admit(request);
  if (admission.refusal !== null) return answerOf(admission.refusal);
  const response = site.handler.respond(request, admission);
  const { sink } = admission.content as { sink: ContentSink };
  if (!(response instanceof Promise)) {
    sink.failed("answered");
    return answerOf(response);
  }
  let isAnswered = false;
  const answered = response.then((made) => {
    if (!isAnswered && !isOver) sink.failed("answered");
    isAnswered = true;
    return made;
  });
  let isOver = false;
  for (const content of contents) {
    if (isAnswered) break;
    if (!sink.write(content)) await Promise.race([new Promise<void>((resolve) => sink.whenReady(resolve)), answered]);
  }
  isOver = true;
  if (!isAnswered && end === "ended") sink.ended();
  else if (!isAnswered) sink.failed(end as ContentFailure);
  return answerOf(await answered);
}

function put(site: Site, name: string, content: string | Uint8Array, fields: Sent = {}): Promise<Answer> {
  return send(site, `PUT /uploads/${name}`, fields, [content]);
}

function form(site: Site, fileName: string, content: string, fields: Sent = {}): Promise<Answer> {
  return sendForm(site, [filePart(fileName, content)], fields);
}

function filePart(fileName: string, content: string): string {
  return `--B\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\n\r\n${content}\r\n`;
}

function sendForm(site: Site, parts: readonly string[], fields: Sent = {}): Promise<Answer> {
  return send(site, "POST /uploads/", { ...FORM, ...fields }, [...parts, "--B--\r\n"]);
}

const FORM = { "Content-Type": "multipart/form-data; boundary=B" };
const JSON_WANTED = { Accept: "application/json" };
const OWN = `http://127.0.0.1:${PORT}`;

function messageOf({ text }: Answer): string {
  return (JSON.parse(text) as { message: string }).message;
}

describe("PUT", () => {
  test("keeps the bytes as sent, and says where and what they are", async () => {
    const kept: StoredUpload[] = [];
    using site = makeShelf({}, { uploaded: (upload) => kept.push(upload) });
    const content = "\0\xff any bytes";
    const answer = await put(site, "a%20b%2Bc%c3%a9.bin", content);
    expect([answer.status, answer.fields["location"]]).toEqual([201, "/uploads/a%20b%2Bc%C3%A9.bin"]);
    expect(JSON.parse(answer.text)).toEqual({
      status: "success",
      message: "File created successfully",
      filepath: "/uploads/a%20b%2Bc%C3%A9.bin",
      name: "a b+cé.bin",
      bytes: Buffer.byteLength(content),
      sha256: sha256Hex(content),
    });
    expect(readFileSync(join(site.uploads, "a b+cé.bin"), "utf8")).toBe(content);
    expect(kept.map(({ name }) => name)).toEqual(["a b+cé.bin"]);
    expect(answer.response.received).toMatchObject({ bytes: Buffer.byteLength(content), sha256: sha256Hex(content) });
  });

  test("takes content beyond --max-body, of any length, and of none", async () => {
    using site = makeShelf({ maxBodyBytes: 10 });
    const large = new Uint8Array(1_000_000).fill(7);
    expect((await put(site, "large", large)).status).toBe(201);
    expect((await put(site, "empty", "")).status).toBe(201);
    expect((await send(site, "PUT /uploads/chunked", { "Transfer-Encoding": "chunked" }, ["one", "two"])).status).toBe(
      201,
    );
    expect(readFileSync(join(site.uploads, "large")).equals(large)).toBe(true);
    expect(readFileSync(join(site.uploads, "chunked"), "utf8")).toBe("onetwo");
    expect(readFileSync(join(site.uploads, "empty"), "utf8")).toBe("");
  });

  test("never replaces: 409, 412 if the request says so, and the file stays", async () => {
    using site = makeShelf();
    writeFileSync(join(site.uploads, "a"), "theirs");
    mkdirSync(join(site.uploads, "folder"));
    expect((await put(site, "a", "ours")).status).toBe(409);
    expect((await put(site, "folder", "ours")).status).toBe(409);
    expect((await put(site, "a", "ours", { "If-None-Match": "*" })).status).toBe(412);
    // Without the condition it is 409 already, so these do not count (RFC 9110, section 13.2.1).
    expect((await put(site, "a", "ours", { "If-None-Match": '"x"' })).status).toBe(409);
    expect((await put(site, "a", "ours", { "If-Match": "*" })).status).toBe(409);
    expect((await put(site, "b", "ours", { "If-None-Match": "*" })).status).toBe(201);
    expect((await put(site, "c", "ours", { "If-Match": "*" })).status).toBe(412);
    expect((await put(site, "d", "ours", { "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT" })).status).toBe(201);
    expect(readFileSync(join(site.uploads, "a"), "utf8")).toBe("theirs");
    expect(readdirSync(site.uploads).sort()).toEqual(["a", "b", "d", "folder"]);
  });

  test("of one name by two clients at the same time is one 201 and one 409", async () => {
    using site = makeShelf();
    const answers = await Promise.all([put(site, "a", "first"), put(site, "a", "second!")]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const winner = answers.findIndex(({ status }) => status === 201);
    expect(readFileSync(join(site.uploads, "a"), "utf8")).toBe(["first", "second!"][winner] as string);
    expect(readdirSync(site.uploads)).toEqual(["a"]);
  });

  test("with a Content-Digest that is wrong is 400, and nothing is kept", async () => {
    using site = makeShelf();
    const field = (content: string, algorithm: "sha256" | "sha512", name: string) =>
      `${name}=:${new Bun.CryptoHasher(algorithm).update(content).digest("base64")}:`;
    const right = `${field("abc", "sha256", "sha-256")}, ${field("abc", "sha512", "sha-512")}`;
    const wrong = `${field("abc", "sha256", "sha-256")}, ${field("abd", "sha512", "sha-512")}`;
    expect((await put(site, "right", "abc", { "Content-Digest": right })).status).toBe(201);
    const refused = await put(site, "wrong", "abc", { "Content-Digest": wrong, ...JSON_WANTED });
    expect([refused.status, messageOf(refused)]).toEqual([400, expect.stringContaining("Content-Digest")]);
    expect((await put(site, "bad", "abc", { "Content-Digest": "sha-256=abc" })).status).toBe(400);
    expect((await put(site, "unknown", "abc", { "Content-Digest": "md5=:AAAA:" })).status).toBe(201);
    expect(readdirSync(site.uploads).sort()).toEqual(["right", "unknown"]);
  });

  test("is refused by its head: no length, a coding, a part of a file", async () => {
    using site = makeShelf();
    const request = makeRequest("PUT /uploads/a", {});
    expect(site.handler.admit(request).refusal?.status).toBe(411);
    const coded = await put(site, "a", "abc", { "Content-Encoding": "gzip" });
    expect([coded.status, coded.fields["accept-encoding"]]).toEqual([415, "identity"]);
    const part = await put(site, "a", "abc", { "Content-Range": "bytes 0-2/9", ...JSON_WANTED });
    expect([part.status, messageOf(part)]).toEqual([400, expect.stringContaining("cannot be resumed")]);
    expect(readdirSync(site.uploads)).toEqual([]);
  });

  test("is refused for a name that is hidden, a path, or no name everywhere", async () => {
    using site = makeShelf();
    const names = [".hidden", "a/b", "a/", "a.", "a%20", "CON", "conin$", "nul.txt", "com1.tar.gz", "%e2%80%aegpj.exe"];
    for (const name of [...names, "x".repeat(256)])
      expect([name, (await put(site, name, "x")).status]).toEqual([name, 400]);
    for (const name of ["a%2fb", "a%5cb", "..", "%2e%2e/x"])
      expect([name, (await put(site, name, "x")).status]).toEqual([name, 403]);
    for (const name of ["x".repeat(255), "console", "a..b", "com10", "%f0%9f%8e%89"])
      expect([name, (await put(site, name, "x")).status]).toEqual([name, 201]);
  });

  test("whose content breaks off leaves nothing", async () => {
    using site = makeShelf();
    for (const reason of ["client", "timeout", "cut", "malformed"] as const) {
      await send(site, "PUT /uploads/a", {}, ["some"], reason);
      await until(() => readdirSync(site.uploads).length === 0, "the file to go");
    }
    expect(site.lines).toEqual([]);
  });

  test("into a disk that is full is 507, and leaves nothing", async () => {
    const full = Object.assign(new Error("full"), { code: "ENOSPC" });
    const uploadDisk = {
      mkdir,
      link,
      rename,
      unlink,
      open: (async (...given: Parameters<typeof open>) => {
        const handle = await open(...given);
        handle.writeFile = () => Promise.reject(full);
        return handle;
      }) as typeof open,
    };
    using site = makeShelf({}, { uploadDisk });
    expect((await put(site, "a", "abc")).status).toBe(507);
    expect(readdirSync(site.uploads)).toEqual([]);
    expect(site.lines).toEqual([`upload failed: ENOSPC in ${site.uploads}`]);
  });
});

describe("a form", () => {
  test("brings its file, and is 303 to the listing for a page, 201 for others", async () => {
    using site = makeShelf();
    const page = await form(site, "a.txt", "one", { Accept: "text/html,*/*;q=0.8", Origin: OWN });
    expect([page.status, page.fields["location"]]).toEqual([303, "/uploads/"]);
    const program = await form(site, "b.txt", "two", { Accept: "*/*" });
    expect([program.status, program.fields["location"]]).toEqual([201, "/uploads/b.txt"]);
    expect(readFileSync(join(site.uploads, "a.txt"), "utf8")).toBe("one");
    expect(page.response.received).toMatchObject({ bytes: 3 });
  });

  test("is 303 to the file itself without a listing", async () => {
    using site = makeShelf({ listing: false });
    const { status, fields } = await form(site, "a b.txt", "one", { Accept: "text/html" });
    expect([status, fields["location"]]).toEqual([303, "/uploads/a%20b.txt"]);
  });

  test("has its file among other fields, which are read past", async () => {
    using site = makeShelf();
    const note = '--B\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n';
    expect((await sendForm(site, [note, filePart("a", "one"), note])).status).toBe(201);
    expect(readFileSync(join(site.uploads, "a"), "utf8")).toBe("one");
  });

  const note = (content: string) => `--B\r\nContent-Disposition: form-data; name="note"\r\n\r\n${content}\r\n`;
  const rows: readonly [name: string, parts: readonly string[], status: number, message: string][] = [
    ["without a file", [note("x")], 400, "has no field file"],
    ["whose file was not chosen", [filePart("", "")], 400, "No file was chosen"],
    ["whose field is text", [filePart("x", "y").replace('; filename="x"', "")], 400, "is not a file"],
    ["with two files", [filePart("a", "1"), filePart("b", "2")], 400, "one file"],
    ["with a hidden name", [filePart(".a", "1")], 400, "begin with a dot"],
    ["with a path", [filePart("../a", "1")], 400, "without a slash"],
    ["with a path of Windows", [filePart("C:\\a", "1")], 400, "without a slash"],
    ["with a line end in a name", [filePart("a%0Db", "1")], 400, "control characters"],
    ["with a name that is taken", [filePart("taken", "1")], 409, "choose another name"],
    ["with large other fields", [filePart("a", "1"), note("x".repeat(70_000))], 413, "are too large"],
    ["that is broken", [filePart("a", "1"), "--B-x"], 400, "boundary"],
    ["that has ended before", [filePart("a", "1"), "--B--", "x"], 400, "after the last boundary"],
  ];
  for (const [name, parts, status, message] of rows) {
    test(`${name} is ${status}, and nothing is kept`, async () => {
      using site = makeShelf();
      writeFileSync(join(site.uploads, "taken"), "theirs");
      const answer = await sendForm(site, parts, JSON_WANTED);
      expect([answer.status, messageOf(answer)]).toEqual([status, expect.stringContaining(message)]);
      expect(readdirSync(site.uploads)).toEqual(["taken"]);
      expect(site.lines).toEqual([]);
    });
  }

  test("of another type is 415", async () => {
    using site = makeShelf();
    for (const type of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
      expect((await form(site, "a", "b", { "Content-Type": type })).status).toBe(415);
  });

  test("has a digest of its whole content, framing included", async () => {
    using site = makeShelf();
    const content = `${filePart("a", "1")}--B--\r\n`;
    const digest = `sha-256=:${new Bun.CryptoHasher("sha256").update(content).digest("base64")}:`;
    expect((await sendForm(site, [filePart("a", "1")], { "Content-Digest": digest })).status).toBe(201);
    expect((await sendForm(site, [filePart("b", "1")], { "Content-Digest": digest })).status).toBe(400);
    expect(readdirSync(site.uploads)).toEqual(["a"]);
  });
});

describe("a page of another site", () => {
  const foreign: readonly Sent[] = [
    { Origin: "null" },
    { Origin: "https://evil.test" },
    { Origin: `http://localhost:${PORT + 1}` },
    { Origin: `http://localhost:${PORT}` },
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "same-site" },
    { Origin: OWN, "Sec-Fetch-Site": "cross-site" },
    { Origin: "null", "Sec-Fetch-Site": "same-origin" },
  ];
  test("may not upload, and --cors does not let it", async () => {
    for (const cors of [[], ["*"], ["https://evil.test"]]) {
      using site = makeShelf({ cors });
      for (const fields of foreign) {
        expect([fields, (await put(site, "a", "x", fields)).status]).toEqual([fields, 403]);
        expect([fields, (await form(site, "a", "x", fields)).status]).toEqual([fields, 403]);
      }
      expect(readdirSync(site.uploads)).toEqual([]);
    }
  });

  test("is not one of this server, and not a program", async () => {
    using site = makeShelf();
    const own: readonly Sent[] = [
      {},
      { Origin: OWN },
      { "Sec-Fetch-Site": "none" },
      { Origin: OWN, "Sec-Fetch-Site": "same-origin" },
    ];
    for (const [index, fields] of own.entries()) expect((await put(site, `a${index}`, "x", fields)).status).toBe(201);
  });
});

describe("an upload that is read back", () => {
  test("is a download in a sandbox, whatever it is and whatever --inline says", async () => {
    using site = makeShelf({ inline: true });
    for (const name of ["page.html", "picture.svg", "script.js", "data.json", "index.html", "large.bin"]) {
      await put(site, name, name === "large.bin" ? new Uint8Array(100_000) : "<script>alert(1)</script>");
      for (const range of [{}, { Range: "bytes=0-3" }] as const) {
        const { status, fields } = await ask(site, `GET /uploads/${name}`, range);
        expect([status, fields["content-type"]]).toEqual(["Range" in range ? 206 : 200, "application/octet-stream"]);
        expect(fields["content-disposition"]).toBe(`attachment; filename="${name}"`);
        expect([fields["content-security-policy"], fields["x-content-type-options"]]).toEqual(["sandbox", "nosniff"]);
      }
    }
    expect((await ask(site, "GET /uploads/")).text).toContain("index.html");
  });

  test("may be one of POST /upload, which says where it is", async () => {
    using site = makeShelf();
    const { status, fields } = await post(site, '{"a":1}');
    const read = await ask(site, `GET ${fields["location"]}`);
    expect([status, read.status, read.fields["content-security-policy"]]).toEqual([201, 200, "sandbox"]);
  });

  test("has the methods of its path", async () => {
    using site = makeShelf();
    await put(site, "a", "x");
    const allow = async (line: string) => {
      const { status, fields } = await ask(site, line);
      return [status, fields["allow"]];
    };
    expect(await allow("OPTIONS /uploads/")).toEqual([204, "GET, HEAD, POST, OPTIONS"]);
    expect(await allow("OPTIONS /uploads/a")).toEqual([204, "GET, HEAD, PUT, OPTIONS"]);
    expect(await allow("PUT /uploads/")).toEqual([405, "GET, HEAD, POST, OPTIONS"]);
    expect(await allow("PUT /uploads")).toEqual([405, "GET, HEAD, OPTIONS"]);
    expect(await allow("POST /uploads/a")).toEqual([405, "GET, HEAD, PUT, OPTIONS"]);
    expect(await allow("DELETE /uploads/a")).toEqual([405, "GET, HEAD, PUT, OPTIONS"]);
  });
});

describe("the room for uploads", () => {
  test("is refused before the content if the length says so, while it comes otherwise, and nothing is kept", async () => {
    using site = makeShelf({ uploadsMaxBytes: 100 });
    writeFileSync(join(site.uploads, "old"), "x".repeat(60));
    expect((await put(site, "a", "x".repeat(101))).status).toBe(507);
    expect((await put(site, "a", "x".repeat(41))).status).toBe(507);
    const chunks = Array.from({ length: 41 }, () => "x");
    expect((await send(site, "PUT /uploads/a", { "Transfer-Encoding": "chunked" }, chunks)).status).toBe(507);
    expect(readdirSync(site.uploads)).toEqual(["old"]);
    expect((await put(site, "a", "x".repeat(40))).status).toBe(201);
    expect((await put(site, "b", "x")).status).toBe(507);
    expect((await put(site, "b", "")).status).toBe(201);
    rmSync(join(site.uploads, "old"));
    expect((await put(site, "c", "x".repeat(60))).status).toBe(201);
  });

  test("is for all uploads at the same time, and comes back from those that fail", async () => {
    using site = makeShelf({ uploadsMaxBytes: 100 });
    const answers = await Promise.all(["a", "b", "c"].map((name) => put(site, name, "x".repeat(50))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 507]);
    rmSync(join(site.uploads, answers[0]?.status === 201 ? "a" : "b"));
    await send(site, "PUT /uploads/d", {}, ["x".repeat(50)], "client");
    expect((await put(site, "e", "x".repeat(50))).status).toBe(201);
  });

  test("holds for a form and for JSON as well", async () => {
    using site = makeShelf({ uploadsMaxBytes: 100 });
    expect((await form(site, "a", "x".repeat(200))).status).toBe(507);
    expect((await post(site, JSON.stringify("x".repeat(200)))).status).toBe(507);
    expect((await post(site, "[]")).status).toBe(201);
    expect(readdirSync(site.uploads)).toHaveLength(1);
  });
});

describe("the listing", () => {
  test("has the form at the root and at /uploads/, also before the first upload, with a policy for its script alone", async () => {
    using site = makeShelf();
    mkdirSync(join(site.root, "folder"));
    rmSync(site.uploads, { recursive: true });
    for (const path of ["/", "/uploads/"]) {
      const { status, fields, text } = await ask(site, `GET ${path}`);
      expect([status, text.includes('<form class="upload"')]).toEqual([200, true]);
      const script = /<script>(.*)<\/script>/s.exec(text)?.[1] ?? "";
      const hash = new Bun.CryptoHasher("sha256").update(script).digest("base64");
      expect(fields["content-security-policy"]).toBe(
        `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; connect-src 'self'; form-action 'self'`,
      );
    }
    const { fields, text } = await ask(site, "GET /folder/");
    expect(text).not.toContain("<script>");
    expect(fields["content-security-policy"]).toBe("default-src 'none'; style-src 'unsafe-inline'");
  });

  test("is as before without the flag", async () => {
    using site = makeSite({ listing: true, serveUploads: true });
    expect((await ask(site, "GET /")).text).not.toContain("<form class");
    expect((await ask(site, "PUT /uploads/a")).status).toBe(405);
    rmSync(site.uploads, { recursive: true });
    expect((await ask(site, "GET /uploads/")).status).toBe(404);
  });
});

test("content that comes before its room was measured waits, and is then kept in its order", async () => {
  using site = makeShelf({ uploadsMaxBytes: 1000 });
  const request = makeRequest("PUT /uploads/a", { "Content-Length": "6" });
  const admission = site.handler.admit(request);
  const response = site.handler.respond(request, admission);
  const { sink } = admission.content as { sink: ContentSink };
  expect(sink.write(bytesOf("one"))).toBe(false);
  expect(sink.write(bytesOf("two"))).toBe(false);
  sink.ended();
  expect((await response).status).toBe(201);
  expect(readFileSync(join(site.uploads, "a"), "utf8")).toBe("onetwo");
});
