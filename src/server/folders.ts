/** Opens the folders of a server at its start, and refuses those that cannot be used together. */
import { lstatSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { RESERVED_NAME } from "../handlers/endpoints/endpoint.ts";
import { type DocumentRoot, FolderError, openDocumentRoot } from "../handlers/files/document-root.ts";
import { type FolderStore, openFolderStore, unprovedFolderStore } from "../handlers/uploads/folder-store.ts";
import type { UploadStore } from "../handlers/uploads/store.ts";
import { type ServerSettings, serverTable } from "../settings/server-settings.ts";
import { MissingRootError, messageOf, StartError } from "../settings/start-error.ts";

interface Folders {
  /** Folder that is served, without the uploads. */
  readonly root: DocumentRoot;
  /** Null: the server takes no uploads. */
  readonly uploads: UploadStore | null;
  /** False without uploads, and if their folder could not be used now. */
  readonly takesUploads: boolean;
  /** Real path of the stub folder, or null. Neither root nor uploads show it. */
  readonly stubs: string | null;
  /** Real path of the folder of recorded answers, or null. Neither root nor uploads show it. */
  readonly record: string | null;
}

/**
 * Opens the served folder and the folder of uploads; `store` takes its place if uploads go to an object store. `hasEndpoints`: the server answers below its reserved name, so neither
 * folder may lie there. `warn` takes a line for the operator. Throws a StartError, in one line for the operator.
 */
export function openFolders(
  settings: ServerSettings,
  hasEndpoints: boolean,
  store: UploadStore | null,
  now: () => number,
  warn: (line: string) => void,
): Folders {
  const whole = openRoot(settings.root);
  if (hasEndpoints) refuseReservedName(whole, store === null ? settings.uploads : "");
  const stubs = settings.stubs === "" ? null : usable(openDocumentRoot(settings.stubs, "--stubs")).realPath;
  const record = settings.record === "" ? null : openRecord(settings.record);
  const own: OwnFolder[] = [];
  if (stubs !== null) own.push({ flag: "--stubs", folder: settings.stubs, realPath: stubs });
  if (record !== null) own.push({ flag: "--record", folder: settings.record, realPath: record });
  if (settings.uploads === "" || store !== null) {
    return { root: withoutOwn(whole, own), uploads: store, takesUploads: store !== null, stubs, record };
  }
  const { uploads, takesUploads } = openUploads(settings.uploads, now, warn);
  own.push({ flag: "--uploads", folder: settings.uploads, realPath: uploads.root.realPath });
  // Uploads are read back by --serve-uploads alone, even if their folder lies in the served one.
  return { root: withoutOwn(whole, own), uploads, takesUploads, stubs, record };
}

/** A folder of the server's own, which is never served. */
interface OwnFolder {
  readonly flag: string;
  /** The folder as the operator wrote it. */
  readonly folder: string;
  readonly realPath: string;
}

/** Returns the root without these folders. Refuses two of them that overlap, and one around the root. */
function withoutOwn(root: DocumentRoot, own: readonly OwnFolder[]): DocumentRoot {
  for (const [index, one] of own.entries()) {
    refuseAround(root, one.realPath, one.flag, one.folder);
    for (const other of own.slice(0, index)) {
      if (!isWithin(one.realPath, other.realPath) && !isWithin(other.realPath, one.realPath)) continue;
      throw new StartError(
        `${one.flag} ${one.folder} and ${other.flag} ${other.folder} overlap; choose two folders side by side`,
      );
    }
  }
  return own.reduce((left, { realPath }) => left.without(realPath), root);
}

/** Opens the folder of recorded answers, and makes it if it is missing. Returns its real path. */
function openRecord(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new StartError(`--record ${folder} cannot be made: ${messageOf(error)}`);
  }
  return usable(openDocumentRoot(folder, "--record")).realPath;
}

/** Refuses a folder of the server's own that is the served one, or contains it: then nothing would be served. */
function refuseAround(root: DocumentRoot, realPath: string, flag: string, folder: string): void {
  if (realPath === root.realPath) {
    throw new StartError(`${flag} ${folder} is the served folder itself; choose another folder`);
  }
  if (isWithin(root.realPath, realPath)) {
    throw new StartError(`${flag} ${folder} contains the served folder; choose another folder`);
  }
}

/** Returns true for `folder` itself and everything inside. */
function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(`${folder}/`);
}

/** Opens the folder of uploads. If the operator has not named it, a server that only reads works without it: one warning. */
function openUploads(
  folder: string,
  now: () => number,
  warn: (line: string) => void,
): { uploads: FolderStore; takesUploads: boolean } {
  const isDefault = folder === serverTable.uploads.default;
  const options = { folder, flag: "--uploads", isDefault, now };
  const opened = openFolderStore(options);
  if (!(opened instanceof FolderError)) return { uploads: opened, takesUploads: true };
  if (!isDefault) throw new StartError(opened.message);
  warn(`${opened.message}, or take none with --no-uploads; uploads get 500`);
  return { uploads: unprovedFolderStore(options), takesUploads: false };
}

function openRoot(folder: string): DocumentRoot {
  const root = openDocumentRoot(folder, "--root");
  if (root instanceof FolderError && root.isMissing) {
    throw new MissingRootError(folder, "create it or choose another with --root <folder>");
  }
  return usable(root);
}

/** Refuses a file or an uploads folder at the reserved name: the server's endpoints would hide it. */
function refuseReservedName(root: DocumentRoot, uploads: string): void {
  const path = join(root.realPath, RESERVED_NAME);
  const advice = `would be hidden by the server's own /${RESERVED_NAME}/`;
  if (uploads !== "" && `${resolve(uploads)}/`.startsWith(`${path}/`)) {
    throw new StartError(`--uploads ${uploads} ${advice}; choose another folder`);
  }
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  } catch (error) {
    throw new StartError(`--root ${root.realPath}: ${messageOf(error)}`);
  }
  throw new StartError(`${path} ${advice}; rename it, or leave out --status and --fixture`);
}

function usable<Folder extends object>(folder: Folder | FolderError): Folder {
  if (folder instanceof FolderError) throw new StartError(folder.message);
  return folder;
}
