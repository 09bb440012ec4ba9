/** The table of faults on streams in docs/fixture.md, cell by cell, as clients report them to this machine's compiled file. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { BAD_FRAMES, FAULT_KINDS, parseFaultField } from "../../src/http/fault.ts";
import { BUILD_MS, type Program, run } from "../support/binary.ts";
import {
  type Asked,
  CONTENT_BYTES,
  chromiumReport,
  curlReport,
  type Fixture,
  nghttpReport,
  nodeReports,
  type Tried,
} from "../support/http2-reports.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage } from "../support/page.ts";
import { Workshop } from "../support/workshop.ts";

const DOCUMENT = readFileSync(join(import.meta.dir, "..", "..", "docs", "fixture.md"), "utf8");
/** Its part on HTTP/2. */
const CHAPTER = /^### HTTP\/2\n(.*?)^### /ms.exec(DOCUMENT)?.[1] ?? "";

/** Milliseconds that clients wait for what never comes; and for what does, on a busy machine. */
const PATIENCE_MS = { short: 2000, long: 12_000 };
/** Milliseconds for a client to be asked for every row. */
const TABLE_MS = 120_000;
/** Clients that run at the same time. */
const AT_ONCE = 4;

const CLIENTS = ["curl", "nghttp", "Node", "Chromium"] as const;
type Client = (typeof CLIENTS)[number];

/** One order of a row, with the row's cells. */
interface Row {
  readonly asked: Asked;
  readonly cells: Readonly<Record<Client, string>>;
}

const ROWS: readonly Row[] = CHAPTER.split("\n")
  .filter((line) => /^\| `/.test(line))
  .flatMap((line) => {
    const [orders = "", ...cells] = line.slice(1, -1).split(" | ");
    const patience = (isEndless: boolean) => (isEndless ? PATIENCE_MS.short : PATIENCE_MS.long);
    const patienceMs = patience(cells.some((cell) => /^(?:28|timeout|nothing)\b/.test(cell.trim())));
    const thenMs = patience(cells.some((cell) => cell.includes("then nothing")));
    const of = Object.fromEntries(CLIENTS.map((client, i) => [client, cells[i]?.trim() ?? ""])) as Row["cells"];
    return [...orders.matchAll(/(`POST` )?`([^`]*=[^`]*)`/g)].map(([, post, order = ""]) => ({
      asked: { order, isPost: post !== undefined, patienceMs, thenMs },
      cells: of,
    }));
  });

let shop: Workshop;
let plain: Program;
let secure: Program;
/** A JSON document of 3 MB, in a file. */
let document = "";

beforeAll(async () => {
  shop = await Workshop.open();
  shop.add("a.txt", "x".repeat(CONTENT_BYTES));
  shop.add("blank.html", '<!doctype html><title>Blank</title><link rel="icon" href="data:,">');
  document = join(shop.folder, "document.json");
  writeFileSync(document, JSON.stringify({ text: "x".repeat(3_000_000) }));
  const words = ["--fixture", "--quiet", "--threads", "100", "--max-body", "4mb", "--header-timeout", "60s"];
  [plain, secure] = await Promise.all([shop.start(...words), shop.start(...words, "--tls-self-signed")]);
}, BUILD_MS);

afterAll(async () => {
  await plain[Symbol.asyncDispose]();
  await secure[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

/** Orders and cells of a column, to be compared as a whole. */
function column(cell: (row: Row, i: number) => string): string[] {
  return ROWS.map((row, i) => `${row.asked.isPost ? "POST " : ""}${row.asked.order} | ${cell(row, i)}`);
}

/** Asks for every row, a few at a time, and returns the reports in the order of the rows. */
async function reports(ask: (asked: Asked) => Promise<string>): Promise<string[]> {
  const found: string[] = [];
  const left = [...ROWS.entries()];
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) found[next[0]] = await ask(next[1].asked);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

test("the table has every kind of fault, and every bad frame", () => {
  const orders = ROWS.map(({ asked }) => parseFaultField(asked.order));
  const faults = orders.filter((fault) => typeof fault !== "string");
  expect(faults).toHaveLength(ROWS.length);
  expect(FAULT_KINDS.filter((kind) => !faults.some((fault) => fault.kind === kind))).toEqual([]);
  expect(BAD_FRAMES.filter((frame) => !faults.some(({ http2 }) => http2?.frame === frame))).toEqual([]);
});

for (const [way, server] of [
  ["over TLS", () => secure],
  ["by prior knowledge", () => plain],
] as const) {
  describe(way, () => {
    for (const [client, report] of [
      ["curl", curlReport],
      ["nghttp", nghttpReport],
    ] as const) {
      needs(client).test(
        `${client} reports each fault as documented`,
        async () => {
          const found = await reports((asked) => report(server().url, asked, document));
          expect(column((_, i) => `${found[i]}`)).toEqual(column(({ cells }) => cells[client]));
        },
        TABLE_MS,
      );
    }

    needs("node").test(
      "Node reports each fault as documented, and the request after it",
      async () => {
        const all = ROWS.map(({ asked }) => asked);
        const found = await nodeReports(server().url, all, document);
        expect(column((_, i) => `${found[i]}`)).toEqual(column(({ cells }) => cells.Node));
      },
      TABLE_MS,
    );
  });
}

needs(CHROMIUM).test(
  "Chromium reports each fault as documented, its tries, and on which connection the next request is",
  async () => {
    const browser = await launchBrowser();
    try {
      const found = await chromiumReports(browser);
      expect(column((_, i) => `${found[i]}`)).toEqual(column(({ cells }) => cells.Chromium));
    } finally {
      await browser.close();
    }
  },
  TABLE_MS,
);

async function chromiumReports(browser: Browser): Promise<string[]> {
  const open = async () => {
    const page = await openPage(browser, { ignoreHTTPSErrors: true });
    await page.goto(`${secure.url}/blank.html`);
    return page;
  };
  const shared = await open();
  const found: string[] = [];
  for (const [i, { asked }] of ROWS.entries()) {
    // A browser that was told to speak HTTP/1.1 does so until its context ends.
    const isSticky = asked.order.includes("HTTP_1_1_REQUIRED");
    found.push(await chromiumReport(isSticky ? await open() : shared, asked, `row${i}`, FIXTURE));
  }
  return found;
}

const FIXTURE: Fixture = {
  async tries(id) {
    const { requests } = (await (await asTest("/__server/requests")).json()) as { requests: (Tried & Queried)[] };
    return requests.filter(({ query }) => query === `?${id}`);
  },
  async order(id, order) {
    const words = Object.fromEntries(order.split(", ").map((word) => word.split("=")));
    const match = { method: "POST", path: "/upload", query: { [id]: "" } };
    const body = JSON.stringify({ match, ...words });
    expect(
      (await asTest("/__server/faults", { method: "POST", body, headers: { "Content-Type": "application/json" } }))
        .status,
    ).toBe(201);
  },
};

interface Queried {
  readonly query: string | null;
}

async function asTest(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(secure.url + path, { ...init, tls: { rejectUnauthorized: false } });
}

test("a fault that the version does not have is 501, says why, and is among the unexpected requests", async () => {
  for (const order of ["fault=goaway", "fault=push"]) {
    const answer = await fetch(`${plain.url}/a.txt?${order}`, { headers: { "X-Fixture": order } });
    expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining("is a fault of HTTP/2")]);
  }
  const unmatched = await (await fetch(`${plain.url}/__server/requests/unmatched`)).text();
  expect(unmatched).toContain("fault=push");
});

needs("curl", "nghttp", "node", CHROMIUM).test("the document names the versions that were asked", async () => {
  const versions: readonly [words: readonly string[], pattern: RegExp, name: string][] = [
    [["curl", "--version"], /^curl (\d+\.\d+)/, "curl"],
    [["nghttp", "--version"], /nghttp2\/(\d+\.\d+)/, "nghttp"],
    [["node", "--version"], /^v(\d+)/, "Node"],
    [[CHROMIUM, "--version"], /^Chromium (\d+)/, "Chromium"],
  ];
  for (const [words, pattern, name] of versions) {
    const { stdout } = await run(words, { cwd: shop.folder });
    expect(CHAPTER).toContain(`${name} ${pattern.exec(stdout)?.[1]}`);
  }
});
