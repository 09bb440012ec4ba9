/** Which pages from elsewhere may read, and what a preflight is told. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { corsFields } from "../../src/handlers/cors.ts";
import { answerOf, ask, type Fields, makeRequest, makeSite, PORT, post, type Site } from "../support/site.ts";

const APP = "https://app.test";

function makeOpen(...cors: readonly string[]): Site {
  const site = makeSite({ cors, inline: true });
  writeFileSync(join(site.root, "index.html"), "hello");
  writeFileSync(join(site.root, "large.html"), "x".repeat(100_000));
  return site;
}

function preflight(site: Site, path: string, origin: string | null, fields: Fields = {}) {
  const asked: Fields = {
    "Access-Control-Request-Method": "POST",
    ...(origin === null ? {} : { Origin: origin }),
    ...fields,
  };
  const { refusal } = site.handler.admit(makeRequest(`OPTIONS ${path}`, asked));
  if (refusal === null) throw new Error("admitted");
  return answerOf(refusal);
}

test("the lines on every answer name everybody, or say that answers differ by Origin", () => {
  expect(corsFields([])).toEqual([]);
  expect(corsFields(["*"])).toEqual([
    ["Access-Control-Allow-Origin", "*"],
    ["Access-Control-Expose-Headers", "*"],
  ]);
  expect(corsFields([APP])).toEqual([
    ["Vary", "Origin"],
    ["Access-Control-Expose-Headers", "*"],
  ]);
});

test("an allowed origin is named on every kind of answer, and its content stays whole", async () => {
  using site = makeOpen(APP, "http://localhost:3000");
  for (const origin of [APP, "http://localhost:3000"]) {
    const cases: readonly [line: string, fields: Fields, status: number][] = [
      ["GET /", {}, 200],
      ["GET /large.html", {}, 200],
      ["GET /", { Range: "bytes=0-1" }, 206],
      ["GET /none", {}, 404],
      ["DELETE /", {}, 405],
      ["OPTIONS /", {}, 204],
      ["GET /..%2f", {}, 403],
    ];
    for (const [line, fields, status] of cases) {
      const answer = await ask(site, line, { ...fields, Origin: origin });
      expect([line, answer.status, answer.fields["access-control-allow-origin"]]).toEqual([line, status, origin]);
      const length = answer.fields["content-length"];
      if (length !== undefined) expect(answer.content).toHaveLength(Number(length));
    }
    const created = await post(site, "{}", { Origin: origin });
    expect([created.status, created.fields["access-control-allow-origin"]]).toEqual([201, origin]);
    const failure = answerOf(site.handler.failure(408, "Too slow.", makeRequest("GET /", { Origin: origin })));
    expect(failure.fields["access-control-allow-origin"]).toBe(origin);
  }
});

const strangers = [
  "https://evil.test",
  "http://app.test",
  "https://app.test:8443",
  "https://app.test.evil.test",
  "https://xapp.test",
  "https://APP.test",
  "https://app.test/",
  "null",
  "*",
  "",
];
for (const origin of strangers) {
  test(`the origin ${JSON.stringify(origin)} is not named`, async () => {
    using site = makeOpen(APP);
    const answer = await ask(site, "GET /", { Origin: origin });
    expect(answer.status).toBe(200);
    expect(answer.fields["access-control-allow-origin"]).toBeUndefined();
    const told = preflight(site, "/upload", origin);
    expect(told.status).toBe(204);
    expect(Object.keys(told.fields)).toEqual(["allow"]);
  });
}

test("a request without Origin, or with two, is answered as ever", async () => {
  using site = makeOpen(APP);
  expect((await ask(site, "GET /")).fields["access-control-allow-origin"]).toBeUndefined();
  const twice = await ask(site, "GET /", { Origin: APP, origin: APP });
  expect(twice.fields["access-control-allow-origin"]).toBeUndefined();
  expect(answerOf(site.handler.failure(400, "No.", null)).status).toBe(400);
});

test("answers that serve many stay as they are: one origin's line is on no answer to another", async () => {
  using site = makeOpen(APP, "https://b.test");
  for (const origin of [APP, "https://b.test", APP]) {
    const { fields } = await ask(site, "GET /none", { Origin: origin });
    expect(fields["access-control-allow-origin"]).toBe(origin);
  }
  expect((await ask(site, "GET /none")).fields["access-control-allow-origin"]).toBeUndefined();
});

for (const [cors, origin] of [
  ["*", "https://any.test"],
  [APP, APP],
] as const) {
  test(`with --cors ${cors} a preflight is told the methods of its target and any field`, () => {
    using site = makeOpen(cors);
    for (const [path, methods] of [
      ["/", "GET, HEAD, OPTIONS"],
      ["/none/x", "GET, HEAD, OPTIONS"],
      ["/upload", "POST, OPTIONS"],
      ["/upload?x", "POST, OPTIONS"],
    ] as const) {
      const { status, fields, response } = preflight(site, path, origin);
      expect([status, response.content]).toEqual([204, null]);
      expect(fields).toEqual({
        ...(cors === "*" ? {} : { "access-control-allow-origin": origin }),
        allow: methods,
        "access-control-allow-methods": methods,
        "access-control-allow-headers": "*, Authorization",
        "access-control-max-age": "600",
      });
    }
  });
}

test("without --cors a preflight is granted nothing, so no page from elsewhere can send JSON", () => {
  using site = makeSite();
  expect(preflight(site, "/upload", APP).fields).toEqual({ allow: "POST, OPTIONS" });
});

test("a preflight does not come before the Host rule, nor around the rules about paths", () => {
  using site = makeOpen("*");
  expect(preflight(site, "/", APP, { Host: `evil.test:${PORT}` }).status).toBe(403);
  expect(preflight(site, "/..%2f", APP).status).toBe(403);
  expect(preflight(site, "/", null).fields).toEqual({ allow: "GET, HEAD, OPTIONS" });
});

test("a preflight needs no credentials, because browsers send none with it; the request behind it does", async () => {
  const hash = await Bun.password.hash("x", { algorithm: "bcrypt", cost: 4 });
  using site = makeSite({ cors: [APP], basicAuth: [`ann:${hash}`], threads: 2 });
  expect(preflight(site, "/upload", APP).status).toBe(204);
  expect(preflight(site, "/upload", "https://evil.test").status).toBe(401);
  const refused = await ask(site, "GET /", { Origin: APP });
  expect([refused.status, refused.fields["access-control-allow-origin"]]).toEqual([401, APP]);
});

test("nobody is allowed the credentials that a browser keeps", async () => {
  using site = makeOpen(APP);
  const answers = [await ask(site, "GET /", { Origin: APP }), preflight(site, "/upload", APP)];
  for (const { fields } of answers) expect(fields["access-control-allow-credentials"]).toBeUndefined();
});
