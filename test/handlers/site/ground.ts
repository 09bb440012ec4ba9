/** A site with rules, without a socket. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { HandlerOptions } from "../../../src/handlers/compose.ts";
import { openDocumentRoot } from "../../../src/handlers/files/document-root.ts";
import { Site as Rules } from "../../../src/handlers/site/site.ts";
import { ask, makeSite, type Site, usable } from "../../support/site.ts";

interface RuledSite extends Site {
  /** Lines for the operator. */
  readonly warnings: string[];
}

/** Returns a site whose root has `files`, rules included. Throws the StartError of a mistake in them. */
export function makeRuled(
  files: Readonly<Record<string, string>>,
  settings: Partial<HandlerOptions["settings"]> = {},
  further: Partial<HandlerOptions> = {},
): RuledSite {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "site-")));
  writeFiles(folder, files);
  try {
    return openRuled(folder, settings, further);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

/** Returns a site whose root is `folder`, which is removed at the end of the scope. */
export function openRuled(
  folder: string,
  settings: Partial<HandlerOptions["settings"]> = {},
  further: Partial<HandlerOptions> = {},
): RuledSite {
  const warnings: string[] = [];
  const root = usable(openDocumentRoot(folder, "--root"));
  const warn = (line: string) => warnings.push(line);
  const site = new Rules({ root, shown: "dist/", index: settings.index ?? "index.html", warn });
  const made = makeSite({ inline: true, ...settings }, { root, site, ...further });
  return {
    ...made,
    root: folder,
    warnings,
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true });
      made[Symbol.dispose]();
    },
  };
}

/** Returns `STATUS LOCATION` of a redirect, `STATUS ALLOW` of a refused method, and `STATUS CONTENT` of every other answer. */
export async function outcome(site: Site, line: string, fields: Record<string, string> = {}): Promise<string> {
  const answer = await ask(site, line, fields);
  const isPage = answer.response.kind === "error";
  return `${answer.status} ${answer.fields["location"] ?? answer.fields["allow"] ?? (isPage ? "" : answer.text)}`.trim();
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
