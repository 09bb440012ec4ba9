/**
 * Writes docs/api.md from the types of the library and their comments: `bun tools/scripts/api.ts`. With `--print` the page goes to
 * standard output, and a test compares it with the file.
 *
 * TypeDoc reads the types. It needs the compiler's own interface, which TypeScript 7 does not have, so it gets TypeScript 6. A name
 * without a comment is an error, and so is an exported name that no section of the page takes.
 */
import { join } from "node:path";
import * as typescript from "@typescript/typescript6";
import type { DeclarationReflection, ProjectReflection, Application as TypeDoc } from "typedoc";
import { renderApiPage, undocumented } from "./api/page.ts";

const TOP = join(import.meta.dir, "..", "..");
const PAGE = join(TOP, "docs", "api.md");

if (import.meta.main) {
  const project = await readTypes();
  const names = undocumented(project);
  if (names.length > 0) {
    console.error(`these names have no comment:\n  ${names.join("\n  ")}`);
    process.exit(1);
  }
  const page = renderApiPage((project.children ?? []) as DeclarationReflection[]);
  if (process.argv.includes("--print")) process.stdout.write(page);
  else await Bun.write(PAGE, page);
}

async function readTypes(): Promise<ProjectReflection> {
  Bun.plugin({
    name: "typescript-6",
    setup: ({ module }) => void module("typescript", () => ({ exports: { ...typescript }, loader: "object" })),
  });
  // Loaded only now, so that its import of TypeScript finds the module above.
  const { Application } = (await import("typedoc")) as { Application: typeof TypeDoc };
  const application = await Application.bootstrap({
    entryPoints: [join(TOP, "src", "index.ts")],
    tsconfig: join(import.meta.dir, "api", "tsconfig.json"),
    // `bun run check` checks the types.
    skipErrorChecking: true,
    excludeExternals: true,
    excludeInternal: true,
    excludePrivate: true,
    disableSources: true,
    sort: ["source-order"],
    readme: "none",
    logLevel: "Warn",
    validation: { notExported: true, invalidLink: true, notDocumented: false },
    intentionallyNotExported: ["KINDS"],
  });
  const project = await application.convert();
  if (project === undefined) throw new Error("TypeDoc could not read the types");
  application.validate(project);
  if (application.logger.hasWarnings()) throw new Error("TypeDoc warned");
  return project;
}
