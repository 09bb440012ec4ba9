/**
 * The peer that people write themselves: `node:http` with stat and a stream for each request.
 * Usage: node node-http.mjs <root>. Prints "Listening on port N".
 */
import { createReadStream, stat } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const root = process.argv[2] ?? ".";
const server = createServer((request, response) => {
  const path = join(root, normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname)));
  stat(path, (error, stats) => {
    if (error !== null || !stats.isFile()) {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("Not found\n");
      return;
    }
    response.writeHead(200, {
      "Content-Type": extname(path) === ".html" ? "text/html; charset=utf-8" : "application/octet-stream",
      "Content-Length": stats.size,
      "Last-Modified": stats.mtime.toUTCString(),
    });
    createReadStream(path).pipe(response);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`Listening on port ${server.address()?.port}\n`);
});
