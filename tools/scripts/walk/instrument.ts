/** Puts a counter's call at the entry of every function, method, accessor, constructor and arrow of a source tree. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";

/** A function of the tree; its place in the list is its number. */
export interface Instrumented {
  /** Path below the tree, with "/". */
  readonly file: string;
  /** `HotFiles.get`, `parseTarget`, or `→ in composeHandler` for an arrow without a name. */
  readonly name: string;
  readonly line: number;
  /** Says yes or no to one byte: called for each byte of a line, it would hide the walk. */
  readonly isByteHelper: boolean;
}

/** Called with a function's number at its entry. */
export const COUNTER = "__walked";

const KINDS: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
]);

/** What the syntax tree's classes have in common, as far as it is looked at here. */
interface FunctionNode extends Node {
  readonly body?: Node;
  readonly name?: Node & { readonly text?: string };
  readonly type?: Node;
  readonly parameters: readonly (Node & { readonly name: Node & { readonly text?: string } })[];
}

/** What a parameter is called that holds one byte, or one code unit. */
const BYTE_NAMES: ReadonlySet<string> = new Set(["byte", "code"]);

interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** Rewrites every file below `tree`/src; `tree` has a tsconfig.json. Returns the functions by their numbers. */
export async function instrument(tree: string): Promise<readonly Instrumented[]> {
  const functions: Instrumented[] = [];
  const api = new API({ cwd: tree });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [join(tree, "tsconfig.json")] });
    const project = snapshot.getProjects()[0];
    if (project === undefined) throw new Error(`${tree} has no project`);
    const paths = readdirSync(join(tree, "src"), { recursive: true, encoding: "utf8" });
    for (const path of paths.filter((name) => name.endsWith(".ts")).sort()) {
      const file = `src/${path}`;
      const source = await project.program.getSourceFile(join(tree, file));
      if (source === undefined) throw new Error(`${file} is in no project`);
      const text = readFileSync(join(tree, file), "utf8");
      const insertions: Insertion[] = [];
      visit(source, source, [], file, text, functions, insertions);
      writeFileSync(join(tree, file), inserted(text, insertions));
    }
  } finally {
    await api.close();
  }
  return functions;
}

function visit(
  node: Node,
  source: SourceFile,
  trail: readonly string[],
  file: string,
  text: string,
  functions: Instrumented[],
  insertions: Insertion[],
): void {
  let inner = trail;
  if (node.kind === SyntaxKind.ClassDeclaration) inner = [nameOf(node) ?? "class"];
  const { body, parameters, type } = node as FunctionNode;
  if (KINDS.has(node.kind) && body !== undefined) {
    const own = ownName(node as FunctionNode);
    const name = own === null ? `→ in ${trail.join(".") || "the module"}` : [...trail.slice(0, 1), own].join(".");
    inner = [name];
    const at = body.getStart(source);
    const call = `${COUNTER}(${functions.length})`;
    const line = text.slice(0, at).split("\n").length;
    const isByteHelper = BYTE_NAMES.has(parameters[0]?.name.text ?? "") && type?.kind === SyntaxKind.BooleanKeyword;
    functions.push({ file, name, line, isByteHelper });
    if (body.kind === SyntaxKind.Block) {
      if (text[at] !== "{") throw new Error(`${file}:${line}: a body that does not begin with a brace`);
      insertions.push({ at: at + 1, text: ` ${call};` });
    } else insertions.push({ at, text: `(${call}, ` }, { at: body.getEnd(), text: ")" });
  }
  node.forEachChild((child) => visit(child, source, inner, file, text, functions, insertions));
}

/** The name that it is declared with, or that it is given where it is made; null for none. */
function ownName(node: FunctionNode): string | null {
  if (node.kind === SyntaxKind.Constructor) return "constructor";
  const prefix = { [SyntaxKind.GetAccessor]: "get ", [SyntaxKind.SetAccessor]: "set " }[node.kind as number] ?? "";
  const name = nameOf(node) ?? (isNaming(node.parent) ? nameOf(node.parent) : null);
  return name === null ? null : `${prefix}${name}`;
}

function isNaming({ kind }: Node): boolean {
  return (
    kind === SyntaxKind.VariableDeclaration ||
    kind === SyntaxKind.PropertyAssignment ||
    kind === SyntaxKind.PropertyDeclaration
  );
}

function nameOf(node: Node): string | null {
  return (node as FunctionNode).name?.text ?? null;
}

/** Later places first, so that earlier ones stay where they are. At one place, the one that was found first comes first. */
function inserted(text: string, insertions: readonly Insertion[]): string {
  const ordered = insertions.map((one, index) => ({ ...one, index })).sort((a, b) => b.at - a.at || b.index - a.index);
  let result = text;
  for (const { at, text: what } of ordered) result = result.slice(0, at) + what + result.slice(at);
  return result;
}
