/**
 * Patterns of paths: `*` is any characters but "/", `**` any folders, `?` one character, `[ab]` one of these, `[!ab]` none of
 * these; everything else is itself, and case counts. Without a "/" it is a name in any folder, otherwise it starts at the root.
 */

/** A valid pattern. Braces, backslashes and a first "!" have a meaning for shells but not here, so they are refused. */
export const PATH_PATTERN = /^(?!!)(?:[^[\]{}\\]|\[[^[\]/\\]+\])+$/;

/** Returns the same pattern for whole paths, which begin with "/". */
export function fromRoot(pattern: string): string {
  if (pattern.startsWith("/")) return pattern;
  return pattern.includes("/") ? `/${pattern}` : `/**/${pattern}`;
}
