/** The compiled file against the clients that people have: curl, wget, Python, Node and Bun. What counts is what they report. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, curl, type Finished, type Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { until } from "../support/waiting.ts";
import { noise, sha256, sha256OfFile, Workshop } from "../support/workshop.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 24 * MIB;
/** Where a download is cut off: no multiple of anything the server reads or sends at a time. */
const CUT_BYTES = 5_000_003;

let shop: Workshop;
let server: Program;
/** A JSON document of 2 MB, in a file. */
let document = "";
let largeSum = "";

beforeAll(async () => {
  shop = await Workshop.open();
  largeSum = sha256OfFile(shop.add("large.bin", noise(LARGE_BYTES)));
  document = join(shop.folder, "document.json");
  writeFileSync(document, JSON.stringify({ text: "ä".repeat(MIB) }));
  server = await shop.start("--max-body", "4mb");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

/** The upload that `answer` tells of has the bytes of `document`. */
function expectKept(answer: string): void {
  const told = JSON.parse(answer) as { status: string; filepath: string };
  expect(told.status).toBe("success");
  expect(sha256OfFile(shop.path(told.filepath))).toBe(sha256OfFile(document));
}

/** Runs a line of the shell in which `$0`, `$1`, … are `words`. */
function shell(line: string, ...words: readonly string[]): Promise<Finished> {
  return run(["sh", "-c", line, ...words], { cwd: shop.folder });
}

needs("curl").describe("curl", () => {
  test("keeps one connection for many URLs, HEAD and refusals among them", async () => {
    const pages = ["/", "/about.html", "/none", "/banner.png"].flatMap((path) => [
      "-o",
      "/dev/null",
      server.url + path,
    ]);
    const told = await curl("--write-out", "%{stderr}%{http_code}+%{num_connects} ", ...pages);
    expect(told).toMatchObject({ code: 0, stderr: "200+1 200+0 404+0 200+0 " });
    const heads = await curl(
      "--head",
      "--write-out",
      "%{stderr}%{num_connects} ",
      server.url,
      `${server.url}/large.bin`,
    );
    expect(heads).toMatchObject({ code: 0, stderr: "1 0 " });
    expect(heads.stdout).toContain(`Content-Length: ${LARGE_BYTES}\r\n`);
  });

  test("goes on with a download that was cut off", async () => {
    const copy = join(shop.inbox(), "large.bin");
    await shell(`curl -s "$0" | head -c ${CUT_BYTES} > "$1"`, `${server.url}/large.bin`, copy);
    expect(statSync(copy).size).toBe(CUT_BYTES);
    const rest = await curl("-C", "-", "-o", copy, "-w", "%{http_code} %{size_download}", `${server.url}/large.bin`);
    expect(rest).toMatchObject({ code: 0, stdout: `206 ${LARGE_BYTES - CUT_BYTES}` });
    expect(sha256OfFile(copy)).toBe(largeSum);
  });

  test("has nothing to do when the download is complete", async () => {
    const copy = join(shop.inbox(), "large.bin");
    await curl("-o", copy, `${server.url}/large.bin`);
    const again = await curl("-C", "-", "-o", copy, "-w", "%{http_code}", `${server.url}/large.bin`);
    expect(again.stdout).toBe("416");
    expect(sha256OfFile(copy)).toBe(largeSum);
  });

  test("asks for compressed content and gets the page either way", async () => {
    const { code, stdout } = await curl("--compressed", `${server.url}/about.html`);
    expect(code).toBe(0);
    expect(stdout).toBe(readFileSync(shop.path("about.html"), "utf8"));
  });

  test("downloads many files at the same time", async () => {
    const inbox = shop.inbox();
    const words = Array.from({ length: 12 }, (_, i) => ["-o", join(inbox, `${i}`), `${server.url}/banner.png`]).flat();
    expect((await curl("--parallel", "--parallel-immediate", ...words)).code).toBe(0);
    const sums = new Set(readdirSync(inbox).map((name) => sha256OfFile(join(inbox, name))));
    expect([...sums]).toEqual([sha256OfFile(shop.path("banner.png"))]);
    expect(readdirSync(inbox)).toHaveLength(12);
  });

  const upload = ["--header", "Content-Type: application/json", "--verbose"];

  test("waits for 100 (Continue) before it sends two megabytes", async () => {
    const { code, stdout, stderr } = await curl(...upload, "--data-binary", `@${document}`, `${server.url}/upload`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/> Expect: 100-continue[\s\S]*< HTTP\/1\.1 100 Continue[\s\S]*< HTTP\/1\.1 201 Created/);
    expectKept(stdout);
  });

  test("sends none of them when they are refused", async () => {
    await using small = await shop.start("--max-body", "1mb");
    const words = ["-o", "/dev/null", "-w", "%{http_code} %{size_upload}", "--data-binary", `@${document}`];
    const { stdout, stderr } = await curl(...upload, ...words, `${small.url}/upload`);
    expect(stdout).toBe("413 0");
    expect(stderr).not.toContain("100 Continue");
  });

  test("uploads in chunks what comes from a pipe", async () => {
    const line = 'cat "$0" | curl -sv -X POST -H "Content-Type: application/json" -T - "$1"';
    const { code, stdout, stderr } = await shell(line, document, `${server.url}/upload`);
    expect(code).toBe(0);
    expect(stderr).toContain("> Transfer-Encoding: chunked");
    expect(stderr).toContain("< HTTP/1.1 201 Created");
    expectKept(stdout);
  });

  test("as an HTTP/1.0 client gets closed connections, and a kept one when it asks", async () => {
    const urls = [`${server.url}/about.html`, `${server.url}/contact.html`];
    const connects = ["--http1.0", "--write-out", "%{stderr}%{http_code}+%{num_connects} "];
    expect(await curl(...connects, ...urls)).toMatchObject({ code: 0, stderr: "200+1 200+1 " });
    const kept = await curl(...connects, "--header", "Connection: keep-alive", ...urls);
    expect(kept).toMatchObject({ code: 0, stderr: "200+1 200+0 " });
  });

  test("sends dots as they are and is refused, over a connection that goes on", async () => {
    const urls = ["/../package.json", "/a/../index.html", "/about.html"].flatMap((path) => [
      "-o",
      "/dev/null",
      server.url + path,
    ]);
    const { stderr } = await curl("--path-as-is", "--write-out", "%{stderr}%{http_code}+%{num_connects} ", ...urls);
    expect(stderr).toBe("403+1 403+0 200+0 ");
  });
});

needs("wget").describe("wget", () => {
  const wget = (...words: readonly string[]) =>
    run(["env", "LC_ALL=C", "wget", "--tries=1", "--timeout=3", "--no-config", ...words], { cwd: shop.folder });

  test("gets a page with everything that it shows", async () => {
    const inbox = shop.inbox();
    const { code } = await wget("-p", "-nH", "-P", inbox, "-e", "robots=off", `${server.url}/index.html`);
    expect(code).toBe(0);
    expect(readdirSync(inbox).sort()).toEqual(["banner.png", "index.html", "logo.png", "photo.jpg", "style.css"]);
    for (const name of readdirSync(inbox)) expect(sha256OfFile(join(inbox, name))).toBe(sha256OfFile(shop.path(name)));
  });

  test("follows every link of the site over one connection", async () => {
    const inbox = shop.inbox();
    const { code, stderr } = await wget("-r", "-nH", "-P", inbox, "-e", "robots=off", `${server.url}/`);
    expect(code).toBe(0);
    const linked = readdirSync(shop.root).filter((name) => name !== "large.bin");
    expect(readdirSync(inbox).sort()).toEqual(linked.sort());
    expect(stderr).toContain("Reusing existing connection");
    expect(stderr.match(/Connecting to/g)).toHaveLength(1);
  });

  test("goes on with a download that was cut off", async () => {
    const inbox = shop.inbox();
    const copy = join(inbox, "large.bin");
    await shell(`wget --no-config -qO - "$0" | head -c ${CUT_BYTES} > "$1"`, `${server.url}/large.bin`, copy);
    expect(statSync(copy).size).toBe(CUT_BYTES);
    const { code, stderr } = await wget("-c", "-P", inbox, `${server.url}/large.bin`);
    expect(code).toBe(0);
    expect(stderr).toContain("206 Partial Content");
    expect(sha256OfFile(copy)).toBe(largeSum);
    const again = await wget("-c", "-P", inbox, `${server.url}/large.bin`);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("The file is already fully retrieved; nothing to do.");
  });

  test("does not retrieve again what has not changed", async () => {
    const words = ["-N", "-P", shop.inbox(), `${server.url}/photo.jpg`];
    expect((await wget(...words)).stderr).toContain("200 OK");
    const again = await wget(...words);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("304 Not Modified");
    expect(again.stderr).toContain("not modified on server");
  });
});

needs("python3").describe("python3", () => {
  /** Runs `script` behind a connection named `client`, and returns the JSON that `told` became. */
  async function python(script: string, ...words: readonly string[]): Promise<unknown> {
    const whole = `
import email, hashlib, http.client, json, sys
client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=3)
def ask(method, target, body=None, fields={}, **more):
    client.request(method, target, body=body, headers=fields, **more)
    answer = client.getresponse()
    return answer, answer.read()
told = None
${script}
client.close()
print(json.dumps(told))
`;
    const { code, stdout, stderr } = await run(["python3", "-c", whole, String(server.port), ...words], {
      cwd: shop.folder,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout);
  }

  test("keeps one connection for a hundred requests and then opens another", async () => {
    const told = await python(`
ports = []
for i in range(150):
    if client.sock is None: client.connect()
    ports.append(client.sock.getsockname()[1])
    answer, content = ask("GET" if i % 3 else "HEAD", ["/about.html", "/none", "/logo.png"][i % 3])
    assert answer.status == (404 if i % 3 == 1 else 200)
    assert (len(content) > 0) == (i % 3 != 0)
told = [len(set(ports[:100])), len(set(ports[100:])), len(set(ports))]
`);
    expect(told).toEqual([1, 1, 2]);
  });

  test("asks on conditions", async () => {
    const told = await python(`
first, content = ask("GET", "/photo.jpg")
etag, modified = first.getheader("ETag"), first.getheader("Last-Modified")
told = [hashlib.sha256(content).hexdigest()]
for fields in [{"If-None-Match": etag}, {"If-Modified-Since": modified}, {"If-None-Match": '"other"'}, {"If-Match": '"other"'},
               {"If-Match": etag}, {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}]:
    answer, content = ask("GET", "/photo.jpg", fields=fields)
    told.append([answer.status, len(content) if answer.status < 400 else None, answer.getheader("ETag") == etag])
`);
    const { size } = statSync(shop.path("photo.jpg"));
    expect(told).toEqual([
      sha256OfFile(shop.path("photo.jpg")),
      [304, 0, true],
      [304, 0, true],
      [200, size, true],
      [412, null, false],
      [200, size, true],
      [412, null, false],
    ]);
  });

  test("takes ranges, one and several", async () => {
    const told = await python(`
told = []
for wanted in ["bytes=0-9", "bytes=24000000-", "bytes=-7", "bytes=99999999-"]:
    answer, content = ask("GET", "/large.bin", fields={"Range": wanted})
    told.append([answer.status, answer.getheader("Content-Range"), content.hex() if answer.status == 206 and len(content) < 99 else None])
answer, content = ask("GET", "/large.bin", fields={"Range": "bytes=5-9,20000000-20000003,-3"})
message = email.message_from_bytes(b"Content-Type: " + answer.getheader("Content-Type").encode() + b"\\r\\n\\r\\n" + content)
assert message.is_multipart() and not message.defects
told.append([[part["Content-Range"], part["Content-Type"], part.get_payload(decode=True).hex()] for part in message.get_payload()])
`);
    const bytes = readFileSync(shop.path("large.bin"));
    const hex = (start: number, end?: number) => bytes.subarray(start, end).toString("hex");
    const all = LARGE_BYTES;
    const binary = "application/octet-stream";
    expect(told).toEqual([
      [206, `bytes 0-9/${all}`, hex(0, 10)],
      [206, `bytes 24000000-${all - 1}/${all}`, null],
      [206, `bytes ${all - 7}-${all - 1}/${all}`, hex(-7)],
      [416, `bytes */${all}`, null],
      [
        [`bytes 5-9/${all}`, binary, hex(5, 10)],
        [`bytes 20000000-20000003/${all}`, binary, hex(20_000_000, 20_000_004)],
        [`bytes ${all - 3}-${all - 1}/${all}`, binary, hex(-3)],
      ],
    ]);
  });

  test("uploads with a length and in chunks, and is refused, over one connection", async () => {
    const told = (await python(
      `
document = open(sys.argv[2], "rb").read()
pieces = (document[i:i + 70001] for i in range(0, len(document), 70001))
json_type = {"Content-Type": "application/json"}
client.connect()
port = client.sock.getsockname()[1]
told = []
for body, more in [(document, {}), (pieces, {"encode_chunked": True}), (b"{nope", {})]:
    answer, content = ask("POST", "/upload", body, json_type if not more else {**json_type, "Transfer-Encoding": "chunked"}, **more)
    told.append([answer.status, content.decode()])
assert client.sock.getsockname()[1] == port
`,
      document,
    )) as [number, string][];
    expect(told.map(([status]) => status)).toEqual([201, 201, 400]);
    for (const [status, content] of told) if (status === 201) expectKept(content);
  });
});

needs("node").describe("node", () => {
  /** Runs a module in which `url` is the server's, and returns the JSON that `told` became. */
  async function node(script: string, ...words: readonly string[]): Promise<unknown> {
    const whole = `
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import http from "node:http";
const [url, ...words] = process.argv.slice(1);
const sum = (bytes) => createHash("sha256").update(Buffer.from(bytes)).digest("hex");
let told;
${script}
console.log(JSON.stringify(told));
process.exit(0);
`;
    const { code, stdout, stderr } = await run(
      ["node", "--no-warnings", "--input-type=module", "--eval", whole, server.url, ...words],
      { cwd: shop.folder },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout);
  }

  test("fetches many things at the same time, each whole", async () => {
    const names = ["index.html", "style.css", "banner.png", "sample2.txt", "large.bin", "photo.jpg"];
    const told = await node(
      `
told = await Promise.all(Array.from({ length: 12 }, async (_, i) => {
  const answer = await fetch(url + "/" + words[i % words.length]);
  return [answer.status, sum(await answer.arrayBuffer())];
}));`,
      ...names,
    );
    const expected = names.map((name) => [200, sha256OfFile(shop.path(name))]);
    expect(told).toEqual(Array.from({ length: 12 }, (_, i) => expected[i % names.length]));
  });

  test("gives a download up and goes on", async () => {
    const told = await node(`
const quitting = new AbortController();
const answer = await fetch(url + "/large.bin", { signal: quitting.signal });
const reader = answer.body.getReader();
const first = await reader.read();
quitting.abort();
const ending = await reader.read().catch((error) => error.name);
const after = await fetch(url + "/sample.txt");
told = [first.value.length > 0, ending, after.status, sum(await after.arrayBuffer())];`);
    expect(told).toEqual([true, "AbortError", 200, sha256OfFile(shop.path("sample.txt"))]);
  });

  test("fetches a range, and nothing when it has the file already", async () => {
    const told = await node(`
const part = await fetch(url + "/large.bin", { headers: { Range: "bytes=1000000-2999999" } });
told = [part.status, sum(await part.arrayBuffer())];
const etag = part.headers.get("etag");
const same = await fetch(url + "/large.bin", { headers: { "If-None-Match": etag } });
told.push(same.status, (await same.arrayBuffer()).byteLength);
const head = await fetch(url + "/large.bin", { method: "HEAD" });
told.push(head.status, head.headers.get("content-length"), head.headers.get("etag") === etag);`);
    const part = readFileSync(shop.path("large.bin")).subarray(1_000_000, 3_000_000);
    expect(told).toEqual([206, sha256(part), 304, 0, 200, String(LARGE_BYTES), true]);
  });

  test("uploads a text and a stream", async () => {
    const told = (await node(
      `
const upload = async (body) => {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url + "/upload", { method: "POST", headers, body, duplex: "half" });
  return [answer.status, await answer.text()];
};
told = [await upload(readFileSync(words[0])), await upload(createReadStream(words[0]))];`,
      document,
    )) as [number, string][];
    expect(told.map(([status]) => status)).toEqual([201, 201]);
    for (const [, content] of told) expectKept(content);
  });

  test("reuses the socket of its agent, and waits for 100 (Continue)", async () => {
    const told = (await node(
      `
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (path, options, content) => new Promise((resolve, reject) => {
  let continued = false;
  const request = http.request(url + path, { agent, ...options }, async (answer) => {
    const chunks = [];
    for await (const chunk of answer) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    // One turn later the socket is back with its agent.
    setImmediate(() => resolve({ status: answer.statusCode, text, continued, reused: request.reusedSocket }));
  });
  request.on("error", reject);
  if (content === undefined) return request.end();
  request.on("continue", () => { continued = true; request.end(content); });
  request.flushHeaders();
});
const content = readFileSync(words[0]);
const headers = { "Content-Type": "application/json", "Content-Length": content.length, Expect: "100-continue" };
const page = await ask("/about.html", {});
const missing = await ask("/none", { method: "HEAD" });
const upload = await ask("/upload", { method: "POST", headers }, content);
told = [[page, missing, upload].map(({ status, continued, reused }) => [status, continued, reused]), upload.text];`,
      document,
    )) as [unknown, string];
    expect(told[0]).toEqual([
      [200, false, false],
      [404, false, true],
      [201, true, true],
    ]);
    expectKept(told[1]);
  });
});

describe("Bun's fetch", () => {
  test("gets many things at the same time, each whole", async () => {
    const names = ["index.html", "banner.png", "large.bin", "sample2.txt"];
    const sums = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => {
        const answer = await fetch(`${server.url}/${names[i % names.length]}`);
        return sha256(await answer.bytes());
      }),
    );
    const expected = names.map((name) => sha256OfFile(shop.path(name)));
    expect(sums).toEqual(Array.from({ length: 16 }, (_, i) => expected[i % names.length] ?? ""));
  });

  test("gives a download up, and the server has its descriptors back", async () => {
    await using own = await shop.start();
    const isLinux = process.platform === "linux";
    const descriptors = () => (isLinux ? readdirSync(`/proc/${own.pid}/fd`).length : 0);
    const before = descriptors();
    const quitting = new AbortController();
    const answer = await fetch(`${own.url}/large.bin`, { signal: quitting.signal });
    const reader = answer.body?.getReader();
    expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    if (isLinux) expect(descriptors()).toBeGreaterThan(before + 1); // The connection and the file.
    quitting.abort();
    await own.says("binary-aborted");
    await until(() => descriptors() <= before, `${before} descriptors`);
    expect((await fetch(`${own.url}/sample.txt`)).status).toBe(200);
  });

  test("asks for a range, on a condition, and for the head alone", async () => {
    const url = `${server.url}/large.bin`;
    const part = await fetch(url, { headers: { Range: "bytes=-1000" } });
    expect(part.status).toBe(206);
    expect(await part.bytes()).toEqual(new Uint8Array(readFileSync(shop.path("large.bin")).subarray(-1000)));
    const etag = part.headers.get("etag") ?? "";
    const same = await fetch(url, { headers: { "If-None-Match": etag } });
    expect([same.status, await same.text()]).toEqual([304, ""]);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      String(LARGE_BYTES),
      "",
    ]);
  });

  test("uploads a file and a stream", async () => {
    const headers = { "Content-Type": "application/json" };
    for (const body of [Bun.file(document), Bun.file(document).stream()]) {
      const answer = await fetch(`${server.url}/upload`, { method: "POST", headers, body });
      expect(answer.status).toBe(201);
      expectKept(await answer.text());
    }
  });
});
