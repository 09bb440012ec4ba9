/** Types as a reader writes them, from what TypeDoc knows of them. */
import type { SomeType } from "typedoc";
import { parseFaultRule } from "../../../src/http/fault.ts";

/** Keys of a table from which a type is derived, by the name of the table. The refusal of an unknown kind lists all kinds. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  KINDS: (/expected one of (.+)$/.exec(String(parseFaultRule("GET / unknown")))?.[1] ?? "").split(", "),
};

/** Returns a type in TypeScript's words. `depth` counts the operators around it: with one, a union needs parentheses. */
export function typeText(type: SomeType | undefined, depth: number): string {
  if (type === undefined) return "unknown";
  switch (type.type) {
    case "array": {
      return `${typeText(type.elementType, 1)}[]`;
    }
    case "union":
      if (isFaultKind(type.types)) return "FaultKind";
      return grouped(type.types.map((part) => typeText(part, 1)).join(" | "), depth);
    case "intersection":
      return grouped(type.types.map((part) => typeText(part, 1)).join(" & "), depth);
    case "typeOperator":
      return grouped(operatorText(type.operator, type.target), depth);
    case "tuple":
      return `[${type.elements.map((part) => typeText(part as SomeType, 0)).join(", ")}]`;
    case "namedTupleMember":
      return `${type.name}: ${typeText(type.element, 0)}`;
    case "reference": {
      const given = type.typeArguments?.map((part) => typeText(part, 0)) ?? [];
      // The compiler names the buffer of a plain Uint8Array.
      return given.length === 0 || type.name === "Uint8Array" ? type.name : `${type.name}<${given.join(", ")}>`;
    }
    case "reflection":
      return objectText(type, depth);
    default:
      return type.toString();
  }
}

/** The compiler writes an optional member of this type as its members. */
function isFaultKind(types: readonly SomeType[]): boolean {
  const kinds = TABLES["KINDS"] ?? [];
  return (
    types.length === kinds.length &&
    types.every((part) => part.type === "literal" && kinds.includes(String(part.value)))
  );
}

function operatorText(operator: string, target: SomeType): string {
  if (operator === "keyof" && target.type === "query") {
    const members = TABLES[target.queryType.name];
    if (members !== undefined) return members.map((member) => JSON.stringify(member)).join(" | ");
  }
  return `${operator} ${typeText(target, 1)}`;
}

function objectText({ declaration }: SomeType & { type: "reflection" }, depth: number): string {
  const [signature] = declaration.signatures ?? [];
  if (signature !== undefined) {
    const parameters = (signature.parameters ?? []).map(({ name, type }) => `${name}: ${typeText(type, 0)}`);
    return grouped(`(${parameters.join(", ")}) => ${typeText(signature.type, 0)}`, depth);
  }
  const members = (declaration.children ?? []).map(
    ({ name, flags, type }) => `${name}${flags.isOptional ? "?" : ""}: ${typeText(type, 0)}`,
  );
  return members.length === 0 ? "{}" : `{ ${members.join("; ")} }`;
}

function grouped(text: string, depth: number): string {
  return depth === 0 ? text : `(${text})`;
}
