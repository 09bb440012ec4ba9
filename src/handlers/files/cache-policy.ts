/**
 * Chooses Cache-Control: one value for all files, and another for paths whose content never changes, because a hash is
 * part of the name.
 *
 * A pattern (`http/path-pattern.ts`) is matched against the whole decoded path; a folder's path is that of its index.
 */
import type { FieldLine } from "../../http/fields.ts";
import { fromRoot } from "../../http/path-pattern.ts";

/** A year, the longest that RFC 2616 allowed and caches still know; `immutable` is RFC 8246's. */
const NEVER_CHANGES = "max-age=31536000, immutable";

interface CachePolicyOptions {
  /** The value of the field for all other files. */
  readonly cacheControl: string;
  /** Patterns as above, which `settings/resolve.ts` has checked. */
  readonly immutable: readonly string[];
  /** True: files are for verified users alone, so no shared cache may keep one (RFC 9111 §3.5). */
  readonly isPrivate: boolean;
}

export class CachePolicy {
  readonly #cacheControl: FieldLine;
  readonly #immutable: FieldLine;
  readonly #patterns: readonly Bun.Glob[];

  constructor(options: CachePolicyOptions) {
    this.#cacheControl = ["Cache-Control", options.cacheControl];
    this.#immutable = ["Cache-Control", `${options.isPrivate ? "private" : "public"}, ${NEVER_CHANGES}`];
    this.#patterns = options.immutable.map((pattern) => new Bun.Glob(fromRoot(pattern)));
  }

  /** Returns the Cache-Control of the file at `path`, decoded, starting with "/". All files with one value share its line. */
  lineFor(path: string): FieldLine {
    return this.#patterns.some((pattern) => pattern.match(path)) ? this.#immutable : this.#cacheControl;
  }
}
