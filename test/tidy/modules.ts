/** Source files as the rules of this folder read them: paths, imports, code without comments, comments without code. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

const TOP = join(import.meta.dir, "..", "..");

/** One source file. */
export interface Module {
  /** Path from the top of the project, with "/". */
  readonly path: string;
  readonly text: string;
}

export function wordFaults(
  modules: readonly Module[],
  words: RegExp,
  applies: (path: string) => boolean,
  keepStrings = false,
): string[] {
  const faults: string[] = [];
  for (const module of modules) {
    if (!applies(module.path)) continue;
    const found = words.exec(keepStrings ? blank(module.text, isComment) : codeOf(module));
    if (found !== null) faults.push(`${module.path}: ${found[0]}`);
  }
  return faults;
}

export function importFaults(modules: readonly Module[], forbidden: (specifier: string) => boolean): string[] {
  return modules.flatMap((module) =>
    importsOf(module)
      .filter(forbidden)
      .map((specifier) => `${module.path}: imports ${specifier}`),
  );
}

export function isRelative(specifier: string): boolean {
  return specifier.startsWith(".") || specifier.startsWith("/");
}

export function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return "node";
  if (/^(?:bun$|bun:)/.test(specifier)) return "bun";
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

export function resolveImport(module: Module, specifier: string): string {
  return posix.join(posix.dirname(module.path), specifier);
}

/** Returns the files that a module imports. */
export function targetsOf(module: Module): string[] {
  return (
    importsOf(module)
      .filter(isRelative)
      .map((specifier) => resolveImport(module, specifier))
      // A page that is part of the program is no module.
      .filter((path) => path !== "package.json" && !path.endsWith(".html"))
  );
}

/** Returns every specifier of an import, re-export or dynamic import. Bun.Transpiler.scanImports leaves type imports out. */
export function importsOf(module: Module): string[] {
  const code = blank(module.text, isComment);
  // A statement's keyword stands at the start of a line; inside a string it does not count.
  const statement = /^[ \t]*(?:import|export)\s+(?:type\s+(?!from\b))?(?:[^"'();=]*?\bfrom\s*)?["']([^"'\n]+)["']/gm;
  const call = /\bimport\s*\(\s*["']([^"'\n]+)["']/g;
  return [
    ...Array.from(code.matchAll(statement), (found) => found[1] ?? ""),
    ...Array.from(code.matchAll(call), (found) => found[1] ?? ""),
  ];
}

/** Returns the code that runs: without types and comments, and with empty texts. */
function codeOf(module: Module): string {
  const script = new Bun.Transpiler({ loader: "ts", target: "bun" }).transformSync(module.text);
  return blank(script, () => true);
}

const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|(?<=[(,=:[!&|?{};]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;

export function isComment(token: string): boolean {
  return token.startsWith("//") || token.startsWith("/*");
}

/** Empties the comments, strings and regular expressions that `chosen` names; of a template the expressions stay. */
export function blank(text: string, chosen: (token: string) => boolean): string {
  return text.replace(TOKEN, (token) => {
    if (!chosen(token)) return token;
    return token.startsWith("`") ? (token.match(/\$\{[^}]*\}/g) ?? []).join(" ") : " ";
  });
}

export function readText(path: string): string {
  return readFileSync(join(TOP, path), "utf8");
}

/** Every file below `folder`, without what is installed, built, uploaded or Git's. */
export function readTree(folder: string): Module[] {
  const skipped = new Set(
    [".git", "dist", "uploads", "httpserver", "httpserver.exe"].map((name) => posix.join(".", name)),
  );
  const modules: Module[] = [];
  for (const entry of readdirSync(join(TOP, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== "node_modules" && !skipped.has(path)) modules.push(...readTree(path));
    if (entry.isFile() && !skipped.has(path)) modules.push({ path, text: readText(path) });
  }
  return modules;
}

/** Returns the texts of all comments, without their marks; lines of `//` that follow each other are one comment. */
export function commentsOf(module: Module): string[] {
  const comments: string[] = [];
  let lastEnd = -1;
  for (const { 0: token, index } of module.text.matchAll(TOKEN)) {
    if (!isComment(token)) continue;
    const isDoc = token.startsWith("/*");
    const text = isDoc ? token.replace(/^\/\*+|\*\/$/g, "").replace(/^ *\*/gm, "") : token.slice(2);
    const words = text.replace(/\s+/g, " ").trim();
    const follows = !isDoc && lastEnd >= 0 && /^\n *$/.test(module.text.slice(lastEnd, index));
    if (follows) comments.push(`${comments.pop()} ${words}`);
    else comments.push(words);
    lastEnd = isDoc ? -1 : index + token.length;
  }
  return comments;
}
