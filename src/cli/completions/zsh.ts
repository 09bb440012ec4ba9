/** Completions for zsh: a file `_httpserver` on `fpath`, or a script for one shell. */
import { type Flag, spellings, type Words } from "./words.ts";

/** Returns the script. */
export function renderZsh({ commands, serverFlags, negations, runFlags, probeFlags, shells }: Words): string {
  return `#compdef httpserver
# Completions of httpserver for zsh. For this shell, after compinit: source <(httpserver completions zsh)

_httpserver() {
  local ret=1
  local -a subcommands server
  # Not "commands": that is an array of the shell's own.
  subcommands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join("\n")}
  )
  server=(
${specifications(serverFlags)}
  )
  if [[ $words[CURRENT] == --n* ]]; then
    server+=(
${specifications(negations)}
    )
  fi
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe -t commands command subcommands && ret=0
    _path_files -/ && ret=0
    return ret
  fi
  if (( CURRENT > 2 )); then
    case $words[2] in
      run)
        local -i end=\${words[(i)--]}
        if (( end < CURRENT )); then
          shift $end words
          (( CURRENT -= end ))
          _normal -p $service
          return
        fi
        shift words
        (( CURRENT-- ))
        _arguments : $server ${runFlags.map(specification).join(" ")} '*:folder:_path_files -/'
        return
        ;;
      probe)
        shift words
        (( CURRENT-- ))
        _arguments : ${probeFlags.map(specification).join(" ")}
        return
        ;;
      hash-password)
        _message user
        return
        ;;
      completions)
        _values shell ${shells.join(" ")}
        return
        ;;
    esac
  fi
  _arguments : $server '*:folder:_path_files -/'
}

if [[ $funcstack[1] == _httpserver ]]; then
  _httpserver "$@"
else
  compdef _httpserver httpserver
fi
`;
}

function specifications(flags: readonly Flag[]): string {
  return flags.map((flag) => `    ${specification(flag)}`).join("\n");
}

/** Returns a flag in the words of `_arguments`. A flag that was given is not offered again, unless it is repeatable. */
function specification(flag: Flag): string {
  const forms = spellings(flag);
  const text = `[${flag.help.replace(/[[\]\\]/g, "\\$&")}]`;
  return forms
    .map((form) => {
      const isLong = form.startsWith("--");
      const before = flag.isRepeatable ? "*" : forms.length > 1 ? `(${forms.join(" ")})` : "";
      return quoted(`${before}${form}${flag.value !== "none" && isLong ? "=" : ""}${text}${action(flag)}`);
    })
    .join(" ");
}

/** Returns the part of a specification about the value, "" without one. */
function action({ value, placeholder }: Flag): string {
  if (value === "none") return "";
  const message = `:${placeholder.replace(/[^A-Za-z=]/g, " ").trim() || "value"}`;
  if (value === "file") return `${message}:_files`;
  if (value === "folder") return `${message}:_path_files -/`;
  return value === "text" ? `${message}: ` : `${message}:(${value.join(" ")})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
