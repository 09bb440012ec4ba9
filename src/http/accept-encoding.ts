/**
 * Returns the content codings that a client accepts (RFC 9110 §12.5.3), best first.
 *
 * The rule it guards: a coding is used only if the client named it. An absent, empty or malformed field means none, so
 * the response is the file as it is. Clients that refuse the identity get it as well: a 406 would help no one.
 */
import { parseQualityList, type QualityItem } from "./accept.ts";

/**
 * Registered names (RFC 7932, RFC 8878, RFC 1952) of the codings that we can send. Among equals the earlier one is
 * preferred.
 */
export const CONTENT_CODINGS = ["br", "zstd", "gzip"] as const;

export type ContentCoding = (typeof CONTENT_CODINGS)[number];

/**
 * The codings that `value` takes, by weight and then in the order of CONTENT_CODINGS; empty when the identity is to be sent.
 * `value` is that of Accept-Encoding, several lines joined by ", ", or null when there is none.
 */
export function acceptedCodings(value: string | null): readonly ContentCoding[] {
  if (value === null) return [];
  const items = parseQualityList(value);
  if (items.length === 0) return [];
  // An identity that is not listed is acceptable and comes last. One that is listed comes before codings that weigh less.
  const floor = Math.max(1, qualityOf(items, "identity") ?? 0);
  const any = qualityOf(items, "*") ?? 0;
  const weighed = CONTENT_CODINGS.map((coding) => ({ coding, quality: qualityOf(items, coding) ?? any }));
  return weighed
    .filter(({ quality }) => quality >= floor)
    .sort((one, other) => other.quality - one.quality) // stable, so equals keep our order
    .map(({ coding }) => coding);
}

/** Weight of the first item with that name, `x-gzip` being gzip (§8.4.1.3); undefined when it is not listed. */
function qualityOf(items: readonly QualityItem[], name: string): number | undefined {
  return items.find((item) => item.name === name || (name === "gzip" && item.name === "x-gzip"))?.quality;
}
