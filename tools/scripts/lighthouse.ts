/**
 * Prints Lighthouse's scores of the pages that people see, as a table: the sample site, a listing and the live page. Lighthouse is no
 * dependency: npx installs it, 113 packages. It takes no page with a status of 400 and above, so error pages have axe-core alone.
 *
 *     bun build.ts && bun tools/scripts/lighthouse.ts [--mobile]
 *
 * The scores for speed need an otherwise idle machine. The listing cannot have 100 in SEO: its Content-Security-Policy lets the page
 * fetch nothing, and Lighthouse fetches robots.txt from within it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program } from "../../test/support/binary.ts";

const VERSION = "13.5.0";
const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];
const ROOT = join(import.meta.dir, "..", "..");

interface Report {
  readonly categories: Readonly<Record<string, { readonly score: number | null }>>;
}

const folder = mkdtempSync(join(tmpdir(), "lighthouse-"));
try {
  const program = [join(ROOT, "httpserver"), "--port", "0"];
  await using site = await Program.start([...program, "--status"], { cwd: ROOT });
  await using listing = await Program.start([...program, "--root", "src", "--listing"], { cwd: ROOT });
  console.log(`| page | ${CATEGORIES.join(" | ")} |\n| --- |${" ---: |".repeat(CATEGORIES.length)}`);
  for (const [name, url] of [
    ["sample site, home", `${site.url}/`],
    ["sample site, about", `${site.url}/about.html`],
    ["sample site, contact", `${site.url}/contact.html`],
    ["listing", `${listing.url}/`],
    ["live page", `${site.url}/__server/`],
  ] as const) {
    const { categories } = await look(url);
    const scores = CATEGORIES.map((category) => Math.round((categories[category]?.score ?? 0) * 100));
    console.log(`| ${name} | ${scores.join(" | ")} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function look(url: string): Promise<Report> {
  const path = join(folder, "report.json");
  const preset = process.argv.includes("--mobile") ? [] : ["--preset=desktop"];
  const words = ["--quiet", "--output=json", `--output-path=${path}`, `--only-categories=${CATEGORIES.join(",")}`];
  const child = Bun.spawn(
    ["npx", "--yes", `lighthouse@${VERSION}`, url, ...preset, ...words, "--chrome-flags=--headless=new --no-sandbox"],
    { env: { ...process.env, CHROME_PATH: Bun.which("chromium") ?? "" }, stdout: "ignore", stderr: "pipe" },
  );
  const said = await child.stderr.text();
  if ((await child.exited) !== 0) throw new Error(`Lighthouse failed on ${url}: ${said}`);
  return (await Bun.file(path).json()) as Report;
}
