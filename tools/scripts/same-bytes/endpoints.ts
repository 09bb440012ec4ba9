/** The server's own endpoints below `/__server/` as cases, one after the other: those of the fixture, and those of `--status`. */
import { type Case, type Conversation, inTurn, postJson } from "./case.ts";

const HOST = "Host: localhost\r\n";

/** Of the fixture, by what is asked; each case begins with a reset. */
const FIXTURE: Readonly<Record<string, readonly string[]>> = {
  ready: [get("ready"), head("ready"), get("ready?x=1"), ask("POST", "ready"), ask("OPTIONS", "ready")],
  info: [get("info"), head("info"), ask("DELETE", "info")],
  prefix: [get(""), page("/__server"), page("/__server/nothing"), get("faults/"), get("requests/verify")],
  requests: [
    ...pages("/hot.txt", "/missing.html", "/hot.txt?query"),
    ...["", "?path=/hot.txt", "?path=/*.html", "?method=GET&limit=1", "?status=404", "?status=4xx", "?body=1"].map(
      (query) => get(`requests${query}`),
    ),
    ...["?status=9", "?since=x", "?limit=0", "?nothing=1", "?path=/hot.txt&path=/", "?wait=1&timeout=x"].map((query) =>
      get(`requests${query}`),
    ),
    get("requests?wait=99&timeout=20ms"),
    get("requests/unmatched"),
    ask("DELETE", "requests"),
    get("requests"),
  ],
  verify: [
    ...pages("/hot.txt", "/missing.html"),
    ...[
      "{}",
      '{"match":{"path":"/hot.txt"},"count":1}',
      '{"match":{"path":"/hot.txt"},"count":2}',
      '{"match":{"method":"GET"},"atLeast":1,"atMost":2}',
      '{"match":{"status":404},"atMost":0}',
      '{"match":{"nothing":1}}',
      '{"count":-1}',
      "[1]",
      "{",
      "",
    ].map((content) => postJson("requests/verify", content)),
    ask("POST", "requests/verify"),
    `POST /__server/requests/verify HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}`,
    postJson("requests/verify", `{"match":"${"x".repeat(17_000)}"}`),
  ],
  faults: [
    ...[
      '{"match":{"method":"GET","path":"/hot.txt"},"fault":"truncate","after":5,"times":2,"skip":1}',
      '{"match":{"path":"/*.html"},"status":503,"retry-after":"5s"}',
      '{"fault":"empty","times":1,"match":{"method":"PUT"}}',
      '{"fault":"nothing"}',
      '{"match":{"path":"/a?b"},"fault":"empty"}',
      '{"match":{"path":"hot.txt"},"fault":"empty"}',
      '{"match":{"method":"A B"},"fault":"empty"}',
      '{"match":{"host":"x"},"fault":"empty"}',
      '{"fault":"drip"}',
      '{"fault":"reset","after":-1}',
      '{"fault":["reset"]}',
      "[]",
      "{}",
      "",
    ].map((content) => postJson("faults", content)),
    get("faults"),
    page("/hot.txt"),
    get("faults/f1"),
    get("faults/f999"),
    ask("DELETE", "faults/f999"),
    ask("POST", "faults/f1"),
    ask("DELETE", "faults"),
    get("faults"),
  ],
  hold: [
    get("hold"),
    postJson("hold", '{"slots":2}'),
    get("hold"),
    postJson("hold", '{"slots":100}'),
    postJson("hold", '{"slots":0}'),
    postJson("hold", '{"slots":"two"}'),
    postJson("hold", "{}"),
    ask("DELETE", "hold"),
    get("hold"),
  ],
  uploads: [
    `POST /upload HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]`,
    get("uploads"),
    ask("DELETE", "uploads"),
    get("uploads"),
  ],
  connections: [
    get("connections"),
    postJson("connections", '{"close":"idle"}'),
    postJson("connections", '{"close":"all"}'),
  ],
  guard: [
    `GET /__server/info HTTP/1.1\r\n${HOST}Origin: http://localhost\r\n\r\n`,
    `GET /__server/info HTTP/1.1\r\n${HOST}Sec-Fetch-Site: cross-site\r\n\r\n`,
    `GET /__server/info HTTP/1.1\r\n${HOST}Sec-Fetch-Site: same-origin\r\n\r\n`,
    "GET /__server/info HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    `GET /hot.txt HTTP/1.1\r\n${HOST}Origin: https://app.example\r\nX-Fixture: fault=last\r\n\r\n`,
    `GET /__server/info HTTP/1.1\r\n${HOST}Authorization: Bearer wrong\r\n\r\n`,
  ],
  reset: [ask("POST", "reset"), get("faults"), get("hold"), get("requests"), get("uploads"), get("reset")],
};

/** Of `--status`; `events` is a stream without an end, so only its refusals are asked for. */
const STATUS: readonly string[] = [
  get("ready"),
  head("ready"),
  get(""),
  head(""),
  get("metrics"),
  ask("POST", "metrics"),
  ask("OPTIONS", "metrics"),
  ask("POST", "events"),
  page("/__server"),
  page("/__server?x=1"),
  page("/__server/nothing"),
  `GET /__server/nothing HTTP/1.1\r\n${HOST}Accept: application/json\r\n\r\n`,
];

export function fixtureEndpointCases(): readonly Case[] {
  const reset = inTurn(ask("POST", "reset"));
  return Object.entries(FIXTURE).map(([name, requests]) => {
    return serial(`fixture: ${name}`, [reset, ...requests.map((text) => inTurn(text)), reset]);
  });
}

/** The server stops behind it, so it is the last case of all. */
export function shutdownCase(): Case {
  return serial("fixture: shutdown", [inTurn(ask("POST", "shutdown"), page("/hot.txt"))]);
}

export function statusCases(): readonly Case[] {
  return STATUS.map((text) => serial(`status: ${text.slice(0, text.indexOf("\r\n"))}`, [inTurn(text)]));
}

function serial(id: string, conversations: readonly Conversation[]): Case {
  return { id, conversations, isVolatile: true, isSerial: true };
}

function get(endpoint: string): string {
  return ask("GET", endpoint);
}

function head(endpoint: string): string {
  return ask("HEAD", endpoint);
}

function ask(method: string, endpoint: string): string {
  return `${method} /__server/${endpoint} HTTP/1.1\r\n${HOST}\r\n`;
}

function page(target: string): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}\r\n`;
}

function pages(...targets: readonly string[]): readonly string[] {
  return targets.map(page);
}
