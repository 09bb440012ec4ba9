/** Basic credentials: who is let in, what the others learn, and what guessing costs those who are in. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BasicAuth, hashPassword, Standing } from "../../src/handlers/basic-auth.ts";
import { ErrorPages } from "../../src/handlers/error-page.ts";
import { ADMITTED, type Request, type Response } from "../../src/http/message.ts";
import { answerOf, type Fields, makeRequest, makeSite, NOW_MS, responseTo, type Site } from "../support/site.ts";

/** Cheap ones, so that the tests are not about waiting; of the form that is taken. */
const ANN_HASH = await Bun.password.hash("right: ö", { algorithm: "bcrypt", cost: 4 });
const BEN_HASH = await Bun.password.hash("other", { algorithm: "argon2id", memoryCost: 1024, timeCost: 1 });
const CREDENTIALS = [`ann:${ANN_HASH}`, `ben:${BEN_HASH}`];

function basic(text: string | Uint8Array): Fields {
  return { Authorization: `Basic ${Buffer.from(text as string).toString("base64")}` };
}

const ANN = basic("ann:right: ö");
const WRONG = basic("ann:wrong");

function makeGuarded(settings: Parameters<typeof makeSite>[0] = {}): Site {
  const site = makeSite({ basicAuth: CREDENTIALS, threads: 10, ...settings });
  writeFileSync(join(site.root, "index.html"), "hello");
  return site;
}

async function statusOf(site: Site, line: string, fields: Fields = {}): Promise<number> {
  return (await responseTo(site.handler, makeRequest(line, fields))).status;
}

test("nobody without credentials gets anything but the question for them", async () => {
  using site = makeGuarded();
  for (const line of ["GET /", "HEAD /", "GET /none", "OPTIONS *", "OPTIONS /", "PUT /", "GET /..%2f", "GET /.env"]) {
    const { refusal } = site.handler.admit(makeRequest(line));
    if (refusal === null) throw new Error(`${line} was admitted`);
    const answer = answerOf(refusal);
    expect([line, answer.status, answer.response.incident]).toEqual([line, 401, null]);
    expect(answer.fields["www-authenticate"]).toBe('Basic realm="httpserver", charset="UTF-8"');
    expect(answer.fields["cache-control"]).toBe("no-store");
  }
});

test("the Host rule comes first: a page that rebinds its name does not even see the question", () => {
  using site = makeGuarded();
  expect(site.handler.admit(makeRequest("GET /", { Host: "evil.test" })).refusal?.status).toBe(403);
});

test("right credentials are let in, at once from the second time on", async () => {
  using site = makeGuarded();
  const first = makeRequest("GET /", ANN);
  expect(site.handler.admit(first)).toMatchObject({ refusal: null, later: expect.any(Function) });
  expect(answerOf(await responseTo(site.handler, first)).text).toBe("hello");
  const second = makeRequest("GET /", ANN);
  expect(site.handler.admit(second)).toEqual(ADMITTED);
  expect(site.handler.respond(second, ADMITTED)).not.toBeInstanceOf(Promise);
  expect(await statusOf(site, "GET /", basic("ben:other"))).toBe(200);
});

const refused: readonly [what: string, fields: Fields, incident: string][] = [
  ["a wrong password", WRONG, "wrong password for ann"],
  ["another user's password", basic("ben:right: ö"), "wrong password for ben"],
  ["an unknown user", basic("eve:right: ö"), "credentials of an unknown user"],
  ["no user", basic(":right: ö"), "credentials of an unknown user"],
  ["an empty password", basic("ann:"), "wrong password for ann"],
  ["the hash instead of the password", basic(`ann:${ANN_HASH}`), "wrong password for ann"],
  ["the user's name in capitals", basic("ANN:right: ö"), "credentials of an unknown user"],
  ["the password in Latin-1", basic(Buffer.from("ann:right: ö", "latin1")), "wrong password for ann"],
  ["a name that is no UTF-8", basic(Buffer.from([0xff, 0x3a, 0x61])), "credentials of an unknown user"],
  ["a name of Object.prototype", basic("__proto__:x"), "credentials of an unknown user"],
];
for (const [what, fields, incident] of refused) {
  test(`${what} is 401 with a warning, also the second time`, async () => {
    using site = makeGuarded();
    const first = await responseTo(site.handler, makeRequest("GET /", fields));
    expect([first.status, first.incident]).toEqual([401, incident]);
    const { refusal: again } = site.handler.admit(makeRequest("GET /", fields));
    expect([again?.status, again?.incident]).toEqual([401, "wrong credentials once more"]);
  });
}

const malformed: readonly [what: string, value: string][] = [
  ["another scheme", "Bearer YW5uOng="],
  ["no token", "Basic"],
  ["no base64", "Basic ann:x"],
  ["base64 cut short", "Basic YW5uO"],
  ["two tokens", "Basic YW5uOng= YW5uOng="],
  ["no colon", basic("ann")["Authorization"] ?? ""],
  ["a line break inside", basic("ann:a\nb")["Authorization"] ?? ""],
  ["NUL inside", basic("ann:a\0b")["Authorization"] ?? ""],
  ["more than a kilobyte", basic(`ann:${"x".repeat(1100)}`)["Authorization"] ?? ""],
];
for (const [what, value] of malformed) {
  test(`credentials with ${what} are refused by the head alone`, () => {
    using site = makeGuarded();
    const { refusal } = site.handler.admit(makeRequest("GET /", { Authorization: value }));
    expect([refusal?.status, refusal?.incident]).toEqual([401, "credentials that are malformed"]);
  });
}

test("the scheme's case does not matter, and two Authorization fields are none", () => {
  using site = makeGuarded();
  const token = (ANN["Authorization"] ?? "").slice(6);
  expect(site.handler.admit(makeRequest("GET /", { Authorization: `bAsIc  ${token}` })).refusal).toBeNull();
  const twice = makeRequest("GET /", { Authorization: `Basic ${token}`, authorization: `Basic ${token}` });
  expect(site.handler.admit(twice).refusal?.incident).toBe("credentials that are malformed");
});

test("an upload without credentials, or with wrong ones seen before, is refused before its content is wanted", async () => {
  using site = makeGuarded();
  const upload = (fields: Fields): Request =>
    makeRequest(
      "POST /upload",
      { "Content-Type": "application/json", "Content-Length": "2", ...fields },
      Buffer.from("{}"),
    );
  await responseTo(site.handler, makeRequest("GET /", WRONG));
  for (const fields of [{}, WRONG, { Authorization: "Basic ?" }]) {
    const { refusal, content } = site.handler.admit(upload(fields));
    expect([refusal?.status, content]).toEqual([401, "skip"]);
    expect(answerOf(refusal as Response).fields["content-type"]).toBe("application/json");
  }
  expect((await responseTo(site.handler, upload(ANN))).status).toBe(201);
  expect((await responseTo(site.handler, upload(ANN))).status).toBe(201);
});

test("what the rules refuse is told only to those who are in", async () => {
  using site = makeGuarded();
  const cases: readonly [line: string, fields: Fields, status: number][] = [
    ["GET /..%2fx", {}, 403],
    ["GET /.env", {}, 404],
    ["GET /upload", {}, 405],
    ["POST /upload", { "Content-Type": "text/plain", "Content-Length": "9" }, 415],
    ["OPTIONS *", {}, 204],
  ];
  for (const [line, fields, status] of cases) {
    expect([line, await statusOf(site, line, { ...fields, ...basic(`eve:${line}`) })]).toEqual([line, 401]);
    // The first time they are unknown to the server, the second time known.
    using fresh = makeGuarded();
    const unverified = makeRequest(line, { ...fields, ...ANN });
    const admission = fresh.handler.admit(unverified);
    expect([admission.refusal, admission.content]).toEqual([null, "skip"]);
    expect((await admission.later?.())?.refusal?.status).toBe(status);
    expect(fresh.handler.admit(makeRequest(line, { ...fields, ...ANN })).refusal?.status).toBe(status);
  }
});

test("the bound of an upload is told only to those who are in", async () => {
  using site = makeGuarded();
  const upload = (fields: Fields) => makeRequest("POST /upload", { "Content-Type": "application/json", ...fields });
  for (const fields of [ANN, basic("eve:x")]) {
    const { content, later } = site.handler.admit(upload({ ...fields, "Content-Length": "99999999999" }));
    expect(content).toBe("skip");
    expect(await later?.()).toMatchObject({ refusal: { status: fields === ANN ? 413 : 401 } });
  }
});

test("with --auth-uploads files are everybody's, and the upload and what was uploaded are not", async () => {
  using site = makeGuarded({ authUploads: true, serveUploads: true });
  writeFileSync(join(site.uploads, "a.json"), "{}");
  expect(await statusOf(site, "GET /")).toBe(200);
  expect(await statusOf(site, "GET /none")).toBe(404);
  for (const line of [
    "GET /uploads/a.json",
    "GET /%75ploads/a.json",
    "GET /uploads",
    "POST /upload",
    "GET /upload?x",
    "OPTIONS /upload",
  ]) {
    expect([line, await statusOf(site, line)]).toEqual([line, 401]);
  }
  expect(await statusOf(site, "GET /uploads/a.json", ANN)).toBe(200);
});

// The time it takes, and what it holds up -------------------------------------------------------------------------

interface Bench {
  readonly auth: BasicAuth;
  /** Hashes that are compared at this moment, in order. */
  readonly running: { readonly hash: string; readonly password: string; end(isRight: boolean): void }[];
  /** Compared at some time. */
  readonly started: string[];
  nowMs: number;
  readonly lines: string[];
}

function makeBench(threads = 10): Bench {
  const bench = { running: [], started: [], nowMs: NOW_MS, lines: [] } as unknown as Bench & { auth: BasicAuth };
  bench.auth = new BasicAuth({
    credentials: CREDENTIALS,
    threads,
    pages: new ErrorPages(),
    now: () => bench.nowMs,
    log: (line) => bench.lines.push(line),
    verify: (password, hash) => {
      bench.started.push(hash);
      const text = new TextDecoder().decode(password);
      return new Promise((resolve) => bench.running.push({ hash, password: text, end: resolve }));
    },
  });
  return bench;
}

function asking(text: string, address = "127.0.0.1"): Request {
  return { ...makeRequest("GET /", basic(text)), address };
}

/** Lets every waiting promise take its step. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test("the same credentials are verified once, however often they come meanwhile", async () => {
  const { auth, running, started } = makeBench();
  const all = Promise.all([1, 2, 3, 4].map(() => auth.verify(asking("ann:x"))));
  await settle();
  expect(started).toEqual([ANN_HASH]);
  running[0]?.end(true);
  expect(await all).toEqual([null, null, null, null]);
  expect(auth.look(asking("ann:x"))).toBe(Standing.Known);
});

test("few are verified at a time, the others in the order they came", async () => {
  const bench = makeBench(100);
  const answers = Array.from({ length: 30 }, (_, i) => bench.auth.verify(asking(`ann:${i}`, `10.0.0.${i}`)));
  await settle();
  const atOnce = bench.running.length;
  expect(atOnce).toBeLessThanOrEqual(4);
  const order: string[] = [];
  for (let i = 0; i < 30; i++) {
    order.push(bench.running[i]?.password ?? "none");
    bench.running[i]?.end(false);
    await settle();
    expect(bench.running.length - i - 1).toBeLessThanOrEqual(atOnce);
  }
  expect(order).toEqual(Array.from({ length: 30 }, (_, i) => `${i}`));
  for (const answer of answers) expect((await answer)?.status).toBe(401);
});

test("guessing takes no more than three quarters of the slots, and one peer leaves one of them to others", async () => {
  const { auth, running } = makeBench(10);
  const refused: (Response | null)[] = [];
  const ask = (password: string, address: string) =>
    void auth.verify(asking(`ann:${password}`, address)).then((response) => refused.push(response));
  for (let i = 0; i < 50; i++) ask(`a${i}`, "10.0.0.1");
  await settle();
  expect(refused).toHaveLength(50 - 6);
  for (let i = 0; i < 50; i++) ask(`b${i}`, "10.0.0.2");
  await settle();
  expect(refused).toHaveLength(100 - 7);
  for (const response of refused) {
    expect([response?.status, response?.incident]).toEqual([503, "too many unverified credentials at once"]);
    expect(answerOf(response as Response).fields["retry-after"]).toBe("1");
  }
  // When all is over there is place again.
  for (let i = 0; i < 7; i++) {
    running[i]?.end(false);
    await settle();
  }
  expect(refused).toHaveLength(100);
  const later = auth.verify(asking("ann:c", "10.0.0.1"));
  await settle();
  running[7]?.end(true);
  expect(await later).toBeNull();
});

test("with a single slot credentials can still be verified", async () => {
  const { auth, running } = makeBench(1);
  const answer = auth.verify(asking("ann:x"));
  await settle();
  running[0]?.end(true);
  expect(await answer).toBeNull();
});

test("an unknown user costs what a known one costs: always the same one, and is not let in by that one's password", async () => {
  const { auth, running, started } = makeBench();
  const chosen = new Set<string>();
  for (let i = 0; i < 40; i++) {
    for (const password of ["x", "y"]) {
      const answer = auth.verify(asking(`nobody${i}:${password}`));
      await settle();
      running.at(-1)?.end(true);
      expect((await answer)?.status).toBe(401);
    }
    expect(started.at(-1)).toBe(started.at(-2) as string);
    chosen.add(started.at(-1) as string);
  }
  expect([...chosen].sort()).toEqual([ANN_HASH, BEN_HASH].sort());
  expect(auth.look(asking("nobody1:x"))).not.toBe(Standing.Known);
});

test("results are forgotten after their time, and when the clock was set back", async () => {
  const bench = makeBench();
  const verify = async (text: string, isRight: boolean) => {
    const answer = bench.auth.verify(asking(text));
    await settle();
    bench.running.at(-1)?.end(isRight);
    await answer;
  };
  await verify("ann:right", true);
  await verify("ann:wrong", false);
  bench.nowMs = NOW_MS + 59_999;
  expect(bench.auth.look(asking("ann:wrong"))).toMatchObject({ status: 401 });
  bench.nowMs = NOW_MS + 60_000;
  expect(bench.auth.look(asking("ann:wrong"))).toBe(Standing.Unknown);
  bench.nowMs = NOW_MS + 1_799_999;
  expect(bench.auth.look(asking("ann:right"))).toBe(Standing.Known);
  bench.nowMs = NOW_MS + 1_800_000;
  expect(bench.auth.look(asking("ann:right"))).toBe(Standing.Unknown);
  bench.nowMs = NOW_MS;
  await verify("ann:right", true);
  bench.nowMs = NOW_MS - 1;
  expect(bench.auth.look(asking("ann:right"))).toBe(Standing.Unknown);
});

test("a thousand wrong guesses are remembered and not more, and push out nobody who is in", async () => {
  const bench = makeBench();
  const verify = async (text: string, isRight: boolean) => {
    const answer = bench.auth.verify(asking(text));
    await settle();
    bench.running.at(-1)?.end(isRight);
    await answer;
  };
  await verify("ann:right", true);
  for (let i = 0; i <= 1000; i++) await verify(`ann:${i}`, false);
  expect(bench.auth.look(asking("ann:right"))).toBe(Standing.Known);
  expect(bench.auth.look(asking("ann:0"))).toBe(Standing.Unknown);
  expect(bench.auth.look(asking("ann:1"))).toMatchObject({ status: 401 });
});

test("when the comparison itself fails, nobody is let in and the operator reads whose hash it was", async () => {
  const lines: string[] = [];
  const auth = new BasicAuth({
    credentials: CREDENTIALS,
    threads: 1,
    pages: new ErrorPages(),
    now: () => NOW_MS,
    log: (line) => lines.push(line),
    verify: () => Promise.reject(new Error("InvalidEncoding")),
  });
  expect((await auth.verify(asking("ann:x")))?.status).toBe(401);
  expect(lines).toEqual(["--basic-auth: the hash of ann cannot be used: Error: InvalidEncoding"]);
});

// Where the credentials come from --------------------------------------------------------------------------------

test("a file has a user a line, with comments and empty lines", async () => {
  using site = makeSite();
  const path = join(site.folder, "users");
  writeFileSync(path, `# who may\n\nann:${ANN_HASH}\r\n  ben:${BEN_HASH}  \n`);
  using guarded = makeSite({ basicAuth: [`@${path}`, `eve:${BEN_HASH}`] });
  for (const text of ["ann:right: ö", "ben:other", "eve:other"]) {
    expect([text, await statusOf(guarded, "GET /none", basic(text))]).toEqual([text, 404]);
  }
});

test("a file that cannot be used is refused at the start, with its line and without what is in it", () => {
  using site = makeSite();
  const path = join(site.folder, "users");
  const cases: readonly [content: string, message: string][] = [
    [`ann:${ANN_HASH}\nben:password\n`, "users, line 2: expected USER:HASH with an argon2id or bcrypt hash"],
    ["@other\n", "users, line 1: expected USER:HASH"],
    ["# nobody\n", "--basic-auth: there is no user in the file"],
    [`ann:${ANN_HASH}\nann:${BEN_HASH}\n`, "users, line 2: ann is there twice"],
  ];
  for (const [content, message] of cases) {
    writeFileSync(path, content);
    expect(() => makeSite({ basicAuth: [`@${path}`] })).toThrow(RangeError);
    expect(() => makeSite({ basicAuth: [`@${path}`] })).toThrow(message);
    expect(() => makeSite({ basicAuth: [`@${path}`] })).not.toThrow("password\n");
  }
  expect(() => makeSite({ basicAuth: [`@${path}.none`] })).toThrow("cannot read");
  expect(() => makeSite({ basicAuth: ["@/dev/zero"] })).toThrow("cannot read /dev/zero (it is not a file)");
});

test("the hash that we make is right for its password alone, and differs each time", async () => {
  const [first, second] = await Promise.all([hashPassword("a:b ö"), hashPassword("a:b ö")]);
  expect(first).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
  expect(first).not.toBe(second);
  using site = makeSite({ basicAuth: [`x:${first}`] });
  expect(await statusOf(site, "GET /none", basic("x:a:b ö"))).toBe(404);
  expect(await statusOf(site, "GET /none", basic("x:a:b o"))).toBe(401);
});
