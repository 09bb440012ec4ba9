/**
 * From exec to ready: the line that says so where there is one, else the first accepted connection. In turn, many times, beside
 * the smallest program that Bun compiles: what that one needs, no server of ours can save.
 */
import { join } from "node:path";
import { PRODUCT } from "../support/machine.ts";
import { inTurn } from "../support/measure.ts";
import { CLIENT_CORE, freePort, runPinned, SERVER_CORE } from "../support/process.ts";
import { MODES, type Mode, type StartupRow } from "../support/results.ts";
import { BARE } from "../support/summary.ts";
import { httpServerWords, lighttpdWords, nginxWords, npxHttpServerWords, type Programs, pythonWords } from "./peers.ts";
import { compileBareListener, compileC } from "./programs.ts";
import type { Site } from "./site.ts";

interface Starter {
  readonly peer: string;
  readonly needs: string;
  /** The shortest mode that it belongs to. */
  readonly mode: Mode;
  readonly until: "line" | "connection";
  /** The text of the line. */
  readonly text?: string;
  words(port: number): readonly string[];
}

interface StartupOptions {
  readonly site: Site;
  readonly programs: Programs;
  readonly versions: Readonly<Record<string, string>>;
  /** Of each program. */
  readonly starts: number;
  readonly mode: Mode;
  readonly progress: (text: string) => void;
}

export async function measureStartup(options: StartupOptions): Promise<StartupRow[]> {
  const { site, versions, starts, mode, progress } = options;
  const watch = compileC("startup", site);
  if (watch === null) return [];
  const bare = await compileBareListener(site);
  const starters = startersOf(options, bare).filter(
    (starter) => versions[starter.needs] !== undefined && MODES.indexOf(starter.mode) <= MODES.indexOf(mode),
  );
  const times = new Map(starters.map(({ peer }): [string, number[]] => [peer, []]));
  const faults = new Map<string, string>();
  // The first time reads the programs from the disk and is not counted.
  for (let round = 0; round <= starts; round++) {
    progress(`startup: each ${starts} times, ${round}`);
    for (const { peer, until, text, words } of inTurn(starters, round)) {
      if (faults.has(peer)) continue;
      const port = freePort();
      const event = until === "line" ? `line:${text}` : `port:${port}`;
      try {
        const output = await runPinned(CLIENT_CORE, [watch, String(SERVER_CORE), event, ...words(port)]);
        if (round > 0) times.get(peer)?.push(Number(output));
      } catch {
        faults.set(peer, "was not ready in time, or ended");
      }
    }
  }
  return starters.map(({ peer, until }) => ({
    peer,
    until,
    ms: times.get(peer) ?? [],
    invalid: faults.get(peer) ?? null,
  }));
}

function startersOf({ site, programs }: StartupOptions, bare: string | null): readonly Starter[] {
  const listening = { mode: "quick", until: "line", text: "Listening on port" } as const;
  const node = join(import.meta.dir, "servers", "node-http.mjs");
  const uploads = site.fresh("uploads");
  const bareStarter: Starter = {
    peer: BARE,
    needs: "bun",
    ...listening,
    words: () => [bare ?? ""],
  };
  return [
    {
      peer: "httpserver",
      needs: "httpserver",
      ...listening,
      words: () => [PRODUCT, "--port", "0", "--root", site.root, "--uploads", uploads],
    },
    ...(bare === null ? [] : [bareStarter]),
    {
      peer: "nginx",
      needs: "nginx",
      mode: "quick",
      until: "connection",
      words: (port) => nginxWords({ site, flavor: "tuned", programs }, port),
    },
    {
      peer: "lighttpd",
      needs: "lighttpd",
      mode: "full",
      until: "connection",
      words: (port) => lighttpdWords(site, "tuned", port),
    },
    { peer: "node:http", needs: "node", ...listening, words: () => ["node", node, site.root] },
    {
      peer: "http-server",
      needs: "http-server",
      mode: "full",
      until: "line",
      text: "Available on",
      words: (port) => httpServerWords(site, port),
    },
    {
      peer: "npx http-server",
      needs: "http-server",
      mode: "full",
      until: "line",
      text: "Available on",
      words: (port) => npxHttpServerWords(site, port),
    },
    {
      peer: "python3",
      needs: "python3",
      mode: "quick",
      until: "line",
      text: "Serving HTTP",
      words: (port) => pythonWords(programs.python, site, port),
    },
  ];
}
