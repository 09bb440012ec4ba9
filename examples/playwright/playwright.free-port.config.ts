/**
 * A server on a free port, which Playwright reads from the ready line: `npx playwright test --config playwright.free-port.config.ts`.
 * The named group becomes the variable FIXTURE_PORT. This needs Playwright 1.57.
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
