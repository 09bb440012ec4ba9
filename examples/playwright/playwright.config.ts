/**
 * Playwright starts the server and waits for its URL: `npx playwright test`.
 *
 * The URL is `/__server/ready`, not `/`. Playwright takes 403 for ready too, and 403 is how any server answers a name that it does not
 * know. Outside CI, Playwright uses a server that is already running. SIGTERM lets the server drain.
 */
import { defineConfig } from "@playwright/test";

const chromium = process.env["CHROMIUM"]; // An installed browser, such as /usr/bin/chromium, instead of Playwright's own.

export default defineConfig({
  testMatch: "*.spec.ts",
  use: {
    baseURL: "http://127.0.0.1:8080",
    ...(chromium && { launchOptions: { executablePath: chromium } }),
  },
  webServer: {
    command: "./httpserver --port 8080 --root fixtures --fixture --quiet",
    url: "http://127.0.0.1:8080/__server/ready",
    reuseExistingServer: !process.env["CI"],
    gracefulShutdown: { signal: "SIGTERM", timeout: 500 },
  },
});
