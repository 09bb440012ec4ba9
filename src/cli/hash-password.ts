/** `httpserver hash-password [USER]`. */
import { quote } from "../http/escape.ts";
import { Output } from "../server/output.ts";
import { type Answer, EXIT_FAILURE, isTerminal, LOG_SETTLE_MS } from "./say.ts";

/** `user` is "" where none is named. */
type Order = { readonly kind: "hash-password"; readonly user: string } | HelpOrError;
type HelpOrError = { readonly kind: "help"; readonly topic: "" } | { readonly kind: "error"; readonly line: string };

/** Reads the words after `hash-password`. */
export function parseHashPassword(words: readonly string[]): Order {
  const [user = "", extra] = words;
  if (user === "--help" || user === "-h") return { kind: "help", topic: "" };
  if (extra !== undefined || user.startsWith("-")) {
    return refusal(`expected hash-password [USER] and the password on stdin, got ${quote(extra ?? user)}`);
  }
  if (/[:\s]/.test(user)) return refusal(`expected a user name without a colon or white space, got ${quote(user)}`);
  return { kind: "hash-password", user };
}

function refusal(text: string): { readonly kind: "error"; readonly line: string } {
  return { kind: "error", line: `httpserver: ${text}` };
}

/**
 * Reads a password from stdin and returns its hash, after the user's name if one is given. Every user of the machine can read a
 * command line, so the password is not one of its words; a terminal does not show it. Resolves with the exit code after Ctrl+C.
 */
export async function hashPassword(words: readonly string[]): Promise<number | Answer | HelpOrError> {
  const order = parseHashPassword(words);
  if (order.kind !== "hash-password") return order;
  const password = isTerminal(0) ? await typedLine("Password: ") : firstLine(await Bun.stdin.text());
  if (password === null) return EXIT_FAILURE;
  // RFC 7617 §2 keeps control characters out of credentials.
  if (!/^\P{Cc}+$/u.test(password)) return refusal("expected a password on stdin, without control characters");
  const auth = await import("../handlers/basic-auth.ts");
  const hash = await auth.hashPassword(password);
  return { text: `${order.user === "" ? "" : `${order.user}:`}${hash}\n` };
}

function firstLine(text: string): string {
  return /^[^\r\n]*/.exec(text)?.[0] ?? "";
}

/** Reads a line from a terminal without showing it. Resolves with null after Ctrl+C. */
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
