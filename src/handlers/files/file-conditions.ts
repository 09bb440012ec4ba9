/** Compares the conditions and the range of a request with a file's entity tag and times. */
import type { Stats } from "node:fs";
import type { ContentCoding } from "../../http/accept-encoding.ts";
import { evaluatePreconditions, ifRangeHolds, Precondition } from "../../http/conditional.ts";
import { Field } from "../../http/field.ts";
import type { RequestHead } from "../../http/message.ts";
import { Method } from "../../http/method.ts";
import { type ByteRange, parseRange, RangeVerdict } from "../../http/range.ts";

/**
 * Returns a strong entity tag (RFC 9110 §8.8.3) of times in microseconds, size and inode, with separators between
 * them. A kernel's clock may stand still for some milliseconds, so two writes can have the same times. A small file is
 * always read whole, so the hash of its content is part of its tag. A larger file has the same tag in memory and on
 * disk.
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

/** Returns the tag of a coding of that file, which must differ from the file's own (RFC 9110 §8.8.3.3). */
export function codedTag(etag: string, coding: ContentCoding): string {
  return `${etag.slice(0, -1)}-${coding}"`;
}

/** Returns false for a GET without conditions, which nearly all requests are. */
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

/** Returns the requested ranges. Range counts for GET alone, and only while If-Range holds (RFC 9110 §14.2). */
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
