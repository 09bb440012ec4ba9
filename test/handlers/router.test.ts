import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerOf, ask, makeRequest, makeSite, PORT } from "../support/site.ts";

/** What `admit` alone answers: no disk, no slot. */
function admitted(site: ReturnType<typeof makeSite>, line: string, fields: Record<string, string> = {}) {
  const { refusal } = site.handler.admit(makeRequest(line, fields));
  return refusal === null ? null : answerOf(refusal);
}

test("OPTIONS is 204 with the methods of what it names, without content and without the disk", () => {
  using www = makeSite();
  const cases = {
    "*": "GET, HEAD, POST, OPTIONS",
    "/": "GET, HEAD, OPTIONS",
    "/none": "GET, HEAD, OPTIONS",
    "/upload": "POST, OPTIONS",
  };
  for (const [path, allow] of Object.entries(cases)) {
    const answer = admitted(www, `OPTIONS ${path}`);
    expect(answer?.status).toBe(204);
    expect(answer?.fields).toEqual({ allow });
    expect(answer?.response.content).toBeNull();
  }
});

test("every other method is 405 with Allow", () => {
  using www = makeSite();
  for (const method of ["PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"]) {
    const file = admitted(www, `${method} /a.html`);
    expect([method, file?.status, file?.fields["allow"], file?.response.isLast]).toEqual([
      method,
      405,
      "GET, HEAD, OPTIONS",
      false,
    ]);
    expect(admitted(www, `${method} /upload`)?.fields["allow"]).toBe("POST, OPTIONS");
  }
});

test("CONNECT is 405 with Allow, and the connection's last", () => {
  using www = makeSite();
  const answer = admitted(www, "CONNECT 127.0.0.1:8080");
  expect([answer?.status, answer?.response.isLast]).toEqual([405, true]);
  expect(answer?.fields["allow"]).toContain("GET");
});

test("reading the upload's path is 405, with a query and in absolute form as well", () => {
  using www = makeSite();
  for (const line of [
    "GET /upload",
    "HEAD /upload",
    "GET /upload?x",
    "GET /%75pload",
    "GET http://127.0.0.1:8080/upload",
  ]) {
    const answer = admitted(www, line);
    expect([line, answer?.status, answer?.fields["allow"]]).toEqual([line, 405, "POST, OPTIONS"]);
  }
});

test("POST elsewhere is 405 on what exists and 404 on what does not", async () => {
  using www = makeSite();
  mkdirSync(join(www.root, "dir"));
  mkdirSync(join(www.root, "bare"));
  writeFileSync(join(www.root, "a.html"), "");
  writeFileSync(join(www.root, "dir/index.html"), "");
  const statuses = {
    "/a.html": 405,
    "/dir": 405,
    "/dir/": 405,
    "/bare": 404,
    "/bare/": 404,
    "/none": 404,
    "/upload/": 404,
    "/uploads": 404,
  };
  for (const [path, status] of Object.entries(statuses)) {
    const answer = await ask(www, `POST ${path}`, { "Content-Length": "0" });
    expect([path, answer.status, answer.fields["allow"]]).toEqual([
      path,
      status,
      status === 405 ? "GET, HEAD, OPTIONS" : undefined,
    ]);
  }
});

test("a path that climbs is 403 and an incident, whatever the method, before the disk", () => {
  using www = makeSite();
  const paths = ["/../etc/passwd", "/a/./../b", "/%2e%2e/x", "//evil.com", "/a%2fb", "/a%5Cb", "/a/..", "/.%2e/"];
  for (const path of paths) {
    for (const method of ["GET", "HEAD", "POST", "OPTIONS", "DELETE"]) {
      const answer = admitted(www, `${method} ${path}`);
      expect([method, path, answer?.status]).toEqual([method, path, 403]);
      expect(answer?.response.incident).toContain(path);
      expect(answer?.text).not.toContain(path);
    }
  }
});

test("a path with . segments is 403 without an incident, and repeated slashes inside reach the files", () => {
  using www = makeSite();
  for (const path of ["/.", "/a/./b", "/%2e/b", "/a/%2E", "/a//./b"]) {
    const answer = admitted(www, `GET ${path}`);
    expect([path, answer?.status, answer?.response.incident]).toEqual([path, 403, null]);
  }
  expect(admitted(www, "GET /a//b")).toBeNull();
});

describe("with cleanPaths", () => {
  test("an untidy path is 308 to its clean form on this host, with its query and without an incident", () => {
    using www = makeSite({ cleanPaths: true });
    const cases = [
      ["/apt/./Packages", "/apt/Packages"],
      ["/p/./X:Y.html", "/p/X:Y.html"],
      ["//index.html", "/index.html"],
      ["//evil.example/%2e", "/evil.example/"],
      ["/a//b/?c=//d/./e", "/a/b/?c=//d/./e"],
      ["/.", "/"],
      ["//", "/"],
      ["/%2e/a%20b%3F|", "/a%20b%3F%7C"],
      ['/a/%2E?q=50%&"', "/a/?q=50%25&%22"],
      [`http://127.0.0.1:${PORT}//evil.example`, "/evil.example"],
      ["/.//.//upload", "/upload"],
      ["/./__server", "/__server"],
    ] as const;
    for (const [path, location] of cases) {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
        const answer = admitted(www, `${method} ${path}`);
        expect([path, answer?.status, answer?.fields["location"]]).toEqual([path, 308, location]);
        expect(answer?.response.incident).toBeNull();
      }
    }
  });

  test("a path that climbs is still 403 and an incident", () => {
    using www = makeSite({ cleanPaths: true });
    for (const path of ["/..", "/a/./../b", "//a/%2e%2e", "/./%2fb", "//a%5Cb", "//evil.example/.."]) {
      const answer = admitted(www, `GET ${path}`);
      expect([path, answer?.status]).toEqual([path, 403]);
      expect(answer?.response.incident).toContain(path);
    }
  });

  test("a foreign host and missing credentials are refused before", () => {
    using www = makeSite({
      cleanPaths: true,
      basicAuth: ["a:$2b$10$abcdefghijklmnopqrstuuWvZ5oQ1Fm0s1B0m4q0mJ3Zb3n0Z5o6a"],
    });
    expect(admitted(www, "GET /./a", { Host: "evil.example" })?.status).toBe(403);
    expect(admitted(www, "GET /./a")?.status).toBe(401);
  });
});

test("the incident of one request is not in another's answer", () => {
  using www = makeSite();
  expect(admitted(www, "GET /../first")?.response.incident).toContain("first");
  expect(admitted(www, "GET /../second")?.response.incident).not.toContain("first");
  expect(admitted(www, "GET /.hidden")?.response.incident).toBeNull();
});

test("names with a dot in front are not there, but what is well known is", async () => {
  using www = makeSite();
  for (const folder of [".git", "a/.b", ".well-known/.secret"]) mkdirSync(join(www.root, folder), { recursive: true });
  for (const name of [
    ".git/config.html",
    ".env.html",
    "a/.b/c.html",
    "a/.x.html",
    ".well-known/ok.html",
    ".well-known/.secret/x.html",
  ]) {
    writeFileSync(join(www.root, name), "content");
  }
  for (const path of [
    "/.git/config.html",
    "/.env.html",
    "/%2eenv.html",
    "/a/.b/c.html",
    "/a/.x.html",
    "/.well-known/.secret/x.html",
  ]) {
    for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
      expect([method, path, admitted(www, `${method} ${path}`)?.status]).toEqual([method, path, 404]);
    }
  }
  expect((await ask(www, "GET /.well-known/ok.html")).text).toBe("content");
  writeFileSync(join(www.root, "a..b.html"), "dots");
  expect((await ask(www, "GET /a..b.html")).text).toBe("dots");
});

test("errors are HTML, or JSON for who prefers it and on the upload's path", async () => {
  using www = makeSite();
  expect((await ask(www, "GET /none")).fields["content-type"]).toBe("text/html; charset=utf-8");
  const browser = { Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };
  expect((await ask(www, "GET /none", browser)).fields["content-type"]).toBe("text/html; charset=utf-8");
  for (const answer of [await ask(www, "GET /none", { Accept: "application/json" }), await ask(www, "POST /upload")]) {
    expect(answer.fields["content-type"]).toBe("application/json");
    expect(JSON.parse(answer.text)).toEqual({ status: "error", code: answer.status, message: expect.any(String) });
  }
});

test("failure makes the connection's own answers: JSON for an upload, fields passed on, 5xx as the last", () => {
  using www = makeSite();
  const busy = answerOf(www.handler.failure(503, "Busy.", null, [["Retry-After", "1"]]));
  expect([busy.status, busy.fields["retry-after"], busy.response.isLast]).toEqual([503, "1", true]);
  expect(busy.fields["content-type"]).toBe("text/html; charset=utf-8");
  const slow = answerOf(www.handler.failure(408, "Slow.", makeRequest("POST /upload?x", { "Content-Length": "9" })));
  expect([slow.status, JSON.parse(slow.text).message]).toEqual([408, "Slow."]);
  expect(www.handler.failure(417, "No.", null).isLast).toBe(false);
});

test("uploads are shown only where that is switched on, and never unfinished ones", async () => {
  using hidden = makeSite();
  using shown = makeSite({ serveUploads: true, strictTypes: true });
  for (const site of [hidden, shown]) {
    writeFileSync(join(site.uploads, "upload_1.json"), "{}");
    writeFileSync(join(site.uploads, ".upload-1.tmp"), "{");
  }
  expect((await ask(hidden, "GET /uploads/upload_1.json")).status).toBe(404);
  writeFileSync(join(shown.root, "uploads.html"), "a page of the site");
  expect((await ask(shown, "GET /uploads.html")).text).toBe("a page of the site");
  const answer = await ask(shown, "GET /uploads/upload_1.json");
  expect([answer.status, answer.text, answer.fields["content-type"]]).toEqual([200, "{}", "application/json"]);
  for (const path of [
    "/uploads/.upload-1.tmp",
    "/uploads",
    "/uploads/",
    "/uploadsupload_1.json",
    "/uploads/none.json",
  ]) {
    expect([path, (await ask(shown, `GET ${path}`)).status]).toEqual([path, 404]);
  }
});
