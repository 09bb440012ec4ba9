/** Files that come with the program: documents, licences, the manual page, and the completions of shells. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { completions } from "../../../src/cli/completions.ts";
import { type PackedFile, textFile } from "../formats/tar.ts";
import { renderMan } from "../man.ts";
import { bundledPackages, thirdPartyNotices } from "./bundled.ts";

const TOP = join(import.meta.dir, "..", "..", "..");

/** Documents from the top of the project. */
const TOP_DOCUMENTS = ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md"];

/** Returns the documents with their paths from the top of the project, and the licences of bundled works. */
export function documents(): readonly PackedFile[] {
  return [
    ...TOP_DOCUMENTS.map(fromTop),
    textFile("THIRD-PARTY-LICENSES.txt", thirdPartyNotices(bundledPackages())),
    ...below("docs"),
  ];
}

function below(folder: string): readonly PackedFile[] {
  return readdirSync(join(TOP, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? below(path) : [fromTop(path)];
  });
}

function fromTop(path: string): PackedFile {
  return { path, content: new Uint8Array(readFileSync(join(TOP, path))) };
}

/** Completions by shell, each with the name that its shell looks for. */
const COMPLETION_NAMES: Readonly<Record<string, string>> = {
  bash: "httpserver.bash",
  zsh: "_httpserver",
  fish: "httpserver.fish",
  powershell: "httpserver.ps1",
};

/** Returns the script of a shell. */
export function completionScript(shell: string): string {
  const answer = completions([shell], COMMANDS);
  if (!("text" in answer)) throw new Error(`there are no completions for ${shell}`);
  return answer.text;
}

/** Returns the files beside the program in an archive. `dateMs` is the date of the version. */
export function companions(dateMs: number): readonly PackedFile[] {
  return [
    ...documents(),
    textFile("man/httpserver.1", renderMan(dateMs)),
    ...Object.entries(COMPLETION_NAMES).map(([shell, name]) =>
      textFile(`completions/${name}`, completionScript(shell)),
    ),
  ];
}
