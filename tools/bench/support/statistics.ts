/** The few numbers that are made of many: medians, because one disturbed round must not move the result. */

/** The middle value, the mean of the two middle ones for an even count; NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/**
 * Median of values[i] / bases[i]: both were measured in the same round, so what disturbed the machine then has disturbed
 * both. Rounds that only one of them has are left out; NaN when there is none.
 */
export function medianOfRatios(values: readonly (number | null)[], bases: readonly (number | null)[]): number {
  const ratios: number[] = [];
  for (let i = 0; i < Math.min(values.length, bases.length); i++) {
    const value = values[i] ?? null;
    const base = bases[i] ?? null;
    if (value !== null && base !== null && base > 0) ratios.push(value / base);
  }
  return median(ratios);
}

/** Three significant digits, thousands separated: `155,000`, `6.21`, `0.85`; `–` for what is no number. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString("en-US", { maximumFractionDigits: Math.abs(rounded) >= 100 ? 0 : 3 });
}

/** Columns of equal width, the first to the left, the others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return rows.map((row) => `  ${line(row)}`.trimEnd()).join("\n");
}
