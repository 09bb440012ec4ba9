/**
 * Prints the table character × client × place: the bytes on the wire, and how this server and nginx answer them.
 * `bun tools/scripts/targets.ts`; needs nginx. A client that is not installed is named below the table.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../../src/index.ts";
import { hasCommand } from "../../test/support/needs.ts";
import { CHROMIUM, launchBrowser } from "../../test/support/page.ts";
import {
  type Cell,
  CHARACTERS,
  CLIENTS,
  pageOf,
  plantTargets,
  record,
  startNginx,
  statusOf,
} from "../../test/support/target-clients.ts";

const folder = mkdtempSync(join(tmpdir(), "targets-"));
try {
  const root = join(folder, "www");
  mkdirSync(root);
  plantTargets(root);
  await printTable(root);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function printTable(root: string): Promise<void> {
  await using server = await startServer({ root, uploads: join(folder, "up"), cleanPaths: true, anyPort: true });
  await using nginx = await startNginx(root, folder);
  const absent: string[] = [];
  const columns = await recordAll(absent);
  const names = [...columns.keys()];
  const row = (cells: readonly string[]) => process.stdout.write(`| ${cells.join(" | ")} |\n`);
  row(["place", "character", ...names, "wire: ours, nginx"]);
  row(["---", "---", ...names.map(() => "---"), "---"]);
  for (let index = 0; index < 2 * CHARACTERS.length; index++) {
    const cells = [...columns.values()].map((column) => column[index] as Cell);
    const [{ place, character }] = cells as [Cell];
    const answers: string[] = [];
    for (const wire of new Set(cells.map((cell) => cell.wire))) {
      if (wire === null) continue;
      const ours = await statusOf(wire, { hostname: "127.0.0.1", port: server.port });
      answers.push(`${formOf(wire, character)} ${ours}, ${await statusOf(wire, nginx.at)}`);
    }
    row([place, nameOf(character), ...cells.map(({ wire }) => formOf(wire, character)), answers.join("; ")]);
  }
  if (absent.length > 0) process.stdout.write(`\nNot installed: ${absent.join(", ")}.\n`);
}

/** Records every client that is installed, and adds the names of the others to `absent`. */
async function recordAll(absent: string[]): Promise<ReadonlyMap<string, readonly Cell[]>> {
  const columns = new Map<string, readonly Cell[]>();
  for (const [name, client] of [[CHROMIUM, inChromium] as const, ...Object.entries(CLIENTS)]) {
    if (hasCommand(name)) columns.set(name, await record(client));
    else absent.push(name);
  }
  return columns;
}

async function inChromium(urls: readonly string[]): Promise<void> {
  const browser = await launchBrowser();
  try {
    await pageOf(browser)(urls);
  } finally {
    await browser.close();
  }
}

function nameOf(character: string): string {
  if (character === " ") return "SP";
  if (character === "\x7f") return "DEL";
  return character === "`" ? "`` ` ``" : `\`${character.replace("|", "\\|")}\``;
}

/** Returns the character's own part of a target, "raw" if it is as it was, and a dash if nothing was sent. */
function formOf(wire: string | null, character: string): string {
  if (wire === null) return "–";
  const form = wire.replace(/^.*x(?=.+y)/, "").replace(/y(?:\.html)?$/, "");
  const raw = Buffer.from(character).toString("latin1");
  return form === raw ? "**raw**" : form.replace(/[^!-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}
