/**
 * The faults that tests have ordered.
 *
 * Each request that may be at fault is shown to the rules in their order. One that matches counts it: the first `skip` it lets go on
 * to the next rules, the `times` after them are its own, and then it is spent. So "the first two fail" is a rule, and whatever the
 * clients do, the same requests in the same order get the same faults.
 */
import { describeFaultRule, FAULT_RULES_MAX, type Fault, type FaultRule } from "../http/fault.ts";
import { fromRoot } from "../http/path-pattern.ts";

interface Kept {
  readonly rule: FaultRule;
  readonly pattern: Bun.Glob;
  /** Requests that matched, and those of them that got the fault. */
  matched: number;
  applied: number;
}

export class FaultRules {
  /** In the order in which they were added. */
  readonly #rules = new Map<string, Kept>();
  #lastId = 0;

  /** Returns the new rule's id, which no other gets. Throws a RangeError when there are FAULT_RULES_MAX already. */
  add(rule: FaultRule): string {
    if (this.#rules.size >= FAULT_RULES_MAX) throw new RangeError(`there are ${FAULT_RULES_MAX} rules already`);
    const id = `f${++this.#lastId}`;
    this.#rules.set(id, { rule, pattern: new Bun.Glob(fromRoot(rule.path)), matched: 0, applied: 0 });
    return id;
  }

  /** False: there is none. */
  remove(id: string): boolean {
    return this.#rules.delete(id);
  }

  /** Removes all, but counts on: an id that a test has kept is never that of the next test's rule. Returns how many there were. */
  clear(): number {
    const { size } = this.#rules;
    this.#rules.clear();
    return size;
  }

  /** The fault for a request, which counts from here on; `path` is decoded. */
  take(method: string, path: string): Fault | null {
    for (const kept of this.#rules.values()) {
      const { rule } = kept;
      if (isSpent(kept) || !matches(kept, method, path)) continue;
      kept.matched++;
      if (kept.matched <= rule.skip) continue;
      kept.applied++;
      return rule.fault;
    }
    return null;
  }

  /** As JSON: the rule as it can be ordered again, and how far it is. */
  describe(id: string): Record<string, unknown> | null {
    const kept = this.#rules.get(id);
    if (kept === undefined) return null;
    const { rule, matched, applied } = kept;
    const left = rule.times === null ? null : rule.times - applied;
    return { id, ...describeFaultRule(rule), matched, applied, left };
  }

  /** All, in their order. */
  list(): Record<string, unknown>[] {
    return [...this.#rules.keys()].map((id) => this.describe(id) ?? {});
  }
}

function isSpent({ rule, applied }: Kept): boolean {
  return rule.times !== null && applied >= rule.times;
}

function matches({ rule, pattern }: Kept, method: string, path: string): boolean {
  return (rule.method === "*" || rule.method === method) && (rule.path === path || pattern.match(path));
}
