/** Recording and replaying a run: the same files twice, and the same answers without the upstream. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type RunningServer, type StartOptions, startServer } from "../../src/index.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, PAGE_TEST_MS } from "../support/page.ts";

let top = "";
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "record-"));
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

const PAGE = `<!doctype html><title>orders</title><ul></ul><script>
  const list = async () => {
    const orders = await (await fetch("/api/orders")).json();
    document.querySelector("ul").innerHTML = orders.map(({ name }) => "<li>" + name).join("");
  };
  document.onclick = async () => {
    await fetch("/api/orders", { method: "POST", body: JSON.stringify({ name: "tea" }) });
    await list();
  };
  list();
</script>`;

/** An API with state: a list of orders that grows. */
async function startApi() {
  const orders = [{ name: "coffee" }];
  const node = createServer((request, response) => {
    let content = "";
    request.on("data", (piece: Buffer) => {
      content += piece;
    });
    request.on("end", () => {
      response.setHeader("Set-Cookie", `sid=${crypto.randomUUID()}; Path=/; HttpOnly`);
      response.setHeader("Content-Type", "application/json");
      if (request.method === "POST") {
        orders.push(JSON.parse(content) as { name: string });
        response.writeHead(201, { Location: `http://${request.headers.host}/api/orders/${orders.length}` });
        response.end();
      } else if (request.url?.startsWith("/api/orders") === true) {
        const coded = request.headers["accept-encoding"] !== "identity" || request.url.includes("coded");
        if (coded) response.setHeader("Content-Encoding", "gzip");
        const text = JSON.stringify(orders);
        response.end(coded ? gzipSync(text) : text);
      } else {
        response.statusCode = 404;
        response.end("{}");
      }
    });
  });
  await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(node.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      node.closeAllConnections();
      node.close();
    },
  };
}

/** Starts a server with the page, and runs `script` against it. */
async function withServer<Result>(
  options: StartOptions,
  script: (server: RunningServer) => Promise<Result>,
): Promise<Result> {
  await using server = await startServer({ files: { "/index.html": PAGE }, inline: true, uploads: "", ...options });
  return await script(server);
}

/** Records a script in a folder of its own, with an API of its own. Returns the folder and the result. */
async function record<Result>(
  name: string,
  script: (server: RunningServer) => Promise<Result>,
): Promise<[string, Result]> {
  using api = await startApi();
  const folder = join(top, name);
  return [folder, await withServer({ proxies: [`/api/** ${api.url}`], record: folder }, script)];
}

/**
 * Sends the requests of one run and returns the answers. Some have content, a condition or a coding, some are repeated, and one asks for
 * a missing file.
 */
async function run({ url }: RunningServer): Promise<string[]> {
  const seen: string[] = [];
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, { redirect: "manual", ...init });
    seen.push(`${response.status} ${response.headers.get("location") ?? ""} ${await response.text()}`);
  };
  await ask("/api/orders");
  await ask("/api/orders", { headers: { "If-None-Match": '"a"', Range: "bytes=0-1" } });
  await ask("/api/orders", { method: "POST", body: '{"name":"tea"}' });
  await ask("/api/orders?coded");
  await ask("/api/none");
  await ask("/");
  await ask("/api/orders");
  return seen;
}

function filesOf(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), "latin1")]));
}

test("a run records the same files twice, and replays without the upstream", async () => {
  const [first, seen] = await record("first", run);
  const [second, again] = await record("second", run);
  expect(again).toEqual(seen);
  expect(filesOf(second)).toEqual(filesOf(first));
  expect(Object.keys(filesOf(first))).toEqual([
    "api/none/GET.http",
    "api/orders/GET.1.http",
    "api/orders/GET.2.http",
    "api/orders/GET.3.http",
    "api/orders/POST.http",
  ]);
  expect(filesOf(first)["api/orders/POST.http"]).toBe(
    "HTTP/1.1 201 Created\nSet-Cookie: sid=***; Path=/; HttpOnly\nContent-Type: application/json\nLocation: /api/orders/2\n\n",
  );
  expect(await withServer({ stubs: first }, run)).toEqual(seen);
});

needs(CHROMIUM).test(
  "a run in a browser replays without the upstream",
  async () => {
    const browser = await launchBrowser();
    const click = async ({ url }: RunningServer) => {
      const page = await browser.newPage();
      await page.goto(url);
      const lists: string[] = [];
      for (const count of [1, 2, 3]) {
        if (count > 1) await page.click("html");
        await page.waitForFunction(`document.querySelectorAll("li").length === ${count}`);
        lists.push((await page.locator("li").allTextContents()).join("\n"));
      }
      await page.close();
      return lists;
    };
    try {
      const [folder, seen] = await record("browser", click);
      expect(seen).toEqual(["coffee", "coffee\ntea", "coffee\ntea\ntea"]);
      expect(await withServer({ stubs: folder }, click)).toEqual(seen);
    } finally {
      await browser.close();
    }
  },
  PAGE_TEST_MS,
);

test("a folder that cannot be recorded in ends the start with one line", async () => {
  mkdirSync(join(top, "full", "api"), { recursive: true });
  mkdirSync(join(top, "www", "in"), { recursive: true });
  writeFileSync(join(top, "file"), "");
  const refusal = async (options: StartOptions) => {
    const proxies = ["/** http://127.0.0.1:1"];
    const failed = startServer({ root: join(top, "www"), uploads: "", proxies, ...options });
    return failed.then(
      () => "",
      (error: Error) => error.message,
    );
  };
  expect(await refusal({ record: join(top, "full") })).toContain("has stubs already (api); expected an empty folder");
  expect(await refusal({ record: join(top, "file") })).toContain("--record");
  expect(await refusal({ record: join(top, "www") })).toContain("is the served folder itself");
  expect(await refusal({ record: join(top, "www/in"), stubs: join(top, "www/in") })).toContain("overlap");
  expect(await refusal({ record: join(top, "new"), proxies: [] })).toBe(
    "record needs proxies: without it, there are no answers to record",
  );
});

test("recorded answers are not served, even if they lie in the served folder", async () => {
  using api = await startApi();
  const root = join(top, "site");
  mkdirSync(root);
  const options = { root, inline: true, listing: true, uploads: "", proxies: [`/api/** ${api.url}`] };
  await using server = await startServer({ ...options, record: join(root, "recorded") });
  await fetch(`${server.url}/api/orders`);
  expect(Object.keys(filesOf(root))).toEqual(["recorded/api/orders/GET.http"]);
  expect((await fetch(`${server.url}/recorded/api/orders/GET.http`)).status).toBe(404);
  expect(await (await fetch(`${server.url}/`)).text()).not.toContain("recorded");
});
