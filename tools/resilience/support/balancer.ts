/** Real balancers before some instances of the server: HAProxy and nginx, each in the foreground with a configuration of its own. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/** The configuration that the project recommends. */
const HAPROXY_EXAMPLE = join(import.meta.dir, "..", "..", "..", "examples", "haproxy", "haproxy.cfg");

/** Longest wait for a balancer, ms. */
const WAIT_MS = 20_000;

const LOOK_MS = 20;

export interface Balancer {
  readonly port: number;
  /** Number of instances that take requests, as the balancer sees it; null if it does not tell. */
  up(): Promise<number | null>;
  /** Connections that were tried again, and those that then went to another instance; null if it does not tell. */
  repeats(): Promise<{ readonly retries: number; readonly redispatches: number } | null>;
  stop(): Promise<void>;
}

interface BalancerOptions {
  /** Folder for its files. */
  readonly folder: string;
  /** Ports of the instances. */
  readonly ports: readonly number[];
  /** Announces clients by the PROXY protocol instead of fields. */
  readonly announces?: boolean;
}

/** Returns a port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts HAProxy with the example's configuration, its ports replaced. */
export async function startHaproxy({ folder, ports, announces = false }: BalancerOptions): Promise<Balancer> {
  const port = await freePort();
  const socket = join(folder, "haproxy.sock");
  const servers = ports.map((each, index) => {
    const sends = announces ? " send-proxy-v2" : "";
    return `    server s${index} 127.0.0.1:${each} source 127.0.0.1${sends}`;
  });
  const config = readFileSync(HAPROXY_EXAMPLE, "utf8")
    .replace("bind :8080", `bind 127.0.0.1:${port}`)
    .replace("global\n", `global\n    stats socket ${socket} level admin\n`)
    .replace(/(?: {4}server .*\n)+/, `${servers.join("\n")}\n`)
    .replace(announces ? /^ {4}http-request (?:set|del)-header .*\n/gm : /$^/, "");
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, config);
  const child = await spawnReady(["haproxy", "-db", "-f", file], port);
  return {
    port,
    async up() {
      return rowsOf(await askSocket(socket, "show stat")).filter(isUp).length;
    },
    async repeats() {
      const rows = rowsOf(await askSocket(socket, "show stat")).filter(({ svname }) => svname === "BACKEND");
      return { retries: Number(rows[0]?.["wretr"]), redispatches: Number(rows[0]?.["wredis"]) };
    },
    stop: () => stop(child),
  };
}

/** Starts HAProxy with these sections, in which something listens on `port`. */
export async function startHaproxyWith(
  folder: string,
  port: number,
  sections: string,
): Promise<Pick<Balancer, "stop">> {
  const file = join(folder, "sections.cfg");
  const defaults = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n";
  writeFileSync(file, `${defaults}${sections}`);
  const child = await spawnReady(["haproxy", "-db", "-f", file], port);
  return { stop: () => stop(child) };
}

type Row = Readonly<Record<string, string>>;

/** Reads the table of `show stat`. */
function rowsOf(text: string): Row[] {
  const [head = "", ...lines] = text.replace(/^# /, "").trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((cell, index) => [names[index] ?? "", cell])));
}

function isUp({ svname = "", status = "" }: Row): boolean {
  return /^s\d$/.test(svname) && status === "UP";
}

/** Sends a command to HAProxy's socket. */
function askSocket(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(path, () => socket.write(`${command}\n`));
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      text += piece;
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}

/** Starts nginx as a balancer with fields. It finds out by requests which instance is away. */
export async function startNginx({ folder, ports }: BalancerOptions): Promise<Balancer> {
  const port = await freePort();
  const prefix = join(folder, "nginx");
  for (const path of [prefix, join(prefix, "body"), join(prefix, "proxy")]) mkdirSync(path, { recursive: true });
  const servers = ports.map((each) => `server 127.0.0.1:${each} max_fails=1 fail_timeout=1s;`).join(" ");
  const config = `daemon off; worker_processes 1; pid ${prefix}/pid; error_log ${prefix}/error.log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy;
  fastcgi_temp_path ${prefix}/f; uwsgi_temp_path ${prefix}/u; scgi_temp_path ${prefix}/s;
  upstream files { ${servers} keepalive 16; keepalive_timeout 20s; }
  server {
    listen 127.0.0.1:${port}; client_max_body_size 10m; client_body_buffer_size 1m;
    location / {
      proxy_pass http://files; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header Forwarded "";
    }
  }
}
`;
  writeFileSync(join(prefix, "nginx.conf"), config);
  const words = ["nginx", "-e", join(prefix, "error.log"), "-p", prefix, "-c", join(prefix, "nginx.conf")];
  const child = await spawnReady(words, port);
  return { port, up: async () => null, repeats: async () => null, stop: () => stop(child) };
}

type Child = Bun.Subprocess<"ignore", "ignore", "pipe">;

const running = new Set<Child>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

async function spawnReady(words: readonly string[], port: number): Promise<Child> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  running.add(child);
  child.exited.finally(() => running.delete(child));
  const deadline = performance.now() + WAIT_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${words[0]} ended: ${await new Response(child.stderr).text()}`);
    if (performance.now() > deadline) throw new Error(`${words[0]} does not listen`);
    await Bun.sleep(LOOK_MS);
  }
  return child;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function stop(child: Child): Promise<void> {
  child.kill("SIGTERM");
  await child.exited;
}
