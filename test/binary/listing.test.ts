/**
 * The directory page in a real browser: headless Chromium sorts by clicks and by keys, follows names that want to be markup,
 * and axe-core looks at it as people with assistive technology would, in light and dark and on a phone.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { BUILD_MS, type Program } from "../support/binary.ts";
import { addEmptyFiles } from "../support/many-files.ts";
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
import { Workshop } from "../support/workshop.ts";

const HOSTILE = `<img src=x onerror=alert(1)>.txt`;
/** Name, bytes, hour of its day. */
const FILES: readonly (readonly [name: string, size: number, hour: number])[] = [
  [HOSTILE, 31, 9],
  ["Grüße aus Köln.txt", 412, 17],
  ["annual report 2026, final.pdf", 1_843_200, 8],
  ["chapter-2.html", 9_728, 11],
  ["chapter-10.html", 14_336, 12],
  ["holiday.mp4", 734_003_200, 20],
  ["notes & 50% off?.txt", 64, 7],
];
const FOLDERS = ["music", "photos"];

/** As the pictures in docs/images are named. */
const VIEWS = [
  { name: "light", colorScheme: "light", viewport: { width: 900, height: 620 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 900, height: 620 } },
  { name: "phone", colorScheme: "light", viewport: { width: 390, height: 760 } },
] as const;

needs(CHROMIUM).describe(CHROMIUM, () => {
  let shop: Workshop;
  let server: Program;
  let browser: Browser;
  let ordinary: Page;
  /** A page that runs no script. */
  let scriptless: Page;
  /** The page of the test that runs. */
  let page: Page;
  /** What should not happen: dialogs, console errors, uncaught exceptions, answers from 400 on, requests but for the page. */
  let faults: string[] = [];

  beforeAll(async () => {
    shop = await Workshop.open();
    mkdirSync(shop.path("shelf"));
    for (const folder of FOLDERS) {
      mkdirSync(shop.path(`shelf/${folder}`));
      utimesSync(shop.path(`shelf/${folder}`), at(6), at(6));
    }
    for (const [name, size, hour] of FILES) {
      truncateSync(shop.add(`shelf/${name}`, `This is ${name}`), size);
      utimesSync(shop.path(`shelf/${name}`), at(hour), at(hour));
    }
    mkdirSync(shop.path("many"));
    addEmptyFiles(
      shop.path("many"),
      Array.from({ length: 2_100 }, (_, i) => `part-${i}.txt`),
    );
    [server, browser] = await Promise.all([shop.start("--listing"), launchBrowser()]);
    ordinary = await open({});
    scriptless = await open({ javaScriptEnabled: false });
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    shop[Symbol.dispose]();
  });

  beforeEach(async () => {
    page = ordinary;
    await renewPage(page);
    faults = [];
  });

  /** A new page that notes its faults. */
  async function open(settings: Parameters<Browser["newContext"]>[0]): Promise<Page> {
    const page = await openPage(browser, settings);
    noteFaults(page, (fault) => faults.push(fault));
    page.on("request", (request) => {
      if (request.resourceType() !== "document") faults.push(`request: ${request.url()}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) faults.push(`answer: ${response.url()} ${response.status()}`);
    });
    return page;
  }

  function namesShown(): Promise<string[]> {
    return page.locator("tbody td:first-child").allTextContents();
  }

  test(
    "reaches every entry of a large folder by pages, and finds one by the filter, without script",
    async () => {
      page = scriptless;
      await page.goto(`${server.url}/many/`);
      const seen = await namesShown();
      await page.getByRole("link", { name: "Next page" }).click();
      await page.getByRole("link", { name: "First page" }).waitFor();
      seen.push(...(await namesShown()));
      expect(new Set(seen).size).toBe(2_100);
      await page.getByRole("searchbox", { name: "Names with" }).fill("PART-209");
      await page.getByRole("button", { name: "Filter" }).click();
      await page.waitForURL("**/many/?filter=PART-209");
      await page.getByRole("button", { name: "Name" }).click();
      await page.waitForURL("**/many/?filter=PART-209&order=desc&sort=name");
      const last = Array.from({ length: 10 }, (_, i) => `part-${2_099 - i}.txt`);
      expect(await namesShown()).toEqual([...last, "part-209.txt"]);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "is sorted by clicks on its columns, folders first, without script",
    async () => {
      page = scriptless;
      await page.goto(`${server.url}/shelf/`);
      const bySize = FILES.toSorted((a, b) => a[1] - b[1]).map(([name]) => name);
      const byTime = FILES.toSorted((a, b) => a[2] - b[2]).map(([name]) => name);
      const folders = FOLDERS.map((name) => `${name}/`);
      const chapters = (await namesShown()).filter((name) => name.startsWith("chapter"));
      expect(chapters).toEqual(["chapter-2.html", "chapter-10.html"]);
      for (const [column, direction, names] of [
        ["Size", "ascending", bySize],
        ["Size", "descending", bySize.toReversed()],
        ["Modified (UTC)", "ascending", byTime],
        ["Modified (UTC)", "descending", byTime.toReversed()],
      ] as const) {
        await page.getByRole("button", { name: column, exact: true }).click();
        await page.locator(`th[aria-sort="${direction}"]`, { hasText: column }).waitFor();
        expect(await namesShown()).toEqual([...folders, ...names]);
      }
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "is reached and used by the keyboard alone, in the order that it is read",
    async () => {
      await page.goto(`${server.url}/shelf/`);
      const focused: string[] = [];
      for (let i = 0; i < 4 + FOLDERS.length + FILES.length; i++) {
        await page.keyboard.press("Tab");
        focused.push(await page.evaluate<string>("document.activeElement.textContent"));
      }
      expect(focused).toEqual(["resources", "Name", "Size", "Modified (UTC)", ...(await namesShown())]);
      await page.getByRole("link", { name: "photos/" }).focus();
      await page.keyboard.press("Enter");
      await page.waitForURL("**/shelf/photos/");
      expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("photos");
      await page.getByRole("navigation", { name: "Breadcrumbs" }).getByRole("link", { name: "shelf" }).press("Enter");
      await page.waitForURL("**/shelf/");
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "shows a name that wants to be markup as text, and its link downloads that file",
    async () => {
      await page.goto(`${server.url}/shelf/`);
      expect(await namesShown()).toContain(HOSTILE);
      expect(await page.locator("img, script").count()).toBe(0);
      for (const [name, size] of FILES.filter(([item]) => item.endsWith(".txt"))) {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("link", { name, exact: true }).click(),
        ]);
        // Chromium replaces what a file system could refuse.
        expect(download.suggestedFilename()).toBe(name.replace(/[<>?]/g, "_"));
        const copy = join(shop.inbox(), "copy");
        await download.saveAs(copy);
        expect(readFileSync(copy).length).toBe(size);
      }
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "runs no script, whatever finds its way into the page",
    async () => {
      await page.goto(`${server.url}/shelf/`);
      await page.evaluate(`document.body.innerHTML += '<img src="data:," onerror="alert(1)">'`);
      await page.waitForTimeout(200);
      expect(faults.filter((fault) => fault.startsWith("dialog"))).toEqual([]);
      expect(faults.join("\n")).toContain("Content Security Policy");
    },
    PAGE_TEST_MS,
  );

  for (const { name, ...view } of VIEWS) {
    test(
      `is calm, readable and within its window, and axe-core finds nothing serious: ${name}`,
      async () => {
        await page.setViewportSize(view.viewport);
        await page.emulateMedia({ colorScheme: view.colorScheme });
        await page.goto(`${server.url}/shelf/`);
        const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        expect(overflow).toBeLessThanOrEqual(0);
        const titles = [await page.title(), await page.getByRole("heading", { level: 1 }).textContent()];
        expect(titles).toEqual(["shelf", "shelf"]);
        // An inline box that is broken over two lines has two rectangles.
        const lines = await page.evaluate<number[]>(
          "[...document.querySelectorAll('time')].map((time) => time.getClientRects().length)",
        );
        expect(lines).toEqual(Array(FOLDERS.length + FILES.length).fill(1));
        const background = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
        expect(background).toBe(view.colorScheme === "dark" ? "rgb(18, 24, 29)" : "rgb(251, 250, 247)");
        // Set it to a folder to get the pictures that the documents show.
        const pictures = process.env["LISTING_PICTURES"];
        if (pictures !== undefined) await page.screenshot({ path: join(pictures, `listing-${name}.png`) });
        expect(faults).toEqual([]);
        expect(await violationsIn(page)).toEqual([]);
        await page.goto(`${server.url}/many/?filter=part-209&sort=size`);
        expect(await violationsIn(page)).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }
});

/** An hour of the one day on which everything was changed. */
function at(hour: number): Date {
  return new Date(Date.UTC(2026, 2, 15, hour, 30));
}
