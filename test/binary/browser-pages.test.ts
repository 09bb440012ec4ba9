/**
 * Every page that the program makes or brings along, but for the live page, in headless Chromium: axe-core finds nothing, and nothing
 * is wider than its window. Each page is looked at in light on a desk and in dark on a phone, then with letters twice as large.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { BUILD_MS, type Program } from "../support/binary.ts";
import { addEmptyFiles } from "../support/many-files.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage, PAGE_TEST_MS, violationsIn } from "../support/page.ts";
import { Workshop } from "../support/workshop.ts";

const VIEWS = [
  { colorScheme: "light", viewport: { width: 1000, height: 700 } },
  { colorScheme: "dark", viewport: { width: 360, height: 740 } },
] as const;

/** Pixels of a letter, for readers who need letters of twice the usual size. */
const LARGE = { standard: 32, fixed: 26 };
const USUAL = { standard: 16, fixed: 13 };

const NAMES = ["a".repeat(250), "קובץ ארוך 2026.pdf", "two  spaces.txt", "a-name-that-goes-on-and-on.tar.gz"];
const LONG_FOLDER = `b${"-long".repeat(40)}`;

/** Name of the page, its server, its path, its status. */
const PAGES = [
  ["the sample site's home page", "sample", "/", 200],
  ["the sample site's about page", "sample", "/about.html", 200],
  ["the sample site's contact page", "sample", "/contact.html", 200],
  ["a listing with odd names and the upload form", "folder", "/", 200],
  // It has the links of all pages of a listing, and axe-core needs 20 s for two thousand rows.
  ["the last page of a listing", "folder", "/many/?after=part-998.txt", 200],
  ["a filtered listing", "folder", "/many/?filter=part-209&sort=size", 200],
  ["a listing without a match", "folder", "/many/?filter=nothing", 200],
  ["an empty folder with a long name", "folder", `/${LONG_FOLDER}/`, 200],
  ["the listing of uploads", "folder", "/uploads/", 200],
  ["400", "folder", "/%00", 400],
  ["403", "folder", "/a%2fb", 403],
  ["404", "folder", "/nothing", 404],
  ["414", "folder", `/${"x".repeat(20_000)}`, 414],
] as const;

needs(CHROMIUM).describe(CHROMIUM, () => {
  let shop: Workshop;
  let servers: { readonly sample: Program; readonly folder: Program };
  let browser: Browser;
  let page: Page;
  let setFontSizes: (sizes: typeof LARGE) => Promise<unknown>;

  beforeAll(async () => {
    shop = await Workshop.open();
    const root = shop.inbox();
    mkdirSync(`${root}/many`);
    mkdirSync(`${root}/${LONG_FOLDER}`);
    addEmptyFiles(root, NAMES);
    const many = Array.from({ length: 2_100 }, (_, i) => `part-${i}.txt`);
    addEmptyFiles(`${root}/many`, many);
    const [sample, folder] = await Promise.all([
      shop.start(),
      shop.start("--root", root, "--listing", "--upload-any", "--serve-uploads"),
    ]);
    servers = { sample, folder };
    browser = await launchBrowser();
    page = await openPage(browser);
    const session = await page.context().newCDPSession(page);
    setFontSizes = (fontSizes) => session.send("Page.setFontSizes", { fontSizes });
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    await servers.sample[Symbol.asyncDispose]();
    await servers.folder[Symbol.asyncDispose]();
    shop[Symbol.dispose]();
  });

  function overflow(): Promise<number> {
    return page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
  }

  for (const [name, server, path, status] of PAGES) {
    test(
      `${name} is for every reader`,
      async () => {
        const response = await page.goto(`${servers[server].url}${path}`);
        expect(response?.status()).toBe(status);
        for (const { colorScheme, viewport } of VIEWS) {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          expect([colorScheme, viewport, await violationsIn(page)]).toEqual([colorScheme, viewport, []]);
          expect(await overflow()).toBeLessThanOrEqual(0);
        }
        await setFontSizes(LARGE);
        const overflowing = await overflow();
        await setFontSizes(USUAL);
        expect(overflowing).toBeLessThanOrEqual(0);
      },
      PAGE_TEST_MS,
    );
  }

  test(
    "a listing shows every space of a name",
    async () => {
      await page.goto(`${servers.folder.url}/`);
      // biome-ignore lint/performance/useDomNodeTextContent: only rendered text tells whether spaces are shown
      expect(await page.getByRole("link", { name: "spaces" }).innerText()).toBe("two  spaces.txt");
    },
    PAGE_TEST_MS,
  );
});
