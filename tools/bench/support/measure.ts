/**
 * Servers measured in turn. All of a comparison run at once, each on the server's core, where an idle one costs nothing; each is
 * warmed once, then loaded for a second or so in every round. What a machine does to one round it does to all servers of it.
 */
import { type CpuSpent, cpuBetween, type Launched } from "./process.ts";
import type { LoadResult } from "./wrk.ts";

/** Runs a load and returns its numbers with what `server` spent on it. Rejects when the server did not live through it. */
export async function underLoad(
  server: Launched,
  load: () => Promise<LoadResult>,
): Promise<{ readonly result: LoadResult; readonly spent: CpuSpent }> {
  const before = server.cpu();
  const result = await load();
  const spent = cpuBetween(before, server.cpu());
  if (!server.isRunning()) throw new Error("the server ended under load");
  return { result, spent };
}

/** The items of one round: each round begins with another one, so that none always follows the same. */
export function inTurn<Item>(items: readonly Item[], round: number): readonly Item[] {
  if (items.length === 0) return items;
  const first = round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
