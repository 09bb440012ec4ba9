/**
 * The house's own rules (docs/architecture.md), read from the source: imports only go down, floor 1 is pure, each door to
 * the outside is in its place. Every rule is a function from modules to faults, tried on a small bad example beside
 * the run over the tree, so a rule that has stopped seeing anything is noticed.
 */
import { describe, expect, test } from "bun:test";
import {
  importFaults,
  importsOf,
  isRelative,
  type Module,
  packageOf,
  readText,
  readTree,
  resolveImport,
  targetsOf,
  wordFaults,
} from "./tidy/modules.ts";

type Floor = "http" | "settings" | "exchange" | "http1" | "http2" | "handlers" | "fixture" | "server" | "top";
type Rule = (modules: readonly Module[]) => string[];

const RUNTIME_PACKAGES = ["@peculiar/x509", "citty", "consola", "mime", "reflect-metadata"];

/** Floors and packages that a floor may import, types included, besides itself. */
const ALLOWED: Record<Floor, { floors: readonly Floor[]; packages: readonly string[] }> = {
  http: { floors: [], packages: [] },
  settings: { floors: ["http"], packages: [] },
  exchange: { floors: ["http", "settings"], packages: [] },
  http1: { floors: ["http", "settings", "exchange"], packages: [] },
  http2: { floors: ["http", "settings", "exchange"], packages: [] },
  handlers: { floors: ["http", "settings", "exchange"], packages: ["mime", "node", "bun"] },
  fixture: { floors: ["http", "settings", "exchange", "handlers"], packages: ["node", "bun"] },
  server: {
    floors: ["http", "settings", "exchange", "http1", "http2", "handlers", "fixture"],
    packages: ["@peculiar/x509", "reflect-metadata", "node", "bun"],
  },
  top: {
    floors: ["http", "settings", "exchange", "http1", "http2", "handlers", "fixture", "server"],
    packages: ["citty", "consola", "node", "bun"],
  },
};

const source = readTree("src").filter((module) => module.path.endsWith(".ts"));

describe("the source tree", () => {
  test("is found", () => {
    expect(source.map((module) => module.path)).toContain("src/http/message.ts");
  });

  holds("imports only go down", floorFaults, {
    "an upward import": [file("src/http/a.ts", `import { b } from "../exchange/b.ts";`)],
    "an upward type import": [file("src/http/a.ts", `import type { B } from "../settings/options.ts";`)],
    "an import over several lines": [file("src/http/a.ts", `import {\n  a,\n  b,\n} from "../server/b.ts";`)],
    "a sideways import": [file("src/handlers/a.ts", `import { b } from "../http1/b.ts";`)],
    "a sideways type import": [file("src/http1/a.ts", `import type { B } from "../handlers/b.ts";`)],
    "one wire format in another": [file("src/http2/a.ts", `import { B } from "../http1/b.ts";`)],
    "the fixture below it": [file("src/handlers/a.ts", `import type { B } from "../fixture/b.ts";`)],
    "a sideways re-export": [file("src/exchange/a.ts", `export * from "../handlers/b.ts";`)],
    "a dynamic import": [file("src/exchange/a.ts", `const b = await import("../server/b.ts");`)],
    "a wire format in an exchange": [file("src/exchange/a.ts", `import { B } from "../http1/b.ts";`)],
    "the command line below the top": [file("src/server/a.ts", `import { say } from "../cli/say.ts";`)],
    "logging below the top": [file("src/server/a.ts", `import { log } from "../cli/log.ts";`)],
    "a package in an exchange": [file("src/exchange/a.ts", `import mime from "mime";`)],
    "a package on the wrong floor": [file("src/handlers/a.ts", `import { consola } from "consola";`)],
    "node: in an exchange": [file("src/exchange/a.ts", `import { openSync } from "node:fs";`)],
    "node: in floor 1": [file("src/http/a.ts", `import "node:fs";`)],
    "bun in floor 1": [file("src/http/a.ts", `import { file } from "bun";`)],
    "a file on no floor": [file("src/misc/a.ts", ``)],
    "an import from outside src": [file("src/server/a.ts", `import { version } from "../../package.json";`)],
  });

  test("a downward import and a commented import are not faults", () => {
    const modules = [
      file("src/http/a.ts", `// import { b } from "../exchange/b.ts";\n/** import { b } from "../server/b.ts"; */`),
      file(
        "src/exchange/a.ts",
        `import { a } from "../http/a.ts";\nimport type { Options } from "../settings/options.ts";`,
      ),
      file("src/handlers/a.ts", `import { openSync } from "node:fs";\nimport mime from "mime";`),
      file("src/handlers/b.ts", `import { a } from "./a.ts";\nconst text = 'import x from "../server/x.ts"';`),
      file("src/cli/cli.ts", `import { defineCommand } from "citty";\nimport { s } from "../server/s.ts";`),
    ];
    expect(floorFaults(modules)).toEqual([]);
  });

  holds("floor 1 is pure: no Bun, no clock, no chance, no waiting", purityFaults, {
    Bun: [file("src/http/a.ts", `export const a = Bun.nanoseconds();`)],
    "the clock": [file("src/http/a.ts", `export const a = () => Date.now();`)],
    "the clock by constructor": [file("src/http/a.ts", `export const a = () => new Date();`)],
    "the fine clock": [file("src/http/a.ts", `export const a = () => performance.now();`)],
    "an async function": [file("src/http/a.ts", `export async function a(): Promise<void> {}`)],
    "an await": [file("src/http/a.ts", `export const a = await 1;`)],
    "a promise": [file("src/http/a.ts", `export const a = Promise.resolve(1);`)],
    "a timer": [file("src/http/a.ts", `setTimeout(() => {}, 1);`)],
    chance: [file("src/http/a.ts", `export const a = Math.random();`)],
    process: [file("src/http/a.ts", `export const a = process.env["A"];`)],
    "the clock in an exchange": [file("src/exchange/a.ts", `export const a = () => Date.now();`)],
    "Bun in an exchange": [file("src/exchange/a.ts", `export const a = () => Bun.gc(true);`)],
  });

  test("the names in a comment, a sentence, a type or a date made from a number are no fault", () => {
    const text = `
      // Date.now() and setTimeout belong to the server.
      export const sentence = "await Bun.serve and Date.now()";
      export const template = \`Promise of \${sentence}\`;
      export const quote = /["'\`]/;
      export interface Late { answer(): Promise<number> }
      export const utc = (ms: number) => new Date(ms).getTime() + Date.UTC(1970, 0);
    `;
    expect(purityFaults([file("src/http/a.ts", text)])).toEqual([]);
  });

  holds("nobody serves with a ready-made server", readyMadeFaults, {
    "Bun's": [file("src/server/a.ts", `Bun.serve({ fetch: () => new Response() });`)],
    "Bun's, imported": [file("src/server/a.ts", `import { serve } from "bun";`)],
    "Node's": [file("src/server/a.ts", `import { createServer } from "node:http";`)],
    "Node's without prefix": [file("src/server/a.ts", `import { createServer } from "http";`)],
    "Node's for TLS": [file("src/server/a.ts", `const s = await import("node:https");`)],
    "Node's HTTP/2": [file("src/server/a.ts", `import type { Http2Server } from "node:http2";`)],
  });

  holds("only the server opens sockets", socketFaults, {
    "a listener in a handler": [file("src/handlers/a.ts", `Bun.listen({ port: 0 });`)],
    "a connection from the command line": [file("src/cli/cli.ts", `await Bun.connect({});`)],
    "Node's sockets": [file("src/handlers/a.ts", `import { connect } from "node:net";`)],
    "a request to elsewhere": [file("src/handlers/a.ts", `const r = await fetch("http://example.com/");`)],
    "a request of the command line": [file("src/cli/run.ts", `const r = await fetch("http://127.0.0.1/");`)],
    "a socket of the probe": [file("src/cli/probe.ts", `await Bun.connect({});`)],
    "a socket of the client": [file("src/client/endpoints.ts", `import { connect } from "node:net";`)],
  });

  holds("nobody writes to the console", consoleFaults, {
    "console.log": [file("src/server/a.ts", `console.log("here");`)],
    "console.error in a callback": [file("src/cli/cli.ts", `run().catch(console.error);`)],
  });

  holds("no module imports itself, through any number of others", cycleFaults, {
    "two modules": [file("src/http/a.ts", `import { b } from "./b.ts";`), file("src/http/b.ts", `import "./a.ts";`)],
    "three modules": [
      file("src/http/a.ts", `import { b } from "./b.ts";`),
      file("src/http/b.ts", `export { c } from "./c.ts";`),
      file("src/http/c.ts", `import { a } from "./a.ts";`),
    ],
    "one module": [file("src/http/a.ts", `import { a } from "./a.ts";`)],
    "two modules, closed by a type": [
      file("src/http/a.ts", `import { b } from "./b.ts";`),
      file("src/http/b.ts", `import type { A } from "./a.ts";`),
    ],
  });

  test("no module of the tests and the tools imports itself either", () => {
    expect(cycleFaults([...source, ...readTree("test"), ...readTree("tools")])).toEqual([]);
  });

  test("two ways to one module are no cycle", () => {
    const modules = [
      file("src/http/a.ts", `import { b } from "./b.ts";\nimport { c } from "./c.ts";`),
      file("src/http/b.ts", `import { c } from "./c.ts";`),
      file("src/http/c.ts", ``),
    ];
    expect(cycleFaults(modules)).toEqual([]);
  });

  holds("every module is used by the program or the library", deadFaults, {
    "a module nobody imports": [file("src/main.ts", ``), file("src/http/a.ts", ``)],
    "two that import only each other": [
      file("src/index.ts", ``),
      file("src/http/a.ts", `import { b } from "./b.ts";`),
      file("src/http/b.ts", `import type { A } from "./a.ts";`),
    ],
    "an import of nothing": [file("src/main.ts", `import { gone } from "./http/gone.ts";`)],
  });
});

describe("package.json", () => {
  test("has no runtime package but those that were decided on", () => {
    expect(dependencyFaults(readText("package.json"))).toEqual([]);
  });

  test("a fourth runtime package, of any kind, is a fault", () => {
    for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
      expect(dependencyFaults(JSON.stringify({ [kind]: { express: "5.0.0" } }))).toHaveLength(1);
    }
  });

  test("a version that may drift is a fault", () => {
    expect(dependencyFaults(JSON.stringify({ dependencies: { mime: "^4.1.2" } }))).toHaveLength(1);
    expect(dependencyFaults(JSON.stringify({ devDependencies: { typescript: "latest" } }))).toHaveLength(1);
  });
});

describe("the Bun version", () => {
  const at = (version: string) => ["bun", version].join("@");

  test("is the same wherever it is named", () => {
    const files = readTree(".").filter((module) => module.text.length < 1_000_000);
    expect(versionFaults(readText("package.json"), files)).toEqual([]);
    expect(files.filter((module) => module.text.includes(at(""))).map((module) => module.path)).toContain("README.md");
  });

  test("another one in a text, in the lockfile or for the types is a fault", () => {
    const manifest = JSON.stringify({ packageManager: at("1.2.3"), devDependencies: { "bun-types": "1.2.3" } });
    expect(versionFaults(manifest, [file("README.md", `npx -y ${at("1.2.3")} start`)])).toEqual([]);
    expect(versionFaults(manifest, [file("README.md", `npx -y ${at("1.2.4")} start`)])).toHaveLength(1);
    expect(versionFaults(manifest, [file("bun.lock", `"bun-types": "1.2.4"`)])).toHaveLength(1);
    expect(versionFaults(manifest.replace(`"bun-types":"1.2.3"`, `"bun-types":"1.2.2"`), [])).toHaveLength(1);
    expect(versionFaults(JSON.stringify({}), [])).toHaveLength(1);
  });
});

/** The rule finds nothing in our source, and exactly one fault in each example. */
function holds(sentence: string, rule: Rule, examples: Record<string, readonly Module[]>): void {
  test(sentence, () => {
    expect(rule(source)).toEqual([]);
  });
  for (const [name, modules] of Object.entries(examples)) {
    test(`${sentence}: ${name} is a fault`, () => {
      expect(rule(modules)).toHaveLength(1);
    });
  }
}

function file(path: string, text: string): Module {
  return { path, text };
}

// Rules ------------------------------------------------------------------------------------------------------------

function floorFaults(modules: readonly Module[]): string[] {
  const faults: string[] = [];
  for (const module of modules) {
    const floor = floorOf(module.path);
    if (floor === undefined) {
      faults.push(`${module.path}: is on no floor`);
      continue;
    }
    const allowed = ALLOWED[floor];
    for (const specifier of importsOf(module)) {
      if (!isRelative(specifier)) {
        if (!allowed.packages.includes(packageOf(specifier)))
          faults.push(`${module.path}: may not import ${specifier}`);
        continue;
      }
      // The version that runs from source; the built file has it baked in.
      if (floor === "top" && resolveImport(module, specifier) === "package.json") continue;
      const target = floorOf(resolveImport(module, specifier));
      const fine = target !== undefined && (target === floor || allowed.floors.includes(target));
      if (!fine) faults.push(`${module.path}: ${floor} may not import ${specifier}`);
    }
  }
  return faults;
}

function purityFaults(modules: readonly Module[]): string[] {
  const inFloor1 =
    /\b(?:Bun\.|Date\.now|new Date(?!\()|performance\.now|async|await|Promise|set(?:Timeout|Interval|Immediate)|queueMicrotask|Math\.random|crypto\.|process\.|fetch\()/;
  const inExchange =
    /\b(?:Bun\.|Date\.now|new Date(?!\()|performance\.now|set(?:Timeout|Interval|Immediate)|Math\.random|process\.)/;
  return [
    ...wordFaults(modules, inFloor1, (path) => floorOf(path) === "http"),
    ...wordFaults(modules, inExchange, (path) => ["exchange", "http1", "http2"].includes(floorOf(path) ?? "")),
  ];
}

function readyMadeFaults(modules: readonly Module[]): string[] {
  const imported = importFaults(modules, (specifier) => /^(?:node:)?(?:http|https|http2)$/.test(specifier));
  return [...imported, ...wordFaults(modules, /\bBun\.serve\b|\bserve\b[^;]*\bfrom\s*"bun"/, () => true, true)];
}

function socketFaults(modules: readonly Module[]): string[] {
  const others = modules.filter((module) => floorOf(module.path) !== "server");
  const imported = importFaults(others, (specifier) => /^(?:node:)?(?:net|tls|dgram)$/.test(specifier));
  return [
    ...imported,
    ...wordFaults(others, /\bBun\.(?:listen|connect|udpSocket)\b/, () => true),
    // `probe` and the library outside of Bun are clients and nothing else.
    ...wordFaults(
      others,
      /(?<![.\w])fetch\(/,
      (path) => path !== "src/cli/probe.ts" && !path.startsWith("src/client/"),
    ),
  ];
}

function consoleFaults(modules: readonly Module[]): string[] {
  return wordFaults(modules, /(?<![#.\w])console\./, () => true);
}

/** Finds cycles of imports, types included: a cycle that a type closes shows a type in the wrong place. */
function cycleFaults(modules: readonly Module[]): string[] {
  const graph = new Map(modules.map((module) => [module.path, targetsOf(module)]));
  const finished = new Set<string>();
  const faults: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      faults.push([...trail.slice(start), path].join(" → "));
      return;
    }
    if (finished.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return faults;
}

/** Doors of the program and of its further threads, and of the library in Bun and elsewhere. */
const DOORS = ["src/main.ts", "src/worker.ts", "src/index.ts", "src/node.ts"];

/** Modules that cannot be reached from a door, each group once by its first file; imports that lead nowhere. */
function deadFaults(modules: readonly Module[]): string[] {
  const graph = new Map(modules.map((module) => [module.path, targetsOf(module)]));
  const faults: string[] = [];
  const reached = new Set<string>();
  const reach = (path: string, from: string) => {
    if (reached.has(path)) return;
    const targets = graph.get(path);
    if (targets === undefined) {
      faults.push(`${from}: imports ${path}, which does not exist`);
      return;
    }
    reached.add(path);
    for (const target of targets) reach(target, path);
  };
  for (const door of DOORS) if (graph.has(door)) reach(door, door);
  for (const path of graph.keys()) {
    if (reached.has(path)) continue;
    faults.push(`${path}: reached from none of ${DOORS.join(", ")}`);
    reach(path, path);
  }
  return faults;
}

function dependencyFaults(manifest: string): string[] {
  const read = JSON.parse(manifest) as Record<string, Record<string, string> | undefined>;
  const faults: string[] = [];
  for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
    for (const name of Object.keys(read[kind] ?? {})) {
      if (!RUNTIME_PACKAGES.includes(name)) faults.push(`${kind}: ${name}`);
    }
  }
  for (const kind of ["dependencies", "devDependencies"]) {
    for (const [name, version] of Object.entries(read[kind] ?? {})) {
      if (!/^\d+\.\d+\.\d+$/.test(version)) faults.push(`${kind}: ${name} is not pinned but ${version}`);
    }
  }
  return faults;
}

function versionFaults(manifest: string, files: readonly Module[]): string[] {
  const { packageManager, devDependencies } = JSON.parse(manifest) as {
    packageManager?: string;
    devDependencies?: Record<string, string>;
  };
  const pinned = /^bun@(\d+\.\d+\.\d+)$/.exec(packageManager ?? "")?.[1];
  if (pinned === undefined) return [`package.json: packageManager is ${packageManager}, not one version of Bun`];
  const faults: string[] = [];
  const types = devDependencies?.["bun-types"];
  if (types !== undefined && types !== pinned) faults.push(`package.json: bun-types is ${types}, Bun is ${pinned}`);
  for (const { path, text } of files) {
    for (const mention of text.matchAll(/\bbun(?:-types)?@(\d+\.\d+\.\d+)|"bun-types": "([^"]+)"/g)) {
      const version = mention[1] ?? mention[2];
      if (mention[2] !== undefined && path !== "package.json" && path !== "bun.lock") continue;
      if (version !== pinned) faults.push(`${path}: names ${mention[0]}, Bun is ${pinned}`);
    }
  }
  return faults;
}

function floorOf(path: string): Floor | undefined {
  const [top, name = "", below] = path.split("/");
  if (top !== "src") return undefined;
  if (below === undefined) return DOORS.includes(path) ? "top" : undefined;
  if (name === "cli" || name === "client") return "top";
  return name in ALLOWED && name !== "top" ? (name as Floor) : undefined;
}
