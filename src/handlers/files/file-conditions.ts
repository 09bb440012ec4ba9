/** What a request says about the state and the part of the file that it wants, held against the file's entity tag and times. */
import type { Stats } from "node:fs";
import type { ContentCoding } from "../../http/accept-encoding.ts";
import { evaluatePreconditions, ifRangeHolds, Precondition } from "../../http/conditional.ts";
import { Field } from "../../http/field.ts";
import type { RequestHead } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { type ByteRange, parseRange, RangeVerdict } from "../../http/range.ts";

/**
 * RFC 9110 §8.8.3, strong: times in microseconds, size and inode, apart from each other by a separator. A kernel's clock
 * may stand still for some milliseconds, so two writes can have the same times: the hash of a small file, which is always
 * read whole, is part of its tag. A larger one has the same tag whether it is in memory or not.
 */
export function entityTag(
  stats: Pick<Stats, "mtimeMs" | "ctimeMs" | "size" | "ino">,
  content: Uint8Array | null,
): string {
  const modified = Math.round(stats.mtimeMs * 1000).toString(36);
  const changed = Math.round(stats.ctimeMs * 1000).toString(36);
  const tag = `${modified}-${changed}-${stats.size.toString(36)}-${stats.ino.toString(36)}`;
  return content === null ? `"${tag}"` : `"${tag}-${Bun.hash(content).toString(36)}"`;
}

/** Strong, and another one for each coding of the same file (RFC 9110 §8.8.3.3). */
export function codedTag(etag: string, coding: ContentCoding): string {
  return `${etag.slice(0, -1)}-${coding}"`;
}

/** False for the plain GET that nearly all are. */
export function hasConditions(head: RequestHead): boolean {
  return (
    head.has(Field.IfNoneMatch) ||
    head.has(Field.IfModifiedSince) ||
    head.has(Field.Range) ||
    head.has(Field.IfMatch) ||
    head.has(Field.IfUnmodifiedSince)
  );
}

export function preconditionOf(
  head: RequestHead,
  etag: string,
  lastModified: number,
  nowSeconds: number,
): Precondition {
  if (!hasConditions(head)) return Precondition.Proceed;
  const preconditions = {
    ifMatch: head.value(Field.IfMatch),
    ifUnmodifiedSince: head.value(Field.IfUnmodifiedSince),
    ifNoneMatch: head.value(Field.IfNoneMatch),
    ifModifiedSince: head.value(Field.IfModifiedSince),
  };
  return evaluatePreconditions(head.method, preconditions, etag, lastModified, nowSeconds);
}

/** RFC 9110 §14.2: Range means something for GET alone, and only while If-Range holds. */
export function rangesOf(
  head: RequestHead,
  size: number,
  etag: string,
  lastModified: number,
  nowSeconds: number,
): readonly ByteRange[] | RangeVerdict {
  if (head.method !== Method.Get) return RangeVerdict.Ignore;
  const range = head.value(Field.Range);
  if (range === null) return RangeVerdict.Ignore;
  const ifRange = head.value(Field.IfRange);
  if (ifRange !== null && !ifRangeHolds(ifRange, etag, lastModified, nowSeconds)) return RangeVerdict.Ignore;
  return parseRange(range, size);
}
