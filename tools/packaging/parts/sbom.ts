/**
 * The bill of materials of a release, in the format CycloneDX 1.6: the program, the packages that are bundled into it, and the runtime of
 * each machine. Pure: the same materials give the same bytes.
 */
import { createHash } from "node:crypto";
import type { Bundled } from "./bundled.ts";

interface Materials {
  readonly version: string;
  readonly commit: string;
  readonly dateMs: number;
  readonly bundled: readonly Bundled[];
  readonly bunVersion: string;
  /** Checksum of each runtime's package, `sha512-` and base64, by its name. */
  readonly runtimes: ReadonlyMap<string, string>;
}

/** Packages of one license id; others are SPDX expressions. */
interface Component {
  readonly type: "library" | "platform";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly licenses: readonly object[];
  readonly purl: string;
  readonly hashes: readonly object[];
}

/** Returns the document, with a line end. */
export function renderSbom(materials: Materials): string {
  const { version, commit, dateMs, bundled, bunVersion, runtimes } = materials;
  const packages = bundled.map((one) => componentOf("library", one.name, one.version, one.license, one.checksum));
  const platforms = [...runtimes.keys()]
    .toSorted()
    .map((name) => componentOf("platform", name, bunVersion, "MIT", runtimes.get(name) ?? ""));
  const program = `pkg:npm/%40httpserver/httpserver@${version}`;
  const direct = bundled.filter(({ isDirect }) => isDirect);
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf([version, commit, ...packages, ...platforms].map((part) => JSON.stringify(part)))}`,
    version: 1,
    metadata: {
      timestamp: new Date(dateMs).toISOString(),
      component: {
        type: "application",
        "bom-ref": program,
        name: "httpserver",
        version,
        licenses: [{ license: { id: "MIT" } }],
        purl: program,
        properties: [{ name: "httpserver:commit", value: commit }],
      },
    },
    components: [...packages, ...platforms],
    dependencies: [
      {
        ref: program,
        dependsOn: [...direct.map(({ name, version: own }) => purlOf(name, own)), ...platforms.map(({ purl }) => purl)],
      },
      ...bundled.map(({ name, version: own, needs }) => ({
        ref: purlOf(name, own),
        dependsOn: needs.map((id) => purlOf(id.slice(0, id.lastIndexOf("@")), id.slice(id.lastIndexOf("@") + 1))),
      })),
      ...platforms.map(({ purl }) => ({ ref: purl, dependsOn: [] })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function componentOf(
  type: Component["type"],
  name: string,
  version: string,
  license: string,
  checksum: string,
): Component {
  const purl = purlOf(name, version);
  const content = Buffer.from(checksum.replace(/^sha512-/, ""), "base64").toString("hex");
  const isOne = /^[A-Za-z0-9.-]+$/.test(license);
  return {
    type,
    "bom-ref": purl,
    name,
    version,
    licenses: [isOne ? { license: { id: license } } : { expression: license }],
    purl,
    hashes: [{ alg: "SHA-512", content }],
  };
}

function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** Returns a UUID of version 8 (RFC 9562 §5.8) that depends on the parts alone. */
function uuidOf(parts: readonly string[]): string {
  const hash = createHash("sha256").update(parts.join("\n")).digest("hex");
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `${variant}${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join("-");
}
