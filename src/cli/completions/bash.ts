/** Completions for bash, 3.2 (macOS) and later. They need nothing of the package bash-completion. */
import { type Flag, SERVERLESS, spellings, type Words } from "./words.ts";

/** Returns the script. */
export function renderBash({ commands, serverFlags, negations, runFlags, probeFlags, shells }: Words): string {
  const names = commands.map(({ name }) => name);
  const all = [...serverFlags, ...runFlags, ...probeFlags];
  const withValue = (value: Flag["value"]) => all.filter((flag) => flag.value === value);
  const choices = all.filter(({ value }) => typeof value !== "string");
  return `# Completions of httpserver for bash. For this shell: source <(httpserver completions bash)

_httpserver_reply() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@" -- "$cur")
}

_httpserver_files() {
  # Older than bash 4: names are shown as they are.
  if type compopt >/dev/null 2>&1; then compopt -o filenames; fi
  _httpserver_reply "$@"
}

_httpserver() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command="" i
  COMPREPLY=()
  # In --flag=value the sign is a word of its own.
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $prev == "=" ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD > 1)); then
    case \${COMP_WORDS[1]} in
      ${names.join(" | ")}) command=\${COMP_WORDS[1]} ;;
    esac
  fi
  if [[ $command == run ]]; then
    for ((i = 2; i < COMP_CWORD; i++)); do
      [[ \${COMP_WORDS[i]} == -- ]] || continue
      if declare -F _command_offset >/dev/null; then
        _command_offset $((i + 1))
      elif ((COMP_CWORD == i + 1)); then
        _httpserver_reply -c
      else
        _httpserver_files -f
      fi
      return
    done
  fi
  case $prev in
    ${pattern(withValue("file"))})
      _httpserver_files -f
      return
      ;;
    ${pattern(withValue("folder"))})
      _httpserver_files -d
      return
      ;;
${choices.map((flag) => `    ${pattern([flag])})\n      _httpserver_reply -W "${(flag.value as readonly string[]).join(" ")}"\n      return\n      ;;`).join("\n")}
    ${pattern(withValue("text"))})
      return
      ;;
  esac
  case $command:$cur in
    probe:-*) _httpserver_reply -W "${longs(probeFlags)}" ;;
    completions:*) _httpserver_reply -W "${shells.join(" ")}" ;;
    ${SERVERLESS.filter((name) => name !== "completions")
      .map((name) => `${name}:*`)
      .join(" | ")}) ;;
    *:--n*) _httpserver_reply -W "${longs(negations)}" ;;
    run:-*) _httpserver_reply -W "${longs([...serverFlags, ...runFlags])}" ;;
    *:-*) _httpserver_reply -W "${longs(serverFlags)}" ;;
    *)
      if ((COMP_CWORD == 1)); then _httpserver_reply -W "${names.join(" ")}"; fi
      _httpserver_files -d
      ;;
  esac
}

complete -F _httpserver httpserver
`;
}

/** Returns the flags as a pattern of `case`, each once. */
function pattern(flags: readonly Flag[]): string {
  return [...new Set(flags.flatMap(spellings))].join(" | ");
}

/** Returns the long forms as one list of words. */
function longs(flags: readonly Flag[]): string {
  return flags.map(({ name }) => `--${name}`).join(" ");
}
