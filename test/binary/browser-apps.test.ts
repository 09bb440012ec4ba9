/**
 * Packages that ship browser apps, served from where they are installed, in Chromium: with the defaults of both command lines
 * each app does its work, and neither the page nor one of its requests fails. `tools/apps` has a page for each app.
 *
 * An app costs seconds of CPU, most of them for its own script. So Chromium runs it on one command line, and the other has to answer
 * each request that Chromium made with the same bytes; EVERY_COMMAND_LINE=1 has Chromium run it on both, as `resilience:apps` does.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page, Request } from "playwright-core";
import { type Binary, BUILD_MS, buildBinary, Program } from "../support/binary.ts";
import { installable, needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage, PAGE_STEP_MS, PAGE_TEST_MS } from "../support/page.ts";
import { sha256 } from "../support/workshop.ts";

const APPS = join(import.meta.dir, "..", "..", "tools", "apps");

/** Pages, and the work that each shows as `window.outcome`: a pixel, a text, or a computed value. */
const OUTCOMES = {
  "three.html": "0 255 0 255",
  "monaco.html": "Type 'string' is not assignable to type 'number'.",
  "pdfjs.html": "Hello, 255 0 0 255",
  "swagger-ui.html": "Apps: 200",
  "pyodide.html": "5050",
  "codex.html": "Click, 700",
  "msw.html": "order 7, true",
  "katex.html": "KaTeX_Main, KaTeX_Math, KaTeX_Size1",
  "next.html": "7, rgb(0, 128, 0)",
};

const packages = installable(
  existsSync(join(APPS, "node_modules")) ? null : "no packages: bun install --cwd tools/apps",
);

needs(CHROMIUM, packages).describe("in Chromium, with", () => {
  let binary: Binary;
  let browser: Browser;
  const programs: Program[] = [];

  beforeAll(async () => {
    [binary, browser] = await Promise.all([buildBinary(), launchBrowser()]);
    for (const words of [
      ["--root", APPS, "--port", "0"],
      [APPS, "0"],
    ]) {
      programs.push(await Program.start([binary.path, ...words], { cwd: "/" }));
    }
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    for (const program of programs) await program[Symbol.asyncDispose]();
    binary[Symbol.dispose]();
  });

  for (const [name, outcome] of Object.entries(OUTCOMES)) {
    const requests: Request[] = [];

    test(`FOLDER, ${name} does its work without an error`, () => work(1, name, outcome, requests), PAGE_TEST_MS);

    if (process.env["EVERY_COMMAND_LINE"] === "1") {
      test(`--root FOLDER, ${name} does its work without an error`, () => work(0, name, outcome, []), PAGE_TEST_MS);
    }

    test(`--root FOLDER, ${name} and all it asks for are the same bytes`, async () => {
      const own = requests.filter((request) => request.url().startsWith(`${programs[1]?.url}/`));
      expect(own.map((request) => new URL(request.url()).pathname)).toContain(`/${name}`);
      for (const request of own) {
        const [root, folder] = await Promise.all(programs.map((program) => answerOf(program, request)));
        expect(root).toEqual(folder as Answer);
      }
    });
  }

  /** Has the page do its work, and notes what it asks for. */
  async function work(index: number, name: string, outcome: string, requests: Request[]): Promise<void> {
    const faults: string[] = [];
    const page = await openPage(browser);
    noteErrors(page, faults);
    page.context().on("request", (request) => requests.push(request));
    await page.goto(`${programs[index]?.url}/${name}`);
    await page
      .waitForFunction("window.outcome !== undefined", null, { timeout: 2 * PAGE_STEP_MS })
      .catch((error: Error) => faults.push(error.message));
    expect([await page.evaluate<unknown>("window.outcome"), ...faults]).toEqual([outcome]);
    await page.context().close();
  }
});

interface Answer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly digest: string;
}

/** Repeats a browser's request against `program`, and returns the response without the fields that name a moment. */
async function answerOf(program: Program, request: Request): Promise<Answer> {
  const { pathname, search } = new URL(request.url());
  const { host: _, ...headers } = request.headers();
  const method = request.method();
  const response = await fetch(`${program.url}${pathname}${search}`, { method, headers, redirect: "manual" });
  const { date: __, ...fields } = Object.fromEntries(response.headers);
  return { status: response.status, fields, digest: sha256(await response.bytes()) };
}

/** Notes console errors, exceptions, requests that failed, and answers from 400 on. */
function noteErrors(page: Page, faults: string[]): void {
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "";
    // A reader of PDF files gives up the whole file when it learns that it can ask for ranges.
    if (why !== "net::ERR_ABORTED") faults.push(`failed: ${request.url()} ${why}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`answer: ${response.url()} ${response.status()}`);
  });
}
