/**
 * A program on a terminal: a pseudo terminal of Python's carries the bytes, and a small screen shows what a person would see of
 * them. It knows what the program uses (CR, LF, erase below, colours); anything else is an error, so that it cannot be missed.
 */
import { environment, type RunOptions } from "./binary.ts";
import { until } from "./waiting.ts";

interface TerminalOptions extends RunOptions {
  readonly columns: number;
}

/** Standard input has commands, a line each: `resize COLUMNS`, `type CODE`. Ends with the program's exit code. */
const DRIVER = `
import fcntl, os, pty, select, struct, sys, termios
def resize(fd, columns): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    resize(0, int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
sources = [fd, 0]
while True:
    ready = select.select(sources, [], [])[0]
    if fd in ready:
        try: data = os.read(fd, 65536)
        except OSError: data = b""
        if data == b"": break
        while data: data = data[os.write(1, data):]
    if 0 in ready:
        words = os.read(0, 65536).decode().split()
        if not words: sources = [fd]
        for command, value in zip(words[::2], words[1::2]):
            if command == "resize": resize(fd, int(value))
            else: os.write(fd, bytes([int(value)]))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

export class Terminal implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #screen: Screen;
  readonly #complete: Promise<void>;
  /** All that the program wrote. */
  written = "";

  constructor(words: readonly string[], options: TerminalOptions) {
    this.#screen = new Screen(options.columns);
    this.#child = Bun.spawn(["python3", "-c", DRIVER, String(options.columns), ...words], {
      cwd: options.cwd,
      env: { TERM: "xterm", ...environment(options) },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#complete = this.#read();
  }

  /** What stands on the screen and above it; lines that the terminal has broken are whole again. */
  get lines(): readonly string[] {
    return this.#screen.lines;
  }

  /** The last line, "" while there is none. */
  get lastLine(): string {
    return this.lines.at(-1) ?? "";
  }

  /** The port, and the process, of the ready line. */
  async ready(): Promise<{ readonly port: number; readonly pid: number }> {
    const ready = () => /^Listening on port (\d+) .* pid=(\d+)$/.exec(this.lines[0] ?? "");
    await until(() => ready() !== null || this.#child.exitCode !== null, "the ready line");
    const [, port, pid] = ready() ?? [];
    if (port === undefined) throw new Error(`it ended: ${this.written}`);
    return { port: Number(port), pid: Number(pid) };
  }

  resize(columns: number): void {
    this.#screen.columns = columns;
    this.#command("resize", columns);
  }

  /** Ctrl+C. */
  interrupt(): void {
    this.#command("type", 3);
  }

  /** The exit code, once all that was written is on the screen. */
  async ended(): Promise<number> {
    await until(() => this.#child.exitCode !== null, "the program to end");
    await this.#complete;
    return this.#child.exitCode ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its terminal goes with it, and the hangup ends the program.
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  #command(name: string, value: number): void {
    this.#child.stdin.write(`${name} ${value}\n`);
    this.#child.stdin.flush();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) {
      const text = decoder.decode(bytes, { stream: true });
      this.written += text;
      this.#screen.feed(text);
    }
  }
}

interface Row {
  text: string;
  /** True when the row above was full. */
  readonly isContinued: boolean;
}

/** Rows without an end: what has scrolled away is still there. */
class Screen {
  columns: number;
  readonly #rows: Row[] = [{ text: "", isContinued: false }];
  #row = 0;
  #column = 0;
  /** The beginning of an escape sequence. */
  #pending = "";

  constructor(columns: number) {
    this.columns = columns;
  }

  get lines(): readonly string[] {
    const lines: string[] = [];
    for (const { text, isContinued } of this.#rows) {
      if (isContinued) lines.push((lines.pop() ?? "") + text);
      else lines.push(text);
    }
    if (lines.at(-1) === "") lines.pop();
    return lines;
  }

  feed(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
    const token = /\x1b\[[\d;]*[A-Za-z]|\x1b(?:\[[\d;]*)?$|[\s\S]/gu;
    const all = this.#pending + text;
    this.#pending = "";
    for (const [part] of all.matchAll(token)) {
      if (part === "\r") this.#column = 0;
      else if (part === "\n") this.#down(false);
      else if (part === "\x1b[J") this.#eraseBelow();
      else if (/^.\[[\d;]*m$/s.test(part)) continue;
      else if (part.startsWith("\x1b") && !/[A-Za-z]$/.test(part)) this.#pending = part;
      else if (part < " " || part.startsWith("\x1b")) throw new Error(`a terminal got ${JSON.stringify(part)}`);
      else this.#put(part);
    }
  }

  #put(character: string): void {
    if (this.#column >= this.columns) {
      this.#down(true);
      this.#column = 0;
    }
    const row = this.#rows[this.#row] as Row;
    row.text = row.text.slice(0, this.#column).padEnd(this.#column) + character + row.text.slice(this.#column + 1);
    this.#column++;
  }

  #down(isContinued: boolean): void {
    this.#row++;
    if (this.#row === this.#rows.length) this.#rows.push({ text: "", isContinued });
  }

  #eraseBelow(): void {
    const row = this.#rows[this.#row] as Row;
    row.text = row.text.slice(0, this.#column);
    this.#rows.length = this.#row + 1;
  }
}
