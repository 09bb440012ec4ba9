/**
 * A page of 200 small pictures in Chromium, with a round trip of 40 ms: `bun tools/bench/http2-page.ts [--rounds N]`. Prints the time from
 * the navigation to the load event over HTTP/2 and, from a server with `--no-http2`, over HTTP/1.1.
 *
 * Both servers run at the same time, each behind a relay that delays its bytes, and are visited in turn. Each visit has a browser context
 * of its own, so that it begins without connections, TLS sessions and cache. A visit counts only if all pictures came over the protocol
 * that is measured.
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { Site } from "./macro/site.ts";
import { type DelayRelay, startDelayRelay } from "./support/delay-relay.ts";
import { PRODUCT } from "./support/machine.ts";
import { inTurn } from "./support/measure.ts";
import { endAll, launch } from "./support/process.ts";
import { formatNumber, formatTable, median, medianOfRatios } from "./support/statistics.ts";

const PICTURES = 200;
const PICTURE_BYTES = 1024;

/** Milliseconds in each direction. */
const DELAY_MS = 20;

/** Milliseconds for a visit, on a busy machine. */
const VISIT_MS = 60_000;

/** A PNG of one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

interface Contender {
  readonly name: string;
  /** ALPN's name of the protocol, which the browser reports for each file. */
  readonly protocol: string;
  readonly relay: DelayRelay;
}

interface Visit {
  /** From the navigation to the load event. */
  readonly loadMs: number;
  readonly connections: number;
}

/** Writes the page and its pictures: each a pixel, then zeros, which follow the end of the picture. */
function writePage(root: string): void {
  const picture = Buffer.alloc(PICTURE_BYTES);
  picture.set(Buffer.from(PIXEL, "base64"));
  const names = Array.from({ length: PICTURES }, (_, i) => `${i}.png`);
  for (const name of names) writeFileSync(join(root, name), picture);
  const elements = names.map((name) => `<img src="${name}" alt="">`);
  const head = '<!doctype html><title>pictures</title><link rel="icon" href="data:,">';
  writeFileSync(join(root, "pictures.html"), `${head}\n${elements.join("\n")}\n`);
}

async function start(site: Site, name: string, protocol: string, words: readonly string[]): Promise<Contender> {
  const all = [PRODUCT, site.root, "0", "--quiet", "--inline", "--tls-self-signed", ...words];
  const server = launch(all, { core: "0,1", outputFile: site.fresh("output"), cwd: site.work });
  const [, port] = await server.printed(/Listening on port (\d+)/);
  return { name, protocol, relay: await startDelayRelay(Number(port), DELAY_MS) };
}

/** Visits the page. Rejects if a picture is missing, or came over another protocol. */
async function visit(browser: Browser, { protocol, relay }: Contender): Promise<Visit> {
  const before = relay.connections();
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`https://127.0.0.1:${relay.port}/pictures.html`, { waitUntil: "load", timeout: VISIT_MS });
    const [loadMs, shown, protocols] = await page.evaluate<[number, number, string[]]>(`[
      performance.getEntriesByType("navigation")[0].loadEventStart,
      Array.from(document.images).filter((image) => image.naturalWidth === 1).length,
      performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol),
    ]`);
    const matching = protocols.filter((name) => name === protocol).length;
    if (shown !== PICTURES || matching !== PICTURES) {
      throw new Error(`${shown} pictures of ${PICTURES} are shown, ${matching} came over ${protocol}`);
    }
    return { loadMs, connections: relay.connections() - before };
  } finally {
    await context.close();
  }
}

function print(all: readonly (readonly [Contender, readonly Visit[]])[]): void {
  const times = (visits: readonly Visit[]) => visits.map(({ loadMs }) => loadMs);
  const http1 = all[1]?.[1] ?? [];
  const heading = [`${PICTURES} pictures, ${2 * DELAY_MS} ms`, "load, ms", "shortest", "connections", "÷ HTTP/1.1"];
  const rows = all.map(([{ name }, visits]) => [
    name,
    formatNumber(median(times(visits))),
    formatNumber(Math.min(...times(visits))),
    formatNumber(median(visits.map(({ connections }) => connections))),
    formatNumber(medianOfRatios(times(visits), times(http1))),
  ]);
  console.log(formatTable([heading, ...rows]));
}

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const executablePath = Bun.which("chromium");
if (executablePath === null) {
  console.error("missing: chromium; get it with: apt-get install chromium");
  process.exit(2);
}
const site = new Site();
const relays: DelayRelay[] = [];
// A context's own `ignoreHTTPSErrors` makes each connection twice: the first ends with the certificate's error.
const args = ["--ignore-certificate-errors"];
const browser = await chromium.launch({ executablePath, chromiumSandbox: false, args });
try {
  writePage(site.root);
  const contenders = [await start(site, "HTTP/2", "h2", []), await start(site, "HTTP/1.1", "http/1.1", ["--no-http2"])];
  relays.push(...contenders.map(({ relay }) => relay));
  console.log(`${new Date().toISOString()}, load ${loadavg()[0]?.toFixed(1)}, ${values.rounds} rounds\n`);
  const visits = new Map(contenders.map((contender) => [contender, [] as Visit[]]));
  // The first visit of each also compiles the server's functions, and fills the browser's own tables.
  for (const contender of contenders) await visit(browser, contender);
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const contender of inTurn(contenders, round)) visits.get(contender)?.push(await visit(browser, contender));
  }
  print([...visits]);
} finally {
  await browser.close();
  for (const relay of relays) relay.close();
  await endAll();
  site.remove();
}
