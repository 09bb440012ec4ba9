/** What the tests in a real browser share: Chromium without a window, pages that note what should not happen, and limits. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { BUILD_MS } from "./binary.ts";
import { pathOf } from "./needs.ts";

/** The program's name in Debian. */
export const CHROMIUM = "chromium";

/** Milliseconds for the browser to do one thing, on a busy machine; and for a test of several. */
export const PAGE_STEP_MS = 20_000;
export const PAGE_TEST_MS = 60_000;

export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: pathOf(CHROMIUM), chromiumSandbox: false, timeout: BUILD_MS });
}

/** A new page with a cache of its own. Close its context. */
export async function openPage(browser: Browser, settings: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(settings);
  context.setDefaultTimeout(PAGE_STEP_MS);
  return await context.newPage();
}

/** Notes in `faults` what no page of ours does: dialogs, console messages, uncaught exceptions. Dialogs are dismissed. */
export function noteFaults(page: Page, faults: string[]): void {
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
}
