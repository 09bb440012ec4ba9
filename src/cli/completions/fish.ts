/** Completions for fish, 3.0 and later. */
import { type Flag, SERVERLESS, type Words } from "./words.ts";

/** Returns the script. */
export function renderFish({ commands, serverFlags, negations, runFlags, probeFlags, shells }: Words): string {
  const inServer = "__httpserver_starts";
  return `# Completions of httpserver for fish. For this shell: httpserver completions fish | source

# The first word after the program's name is one of these.
function __httpserver_is
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

function __httpserver_has_command
    __httpserver_is run; and contains -- -- (commandline -opc)
end

# The words start a server, and no command follows them yet.
function __httpserver_starts
    not __httpserver_is ${SERVERLESS.join(" ")}; and not __httpserver_has_command
end

# Completes the command that run gets, as if it stood alone.
function __httpserver_command
    set -l words (commandline -opc)
    set -l end (contains -i -- -- $words)
    set -l rest $words[(math $end + 1)..-1]
    test $end -eq (count $words); and set rest
    complete -C (string join -- ' ' (string escape -- $rest) (commandline -ct))
end

complete -c httpserver -f
${commands
  .map(
    ({ name, summary }) =>
      `complete -c httpserver -n 'test (count (commandline -opc)) -eq 1' -a ${name} -d ${quoted(summary)}`,
  )
  .join("\n")}
complete -c httpserver -n ${inServer} -a '(__fish_complete_directories)'
complete -c httpserver -n __httpserver_has_command -a '(__httpserver_command)'
complete -c httpserver -n '__httpserver_is completions' -a '${shells.join(" ")}'
${serverFlags.map((flag) => line(inServer, flag)).join("\n")}
${runFlags.map((flag) => line(`__httpserver_is run; and ${inServer}`, flag)).join("\n")}
${negations.map((flag) => line(`${inServer}; and string match -q -- "--n*" (commandline -ct)`, flag)).join("\n")}
${probeFlags.map((flag) => line("__httpserver_is probe", flag)).join("\n")}
`;
}

function line(condition: string, { name, short, value, help }: Flag): string {
  const letter = short === "" ? "" : ` -s ${short}`;
  return `complete -c httpserver -n ${quoted(condition)}${letter} -l ${name}${argument(value)} -d ${quoted(help)}`;
}

function argument(value: Flag["value"]): string {
  if (value === "none") return "";
  if (value === "file") return " -r -F";
  if (value === "folder") return " -x -a '(__fish_complete_directories)'";
  return value === "text" ? " -x" : ` -x -a ${quoted(value.join(" "))}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
