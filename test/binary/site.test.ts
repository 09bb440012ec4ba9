/**
 * A site as its build leaves it, with `_redirects`, `_headers` and `404.html`, served by the compiled file: in Chromium, and at a start with
 * a mistake in its rules.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { writeFiles } from "../handlers/site/ground.ts";
import { type Binary, BUILD_MS, buildBinary, Program, run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage, PAGE_TEST_MS } from "../support/page.ts";

const PAGE = (title: string) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,">
<script>window.inline = true;</script>
<script src="/assets/app.4f2a.js"></script>
<nav><a href="/">Home</a> <a href="/guide">Guide</a> <a href="/guide/start">Start</a> <a href="/old-guide#deep">Old guide</a>
<a href="/nowhere">Nowhere</a> <a href="/app/orders/7">Orders</a></nav>
<h1 id="deep">${title}</h1></html>
`;

const SITE = {
  "index.html": PAGE("Home"),
  "guide.html": PAGE("Guide"),
  "guide/start.html": PAGE("Start"),
  "404.html": PAGE("Lost"),
  "app/index.html": PAGE("Application"),
  "assets/app.4f2a.js": "window.loaded = true;\n",
  _redirects:
    "/old-guide       /guide           301\n/docs/*          /guide/:splat    308\n/app/*           /app/index.html  200\n",
  _headers:
    "/*\n  Content-Security-Policy: script-src 'self'\n/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n",
};

let folder: string;
let binary: Binary;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "site-"));
  writeFiles(folder, SITE);
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

needs(CHROMIUM).describe(CHROMIUM, () => {
  let server: Program;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [server, browser] = await Promise.all([
      Program.start([binary.path, folder, "0", "--site", "--no-listing"], { cwd: "/" }),
      launchBrowser(),
    ]);
    page = await openPage(browser);
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  /** Goes to a link of the page, and returns the path, the heading, and the status of the document. */
  async function follow(text: string): Promise<unknown[]> {
    const [document] = await Promise.all([
      page.waitForResponse((response) => response.request().isNavigationRequest() && response.status() !== 301),
      page.getByText(text, { exact: true }).click(),
    ]);
    await page.waitForLoadState();
    const { pathname, hash } = new URL(page.url());
    return [pathname + hash, await page.locator("h1").textContent(), document.status()];
  }

  test(
    "goes from page to page without .html, by redirects and rewrites, and to the page for what is missing",
    async () => {
      await page.goto(`${server.url}/`);
      expect(await follow("Guide")).toEqual(["/guide", "Guide", 200]);
      expect(await follow("Start")).toEqual(["/guide/start", "Start", 200]);
      expect(await follow("Old guide")).toEqual(["/guide#deep", "Guide", 200]);
      expect(await follow("Orders")).toEqual(["/app/orders/7", "Application", 200]);
      expect(await follow("Nowhere")).toEqual(["/nowhere", "Lost", 404]);
      expect(await follow("Home")).toEqual(["/", "Home", 200]);
    },
    PAGE_TEST_MS,
  );

  test(
    "obeys the fields: a policy stops inline script, and a file that never changes is not requested again",
    async () => {
      const loaded = page.waitForResponse((response) => response.url().endsWith(".js"));
      await page.goto(`${server.url}/docs/start`);
      expect(page.url()).toBe(`${server.url}/guide/start`);
      expect(await page.evaluate<unknown>("[window.inline, window.loaded]")).toEqual([undefined, true]);
      const script = await loaded;
      expect(script.headers()["cache-control"]).toBe("public, max-age=31536000, immutable");
      await page.goto(`${server.url}/guide`);
      expect(
        await page.evaluate<number>(
          "performance.getEntriesByType('resource').find(({name}) => name.endsWith('.js')).transferSize",
        ),
      ).toBe(0);
    },
    PAGE_TEST_MS,
  );
});

describe("a start with a mistake in the rules", () => {
  test(
    "is exit code 3, with file and line",
    async () => {
      const broken = join(folder, "broken");
      writeFiles(broken, { "index.html": "home", _redirects: "/a /b\n/c Country=us /d\n" });
      const result = await run([binary.path, broken, "0", "--site"], { cwd: "/" });
      expect([result.code, result.stderr]).toEqual([
        3,
        expect.stringContaining(`${broken}/_redirects:2: expected a target after the path`),
      ]);
    },
    BUILD_MS,
  );
});
