import { expect, test } from "bun:test";
import { hostname } from "node:os";
import { HostPolicy } from "../../src/handlers/host-policy.ts";
import type { Response } from "../../src/http/message.ts";
import { answerOf, ask, makeRequest, makeSite, PORT } from "../support/site.ts";

function makePolicy(settings: { boundHost?: string; allowedHosts?: string[]; port?: number; anyPort?: boolean } = {}) {
  const lines: string[] = [];
  const clock = { nowMs: 0 };
  const { boundHost = "127.0.0.1", allowedHosts = [], port = PORT, anyPort = false } = settings;
  const policy = new HostPolicy({
    boundHost,
    allowedHosts,
    anyPort,
    port: () => port,
    now: () => clock.nowMs,
    log: (line) => lines.push(line),
  });
  const allows = (host: string, secure = false) =>
    policy.judge(makeRequest("GET /", { Host: host }, new Uint8Array(0), secure)) !== "refused";
  return { allows, policy, lines, clock };
}

/** Asks twice: the second time it may come from memory. */
function verdicts(allows: (host: string) => boolean, hosts: string[]) {
  return Object.fromEntries(hosts.map((host) => [host, allows(host) && allows(host)]));
}

function all(hosts: string[], verdict: boolean) {
  return Object.fromEntries(hosts.map((host) => [host, verdict]));
}

test("localhost and its names, the loopback addresses and the bound one are ours, with our port", () => {
  const { allows } = makePolicy({ boundHost: "192.0.2.7" });
  const ours = [
    "localhost",
    "LocalHost",
    "localhost.",
    "a.localhost",
    "a.b.localhost.",
    "127.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:7f00:1]",
    "192.0.2.7",
  ];
  const withPort = ours.map((host) => `${host}:${PORT}`);
  expect(verdicts(allows, withPort)).toEqual(all(withPort, true));
  const foreign = [
    "example.com",
    "127.0.0.2",
    "localhost.evil.com",
    "evillocalhost",
    "[::2]",
    "0.0.0.0",
    "127.0.0.1.nip.io",
    "2130706433",
    ".localhost",
    "a..localhost",
    "*.localhost",
    "a.*.localhost",
    "[::]",
    hostname(),
    `${hostname()}.local`,
  ];
  const foreignWithPort = foreign.map((host) => `${host}:${PORT}`);
  expect(verdicts(allows, foreignWithPort)).toEqual(all(foreignWithPort, false));
});

test("another port, or none where ours is not the default, is not ours, also after a good one", () => {
  const { allows } = makePolicy();
  expect(allows("localhost:8080")).toBe(true);
  const hosts = ["localhost:8081", "localhost", "localhost:", "localhost:80", "127.0.0.1"];
  expect(verdicts(allows, hosts)).toEqual(all(hosts, false));
});

test("the port may be absent where ours is the scheme's default", () => {
  const plain = makePolicy({ port: 80 });
  expect(verdicts(plain.allows, ["localhost", "localhost:80", "localhost:"])).toEqual(
    all(["localhost", "localhost:80", "localhost:"], true),
  );
  expect(plain.allows("localhost", true)).toBe(false);
  const secure = makePolicy({ port: 443 });
  expect([secure.allows("localhost", true), secure.allows("localhost:443", true), secure.allows("localhost")]).toEqual([
    true,
    true,
    false,
  ]);
});

const ANYWHERE = ["192.168.7.7", "198.51.100.1", "0.0.0.0", "127.0.0.2", "[2001:db8::7]", "[::ffff:192.0.2.1]"];
const LOOPBACK = ["localhost", "a.localhost", "127.0.0.1", "[::1]"];
const FOREIGN = [
  "evil.example",
  "127.0.0.1.nip.io",
  "localhost.evil.example",
  "2130706433",
  "127.1",
  "0x7f.1",
  "1.2.3.256",
];
const NO_NAMES = [".localhost", "..localhost", "a..localhost", "*.localhost", "*", "*.local", `.${hostname()}`];

test("on a wildcard bind every address and loopback name is ours with any port, and this machine's name with our port", () => {
  const names = [hostname(), hostname().toUpperCase(), `${hostname().replace(/\..*/, "")}.local`];
  const good = [
    ...[...ANYWHERE, ...LOOPBACK].flatMap((host) => [host, `${host}:${PORT}`, `${host}:32768`]),
    ...names.map((host) => `${host}:${PORT}`),
  ];
  const bad = [
    ...[...FOREIGN, ...NO_NAMES].flatMap((host) => [host, `${host}:${PORT}`]),
    ...names.map((host) => `${host}:32768`),
  ];
  for (const boundHost of ["0.0.0.0", "::"]) {
    const { allows } = makePolicy({ boundHost });
    expect(verdicts(allows, good)).toEqual(all(good, true));
    expect(verdicts(allows, bad)).toEqual(all(bad, false));
    const mapped = makePolicy({ boundHost, anyPort: true });
    expect(mapped.allows(`${hostname()}:32768`)).toBe(true);
  }
});

test("with any port, loopback and the bound address are ours as behind a mapped port, and no name more", () => {
  const { allows } = makePolicy({ boundHost: "192.0.2.7", anyPort: true });
  const good = [...LOOPBACK, "192.0.2.7"].flatMap((host) => [host, `${host}:${PORT}`, `${host}:9999`]);
  expect(verdicts(allows, good)).toEqual(all(good, true));
  const bad = [...FOREIGN, ...NO_NAMES, ...ANYWHERE, hostname()].map((host) => `${host}:9999`);
  expect(verdicts(allows, bad)).toEqual(all(bad, false));
});

test("an allowed host counts with any port, or with exactly the one given", () => {
  const { allows } = makePolicy({ allowedHosts: ["Example.com.", "other.org:9000", "secure.net:443", "2001:DB8::1"] });
  const good = [
    "example.com",
    "EXAMPLE.com:1",
    "example.com.:8080",
    "other.org:9000",
    "secure.net:443",
    "[2001:db8:0::1]:5",
  ];
  expect(verdicts(allows, good)).toEqual(all(good, true));
  const bad = ["a.example.com", "other.org", "other.org:9001", "secure.net"];
  expect(verdicts(allows, bad)).toEqual(all(bad, false));
  expect(allows("secure.net", true)).toBe(true);
});

test("an asterisk before a domain stands for every name below it, and not for the domain", () => {
  const { allows } = makePolicy({ allowedHosts: ["*.Example.com", "*.other.org:9000"] });
  const good = ["a.example.com", "A.B.example.com.:1", "x.other.org:9000"];
  expect(verdicts(allows, good)).toEqual(all(good, true));
  const bad = [
    "example.com",
    ".example.com",
    "*.example.com",
    "a..example.com",
    "a.*.example.com",
    "evilexample.com",
    "a.example.com.evil",
    "x.other.org",
    "x.other.org:1",
  ];
  expect(verdicts(allows, bad)).toEqual(all(bad, false));
});

test("an asterisk switches the check off, and a value that is no host is refused at the start", () => {
  expect(makePolicy({ allowedHosts: ["*"] }).allows("anything.example")).toBe(true);
  for (const text of [
    "*.",
    "*.*",
    "a.*",
    "*x",
    ".x",
    "a..b",
    "*..a",
    "*.*.a",
    "**",
    "*:80",
    "",
    "http://x",
    "a b",
    "x:99999",
    "[::1",
    "a,b",
  ]) {
    expect(() => makePolicy({ allowedHosts: [text] })).toThrow(RangeError);
  }
});

test("a refused host is logged once, with the flag that would allow it", () => {
  const { allows, lines } = makePolicy();
  for (const host of ["example.com", "EXAMPLE.COM:8080", "example.com", "localhost:9999", "localhost:9999"])
    allows(host);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toEndWith("--allowed-host example.com");
  expect(lines[1]).toEndWith("--allowed-host localhost:9999");
  // What is suggested really helps.
  expect(makePolicy({ allowedHosts: ["example.com", "localhost:9999"] }).allows("localhost:9999")).toBe(true);
});

test("a host that a shell would act on is quoted in the suggestion", () => {
  const { allows, lines } = makePolicy();
  allows("x;reboot'$(id)");
  expect(lines[0]).toEndWith(`--allowed-host 'x;reboot'\\''$(id)'`);
});

test("a refused asterisk is logged without advice: to follow it would switch the check off", () => {
  const { allows, lines } = makePolicy();
  for (const host of ["*", "*.com", "*:8080", "..com", ".com:8080"]) expect(allows(host)).toBe(false);
  expect(lines).toHaveLength(4);
  for (const line of lines) expect(line).not.toContain("--allowed-host");
});

test("a flood of hosts gets a bounded number of lines a minute, and a new host is named in the next one", () => {
  const { allows, lines, clock } = makePolicy();
  for (let minute = 0; minute < 20; minute++) {
    clock.nowMs = minute * 60_000;
    for (let i = 0; i < 500; i++) allows(`h${minute}-${i}.example`);
    expect(lines).toHaveLength(20 * (minute + 1));
    expect(lines.at(-1)).toContain("more hosts");
  }
  clock.nowMs = 20 * 60_000;
  for (let i = 0; i < 3; i++) allows("mistake.example");
  expect(lines).toHaveLength(401);
  expect(lines.at(-1)).toEndWith("--allowed-host mistake.example");
});

test("a host that was named is forgotten after many others, and named again", () => {
  const { allows, lines, clock } = makePolicy();
  allows("first.example");
  for (let i = 0; i < 250; i++) {
    clock.nowMs += 60_000;
    allows(`h${i}.example`);
  }
  clock.nowMs += 60_000;
  allows("h249.example");
  expect(lines).toHaveLength(251);
  allows("first.example");
  expect(lines).toHaveLength(252);
});

test("more names under localhost than are remembered are all still ours", () => {
  const { allows } = makePolicy();
  for (let i = 0; i < 500; i++) expect(allows(`h${i}.localhost:${PORT}`)).toBe(true);
  expect(allows(`h0.localhost:${PORT}`)).toBe(true);
});

test("the handler refuses a foreign host with 403 before all else, and says so in the verdict", async () => {
  using www = makeSite();
  for (const line of ["GET /", "OPTIONS *", "DELETE /x", "GET /../x"]) {
    const answer = await ask(www, line, { Host: "evil.example" });
    expect([line, answer.status, answer.response.incident]).toEqual([line, 403, null]);
  }
  expect(www.lines).toHaveLength(1);
  const refused = makeRequest("GET /", { Host: "evil.example" });
  const accepted = makeRequest("GET /");
  const old = makeRequest("GET /", { Host: "" });
  expect([refused, accepted, old].map((request) => www.handler.admit(request).host)).toEqual([
    "refused",
    "ok",
    "missing",
  ]);
});

test("the authority of an absolute target is judged where HTTP/1.0 has no Host", () => {
  using www = makeSite();
  expect(www.handler.admit(makeRequest("GET http://evil.example:8080/", { Host: "" })).refusal?.status).toBe(403);
  expect(www.handler.admit(makeRequest("GET http://localhost:8080/", { Host: "" })).refusal).toBeNull();
});

test("the page of a refused host names the flag to a peer on this machine alone, escaped as HTML and as JSON", () => {
  using www = makeSite();
  const page = (host: string, address: string, accept = "*/*") => {
    const request = { ...makeRequest("GET /", { Host: host, Accept: accept }), address };
    return answerOf(www.handler.admit(request).refusal as Response).text;
  };
  for (const address of ["127.0.0.1", "::1"]) {
    expect(page("evil.example:8080", address)).toContain("start the server with --allowed-host evil.example<");
    expect(page("localhost:9999", address)).toContain("--allowed-host localhost:9999<");
    expect(page("localhost", address)).toContain("--allowed-host localhost:80<");
  }
  expect(page("a&b", "127.0.0.1")).toContain("--allowed-host &#39;a&#38;b&#39;<");
  expect(JSON.parse(page("a'b", "::1", "application/json")).message).toEndWith("--allowed-host 'a'\\''b'");
  for (const host of ["*", "*.localhost", "..example"]) expect(page(host, "127.0.0.1")).not.toContain("--allowed-host");
  for (const address of ["192.0.2.1", "2001:db8::1"]) {
    expect(page("evil.example", address)).not.toMatch(/evil|--allowed-host/);
  }
});
