/** The text of a release: its changes, its files, how to verify them, and the machines on which it was tried. Pure. */
import type { Target } from "../../../src/client/targets.ts";
import { archiveOf, nameOf } from "../release-targets.ts";
import type { Trial } from "./trial.ts";

export interface Tried {
  readonly target: Target;
  /** The machine that its header asks for. */
  readonly header: string;
  readonly trial: Trial;
}

interface NotesOptions {
  readonly version: string;
  readonly commit: string;
  readonly dateMs: number;
  /** Text of CHANGELOG.md. */
  readonly changelog: string;
  readonly tried: readonly Tried[];
  readonly libcs: readonly string[];
}

/** Returns the notes in Markdown. */
export function renderNotes({ version, commit, dateMs, changelog, tried, libcs }: NotesOptions): string {
  const ran = tried.flatMap(({ target, trial }) => ("ran" in trial ? [`| ${nameOf(target)} | ${trial.ran} |`] : []));
  const notRun = tried.flatMap(({ target, trial }) =>
    "notRun" in trial ? [`| ${nameOf(target)} | ${trial.notRun} |`] : [],
  );
  const rows = tried.map(({ target, header }) => `| \`${archiveOf(target, version)}\` | ${header} |`);
  return `# httpserver ${version}

Commit ${commit}, ${new Date(dateMs).toISOString().slice(0, 10)}.

## Changes

${changesOf(changelog, version)}

## Verify

\`\`\`sh
sha256sum --check --ignore-missing SHA256SUMS
ssh-keygen -Y verify -f allowed_signers -I releases@httpserver -n httpserver-release -s SHA256SUMS.sig < SHA256SUMS
\`\`\`

docs/install.md explains both, and where \`allowed_signers\` comes from.

## Executables

| archive | header |
| --- | --- |
${rows.join("\n")}

Each was started, served a page, and ended by SIGTERM:

| executable | on |
| --- | --- |
${ran.join("\n")}

These were **not run** before the release. Their headers were checked:

| executable | why |
| --- | --- |
${notRun.join("\n")}

The image has the C library of ${libcs.join(" and ")}. The same sources, runtimes and C libraries give the same files, bit for bit.
`;
}

/** Returns the section of a version from the changelog, or the unreleased one. */
function changesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const titled = (title: string) => sections.find((section) => section.replace(/[[\]]/g, "").startsWith(title));
  const section = titled(version) ?? titled("Unreleased") ?? "";
  return section.slice(section.indexOf("\n")).trim().replaceAll(/^###/gm, "####");
}
