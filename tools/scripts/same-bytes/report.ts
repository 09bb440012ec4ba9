/** All differences of a run, grouped by their labels, each with a reason where one is known. */
import type { Compared, Differing } from "./runner.ts";

/** Characters of a request that are printed. */
const REQUEST_SHOWN = 300;

interface Entry {
  readonly setup: string;
  readonly id: string;
  readonly labels: readonly string[];
  readonly isByChance: boolean;
  readonly sent: readonly string[];
  readonly before: readonly string[];
  readonly after: readonly string[];
}

interface Group {
  readonly reason: string | null;
  readonly lines: string[];
}

export class Report {
  readonly entries: Entry[] = [];
  /** Differences without a reason, and uploads that only one server has kept. */
  unexplained = 0;
  readonly #reasons: Readonly<Record<string, string>>;
  readonly #groups = new Map<string, Group>();
  readonly #notes: string[] = [];
  #cases = 0;
  readonly #counts = new Map<string, number>();

  /** `reasons`: a part of a label, and why such a difference is meant. */
  constructor(reasons: Readonly<Record<string, string>>) {
    this.#reasons = reasons;
  }

  add(setup: string, { cases, counts, differing, strayUploads }: Compared): void {
    this.#cases += cases;
    for (const [key, count] of counts) this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
    for (const one of differing) this.#addCase(setup, one);
    // Broken connections may or may not reach the disk, so the count says more beside differences by chance.
    if (strayUploads > 0) {
      this.#notes.push(`${setup}: ${strayUploads} uploaded contents are on one side only`);
      this.unexplained++;
    }
  }

  #addCase(setup: string, differing: Differing): void {
    const { case: one, differences, before, after, isByChance } = differing;
    const sent = one.conversations.map((steps) => steps.map(([kind, text]) => (kind === "send" ? text : "")).join(""));
    const labels = [...new Set(differences.map(({ label }) => label))];
    const end = ({ text, end }: Differing["before"][number]) => `${text}⟨${end}⟩`;
    this.entries.push({ setup, id: one.id, labels, isByChance, sent, before: before.map(end), after: after.map(end) });
    for (const { label, conversation, answer } of differences) {
      const key = isByChance ? `by chance, agreed when played again: ${label}` : label;
      const group = this.#groups.get(key) ?? { reason: isByChance ? "chance" : this.#reasonFor(label), lines: [] };
      this.#groups.set(key, group);
      if (group.reason === null) this.unexplained++;
      const request = JSON.stringify((sent[conversation] ?? "").slice(0, REQUEST_SHOWN));
      group.lines.push(`    ${setup}, ${one.id}, answer ${answer + 1}\n      ${request}`);
    }
  }

  #reasonFor(label: string): string | null {
    return Object.entries(this.#reasons).find(([part]) => label.includes(part))?.[1] ?? null;
  }

  /** Text for a terminal, at most `shown` cases of each group. */
  print(shown: number): string {
    const differing = this.entries.filter(({ isByChance }) => !isByChance).length;
    const byChance = this.entries.length - differing;
    const counts = [...this.#counts].sort(([a], [b]) => a.localeCompare(b)).map(([key, count]) => `${count} × ${key}`);
    const lines = [
      `${this.#cases} cases, ${differing} differ, ${byChance} differed by chance`,
      `  answers and ends: ${counts.join(", ")}`,
    ];
    for (const note of this.#notes) lines.push(`  ${note}`);
    const groups = [...this.#groups].sort(([, a], [, b]) => b.lines.length - a.lines.length);
    for (const [label, group] of groups) {
      lines.push(`  ${group.lines.length} × ${label}`);
      if (group.reason !== null && group.reason !== "chance") lines.push(`    reason: ${group.reason}`);
      lines.push(...group.lines.slice(0, shown));
      if (group.lines.length > shown) lines.push(`    and ${group.lines.length - shown} more`);
    }
    return `${lines.join("\n")}\n`;
  }
}
