/**
 * Turns a class that several threads have over shared memory into one that can be stopped between any two accesses to that memory. Each
 * method becomes a generator, and each call that may reach the memory becomes `yield*`; nothing else of the source changes. So the simulator
 * runs the very lines that the server runs, and a seed can order the steps of several threads in every way that a machine can.
 */
import ts from "@typescript/typescript6";

/** A turn of a thread, or a part of one. It pauses before each access to the shared memory. */
export type Steps<Result = void> = Generator<void, Result, void>;

interface StepOptions {
  readonly path: string;
  /** The class that is wanted. */
  readonly name: string;
  /** Variables and properties whose methods reach the memory. A read of their `value` becomes a call of `read`. */
  readonly receivers: readonly string[];
  /** Methods of others that come back. */
  readonly callbacks: readonly string[];
  /** Values that the source imports. Types are gone when it runs. */
  readonly imported: Readonly<Record<string, unknown>>;
}

/** Makes the class. `change` alters the source before, to show that a broken one is found. */
export async function stepClass(options: StepOptions, change: (source: string) => string): Promise<unknown> {
  const source = change(await Bun.file(options.path).text());
  const script = new Bun.Transpiler({ loader: "ts" }).transformSync(stepwise(source, options));
  const names = Object.keys(options.imported);
  return new Function(...names, `${script}\nreturn ${options.name};`)(...Object.values(options.imported));
}

interface Edit {
  readonly at: number;
  readonly text: string;
  readonly removed: number;
}

function stepwise(source: string, options: StepOptions): string {
  const file = ts.createSourceFile(options.path, source, ts.ScriptTarget.ESNext, true);
  const edits: Edit[] = [];
  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement)) {
      edits.push({ at: statement.getStart(), text: "", removed: statement.getWidth() });
    } else if (ts.isClassDeclaration(statement)) editClass(statement, options, edits);
  }
  const sorted = edits.sort((a, b) => b.at - a.at || b.removed - a.removed);
  const text = sorted.reduce((all, { at, text, removed }) => all.slice(0, at) + text + all.slice(at + removed), source);
  return text.replace(/^export class/gm, "class");
}

function editClass(declaration: ts.ClassDeclaration, options: StepOptions, edits: Edit[]): void {
  const methods = declaration.members.filter(ts.isMethodDeclaration);
  const own = new Set(methods.map(({ name }) => name.getText()));
  for (const method of methods) {
    const async = method.modifiers?.find(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword);
    if (async !== undefined) edits.push({ at: async.getStart(), text: "", removed: async.getWidth() });
    edits.push({ at: method.name.getStart(), text: "*", removed: 0 });
    editSteps(method, own, options, edits);
  }
  for (const accessor of declaration.members.filter(ts.isGetAccessorDeclaration)) {
    const start = accessor.getStart();
    for (const { index } of accessor.getText().matchAll(/(?<=words\.)load/g)) {
      edits.push({ at: start + index, text: "peek", removed: "load".length });
    }
  }
}

function editSteps(node: ts.Node, own: ReadonlySet<string>, options: StepOptions, edits: Edit[]): void {
  const { receivers, callbacks } = options;
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { expression: receiver, name } = node.expression;
    const isOwn = receiver.kind === ts.SyntaxKind.ThisKeyword && own.has(name.text);
    if (isOwn || receivers.includes(lastName(receiver)) || callbacks.includes(name.text)) wrap(node, "", edits);
  } else if (ts.isPropertyAccessExpression(node) && node.name.text === "value") {
    if (receivers.includes(lastName(node.expression))) {
      edits.push({ at: node.name.getStart(), text: "read", removed: "value".length });
      wrap(node, "()", edits);
    }
  } else if (ts.isAwaitExpression(node)) {
    edits.push({ at: node.getStart(), text: "", removed: "await".length });
  }
  ts.forEachChild(node, (child) => editSteps(child, own, options, edits));
}

function wrap(node: ts.Node, call: string, edits: Edit[]): void {
  edits.push({ at: node.getStart(), text: "(yield* ", removed: 0 });
  edits.push({ at: node.getEnd(), text: `${call})`, removed: 0 });
}

function lastName(receiver: ts.Expression): string {
  return ts.isPropertyAccessExpression(receiver) ? receiver.name.text : receiver.getText();
}
