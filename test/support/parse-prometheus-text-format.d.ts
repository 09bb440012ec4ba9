/** The package has no types of its own; these are of its version in package.json. */
declare module "parse-prometheus-text-format" {
  interface Sample {
    readonly labels?: Readonly<Record<string, string>>;
    readonly value: string;
  }

  interface Distribution {
    readonly labels?: Readonly<Record<string, string>>;
    /** Cumulative counts by upper bound. */
    readonly buckets: Readonly<Record<string, string>>;
    readonly count: string;
    readonly sum: string;
  }

  interface Family {
    readonly name: string;
    readonly help: string;
    readonly type: "COUNTER" | "GAUGE" | "HISTOGRAM" | "SUMMARY" | "UNTYPED";
    readonly metrics: readonly (Sample | Distribution)[];
  }

  function parsePrometheusTextFormat(text: string): readonly Family[];
  export = parsePrometheusTextFormat;
}
