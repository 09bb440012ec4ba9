/** `httpserver hash-password [USER]`. */
import { Output } from "../server/output.ts";
import { EXIT_FAILURE, isTerminal, LOG_SETTLE_MS, say } from "./say.ts";

/**
 * Reads a password from stdin and prints its hash, behind the user's name if one is given. The password is no word of the
 * command line, which every user of the machine can read; on a terminal it is not shown. Returns the exit code.
 */
export async function hashPassword(user: string): Promise<number> {
  const password = isTerminal(0) ? await typedLine("Password: ") : firstLine(await Bun.stdin.text());
  if (password === null) return EXIT_FAILURE;
  // RFC 7617 §2 keeps control characters out of credentials.
  if (!/^\P{Cc}+$/u.test(password)) {
    return say({ kind: "error", line: "httpserver: expected a password on stdin, without control characters" });
  }
  const auth = await import("../handlers/basic-auth.ts");
  const hash = await auth.hashPassword(password);
  return say({ text: `${user === "" ? "" : `${user}:`}${hash}\n` });
}

function firstLine(text: string): string {
  return /^[^\r\n]*/.exec(text)?.[0] ?? "";
}

/** A line typed on a terminal that does not show it; null after Ctrl+C. */
async function typedLine(prompt: string): Promise<string | null> {
  const terminal = process.stdin;
  const output = Output.descriptor(2, () => {});
  output.write(prompt);
  terminal.setRawMode(true);
  try {
    let typed = "";
    const decoder = new TextDecoder();
    for await (const bytes of terminal) {
      for (const character of decoder.decode(bytes as Uint8Array, { stream: true })) {
        if (character === "\r" || character === "\n" || character === "\x04") return typed;
        if (character === "\x03") return null;
        typed = character === "\x7f" || character === "\b" ? [...typed].slice(0, -1).join("") : typed + character;
      }
    }
    return typed;
  } finally {
    terminal.setRawMode(false);
    output.write("\n");
    await output.settle(LOG_SETTLE_MS);
  }
}
