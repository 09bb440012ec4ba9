/**
 * The proxy in front of vite's dev server, in Chromium: a page and its modules come through the proxy, and the socket of its hot updates
 * goes to vite's own port.
 *
 *     bun tools/scripts/proxy-vite.ts FOLDER      # FOLDER has vite installed: npm install vite
 *
 * Ends with 1 if the page does not work, or an update does not reach it.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startServer } from "../../src/index.ts";
import { launchBrowser } from "../../test/support/page.ts";
import { until } from "../../test/support/waiting.ts";

const STEP_MS = 10_000;

const packages = resolve(process.argv[2] ?? ".", "node_modules");
const folder = mkdtempSync(join(tmpdir(), "proxy-vite-"));
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const sayInPart = (text: string) => write("part.js", `export const text = ${JSON.stringify(text)};\n`);

const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
const { port } = probe;
probe.stop(true);

mkdirSync(join(folder, "empty"));
symlinkSync(packages, join(folder, "node_modules"));
write("index.html", "<!doctype html><title>vite</title><p></p><script type=module src=/main.js></script>");
write(
  "main.js",
  `import { text } from "./part.js";
const show = (shown) => (document.querySelector("p").textContent = shown);
show(text);
import.meta.hot.accept("./part.js", (part) => show(part.text));
`,
);
sayInPart("first");
write(
  "vite.config.js",
  `export default { cacheDir: "cache", server: { port: ${port}, strictPort: true, hmr: { clientPort: ${port} } } };\n`,
);

const vite = Bun.spawn(["node", join(packages, "vite", "bin", "vite.js")], { cwd: folder, stdout: "pipe" });
const browser = await launchBrowser();
try {
  let printed = "";
  void (async () => {
    for await (const bytes of vite.stdout) printed += new TextDecoder().decode(bytes);
  })();
  await until(() => printed.includes("ready in") || vite.exitCode !== null, "vite");
  const proxies = [`/** http://localhost:${port}`];
  await using server = await startServer({ root: join(folder, "empty"), uploads: "", proxies, fixture: true });
  const page = await browser.newPage();
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(server.url);
  await page.waitForFunction(`document.querySelector("p").textContent === "first"`, null, { timeout: STEP_MS });
  await until(() => sockets.length > 0, "the socket of the page");
  sayInPart("second");
  await page.waitForFunction(`document.querySelector("p").textContent === "second"`, null, { timeout: STEP_MS });
  for (const { status, target } of server.requests()) process.stdout.write(`${status} ${target}\n`);
  process.stdout.write(`sockets: ${sockets.map((url) => new URL(url).host)}, vite: ${port}\nthe page works\n`);
} finally {
  await browser.close();
  vite.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
