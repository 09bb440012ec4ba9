/**
 * The scripts for shells, in the shells: a line is typed, the tabulator is pressed, and the words that the program would get are compared.
 * bash and zsh have a terminal for that, and fish tells what it would complete. PowerShell is in no Debian package, so its script is only
 * read.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { completions, SHELLS } from "../../src/cli/completions.ts";
import { negation, type Setting } from "../../src/settings/kinds.ts";
import { settingTable } from "../../src/settings/resolve.ts";
import { needs } from "../support/needs.ts";
import { WAIT_MS } from "../support/waiting.ts";

const settings = Object.values<Setting>(settingTable);

/** Words typed after the program's name, and the words that the program gets once they are completed. */
const CASES: readonly [typed: string, words: readonly string[]][] = [
  ["--ro", ["--root"]],
  ["--log-format pr", ["--log-format", "pretty"]],
  ["--log-format=pr", ["--log-format=pretty"]],
  ["--help tl", ["--help", "tls"]],
  ["--tls-cert ce", ["--tls-cert", "cert.pem"]],
  ["--root si", ["--root", "site/"]],
  ["--root ce", ["--root", "ce"]],
  ["-p 80", ["-p", "80"]],
  ["--no-lis", ["--no-listing"]],
  ["--stri", ["--strict-types"]],
  ["si", ["site/"]],
  ["site --inl", ["site", "--inline"]],
  ["pro", ["probe"]],
  ["probe --time", ["probe", "--timeout"]],
  ["probe --port-file ce", ["probe", "--port-file", "cert.pem"]],
  ["probe --ro", ["probe", "--ro"]],
  ["run --strict --spa --lis", ["run", "--strict", "--spa", "--listing"]],
  ["run si", ["run", "site/"]],
  ["run site -- frobn", ["run", "site", "--", "frobnicate"]],
  ["completions po", ["completions", "powershell"]],
];

let folder = "";
let ground = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "completions-"));
  ground = join(folder, "ground");
  mkdirSync(join(ground, "site"), { recursive: true });
  writeFileSync(join(ground, "cert.pem"), "");
  // What is completed after `run --`, and a program that shows its words.
  mkdirSync(join(folder, "bin"));
  program("frobnicate", "");
  program("httpserver", `printf '<%s>' "$@"; echo`);
  for (const shell of SHELLS) writeFileSync(join(folder, shell), script(shell));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string, line: string): void {
  writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${line}\n`);
  chmodSync(join(folder, "bin", name), 0o755);
}

function script(shell: string): string {
  const answer = completions([shell], COMMANDS);
  if (!("text" in answer)) throw new Error(JSON.stringify(answer));
  return answer.text;
}

const environment = () => ({
  PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
  HOME: folder,
  TERM: "dumb",
  LC_ALL: "C.UTF-8",
  SECONDS_MAX: String(WAIT_MS / 1000 - 1),
});

/** Runs a program that reads `typed`. Resolves with all that it wrote. */
async function typeInto(words: readonly string[], typed: string): Promise<string> {
  const child = Bun.spawn([...words], {
    cwd: ground,
    env: environment(),
    stdin: new Blob([typed]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: WAIT_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return stdout + stderr;
}

/**
 * Runs a shell on a terminal, and types as a person does: a line only when the prompt is there, because a terminal that no shell reads yet
 * takes a tabulator for a character. Prints all that the shell wrote.
 */
const TYPIST = `
import os, pty, re, signal, sys
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown = b""
def give_up(*_):
    os.kill(child, signal.SIGKILL)
    sys.exit(f"the shell waits, or has ended, after {shown!r}")
signal.signal(signal.SIGALRM, give_up)
signal.alarm(int(os.environ["SECONDS_MAX"]))
# Sequences that turn modes of the terminal on may follow a prompt.
PROMPT = rb"(\\x1b\\[[?0-9;]*[a-zA-Z])*$"
def wait(pattern, start):
    global shown
    while not re.search(pattern + PROMPT, shown[start:], re.S):
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            give_up()
def type(line, pattern):
    start = len(shown)
    os.write(terminal, line.encode())
    wait(pattern, start)
first, *lines = sys.stdin.read().split("\\n")
wait(b"[$%#] ", 0)
type("PS1='@''@ '\\n", b"@@ ")
type(first + "\\n", b"\\n.*@@ ")
for line in lines:
    type(line + "\\t\\n", b">\\r?\\n.*@@ ")
os.write(terminal, b"exit\\n")
os.waitpid(child, 0)
sys.stdout.write(shown.decode())
`;

/** Types each case into a shell with a terminal. Resolves with the words that the program got, a list for each case. */
async function pressTabs(shell: readonly string[], beginning: string): Promise<string[][]> {
  const lines = [beginning, ...CASES.map(([typed]) => `httpserver ${typed}`)];
  const shown = await typeInto(["python3", "-c", TYPIST, ...shell], lines.join("\n"));
  return Array.from(shown.matchAll(/^(?:.*[\r ])?((?:<[^<>\r\n]*>)+)\r?$/gm), ([, words = ""]) =>
    Array.from(words.matchAll(/<([^>]*)>/g), ([, word = ""]) => word),
  );
}

describe("the tabulator completes flags, values, files, folders and commands", () => {
  needs("bash", "python3").test("in bash", async () => {
    const got = await pressTabs(["bash", "--norc", "--noprofile", "-i"], `source '${join(folder, "bash")}'`);
    expect(got).toEqual(CASES.map(([, words]) => [...words]));
  });

  needs("zsh", "python3").test("in zsh", async () => {
    // By itself zsh takes the slash of a folder away again when the line ends.
    const start = `setopt no_auto_remove_slash; autoload -Uz compinit; compinit -D -u; source '${join(folder, "zsh")}'`;
    const got = await pressTabs(["zsh", "-f", "-i"], start);
    expect(got).toEqual(CASES.map(([, words]) => [...words]));
  });

  needs("fish").test("in fish", async () => {
    const lines = CASES.map(([typed]) => `echo "> "; complete -C "httpserver ${typed}"`);
    const shown = await typeInto(["fish", "--no-config"], [`source '${join(folder, "fish")}'`, ...lines].join("\n"));
    const offered = shown.split("> \n").slice(1);
    const got = offered.map((text) => text.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0]])));
    // Fish offers nothing where the word stays as it is.
    expect(got).toEqual(CASES.map(([typed, words]) => (typed.endsWith(words.at(-1) ?? "") ? [] : [words.at(-1)])));
  });
});

describe("each script", () => {
  test.each(SHELLS)("for %s has every flag, every negation and every command", (shell) => {
    const text = script(shell);
    // fish names a flag without its dashes.
    const dashes = shell === "fish" ? "-l " : "--";
    const flags = settings.flatMap((setting) => [
      setting.flag,
      ...(negation(setting) === null || setting.command === "run" ? [] : [`no-${setting.flag}`]),
    ]);
    const missing = [...flags, "timeout", "interval", "print-config", "version"].filter(
      (flag) => !new RegExp(`${dashes}${flag}(?![a-z-])`).test(text),
    );
    expect(missing).toEqual([]);
    for (const { name } of COMMANDS) expect(text).toContain(name);
  });
});

describe("words after completions that are wrong", () => {
  test.each([
    [[], "none"],
    [["tcsh"], '"tcsh"'],
    [["bash", "zsh"], '"zsh"'],
    [["toString"], '"toString"'],
  ])("%p get one line that names the shells", (words, got) => {
    expect(completions(words, COMMANDS)).toEqual({
      kind: "error",
      line: `httpserver: completions: expected one shell of bash, zsh, fish, powershell, got ${got}`,
    });
  });

  test("--help asks for the help", () => {
    expect(completions(["--help"], COMMANDS)).toEqual({ kind: "help", topic: "" });
  });
});
