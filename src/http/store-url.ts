/** The place of uploads in an object store: `s3://bucket/prefix`. Pure. */

export interface StoreUrl {
  readonly bucket: string;
  /** Beginning of every key: "" or a path that ends with a slash. */
  readonly prefix: string;
}

/** Returns true for text that names an object store, rightly or not. */
export function isStoreUrl(text: string): boolean {
  return /^s3:/i.test(text);
}

/** Returns the parts of a URL, or undefined if it cannot be one. */
export function parseStoreUrl(text: string): StoreUrl | undefined {
  const [, bucket = "", rest = ""] = /^s3:\/\/([^/]*)(?:\/(.*))?$/is.exec(text) ?? [];
  if (!BUCKET.test(bucket)) return undefined;
  const prefix = rest.replace(/\/$/, "");
  if (prefix === "") return { bucket, prefix: "" };
  if (prefix.length > PREFIX_CHARACTERS_MAX || !prefix.split("/").every(isSegment)) return undefined;
  return { bucket, prefix: `${prefix}/` };
}

/** Returns the URL in its one spelling, without a slash at its end. */
export function formatStoreUrl({ bucket, prefix }: StoreUrl): string {
  return `s3://${bucket}/${prefix}`.replace(/\/$/, "");
}

/** Names that are hosts, as every store takes them. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** A key has at most 1,024 bytes, and the name of an upload 255 of them. */
const PREFIX_CHARACTERS_MAX = 512;

/** Returns false for `.` and `..`, which some stores resolve, and for characters that a URL would need to escape. */
function isSegment(segment: string): boolean {
  return /^[A-Za-z0-9!_.*'()=@~-]+$/.test(segment) && !/^\.\.?$/.test(segment);
}
