/** The manual page: every flag and command is in it, and a formatter of manual pages has nothing to say about it. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { environmentName, placeholder, type Setting } from "../../src/settings/kinds.ts";
import { settingTable } from "../../src/settings/resolve.ts";
import { EXIT_CODES, renderMan } from "../../tools/packaging/man.ts";
import { run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";

const DATE_MS = Date.UTC(2026, 10, 26);

const BACKSPACE = "\b";

const page = renderMan(DATE_MS);

describe("the manual page", () => {
  test("is the same for the same date, and names it", () => {
    expect(renderMan(DATE_MS)).toBe(page);
    expect(page).toContain(".TH HTTPSERVER 1 2026-11-26 ");
  });

  test("lists the exit codes of docs/operating.md", () => {
    const operating = readFileSync(join(import.meta.dir, "..", "..", "docs", "operating.md"), "utf8");
    const [, table = ""] = /\| exit code \|[^\n]*\n\| ---[^\n]*\n((?:\|[^\n]*\n)+)/.exec(operating) ?? [];
    const codes = Array.from(table.matchAll(/^\| ([^|]+) \|/gm), ([, cell = ""]) => cell);
    expect(codes.length).toBeGreaterThan(5);
    expect(EXIT_CODES.map(([code]) => code)).toEqual(codes);
  });

  needs("mandoc").test("is free of mistakes, and shows every flag, variable and command", async () => {
    const folder = mkdtempSync(join(tmpdir(), "man-"));
    try {
      writeFileSync(join(folder, "httpserver.1"), page);
      const lint = await run(["mandoc", "-T", "lint", "-W", "warning", "httpserver.1"], { cwd: folder });
      expect(lint).toEqual({ code: 0, stdout: "", stderr: "" });
      const shown = await run(["mandoc", "-T", "utf8", "-O", "width=1000", "httpserver.1"], { cwd: folder });
      // A letter that is struck twice is bold, and one over "_" is underlined.
      const text = shown.stdout.replace(new RegExp(`.${BACKSPACE}`, "gu"), "").replaceAll("‐", "-");
      for (const setting of Object.values<Setting>(settingTable)) {
        const { short, flag, help } = setting;
        const head = `${short === undefined ? "" : `-${short}, `}--${flag} ${placeholder(setting)}`.trim();
        expect(text).toMatch(new RegExp(`^ +${head.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?: |$)`, "m"));
        expect(text.replaceAll(/\s+/g, " ")).toContain(help.replaceAll("…", "..."));
        expect(text).toContain(`Variable: ${environmentName(setting)}.`);
      }
      for (const { name, words } of COMMANDS) {
        expect(text).toContain(["httpserver", name, words].filter((word) => word !== "").join(" "));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
