/**
 * Turns the pool of several threads into one that can be stopped between any two accesses to the shared memory. Each method becomes a
 * generator, and each call that may reach the memory becomes `yield*`; nothing else of the source changes. So the simulator runs the
 * very lines that the server runs, and a seed can order the steps of several threads in every way that a machine can.
 */
import ts from "@typescript/typescript6";
import { PATIENCE_MS, QUEUED, REFUSED } from "../../../src/exchange/pool.ts";
import { type Layout, OfThread, Place, type SharedSizes } from "../../../src/exchange/shared-layout.ts";

/** A turn of a thread, or a part of one. It pauses before each access to the shared memory. */
export type Steps<Result = void> = Generator<void, Result, void>;

/** `Words`, step by step. */
export interface StepWords {
  load(at: number): Steps<number>;
  store(at: number, value: number): Steps;
  add(at: number, amount: number): Steps<number>;
  exchange(at: number, value: number): Steps<number>;
  compareExchange(at: number, expected: number, value: number): Steps<number>;
  /** Reads without a step, for accessors. */
  peek(at: number): number;
}

export interface StepWaiter {
  granted(slot: number): Steps;
}

export interface StepSender {
  lend(): Steps;
  evict(): Steps;
}

/** `SharedPool`, step by step. */
export interface StepPool {
  readonly active: number;
  readonly free: number;
  readonly queued: number;
  acquire(waiter: StepWaiter): Steps<number>;
  take(count: number): Steps<number[] | null>;
  stalled(sender: StepSender, nowMs: number): Steps;
  moving(sender: StepSender): Steps;
  finished(sender: StepSender): Steps;
  relieve(nowMs: number): Steps;
  release(slot: number): Steps;
  cancel(waiter: StepWaiter): Steps<boolean>;
  woken(): Steps;
}

export interface StepPoolOptions {
  readonly sizes: SharedSizes;
  readonly words: StepWords;
  readonly layout: Layout;
  readonly thread: number;
  readonly loop: { wake(thread: number): Steps; relieve(): Steps };
}

export type StepPoolClass = new (options: StepPoolOptions) => StepPool;

/** Objects whose methods reach the memory, and methods of others that call back into the pool. */
const RECEIVERS = new Set(["words", "#words", "#loop"]);
const CALLBACKS = new Set(["granted", "lend", "evict"]);

const PATH = "src/exchange/shared-pool.ts";

/** Values that the source imports. Types are gone when it runs. */
const IMPORTED = { QUEUED, REFUSED, PATIENCE_MS, OfThread, Place };

/** Makes the class. `change` alters the source before, to show that a broken pool is found. */
export async function stepPool(change: (source: string) => string = (source) => source): Promise<StepPoolClass> {
  const source = change(await Bun.file(PATH).text());
  const script = new Bun.Transpiler({ loader: "ts" }).transformSync(stepwise(source));
  const names = Object.keys(IMPORTED);
  return new Function(...names, `${script}\nreturn SharedPool;`)(...Object.values(IMPORTED)) as StepPoolClass;
}

interface Edit {
  readonly at: number;
  readonly text: string;
  readonly removed: number;
}

function stepwise(source: string): string {
  const file = ts.createSourceFile(PATH, source, ts.ScriptTarget.ESNext, true);
  const edits: Edit[] = [];
  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement)) {
      edits.push({ at: statement.getStart(), text: "", removed: statement.getWidth() });
    } else if (ts.isClassDeclaration(statement)) editClass(statement, edits);
  }
  const sorted = edits.sort((a, b) => b.at - a.at || b.removed - a.removed);
  const text = sorted.reduce((all, { at, text, removed }) => all.slice(0, at) + text + all.slice(at + removed), source);
  return text.replace(/^export class/m, "class");
}

function editClass(declaration: ts.ClassDeclaration, edits: Edit[]): void {
  const methods = declaration.members.filter(ts.isMethodDeclaration);
  const own = new Set(methods.map(({ name }) => name.getText()));
  for (const method of methods) {
    edits.push({ at: method.name.getStart(), text: "*", removed: 0 });
    editCalls(method, own, edits);
  }
  for (const accessor of declaration.members.filter(ts.isGetAccessorDeclaration)) {
    const start = accessor.getStart();
    for (const { index } of accessor.getText().matchAll(/(?<=words\.)load/g)) {
      edits.push({ at: start + index, text: "peek", removed: "load".length });
    }
  }
}

function editCalls(node: ts.Node, own: ReadonlySet<string>, edits: Edit[]): void {
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { expression: receiver, name } = node.expression;
    const isOwn = receiver.kind === ts.SyntaxKind.ThisKeyword && own.has(name.text);
    const receiverName = ts.isPropertyAccessExpression(receiver) ? receiver.name.text : receiver.getText();
    if (isOwn || RECEIVERS.has(receiverName) || CALLBACKS.has(name.text)) {
      edits.push({ at: node.getStart(), text: "(yield* ", removed: 0 });
      edits.push({ at: node.getEnd(), text: ")", removed: 0 });
    }
  }
  ts.forEachChild(node, (child) => editCalls(child, own, edits));
}
