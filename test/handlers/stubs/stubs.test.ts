/** Stubs before the files of a site: which of both answers, and what is collected. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashPassword } from "../../../src/handlers/basic-auth.ts";
import type { HandlerOptions } from "../../../src/handlers/compose.ts";
import type { StubRules } from "../../../src/handlers/stubs/stub-rules.ts";
import { openStubs } from "../../../src/handlers/stubs/stubs.ts";
import { Fields } from "../../../src/http/fields.ts";
import { response } from "../../../src/http/message.ts";
import { ask, makeRequest, makeSite, type Site } from "../../support/site.ts";
import { message, StubGround } from "./folder.ts";

type Settings = Partial<HandlerOptions["settings"]>;

/** A site whose stubs are `files`, with the served files `/a.html` and `/sub/index.html`. */
function makeStubbed(
  files: Readonly<Record<string, string>>,
  settings: Settings = {},
  rules: StubRules | null = null,
): Site {
  const ground = new StubGround(files);
  const stubs = openStubs({ realPath: ground.path, shown: "stubs", warn: () => {} }, rules);
  const site = makeSite(settings, { stubs });
  mkdirSync(join(site.root, "sub"));
  writeFileSync(join(site.root, "a.html"), "file");
  writeFileSync(join(site.root, "sub/index.html"), "index");
  return {
    ...site,
    [Symbol.dispose]: () => {
      ground[Symbol.dispose]();
      site[Symbol.dispose]();
    },
  };
}

async function statusOf(site: Site, line: string, fields: Record<string, string> = {}): Promise<string> {
  const { status, fields: answered, text, response } = await ask(site, line, fields);
  return [status, answered["allow"] ?? (response.kind === "error" ? "" : text)].join(" ").trim();
}

describe("a request", () => {
  test("gets a stub before a file, and a file where no stub has the path", async () => {
    using site = makeStubbed({ "a.html/GET.http": "stub", "api/GET.http": "api" });
    expect(await statusOf(site, "GET /a.html")).toBe("200 stub");
    expect(await statusOf(site, "GET /api?x=1")).toBe("200 api");
    expect(await statusOf(site, "GET /sub/")).toBe("200 index");
    expect(await statusOf(site, "GET /none")).toBe("404");
  });

  test("with HEAD has the head of GET", async () => {
    using site = makeStubbed({ "api/GET.http": message("api", 203, "X-A: 1\n") });
    const head = await ask(site, "HEAD /api");
    expect([head.status, head.fields]).toEqual([203, { "x-a": "1", "content-length": "3" }]);
  });

  test("with another method than the stubs have is 405 with all their methods", async () => {
    using site = makeStubbed({ "api/POST.http": "p", "[id]/DELETE.http": "d", "[id]/PROPFIND.http": "f" });
    for (const method of ["GET", "HEAD", "PUT", "PATCH", "TRACE", "BREW"]) {
      expect(await statusOf(site, `${method} /api`)).toBe("405 POST, DELETE, PROPFIND, OPTIONS");
    }
    expect(await statusOf(site, "PROPFIND /api")).toBe("200 f");
    expect(await statusOf(site, "OPTIONS /api")).toBe("204 POST, DELETE, PROPFIND, OPTIONS");
  });

  test("reads the file at a path whose stubs have other methods: it counts as GET and HEAD", async () => {
    using site = makeStubbed({ "a.html/POST.http": "p", "sub/PUT.http": "u" });
    expect(await statusOf(site, "GET /a.html")).toBe("200 file");
    expect(await statusOf(site, "POST /a.html")).toBe("200 p");
    expect(await statusOf(site, "OPTIONS /a.html")).toBe("204 GET, HEAD, POST, OPTIONS");
    expect(await statusOf(site, "DELETE /a.html")).toBe("405 GET, HEAD, POST, OPTIONS");
    expect(await statusOf(site, "GET /sub/")).toBe("200 index");
    expect(await statusOf(site, "OPTIONS /sub/")).toBe("204 GET, HEAD, PUT, OPTIONS");
  });

  test("does not learn from Allow whether a hidden file exists", async () => {
    using site = makeStubbed({ "[...rest]/POST.http": "p" });
    writeFileSync(join(site.root, ".env"), "secret");
    for (const path of ["/.env", "/.none"]) {
      expect(await statusOf(site, `OPTIONS ${path}`)).toBe("204 POST, OPTIONS");
      expect(await statusOf(site, `GET ${path}`)).toBe("404");
    }
  });

  test("for a page of an application gets it, also where a form is posted", async () => {
    using site = makeStubbed({ "login/POST.http": "p" }, { spa: true, index: "a.html" });
    expect(await statusOf(site, "GET /login", { Accept: "text/html" })).toBe("200 file");
    expect(await statusOf(site, "POST /login")).toBe("200 p");
  });

  test("with OPTIONS gets the stub's own answer, if there is one", async () => {
    using site = makeStubbed({ "api/OPTIONS.http": message("", 200, "Allow: MINE\n"), "api/GET.http": "g" });
    expect(await statusOf(site, "OPTIONS /api")).toBe("200 MINE");
  });

  test("for a path that climbs, or of the server itself, never reaches a stub", async () => {
    using site = makeStubbed({ "[...rest]/GET.http": "any", "[...rest]/POST.http": "any" });
    expect(await statusOf(site, "GET /../a")).toBe("403");
    expect(await statusOf(site, "GET /a%2fb")).toBe("403");
    expect(await statusOf(site, "POST /upload", { "Content-Length": "0" })).toBe("415");
    expect(await statusOf(site, "GET /x")).toBe("200 any");
    expect(await statusOf(site, "GET /.env")).toBe("200 any");
  });

  test("for a foreign host, or without credentials, never reaches a stub", async () => {
    using site = makeStubbed({ "api/POST.http": "p" }, { basicAuth: [`ada:${await hashPassword("secret")}`] });
    expect(await statusOf(site, "POST /api", { Host: "evil.example" })).toBe("403");
    expect(await statusOf(site, "POST /api")).toBe("401");
    expect(await statusOf(site, "POST /api", { Authorization: `Basic ${btoa("ada:secret")}` })).toBe("200 p");
  });

  test("without credentials does not learn from a preflight whether a file exists", async () => {
    const basicAuth = [`ada:${await hashPassword("secret")}`];
    using site = makeStubbed({ "[id]/PUT.http": "p" }, { basicAuth, cors: ["https://app.test"] });
    const fields = { Origin: "https://app.test", "Access-Control-Request-Method": "PUT" };
    for (const path of ["/a.html", "/none"]) {
      const preflight = await ask(site, `OPTIONS ${path}`, fields);
      expect([path, preflight.fields["allow"]]).toEqual([path, "GET, HEAD, PUT, OPTIONS"]);
    }
  });

  test("of another origin is told the methods of the stubs in its preflight", async () => {
    using site = makeStubbed({ "api/[id]/PATCH.http": "p" }, { cors: ["https://app.test"] });
    const fields = { Origin: "https://app.test", "Access-Control-Request-Method": "PATCH" };
    const preflight = await ask(site, "OPTIONS /api/7", fields);
    expect(preflight.fields).toMatchObject({
      "access-control-allow-methods": "PATCH, OPTIONS",
      "access-control-allow-origin": "https://app.test",
    });
    const answer = await ask(site, "PATCH /api/7", { Origin: "https://app.test" });
    expect([answer.text, answer.fields["access-control-allow-origin"]]).toEqual(["p", "https://app.test"]);
  });
});

test("the fields of CORS in a recorded answer give way to --cors, and stay without it", async () => {
  const files = {
    "api/GET.http": message(
      "g",
      200,
      "Access-Control-Allow-Origin: *\naccess-control-allow-credentials: true\nVary: Origin\n",
    ),
  };
  const Origin = "https://app.test";
  using open = makeStubbed(files);
  expect((await ask(open, "GET /api", { Origin })).fields["access-control-allow-origin"]).toBe("*");
  using named = makeStubbed(files, { cors: [Origin] });
  for (let i = 0; i < 2; i++) {
    const { fields, text } = await ask(named, "GET /api", { Origin });
    expect([fields, text]).toEqual([
      { "access-control-allow-origin": Origin, vary: "Origin", "content-length": "1" },
      "g",
    ]);
  }
  using any = makeStubbed(files, { cors: ["*"] });
  // The server adds its own to each head.
  expect((await ask(any, "GET /api", { Origin })).fields).toEqual({ vary: "Origin", "content-length": "1" });
});

test("a field of a stub gives way to the one that a flag sets for every response", async () => {
  const files = { "api/GET.http": message("g", 200, "X-Frame-Options: DENY\nVary: Accept\nX-Own: stub\n") };
  const settings = { securityHeaders: true, headers: ["x-own: flag", "Vary: Origin"] };
  using site = makeStubbed(files, settings);
  // The server adds those of the flags to each head.
  expect((await ask(site, "GET /api")).fields).toEqual({ vary: "Accept", "content-length": "1" });
});

test("the content of a request for a stub is collected, and that for a file is not", () => {
  using site = makeStubbed({ "api/POST.http": "p" });
  const contentOf = (line: string) => site.handler.admit(makeRequest(line, { "Content-Length": "4" })).content;
  expect(contentOf("POST /api")).toMatchObject({ collectMax: 1000 });
  expect(contentOf("GET /a.html")).toBe("discard");
});

describe("a rule", () => {
  /** One rule that answers POST below /api; `isMet` says whether the content meets it. */
  function rule(isMet: boolean): StubRules & { taken: number } {
    return {
      taken: 0,
      mayAnswer: ({ head, target }) => head.methodText === "POST" && target.path.startsWith("/api"),
      take() {
        this.taken++;
        return isMet ? Promise.resolve(response(200, Fields.of([]), new TextEncoder().encode("rule"), "stub")) : null;
      },
      methods: (path) => (path.startsWith("/api") ? ["POST"] : []),
    };
  }

  test("comes before a file, and where it is not met the file answers", async () => {
    using met = makeStubbed({ "api/POST.http": "file" }, {}, rule(true));
    expect(await statusOf(met, "POST /api")).toBe("200 rule");
    using unmet = makeStubbed({ "api/POST.http": "file" }, {}, rule(false));
    expect(await statusOf(unmet, "POST /api")).toBe("200 file");
  });

  test("that is not met leaves 404, as its method is right; other methods are 405 with those of rules and files", async () => {
    using site = makeStubbed({ "api/PUT.http": "file" }, {}, rule(false));
    expect(await statusOf(site, "POST /api")).toBe("404");
    expect(await statusOf(site, "POST /api/none")).toBe("404");
    expect(await statusOf(site, "GET /api")).toBe("405 POST, PUT, OPTIONS");
    expect(await statusOf(site, "DELETE /api")).toBe("405 POST, PUT, OPTIONS");
    expect(await statusOf(site, "OPTIONS /api")).toBe("204 POST, PUT, OPTIONS");
  });

  test("that the head does not meet leaves 404 as well, and OPTIONS its answer", async () => {
    const never = { mayAnswer: () => false, take: () => null, methods: () => ["POST", "OPTIONS"] };
    using site = makeStubbed({}, {}, never);
    expect(await statusOf(site, "POST /api")).toBe("404");
    expect(await statusOf(site, "PUT /api")).toBe("405 POST, OPTIONS");
    expect(await statusOf(site, "OPTIONS /api")).toBe("204 POST, OPTIONS");
    expect(await statusOf(site, "GET /a.html")).toBe("200 file");
  });

  test("is not asked about a request that it cannot match", async () => {
    const rules = rule(true);
    using site = makeStubbed({ "api/GET.http": "file" }, {}, rules);
    expect(await statusOf(site, "GET /a.html")).toBe("200 file");
    expect(rules.taken).toBe(0);
  });

  test("has its content collected", () => {
    using site = makeStubbed({}, {}, rule(true));
    expect(site.handler.admit(makeRequest("POST /api/x")).content).toMatchObject({ collectMax: 1000 });
  });
});
