/**
 * The faults that tests have ordered, and the room `/__server/faults` where they order, look at and withdraw them.
 *
 * Each request that may be at fault is shown to the rules in their order. One that matches counts it: the first `skip` it lets go on
 * to the next rules, the `times` after them are its own, and then it is spent. So "the first two fail" is a rule, and whatever the
 * clients do, the same requests in the same order get the same faults.
 */
import { describeFaultRule, type Fault, type FaultRule, readFaultRule } from "../http/fault.ts";
import type { Request, Response } from "../http/message.ts";
import { fromRoot } from "../http/path-pattern.ts";
import { Method } from "../http/request-head.ts";
import { errorAnswer, jsonAnswer, type Room } from "./reserved.ts";

/** Rules at once, by requests. Each request for a file is compared with all of them. */
const RULES_MAX = 1000;

/** Bytes of a rule in JSON. */
const RULE_BYTES_MAX = 65_536;

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

  get size(): number {
    return this.#rules.size;
  }

  /** Returns the new rule's id. */
  add(rule: FaultRule): string {
    const id = `f${++this.#lastId}`;
    this.#rules.set(id, { rule, pattern: new Bun.Glob(fromRoot(rule.path)), matched: 0, applied: 0 });
    return id;
  }

  /** False: there is none. */
  remove(id: string): boolean {
    return this.#rules.delete(id);
  }

  /** Removes all; the next one is `f1` again. Returns how many there were. */
  clear(): number {
    const { size } = this.#rules;
    this.#rules.clear();
    this.#lastId = 0;
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

/** GET lists, POST adds, DELETE removes all; `faults/f1` is one of them. */
export function faultsRoom(rules: FaultRules, guard: Room["guard"]): Room {
  return {
    methods: ["GET", "POST", "DELETE"],
    bodyBytesMax: RULE_BYTES_MAX,
    // Its guard asks for another kind of Authorization.
    isOpen: true,
    hasParts: true,
    guard,
    respond(request, id) {
      switch (request.head.method) {
        case Method.Post:
          return id === "" ? addRule(rules, request) : errorAnswer(404, "rules are added at faults, without an id");
        case Method.Get:
        case Method.Head:
          return id === "" ? jsonAnswer(200, rules.list()) : oneRule(rules, id);
        default:
          if (id === "") return jsonAnswer(200, { removed: rules.clear() });
          return rules.remove(id) ? jsonAnswer(200, { removed: 1 }) : noSuchRule();
      }
    },
  };
}

function addRule(rules: FaultRules, request: Request): Response {
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(request.body));
  } catch {
    return errorAnswer(400, "expected JSON in UTF-8");
  }
  const rule = readFaultRule(given);
  if (typeof rule === "string") return errorAnswer(400, rule);
  if (rules.size >= RULES_MAX) return errorAnswer(400, `there are ${RULES_MAX} rules already; DELETE removes them`);
  return jsonAnswer(201, { id: rules.add(rule) });
}

function oneRule(rules: FaultRules, id: string): Response {
  const rule = rules.describe(id);
  return rule === null ? noSuchRule() : jsonAnswer(200, rule);
}

function noSuchRule(): Response {
  return errorAnswer(404, "there is no such rule");
}
