/**
 * Lists all small changes of a source file that a test has to notice: a bound that moves by one, a condition that is always true, a
 * statement that is gone. Types, imports, sentences for people and assertions of our own mistakes are left alone.
 */
import ts from "@typescript/typescript6";

/** One change of one file. */
export interface Mutant {
  /** Path below `src/`. */
  readonly file: string;
  /** Line of the change, from 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** The changed line before and after, without the space around it. */
  readonly before: string;
  readonly after: string;
  /** Number of the innermost block around the change; -1: none, so it runs when the module is loaded. */
  readonly block: number;
}

interface Sites {
  readonly mutants: readonly Mutant[];
  /** Positions at which a statement can note that a block is reached; the index is the number of the block. */
  readonly blocks: readonly number[];
}

/** Most mutants of one table of constants: its rows are alike, and they would crowd out the code. */
const TABLE_MUTANTS_MAX = 24;

/** Two words of lower case in a row make a sentence for people. */
const SENTENCE = /[a-z,;] [a-z]/;

const OPERATORS: ReadonlyMap<ts.SyntaxKind, string> = new Map([
  [ts.SyntaxKind.LessThanToken, "<="],
  [ts.SyntaxKind.LessThanEqualsToken, "<"],
  [ts.SyntaxKind.GreaterThanToken, ">="],
  [ts.SyntaxKind.GreaterThanEqualsToken, ">"],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, "!=="],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, "==="],
  [ts.SyntaxKind.AmpersandAmpersandToken, "||"],
  [ts.SyntaxKind.BarBarToken, "&&"],
  [ts.SyntaxKind.PlusToken, "-"],
  [ts.SyntaxKind.MinusToken, "+"],
  [ts.SyntaxKind.AsteriskToken, "/"],
  [ts.SyntaxKind.SlashToken, "*"],
  [ts.SyntaxKind.PercentToken, "*"],
  [ts.SyntaxKind.AmpersandToken, "|"],
  [ts.SyntaxKind.BarToken, "&"],
  [ts.SyntaxKind.CaretToken, "|"],
  [ts.SyntaxKind.LessThanLessThanToken, ">>"],
  [ts.SyntaxKind.GreaterThanGreaterThanToken, "<<"],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken, "<<"],
  [ts.SyntaxKind.PlusEqualsToken, "-="],
  [ts.SyntaxKind.MinusEqualsToken, "+="],
  [ts.SyntaxKind.BarEqualsToken, "&="],
  [ts.SyntaxKind.AmpersandEqualsToken, "|="],
  [ts.SyntaxKind.LessThanLessThanEqualsToken, ">>="],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanEqualsToken, "<<="],
  [ts.SyntaxKind.QuestionQuestionEqualsToken, "="],
]);

const METHODS: ReadonlyMap<string, string> = new Map([
  ["min", "max"],
  ["max", "min"],
  ["some", "every"],
  ["every", "some"],
  ["startsWith", "endsWith"],
  ["endsWith", "startsWith"],
]);

/** Lists the mutants of one file, in the order of the text. */
export function sitesOf(file: string, text: string): Sites {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
  const search = new Search(file, text, tree);
  search.visit(tree);
  return search;
}

/** Returns the text with one change. */
export function mutate(
  text: string,
  { start, end, replacement }: Pick<Mutant, "start" | "end" | "replacement">,
): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

class Search implements Sites {
  readonly blocks: number[] = [];
  mutants: Mutant[] = [];
  readonly #tree: ts.SourceFile;
  #block = -1;

  constructor(
    readonly file: string,
    readonly text: string,
    tree: ts.SourceFile,
  ) {
    this.#tree = tree;
  }

  visit(node: ts.Node): void {
    if (isSilent(node)) return;
    const outside = this.#block;
    this.#enter(node);
    const found = this.mutants.length;
    this.#change(node);
    ts.forEachChild(node, (child) => this.visit(child));
    if (isTable(node)) this.#thin(found);
    this.#block = outside;
  }

  #enter(node: ts.Node): void {
    const isBlock = ts.isBlock(node) || (ts.isCaseOrDefaultClause(node) && node.statements.length > 0);
    if (isBlock) this.#block = this.blocks.push(node.statements.pos) - 1;
  }

  /** Keeps some mutants of a long table, evenly spread. */
  #thin(found: number): void {
    const rows = this.mutants.slice(found);
    const step = rows.length / TABLE_MUTANTS_MAX;
    if (step > 1) this.mutants = [...this.mutants.slice(0, found), ...rows.filter((_, at) => at % step < 1)];
  }

  #change(node: ts.Node): void {
    if (ts.isBinaryExpression(node)) this.#changeBinary(node);
    else if (ts.isPrefixUnaryExpression(node)) this.#changePrefix(node);
    else if (ts.isPostfixUnaryExpression(node)) {
      this.#add(node.operand.end, node.end, node.operator === ts.SyntaxKind.PlusPlusToken ? "--" : "++");
    } else if (ts.isIfStatement(node)) this.#changeIf(node);
    else if (ts.isWhileStatement(node)) this.#replace(node.expression, "false");
    else if (ts.isConditionalExpression(node)) this.#negate(node.condition);
    else if (ts.isPropertyAccessExpression(node) && ts.isCallExpression(node.parent)) {
      const other = METHODS.get(node.name.text);
      if (other !== undefined) this.#replace(node.name, other);
    } else if (isRemovable(node)) this.#replace(node, ";");
    else this.#changeLiteral(node);
  }

  #changeBinary(node: ts.BinaryExpression): void {
    const { left, operatorToken, right } = node;
    if (operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      if (!isForCompiler(node)) this.#replace(node, left.getText());
      return;
    }
    if (operatorToken.kind === ts.SyntaxKind.PlusToken && (isText(left) || isText(right))) return;
    const other = OPERATORS.get(operatorToken.kind);
    if (other !== undefined) this.#replace(operatorToken, other);
  }

  #changePrefix(node: ts.PrefixUnaryExpression): void {
    const { operator, operand } = node;
    if (operator === ts.SyntaxKind.PlusPlusToken) this.#add(node.getStart(), operand.getStart(), "--");
    else if (operator === ts.SyntaxKind.MinusMinusToken) this.#add(node.getStart(), operand.getStart(), "++");
    else this.#replace(node, operand.getText());
  }

  /** A branch is always taken; one that one removed statement does not replace is never taken; the other branch is gone. */
  #changeIf(node: ts.IfStatement): void {
    this.#replace(node.expression, "true");
    if (ts.isBlock(node.thenStatement) && node.thenStatement.statements.length > 1)
      this.#replace(node.expression, "false");
    if (node.elseStatement !== undefined && !ts.isIfStatement(node.elseStatement))
      this.#replace(node.elseStatement, "{}");
  }

  /** Equality and `!` have their own mutants. */
  #negate(condition: ts.Expression): void {
    const isEquality = ts.isBinaryExpression(condition) && /^[!=]==$/.test(condition.operatorToken.getText());
    if (!isEquality && !ts.isPrefixUnaryExpression(condition)) this.#replace(condition, `!(${condition.getText()})`);
  }

  #changeLiteral(node: ts.Node): void {
    if (node.kind === ts.SyntaxKind.TrueKeyword) this.#replace(node, "false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) this.#replace(node, "true");
    else if (ts.isNumericLiteral(node)) {
      // Any number below zero stands for "none"; its sign has a mutant.
      if (isNegative(node)) return;
      const value = Number(node.text.replaceAll("_", ""));
      this.#replace(node, `${value + 1}`);
      if (value > 0) this.#replace(node, `${value - 1}`);
    } else if (ts.isBigIntLiteral(node)) {
      this.#replace(node, `${BigInt(node.text.slice(0, -1).replaceAll("_", "")) + 1n}n`);
    } else if (ts.isStringLiteral(node) && !SENTENCE.test(node.text)) {
      this.#replace(node, node.text === "" ? `"x"` : `""`);
    }
  }

  #replace(node: ts.Node, replacement: string): void {
    this.#add(node.getStart(), node.end, replacement);
  }

  #add(start: number, end: number, replacement: string): void {
    const lineStart = this.text.lastIndexOf("\n", start - 1) + 1;
    const head = this.text.slice(lineStart, start);
    this.mutants.push({
      file: this.file,
      line: this.#tree.getLineAndCharacterOfPosition(start).line + 1,
      start,
      end,
      replacement,
      before: firstLine(head + this.text.slice(start, this.#lineEnd(start))),
      after: firstLine(head + replacement + this.text.slice(end, this.#lineEnd(end))),
      block: this.#block,
    });
  }

  #lineEnd(at: number): number {
    const end = this.text.indexOf("\n", at);
    return end === -1 ? this.text.length : end;
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.trim() ?? "";
}

/** Returns true if no test has to notice a change in this node. */
function isSilent(node: ts.Node): boolean {
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return true;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return true;
  if (ts.isEnumMember(node) && !isOnWire(node)) return true;
  return (
    isAssertion(node) || (ts.isIfStatement(node) && node.elseStatement === undefined && isAssertion(node.thenStatement))
  );
}

/** Returns true for a member whose number is written in hexadecimal: a peer sees it. Others are names, and any number does. */
function isOnWire({ initializer }: ts.EnumMember): boolean {
  return initializer?.getText().startsWith("0x") === true;
}

function isNegative({ parent }: ts.Node): boolean {
  return ts.isPrefixUnaryExpression(parent) && parent.operator === ts.SyntaxKind.MinusToken;
}

/** Returns true for a `throw new Error(…)`: our own mistake, which no input reaches. */
function isAssertion(node: ts.Node): boolean {
  if (ts.isBlock(node)) return node.statements.length === 1 && isAssertion(node.statements[0] as ts.Node);
  return (
    ts.isThrowStatement(node) && ts.isNewExpression(node.expression) && node.expression.expression.getText() === "Error"
  );
}

/** Returns true for a literal or an enumeration that holds no code. */
function isTable(node: ts.Node): boolean {
  const isLiteral = ts.isArrayLiteralExpression(node) || ts.isObjectLiteralExpression(node);
  return (isLiteral || ts.isEnumDeclaration(node)) && !hasBlock(node);
}

function hasBlock(node: ts.Node): boolean {
  return ts.isBlock(node) || (ts.forEachChild(node, hasBlock) ?? false);
}

/** Returns true for a default beside an indexed access, such as `bytes[at] ?? 0`: the compiler wants it, and no index misses. */
function isForCompiler({ left, right }: ts.BinaryExpression): boolean {
  return ts.isElementAccessExpression(left) && !ts.isCallExpression(right);
}

function isText(node: ts.Node): boolean {
  if (ts.isBinaryExpression(node)) return isText(node.left) || isText(node.right);
  return ts.isStringLiteral(node) || ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node);
}

/** Returns true for a call, an assignment, a jump, or an early return. */
function isRemovable(node: ts.Node): boolean {
  if (ts.isExpressionStatement(node)) {
    return !(ts.isCallExpression(node.expression) && node.expression.expression.kind === ts.SyntaxKind.SuperKeyword);
  }
  if (ts.isReturnStatement(node)) return !isLast(node);
  return ts.isBreakStatement(node) || ts.isContinueStatement(node) || ts.isThrowStatement(node);
}

/** Returns true if a statement is the last one of its function. */
function isLast(node: ts.Node): boolean {
  const { parent } = node;
  return ts.isBlock(parent) && parent.statements.at(-1) === node && ts.isFunctionLike(parent.parent);
}
