/** The field `priority` of requests (RFC 9218 §4, §5), read as far as the two parameters that it defines. */

export interface Priority {
  /** From 0, for what is needed first, to 7. */
  readonly urgency: number;
  /** True if the client can use parts of the content as they come. */
  readonly isIncremental: boolean;
}

export const DEFAULT_PRIORITY: Priority = { urgency: 3, isIncremental: false };

/** Longest value that is read: both parameters, and some that are unknown. */
const VALUE_CHARS_MAX = 64;

/** Reads the value of the field. A parameter that is malformed has its default (RFC 9218 §4). */
export function parsePriority(value: string): Priority {
  if (value.length > VALUE_CHARS_MAX) return DEFAULT_PRIORITY;
  let { urgency, isIncremental } = DEFAULT_PRIORITY;
  for (const member of value.split(",")) {
    const text = member.trim();
    const given = /^u=([0-7])(?:;.*)?$/.exec(text);
    if (given !== null) urgency = Number(given[1]);
    else if (/^i(?:=\?1)?(?:;.*)?$/.test(text)) isIncremental = true;
    else if (/^i=\?0(?:;.*)?$/.test(text)) isIncremental = false;
  }
  return { urgency, isIncremental };
}
