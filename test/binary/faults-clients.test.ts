/** Each fault of the compiled file as the clients of those who test report it: curl's exit code, and the error of Node's fetch. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, curl, type Finished, type Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { Workshop } from "../support/workshop.ts";

/** Seconds that clients, all at the same time, wait for what never comes; and for what does, on a busy machine. */
const PATIENCE = { short: 2, long: 12 };

let shop: Workshop;
let server: Program;
/** A JSON document of 1 MB, in a file. */
let document = "";

beforeAll(async () => {
  shop = await Workshop.open();
  shop.add("ten.txt", "0123456789");
  document = join(shop.folder, "document.json");
  writeFileSync(document, JSON.stringify({ text: "x".repeat(1 << 20) }));
  server = await shop.start(
    "--threads",
    "100",
    "--fixture",
    "--fault",
    "GET /about.html status=503 times=2",
    "--fault",
    "HEAD /** empty",
  );
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

interface Report {
  readonly fault: string;
  /** curl's exit code and words. */
  readonly curl: readonly [code: number, words: RegExp];
  /** The name of what fetch or the reading of the content throws, and its cause's code; or status and bytes. One of several. */
  readonly fetch: string;
}

const WHOLE = "200 10";

/** Node's event loop takes a reset that it sees together with the last bytes for an end. */
const RESET_BEHIND_BYTES = "TypeError ECONNRESET or TypeError UND_ERR_SOCKET";

function patienceFor(report: Report): number {
  return report.fetch === "TimeoutError" ? PATIENCE.short : PATIENCE.long;
}

const reports: readonly Report[] = [
  { fault: "fault=empty", curl: [52, /Empty reply from server/], fetch: "TypeError UND_ERR_SOCKET" },
  { fault: "fault=truncate", curl: [18, /10 bytes remaining/], fetch: "TypeError UND_ERR_SOCKET" },
  { fault: "fault=truncate, after=4", curl: [18, /6 bytes remaining/], fetch: "TypeError UND_ERR_SOCKET" },
  { fault: "fault=truncate, after=10", curl: [0, /^$/], fetch: WHOLE },
  { fault: "fault=reset", curl: [56, /Connection reset by peer/], fetch: "TypeError ECONNRESET" },
  { fault: "fault=reset, after=4", curl: [56, /Connection reset by peer/], fetch: RESET_BEHIND_BYTES },
  { fault: "fault=hang", curl: [28, /0 bytes received/], fetch: "TimeoutError" },
  { fault: "fault=stall", curl: [28, /0 out of 10 bytes/], fetch: "TimeoutError" },
  { fault: "fault=stall, after=4", curl: [28, /4 out of 10 bytes/], fetch: "TimeoutError" },
  { fault: "fault=half-close", curl: [52, /Empty reply from server/], fetch: "TypeError UND_ERR_SOCKET" },
  { fault: "fault=half-close, after=4", curl: [18, /6 bytes remaining/], fetch: "TypeError UND_ERR_SOCKET" },
  { fault: "fault=garbage", curl: [1, /HTTP\/0\.9/], fetch: "TypeError HPE_INVALID_CONSTANT" },
  { fault: "fault=bad-chunk", curl: [56, /hexadecimal/], fetch: "TypeError HPE_INVALID_CHUNK_SIZE" },
  { fault: "fault=bad-chunk, after=4", curl: [56, /hexadecimal/], fetch: "TypeError HPE_INVALID_CHUNK_SIZE" },
  {
    fault: "fault=bad-length",
    curl: [18, /1 bytes remaining/],
    fetch: "TypeError UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  },
  { fault: "fault=bad-length, length=3", curl: [0, /^$/], fetch: "200 3" },
  { fault: "fault=reset-request", curl: [56, /Connection reset by peer/], fetch: "TypeError ECONNRESET" },
  { fault: "delay=1h", curl: [28, /0 bytes received/], fetch: "TimeoutError" },
  { fault: "delay=50ms", curl: [0, /^$/], fetch: WHOLE },
  { fault: "fault=slow-headers, duration=1h", curl: [28, /0 bytes received/], fetch: "TimeoutError" },
  { fault: "fault=slow-headers, duration=50ms", curl: [0, /^$/], fetch: WHOLE },
  { fault: "fault=drip, duration=1h", curl: [28, /0 out of 10 bytes/], fetch: "TimeoutError" },
  { fault: "fault=drip, duration=50ms", curl: [0, /^$/], fetch: WHOLE },
  { fault: "rate=10", curl: [28, /0 bytes received/], fetch: "TimeoutError" },
  { fault: "rate=10kb", curl: [0, /^$/], fetch: WHOLE },
  { fault: "fault=last", curl: [0, /^$/], fetch: WHOLE },
];

function asked(fault: string, path: string, patience = PATIENCE.long): string[] {
  return [
    "--header",
    `X-Fixture: ${fault}`,
    "--max-time",
    String(patience),
    "--output",
    "/dev/null",
    server.url + path,
  ];
}

needs("curl").describe("curl", () => {
  let told: Finished[] = [];

  beforeAll(async () => {
    told = await Promise.all(reports.map((report) => curl(...asked(report.fault, "/ten.txt", patienceFor(report)))));
  }, BUILD_MS);

  for (const [i, { fault, curl: said }] of reports.entries()) {
    test(`of ${fault} says ${said[0]}`, () => {
      expect(told[i]?.stderr).toMatch(said[1]);
      expect(told[i]?.code).toBe(said[0]);
    });
  }

  test("of an upload that is reset tells that it was, while it sent or behind it", async () => {
    const upload = ["--header", "Content-Type: application/json", "--data-binary", `@${document}`];
    for (const after of ["0", "500kb"]) {
      const { code } = await curl(...upload, ...asked(`fault=reset-request, after=${after}`, "/upload"));
      expect([55, 56]).toContain(code);
    }
  });

  test("with its own retries gets over a rule that ends", async () => {
    const told = await curl(
      "--retry",
      "2",
      "--retry-delay",
      "1",
      "--write-out",
      "%{http_code}",
      `${server.url}/about.html`,
    );
    expect([told.code, told.stdout.slice(-3)]).toEqual([0, "200"]);
    const rules = await (await fetch(`${server.url}/__server/faults`)).json();
    expect(rules).toMatchObject({
      faults: [
        { id: "f1", applied: 2, left: 0 },
        { id: "f2", applied: 0, left: null },
      ],
    });
  });

  test("of a rule for HEAD says 52", async () => {
    expect((await curl("--head", server.url)).code).toBe(52);
  });
});

describe("the command line", () => {
  test("refuses a rule that it does not understand, with the place", async () => {
    const told = await start("--fixture", "--fault", "GET /app.js reset after=some");
    expect(told.code).toBe(2);
    expect(told.stderr).toMatch(/^httpserver: --fault: column 19 \(after\): expected bytes [^\n]*\n$/);
  });

  test("refuses a rule for a server that is no fixture", async () => {
    const told = await start("--fault", "GET /app.js reset");
    expect(told.code).toBe(2);
    expect(told.stderr).toMatch(/^httpserver: --fault needs --fixture[^\n]*\n$/);
  });
});

/** The words of a start that fails. */
function start(...words: readonly string[]): Promise<Finished> {
  return run([shop.program, "--port", "0", ...words], { cwd: shop.folder });
}

needs("node").describe("node", () => {
  const program = `
    const [url, reports] = process.argv.slice(1);
    const ask = async ([fault, seconds]) => {
      const signal = AbortSignal.timeout(seconds * 1000);
      try {
        const response = await fetch(url, { headers: { "X-Fixture": fault }, signal });
        return [response.status, (await response.arrayBuffer()).byteLength].join(" ");
      } catch (error) {
        return [error.name, error.cause?.code].join(" ").trim();
      }
    };
    console.log(JSON.stringify(await Promise.all(JSON.parse(reports).map(ask))));`;

  let told: string[] = [];

  beforeAll(async () => {
    const asked = JSON.stringify(reports.map((report) => [report.fault, patienceFor(report)]));
    const words = ["node", "--input-type=module", "--eval", program, `${server.url}/ten.txt`, asked];
    told = JSON.parse((await run(words, { cwd: shop.folder })).stdout);
  }, BUILD_MS);

  for (const [i, { fault, fetch: said }] of reports.entries()) {
    test(`of ${fault} says ${said}`, () => expect(said.split(" or ")).toContain(told[i] ?? ""));
  }
});
