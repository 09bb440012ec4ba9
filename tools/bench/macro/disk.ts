/** What the disk itself can do with durable small files, measured in the same run as the uploads: see disk.c. */
import { mkdirSync, rmSync } from "node:fs";
import { CLIENT_CORE, runPinned, SERVER_CORE } from "../support/process.ts";
import type { DiskRow } from "../support/results.ts";
import { compileC } from "./programs.ts";
import type { Site } from "./site.ts";

const WAYS: readonly { readonly name: string; readonly words: readonly string[] }[] = [
  { name: "1 at a time", words: ["parallel", "1"] },
  { name: "10 in parallel", words: ["parallel", "10"] },
  { name: "64 in parallel", words: ["parallel", "64"] },
  { name: "groups of 10", words: ["group", "10"] },
  { name: "groups of 64", words: ["group", "64"] },
];

interface DiskOptions {
  readonly site: Site;
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (text: string) => void;
}

/** Empty without a compiler. Both cores may be used: waiting for the disk is no work. */
export async function measureDisk({ site, rounds, seconds, progress }: DiskOptions): Promise<DiskRow[]> {
  const program = compileC("disk", site);
  if (program === null) return [];
  const rows = WAYS.map(({ name, words }) => ({ name, words, filesPerSecond: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const row of rows) {
      progress(`disk: round ${round + 1} of ${rounds}, ${row.name}`);
      const folder = site.fresh("disk");
      mkdirSync(folder);
      const output = await runPinned(`${SERVER_CORE},${CLIENT_CORE}`, [program, folder, String(seconds), ...row.words]);
      row.filesPerSecond.push(Number(output));
      rmSync(folder, { recursive: true });
    }
  }
  return rows.map(({ name, filesPerSecond }) => ({ name, filesPerSecond }));
}
