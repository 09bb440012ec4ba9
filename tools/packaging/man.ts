/**
 * Writes the manual page httpserver(1) from the tables of commands and of settings: `bun tools/packaging/man.ts` prints it. Pure: the
 * same version and date give the same bytes.
 */
import { version } from "../../package.json";
import { COMMANDS } from "../../src/cli/commands.ts";
import {
  environmentName,
  formatDefault,
  GROUPS,
  type Group,
  placeholder,
  type Setting,
} from "../../src/settings/kinds.ts";
import { settingTable } from "../../src/settings/resolve.ts";

/** Exit codes and their meaning, as docs/operating.md lists them. */
export const EXIT_CODES: readonly (readonly [codes: string, meaning: string])[] = [
  ["0", "A drain, or the answer to --help, --version or --print-config. With probe: the server is ready."],
  ["1", "A failure of the server itself. With probe: the server was not ready in time."],
  ["2", "A mistake in a flag, a variable or the call."],
  ["3", "The server cannot start: the address is taken, or a folder or a file cannot be used."],
  ["4", "run --strict: the command succeeded, but there were unexpected requests."],
  ["126, 127", "run: the command cannot be executed, or does not exist."],
  ["129, 130, 143", "A second SIGHUP, SIGINT or SIGTERM cut the requests in flight."],
];

/** Signals and their effect. */
const SIGNALS: readonly (readonly [signals: string, effect: string])[] = [
  ["SIGTERM, SIGINT", "The server finishes the requests in flight and ends. A second one cuts them."],
  [
    "SIGHUP",
    "With --log-file or --tls-cert, opens the log again and reads the certificate again. Otherwise as SIGTERM.",
  ],
];

const EXAMPLES: readonly (readonly [command: string, meaning: string])[] = [
  ["httpserver dist", "Serves a folder on http://127.0.0.1:8080."],
  ["httpserver ~/photos 9000 0.0.0.0", "Serves another folder on another port, to the network."],
  [
    "httpserver run fixtures -- npx playwright test",
    "Serves a folder while a command runs. The command finds HTTPSERVER_URL.",
  ],
  ["httpserver probe http://127.0.0.1:8080/", "Waits until a server is ready."],
];

/** Returns the page. `dateMs` is the date of the version, in milliseconds since 1970. */
export function renderMan(dateMs: number): string {
  const date = new Date(dateMs).toISOString().slice(0, 10);
  return `${[
    '.\\" Written by tools/packaging/man.ts from the tables of commands and settings.',
    `.TH HTTPSERVER 1 ${date} "httpserver ${escapeRoff(version)}" "User Commands"`,
    ".SH NAME",
    "httpserver \\- serve a folder over HTTP, take uploads, and fail on demand in tests",
    ".SH SYNOPSIS",
    ...COMMANDS.flatMap(({ name, words }, index) => [
      ...(index === 0 ? [] : [".br"]),
      `.B httpserver${name === "" ? "" : ` ${escapeRoff(name)}`}`,
      italicWords(words),
    ]),
    ".SH DESCRIPTION",
    "A folder as the first word stands for",
    "\\fB\\-\\-root\\fR \\fIFOLDER\\fR \\fB\\-\\-inline \\-\\-listing \\-\\-clean\\-paths \\-\\-no\\-uploads\\fR.",
    "Each of them can be taken back, such as with \\fB\\-\\-no\\-listing\\fR.",
    "Without a folder, the server serves \\fIresources\\fR and takes JSON uploads into \\fIuploads\\fR.",
    ".SS Commands",
    ...COMMANDS.filter(({ name }) => name !== "").flatMap(({ name, words, summary }) => [
      ".TP",
      `\\fBhttpserver ${escapeRoff(name)}\\fR ${italicWords(words)}`,
      `${sentence(summary)}.`,
    ]),
    ".SH OPTIONS",
    "The last one of a repeated flag counts; the values of a flag that is repeatable add up.",
    "\\fB\\-\\-no\\-\\fIFLAG\\fR switches off.",
    "Times are 500ms, 30s, 2m or 1h; a plain number is seconds.",
    "Sizes are 512, 64kb or 10mb, in steps of 1024.",
    ...(Object.keys(GROUPS) as Group[]).flatMap(groupSection),
    ".SS Questions",
    ...QUESTIONS.flatMap(([flag, text]) => [".TP", flag, text]),
    ".SH ENVIRONMENT",
    "Each flag has a variable, and the flag wins: \\fBHTTPSERVER_PORT\\fR is \\fB\\-\\-port\\fR.",
    "An empty variable counts as none.",
    ...pairs([["HTTPSERVER_TLS_PASSPHRASE", "Passphrase of the key of --tls-key."]]),
    ".SH SIGNALS",
    ...pairs(SIGNALS),
    ".SH EXIT STATUS",
    ...pairs(EXIT_CODES),
    ".SH EXAMPLES",
    ...EXAMPLES.flatMap(([command, meaning]) => [".TP", `\\fB${escapeRoff(command)}\\fR`, escapeRoff(meaning)]),
    ".SH SEE ALSO",
    "The folder \\fIdocs\\fR beside the program, or \\fI/usr/share/doc/httpserver\\fR.",
  ].join("\n")}\n`;
}

const QUESTIONS: readonly (readonly [flag: string, text: string])[] = [
  [
    "\\fB\\-h\\fR, \\fB\\-\\-help\\fR [\\fIGROUP\\fR|\\fBall\\fR]",
    "Prints the help: one screen, one group, or all flags.",
  ],
  ["\\fB\\-\\-print\\-config\\fR", "Prints each setting with its value and its origin, secrets masked."],
  ["\\fB\\-\\-version\\fR", "Prints version and commit."],
];

function groupSection(group: Group): string[] {
  const settings = Object.values<Setting>(settingTable).filter((setting) => setting.group === group);
  return [`.SS ${GROUPS[group]}`, ...settings.flatMap(settingLines)];
}

function settingLines(setting: Setting): string[] {
  const { short, flag, command, help, kind } = setting;
  const names = [...(short === undefined ? [] : [`\\fB\\-${short}\\fR`]), `\\fB\\-\\-${escapeRoff(flag)}\\fR`].join(
    ", ",
  );
  const shown = placeholder(setting);
  const byDefault = formatDefault(setting);
  const hasDefault = byDefault !== "" && !(kind === "switch" && !setting.default);
  return [
    ".TP",
    shown === "" ? names : `${names} \\fI${escapeRoff(shown)}\\fR`,
    escapeRoff(help),
    ...(hasDefault ? [`Default: ${escapeRoff(byDefault)}.`] : []),
    ...(command === undefined ? [] : [`With \\fB${command}\\fR only.`]),
    `Variable: \\fB${escapeRoff(environmentName(setting))}\\fR.`,
  ];
}

function pairs(rows: readonly (readonly [name: string, text: string])[]): string[] {
  return rows.flatMap(([name, text]) => [".TP", `\\fB${escapeRoff(name)}\\fR`, escapeRoff(text)]);
}

/** Returns words of a usage line, as the operator replaces them. */
function italicWords(words: string): string {
  return `\\fI${escapeRoff(words)}\\fR`;
}

function sentence(text: string): string {
  return escapeRoff(text.charAt(0).toUpperCase() + text.slice(1));
}

/** Escapes a text for roff: a backslash, a minus sign that people copy, a quotation mark, and a line that would be a request. */
function escapeRoff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll("…", "...")
    .replace(/^\./, "\\&.");
}

if (import.meta.main) process.stdout.write(renderMan(Date.now()));
