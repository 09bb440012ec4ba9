/**
 * The peer with everything in its favour: `Bun.serve` with a static route per file, small ones in memory, large ones as
 * files. Usage: bun bun-serve.ts <root> <secure: key and certificate file, or nothing>. Prints "Listening on port N".
 * SHARED_PORT is a port that several of these processes share.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";

const IN_MEMORY_BYTES_MAX = 64 * 1024;

const [root = ".", keyFile, certFile] = process.argv.slice(2);
const routes: Record<string, Response> = {};
for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
  const path = join(root, name);
  const { size } = statSync(path);
  if (statSync(path).isDirectory()) continue;
  const headers = {
    "Content-Type": extname(name) === ".html" ? "text/html; charset=utf-8" : "application/octet-stream",
  };
  const content = size <= IN_MEMORY_BYTES_MAX ? readFileSync(path) : Bun.file(path);
  routes[`/${name}`] = new Response(content, { headers });
}
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env["SHARED_PORT"] ?? 0),
  reusePort: process.env["SHARED_PORT"] !== undefined,
  routes,
  fetch: () => new Response("Not found", { status: 404 }),
  ...(keyFile === undefined || certFile === undefined
    ? {}
    : { tls: { key: Bun.file(keyFile), cert: Bun.file(certFile) } }),
});
process.stdout.write(`Listening on port ${server.port}\n`);
