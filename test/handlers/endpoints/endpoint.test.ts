/** The one guard of `/__server/`: which paths are the server's own, who may ask there, and that nothing is so without a flag. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Endpoint, type Endpoints, jsonAnswer } from "../../../src/handlers/endpoints/endpoint.ts";
import { streamEvent } from "../../../src/handlers/endpoints/event-stream.ts";
import { type StatusSource, statusEndpoints } from "../../../src/handlers/endpoints/status.ts";
import { FakeServer } from "../../support/conversation.ts";
import {
  admittedBy,
  answerOf,
  ask,
  type Fields,
  makeRequest,
  makeSite,
  PORT,
  responseTo,
  type Site,
} from "../../support/site.ts";

const SOURCE: StatusSource = {
  instance: "i1",
  isDraining: () => false,
  renderMetrics: () => "metrics\n",
  watch: (stream) => stream.send(streamEvent("seen")),
  unwatch() {},
  steps: { watch: (stream) => stream.send(streamEvent("step")), unwatch() {} },
};

/** Tells what it was asked, takes content, and has parts. */
const ECHO: Endpoint = {
  methods: ["GET", "POST", "DELETE"],
  contentBytesMax: 10,
  isOpen: false,
  hasParts: true,
  guard: (request) => (request.target.query === "?no" ? jsonAnswer(418, "guarded") : null),
  respond: (request, part) =>
    jsonAnswer(200, { method: request.head.methodText, part, text: new TextDecoder().decode(request.content) }),
};

const ENDPOINTS: Endpoints = new Map([...statusEndpoints(SOURCE), ["echo", ECHO]]);

type Settings = Parameters<typeof makeSite>[0];

/** With the server's own endpoints, and files beside them that are named like them. */
function makeReserved(settings: Settings = {}, endpoints: Endpoints | null = ENDPOINTS): Site {
  const site = makeSite(settings, { endpoints });
  for (const folder of ["__SERVER", "__serverx", "x"]) mkdirSync(join(site.root, folder));
  for (const name of ["index.html", "__SERVER/ready", "__serverx/ready", "__server.html", "x/ready"]) {
    writeFileSync(join(site.root, name), `file ${name}`);
  }
  return site;
}

async function statusOf(site: Site, line: string, fields: Fields = {}): Promise<number> {
  return (await ask(site, line, fields)).status;
}

describe("the server's own paths", () => {
  test("are found however they are written", async () => {
    using site = makeReserved();
    for (const path of [
      "/__server/ready",
      "/%5f_server/ready",
      "/%5F%5Fserver/%72eady",
      "/__server/ready?x=/../",
      `http://127.0.0.1:${PORT}/__server/ready`,
    ]) {
      const { status, text } = await ask(site, `GET ${path}`);
      expect([path, status, text]).toEqual([path, 200, '{"status":"ready","instance":"i1"}\n']);
    }
  });

  test("are not reached by climbing, nor left by it", async () => {
    using site = makeReserved();
    for (const path of [
      "/x/../__server/ready",
      "/./__server/ready",
      "//__server/ready",
      "/__server/../x/ready",
      "/__server/./ready",
      "/__server/%2e%2e/x/ready",
      "/__server%2fready",
      "/%2f__server/ready",
      "/__server%5cready",
      "/__server/echo/../ready",
    ]) {
      const { status, response } = await ask(site, `GET ${path}`);
      expect([path, status, response.incident === null]).toEqual([path, 403, path.includes("/./")]);
    }
  });

  test("end where their name ends, and in its own letters", async () => {
    using site = makeReserved();
    for (const path of ["__SERVER/ready", "__serverx/ready", "__server.html", "x/ready"]) {
      expect((await ask(site, `GET /${path}`)).text).toBe(`file ${path}`);
    }
    expect(await statusOf(site, "GET /__server;/ready")).toBe(404);
    expect(await statusOf(site, "GET /x/__server/ready")).toBe(404);
  });

  test("without the slash behind the prefix are sent there, with their query and to no other host", async () => {
    using site = makeReserved();
    for (const path of ["/__server", "/__server?x", "/%5f_server", `http://127.0.0.1:${PORT}/__server`]) {
      const { status, fields } = await ask(site, `GET ${path}`);
      expect([path, status, fields["location"]]).toEqual([
        path,
        308,
        path.includes("?") ? "/__server/?x" : "/__server/",
      ]);
    }
    const { fields } = await ask(site, 'GET /__server?"50%');
    expect(fields["location"]).toBe("/__server/?%2250%25");
  });

  test("that are no endpoint are 404, whatever lies in the root, and so is what is behind an endpoint without parts", async () => {
    using site = makeReserved();
    mkdirSync(join(site.root, "__server"));
    writeFileSync(join(site.root, "__server/none"), "file");
    for (const path of ["none", "READY", "ready/", "ready/x", "metrics/", "/", "//ready", "proto", "__proto__"]) {
      const line = `GET /__server/${path}`;
      expect([line, await statusOf(site, line)]).toEqual([line, 404]);
    }
    const { fields, text } = await ask(site, "GET /__server/none", { Accept: "application/json" });
    expect([fields["content-type"], JSON.parse(text).code]).toEqual(["application/json", 404]);
  });

  test("are no folder of a listing, and no page of --spa", async () => {
    using site = makeReserved({ listing: true, spa: true });
    mkdirSync(join(site.root, "__server"));
    expect(await statusOf(site, "GET /__server/none", { Accept: "text/html" })).toBe(404);
    writeFileSync(join(site.root, "x/index.txt"), "");
    using bare = makeSite({ listing: true }, { endpoints: ENDPOINTS });
    mkdirSync(join(bare.root, "__server"));
    mkdirSync(join(bare.root, "shown"));
    const { text } = await ask(bare, "GET /");
    expect([text.includes("shown"), text.includes("__server")]).toEqual([true, false]);
  });

  test("have a part behind the endpoint's name where it has endpoints of its own", async () => {
    using site = makeReserved();
    const partOf = async (path: string) => JSON.parse((await ask(site, `GET /__server/echo${path}`)).text).part;
    expect([await partOf(""), await partOf("/a"), await partOf("/a/b%20c")]).toEqual(["", "a", "a/b c"]);
  });

  test("have no part without a name, so that who forgot it does not mean the whole endpoint", async () => {
    using site = makeReserved();
    for (const method of ["GET", "POST", "DELETE"]) {
      expect([method, await statusOf(site, `${method} /__server/echo/`)]).toEqual([method, 404]);
    }
  });
});

describe("asking there", () => {
  test("obeys the Host rule", async () => {
    using site = makeReserved();
    for (const path of ["/__server", "/__server/", "/__server/ready", "/__server/metrics", "/__server/events"]) {
      expect([path, await statusOf(site, `GET ${path}`, { Host: "evil.test" })]).toEqual([path, 403]);
    }
  });

  test("with HEAD gives the fields of GET", async () => {
    using site = makeReserved();
    for (const path of ["/__server", "/__server/", "/__server/ready", "/__server/metrics", "/__server/none"]) {
      const get = await ask(site, `GET ${path}`);
      const head = await ask(site, `HEAD ${path}`);
      expect([path, head.status, head.fields]).toEqual([path, get.status, get.fields]);
    }
  });

  test("with OPTIONS tells a endpoint's methods, and 404 where there is none", async () => {
    using site = makeReserved();
    const { status, fields, response } = await ask(site, "OPTIONS /__server/ready");
    expect([status, fields, response.content]).toEqual([204, { allow: "GET, HEAD, OPTIONS" }, null]);
    expect((await ask(site, "OPTIONS /__server/echo")).fields["allow"]).toBe("GET, HEAD, POST, DELETE, OPTIONS");
    expect(await statusOf(site, "OPTIONS /__server/none")).toBe(404);
  });

  test("with any other method is 405 with those that can be used", async () => {
    using site = makeReserved();
    for (const method of ["POST", "PUT", "DELETE", "TRACE", "BREW", "get"]) {
      const { status, fields } = await ask(site, `${method} /__server/ready`);
      expect([method, status, fields["allow"]]).toEqual([method, 405, "GET, HEAD, OPTIONS"]);
    }
    expect(await statusOf(site, "PUT /__server/echo")).toBe(405);
    expect(await statusOf(site, "DELETE /__server/echo")).toBe(200);
  });

  test("passes a endpoint's guard before its content is taken", async () => {
    using site = makeReserved();
    const admit = (line: string) => site.handler.admit(makeRequest(line, { "Content-Length": "3" }));
    const guarded = admit("POST /__server/echo?no");
    expect([guarded.refusal?.status, guarded.content]).toEqual([418, "skip"]);
    expect(admit("POST /__server/echo")).toMatchObject({ refusal: null, content: { collectMax: 10 } });
    expect(admit("GET /__server/echo")).toMatchObject({ refusal: null, content: "discard" });
  });

  test("gets answers that nobody keeps, of a known type and length", async () => {
    using site = makeReserved();
    const types = {
      ready: "application/json",
      metrics: "text/plain; version=0.0.4; charset=utf-8",
      "": "text/html; charset=utf-8",
    };
    for (const [name, type] of Object.entries(types)) {
      const { status, fields, content } = await ask(site, `GET /__server/${name}`);
      expect([name, status, fields]).toEqual([
        name,
        200,
        {
          "content-type": type,
          "content-length": String(content.length),
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
          ...(name === "" ? { "content-security-policy": expect.stringContaining("default-src 'none'") } : {}),
        },
      ]);
    }
  });
});

describe("ready", () => {
  test("is 503 while the server drains", async () => {
    using site = makeReserved({}, new Map(statusEndpoints({ ...SOURCE, isDraining: () => true })));
    const { status, text } = await ask(site, "GET /__server/ready");
    expect([status, JSON.parse(text)]).toEqual([503, { status: "draining", instance: "i1" }]);
  });
});

describe("events", () => {
  test("begin at once", async () => {
    using site = makeReserved();
    const response = await responseTo(site.handler, makeRequest("GET /__server/events"));
    if (response.content === null || !("read" in response.content)) throw new Error("it is no stream");
    const into = new Uint8Array(100);
    const text = Buffer.from(into.subarray(0, response.content.read(0, into, 0, 100))).toString();
    expect(text).toBe("data: seen\n\n");
    response.content.close();
  });

  test("asked for while the server drains are one look and the end", async () => {
    using site = makeReserved({}, new Map(statusEndpoints({ ...SOURCE, isDraining: () => true })));
    const response = await responseTo(site.handler, makeRequest("GET /__server/events"));
    if (response.content === null || !("isOver" in response.content)) throw new Error("it is no stream");
    expect(response.content.isOver).toBe(true);
  });
});

describe("with a password", () => {
  const PASSWORD = Bun.password.hashSync("right", { algorithm: "bcrypt", cost: 4 });
  const basic = (text: string) => ({ Authorization: `Basic ${btoa(text)}` });
  const settings = { basicAuth: [`ann:${PASSWORD}`], threads: 10 };

  test("all but `ready` ask for it", async () => {
    using site = makeReserved(settings);
    expect(await statusOf(site, "GET /__server/ready")).toBe(200);
    expect(await statusOf(site, "GET /%5f_server/ready")).toBe(200);
    for (const path of ["", "/", "/metrics", "/events", "/echo", "/none", "/READY", "/ready/", "/ready/x"]) {
      expect([path, await statusOf(site, `GET /__server${path}`)]).toEqual([path, 401]);
    }
    for (const path of ["/", "/metrics", "/echo"]) {
      expect([path, await statusOf(site, `GET /__server${path}`, basic("ann:right"))]).toEqual([path, 200]);
      expect([path, await statusOf(site, `GET /__server${path}`, basic("ann:wrong"))]).toEqual([path, 401]);
    }
  });

  test("`ready` is no way to anything else", async () => {
    using site = makeReserved(settings);
    for (const path of ["/__server/ready/../../index.html", "/__server/ready/..%2f..%2findex.html", "/x/ready"]) {
      expect([path, await statusOf(site, `GET ${path}`)]).toEqual([path, 401]);
    }
  });

  test("who is not let in is logged and counted like everybody", async () => {
    using site = makeReserved(settings);
    const seen: [boolean, number][] = [];
    for (const fields of [{}, basic("ann:wrong"), basic("ann:wrong"), basic("ann:right"), basic("ann:right")]) {
      const request = makeRequest("GET /__server/metrics", fields);
      const admission = await admittedBy(site.handler, request);
      const settled = admission.refusal ?? (await site.handler.respond(request, admission));
      seen.push([admission.isControl, settled.status]);
    }
    expect(seen).toEqual([
      [false, 401],
      [false, 401],
      [false, 401],
      [true, 200],
      [true, 200],
    ]);
  });

  test("for uploads alone, none of them asks", async () => {
    using site = makeReserved({ ...settings, authUploads: true });
    for (const path of ["/", "/ready", "/metrics", "/echo"]) {
      expect([path, await statusOf(site, `GET /__server${path}`)]).toEqual([path, 200]);
    }
  });
});

test("no page from elsewhere is granted a preflight there, though it is for the files", async () => {
  for (const cors of ["*", "https://app.test"]) {
    using site = makeReserved({ cors: [cors] });
    const fields = { Origin: "https://app.test", "Access-Control-Request-Method": "DELETE" };
    const allowed = async (path: string) =>
      (await ask(site, `OPTIONS ${path}`, fields)).fields["access-control-allow-methods"];
    expect(await allowed("/")).toBe("GET, HEAD, OPTIONS");
    for (const path of ["/__server", "/__server/echo", "/%5f_server/echo", "/__server/none"]) {
      expect([path, await allowed(path)]).toEqual([path, undefined]);
    }
  }
});

test("a failure that the connection finds is JSON at an endpoint, and a page elsewhere", () => {
  using site = makeReserved();
  const typeOf = (line: string) =>
    answerOf(site.handler.failure(413, "The content is too large.", makeRequest(line))).fields["content-type"];
  expect([typeOf("POST /__server/echo"), typeOf("POST /a.html")]).toEqual([
    "application/json",
    "text/html; charset=utf-8",
  ]);
});

test("a refused content is read past, and the connection goes on", () => {
  using site = makeReserved();
  const server = new FakeServer({ threads: 1 });
  server.handler.admit = (request) => site.handler.admit(request);
  server.handler.respond = (...admitted) => site.handler.respond(...admitted);
  const host = `Host: 127.0.0.1:${PORT}\r\n`;
  const client = server.connect();
  client.send(`POST /__server/ready HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nGET /`);
  client.send(`POST /__server/echo HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`);
  client.send(`GET /__server/ready HTTP/1.1\r\n${host}\r\n`);
  expect(client.statuses).toEqual([405, 200, 200]);
  expect(client.take()).toContain('"text":"hello"');
  client.send(`POST /__server/echo HTTP/1.1\r\n${host}Content-Length: 11\r\n\r\n${"x".repeat(11)}`);
  expect(client.statuses.at(-1)).toBe(413);
  expect([server.pool.active, server.observer.lines]).toEqual([0, []]);
});

describe("without a flag that reserves them", () => {
  test("these paths are files' like all others", async () => {
    using site = makeReserved({}, null);
    mkdirSync(join(site.root, "__server"));
    writeFileSync(join(site.root, "__server/ready"), "a file");
    writeFileSync(join(site.root, "__server/index.html"), "an index");
    expect((await ask(site, "GET /__server/ready")).text).toBe("a file");
    expect((await ask(site, "GET /__server/")).text).toBe("an index");
    expect(await statusOf(site, "GET /__server")).toBe(308);
    expect(await statusOf(site, "GET /__server/metrics")).toBe(404);
    expect(await statusOf(site, "POST /__server/ready")).toBe(405);
    expect(site.handler.admit(makeRequest("GET /__server/ready")).isControl).toBe(false);
  });

  test("not a byte of any other answer differs from those with it", async () => {
    using plain = makeReserved({ listing: true }, null);
    using reserved = makeReserved({ listing: true });
    for (const path of ["/", "/x/", "/x", "/none", "/__serverx/ready", "/../__server", "/upload", "*"]) {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS", "PUT"]) {
        if (path === "*" && method !== "OPTIONS") continue;
        const answers = [plain, reserved].map(async (site) => {
          const answer = answerOf(await responseTo(site.handler, makeRequest(`${method} ${path}`)));
          // The folders were made one after the other.
          const { "last-modified": _modified, etag: _tag, ...fields } = answer.fields;
          return { status: answer.status, fields, text: answer.text.replace(/<time.*?<\/time>/g, "") };
        });
        const [without, withThem] = await Promise.all(answers);
        expect(withThem).toEqual(without as NonNullable<typeof without>);
      }
    }
  });
});
