/** The likely meaning of a word with a typing error. */

/** Returns the one word that begins with `typed`, or one that is at most two typing errors away; null when none is near. */
export function nearest(typed: string, words: readonly string[]): string | null {
  if (typed.length >= 2) {
    const begun = words.filter((word) => word.startsWith(typed));
    if (begun.length === 1 && begun[0] !== undefined) return begun[0];
  }
  const farthest = typed.length <= 4 ? 1 : 2;
  let near: string | null = null;
  let nearDistance = farthest + 1;
  if (typed.length > 40) return null;
  for (const word of words) {
    const distance = editDistance(typed, word);
    if (distance >= nearDistance) continue;
    near = word;
    nearDistance = distance;
  }
  return near;
}

/** Returns the number of letters to insert, delete, replace or swap to make `a` of `b` (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let twoAbove: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (above[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (twoAbove[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    twoAbove = above;
    above = current;
  }
  return above[b.length] ?? 0;
}
