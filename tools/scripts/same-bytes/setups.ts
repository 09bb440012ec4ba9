/** The servers that are compared: each with its flags, and the cases that are played against it. Flags that both builds know. */

import { BODY_BYTES_MAX, HOSTS } from "../../../test/conformance/site.ts";
import type { Case } from "./case.ts";
import { generatedCases, PASSWORD, USER } from "./conversations.ts";
import { fixtureEndpointCases, shutdownCase, statusCases } from "./endpoints.ts";
import { faultCases } from "./faults.ts";
import { rowCases } from "./rows.ts";
import { addFiles, type ComparedSite } from "./site.ts";

export const PARTS = ["rows", "generated", "faults", "endpoints"] as const;

export interface Setup {
  readonly name: string;
  readonly flags: readonly string[];
  /** Files whose entity tags the cases name. */
  readonly etagsOf: readonly string[];
  /** The field line that `etagsOf` needs, or "". */
  readonly credentials: string;
  readonly cases: readonly Case[];
}

interface CorpusOptions {
  readonly parts: readonly string[];
  readonly seed: number;
  readonly conversations: number;
}

/** So many that no case waits for a slot. */
const ROOMY = ["--threads", "64", "--queue", "10000"];

/** Requests name no port, which may be any one. */
const LOCAL = ["--allowed-host", "localhost", "--allowed-host", "127.0.0.1"];

const GENERAL_ETAGS = ["/data.txt", "/page.html"];

export async function makeSetups(site: ComparedSite, options: CorpusOptions): Promise<readonly Setup[]> {
  const { parts, seed, conversations } = options;
  const setups: Setup[] = [];
  if (parts.includes("rows")) {
    const hosts = HOSTS.flatMap((host) => ["--allowed-host", host]);
    const flags = ["--root", site.conformance, ...hosts, "--max-body", String(BODY_BYTES_MAX), ...ROOMY];
    setups.push({ name: "rows", flags, etagsOf: ["/data.txt"], credentials: "", cases: rowCases(seed) });
  }
  if (parts.includes("generated")) setups.push(...(await generatedSetups(site, seed, conversations)));
  if (parts.includes("faults") || parts.includes("endpoints")) setups.push(fixtureSetup(site, parts));
  if (parts.includes("endpoints")) {
    const flags = ["--root", site.general, "--status", ...LOCAL, ...ROOMY];
    setups.push({ name: "status", flags, etagsOf: [], credentials: "", cases: statusCases() });
  }
  return setups;
}

/** Every flag that changes an answer is in one of these. */
async function generatedSetups(site: ComparedSite, seed: number, count: number): Promise<readonly Setup[]> {
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  const credentials = ["--basic-auth", `${USER}:${hash}`];
  const cors = ["--cors", "https://app.example"];
  const compressing = ["--precompressed", "--compress"];
  const flags: Readonly<Record<string, readonly string[]>> = {
    plain: ["--serve-uploads", "--max-requests", "12"],
    bounded: ["--serve-uploads", "--max-body", "1kb", "--max-header", "1kb", "--file-cache", "0", "--strict-types"],
    dressed: [
      ...[
        ...cors,
        ...compressing,
        "--inline",
        "--listing",
        "--security-headers",
        "--error-page",
        `404=${site.errorPage}`,
      ],
      ...["--header", "X-Extra: yes", "--cache-control", "max-age=60", "--immutable", "/assets/**"],
      ...["--allowed-host", "allowed.example", "--serve-uploads"],
    ],
    application: ["--spa", "--inline", "--index", "default.html", "--cors", "*", "--allowed-host", "*", ...compressing],
    guarded: [...credentials, "--listing", "--serve-uploads", "--status"],
    keyed: [...credentials, "--auth-uploads", "--serve-uploads", ...cors, "--inline", "--max-requests", "0"],
  };
  const share = Math.ceil(count / Object.keys(flags).length);
  return Object.entries(flags).map(([name, own], index): Setup => {
    const isGuarded = own.includes("--basic-auth");
    return {
      name,
      flags: ["--root", site.general, ...own, ...LOCAL, ...ROOMY],
      etagsOf: GENERAL_ETAGS,
      credentials: isGuarded ? `Authorization: Basic ${btoa(`${USER}:${PASSWORD}`)}` : "",
      cases: generatedCases(seed + index, Math.max(0, Math.min(share, count - index * share)), name, isGuarded),
    };
  });
}

function fixtureSetup(site: ComparedSite, parts: readonly string[]): Setup {
  const { cases, files } = faultCases();
  addFiles(site.fixture, files);
  return {
    name: "fixture",
    flags: ["--root", site.fixture, "--fixture", "--serve-uploads", ...ROOMY],
    etagsOf: [],
    credentials: "",
    cases: [
      ...(parts.includes("faults") ? cases : []),
      ...(parts.includes("endpoints") ? [...fixtureEndpointCases(), shutdownCase()] : []),
    ],
  };
}
