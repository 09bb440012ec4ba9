/** Bundles the types of an entry into one declaration file that imports nothing. */
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";

/** Without it, a project with an older `lib` and without Node's types would not know `AsyncDisposable`. */
const LIBRARY = '/// <reference lib="esnext.disposable" />\n';

/** Returns the declarations. Throws for an import that could not be bundled, and for a type of Bun or Node. */
export async function bundleTypes(entry: string): Promise<string> {
  const bundle = await rollup({
    input: entry,
    external: [/^node:/, /^bun$/],
    plugins: [dts({ compilerOptions: { allowImportingTsExtensions: true, stripInternal: true } })],
    onwarn: ({ message }) => {
      throw new Error(`types of ${entry}: ${message}`);
    },
  });
  const { output } = await bundle.generate({ format: "es" });
  const [{ code }] = output;
  const stray = /^import .*|\b(?:Bun|NodeJS)\.\w+|\bBuffer\b/m.exec(code.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""));
  if (stray !== null) throw new Error(`types of ${entry} need other types: ${stray[0]}`);
  return LIBRARY + code;
}
