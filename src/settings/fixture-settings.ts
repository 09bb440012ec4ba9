/** The settings of a server in tests, as a part of the table of server-settings.ts. */
import { isBearerToken } from "../http/credentials.ts";
import { parseFaultRule } from "../http/fault.ts";
import type { TableOf } from "./kinds.ts";
import { normalizeFaultRule, normalizePrefix, problemIn } from "./values.ts";

/** Settings of a server in tests. */
export interface FixtureSettings {
  /** Path of the stub folder, or "". */
  stubs: string;
  /** Endpoints for tests below `/__server/`. */
  fixture: boolean;
  /** Bearer token of test clients on other machines; "": none are admitted, `*`: all are. */
  fixtureToken: string;
  /** Rules: `METHOD PATH FAULT …`; `http/fault.ts` has their grammar. */
  faults: readonly string[];
  /** Path before the endpoints of go-httpbin, without a slash at its end; "/": none, "": no such endpoints. */
  httpbin: string;
}

/** Value of `fixtureToken` that admits every client. */
export const ANY_CLIENT = "*";

export const fixtureTable: TableOf<FixtureSettings> = {
  stubs: {
    flag: "stubs",
    kind: "text",
    value: "FOLDER",
    group: "fixture",
    expected: "a folder",
    example: "stubs",
    default: "",
    help: "Folder of answers beside the files, such as api/orders/POST.http. docs/stubs.md describes them.",
  },
  fixture: {
    flag: "fixture",
    kind: "switch",
    group: "fixture",
    default: false, // Every client that reaches it can make the server fail.
    help: "Adds endpoints for tests below /__server/. They inject faults and record requests.",
  },
  fixtureToken: {
    flag: "fixture-token",
    kind: "text",
    value: "TOKEN",
    group: "fixture",
    expected: "letters, digits and any of -._~+/, with = only at the end, or * for every client",
    example: "$(openssl rand -hex 16)",
    normalize: (text) => (text === "" || text === ANY_CLIENT || isBearerToken(text) ? text : undefined),
    mask: (text) => (text === "" || text === ANY_CLIENT ? text : "***"),
    default: "",
    help: "Bearer token of test clients on other machines; '*' admits every client.",
  },
  faults: {
    flag: "fault",
    kind: "list",
    value: "RULE",
    group: "fixture",
    expected: "METHOD PATH FAULT such as 'GET /app.js reset after=1024 times=2'",
    example: "'GET /app.js reset'",
    separator: "\n", // A path may have commas.
    problem: (item) => problemIn(parseFaultRule(item)),
    normalize: normalizeFaultRule,
    default: [],
    help: "Fault to inject, such as 'GET /app.js reset after=1kb'. Repeatable; docs/fixture.md lists the kinds.",
  },
  httpbin: {
    flag: "httpbin",
    kind: "text",
    value: "[PREFIX]",
    group: "fixture",
    expected: "a path such as /bin, but not /upload, /uploads or /__server",
    example: "/bin",
    alone: { value: "/", next: /^\// },
    off: "",
    normalize: normalizePrefix,
    default: "",
    help: "Answers as httpbin.org: /get, /status/404, … below PREFIX. PREFIX begins with a slash; docs/httpbin.md lists the paths.",
  },
};
