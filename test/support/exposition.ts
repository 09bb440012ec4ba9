/**
 * Prometheus's text format, version 0.0.4, as somebody else's parser reads it. That parser takes almost anything, so what
 * `promtool check metrics` would refuse is refused here first.
 */
import parse from "parse-prometheus-text-format";

interface Distribution {
  /** Cumulative counts, by ascending upper bounds; the last bound is Infinity. */
  readonly buckets: readonly (readonly [bound: number, count: number])[];
  readonly count: number;
  readonly sum: number;
}

/** What one scrape says. */
export interface Scrape {
  /** Of each family, in the order of the text. */
  readonly types: ReadonlyMap<string, string>;
  /** The sample of `name` whose only label has the value `label`; without a label the only sample. 0 where there is none. */
  value(name: string, label?: string): number;
  /** All samples of `name` by the value of their only label. */
  values(name: string): Readonly<Record<string, number>>;
  distribution(name: string): Distribution;
}

/** Throws an Error that names the line, or the family, which breaks a rule. */
export function readExposition(text: string): Scrape {
  const faults = expositionFaults(text);
  if (faults.length > 0) throw new Error(faults.join("; "));
  const families = new Map(parse(text).map((family) => [family.name, family]));
  const samples = (name: string): [label: string, value: number][] => {
    const family = families.get(name);
    if (family === undefined) throw new Error(`there is no ${name}`);
    return family.metrics.map((sample) => {
      if (!("value" in sample)) throw new Error(`${name} is a ${family.type}`);
      const labels = Object.values(sample.labels ?? {});
      if (labels.length > 1) throw new Error(`${name} has ${labels.length} labels`);
      return [labels[0] ?? "", Number(sample.value)];
    });
  };
  return {
    types: new Map([...families.values()].map(({ name, type }) => [name, type.toLowerCase()])),
    value: (name, label = "") => new Map(samples(name)).get(label) ?? 0,
    values: (name) => Object.fromEntries(samples(name)),
    distribution(name) {
      const [sample] = families.get(name)?.metrics ?? [];
      if (sample === undefined || !("buckets" in sample)) throw new Error(`there is no histogram ${name}`);
      const buckets = Object.entries(sample.buckets).map(([bound, count]) => [boundOf(bound), Number(count)] as const);
      return { buckets: buckets.sort(([a], [b]) => a - b), count: Number(sample.count), sum: Number(sample.sum) };
    },
  };
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^{}]*)\})? (\S+)$/;
const LABELS = /^(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*$/;

/** One sentence for each rule that `text` breaks. */
export function expositionFaults(text: string): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  const helps = new Set<string>();
  const types = new Map<string, string>();
  const samplesOf = new Map<string, [labels: string, value: number][]>();
  let family = "";
  if (!text.endsWith("\n")) faults.push("the last line has no end");
  for (const line of text.split("\n").slice(0, -1)) {
    const [hash, keyword, name = "", ...rest] = line.split(" ");
    if (hash === "#" && keyword === "HELP") {
      if (!NAME.test(name)) faults.push(`no name: ${line}`);
      if (helps.has(name)) faults.push(`HELP twice: ${name}`);
      if (rest.join(" ") === "") faults.push(`no help: ${name}`);
      helps.add(name);
      family = name;
    } else if (hash === "#" && keyword === "TYPE") {
      if (types.has(name)) faults.push(`TYPE twice: ${name}`);
      if (name !== family) faults.push(`TYPE without HELP: ${name}`);
      const [type = ""] = rest;
      types.set(name, type);
      if (!["counter", "gauge", "histogram"].includes(type)) faults.push(`unknown type: ${line}`);
      if ((type === "counter") !== name.endsWith("_total")) faults.push(`_total is for counters: ${name}`);
      samplesOf.set(name, []);
    } else {
      const [, sample = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
      const suffix = types.get(family) === "histogram" ? sample.slice(family.length) : "";
      const isOurs = sample === family || ["_bucket", "_sum", "_count"].includes(suffix);
      if (sample === "" || !LABELS.test(labels)) faults.push(`no sample: ${line}`);
      else if (!isOurs || !types.has(family)) faults.push(`out of its family: ${line}`);
      if (!/^(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf|NaN)$/.test(value)) faults.push(`no value: ${line}`);
      const key = `${sample}{${labels}}`;
      if (seen.has(key)) faults.push(`twice: ${key}`);
      seen.add(key);
      samplesOf.get(family)?.push([`${suffix}${labels}`, Number(value)]);
    }
  }
  for (const [name, type] of types) {
    if (type === "histogram") faults.push(...histogramFaults(name, samplesOf.get(name) ?? []));
  }
  return faults;
}

function histogramFaults(name: string, samples: readonly (readonly [key: string, value: number])[]): string[] {
  const faults: string[] = [];
  const buckets = samples.flatMap(([key, value]) => {
    const bound = /^_bucketle="([^"]+)"$/.exec(key)?.[1];
    return bound === undefined ? [] : [[boundOf(bound), value] as const];
  });
  for (const [i, [bound, count]] of buckets.entries()) {
    const [below, before] = buckets[i - 1] ?? [Number.NEGATIVE_INFINITY, 0];
    if (!(bound > below)) faults.push(`bounds do not ascend: ${name} ${bound}`);
    if (count < before) faults.push(`buckets are not cumulative: ${name} ${bound}`);
  }
  const total = samples.find(([key]) => key === "_count")?.[1];
  const [last, all] = buckets.at(-1) ?? [0, 0];
  if (last !== Number.POSITIVE_INFINITY) faults.push(`no bucket for all: ${name}`);
  if (all !== total) faults.push(`the last bucket is not the count: ${name}`);
  if (!samples.some(([key]) => key === "_sum")) faults.push(`no sum: ${name}`);
  return faults;
}

function boundOf(text: string): number {
  return text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
}
