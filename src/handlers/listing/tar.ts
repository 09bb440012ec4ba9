/**
 * Answers `GET /dir/?tar`: the folder and everything in it that listings show, as one archive. Loaded with the first such request.
 *
 * Strategy: the walk (tar-walk.ts) goes ahead of the response for some thousand entries. If it ends there, the length of the archive is
 * known, and announced. Otherwise the walk continues while the archive is sent (tar-source.ts). Either way each folder is read once.
 *
 * The rule it guards: an archive costs one client's work at a time, whatever many ask for. The next one gets 503 until the first is sent
 * or its client has left. Pages of other sites cannot begin one (Fetch Metadata).
 */
import { escapeControls } from "../../http/escape.ts";
import { Field } from "../../http/field.ts";
import { type FieldLines, Fields, RETRY_SOON } from "../../http/fields.ts";
import { type Request, type Response, response } from "../../http/message.ts";
import { END_BYTES, tarBytes } from "../../http/tar.ts";
import { limits } from "../../settings/limits.ts";
import { type ErrorPages, wantsJson } from "../error-page.ts";
import type { DocumentRoot, OpenedFile, OpenFailure } from "../files/document-root.ts";
import { attachment } from "../files/presentation.ts";
import type { ArchiveTurn } from "./archive-turn.ts";
import type { FolderReader } from "./folder.ts";
import { TarSource } from "./tar-source.ts";
import { FolderWalk, type Found } from "./tar-walk.ts";

interface ArchivesOptions {
  readonly root: DocumentRoot;
  readonly reader: FolderReader;
  readonly pages: ErrorPages;
  /** Name of the site's root folder. */
  readonly rootName: string;
  readonly archiveTurn: ArchiveTurn;
  /** Takes a line for the operator. */
  readonly log: (line: string) => void;
}

/** Packs the folders of one root. */
export class Archives {
  readonly #options: ArchivesOptions;

  constructor(options: ArchivesOptions) {
    this.#options = options;
  }

  /**
   * Answers GET and HEAD with an archive of `folder`, whose path below the root is `path`, with "/" at its end. The caller closes
   * `folder`. `isShown` decides by the name of a file. Returns the failure when the disk fails before the response; never rejects.
   */
  async respond(
    request: Request,
    path: string,
    folder: OpenedFile,
    isShown: (fileName: string) => boolean,
  ): Promise<Response | OpenFailure> {
    const { pages, archiveTurn, root, reader } = this.#options;
    const isJson = wantsJson(request);
    if (request.head.value(Field.SecFetchSite) === "cross-site") {
      return pages.answer(403, "A page of another site cannot ask for an archive; open the folder itself.", isJson);
    }
    if (!archiveTurn.take()) {
      return pages.answer(503, "Another archive is being sent; try again when it is complete.", isJson, {
        fields: RETRY_SOON,
      });
    }
    let isSent = false;
    try {
      const walk = new FolderWalk({ root, reader, isShown });
      const ahead = await this.#goAhead(walk, path, folder);
      if (typeof ahead === "number") return ahead;
      const answer = this.#answer(request, path, ahead, walk);
      isSent = true;
      return answer;
    } finally {
      if (!isSent) archiveTurn.giveBack();
    }
  }

  /** Returns the first entries, and whether they are all. */
  async #goAhead(walk: FolderWalk, path: string, folder: OpenedFile): Promise<Ahead | OpenFailure> {
    const found: Found[] = [{ path, size: 0, modifiedMs: folder.stats.mtimeMs }];
    const begun = await walk.begin(path, folder);
    if (begun !== null) return begun;
    while (found.length < limits.archiveKnownEntriesMax) {
      const next = await walk.next();
      if (typeof next === "number") return next;
      if (next === null) return { found, isAll: true };
      found.push(...next);
    }
    return { found, isAll: false };
  }

  #answer(request: Request, path: string, { found, isAll }: Ahead, walk: FolderWalk): Response {
    const { root, rootName, archiveTurn, log } = this.#options;
    const shownPath = request.target.path;
    const name = shownPath.split("/").findLast((segment) => segment !== "") ?? (rootName === "" ? "root" : rootName);
    const pathOf = (below: string) => `${name}/${below.slice(path.length)}`;
    const length = isAll ? lengthOf(found, pathOf) : null;
    const fields: FieldLines = [
      ["Content-Disposition", attachment(`${name}.tar`)],
      ["Cache-Control", "no-store"],
      ["Accept-Ranges", "none"],
      ["X-Content-Type-Options", "nosniff"],
      ["Content-Type", "application/x-tar"],
      ...(length === null ? [] : [["Content-Length", String(length)] as const]),
    ];
    const source = new TarSource({
      root,
      found,
      walk: isAll ? null : walk,
      length,
      pathOf,
      failed: (reason) => log(`the archive of ${escapeControls(shownPath)} was cut: ${escapeControls(reason)}`),
      closed: () => archiveTurn.giveBack(),
    });
    return response(200, Fields.of(fields), source, "tar");
  }
}

/** Entries that were found before the response. */
interface Ahead {
  readonly found: readonly Found[];
  /** True: there are no others. */
  readonly isAll: boolean;
}

function lengthOf(found: readonly Found[], pathOf: (path: string) => string): number {
  const bytes = found.map((entry) => tarBytes({ ...entry, path: pathOf(entry.path), isExecutable: false }));
  return bytes.reduce((sum, size) => sum + size, END_BYTES);
}
