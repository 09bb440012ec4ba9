/** The compiled file streams to a real browser: an EventSource that loses its connection comes back, and goes on where it was cut. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { RequestPage } from "../../src/index.ts";
import { BUILD_MS, type Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage, PAGE_TEST_MS, renewPage } from "../support/page.ts";
import { Workshop } from "../support/workshop.ts";

const EVENTS = 10;

const PAGE = `<!doctype html><title>Events</title><script>
  const seen = [];
  const errors = [];
  const source = new EventSource("/events");
  source.onmessage = ({ data, lastEventId }) => seen.push([data, lastEventId]);
  source.onerror = () => errors.push(source.readyState);
  source.addEventListener("end", () => source.close());
</script>`;

needs(CHROMIUM).describe(CHROMIUM, () => {
  let shop: Workshop;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    shop = await Workshop.open();
    shop.add("events.html", PAGE);
    const stubs = join(shop.folder, "stubs");
    mkdirSync(join(stubs, "events"), { recursive: true });
    const events = Array.from({ length: EVENTS }, (_, i) => `id: ${i + 1}\ndata: event ${i + 1}\n\n`);
    const head = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n";
    writeFileSync(join(stubs, "events", "GET.http"), `${head}retry: 50\n\n${events.join("")}event: end\ndata: 0\n\n`);
    browser = await launchBrowser();
    page = await openPage(browser);
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    shop[Symbol.dispose]();
  });

  for (const kind of ["reset", "truncate"]) {
    test(
      `an EventSource that is cut by ${kind} after the seventh event gets each event once`,
      async () => {
        const fault = `GET /events ${kind} events=7 times=1`;
        await using server = await shop.start("--inline", "--fixture", "--stubs", "stubs", "--fault", fault);
        await page.goto(`${server.url}/events.html`);
        await page.waitForFunction("source.readyState === EventSource.CLOSED");
        const seen = await page.evaluate<[data: string, id: string][]>("seen");
        expect(seen).toEqual(Array.from({ length: EVENTS }, (_, i) => [`event ${i + 1}`, `${i + 1}`]));
        expect(await page.evaluate<number[]>("errors")).toEqual([0]); // CONNECTING: it comes back by itself.
        await renewPage(page);
        const { requests } = await journalOf(server);
        const ids = requests.map(({ fields }) => fields.find(([name]) => name === "Last-Event-ID")?.[1]);
        expect(requests.map((request) => request.fault)).toEqual([kind, null]);
        expect(ids[0]).toBeUndefined();
        // A reset may discard events that the browser has not read.
        expect(Number(ids[1])).toBeLessThanOrEqual(7);
        if (kind === "truncate") expect(ids[1]).toBe("7");
      },
      PAGE_TEST_MS,
    );
  }
});

async function journalOf(server: Program): Promise<RequestPage> {
  return (await fetch(`${server.url}/__server/requests?path=/events&wait=2`)).json() as Promise<RequestPage>;
}
