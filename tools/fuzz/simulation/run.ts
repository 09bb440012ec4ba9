/** The worlds of the simulator. */
import type { MakeWorld } from "../seeds.ts";
import { StreamWorld } from "../streams/world.ts";
import { type Spoil, World } from "./world.ts";

/** Makes a world of HTTP/1, in which requests and answers are judged byte by byte. `spoil` changes the server before it begins. */
export function requestWorld(spoil: Spoil = (context) => context): MakeWorld {
  return (seed, coverage, trace) => new World(seed, coverage, trace, spoil);
}

export const streamWorld: MakeWorld = (seed, coverage, trace) => new StreamWorld(seed, coverage, trace);

/** Makes a world with streams of each even seed, and one of HTTP/1 of each odd one. */
export const mixedWorld: MakeWorld = (seed, coverage, trace) =>
  (seed % 2 === 0 ? streamWorld : requestWorld())(seed, coverage, trace);
