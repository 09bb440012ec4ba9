/**
 * `httpserver completions SHELL`: prints the script that completes our words in a shell.
 *
 * Strategy: the script has every word in it, so a press of the tabulator starts no program. It belongs to the version that has
 * printed it.
 */
import { quote } from "../http/escape.ts";
import { renderBash } from "./completions/bash.ts";
import { renderFish } from "./completions/fish.ts";
import { renderPowerShell } from "./completions/powershell.ts";
import { type Named, type Words, wordsOf } from "./completions/words.ts";
import { renderZsh } from "./completions/zsh.ts";

const RENDERERS: Readonly<Record<string, (words: Words) => string>> = {
  bash: renderBash,
  zsh: renderZsh,
  fish: renderFish,
  powershell: renderPowerShell,
};

/** Shells for which there is a script. */
export const SHELLS: readonly string[] = Object.keys(RENDERERS);

type Completions =
  | { readonly text: string }
  | { readonly kind: "help"; readonly topic: "" }
  | { readonly kind: "error"; readonly line: string };

/** Returns the script for the shell that the words name, or the mistake in the words. `commands` is the table of commands. */
export function completions(words: readonly string[], commands: readonly Named[]): Completions {
  const [shell = "", extra] = words;
  if (shell === "--help" || shell === "-h") return { kind: "help", topic: "" };
  const render = Object.hasOwn(RENDERERS, shell) ? RENDERERS[shell] : undefined;
  if (render === undefined || extra !== undefined) {
    const got = shell === "" ? "none" : quote(extra ?? shell);
    return {
      kind: "error",
      line: `httpserver: completions: expected one shell of ${SHELLS.join(", ")}, got ${got}`,
    };
  }
  return { text: render(wordsOf(commands, SHELLS)) };
}
