/** Writes docs/flags.md from the tables of settings: `bun tools/scripts/flags.ts`. A test compares the page with the tables. */
import { join } from "node:path";
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

export const FLAGS_PAGE = join(import.meta.dir, "..", "..", "docs", "flags.md");

/** Returns the page with every flag, in the groups of `--help`. */
export function renderFlagsPage(): string {
  const settings = Object.values<Setting>(settingTable);
  const sections = (Object.keys(GROUPS) as Group[]).map((group) => {
    const rows = settings.filter((setting) => setting.group === group).map(rowOf);
    return [
      `## ${GROUPS[group]}`,
      "",
      "| flag | default | meaning | variable |",
      "| --- | --- | --- | --- |",
      ...rows,
      "",
    ];
  });
  return [...INTRODUCTION, ...sections.flat(), ...CONCLUSION].join("\n");
}

const INTRODUCTION = [
  "# Flags",
  "",
  "<!-- Written by `bun tools/scripts/flags.ts` from src/settings. Change the text there. -->",
  "",
  "```sh",
  ...COMMANDS.map(({ name, words, summary }) =>
    [`httpserver ${name}`.trim(), words, summary === "" ? "" : ` # ${summary}`].filter((part) => part !== "").join(" "),
  ),
  "```",
  "",
  "- **FOLDER** is the first word that is not a number: `httpserver dist`, `httpserver .`, `httpserver ../site 3000`. It stands for",
  "  `--root FOLDER --inline --listing --clean-paths --no-uploads`, and each of them can be taken back: `--no-listing`, `--uploads DIR`.",
  "  `--any-port` is on as well.",
  "  Not together with `--root`. The folder of a command's name is `./run`, and that of a number is `./2024`.",
  "- **Values.** `--port 8080` and `--port=8080` are the same. The last one of a repeated flag counts. The values of a flag that is",
  "  repeatable add up.",
  "- **Switches** need no value. `--no-inline` and `--inline=off` switch off. `--no-uploads` and `--no-https-redirect` are `off` in the",
  "  same way.",
  "- **Units.** Times are `30s`, `500ms`, `2m` or `1h`; a plain number is seconds. Sizes are `10mb`, `64kb` or bytes, in steps of 1024.",
  "- **Variables.** Every flag has an environment variable. The flag wins, and an empty variable counts as none. Lists are separated",
  "  by commas, or by line ends where an item may have commas. A variable with our prefix that is not a setting gets a warning;",
  "  `HTTPSERVER_URL` and `HTTPSERVER_TLS_PASSPHRASE` are reserved.",
  "- **In code** the same settings are options of `startServer()`, with their unit in the name: `--queue-timeout 30s` is",
  "  `queueTimeoutMs: 30_000`. Those of the process (log and process below, but not `--status` and `--live`) belong to the program alone.",
  "",
];

const CONCLUSION = [
  "## Answers without a server",
  "",
  "| flag | meaning |",
  "| --- | --- |",
  "| `-h`, `--help` | Prints one screen. `--help all` prints every flag, and `--help GROUP` one group. |",
  "| `--print-config` | Prints each setting with its value and its origin, secrets masked. With `--log-format json`, each line is an object. |",
  "| `--version` | Prints version and commit. |",
  "",
];

function rowOf(setting: Setting): string {
  const { short, flag, command, help } = setting;
  const names = [...(short === undefined ? [] : [`-${short}`]), `--${flag} ${placeholder(setting)}`.trimEnd()];
  const written = names.map((name) => `\`${escapeCell(name)}\``).join(", ");
  const byDefault = formatDefault(setting);
  return `| ${[
    command === undefined ? written : `${written} (\`${command}\` only)`,
    byDefault === "" ? "none" : byDefault,
    escapeCell(help).replaceAll("*", "\\*"),
    `\`${environmentName(setting)}\``,
  ].join(" | ")} |`;
}

/** Escapes what would end a cell of a table. */
function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) await Bun.write(FLAGS_PAGE, renderFlagsPage());
