/** The page docs/api.md: each exported name in a section, with its declaration or a table of its members. */
import type { DeclarationReflection, ProjectReflection, SignatureReflection } from "typedoc";
import { formatDefault, formatValue, type Setting } from "../../../src/settings/kinds.ts";
import { serverTable } from "../../../src/settings/server-settings.ts";
import { typeText } from "./types.ts";
import { cell, commentText, paragraphs } from "./words.ts";

interface Section {
  readonly title: string;
  readonly text: string;
  readonly names: readonly string[];
}

/** Sections in the order of the page. Each exported name is in one of them. */
const SECTIONS: readonly Section[] = [
  {
    title: "Start",
    text: "Import from `httpserver`, or from `@httpserver/httpserver` where the npm package is installed.",
    names: ["startServer", "StartOptions", "Files", "ManualClock", "TimeSource"],
  },
  {
    title: "A running server",
    text: "On Node each method returns a promise of its result; [node.md](node.md) lists the differences.",
    names: ["RunningServer", "FixtureServer", "StopOptions", "CertificateInfo"],
  },
  {
    title: "Faults and stubs",
    text: "[fixture.md](fixture.md) describes the faults, and [stubs.md](stubs.md) the stubs.",
    names: [
      "FaultOrder",
      "FaultKind",
      "StubOrder",
      "Conditions",
      "AnswerOrder",
      "AnswerFunction",
      "StubRequest",
      "AddedStub",
      "RuleCounts",
    ],
  },
  {
    title: "The journal",
    text: "[fixture.md](fixture.md#the-journal) describes the journal.",
    names: [
      "RequestRecord",
      "RecordedBody",
      "Violation",
      "UpstreamReport",
      "RequestFilter",
      "RequestPage",
      "Expectation",
      "Verification",
      "KeptUpload",
      "OpenConnection",
      "ClosedConnection",
      "ConnectionState",
      "CloseReason",
    ],
  },
  {
    title: "Watching",
    text: "Snapshots of `watch()`, and the events of a log.",
    names: ["Snapshot", "WorkView", "WorkPhase", "AnswerView", "WorkerView", "ServerLog", "AccessEntry"],
  },
  {
    title: "Errors",
    text: "A wrong option is an `OptionsError`, a start that fails a `StartError`, and a wrong argument of a method a `RangeError`.",
    names: ["OptionsError", "StartError"],
  },
  {
    title: "Settings",
    text: "Options of `startServer()`, with the flag of the program that sets the same. [flags.md](flags.md) explains each in full.",
    names: ["ServerSettings"],
  },
];

const NAMES = SECTIONS.flatMap(({ names }) => names);

const INTRODUCTION = [
  "# The library",
  "",
  "<!-- Written by `bun tools/scripts/api.ts` from the types of src/index.ts. Change the comments there. -->",
  "",
  "Every name that the library exports. Times are milliseconds and sizes are bytes where a name ends with `Ms` or `Bytes`.",
  "",
];

/** Returns the names without a comment: exported ones, their members, and the members of objects within. */
export function undocumented(project: ProjectReflection): string[] {
  return (project.children ?? []).flatMap((exported) => {
    if (exported.name === "StartOptions") return ownMembers(exported).flatMap(lacking);
    return lacking(exported);
  });
}

function lacking(reflection: DeclarationReflection): string[] {
  const own = commentOf(reflection) === "" ? [reflection.getFullName().replaceAll("__type.", "")] : [];
  // The members of an error's class are explained by JavaScript itself, and a constructor by its class.
  return [...own, ...membersOf(reflection).flatMap(lacking)];
}

/** Returns the page. Throws an Error for an exported name without a section, and for a name in a section that is not exported. */
export function renderApiPage(exported: readonly DeclarationReflection[]): string {
  const byName = new Map(exported.map((reflection) => [reflection.name, reflection]));
  const lines = SECTIONS.flatMap(({ title, text, names }) => [
    `## ${title}`,
    "",
    text,
    "",
    ...names.flatMap((name) => {
      const reflection = byName.get(name);
      if (reflection === undefined) throw new Error(`${name} is not exported`);
      byName.delete(name);
      return [`### ${name}`, "", ...bodyOf(reflection)];
    }),
  ]);
  if (byName.size > 0) throw new Error(`no section has ${[...byName.keys()].join(", ")}`);
  return [...INTRODUCTION, ...lines].join("\n").replace(/\n+$/, "\n");
}

function bodyOf(reflection: DeclarationReflection): string[] {
  if (reflection.name === "ServerSettings") return [commentOf(reflection), "", ...settingRows(reflection), ""];
  if (reflection.signatures !== undefined) return functionBody(reflection.signatures);
  const members = membersOf(reflection);
  const heritage = baseOf(reflection);
  const text = paragraphs([commentOf(reflection), heritage].filter((part) => part !== "").join(" "));
  if (members.length === 0)
    return [text, "", "```ts", `type ${reflection.name} = ${typeText(reflection.type, 0)}`, "```", ""];
  return [
    text,
    "",
    "| member | type | meaning |",
    "| --- | --- | --- |",
    ...members.flatMap((member) => memberRows(member, "")),
    "",
  ];
}

function functionBody(signatures: readonly SignatureReflection[]): string[] {
  const shown = signatures.map((signature) => `${signature.name}${signatureText(signature)}`);
  return ["```ts", ...shown, "```", "", paragraphs(commentText(signatures[0])), ""];
}

/** Names whose members stand in another section. */
const BASES: Readonly<Record<string, string>> = {
  StartOptions: "It also has all [settings](#serversettings), each optional.",
  FixtureServer: "It also has the members of [RunningServer](#runningserver).",
};

function baseOf({ name }: DeclarationReflection): string {
  return BASES[name] ?? "";
}

/** Returns the members that the page shows: those of a base in another section are left out. */
function membersOf(reflection: DeclarationReflection): DeclarationReflection[] {
  const { name, type } = reflection;
  if (name in BASES) return ownMembers(reflection);
  const members = reflection.children ?? (type?.type === "reflection" ? (type.declaration.children ?? []) : []);
  return members.filter((member) => member.name !== "constructor" && !member.name.startsWith("["));
}

function ownMembers(reflection: DeclarationReflection): DeclarationReflection[] {
  const elsewhere = /^(?:RunningServer|Partial|ServerSettings)\./;
  const inherited = (member: DeclarationReflection) =>
    member.inheritedFrom !== undefined && (elsewhere.test(member.inheritedFrom.name) || member.name in serverTable);
  return (reflection.children ?? []).filter((member) => !inherited(member) && !member.name.startsWith("["));
}

function memberRows(member: DeclarationReflection, prefix: string): string[] {
  const { name, flags, signatures, type } = member;
  const inner = type?.type === "reflection" && type.declaration.children !== undefined ? membersOf(member) : [];
  const shown = signatures?.map(signatureText).join("; ") ?? (inner.length > 0 ? "object" : typeText(type, 0));
  const label = `${prefix}${name}${signatures === undefined ? "" : "()"}${flags.isOptional ? "?" : ""}`;
  return [
    `| \`${label}\` | ${cell(`\`${shown}\``)} | ${cell(`${commentOf(member)}${seeAlso(shown)}`)} |`,
    ...inner.flatMap((part) => memberRows(part, `${prefix}${name}.`)),
  ];
}

/** Returns links to the sections of the names in a type, as a sentence. */
function seeAlso(type: string): string {
  const names = NAMES.filter((name) => new RegExp(`\\b${name}\\b`).test(type));
  return names.length === 0 ? "" : ` See ${names.map((name) => `[${name}](#${name.toLowerCase()})`).join(", ")}.`;
}

function signatureText(signature: SignatureReflection): string {
  const parameters = (signature.parameters ?? []).map(({ name, flags, type, defaultValue }) => {
    const optional = flags.isOptional || defaultValue !== undefined ? "?" : "";
    return `${name === "__namedParameters" ? "options" : name}${optional}: ${typeText(type, 0)}`;
  });
  return `(${parameters.join(", ")}): ${typeText(signature.type, 0)}`;
}

/** Returns the rows of all settings, in the order of the table, with default, bounds and flag. */
function settingRows(reflection: DeclarationReflection): string[] {
  const members = new Map(membersOf(reflection).map((member) => [member.name, member]));
  const rows = Object.entries<Setting>(serverTable).map(([name, setting]) => {
    const member = members.get(name);
    if (member === undefined) throw new Error(`the types have no setting ${name}`);
    const bounds =
      "min" in setting ? `${formatValue(setting, setting.min)} to ${formatValue(setting, setting.max)}` : "";
    const cells = [
      `\`${name}\``,
      `\`${typeText(member.type, 0)}\``,
      formatDefault(setting),
      bounds,
      commentOf(member),
      `\`--${setting.flag}\``,
    ];
    return `| ${cells.map(cell).join(" | ")} |`;
  });
  return ["| option | type | default | bounds | meaning | flag |", "| --- | --- | --- | --- | --- | --- |", ...rows];
}

/** Returns the comment of a name; of a method, that of its first signature. */
function commentOf(reflection: DeclarationReflection): string {
  return commentText(reflection) || commentText(reflection.signatures?.[0]) || commentText(reflection.getSignature);
}
