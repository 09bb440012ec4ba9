/**
 * Playwright starts the server and waits for its URL; `npx playwright test`.
 *
 * The URL is `/__server/ready`, not `/`: Playwright takes 403 for ready too, which is what any server answers that does not know
 * the name it was asked by. Outside of CI a server that runs already is used. SIGTERM lets ours end by itself.
 */
import { defineConfig } from "@playwright/test";

const chromium = process.env["CHROMIUM"]; // A browser of this machine, such as /usr/bin/chromium, instead of Playwright's own.

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
