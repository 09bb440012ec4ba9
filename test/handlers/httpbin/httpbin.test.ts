import { describe, expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { makeRequest } from "../../support/site.ts";
import { ask, makeBin } from "./bin.ts";

const json = async (line: string, fields?: Record<string, string>) =>
  JSON.parse((await ask(makeBin(), line, fields)).text);

describe("the paths", () => {
  test("without a prefix, only endpoints are owned", () => {
    const { mount } = makeBin();
    for (const path of ["/get", "/anything", "/anything/", "/anything/a/b", "/status/404", "/cookies/set/a/b"]) {
      expect([path, mount.owns(path)]).toEqual([path, true]);
    }
    for (const path of ["/", "/index.html", "/get/", "/get.html", "/status", "/status/", "/anythings", "/cookies/x"]) {
      expect([path, mount.owns(path)]).toEqual([path, false]);
    }
  });

  test("below a prefix, everything is owned, and what is not an endpoint is 404", async () => {
    const bin = makeBin({ httpbin: "/bin" });
    for (const path of ["/bin", "/bin/", "/bin/get", "/bin/index.html"]) {
      expect([path, bin.mount.owns(path)]).toEqual([path, true]);
    }
    for (const path of ["/", "/binary", "/get", "/b"]) expect([path, bin.mount.owns(path)]).toEqual([path, false]);
    const { status, text } = await ask(bin, "GET /bin/index.html");
    expect(status).toBe(404);
    expect(JSON.parse(text)).toEqual({ status_code: 404, error: "Not Found", detail: "/bin/ lists the endpoints" });
  });

  test("the prefix itself lists the endpoints", async () => {
    const { status, text } = await ask(makeBin({ httpbin: "/a/b" }), "GET /a/b");
    expect(status).toBe(200);
    expect(JSON.parse(text).endpoints).toContain("/a/b/basic-auth/*/*");
  });

  test("redirects and cookies lead to paths below the prefix", async () => {
    const bin = makeBin({ httpbin: "/bin" });
    for (const [path, location] of [
      ["/bin/redirect/1", "/bin/get"],
      ["/bin/redirect/3", "/bin/relative-redirect/2"],
      ["/bin/redirect/3?absolute=true", "http://bin.test/bin/absolute-redirect/2"],
      ["/bin/redirect-to?url=/get", "/bin/get"],
      ["/bin/redirect-to?url=//other.test/x", "//other.test/x"],
      ["/bin/status/302", "/bin/redirect/1"],
      ["/bin/cookies/set?a=b", "/bin/cookies"],
      ["/bin/cookies/set/a/b", "/bin/cookies"],
    ] as const) {
      expect([path, (await ask(bin, `GET ${path}`)).fields["location"]]).toEqual([path, location]);
    }
    expect(JSON.parse((await ask(bin, "GET /bin/get?a")).text).url).toBe("http://bin.test/bin/get?a");
  });

  test("every endpoint names its methods", () => {
    const { mount } = makeBin({ httpbin: "/bin" });
    expect(mount.allow("/bin/get")).toBe("GET, HEAD, OPTIONS");
    expect(mount.allow("/bin/post")).toBe("POST, OPTIONS");
    expect(mount.allow("/bin/anything/x")).toBe("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    expect(mount.allow("/bin/x")).toBe("OPTIONS");
  });
});

describe("bad input", () => {
  const rows: readonly (readonly [line: string, detail: string])[] = [
    ["GET /status/abc", 'invalid status code: expected a whole number, got "abc"'],
    ["GET /status/100", "invalid status code: 100 not in range [200, 599]"],
    ["GET /status/600", "invalid status code: 600 not in range [200, 599]"],
    ["GET /status/200,", 'invalid status code: expected a whole number, got ""'],
    ["GET /status/200:-1,500", 'invalid weight: expected a number such as 0.5, got "200:-1"'],
    ["GET /status/200:1:2", 'invalid weight: expected a number such as 0.5, got "200:1:2"'],
    ["GET /status/200:0,500:0", "invalid weight: all of them are 0"],
    ["GET /status/200,500?seed=x", 'invalid seed: expected a whole number, got "x"'],
    ["GET /delay/x", 'invalid duration: expected seconds or a duration such as 300ms, got "x"'],
    ["GET /delay/11", 'invalid duration: "11" is longer than 10s'],
    ["GET /delay/-1s", 'invalid duration: "-1s" is shorter than 0s'],
    ["GET /delay/1e99", 'invalid duration: "1e99" is longer than 10s'],
    ["GET /bytes/-1", "invalid byte count: -1 not in range [0, 1048576]"],
    ["GET /bytes/1048577", "invalid byte count: 1048577 not in range [0, 1048576]"],
    ["GET /bytes/9999999999999999999", 'invalid byte count: expected a whole number, got "9999999999999999999"'],
    ["GET /bytes/1?seed=1.5", 'invalid seed: expected a whole number, got "1.5"'],
    ["GET /range/0", "invalid count: 0 not in range [1, 1048576]"],
    ["GET /range/1?duration=x", 'invalid duration: expected seconds or a duration such as 300ms, got "x"'],
    ["GET /redirect/0", "invalid redirect count: 0 must be 1 or more"],
    ["GET /redirect-to", "missing required query parameter: url"],
    ["GET /redirect-to?url=/a&status_code=200", "invalid status code: 200 not in range [300, 399]"],
    [
      "GET /redirect-to?url=/%0d%0aSet-Cookie:a",
      'invalid url: expected a URL without controls and broken escapes, got "/\\r\\nSet-Cookie:a"',
    ],
    ["GET /stream/x", 'invalid count: expected a whole number, got "x"'],
    ["GET /drip?numbytes=0", "invalid numbytes: 0 not in range [1, 1048576]"],
    ["GET /drip?duration=6&delay=5", "too much time: 6s and 5s are more than 10s"],
    ["GET /drip?code=204", "invalid status code: 204 has no content to drip"],
    ["GET /sse?count=18001", "invalid count: 18001 not in range [1, 18000]"],
    ["GET /cookies/set?a%20b=c", "invalid cookie name: expected letters, digits and any of !#$%&'*+-.^_`|~"],
  ];
  for (const [line, detail] of rows) {
    test(`${line} is 400`, async () => {
      const { status, text, fields } = await ask(makeBin(), line);
      expect(JSON.parse(text)).toEqual({ status_code: 400, error: "Bad Request", detail });
      expect([status, fields["content-type"]]).toEqual([400, "application/json; charset=utf-8"]);
    });
  }

  const contents: readonly (readonly [type: string, content: string, detail: string])[] = [
    ["application/json", "{", "the content is not JSON in UTF-8"],
    ["application/json", '"\xff"', "the content is not JSON in UTF-8"],
    ["application/json", "[".repeat(2000), "more than 1000 arrays and objects inside each other"],
    ["application/x-www-form-urlencoded", "a=%4", "a % that begins no escape"],
    ["application/x-www-form-urlencoded", "a&".repeat(1001), "more than 1000 fields"],
    ["multipart/form-data", "x", "no multipart boundary in Content-Type"],
    ["multipart/form-data; boundary=b", "x", "no part"],
    ["multipart/form-data; boundary=b", "--b\r\nA: b\r\n--b--", "a part without an empty line after its head"],
    ["multipart/form-data; boundary=b", "--b\r\n\r\nx", "a multipart without its end"],
    ["multipart/form-data; boundary=b", `${"--b\r\n\r\nx\r\n".repeat(1001)}--b--`, "more than 1000 parts"],
  ];
  for (const [type, content, detail] of contents) {
    test(`${type} ${JSON.stringify(content.slice(0, 30))} is 400`, async () => {
      const { status, text } = await ask(makeBin(), "POST /post", { "Content-Type": type }, content);
      expect([status, JSON.parse(text).detail]).toEqual([400, `error parsing request body: ${detail}`]);
    });
  }
});

describe("the echo", () => {
  test("shows names and values that JSON objects have a meaning for", async () => {
    const { args, headers } = await json("GET /get?__proto__=1&constructor=2&toString=3", { __proto__x: "a" });
    expect(Object.entries(args)).toEqual([
      ["__proto__", ["1"]],
      ["constructor", ["2"]],
      ["toString", ["3"]],
    ]);
    expect(headers["__proto__x"]).toEqual(["a"]);
  });

  test("shows UTF-8 in fields, and Host even if there is none", async () => {
    expect((await json("GET /headers", { "X-A": Buffer.from("ä€").toString("latin1") })).headers["X-A"]).toEqual([
      "ä€",
    ]);
    expect((await json("GET /headers", { Host: "" })).headers).toEqual({ Host: [""] });
  });

  test("does not believe fields about another client", async () => {
    const fields = { "X-Forwarded-For": "10.1.1.1", "X-Forwarded-Proto": "https" };
    const { origin, url, headers } = await json("GET /get", fields);
    expect({ origin, url }).toEqual({ origin: "127.0.0.1", url: "http://bin.test/get" });
    expect(headers["X-Forwarded-For"]).toEqual(["10.1.1.1"]);
  });

  test("shows the URL of an absolute target", async () => {
    expect((await json("GET http://bin.test/anything/a?b")).url).toBe("http://bin.test/anything/a?b");
  });

  test("shows content of 8 KiB and more on one line, so that indentation cannot multiply it", async () => {
    const deep = `${"[".repeat(1000)}${"0,".repeat(3000)}0${"]".repeat(1000)}`;
    const { text } = await ask(makeBin(), "POST /post", { "Content-Type": "application/json" }, deep);
    expect(text.length).toBeLessThan(3 * deep.length);
    expect(JSON.parse(text).data).toBe(deep);
  });

  test("that no client reads is refused once too much of it waits, and at once if it never fits", async () => {
    const { mount } = makeBin({ maxBodyBytes: 1 << 28 });
    const echo = (length: number) => {
      const fields = { "Content-Type": "text/plain", "Content-Length": String(length) };
      return mount.respond(makeRequest("POST /post", fields, Buffer.alloc(length, "a")));
    };
    const held = [await echo(50_000_000), await echo(50_000_000), await echo(50_000_000)];
    expect(held.map(({ status }) => status)).toEqual([200, 200, 503]);
    for (const { content } of held) if (content !== null && "size" in content) content.close();
    expect((await echo(50_000_000)).status).toBe(200);
    expect((await echo(135_000_000)).status).toBe(413);
  });

  test("has no type that a browser makes a page of", async () => {
    const html = "<script>alert(1)</script>";
    for (const line of [
      `GET /anything/${encodeURIComponent(html)}?${html}`,
      `GET /get?${html}`,
      `GET /nothing`,
      `GET /status/${encodeURIComponent(html).replaceAll("%2F", "")}`,
      `GET /stream/1?${html}`,
      "GET /range/1",
      "GET /bytes/1",
      "GET /ip?format=text",
    ]) {
      const { fields } = await ask(makeBin({ httpbin: "/" }), line, { "X-A": html });
      if (fields["content-type"] === undefined) continue;
      expect(fields["content-type"]).toMatch(/^(?:application\/(?:json|x-ndjson|octet-stream)|text\/plain)/);
      expect(fields["x-content-type-options"]).toBe("nosniff");
    }
  });

  test("of gzip says so", async () => {
    const { fields, content } = await ask(makeBin(), "GET /gzip?a=b");
    expect(fields["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(content).toString())).toMatchObject({ args: { a: ["b"] }, gzipped: true });
  });
});

describe("chance", () => {
  test("the bytes of a seed are always the same, whole and in parts", async () => {
    const ask16 = async (seed: string) =>
      (await ask(makeBin(), `GET /bytes/1001?seed=${seed}`)).content.toString("hex");
    const [first, second, other, negative] = [await ask16("1"), await ask16("1"), await ask16("2"), await ask16("-1")];
    expect(second).toBe(first);
    expect(new Set([first, other, negative]).size).toBe(3);
    expect(first).toStartWith("2dcd4199");
  });

  test("bytes without a seed differ", async () => {
    const bin = makeBin();
    expect((await ask(bin, "GET /bytes/32")).text).not.toBe((await ask(bin, "GET /bytes/32")).text);
  });

  test("every value is about as frequent as every other", async () => {
    const { content } = await ask(makeBin(), "GET /bytes/1048576?seed=42");
    const counts = new Uint32Array(256);
    for (const byte of content) counts[byte] = (counts[byte] ?? 0) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(3700);
    expect(Math.max(...counts)).toBeLessThan(4500);
  });

  test("choices by weight come in the same order after each start", async () => {
    const sequence = async () => {
      const bin = makeBin();
      const statuses: number[] = [];
      for (let i = 0; i < 200; i++) statuses.push((await ask(bin, "GET /status/200:0.75,503:0.25")).status);
      return statuses;
    };
    const first = await sequence();
    expect(await sequence()).toEqual(first);
    const refused = first.filter((status) => status === 503).length;
    expect([refused > 30, refused < 70]).toEqual([true, true]);
  });

  test("a choice with a seed is always the same, and one of weight 0 is never made", async () => {
    const bin = makeBin();
    const first = (await ask(bin, "GET /status/200,503?seed=7")).status;
    for (let i = 0; i < 5; i++) expect((await ask(bin, "GET /status/200,503?seed=7")).status).toBe(first);
    for (let i = 0; i < 20; i++) expect((await ask(bin, "GET /status/200:0,418:1,503:0")).status).toBe(418);
  });
});

describe("redirect-to", () => {
  const rows = [
    ["a loopback address", { host: "127.0.0.1" }, 302],
    ["::1", { host: "::1" }, 302],
    ["all addresses", { host: "0.0.0.0" }, 403],
    ["all addresses, with a token", { host: "0.0.0.0", fixtureToken: "abc" }, 302],
    ["all addresses, and every client", { host: "::", fixtureToken: "*" }, 302],
  ] as const;
  for (const [name, settings, status] of rows) {
    test(`on ${name} is ${status}`, async () => {
      expect((await ask(makeBin(settings), "GET /redirect-to?url=https://other.test/")).status).toBe(status);
    });
  }

  test("writes a location in the characters of a URL", async () => {
    const url = encodeURIComponent('https://other.test/ä "<>?q=1#f');
    const { fields } = await ask(makeBin(), `GET /redirect-to?url=${url}&status_code=308`);
    expect(fields["location"]).toBe("https://other.test/%C3%A4%20%22%3C%3E?q=1#f");
  });
});

describe("cookies", () => {
  const rows: readonly (readonly [query: string, line: string])[] = [
    ["k=v", "k=v; Path=/; HttpOnly"],
    ["k=v&attr[Secure]=true", "k=v; Path=/; HttpOnly; Secure"],
    ["k=v&attr%5BHttpOnly%5D=0&attr[path]=/x&attr[DOMAIN]=a.test", "k=v; Path=/x; Domain=a.test"],
    ["k=v&attr[SameSite]=laX", "k=v; Path=/; HttpOnly; SameSite=Lax"],
    ["k=v&attr[SameSite]=bogus", "k=v; Path=/; HttpOnly"],
    ["k=a%3B%0d%0ab&attr[Path]=/;x%0a", "k=ab; Path=/x; HttpOnly"],
    ["k=a&k=b&l=%C3%A4", "k=a; Path=/; HttpOnly\nl=; Path=/; HttpOnly"],
  ];
  for (const [query, line] of rows) {
    test(`${query} sets ${JSON.stringify(line)}`, async () => {
      expect((await ask(makeBin(), `GET /cookies/set?${query}`)).fields["set-cookie"]).toBe(line);
    });
  }

  test("are set by httpbin.org's path, too", async () => {
    const { status, fields } = await ask(makeBin(), "GET /cookies/set/session/123");
    expect([status, fields["set-cookie"]]).toEqual([302, "session=123; Path=/; HttpOnly"]);
  });

  test("are Secure by default over TLS", async () => {
    const { mount } = makeBin();
    const request = makeRequest("GET /cookies/set?a=b", { Host: "bin.test" }, new Uint8Array(0), true);
    const response = await mount.respond(request);
    expect(response.fields.value("Set-Cookie")).toBe("a=b; Path=/; HttpOnly; Secure");
  });
});

describe("range", () => {
  const etag = '"range26"';
  test.each([
    [{ "If-None-Match": etag }, 304, ""],
    [{ "If-None-Match": '"other"' }, 200, "abcdefghijklmnopqrstuvwxyz"],
    [{ "If-Match": '"other"' }, 412, null],
    [{ Range: "bytes=3-5", "If-Range": etag }, 206, "def"],
    [{ Range: "bytes=3-5", "If-Range": '"other"' }, 200, "abcdefghijklmnopqrstuvwxyz"],
    [{ "If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT" }, 200, "abcdefghijklmnopqrstuvwxyz"],
    [{ "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT" }, 200, "abcdefghijklmnopqrstuvwxyz"],
  ])("%o is %d", async (fields, status, text) => {
    const reply = await ask(makeBin(), "GET /range/26", fields as unknown as Record<string, string>);
    expect(reply.status).toBe(status);
    if (text !== null) expect(reply.text).toBe(text);
  });
});
