/**
 * Figures in sentences are those of the code. Tables of limits and defaults are compared in `test/docs.test.ts`; here are the numbers
 * that stand in prose, each with the constant that it comes from.
 */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../src/settings/limits.ts";
import { settingTable } from "../../src/settings/resolve.ts";
import { cases } from "../conformance/cases.ts";
import { documents, prose, read, TOP } from "./documents.ts";

type Figure = readonly [page: string, sentence: RegExp, ...sources: readonly string[]];

/** Each group of the pattern is one figure, with its unit; each source is a file in `src/` and a constant, a limit, or a setting. */
const FIGURES: readonly Figure[] = [
  ["fixture.md", /scope ends, requests in flight get (250 ms)/, "index.ts DISPOSE_MS"],
  ["fixture.md", /`application\/json` of at most (16 KiB)/, "fixture/endpoints.ts CONTENT_BYTES_MAX"],
  [
    "fixture.md",
    /when the time is over \((5 s), at most (10 min)\)/,
    "fixture/journal.ts WAIT_MS",
    "fixture/endpoints.ts WAIT_MS_MAX",
  ],
  ["fixture.md", /Adds the first (64 KiB) of the content/, "fixture/journal.ts CONTENT_BYTES_MAX"],
  ["fixture.md", /Values are cut after (1,024) characters/, "fixture/record.ts FIELD_VALUE_MAX"],
  [
    "fixture.md",
    /keeps the last (1,000) requests in at most (1 MiB), and beside them (1 MiB) of contents/,
    "fixture/journal.ts RECORDS_MAX",
    "fixture/journal.ts RECORD_BYTES_MAX",
    "fixture/journal.ts CONTENTS_BYTES_MAX",
  ],
  [
    "fixture.md",
    /at most (1,000) rules with (64 MiB) of contents/,
    "http/match.ts RULES_MAX",
    "fixture/stubs.ts BYTES_MAX",
  ],
  ["fixture.md", /There are at most (1,000) rules; one more/, "http/match.ts RULES_MAX"],
  ["fixture.md", /sends FIN \((100 ms) later/, "fixture/stubs.ts LEFT_MS"],
  ["fixture.md", /everything after the first (16 MiB) of a file/, "fixture/content-places.ts SEARCHED_BYTES_MAX"],
  ["fixture.md", /It comes (20 ms) after the last byte/, "fixture/faulty-wire.ts RESET_GRACE_MS"],
  [
    "stubs.md",
    /a file of more than (16 MiB), more than (256 MiB), (10,000) files or (10,000)/,
    "handlers/stubs/stub-folder.ts FILE_BYTES_MAX",
    "handlers/stubs/stub-folder.ts TOTAL_BYTES_MAX",
    "handlers/stubs/stub-folder.ts FILES_MAX",
    "handlers/stubs/stub-folder.ts FOLDERS_MAX",
  ],
  ["uploads.md", /one segment of at most (255) bytes/, "handlers/uploads/names.ts NAME_BYTES_MAX"],
  ["uploads.md", /At most (32) requests are on their way/, "handlers/uploads/s3/client.ts REQUESTS_MAX"],
  [
    "site.md",
    /(2,000) rules and (100) with `:name` or `\*`, (1,000) characters a line/,
    "handlers/site/redirect-rules.ts STATIC_RULES_MAX",
    "handlers/site/redirect-rules.ts DYNAMIC_RULES_MAX",
    "handlers/site/redirect-rules.ts LINE_CHARACTERS_MAX",
  ],
  ["site.md", /a Location has at most (8,192) characters/, "handlers/site/redirect-rules.ts TARGET_CHARACTERS_MAX"],
  [
    "site.md",
    /(2,000) paths and (100) with `:name` or `\*`, (2,000) characters a line, (24,576) in one response/,
    "handlers/site/header-rules.ts STATIC_RULES_MAX",
    "handlers/site/header-rules.ts DYNAMIC_RULES_MAX",
    "handlers/site/header-rules.ts LINE_CHARACTERS_MAX",
    "handlers/site/header-rules.ts SET_CHARACTERS_MAX",
  ],
  ["site.md", /the nearest one, up to (1 MiB)/, "handlers/site/not-found.ts PAGE_BYTES_MAX"],
  [
    "proxy.md",
    /Idle connections to one upstream \| (16), each for (4 seconds)/,
    "http1/upstream-pool.ts IDLE_CONNECTIONS_MAX",
    "http1/upstream-pool.ts IDLE_MS",
  ],
  [
    "proxy.md",
    /Head of a response \| (32 KiB), (100) fields/,
    "http1/response-reader.ts RESPONSE_HEAD_BYTES_MAX",
    "limits fieldsMax",
  ],
  ["proxy.md", /for a slow client \| (256 KiB) and one read/, "http1/upstream-content.ts WAITING_BYTES_MAX"],
  ["proxy.md", /memory held for peers: beyond (48 MiB)/, "limits peerMemoryBytesMax"],
  ["proxy.md", /before its request is sent \| (1 MiB);/, "http1/upstream-content.ts EARLY_BYTES_MAX"],
  ["proxy.md", /named in one warning: more than (16 MiB)/, "handlers/stubs/stub-folder.ts FILE_BYTES_MAX"],
  ["httpbin.md", /so many bytes, at most (1 MiB)/, "handlers/httpbin/endpoints.ts BYTES_MAX"],
  ["httpbin.md", /(1,000) fields are taken/, "handlers/httpbin/form.ts FIELDS_MAX"],
  ["httpbin.md", /clients have not read yet have (128 MiB)/, "handlers/httpbin/answers.ts KEPT_BYTES_MAX"],
  ["http2.md", /The server takes (100) streams of one connection/, "limits http2StreamsMax"],
  ["http2.md", /and the connection with (65,535) bytes/, "http2/dispatch.ts INITIAL_WINDOW_BYTES"],
  [
    "balancer.md",
    /A line has at most (107) bytes, a header of version 2 at most (8 KiB)/,
    "http/proxy-header.ts LINE_BYTES_MAX",
    "http/proxy-header.ts PROXY_HEADER_BYTES_MAX",
  ],
  ["tour.md", /This one has (ten) \*slots\*/, "setting threads"],
  [
    "tour.md",
    /for (99) further requests, and (30 seconds) of silence/,
    "limits requestsUnaskedMax - 1",
    "setting keepAliveTimeoutMs",
  ],
];

const WORDS: Readonly<Record<string, string>> = { ten: "10" };
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1000,
  seconds: 1000,
  min: 60_000,
  KiB: 1024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};

describe("figures in sentences are those of the code", () => {
  test.each(FIGURES.map(([page, sentence, ...sources]) => ({ page, sentence, sources })))(
    "$page: $sentence",
    ({ page, sentence, sources }) => {
      const [, ...figures] = sentence.exec(read(`docs/${page}`).replace(/\n +/g, " ").replaceAll("\n", " ")) ?? [];
      expect(figures.map(quantityOf)).toEqual(sources.map(constantOf));
    },
  );

  test("the rows of the conformance table are as many as README says", () => {
    const [, rows = ""] = /More than ([\d,]+) rows of raw bytes/.exec(read("README.md")) ?? [];
    expect(cases.length).toBeGreaterThan(quantityOf(rows));
    expect(cases.length).toBeLessThan(quantityOf(rows) + 200);
  });

  test("README's measured ratios stand in docs/performance.md", () => {
    const [, ...ratios] = /took ([\d.]+)(?: to ([\d.]+))? times the CPU of nginx/.exec(read("README.md")) ?? [];
    const measured = read("docs/performance.md");
    expect(ratios.length).toBeGreaterThan(0);
    expect(ratios.filter((ratio) => ratio !== undefined && !measured.includes(ratio))).toEqual([]);
  });

  test("results of measurements that a document names exist", () => {
    const named = documents.flatMap((path) =>
      Array.from(prose(read(path)).matchAll(/`(tools\/bench\/results\/[^`]+\.json)`/g), ([, file = ""]) => file),
    );
    expect(named.filter((file) => !existsSync(join(TOP, file)))).toEqual([]);
    expect(named).not.toBeEmpty();
  });

  test("docs/performance.md has the tables that its results file gives", async () => {
    const { describe: tables, readResults } = await import("../../tools/bench/draw.ts");
    const page = read("docs/performance.md");
    const [, name = ""] = /Raw numbers: `tools\/bench\/results\/([^`]+)`/.exec(page) ?? [];
    expect(page).toContain(tables(readResults(name), name));
  });
});

/** Reads `8 KiB`, `250 ms`, `50,000` as bytes, milliseconds or a count. */
function quantityOf(text: string): number {
  const [, digits = "", unit = ""] = /^([\d,]+)(?: (\w+))?$/.exec(WORDS[text] ?? text) ?? [];
  return Number(digits.replaceAll(",", "") || Number.NaN) * (UNITS[unit] ?? Number.NaN);
}

function constantOf(source: string): number {
  const [place = "", name = "", ...rest] = source.split(" ");
  if (place === "limits") return limits[name as keyof typeof limits] - Number(rest[1] ?? 0);
  if (place === "setting") return Number(settingTable[name as keyof typeof settingTable].default);
  const [, expression = ""] = new RegExp(`^(?:export )?const ${name} = ([^;]+);`, "m").exec(read(`src/${place}`)) ?? [];
  return product(expression);
}

/** Multiplies the factors of a constant: `64 * MIB`, `1_048_576`. */
function product(expression: string): number {
  const named: Readonly<Record<string, number>> = { KIB: 1024, MIB: 1_048_576, GIB: 1_073_741_824, SECOND: 1000 };
  return expression
    .split("*")
    .reduce((value, factor) => value * (named[factor.trim()] ?? Number(factor.trim().replaceAll("_", ""))), 1);
}
