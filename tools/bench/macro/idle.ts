/**
 * What an idle connection costs: resident memory before and after thousands of them were opened, and again after each has
 * asked for one page. The server has served a load before, so that what it needs once is not counted.
 */
import type { IdleRow } from "../support/results.ts";
import { runLoad } from "../support/wrk.ts";
import { type PeerName, type Programs, peers } from "./peers.ts";
import { PAGE_BYTES, type Site } from "./site.ts";

const PEERS: readonly PeerName[] = ["httpserver", "nginx", "lighttpd", "Bun.serve", "floor (C)"];
const CONNECTIONS = 10_000;

/** Connections opened, or requests sent, at a time: fewer than any server's backlog. */
const BATCH = 100;

/** For the kernel and the server to settle before memory is read, ms. */
const SETTLE_MS = 1_000;

/** Longest wait for a batch, ms. */
const BATCH_MS = 5_000;

interface IdleOptions {
  readonly site: Site;
  readonly programs: Programs;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly progress: (text: string) => void;
}

export async function measureIdle(options: IdleOptions): Promise<IdleRow[]> {
  const { site, programs, versions, rounds, progress } = options;
  const rows: IdleRow[] = [];
  for (const peer of PEERS) {
    if (versions[peers[peer].needs] === undefined) continue;
    const row: IdleRow = { peer, connections: CONNECTIONS, opened: [], served: [], invalid: null };
    rows.push(row);
    for (let round = 0; round < rounds && row.invalid === null; round++) {
      progress(`idle: round ${round + 1} of ${rounds}, ${peer}`);
      try {
        const { server, url } = await peers[peer].start({
          site,
          flavor: "tuned",
          programs,
          target: "/page.html",
          contentBytes: PAGE_BYTES,
        });
        const crowd = new Crowd(new URL(url));
        try {
          await runLoad({ url: `${url}/page.html`, connections: 64 }, 1);
          await Bun.sleep(SETTLE_MS);
          const before = server.residentKiB();
          await crowd.open(CONNECTIONS);
          await Bun.sleep(SETTLE_MS);
          const opened = server.residentKiB();
          await crowd.ask();
          await Bun.sleep(SETTLE_MS);
          const served = server.residentKiB();
          if (crowd.lost > 0) throw new Error(`${crowd.lost} connections were closed`);
          row.opened.push(opened - before);
          row.served.push(served - before);
        } finally {
          crowd.close();
          await server.end();
        }
      } catch (error) {
        row.invalid = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return rows;
}

/** Connections that do nothing unless told to. */
class Crowd {
  /** Connections that the server has closed. */
  lost = 0;
  readonly #url: URL;
  readonly #sockets: Bun.Socket<{ received: number }>[] = [];
  #isClosing = false;

  constructor(url: URL) {
    this.#url = url;
  }

  async open(count: number): Promise<void> {
    while (this.#sockets.length < count) {
      const batch = Array.from({ length: Math.min(BATCH, count - this.#sockets.length) }, () => this.#connect());
      this.#sockets.push(...(await Promise.all(batch)));
    }
  }

  /** One page on each connection. Rejects when an answer does not come. */
  async ask(): Promise<void> {
    const request = `GET /page.html HTTP/1.1\r\nHost: ${this.#url.host}\r\n\r\n`;
    for (let start = 0; start < this.#sockets.length; start += BATCH) {
      const batch = this.#sockets.slice(start, start + BATCH);
      for (const socket of batch) socket.write(request);
      const deadline = performance.now() + BATCH_MS;
      while (batch.some((socket) => socket.data.received <= PAGE_BYTES)) {
        if (performance.now() > deadline) throw new Error("a page did not come");
        await Bun.sleep(1);
      }
    }
  }

  close(): void {
    this.#isClosing = true;
    for (const socket of this.#sockets) socket.terminate();
  }

  #connect(): Promise<Bun.Socket<{ received: number }>> {
    return Bun.connect<{ received: number }>({
      hostname: this.#url.hostname,
      port: Number(this.#url.port),
      data: { received: 0 },
      socket: {
        data(socket, bytes) {
          socket.data.received += bytes.length;
        },
        close: () => {
          if (!this.#isClosing) this.lost++;
        },
        error() {},
      },
    });
  }
}
