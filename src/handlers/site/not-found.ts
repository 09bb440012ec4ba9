/**
 * The page of a site for a path without a file: the nearest `404.html`, in the folder of the path or in one above. It is read for each
 * answer, so a change shows at once, and it has no validators: a condition is about the file that is missing.
 */
import { statSync } from "node:fs";
import { Fields } from "../../http/fields.ts";
import { type Response, response } from "../../http/message.ts";
import { MIB } from "../../http/units.ts";
import { contentTypeOf } from "../files/content-type.ts";
import type { DocumentRoot, OpenedFile } from "../files/document-root.ts";
import { readWhole } from "../files/file-body.ts";
import { isHidden } from "../files/files.ts";

const NAME = "404.html";

/** Bytes of the page: it is in memory as a whole. A larger one is not sent. */
const PAGE_BYTES_MAX = MIB;

/** Folders on the way to a path that are searched. A path may have thousands of segments, and each look costs time. */
const FOLDERS_MAX = 32;

/** Returns the response for a missing path, or null if the site has no page for it. `isLast`: the connection ends with it. */
export function notFoundPage(root: DocumentRoot, path: string, isLast: boolean): Response | null {
  using page = nearestPage(root, path);
  if (page === null || page.stats.size > PAGE_BYTES_MAX) return null;
  const content = read(page);
  if (content === null) return null;
  const fields = Fields.of([
    ["Content-Type", contentTypeOf(NAME)],
    ["Content-Length", String(content.length)],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
  ]);
  return response(404, fields, content, "error", isLast);
}

/**
 * Opens the page of the deepest folder that has one. Walks down by names, and stops at the first folder that is missing. Only the root
 * opens a page, and decides whether it lies inside.
 */
function nearestPage(root: DocumentRoot, path: string): OpenedFile | null {
  const names: string[] = [];
  let end = 0;
  for (let folders = 0; folders < FOLDERS_MAX && end >= 0; folders++) {
    const folder = path.slice(0, end);
    if (isHidden({ path: folder, hasDotName: true }) || !exists(root.realPath + folder)) break;
    const name = `${folder}/${NAME}`;
    if (exists(root.realPath + name)) names.unshift(name);
    end = path.indexOf("/", end + 1);
  }
  for (const name of names) {
    const page = root.open(name);
    if (typeof page === "number") continue;
    if (page.stats.isFile()) return page;
    page.close();
  }
  return null;
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A file is where a folder should be, or a name is too long.
    return false;
  }
}

function read(page: OpenedFile): Uint8Array | null {
  try {
    const content = readWhole(page);
    return content.length === page.stats.size ? content : null;
  } catch {
    // The disk fails. The caller has its own page, which needs no disk.
    return null;
  }
}
