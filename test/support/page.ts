/** Shared parts of the tests in a real browser: Chromium with or without its own interface, pages that record unexpected errors, and time limits. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { BUILD_MS } from "./binary.ts";
import { hasCommand, pathOf } from "./needs.ts";

/** The program's name in Debian. */
export const CHROMIUM = "chromium";

/**
 * The same engine and network from the same build, without tabs and toolbars: a page costs a fourth of the CPU. What Playwright takes by
 * itself for pages without a window. Chromium where it is missing.
 */
export const HEADLESS = hasCommand("chromium-headless-shell") ? "chromium-headless-shell" : CHROMIUM;

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Milliseconds for the browser to do one thing, on a busy machine; and for a test of several. */
export const PAGE_STEP_MS = 20_000;
export const PAGE_TEST_MS = 60_000;

/** For what a page does. A test of Chromium as one of the clients launches CHROMIUM. */
export async function launchBrowser(name: string = HEADLESS): Promise<Browser> {
  return await chromium.launch({ executablePath: pathOf(name), chromiumSandbox: false, timeout: BUILD_MS });
}

/** A new page with a cache of its own. Close its context. */
export async function openPage(browser: Browser, settings: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(settings);
  context.setDefaultTimeout(PAGE_STEP_MS);
  return await context.newPage();
}

/**
 * Makes a page ready for another test, as if it were new: an empty document, nothing in the cache. A new context costs a second of
 * CPU, and this a tenth of it. Call it before the test clears what it noted: the old document may end with words.
 */
export async function renewPage(page: Page): Promise<void> {
  await page.goto("about:blank");
  const session = await page.context().newCDPSession(page);
  await session.send("Network.clearBrowserCache");
  await session.detach();
}

/** Notes what no page of ours does: dialogs, console messages, uncaught exceptions. Dialogs are dismissed. */
export function noteFaults(page: Page, note: (fault: string) => void): void {
  page.on("dialog", (dialog) => {
    note(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => note(`console: ${message.text()}`));
  page.on("pageerror", (error) => note(`exception: ${error.message}`));
}

/** Returns the rules that axe-core finds broken on a page, each with the elements that break it. Rules that hold are not reported. */
export async function violationsIn(
  page: Page,
): Promise<readonly (readonly [rule: string, elements: readonly string[]])[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
    "axe.run({ resultTypes: ['violations'] }).then((result) => result.violations)",
  );
  return found.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
}
