/**
 * The servers that are compared: how each is started, on one core, with settings that let it show what it can. nginx has one
 * worker, sendfile and open_file_cache, and no end to a connection's requests; ours has its defaults but `--quiet
 * --max-requests 0`, its counterpart.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { NPM_PEERS, PRODUCT } from "../support/machine.ts";
import { freePort, type Launched, launch, SERVER_CORE } from "../support/process.ts";
import { PAGE_BYTES, type Site } from "./site.ts";

export type PeerName =
  | "httpserver"
  | "floor (C)"
  | "floor, sendfile (C)"
  | "floor, read (C)"
  | "floor, blocks (C)"
  | "Bun.serve"
  | "nginx"
  | "nginx, buffered log"
  | "lighttpd"
  | "node:http"
  | "http-server"
  | "serve"
  | "sirv-cli"
  | "python3";

/**
 * tuned: as above, no log. log: the same with a line per request in combined format to a file. defaults: as it comes from its
 * makers. tls: tuned, with the run's certificate. h2c, h2: tuned, with HTTP/2 by prior knowledge, and by ALPN with the run's certificate.
 */
export type Flavor = "tuned" | "log" | "defaults" | "tls" | "h2c" | "h2";

interface Setup {
  readonly site: Site;
  readonly flavor: Flavor;
  /** What the run has compiled and found. */
  readonly programs: Programs;
  /** What will be asked for, and its size where it is known: a server that reads no files must be told. */
  readonly target: string;
  readonly contentBytes: number | null;
}

export interface Programs {
  /** Of C, null without a compiler: a server and a load generator. */
  readonly floor: string | null;
  readonly sink: string | null;
  /** The interpreter itself: `python3` may be a shell script that chooses one. */
  readonly python: string;
  /** PEM files, for the flavor tls. */
  readonly key: string;
  readonly certificate: string;
}

export interface Running {
  readonly server: Launched;
  readonly url: string;
}

interface Peer {
  /** The program or package it needs, by its name among the versions found. */
  readonly needs: string;
  /** Seconds of load before it is measured: caches fill, and a compiler at run time needs longer. */
  readonly warmUpSeconds: number;
  start(setup: Setup): Promise<Running>;
}

const READY_LINE = /Listening on port (\d+)/;

/** For servers that were compiled when they were built, and for those that are compiled while they run. */
const WARM_UP_SECONDS = { native: 1, managed: 3 } as const;

export const peers: Readonly<Record<PeerName, Peer>> = {
  httpserver: managed("httpserver", (setup) => startOurs(setup)),
  "floor (C)": native("cc", ({ site, programs, contentBytes }) => {
    return startAnnounced([programs.floor ?? "floor", String(contentBytes ?? PAGE_BYTES)], site);
  }),
  "floor, sendfile (C)": native("cc", ({ site, programs, target }) => {
    return startAnnounced([programs.floor ?? "floor", "sendfile", join(site.root, target)], site);
  }),
  "floor, read (C)": native("cc", ({ site, programs, target }) => {
    return startAnnounced([programs.floor ?? "floor", "read", join(site.root, target)], site);
  }),
  "floor, blocks (C)": native("cc", ({ site, programs }) => {
    return startAnnounced([programs.floor ?? "floor", "blocks"], site);
  }),
  "Bun.serve": managed("bun", startBunServe),
  nginx: native("nginx", (setup) => startNginx(setup, "")),
  "nginx, buffered log": native("nginx", (setup) => startNginx(setup, " buffer=64k flush=1s")),
  lighttpd: native("lighttpd", startLighttpd),
  "node:http": managed("node", ({ site }) => {
    return startAnnounced(["node", join(import.meta.dir, "servers", "node-http.mjs"), site.root], site);
  }),
  "http-server": managed("http-server", startHttpServer),
  serve: managed("serve", startServe),
  "sirv-cli": managed("sirv-cli", startSirv),
  python3: native("python3", startPython),
};

function native(needs: string, start: Peer["start"]): Peer {
  return { needs, warmUpSeconds: WARM_UP_SECONDS.native, start };
}

function managed(needs: string, start: Peer["start"]): Peer {
  return { needs, warmUpSeconds: WARM_UP_SECONDS.managed, start };
}

/** `executable`: the built file, this tree's unless it is compared with another. */
export async function startOurs({ site, flavor, programs }: Setup, executable = PRODUCT): Promise<Running> {
  const words = [executable, "--port", "0", "--root", site.root, "--uploads", site.fresh("uploads")];
  if (flavor !== "defaults") words.push("--quiet", "--max-requests", "0");
  if (flavor === "log") words.push("--log-file", site.fresh("access.log"), "--log-format", "combined");
  if (flavor === "tls") words.push("--tls-key", programs.key, "--tls-cert", programs.certificate);
  return startAnnounced(words, site, flavor === "tls" ? "https" : "http");
}

async function startBunServe({ site, flavor, programs }: Setup): Promise<Running> {
  const words = [process.execPath, join(import.meta.dir, "servers", "bun-serve.ts"), site.root];
  if (flavor === "tls") words.push(programs.key, programs.certificate);
  return startAnnounced(words, site, flavor === "tls" ? "https" : "http");
}

async function startNginx(setup: Setup, logOptions: string): Promise<Running> {
  const { site, flavor } = setup;
  const port = freePort();
  const words = nginxWords(setup, port, logOptions);
  return startOnPort(words, port, site, flavor === "tls" ? "https" : "http");
}

/** The command for nginx on `port`, its configuration written to the run's folder. */
export function nginxWords(
  { site, flavor, programs }: Pick<Setup, "site" | "flavor" | "programs">,
  port: number,
  logOptions = "",
  workers = 1,
): readonly string[] {
  const folder = site.fresh("nginx");
  mkdirSync(folder);
  const log = flavor === "log" || flavor === "defaults" ? `${folder}/access.log combined${logOptions}` : "off";
  const isSecure = flavor === "tls" || flavor === "h2";
  const protocols = `${isSecure ? " ssl" : ""}${flavor === "h2c" || flavor === "h2" ? " http2" : ""}`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = [
    // The run's folder belongs to whoever runs it, so a worker must not change to another user.
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "daemon off;",
    `worker_processes ${workers};`,
    "worker_rlimit_nofile 20000;",
    `pid ${folder}/pid;`,
    `error_log ${folder}/error.log;`,
    "events { worker_connections 16000; }",
    "http {",
    "  types { text/html html; }",
    "  default_type application/octet-stream;",
    "  sendfile on;",
    "  tcp_nopush on;",
    ...temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`),
    `  access_log ${log};`,
    ...(flavor === "defaults"
      ? []
      : [
          "  keepalive_requests 1000000;",
          "  open_file_cache max=10000 inactive=60s;",
          "  open_file_cache_valid 60s;",
          "  open_file_cache_errors on;",
        ]),
    "  server {",
    ...(flavor === "h2" ? ["    ssl_protocols TLSv1.2 TLSv1.3;"] : []), // The default of 1.22 lacks 1.3.
    `    listen 127.0.0.1:${port}${protocols} backlog=4096${workers > 1 ? " reuseport" : ""};`,
    ...(isSecure ? [`    ssl_certificate ${programs.certificate};`, `    ssl_certificate_key ${programs.key};`] : []),
    `    root ${site.root};`,
    "  }",
    "}",
  ];
  return ["nginx", "-p", folder, "-e", `${folder}/error.log`, "-c", site.write("nginx.conf", configuration.join("\n"))];
}

async function startLighttpd({ site, flavor }: Setup): Promise<Running> {
  const port = freePort();
  return startOnPort(lighttpdWords(site, flavor, port), port, site);
}

/** The command for lighttpd on `port`, its configuration written to the run's folder. */
export function lighttpdWords(site: Site, flavor: Flavor, port: number): readonly string[] {
  const configuration = [
    `server.document-root = "${site.root}"`,
    'server.bind = "127.0.0.1"',
    `server.port = ${port}`,
    'server.network-backend = "sendfile"',
    "server.max-fds = 20000",
    "server.max-connections = 16000",
    "server.listen-backlog = 4096",
    'mimetype.assign = ( ".html" => "text/html", "" => "application/octet-stream" )',
    ...(flavor === "defaults" ? [] : ["server.max-keep-alive-requests = 65535"]), // a 16-bit number there
    ...(flavor === "log"
      ? ['server.modules = ( "mod_accesslog" )', `accesslog.filename = "${site.fresh("access.log")}"`]
      : []),
  ];
  return ["lighttpd", "-D", "-f", site.write("lighttpd.conf", configuration.join("\n"))];
}

async function startHttpServer({ site }: Setup): Promise<Running> {
  const port = freePort();
  return startOnPort([...httpServerWords(site, port), "--silent"], port, site);
}

export function httpServerWords(site: Site, port: number): readonly string[] {
  const program = join(NPM_PEERS, "http-server", "bin", "http-server");
  return ["node", program, ...httpServerFlags(site, port)];
}

/** As its users start it, where it is installed. */
export function npxHttpServerWords(site: Site, port: number): readonly string[] {
  return ["npx", "--prefix", dirname(NPM_PEERS), "--no", "http-server", ...httpServerFlags(site, port)];
}

function httpServerFlags(site: Site, port: number): readonly string[] {
  return [site.root, "-a", "127.0.0.1", "-p", String(port), "-c-1"];
}

async function startServe({ site }: Setup): Promise<Running> {
  const port = freePort();
  // Clean URLs would answer /page.html with a redirection.
  const configuration = site.write("serve.json", '{ "cleanUrls": false }');
  const program = join(NPM_PEERS, "serve", "build", "main.js");
  const flags = ["--no-request-logging", "--no-clipboard", "--no-compression", "--no-port-switching"];
  const words = [
    "node",
    program,
    site.root,
    ...flags,
    "--config",
    configuration,
    "--listen",
    `tcp://127.0.0.1:${port}`,
  ];
  return startOnPort(words, port, site);
}

async function startSirv({ site }: Setup): Promise<Running> {
  const port = freePort();
  const program = join(NPM_PEERS, "sirv-cli", "bin.js");
  const words = ["node", program, site.root, "--host", "127.0.0.1", "--port", String(port), "--quiet", "--etag"];
  return startOnPort(words, port, site);
}

async function startPython({ site, programs }: Setup): Promise<Running> {
  const port = freePort();
  // Its request lines go to standard error, which cannot be switched off.
  return startOnPort(pythonWords(programs.python, site, port), port, site);
}

export function pythonWords(python: string, site: Site, port: number): readonly string[] {
  return [python, "-u", "-m", "http.server", String(port), "--bind", "127.0.0.1", "--directory", site.root];
}

/** For servers that print the port they have chosen. */
async function startAnnounced(words: readonly string[], site: Site, scheme = "http"): Promise<Running> {
  const server = launch(words, { core: SERVER_CORE, outputFile: site.fresh("output"), cwd: site.work });
  return ready(server, async () => `${scheme}://127.0.0.1:${(await server.printed(READY_LINE))[1]}`);
}

/** For servers that are told their port. */
async function startOnPort(words: readonly string[], port: number, site: Site, scheme = "http"): Promise<Running> {
  const server = launch(words, { core: SERVER_CORE, outputFile: site.fresh("output"), cwd: site.work });
  return ready(server, async () => {
    await server.accepts(port);
    return `${scheme}://127.0.0.1:${port}`;
  });
}

async function ready(server: Launched, url: () => Promise<string>): Promise<Running> {
  try {
    return { server, url: await url() };
  } catch (error) {
    await server.end();
    throw error;
  }
}
