/** Requests through trusted proxies, as handlers and observers see them. */
import { describe, expect, test } from "bun:test";
import { TrustedProxies } from "../../src/exchange/forwarding.ts";
import type { Answered } from "../../src/exchange/observer.ts";
import type { Request } from "../../src/http/message.ts";
import { ParseError } from "../../src/http/parse-error.ts";
import { FakeServer, get } from "../support/conversation.ts";
import { turns } from "../support/waiting.ts";

const FORWARDED = "Forwarded: for=192.0.2.1;proto=https;host=shop.test\r\n";

/** A server whose peer 127.0.0.1 is trusted, unless other networks are given; and the requests that its handler has seen. */
function makeServer(networks: readonly string[] = ["127.0.0.1"]) {
  const server = new FakeServer({ relays: new TrustedProxies(networks) });
  const seen: object[] = [];
  server.handler.admit = ((admit) => (request: Request) => {
    const { address, socketAddress, secure, relay, target } = request;
    seen.push({ address, socketAddress, secure, relay, host: target.authority.host, path: target.path });
    return admit(request);
  })(server.handler.admit);
  return { server, seen };
}

const DIRECT = {
  address: "127.0.0.1",
  socketAddress: "127.0.0.1",
  secure: false,
  relay: null,
  host: "localhost",
  path: "/a",
};

const RELAYED = {
  address: "192.0.2.1",
  socketAddress: "127.0.0.1",
  secure: true,
  relay: { address: "127.0.0.1", secure: false, host: "shop.test" },
  host: "shop.test",
  path: "/a",
};

describe("a request", () => {
  test("of a trusted peer is its client's", () => {
    const { server, seen } = makeServer();
    server.connect().send(get("/a", FORWARDED));
    expect(seen).toEqual([RELAYED]);
  });

  test("of a trusted peer that says nothing is its own", () => {
    const { server, seen } = makeServer();
    server.connect().send(get("/a"));
    expect(seen).toEqual([DIRECT]);
  });

  test("of another peer is its own, whatever it says", () => {
    const { server, seen } = makeServer(["10.0.0.0/8", "::/0"]);
    server.connect().send(get("/a", FORWARDED));
    expect(seen).toEqual([DIRECT]);
  });

  test("takes nothing from the one before it on the connection, nor from an equal head of another peer", () => {
    const { server, seen } = makeServer();
    const client = server.connect();
    client.send(get("/a", FORWARDED)).send(get("/a")).send(get("/a", FORWARDED));
    expect(seen).toEqual([RELAYED, DIRECT, RELAYED]);
    const { server: other, seen: further } = makeServer(["10.0.0.1"]);
    Object.assign(other.context, { requests: server.context.requests });
    other.connect().send(get("/a", FORWARDED));
    expect(further).toEqual([DIRECT]);
  });

  test("that is malformed names its rule, and the connection persists", () => {
    const { server } = makeServer();
    const answers: Answered[] = [];
    server.observer.answered = (answer) => answers.push({ ...answer });
    const client = server.connect();
    client.send(get("/a", "Forwarded: for\r\n")).send(get("/a"));
    expect(client.statuses).toEqual([400, 200]);
    expect(answers.map(({ violation, peer }) => [violation, peer])).toEqual([
      [ParseError.ForwardedInvalid, "127.0.0.1:50000"],
      [0, "127.0.0.1:50000"],
    ]);
  });
});

describe("observers", () => {
  test("are told of the client in place of the peer", async () => {
    const { server } = makeServer();
    const told: unknown[] = [];
    server.observer.answered = ({ peer, request }) => told.push([peer, request?.address]);
    server.observer.incident = (_, peer, sentence) => told.push([peer, sentence]);
    const respond = server.handler.respond;
    server.handler.respond = async (...admitted) => ({ ...(await respond(...admitted)), incident: "odd" });
    const client = server.connect();
    client.send(get("/a", "X-Forwarded-For: 192.0.2.1:4711\r\n"));
    await turns();
    expect(told).toEqual([
      ["192.0.2.1:4711", "odd"],
      ["192.0.2.1:4711", "192.0.2.1"],
    ]);
  });

  test("see the client in the work of a request that waits", () => {
    const { server } = makeServer();
    server.handler.respond = () => new Promise(() => {});
    const client = server.connect();
    client.send(get("/a", "X-Forwarded-For: 192.0.2.1\r\n"));
    expect(client.connection.works().map(({ peer }) => peer)).toEqual(["192.0.2.1"]);
  });
});

describe("an address", () => {
  test("is looked up once, and a flood of addresses is forgotten", () => {
    const proxies = new TrustedProxies(["10.0.0.0/8", "fe80::/10"]);
    expect([proxies.has("10.1.1.1"), proxies.has("fe80::1%eth0"), proxies.has("unknown")]).toEqual([true, true, false]);
    for (let i = 0; i < 5000; i++) proxies.has(`11.0.${i >> 8}.${i & 255}`);
    expect([proxies.has("10.1.1.1"), proxies.has("11.0.0.1")]).toEqual([true, false]);
  });
});
