/**
 * The characters that clients put into a target, as they come over the wire, and how servers answer these bytes. The test
 * asserts the table and `tools/scripts/targets.ts` prints it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
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

export type Place = "path" | "query";

/** Target that a client was told to ask for, with the character as it is. */
export function targetOf(place: Place, character: string): string {
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

function runWith(words: readonly string[], urls: readonly string[]) {
  return run([...words, JSON.stringify(urls)], HERE);
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
