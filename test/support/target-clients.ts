/**
 * The characters that clients put into a target, as they come over the wire, and how servers answer these bytes. The test
 * asserts the table and `tools/scripts/targets.ts` prints it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { run } from "./binary.ts";
import { bytesOf, textOf } from "./bytes.ts";
import { openPage } from "./page.ts";
import { until } from "./waiting.ts";

export const CHARACTERS = [
  ...[
    '"',
    "<",
    ">",
    "[",
    "]",
    "\\",
    "^",
    "`",
    "{",
    "|",
    "}",
    "'",
    "(",
    "*",
    "!",
    "$",
    "&",
    "+",
    ",",
    ";",
    "=",
    "@",
    ":",
    "~",
  ],
  ...["%", "%zz", "%5B", "é", "日", "\x7f", " "],
] as const;

type Place = "path" | "query";

/** Target that a client was told to ask for, with the character as it is. */
function targetOf(place: Place, character: string): string {
  return place === "path" ? `/x${character}y.html` : `/page.html?x${character}y`;
}

/** Plants a file for every name that a path of the table may stand for. */
export function plantTargets(root: string): void {
  const decoded = (text: string) => (text === "%5B" ? "[" : text);
  const names = CHARACTERS.map((character) => `x${decoded(character)}y.html`);
  for (const name of ["page.html", "x/y.html", ...names]) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "<!doctype html><title>found</title>\n");
  }
}

/** Requests every URL, in order. A client that refuses one goes on with the next. */
export type Client = (urls: readonly string[]) => Promise<unknown>;

/** Clients by name. Each command is also the name of its program. */
export const CLIENTS = {
  node: (urls) => runWith(["node", "--input-type=module", "-e", NODE_FETCH], urls),
  curl: (urls) => run(["curl", "-s", "--globoff", ...urls.flatMap((url) => ["-o", "/dev/null", url])], HERE),
  wget: (urls) => run(["wget", "-q", "-t", "1", "-O", "/dev/null", ...urls], HERE),
  python3: (urls) => runWith(["python3", "-c", PYTHON_URLLIB], urls),
  ruby: (urls) => runWith(["ruby", "-e", RUBY_NET_HTTP], urls),
  php: (urls) => run(["php", "-r", PHP_STREAM, "--", ...urls], HERE),
  go: (urls) => runSource("fetch.go", GO_NET_HTTP, ["go", "run"], urls),
  java: (urls) => runSource("Fetch.java", JAVA_URL_CONNECTION, ["java"], urls),
  "firefox-esr": firefox,
} satisfies Record<string, Client>;

/** `fetch` of a page. The URLs must be those of one server, whose root the page is opened at. */
export function pageOf(browser: Browser): Client {
  return async (urls) => {
    const page = await openPage(browser);
    await page.goto(new URL("/", urls[0]).href);
    await page.evaluate(`(async () => {
      for (const url of ${JSON.stringify(urls)}) await fetch(url).catch(() => {});
    })()`);
    await page.context().close();
  };
}

const HERE = { cwd: "/" };
const NODE_FETCH = "for (const url of JSON.parse(process.argv[1])) await fetch(url).then((a) => a.text(), () => {});";
const PYTHON_URLLIB = `
import json, sys, urllib.request
for url in json.loads(sys.argv[1]):
    try: urllib.request.urlopen(url).read()
    except Exception: pass
`;

/** The target goes on the wire as it is; `URI` would refuse most of the characters. */
const RUBY_NET_HTTP = `
require "json"; require "net/http"
JSON.parse(ARGV[0]).each do |url|
  host, port, target = url.match(%r{\\Ahttp://([^:/]+):(\\d+)(.*)\\z}m).captures
  Net::HTTP.start(host, port.to_i) { |http| http.get(target) } rescue nil
end
`;
const PHP_STREAM = "foreach (array_slice($argv, 1) as $url) @file_get_contents($url);";
const GO_NET_HTTP = `
package main
import ("net/http"; "os")
func main() {
  for _, url := range os.Args[1:] {
    if response, failure := http.Get(url); failure == nil { response.Body.Close() }
  }
}
`;
const JAVA_URL_CONNECTION = `
class Fetch {
  public static void main(String[] urls) {
    for (String url : urls) {
      try (var content = new java.net.URL(url).openStream()) { content.readAllBytes(); } catch (java.io.IOException e) { }
    }
  }
}
`;

/** Keeps Firefox from asking its maker for updates, add-ons and settings. */
const FIREFOX_PREFERENCES = Object.entries({
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.update.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.systemAddon.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
}).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);

/** Milliseconds for a browser or a compiler to start and do its work, on a busy machine. */
const SLOW_START_MS = 60_000;

function runWith(words: readonly string[], urls: readonly string[]) {
  return run([...words, JSON.stringify(urls)], HERE);
}

/** Runs a program that its command compiles first. Arguments beyond ASCII need a locale with UTF-8. */
async function runSource(name: string, source: string, words: readonly string[], urls: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "source-"));
  try {
    writeFileSync(join(folder, name), source);
    const env = { LC_ALL: "C.UTF-8", GO111MODULE: "off", GOCACHE: join(folder, "cache") };
    return await run([...words, join(folder, name), ...urls], { ...HERE, env, timeoutMs: SLOW_START_MS });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Firefox without a window or a driver: its start page fetches every URL, and then asks for `/done`. */
async function firefox(urls: readonly string[]): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), "firefox-"));
  writeFileSync(join(profile, "user.js"), FIREFOX_PREFERENCES.join(""));
  let isDone = false;
  const script = `<!doctype html><script type="module">
    for (const url of ${JSON.stringify(urls).replaceAll("<", "\\u003c")}) {
      await fetch(url, { mode: "no-cors" }).catch(() => {});
    }
    await fetch("/done");
  </script>`;
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        isDone ||= textOf(bytes).startsWith("GET /done ");
        const content = Buffer.from(textOf(bytes).startsWith("GET / ") ? script : "");
        const head = `Content-Type: text/html; charset=utf-8\r\nContent-Length: ${content.length}\r\nConnection: close`;
        socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${content}`);
      },
    },
  });
  const words = [
    "firefox-esr",
    "--headless",
    "--no-remote",
    "--profile",
    profile,
    `http://127.0.0.1:${listener.port}/`,
  ];
  const env = { ...process.env, HOME: profile };
  const child = Bun.spawn(words, { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  try {
    await until(() => isDone || child.exitCode !== null, "Firefox to fetch every URL", SLOW_START_MS);
  } finally {
    child.kill();
    await child.exited;
    listener.stop(true);
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface Cell {
  readonly place: Place;
  readonly character: string;
  /** Target as it came over the wire, in ISO-8859-1; null if the client sent none. */
  readonly wire: string | null;
}

/** Returns a cell for each character in each place, as `client` sends it. */
export async function record(client: Client): Promise<readonly Cell[]> {
  const asked = (["path", "query"] as const).flatMap((place) => CHARACTERS.map((character) => ({ place, character })));
  const wires = new Map<number, string>();
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        // The first segment says which target was asked for.
        const [, index, target] = /^GET \/(\d+)(\/.*) HTTP\/1\.[01]\r\n/.exec(textOf(bytes)) ?? [];
        if (index !== undefined && target !== undefined) wires.set(Number(index), target);
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      },
    },
  });
  try {
    const origin = `http://127.0.0.1:${listener.port}`;
    await client(asked.map(({ place, character }, index) => `${origin}/${index}${targetOf(place, character)}`));
  } finally {
    listener.stop(true);
  }
  return asked.map((cell, index) => ({ ...cell, wire: wires.get(index) ?? null }));
}

/** Where a server listens. */
export type Endpoint = { readonly hostname: string; readonly port: number } | { readonly unix: string };

/** Returns the status of GET for a target, byte for byte as given. */
export async function statusOf(target: string, at: Endpoint): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let received = "";
  const socket = await Bun.connect({
    ...at,
    socket: {
      data(_, bytes) {
        received += textOf(bytes);
        const status = /^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1];
        if (status !== undefined) resolve(Number(status));
      },
      error: (_, error) => reject(error),
      close: () => reject(new Error(`no answer to ${JSON.stringify(target)}`)),
    },
  } as Parameters<typeof Bun.connect>[0]);
  socket.write(bytesOf(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`));
  try {
    return await promise;
  } finally {
    socket.end();
  }
}

/** Starts nginx for `root` on a socket in `folder`, which no other program can take. */
export async function startNginx(root: string, folder: string): Promise<AsyncDisposable & { readonly at: Endpoint }> {
  const unix = join(folder, "nginx.sock");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = [
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "daemon off; master_process off; worker_processes 1;",
    `pid ${folder}/pid; error_log ${folder}/error.log;`,
    "events { worker_connections 64; }",
    `http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}`,
    `server { listen unix:${unix}; root ${root}; } }`,
  ].join("\n");
  writeFileSync(join(folder, "nginx.conf"), configuration);
  const words = ["nginx", "-e", `${folder}/error.log`, "-c", join(folder, "nginx.conf")];
  const child = Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const at = { unix };
  const stop = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  try {
    await until(
      () =>
        child.exitCode !== null ||
        statusOf("/page.html", at).then(
          () => true,
          () => false,
        ),
      "nginx",
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { at, [Symbol.asyncDispose]: stop };
}
