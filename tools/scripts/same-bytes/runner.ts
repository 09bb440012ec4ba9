/** Plays the cases of one setup on both servers at the same time, and holds the answers against each other. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Case, Transcript } from "./case.ts";
import { type Difference, differences, normalized } from "./compare.ts";
import { PLAYS_MAX } from "./faults.ts";
import { ComparedServer } from "./server.ts";
import type { Setup } from "./setups.ts";
import type { ComparedSite } from "./site.ts";

type Read = Transcript & { readonly text: string };

export interface Differing {
  readonly case: Case;
  readonly differences: readonly Difference[];
  readonly before: readonly Read[];
  readonly after: readonly Read[];
  /** True when a later play of the case was equal. */
  readonly isByChance: boolean;
}

export interface Compared {
  readonly cases: number;
  /** How often the server of before has answered with each status, and ended a connection in each way. */
  readonly counts: ReadonlyMap<string, number>;
  readonly differing: readonly Differing[];
  /** Contents that one server has kept and the other has not. */
  readonly strayUploads: number;
}

interface RunOptions {
  readonly site: ComparedSite;
  /** The servers' working directory. */
  readonly folder: string;
  readonly concurrent: number;
}

export async function compareSetup(
  setup: Setup,
  executables: readonly [before: string, after: string],
  options: RunOptions,
): Promise<Compared> {
  const { flags, etagsOf, credentials, cases } = setup;
  const [uploadsBefore, uploadsAfter] = [options.site.freshUploads(), options.site.freshUploads()];
  const start = (executable: string, uploads: string) =>
    ComparedServer.start(executable, [...flags, "--uploads", uploads], options.folder, etagsOf, credentials);
  await using before = await start(executables[0], uploadsBefore);
  await using after = await start(executables[1], uploadsAfter);
  const pair = { before, after };
  const counts = new Map<string, number>();
  const suspects: Suspect[] = [];
  const compare = async (one: Case) => {
    const played = await playOnBoth(one, pair, 0);
    for (const { text, end } of played.before) {
      for (const [, status = ""] of text.matchAll(/HTTP\/1\.1 ([1-5]\d\d) /g)) addOne(counts, status);
      addOne(counts, end);
    }
    if (played.differences.length > 0) suspects.push({ case: one, ...played });
  };
  await forEach(
    cases.filter(({ isSerial }) => isSerial !== true),
    options.concurrent,
    compare,
  );
  await forEach(
    cases.filter(({ isSerial }) => isSerial === true),
    1,
    compare,
  );
  const strayUploads = strayContents(uploadsBefore, uploadsAfter);
  const differing: Differing[] = [];
  for (const suspect of suspects) differing.push({ ...suspect, isByChance: await agreesLater(suspect, pair) });
  return { cases: cases.length, counts, differing, strayUploads };
}

function addOne(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

interface Pair {
  readonly before: ComparedServer;
  readonly after: ComparedServer;
}

type Suspect = Omit<Differing, "isByChance">;

async function playOnBoth(one: Case, { before, after }: Pair, play: number): Promise<Omit<Suspect, "case">> {
  const isVolatile = one.isVolatile === true;
  const read = async (server: ComparedServer): Promise<readonly Read[]> =>
    (await server.play(one, play)).map((transcript) => ({
      ...transcript,
      text: normalized(transcript, server, isVolatile),
    }));
  const [ofBefore, ofAfter] = await Promise.all([read(before), read(after)]);
  return { before: ofBefore, after: ofAfter, differences: differences(ofBefore, ofAfter) };
}

/** Plays a case that differed again, alone, until it agrees or no play is left. A server that has stopped never agrees. */
async function agreesLater(suspect: Suspect, pair: Pair): Promise<boolean> {
  for (let play = 1; play < PLAYS_MAX; play++) {
    const again = await playOnBoth(suspect.case, pair, play).catch(() => null);
    if (again === null) return false;
    if (again.differences.length === 0) return true;
  }
  return false;
}

async function forEach<Item>(
  items: readonly Item[],
  concurrent: number,
  act: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let index = next++; index < items.length; index = next++) await act(items[index] as Item);
  };
  await Promise.all(Array.from({ length: concurrent }, work));
}

/** How many uploaded contents have no counterpart in the other folder. */
function strayContents(before: string, after: string): number {
  const counts = new Map<string, number>();
  for (const [folder, sign] of [
    [before, 1],
    [after, -1],
  ] as const) {
    for (const name of readdirSync(folder)) {
      const key = Bun.hash(readFileSync(join(folder, name))).toString(36);
      counts.set(key, (counts.get(key) ?? 0) + sign);
    }
  }
  return [...counts.values()].reduce((sum, count) => sum + Math.abs(count), 0);
}
