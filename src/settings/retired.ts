/** Settings that are gone. Their old names are refused in a line that says the new ones. */
import { environmentName } from "./kinds.ts";

interface Names {
  /** Name on the command line, without dashes. */
  readonly flag: string;
  /** Name in the library. */
  readonly name: string;
}

interface Retired extends Names {
  /** The setting that took its place, or null. */
  readonly successor: Names | null;
  /** Goes between old and new name; without a successor, it is the end of the line. */
  readonly fate: string;
  /** Value of the successor that means the same as the old switch. */
  readonly value?: string;
}

const STALL_TIMEOUT: Names = { flag: "stall-timeout", name: "stallTimeoutMs" };

export const RETIRED: readonly Retired[] = [
  {
    flag: "fixture-open",
    name: "fixtureOpen",
    fate: "is now",
    successor: { flag: "fixture-token", name: "fixtureToken" },
    value: "*",
  },
  {
    flag: "max-uri",
    name: "maxUriBytes",
    fate: "is now part of",
    successor: { flag: "max-header", name: "maxHeaderBytes" },
  },
  { flag: "body-timeout", name: "bodyTimeoutMs", fate: "is now", successor: STALL_TIMEOUT },
  { flag: "send-timeout", name: "sendTimeoutMs", fate: "is now", successor: STALL_TIMEOUT },
  {
    flag: "max-connections-per-host",
    name: "maxConnectionsPerHost",
    fate: "is now",
    successor: { flag: "max-connections-per-address", name: "maxConnectionsPerAddress" },
  },
  {
    flag: "file-cache-age",
    name: "fileCacheAgeMs",
    fate: "is gone: a file in memory is compared with the disk within a second",
    successor: null,
  },
];

/** A way to write a setting's name, and a setting with a value. */
interface Spelling {
  readonly name: (names: Names) => string;
  readonly set: (names: Names, value: string) => string;
}

const SPELLINGS = {
  flag: { name: ({ flag }) => `--${flag}`, set: ({ flag }, value) => `--${flag} '${value}'` },
  variable: { name: environmentName, set: (names, value) => `${environmentName(names)}=${value}` },
  library: { name: ({ name }) => name, set: ({ name }, value) => `${name}: "${value}"` },
} as const satisfies Record<string, Spelling>;

/** Returns a line about the retired setting that is written `text`, or null when it is not a retired one. */
export function retiredLine(spelling: keyof typeof SPELLINGS, text: string): string | null {
  const { name, set }: Spelling = SPELLINGS[spelling];
  const retired = RETIRED.find((old) => name(old) === text);
  if (retired === undefined) return null;
  const { successor, fate, value } = retired;
  if (successor === null) return `${text} ${fate}`;
  return `${text} ${fate} ${value === undefined ? name(successor) : set(successor, value)}`;
}
