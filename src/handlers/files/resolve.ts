/** Finds the file that a name stands for: the file itself, or the index of a folder. */
import { type DocumentRoot, type OpenedFile, OpenFailure } from "./document-root.ts";
import { withIndex } from "./names.ts";

/** The name of a folder without the slash at its end. Shares a type with OpenFailure, so no number may be in both. */
export enum Folder {
  WithoutSlash = -1,
}

/** A name to take in place of one that is not a file. */
export interface Substitute {
  readonly name: string;
  /** True: the client is redirected to it. */
  readonly isRedirect: boolean;
}

type Resolved = OpenedFile | OpenFailure | Folder.WithoutSlash;

/**
 * Opens the regular file that `name`, a path below the root, stands for. Returns `WithoutSlash` for a folder that has an
 * index, and for every folder if folders are listed. The caller closes the file.
 */
export function resolve(root: DocumentRoot, name: string, index: string, isListed: boolean): Resolved {
  const opened = root.open(withIndex(name, index));
  if (typeof opened === "number" || opened.stats.isFile()) return opened;
  opened.close();
  if (name.endsWith("/")) return OpenFailure.Missing;
  const missing = isListed ? Folder.WithoutSlash : OpenFailure.Missing;
  const indexFile = root.open(`${name}/${index}`);
  if (typeof indexFile === "number") return indexFile === OpenFailure.Missing ? missing : indexFile;
  indexFile.close();
  return indexFile.stats.isFile() ? Folder.WithoutSlash : missing;
}
