/** What a run makes for itself, in its own folder: the C programs, a certificate, a bare compiled listener. */
import { join } from "node:path";
import type { Programs } from "./peers.ts";
import type { Site } from "./site.ts";

/** Path of the program made from `name`.c, or null when there is no compiler. Throws with the compiler's words. */
export function compileC(name: "floor" | "sink" | "startup" | "disk", site: Site): string | null {
  if (Bun.which("cc") === null) return null;
  const program = site.fresh(name);
  const words = ["cc", "-O2", "-pthread", "-o", program, join(import.meta.dir, `${name}.c`)];
  const { success, stderr } = Bun.spawnSync(words);
  if (!success) throw new Error(`cc could not compile ${name}.c: ${stderr.toString().trim()}`);
  return program;
}

export function makePrograms(site: Site): Programs {
  return {
    floor: compileC("floor", site),
    sink: compileC("sink", site),
    python: pythonItself(),
    ...makeCertificate(site),
  };
}

/** The smallest thing that Bun compiles and that listens: the least that a start can take. Null when it cannot be built. */
export async function compileBareListener(site: Site): Promise<string | null> {
  const source = site.write(
    "bare.ts",
    // `process.stdout`, which ours never touches, would take 11 ms.
    'import { writeSync } from "node:fs";\n' +
      'const l = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });\n' +
      "writeSync(1, `Listening on port $" +
      "{l.port}\\n`);\n",
  );
  const outfile = site.fresh("bare");
  const built = await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    throw: false,
  });
  return built.success ? outfile : null;
}

function pythonItself(): string {
  if (Bun.which("python3") === null) return "python3";
  return Bun.spawnSync(["python3", "-c", "import sys; print(sys.executable)"]).stdout.toString().trim() || "python3";
}

function makeCertificate(site: Site): { readonly key: string; readonly certificate: string } {
  const key = site.fresh("key.pem");
  const certificate = site.fresh("certificate.pem");
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-x509", "-days", "2"];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  if (Bun.which("openssl") !== null) {
    Bun.spawnSync(["openssl", "req", ...kind, ...name, "-keyout", key, "-out", certificate]);
  }
  return { key, certificate };
}
