/** The project's documents as the tests read them: prose, code, links, commands. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const TOP = join(import.meta.dir, "..", "..");

/** The project's documents, without the changelog and the decisions, which tell what was true on their day. */
export const documents: readonly string[] = [
  "examples/README.md",
  ...markdownIn(".").filter((name) => name !== "CHANGELOG.md"),
  ...markdownIn("docs"),
];

/** Every page, also those that only tell what was true on their day, and those of single folders. */
export const pages: readonly string[] = [
  ...documents,
  "CHANGELOG.md",
  ...markdownIn("docs/decisions"),
  ...readdirSync(join(TOP, "examples"), { recursive: true })
    .map(String)
    .filter((path) => /\/README\.md$/.test(path) && !path.includes("node_modules"))
    .map((path) => `examples/${path}`),
];

function markdownIn(folder: string): string[] {
  const prefix = folder === "." ? "" : `${folder}/`;
  return readdirSync(join(TOP, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => prefix + name);
}

export function read(path: string): string {
  return readFileSync(join(TOP, path), "utf8");
}

export const FENCE = /^```[^\n]*\n([\s\S]*?)^```$/gm;

/** Removes the blocks of code. */
export function prose(text: string): string {
  return text.replace(FENCE, "");
}

export function codeSpans(text: string): string[] {
  return Array.from(text.matchAll(/`([^`\n]+)`/g), ([, span = ""]) => span);
}

/** Returns the targets of links and pictures in this repository. */
export function linksOf(text: string): string[] {
  const targets = Array.from(
    prose(text).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g),
    ([, a, b]) => a ?? b ?? "",
  );
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

export function leadsSomewhere(path: string, link: string): boolean {
  const [file = "", heading] = link.split("#");
  const target = file === "" ? path : join(dirname(path), file);
  if (!existsSync(join(TOP, target))) return false;
  return heading === undefined || headingsOf(read(target)).includes(heading);
}

/** Returns the anchors that GitHub makes of headings. */
function headingsOf(text: string): string[] {
  return Array.from(prose(text).matchAll(/^#+ (.+)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Returns the commands of the blocks of shell code: joined lines, without comments. */
export function commandsIn(text: string): string[] {
  const blocks = Array.from(text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm));
  return blocks
    .flatMap(([, language = "", block = ""]) => (["", "sh", "console"].includes(language) ? [block] : []))
    .map((block) => block.replaceAll(/\\\n\s*/g, " ").replace(/'[^']*'/g, (quoted) => quoted.replaceAll("\n", " ")))
    .flatMap((block) => block.split("\n"))
    .map((line) => line.replace(/(?:^|\s+)# .*$/, "").trim())
    .filter((line) => line !== "");
}

/** Returns the words of each program in a line of shell code, without variables before it, redirections and `&`. */
export function programsIn(command: string): string[][] {
  const programs: string[][] = [[]];
  for (const [token] of command.matchAll(/(?<!\S)\d?[<>]+(?:&\d)?|(?:'[^']*'|"[^"]*"|[^\s|&;<>'"])+|\|\|?|&&|[;&]/g)) {
    if (/^(?:\|\|?|&&|[;&])$/.test(token)) programs.push([]);
    else programs.at(-1)?.push(token.replace(/'([^']*)'|"([^"]*)"/g, (_, a?: string, b?: string) => a ?? b ?? ""));
  }
  return programs.map(withoutRedirections).filter((words) => words.length > 0);
}

function withoutRedirections(words: readonly string[]): string[] {
  const plain: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (/^\d?[<>]+$/.test(word)) i++;
    else if (!/^\d?[<>]+&\d$/.test(word) && !(plain.length === 0 && /^[A-Z_]+=/.test(word))) plain.push(word);
  }
  return plain;
}

/** Returns the names of the scripts that a text tells Bun to run: `bun run check`. */
export function scriptsIn(text: string): string[] {
  return Array.from(text.matchAll(/\bbun run ([a-z][a-z0-9:-]*)/g), ([, name = ""]) => name);
}
