/**
 * The live page of --status in a real browser: under load it shows what the server's own metrics and the clients count, it
 * outlives its server, what comes from the wire stays text, and axe-core looks at it in light and dark and on a phone.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { BUILD_MS, type Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import {
  CHROMIUM,
  launchBrowser,
  noteFaults,
  openPage,
  PAGE_TEST_MS,
  renewPage,
  violationsIn,
} from "../support/page.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { SteadyReader } from "../support/steady-reader.ts";
import { until } from "../support/waiting.ts";
import { Workshop } from "../support/workshop.ts";

/** Nobody reads to their ends: gigabytes of nothing. */
const LONG_FILES = ["holiday.mp4", "disk-image.iso", "backup.tar"];
const LONG_GIBS = [4, 7, 12];
/**
 * So slow that the kernel always has room for more: such a download keeps its slot also while this process is not given the time
 * to read it, where one that waited for its reader would lend it to the queue.
 */
const SLOWLY = ["--fixture", ...LONG_FILES.flatMap((name) => ["--fault", `GET /${name} bandwidth rate=1mb`])];

/** The window and its colours. */
interface View {
  readonly colorScheme: "light" | "dark";
  readonly viewport: { readonly width: number; readonly height: number };
}

const ORDINARY: View = { colorScheme: "light", viewport: { width: 1280, height: 720 } };

/** As the pictures in docs/images are named. */
const VIEWS = [
  { name: "light", colorScheme: "light", viewport: { width: 1000, height: 1180 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1000, height: 1180 } },
  { name: "phone", colorScheme: "light", viewport: { width: 390, height: 1400 } },
] as const;

needs(CHROMIUM).describe(CHROMIUM, () => {
  let shop: Workshop;
  let browser: Browser;
  let page: Page;
  /** What should not happen: dialogs, console messages, uncaught exceptions, requests but for the page and its events. */
  let faults: string[] = [];
  let owned: AsyncDisposableStack;
  /** Those that `saturate` has opened. */
  let clients: DisposableStack;

  beforeAll(async () => {
    shop = await Workshop.open();
    for (const [i, name] of LONG_FILES.entries()) truncateSync(shop.add(name, ""), Number(LONG_GIBS[i]) * 2 ** 30);
    browser = await launchBrowser();
    page = await openPage(browser);
    noteFaults(page, (fault) => faults.push(fault));
    page.on("request", (asked) => {
      if (!/^(data|about):/.test(asked.url()) && !OWN_PATHS.has(new URL(asked.url()).pathname)) {
        faults.push(`request: ${asked.url()}`);
      }
    });
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    shop[Symbol.dispose]();
  });

  afterEach(async () => {
    await renewPage(page);
    await owned.disposeAsync();
  });

  /** A server, and the page that shows it, in a window of this size. */
  async function look(words: readonly string[], { colorScheme, viewport }: View = ORDINARY): Promise<Program> {
    owned = new AsyncDisposableStack();
    clients = owned.use(new DisposableStack());
    const server = owned.use(await shop.start("--status", ...words));
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    faults = [];
    await page.goto(`${server.url}/__server/`);
    await shows("#state", "Live");
    return server;
  }

  /** Resolves when the element has this text. */
  async function shows(selector: string, text: string | RegExp): Promise<void> {
    await page.locator(selector).filter({ hasText: text }).waitFor();
  }

  function textOf(selector: string): Promise<string | null> {
    return page.locator(selector).textContent();
  }

  /** Fills the slots with downloads and the queue with short requests. `pauseMs` lets a picture show how it came. */
  async function saturate(server: Program, slots: number, queue: number, pauseMs = 0): Promise<void> {
    let waiting = 0;
    let readers = 0;
    const isFull = async () => {
      const metrics = await metricsOf(server);
      if (metrics["httpserver_slots_busy"] !== slots) {
        clients.use(await SteadyReader.open(server.port, `/${LONG_FILES[readers++ % LONG_FILES.length]}`));
      } else if (metrics["httpserver_queue_length"] !== queue) {
        const client = clients.use(await RawClient.connect(server.port));
        client.send(request(server.port, `GET /${SHORT_FILES[waiting++ % SHORT_FILES.length]}`));
      } else return true;
      if (pauseMs > 0) await Bun.sleep(pauseMs);
      return false;
    };
    await until(isFull, "a full pool and queue", PAGE_TEST_MS);
  }

  async function statusOf({ port }: Program, path: string): Promise<number> {
    using client = await RawClient.connect(port);
    return (await client.send(request(port, `GET ${path}`)).answer()).status;
  }

  test(
    "shows full slots, a full queue and a refusal, as the server's metrics and the clients count them",
    async () => {
      const server = await look(["--threads", "2", "--queue", "3", ...SLOWLY]);
      await shows("#refused", "No request so far");
      await saturate(server, 2, 3);
      expect(await statusOf(server, "/about.html")).toBe(503);
      await shows("#refused.now", "503: 1 request turned away because all slots were busy and the queue was full.");
      await shows("#slots-count", "2 of 2 busy");
      await shows("#queue-count", "3 of 3 waiting");
      expect(await metricsOf(server)).toMatchObject({
        httpserver_slots_busy: 2,
        httpserver_queue_length: 3,
        'httpserver_refusals_total{reason="queue full"}': 1,
      });
      await page.locator("#slots progress").nth(1).waitFor();
      expect(await page.locator('#slots [data-state="sending"] b').allTextContents()).toEqual(["Thread-1", "Thread-2"]);
      for (const what of await page.locator("#slots .what").allTextContents())
        expect(LONG_FILES.map(asGet)).toContain(what);
      expect(await page.locator('#queue [data-state="waiting"]').count()).toBe(3);
      expect(await page.locator("#queue .what").first().textContent()).toMatch(/^GET \/[a-z]+\.[a-z]+$/);
      expect(await textOf("#said")).toContain("1 request turned away");
      await shows("#speed", /MB$/);
      await shows("#recent tr", "GET /about.html503");

      clients.dispose();
      await shows("#queue-count", "0 of 3 waiting");
      await shows("#refused:not(.now)", "No request at the moment The last refusal was at ");
      expect(await textOf("#refused-count")).toBe("1 in all");
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "shows who has lent a slot to those who wait",
    async () => {
      const server = await look(["--threads", "1", "--queue", "3"]);
      const { port } = server;
      const sleeper = owned.use(await RawClient.connect(port));
      sleeper.send(request(port, `GET /${LONG_FILES[0]}`)).pause();
      await shows("#slots-count", "1 of 1 busy");
      expect(await statusOf(server, "/about.html")).toBe(200);
      await shows("#slots-count", "0 of 1 busy, 1 lent");
      await shows('#lenders [data-state="lent"]', `GET /${LONG_FILES[0]}`);
      sleeper.reset();
      await page.locator("#lent").waitFor({ state: "hidden" });
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  needs("wrk").test(
    "counts every request of a flood, and shows which slots answer it",
    async () => {
      const server = await look([]);
      const words = ["wrk", "-t1", "-c8", `-d${PAGE_TEST_MS / 1000}s`, `${server.url}/style.css`];
      await using flood = Bun.spawn(words, { stdout: "pipe" });
      await page
        .locator('#slots [data-state="quick"]')
        .filter({ hasText: /\d{3}\/s/ })
        .first()
        .waitFor();
      await page.waitForFunction(`Number(document.getElementById("rate").textContent.replace(",", "")) > 100`);
      flood.kill("SIGINT");
      const said = await flood.stdout.text();
      const sent = Number(/(\d+) requests in/.exec(said)?.[1]);
      await until(async () => (await metricsOf(server))["httpserver_connections"] === 2, "wrk to be gone");
      const total = countOf(await metricsOf(server), "httpserver_requests_total");
      // What was under way when wrk had enough, one for each connection, is not in its count.
      expect(total).toBeGreaterThanOrEqual(sent);
      expect(total).toBeLessThanOrEqual(sent + 8);
      await shows("#total", total.toLocaleString("en"));
      expect(await textOf("#p99")).toMatch(/ (µs|ms|s)$/);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "says that the server has stopped, or has gone, finds it again, and begins anew",
    async () => {
      const server = await look([]);
      for (let i = 0; i < 5; i++) await statusOf(server, "/about.html");
      await shows("#total", "5");
      server.signal("SIGTERM");
      await shows("#state", "The server has stopped");
      expect(await server.ended()).toBe(0);

      const second = owned.use(await shop.start("--status", "--port", String(server.port)));
      await shows("#state", /^Live; the server was restarted at \d\d:\d\d:\d\d$/);
      await shows("#total", /^0$/);
      expect(await page.locator("#recent tr").count()).toBe(0);

      second.signal("SIGKILL");
      await shows("#state", "Reconnecting");
      owned.use(await shop.start("--status", "--port", String(server.port)));
      await shows("#state", "Live");
      // Chromium tells of each connection that could not be made.
      expect(faults.filter((fault) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(fault))).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "costs no stream while it is paused or hidden",
    async () => {
      const server = await look([]);
      const connections = async () => (await metricsOf(server))["httpserver_connections"];
      // The stream, the browser's connection for the page, and the one that asks.
      const live = await connections();
      const button = page.getByRole("button");
      await button.press("Enter");
      await shows("#state", "Paused");
      await until(async () => (await connections()) === Number(live) - 1, "the stream to end");
      await button.press("Enter");
      await shows("#state", "Live");
      await until(async () => (await connections()) === live, "the stream to come back");

      await page.evaluate(hide(true));
      await until(async () => (await connections()) === Number(live) - 1, "the stream to end");
      await page.evaluate(hide(false));
      await until(async () => (await connections()) === live, "the stream to come back");
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "shows one request in slow motion, and takes its times only while that is open",
    async () => {
      const server = await look([]);
      await page.emulateMedia({ reducedMotion: "reduce" });
      const connections = async () => (await metricsOf(server))["httpserver_connections"];
      const summary = page.locator("#slow summary");
      await summary.press("Enter");
      // The first request may come before the code that watches it is loaded.
      const asked = async (ask: () => Promise<unknown>, about: RegExp) => {
        await until(
          async () => {
            await ask();
            return about.test(`${await textOf("#slow-about")}`);
          },
          `${about}`,
          PAGE_TEST_MS,
        );
      };
      await asked(
        () => statusOf(server, "/about.html"),
        /^HTTP\/1\.1 · 127\.0\.0\.1:\d+ · Thread-\d+ · 200 · .* in all$/,
      );
      expect(await textOf("#slow-what")).toBe("GET /about.html");
      await asked(() => askStream(server.url, "/none"), /^HTTP\/2 stream 1 · 127\.0\.0\.1:\d+ · Thread-\d+ · 404 · /);
      expect(await page.locator("#slow-steps b").allTextContents()).toEqual(STEPS);
      expect(await page.locator("#slow-steps [data-state=done]").count()).toBe(STEPS.length);
      for (const time of await page.locator("#slow-steps .time").allTextContents())
        expect(time).toMatch(/^[\d.]+ (µs|ms)$/);
      expect(await textOf("#slow-said")).toMatch(
        /^GET \/about\.html, HTTP\/1\.1 .*: (accept .*, )?parse .*, send [\d.]+ [µm]s\.$/,
      );
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await violationsIn(page)).toEqual([]);
      }
      await page.locator("#slow-keep").press("Space");
      expect(await page.locator("#slow-keep[aria-pressed=true]").count()).toBe(1);
      // The streams, the browser's connection for the page, and the one that asks.
      const open = Number(await connections());
      await summary.press("Enter");
      await until(async () => (await connections()) === open - 1, "the stream of steps to end");
      await page.emulateMedia({ reducedMotion: "no-preference" });
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "shows a request that wants to be markup as text",
    async () => {
      const server = await look([]);
      using client = await RawClient.connect(server.port);
      client.send(request(server.port, "GET /<img/src=x/onerror=alert(1)>?<script>alert(2)</script>"));
      const { status } = await client.answer();
      await shows("#recent tr", `GET /<img/src=x/onerror=alert(1)>?<script>alert(2)</script>${status}`);
      expect(await page.locator("img").count()).toBe(0);
      expect(await page.locator("script").count()).toBe(1);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "runs none but its own script, whatever finds its way into the page, and whatever the operator says of other pages",
    async () => {
      await look(["--security-headers", "--header", "Content-Security-Policy: default-src 'none'; script-src 'none'"]);
      await shows("#slots-count", "0 of 10 busy");
      expect(faults).toEqual([]);
      await page.evaluate(`document.body.innerHTML += '<img src="data:," onerror="alert(1)">'`);
      await until(() => faults.some((fault) => fault.includes("Content Security Policy")), "a violation");
      expect(faults.filter((fault) => fault.startsWith("dialog"))).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  for (const threads of [1, 64, 65, 1024]) {
    test(
      `shows ${threads} slots within the width of a phone`,
      async () => {
        const server = await look(["--threads", String(threads)], {
          ...ORDINARY,
          viewport: { width: 360, height: 700 },
        });
        owned.use(await SteadyReader.open(server.port, `/${LONG_FILES[0]}`));
        await shows("#slots-count", `1 of ${threads.toLocaleString("en")} busy`);
        expect(await page.locator("#slots > * > *").count()).toBe(threads);
        await page.locator('#slots [data-state="sending"]').filter({ hasText: "1" }).waitFor();
        const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        expect(overflow).toBeLessThanOrEqual(0);
        expect(await violationsIn(page)).toEqual([]);
        expect(faults).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }

  for (const { name, ...view } of VIEWS) {
    test(
      `is readable under load, and axe-core finds nothing: ${name}`,
      async () => {
        // Set it to a folder to get the pictures that the documents show.
        const pictures = process.env["LIVE_PICTURES"];
        const server = await look(["--threads", "6", "--queue", "3", ...SLOWLY], view);
        for (let i = 0; i < 8; i++) await statusOf(server, `/${SHORT_FILES[i % SHORT_FILES.length]}`);
        await saturate(server, 6, 3, pictures === undefined ? 0 : 1500);
        for (const path of ["/about.html", "/contact.html"]) expect(await statusOf(server, path)).toBe(503);
        await shows("#refused.now", "503: 2 requests turned away");
        await shows("#recent tr", "GET /contact.html503");
        if (pictures !== undefined) {
          const picture = await page.screenshot();
          // A third of the bytes, and no difference to the eye.
          await new Bun.Image(picture).png({ palette: true, colors: 256 }).write(join(pictures, `live-${name}.png`));
        }
        const background = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
        expect(background).toBe(view.colorScheme === "dark" ? "rgb(18, 24, 29)" : "rgb(251, 250, 247)");
        const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        expect(overflow).toBeLessThanOrEqual(0);
        expect(await violationsIn(page)).toEqual([]);
        expect(faults).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }
});

/** What the page may ask for. */
const OWN_PATHS: ReadonlySet<string> = new Set(["/__server/", "/__server/events", "/__server/steps"]);

/** Steps of a request without content that is the first of its connection. */
const STEPS = ["accept", "parse", "admit", "slot", "handler", "send"];

/** Asks for a path on an HTTP/2 connection of its own. */
async function askStream(url: string, path: string): Promise<void> {
  const session = http2.connect(url);
  const stream = session.request({ ":path": path });
  stream.resume();
  await new Promise((resolve, reject) => stream.once("close", resolve).once("error", reject));
  session.destroy();
}

const SHORT_FILES = ["index.html", "photo.jpg", "sample.txt", "banner.png"];

const asGet = (name: string) => `GET /${name}`;

/** Tells the page that it has been hidden, or shown, which a browser without a window never does. */
function hide(isHidden: boolean): string {
  return `Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));`;
}

/** The samples of `/__server/metrics`, by name and labels. */
async function metricsOf({ port }: Program): Promise<Record<string, number>> {
  using client = await RawClient.connect(port);
  const { text } = await client.send(request(port, "GET /__server/metrics")).answer();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.replace(/ [^ ]+$/, ""), Number(/[^ ]+$/.exec(line)?.[0])]));
}

function countOf(metrics: Record<string, number>, name: string): number {
  return Object.entries(metrics).reduce((sum, [key, value]) => (key.startsWith(`${name}{`) ? sum + value : sum), 0);
}
