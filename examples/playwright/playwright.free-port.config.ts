/**
 * The same on a free port, which Playwright reads from the ready line: `npx playwright test --config playwright.free-port.config.ts`.
 * A named group becomes a variable, FIXTURE_PORT; it needs Playwright 1.57.
 */
import { defineConfig } from "@playwright/test";
import common from "./playwright.config.ts";

export default defineConfig({
  ...common,
  use: { ...common.use, baseURL: `http://127.0.0.1:${process.env["FIXTURE_PORT"]}` },
  webServer: {
    command: "./httpserver --port 0 --root fixtures --quiet",
    wait: { stdout: /Listening on port (?<fixture_port>\d+) / },
    gracefulShutdown: { signal: "SIGTERM", timeout: 500 },
  },
});
