/** This tree as the package that somebody else's project has installed. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";

const TOP = join(import.meta.dir, "..", "..");

/** Puts what would be published, beside what it depends on and the types that a project with Bun has, into `project`'s node_modules. */
export function installPackage(project: string): void {
  const modules = join(project, "node_modules");
  mkdirSync(modules);
  runToEnd(["bun", "pm", "pack", "--quiet", "--destination", project], TOP);
  const archive = readdirSync(project).find((name) => name.endsWith(".tgz")) ?? "";
  runToEnd(["tar", "-xzf", archive], project);
  rmSync(join(project, archive));
  runToEnd(["mv", "package", join(modules, "httpserver")], project);
  const { dependencies } = JSON.parse(readFileSync(join(TOP, "package.json"), "utf8"));
  for (const name of [...Object.keys(dependencies), "bun-types"]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(TOP, "node_modules", name), join(modules, name));
  }
}

/** What a program printed, `bun` being the one that runs here; throws with it when it failed. */
export function runToEnd(words: readonly string[], cwd: string): string {
  const command = words[0] === "bun" ? [process.execPath, ...words.slice(1)] : [...words];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdout: "pipe", stderr: "pipe" });
  const printed = `${stdout}${stderr}`;
  if (exitCode !== 0) throw new Error(`${words.join(" ")} exited with ${exitCode}: ${printed}`);
  return printed;
}
