/** The proxy before a folder, with an upstream that a test answers for: which requests go on, and the fields in both directions. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ForwardedRequest, ForwardedResponse, Upstream, UpstreamFailure } from "../../../src/exchange/upstream.ts";
import type { HandlerOptions } from "../../../src/handlers/compose.ts";
import { type ProxyMountSettings, ProxyRules } from "../../../src/handlers/proxy/proxy.ts";
import { Site as FolderSite } from "../../../src/handlers/site/site.ts";
import { openStubs } from "../../../src/handlers/stubs/stubs.ts";
import type { FieldLines } from "../../../src/http/fields.ts";
import type { LiveSource, Request } from "../../../src/http/message.ts";
import { resolveServerSettings } from "../../../src/settings/resolve.ts";
import { textOf } from "../../support/bytes.ts";
import { ask, type Fields, makeRequest, makeSite, responseTo, type Site } from "../../support/site.ts";
import { StubGround } from "../stubs/folder.ts";

type Settings = Partial<HandlerOptions["settings"] & ProxyMountSettings>;

/** Answers each request as it is told to, and remembers it. */
class FakeUpstream implements Upstream {
  readonly requests: ForwardedRequest[] = [];
  content = "";
  hurries = 0;
  answer: Partial<ForwardedResponse> | UpstreamFailure = {};

  call(request: ForwardedRequest, listener: Parameters<Upstream["call"]>[1]): ReturnType<Upstream["call"]> {
    this.requests.push(request);
    const { answer } = this;
    if ("reason" in answer) listener.failed(answer);
    else {
      listener.answered({ status: 200, lines: [["X-Up", "1"]], content: null, length: 0, ...answer });
      listener.ended(true);
    }
    return {
      write: (bytes) => {
        this.content += textOf(bytes);
        return true;
      },
      ended: () => {
        this.content += ".";
      },
      failed() {},
      whenReady() {},
      hurry: () => {
        this.hurries++;
      },
    };
  }

  /** Value of a field of the last request; several lines are joined. */
  field(name: string): string | null {
    const lines = (this.requests.at(-1)?.lines ?? []).filter(([own]) => own.toLowerCase() === name.toLowerCase());
    return lines.length === 0 ? null : lines.map(([, value]) => value).join(", ");
  }
}

interface Proxied extends Site {
  readonly upstream: FakeUpstream;
  readonly proxy: ProxyRules;
  readonly warnings: string[];
}

/** A folder with `a.html`, `sub/index.html` and `empty/`, and one upstream for `/**`. */
function makeProxied(settings: Settings = {}, further: Partial<HandlerOptions> = {}): Proxied {
  const upstream = new FakeUpstream();
  const warnings: string[] = [];
  const all = { ...resolveServerSettings({ proxies: ["/** http://up.test:3000"] }), ...settings };
  const proxy = new ProxyRules({
    settings: all,
    upstream: () => upstream,
    nowMs: () => 0,
    warn: (line) => warnings.push(line),
  });
  const site = makeSite(settings, { proxy, ...further });
  mkdirSync(join(site.root, "sub"));
  mkdirSync(join(site.root, "empty"));
  writeFileSync(join(site.root, "a.html"), "file");
  writeFileSync(join(site.root, ".env"), "secret");
  writeFileSync(join(site.root, "sub/index.html"), "index");
  return { ...site, upstream, proxy, warnings };
}

/** Status and target of what was passed on, or status alone. */
async function pass(site: Proxied, line: string, fields: Fields = {}): Promise<string> {
  const before = site.upstream.requests.length;
  const { status } = await responseTo(site.handler, makeRequest(line, fields));
  const request = site.upstream.requests[before];
  return request === undefined ? String(status) : `${status} ${request.method} ${request.target}`;
}

describe("a request", () => {
  test("for a file stays here, and any other goes on with its target", async () => {
    using site = makeProxied();
    expect(await pass(site, "GET /a.html")).toBe("200");
    expect(await pass(site, "HEAD /a.html")).toBe("200");
    expect(await pass(site, "GET /sub/")).toBe("200");
    expect(await pass(site, "GET /sub")).toBe("308");
    expect(await pass(site, "GET /b.html?x=/../%41&y=%")).toBe("200 GET /b.html?x=/../%41&y=%25");
    expect(await pass(site, "HEAD /b.html")).toBe("200 HEAD /b.html");
    expect(await pass(site, 'GET /%7e"|?"')).toBe("200 GET /%7e%22%7C?%22");
    expect(await pass(site, "GET /empty/")).toBe("200 GET /empty/");
    expect(await pass(site, "GET /")).toBe("200 GET /");
  });

  test("with another method goes on, also for the path of a file", async () => {
    using site = makeProxied();
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
      expect(await pass(site, `${method} /a.html`)).toBe(`200 ${method} /a.html`);
    }
    expect(await pass(site, "TRACE /a.html")).toBe("405");
    expect(await pass(site, "OPTIONS *")).toBe("204");
  });

  test("that no pattern matches stays here", async () => {
    using site = makeProxied({ proxies: ["/api/** http://up.test:3000"] });
    expect(await pass(site, "GET /none")).toBe("404");
    expect(await pass(site, "POST /a.html")).toBe("405");
    expect(await pass(site, "OPTIONS /a.html")).toBe("204");
    expect(await pass(site, "GET /api/none")).toBe("200 GET /api/none");
  });

  test("for a path of the server's own stays here", async () => {
    using site = makeProxied();
    expect(await pass(site, "GET /upload")).toBe("405");
    expect(await pass(site, "GET /../x")).toBe("403");
    expect(await pass(site, "GET //evil.test/")).toBe("403");
    expect(await pass(site, "GET /a%2fb")).toBe("403");
    expect(await pass(site, "GET /x", { Host: "evil.test" })).toBe("403");
  });

  test("for a hidden file goes on: the folder does not show it", async () => {
    using site = makeProxied();
    expect(await pass(site, "GET /.env")).toBe("200 GET /.env");
  });

  test("in absolute form goes on in origin form", async () => {
    using site = makeProxied();
    expect(await pass(site, "GET http://127.0.0.1:8080/b?c")).toBe("200 GET /b?c");
    expect(await pass(site, "GET HTTP://127.0.0.1:8080")).toBe("200 GET /");
    expect(await pass(site, "GET http://127.0.0.1:8080?c")).toBe("200 GET /?c");
    expect(site.upstream.field("Host")).toBe("up.test:3000");
  });

  test("goes on in place of a listing and of a route, which are made up", async () => {
    using site = makeProxied({ listing: true, spa: true });
    writeFileSync(join(site.root, "index.html"), "app");
    expect(await pass(site, "GET /empty/", { Accept: "text/html" })).toBe("200 GET /empty/");
    expect(await pass(site, "GET /route", { Accept: "text/html" })).toBe("200 GET /route");
    expect(await pass(site, "GET /")).toBe("200");
  });

  test("goes on in place of a rewrite, and after pages and redirects of the site", async () => {
    using ground = makeSite();
    writeFileSync(join(ground.root, "_redirects"), "/old /new\n/* /a.html 200\n");
    writeFileSync(join(ground.root, "a.html"), "file");
    const { usable } = await import("../../support/site.ts");
    const { openDocumentRoot } = await import("../../../src/handlers/files/document-root.ts");
    const root = usable(openDocumentRoot(ground.root, "--root"));
    const rules = new FolderSite({ root, shown: "www", index: "index.html", warn: () => {} });
    using site = makeProxied({}, { root, site: rules });
    expect(await pass(site, "GET /old")).toBe("302");
    expect(await pass(site, "GET /a")).toBe("200");
    expect(await pass(site, "GET /_redirects")).toBe("404");
    expect(await pass(site, "GET /other")).toBe("200 GET /other");
  });

  test("that has come here before ends here", async () => {
    using site = makeProxied();
    await pass(site, "GET /b");
    const via = site.upstream.field("Via") ?? "";
    expect(via).toBe(`1.1 httpserver (${site.proxy.instance})`);
    expect(await pass(site, "GET /b", { Via: `1.0 other, ${via}` })).toBe("508");
    expect(await pass(site, "GET /b", { Via: "1.1 httpserver (00000000)" })).toBe("200 GET /b");
  });

  test("may be sent twice only without content and with an idempotent method", async () => {
    using site = makeProxied();
    const mayRepeat = async (line: string, fields: Fields = {}) => {
      await pass(site, line, fields);
      return site.upstream.requests.at(-1)?.mayRepeat;
    };
    expect(await mayRepeat("GET /b")).toBe(true);
    expect(await mayRepeat("DELETE /b")).toBe(true);
    expect(await mayRepeat("POST /b")).toBe(false);
    expect(await mayRepeat("GET /b", { "Content-Length": "1" })).toBe(false);
  });

  test("has its upstream hurried when its client sends nothing more", async () => {
    using site = makeProxied();
    const request = makeRequest("GET /b");
    const admission = site.handler.admit(request);
    let leave = () => {};
    const whenLeft = (call: () => void) => {
      leave = call;
    };
    await site.handler.respond({ ...request, whenLeft }, admission);
    leave();
    expect(site.upstream.hurries).toBe(1);
  });
});

describe("the fields of a request", () => {
  test("are the client's, but for those of its connection, and this server's own", async () => {
    using site = makeProxied();
    await pass(site, "GET /b", {
      Accept: "text/html",
      Cookie: "a=b",
      Authorization: "Bearer x",
      Connection: "keep-alive, X-Hop, close",
      "X-Hop": "1",
      "Keep-Alive": "timeout=5",
      "Proxy-Connection": "keep-alive",
      "Proxy-Authorization": "Basic x",
      TE: "trailers",
      Trailer: "X",
      Upgrade: "websocket",
      "HTTP2-Settings": "x",
      Via: "1.0 other",
      Forwarded: "for=1.2.3.4",
      "X-Forwarded-For": "1.2.3.4",
      "X-Forwarded-Host": "evil.test",
      "X-Forwarded-Prefix": "/evil",
      X_Forwarded_For: "1.2.3.4",
      x_forwarded_proto: "https",
    });
    expect(site.upstream.requests[0]?.lines).toEqual([
      ["Host", "up.test:3000"],
      ["Accept", "text/html"],
      ["Cookie", "a=b"],
      ["Authorization", "Bearer x"],
      ["Via", "1.0 other"],
      ["Via", `1.1 httpserver (${site.proxy.instance})`],
      ["Forwarded", 'for=127.0.0.1;host="127.0.0.1:8080";proto=http'],
      ["X-Forwarded-For", "127.0.0.1"],
      ["X-Forwarded-Proto", "http"],
      ["X-Forwarded-Host", "127.0.0.1:8080"],
    ]);
  });

  describe("of a proxy in front that the operator trusts", () => {
    const rows: readonly [name: string, fields: Fields, relay: Partial<Request>, expected: FieldLines][] = [
      [
        "have this server's part added to the kind that is there, and both kinds say the same",
        { "X-Forwarded-For": "192.0.2.1, 10.0.0.2", "X-Forwarded-Port": "443", X_Forwarded_Port: "1" },
        { address: "192.0.2.1", secure: true, relay: { address: "10.0.0.1", secure: false, host: "shop.test" } },
        [
          ["X-Forwarded-Port", "443"],
          ["Forwarded", 'for=192.0.2.1;host="shop.test";proto=https, for=10.0.0.1;host="127.0.0.1:8080";proto=http'],
          ["X-Forwarded-For", "192.0.2.1, 10.0.0.2, 10.0.0.1"],
          ["X-Forwarded-Proto", "https"],
          ["X-Forwarded-Host", "shop.test"],
        ],
      ],
      [
        "keep the elements of Forwarded",
        { Forwarded: "for=unknown;secret=x" },
        { address: "unknown", secure: false, relay: { address: "2001:db8::1", secure: true, host: null } },
        [
          ["Forwarded", 'for=unknown;secret=x, for="[2001:db8::1]";host="127.0.0.1:8080";proto=https'],
          ["X-Forwarded-For", "unknown, 2001:db8::1"],
          ["X-Forwarded-Proto", "http"],
          ["X-Forwarded-Host", "127.0.0.1:8080"],
        ],
      ],
    ];
    for (const [name, fields, relay, expected] of rows) {
      test(name, async () => {
        using site = makeProxied({ allowedHosts: ["*"] });
        await responseTo(site.handler, { ...makeRequest("GET /b", fields), ...relay });
        const lines = site.upstream.requests[0]?.lines ?? [];
        expect(lines.filter(([own]) => /forwarded/i.test(own))).toEqual([...expected]);
      });
    }
  });

  test("cannot be named as the connection's if they are this server's", async () => {
    using site = makeProxied();
    await pass(site, "GET /b", { Connection: "Host, Via, Forwarded, X-Forwarded-For, Content-Length" });
    for (const name of ["Host", "Via", "Forwarded", "X-Forwarded-For"])
      expect(site.upstream.field(name)).not.toBeNull();
  });

  test("do not tell of a length: the wire writes that", async () => {
    using site = makeProxied();
    await pass(site, "POST /b", { "Content-Length": "5", Expect: "100-continue" });
    expect([
      site.upstream.requests[0]?.announced,
      site.upstream.field("Content-Length"),
      site.upstream.field("Expect"),
    ]).toEqual([5, null, null]);
    await pass(site, "POST /b", { "Transfer-Encoding": "chunked" });
    expect([site.upstream.requests[1]?.announced, site.upstream.field("Transfer-Encoding")]).toEqual(["unknown", null]);
  });

  test("tell of HTTP/1.0, of a missing Host, of IPv6 and of TLS", async () => {
    using site = makeProxied({ host: "::1", anyPort: true });
    const request = { ...makeRequest("GET /b", { Host: "" }, undefined, true), address: "::1" };
    await responseTo(site.handler, request);
    expect(site.upstream.field("Via")).toStartWith("1.0 httpserver");
    expect(site.upstream.field("Forwarded")).toBe('for="[::1]";proto=https');
    expect([site.upstream.field("X-Forwarded-For"), site.upstream.field("X-Forwarded-Host")]).toEqual(["::1", null]);
  });
});

describe("a response", () => {
  async function fieldsOf(
    lines: FieldLines,
    settings: Settings = {},
    further: Partial<ForwardedResponse> = {},
  ): Promise<Fields> {
    using site = makeProxied(settings);
    site.upstream.answer = { lines, ...further };
    return (await ask(site, "GET /b")).fields;
  }

  test("has the upstream's fields, but for those of its connection and this server's own", async () => {
    expect(
      await fieldsOf([
        ["Content-Type", "text/css"],
        ["Content-Length", "0"],
        ["Server", "up"],
        ["Date", "Thu, 01 Jan 1970 00:00:00 GMT"],
        ["Connection", "close, X-Hop"],
        ["X-Hop", "1"],
        ["Keep-Alive", "timeout=5"],
        ["Upgrade", "h2c"],
        ["Trailer", "X"],
        ["Strict-Transport-Security", "max-age=1"],
        ["ETag", '"a"'],
      ]),
    ).toEqual({ "content-type": "text/css", etag: '"a"', via: "1.1 httpserver", "content-length": "0" });
  });

  test("has no second line of a field that a flag sets", async () => {
    const settings = { headers: ["X-A: ours"], securityHeaders: true, cors: ["*"] };
    const lines: FieldLines = [
      ["X-A", "theirs"],
      ["x-frame-options", "DENY"],
      ["Access-Control-Allow-Origin", "https://a.test"],
      ["Vary", "Accept"],
    ];
    expect(await fieldsOf(lines, settings)).toEqual({ vary: "Accept", via: "1.1 httpserver", "content-length": "0" });
  });

  test.each([
    ["http://up.test:3000/login?x", "/login?x"],
    ["HTTP://UP.TEST:3000/a", "/a"],
    ["http://up.test:3000", "/"],
    ["http://up.test:3000?x", "/?x"],
    ["http://up.test:3000//evil.test/", "http://up.test:3000//evil.test/"],
    ["http://up.test:3000/\\evil.test/", "http://up.test:3000/\\evil.test/"],
    ["http://up.test:3000/\t/evil.test/", "http://up.test:3000/\t/evil.test/"],
    ["http://up.test:30001/", "http://up.test:30001/"],
    ["http://up.test:3000.evil.test/", "http://up.test:3000.evil.test/"],
    ["https://other.test/", "https://other.test/"],
    ["/here", "/here"],
  ])("that leads to %s leads to %s", async (location, shown) => {
    expect((await fieldsOf([["Location", location]], {}, { status: 302 }))["location"]).toBe(shown);
  });

  test("has a length only if the upstream's has one", async () => {
    expect((await fieldsOf([], {}, { status: 304, length: 9 }))["content-length"]).toBe("9");
    expect((await fieldsOf([], {}, { status: 204, length: 0 }))["content-length"]).toBeUndefined();
    expect((await fieldsOf([], {}, { length: null }))["content-length"]).toBeUndefined();
  });

  test("is reported with its upstream", async () => {
    using site = makeProxied();
    const { response } = await ask(site, "GET /b");
    expect([response.kind, response.upstream]).toEqual(["proxy", { url: "http://up.test:3000", ms: 0, status: 200 }]);
  });

  test("that fails is 502, or 504 if it is late, and the operator gets one line until there is one", async () => {
    using site = makeProxied();
    site.upstream.answer = { isLate: false, reason: "cannot be reached (ECONNREFUSED)" };
    expect(await pass(site, "GET /b")).toBe("502 GET /b");
    expect(await pass(site, "GET /b")).toBe("502 GET /b");
    site.upstream.answer = { isLate: true, reason: "is silent" };
    const { status, response } = await ask(site, "GET /b", { Accept: "application/json" });
    expect([status, response.upstream?.status, response.isLast]).toEqual([504, null, false]);
    site.upstream.answer = {};
    await pass(site, "GET /b");
    site.upstream.answer = { isLate: true, reason: "is silent" };
    await pass(site, "GET /b");
    const silent = "--proxy: http://up.test:3000 is silent";
    expect(site.warnings).toEqual(["--proxy: http://up.test:3000 cannot be reached (ECONNREFUSED)", silent, silent]);
  });
});

describe("with other parts", () => {
  test("a stub comes first, and other methods of its path go on", async () => {
    using ground = new StubGround({ "api/GET.http": "stub", "a.html/POST.http": "stub" });
    const stubs = openStubs({ realPath: ground.path, shown: "stubs", warn: () => {} }, null);
    using site = makeProxied({}, { stubs });
    expect(await pass(site, "GET /api")).toBe("200");
    expect(await pass(site, "POST /api")).toBe("200 POST /api");
    expect(await pass(site, "OPTIONS /api")).toBe("200 OPTIONS /api");
    expect(await pass(site, "GET /a.html")).toBe("200");
    expect(await pass(site, "GET /other")).toBe("200 GET /other");
    site.upstream.answer = { status: 404 };
    expect(await pass(site, "DELETE /a.html/x")).toBe("404 DELETE /a.html/x");
    expect(await pass(site, "GET /a.html/")).toBe("404 GET /a.html/");
  });

  test("content that was collected for a rule goes on if the rule is not met", async () => {
    const rules = { mayAnswer: () => true, take: () => null, methods: () => new Set(["POST"]) };
    const stubs = openStubs(null, rules as never);
    using site = makeProxied({}, { stubs });
    const request = makeRequest("POST /api", { "Content-Length": "5" }, new TextEncoder().encode("hello"));
    expect((await responseTo(site.handler, request)).status).toBe(200);
    expect(site.upstream.content).toBe("hello.");
  });

  test("credentials for this server stay here", async () => {
    for (const [authUploads, passed] of [
      [false, null],
      [true, "Basic dTpw"],
    ] as const) {
      using site = makeProxied({ basicAuth: [], authUploads });
      const proxy = new ProxyRules({
        settings: {
          ...resolveServerSettings({ proxies: ["/** http://up.test:3000"] }),
          basicAuth: ["u:x"],
          authUploads,
        },
        upstream: () => site.upstream,
        nowMs: () => 0,
        warn: () => {},
      });
      using guarded = makeSite({}, { proxy });
      await responseTo(guarded.handler, makeRequest("GET /b", { Authorization: "Basic dTpw" }));
      expect(site.upstream.field("Authorization")).toBe(passed);
    }
  });

  test("content of a response is the one that its upstream sends", async () => {
    using site = makeProxied();
    let closes = 0;
    const content: LiveSource = {
      size: 5,
      isOver: true,
      read(position, into, offset, limit) {
        const bytes = new TextEncoder().encode("hello").subarray(position, position + limit);
        into.set(bytes, offset);
        return bytes.length;
      },
      whenMore() {},
      close: () => void closes++,
    };
    site.upstream.answer = { lines: [], content, length: 5 };
    const { text, fields } = await ask(site, "GET /b");
    expect([text, fields["content-length"], closes]).toEqual(["hello", "5", 1]);
  });
});
