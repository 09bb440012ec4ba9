/**
 * A name that changes between inside and outside while it is asked for, thousands of times: what is read is inside, or nothing.
 * The same swaps are tried on a root that checks first and opens then; it must be caught, or they would prove nothing.
 */
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { closeDescriptor, DocumentRoot, OpenFailure } from "../../src/handlers/files/document-root.ts";
import { FolderStore } from "../../src/handlers/uploads/folder-store.ts";
import { startServer } from "../../src/index.ts";
import { openBelow } from "../support/descriptors.ts";
import { makeRequest, makeSite, respondTo } from "../support/site.ts";
import { until } from "../support/waiting.ts";
import { CANARY, type Ground, Lane, link, makeGround, PAGE, plant } from "./ground.ts";
import { type Swap, Swapping, startRace } from "./swapper.ts";

/** Answers of each kind, and swaps, that make it a race. */
const ANSWERS_MIN = 5;
const SWAPS_MIN = 100;

interface Race {
  readonly what: string;
  /** Lays the ground; the name is one of the root. */
  readonly swap: (ground: Ground) => Swap;
  /** What is asked for meanwhile. */
  readonly path: string;
}

const LARGE = PAGE.padEnd(80_000, "inside ");

const RACES: readonly Race[] = [
  {
    what: "a folder that changes places with a link to the outside",
    path: "/name/page.html",
    swap: ({ root, outside }) => {
      plant(root, { "name/page.html": PAGE });
      plant(outside, { "page.html": CANARY });
      link(root, "rival", outside);
      return exchange(root, "name");
    },
  },
  {
    what: "a folder further up",
    path: "/name/a/b/c/page.html",
    swap: ({ root, outside }) => {
      plant(root, { "name/a/b/c/page.html": PAGE });
      plant(outside, { "a/b/c/page.html": CANARY });
      link(root, "rival", outside);
      return exchange(root, "name");
    },
  },
  {
    what: "a file that changes places with a link to the outside",
    path: "/name",
    swap: ({ root, outside }) => {
      plant(root, { name: PAGE });
      link(root, "rival", join(outside, "canary.txt"));
      return exchange(root, "name");
    },
  },
  {
    what: "a large file that changes places with a link to the outside",
    path: "/name",
    swap: ({ root, outside }) => {
      plant(root, { name: LARGE });
      plant(outside, { large: CANARY.padEnd(80_000, "outside") });
      link(root, "rival", join(outside, "large"));
      return exchange(root, "name");
    },
  },
  {
    what: "a link that leads inside and outside in turn",
    path: "/name/page.html",
    swap: ({ root, outside }) => {
      plant(root, { "real/page.html": PAGE });
      plant(outside, { "page.html": CANARY });
      link(root, "name", "real");
      return { kind: "relink", name: join(root, "name"), states: ["real", outside] };
    },
  },
  {
    what: "a folder's index",
    path: "/name/",
    swap: ({ root, outside }) => {
      plant(root, { "name/index.html": PAGE });
      link(root, "rival", outside);
      return exchange(root, "name");
    },
  },
];

function exchange(root: string, name: string): Swap {
  return { kind: "exchange", name: join(root, name), rival: join(root, "rival") };
}

/** Checks, then opens: what this server would be with the usual mistake. */
class CheckingRoot extends DocumentRoot {
  override open(path: string): ReturnType<DocumentRoot["open"]> {
    try {
      if (!realpathSync.native(this.realPath + path).startsWith(`${this.realPath}/`)) return OpenFailure.Outside;
      const descriptor = openSync(this.realPath + path, constants.O_RDONLY);
      closeSync(descriptor);
      return readFileSync(this.realPath + path, "utf8").includes(CANARY) ? LEAKED : OpenFailure.Missing;
    } catch {
      return OpenFailure.Missing;
    }
  }
}

const LEAKED = OpenFailure.Broken;

function contentOf(descriptor: number): string {
  const bytes = new Uint8Array(100);
  return Buffer.from(bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0))).toString();
}

test("the swaps catch a root that checks first and opens then", async () => {
  for (const race of RACES.slice(0, 3)) {
    using ground = makeGround();
    await using _swapping = await Swapping.start(race.swap(ground));
    const root = new CheckingRoot(ground.root);
    const leaks = () => {
      for (let tries = 0; tries < 1000; tries++) if (root.open(race.path) === LEAKED) return true;
      return false;
    };
    await until(leaks, `a leak during swaps of ${race.what}`);
  }
}, 30_000);

describe("what is opened is inside", () => {
  for (const race of RACES) {
    test(`during swaps of ${race.what}`, async () => {
      using ground = makeGround();
      const path = race.path.endsWith("/") ? `${race.path}index.html` : race.path;
      await using swapping = await Swapping.start(race.swap(ground));
      const root = new DocumentRoot(ground.root);
      const counts = { inside: 0, outside: 0, missing: 0, other: 0 };
      const first = swapping.swaps;
      const isOver = startRace(
        () => counts.inside > ANSWERS_MIN && counts.outside > ANSWERS_MIN && swapping.swaps - first > SWAPS_MIN,
      );
      while (!isOver()) {
        const opened = root.open(path);
        if (opened === OpenFailure.Outside) counts.outside++;
        else if (opened === OpenFailure.Missing) counts.missing++;
        else if (typeof opened === "number") counts.other++;
        else {
          const content = contentOf(opened.descriptor);
          closeDescriptor(opened.descriptor);
          if (content.startsWith(PAGE)) counts.inside++;
          else throw new Error(`read outside: ${content}`);
        }
      }
      tell(race.what, swapping.swaps - first, counts);
      expect(swapping.swaps - first).toBeGreaterThan(SWAPS_MIN);
      expect(counts.inside).toBeGreaterThan(ANSWERS_MIN);
      expect(counts.outside).toBeGreaterThan(ANSWERS_MIN);
      expect(counts.other).toBe(0);
    });
  }
});

describe("what a client gets is inside", () => {
  for (const race of RACES) {
    test(`during swaps of ${race.what}`, async () => {
      using ground = makeGround();
      await using server = await startServer(ground.options);
      const swapping = await Swapping.start(race.swap(ground));
      const counts: Record<string, number> = {};
      const isOver = startRace(() => (counts[200] ?? 0) > ANSWERS_MIN && (counts[403] ?? 0) > ANSWERS_MIN);
      const ask = async (method: string, fields: string) => {
        using lane = new Lane(server.port);
        while (!isOver()) {
          const { status, head, body } = await lane.ask(`${method} ${race.path}`, fields);
          const text = Buffer.from(body).toString();
          counts[status] = (counts[status] ?? 0) + 1;
          if (text.includes(CANARY) || head.includes(CANARY)) throw new Error(`told the canary: ${head}`);
          if ((status === 200 || status === 206) && method === "GET" && !(LARGE.startsWith(text) || text === PAGE)) {
            throw new Error(`neither inside nor refused: ${head}`);
          }
        }
      };
      try {
        await Promise.all([ask("GET", ""), ask("GET", ""), ask("HEAD", ""), ask("GET", "Range: bytes=0-\r\n")]);
      } finally {
        await swapping.stop();
      }
      tell(`${race.what}, asked for`, swapping.swaps, counts);
      expect(Object.keys(counts).filter((status) => !["200", "206", "403", "404"].includes(status))).toEqual([]);
      expect(counts[200]).toBeGreaterThan(ANSWERS_MIN);
      expect(counts[403]).toBeGreaterThan(ANSWERS_MIN);
      // It ends as it began, and so does the server.
      using lane = new Lane(server.port);
      expect((await lane.ask(`GET ${race.path}`)).status).toBe(200);
      expect(openBelow(ground.folder)).toEqual([]);
    });
  }
});

describe("a folder of uploads that changes places with a link to the outside", () => {
  /** Puts files below `up` while it changes places, and returns the names of those that `put` has kept. */
  async function race(
    put: (folder: string, name: string) => Promise<boolean>,
    isEnough: (kept: number, refused: number, ground: Ground) => boolean,
  ) {
    using ground = makeGround();
    mkdirSync(join(ground.folder, "up"));
    link(ground.folder, "rival", ground.outside);
    const swapping = await Swapping.start(exchange(ground.folder, "up"));
    const kept: string[] = [];
    let refused = 0;
    const isOver = startRace(() => isEnough(kept.length, refused, ground));
    try {
      for (let number = 0; !isOver(); number++) {
        if (await put(join(ground.folder, "up"), `n${number}`)) kept.push(`n${number}`);
        else refused++;
      }
    } finally {
      await swapping.stop();
    }
    tell("uploads", swapping.swaps, { kept: kept.length, refused });
    const names = readdirSync(join(ground.folder, "up")).sort();
    return { kept: kept.sort(), refused, names, outside: readdirSync(ground.outside).sort() };
  }

  const OUTSIDE = ["canary.txt", "index.html", "sub"];

  test("gets no file there; each upload that was answered is kept, and no other", async () => {
    let store: FolderStore | null = null;
    const put = async (folder: string, name: string) => {
      store ??= new FolderStore(new DocumentRoot(folder), { now: Date.now });
      const sink = store.create(name);
      sink.write(Buffer.from(name));
      sink.ended();
      return await sink.commit().then(
        () => true,
        () => false,
      );
    };
    const { kept, refused, names, outside } = await race(
      put,
      (kept, refused) => Math.min(kept, refused) > 4 * ANSWERS_MIN,
    );
    expect(outside).toEqual(OUTSIDE);
    expect(names).toEqual(kept);
    expect(kept.length).toBeGreaterThan(ANSWERS_MIN);
    expect(refused).toBeGreaterThan(ANSWERS_MIN);
  });

  test("gets files there from a store that checks first and opens then", async () => {
    const put = async (folder: string, name: string) => {
      if (realpathSync(folder) !== folder) return false;
      writeFileSync(join(folder, name), name);
      return true;
    };
    const isCaught = ({ outside }: Ground) => readdirSync(outside).length > OUTSIDE.length;
    const { outside } = await race(put, (_kept, _refused, ground) => isCaught(ground));
    expect(outside.length).toBeGreaterThan(OUTSIDE.length);
  });
});

test("a file that is kept in memory is not sent for one that is outside now, nor the other way round", async () => {
  // The handler's clock is ahead of the file's times, so the page is kept as soon as it is read.
  let aheadMs = 60_000;
  using site = makeSite({}, { now: () => Date.now() + aheadMs, fileCache: { bytesMax: 1 << 20, maxAgeMs: 0 } });
  using ground = makeGround();
  plant(site.root, { "name/page.html": PAGE });
  plant(ground.outside, { "page.html": CANARY });
  link(site.root, "rival", ground.outside);
  const counts = { kept: 0, read: 0, outside: 0, missing: 0 };
  const ask = async () => {
    const response = await respondTo(site.handler, makeRequest("GET /name/page.html"));
    if (!(response.content instanceof Uint8Array)) throw new Error("not in memory");
    return { response, status: response.status, text: Buffer.from(response.content).toString() };
  };
  const swapping = await Swapping.start(exchange(site.root, "name"));
  let last: unknown = null;
  const isOver = startRace(() => Math.min(counts.kept, counts.read, counts.outside) > ANSWERS_MIN);
  try {
    while (!isOver()) {
      const { response, status, text } = await ask();
      if (text.includes(CANARY)) throw new Error("told the canary");
      if (status === 403) counts.outside++;
      else if (status === 404) counts.missing++;
      else if (status === 200 && text === PAGE) counts[response === last ? "kept" : "read"]++;
      else throw new Error(`${status} ${text}`);
      last = response;
    }
  } finally {
    await swapping.stop();
  }
  tell("a kept file", swapping.swaps, counts);
  expect(counts.kept).toBeGreaterThan(ANSWERS_MIN);
  expect(counts.read).toBeGreaterThan(ANSWERS_MIN);
  expect(counts.outside).toBeGreaterThan(ANSWERS_MIN);

  // Standing still, in each position: the state at this moment, with the page in memory before.
  const move = (from: string, to: string) => renameSync(join(site.root, from), join(site.root, to));
  await ask();
  expect((await ask()).response).toBe((await ask()).response);
  move("name", "spare");
  expect((await ask()).status).toBe(404);
  move("rival", "name");
  expect((await ask()).status).toBe(403);
  // The very same file, reached through a folder that is outside now.
  rmSync(join(ground.outside, "page.html"));
  linkSync(join(site.root, "spare/page.html"), join(ground.outside, "page.html"));
  expect((await ask()).status).toBe(403);
  move("name", "rival");
  move("spare", "name");
  for (let i = 0; i < 2; i++) expect((await ask()).text).toBe(PAGE);
  move("name", "spare");
  move("rival", "name");
  aheadMs += 1; // A folder is looked at once in a millisecond.
  expect((await ask()).status).toBe(403);
  move("name", "rival");
  move("spare", "name");
  expect((await ask()).text).toBe(PAGE);
  rmSync(join(site.root, "name/page.html"));
  writeFileSync(join(site.root, "name/page.html"), "changed");
  expect((await ask()).text).toBe("changed");
});

/** What happened, for whoever wants to know how hard it was: `RACES_TOLD=1 bun test test/containment`. */
function tell(what: string, swaps: number, counts: Readonly<Record<string, number>>): void {
  if (process.env["RACES_TOLD"] === "1") console.log(`${what}: ${swaps} swaps, ${JSON.stringify(counts)}`);
}
