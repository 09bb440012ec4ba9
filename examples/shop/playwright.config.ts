/**
 * Pages and their API from one process:
 *
 *     ./httpserver run --strict --fixture --stubs stubs dist -- npx playwright test
 *
 * All tests share the sequences of the stubs, so one worker runs them one after the other, and each begins with a reset.
 */
import { defineConfig } from "@playwright/test";

const chromium = process.env["CHROMIUM"]; // An installed browser, such as /usr/bin/chromium, instead of Playwright's own.

export default defineConfig({
  testMatch: "*.spec.ts",
  workers: 1,
  use: {
    baseURL: process.env["HTTPSERVER_URL"] ?? "http://127.0.0.1:8080",
    ...(chromium && { launchOptions: { executablePath: chromium } }),
  },
});
