/**
 * Patterns of paths: `*` is any characters but "/", `**` any folders, `?` one character, `[ab]` one of these, `[!ab]` none of
 * these; everything else is itself, and case counts. Without a "/" it is a name in any folder, otherwise it starts at the root.
 */

/** A pattern that can be used. Braces, backslashes and a first "!" mean something to shells and nothing here. */
export const PATH_PATTERN = /^(?!!)(?:[^[\]{}\\]|\[[^[\]/\\]+\])+$/;

/** The same pattern for whole paths, which begin with "/". */
export function fromRoot(pattern: string): string {
  if (pattern.startsWith("/")) return pattern;
  return pattern.includes("/") ? `/${pattern}` : `/**/${pattern}`;
}
