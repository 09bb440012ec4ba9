/**
 * Lines that follow the ready line: further addresses of the server, and facts about the served folder that surprise people.
 * They are computed after the server listens, so they delay no client.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import type { NetworkInterfaceInfo } from "node:os";
import { join, resolve } from "node:path";
import { errorCode } from "../handlers/files/document-root.ts";
import { isDownload } from "../handlers/files/presentation.ts";
import { urlOf } from "../server/address.ts";
import { limits } from "../settings/limits.ts";
import type { Settings } from "../settings/resolve.ts";
import type { Place } from "./announce.ts";

/** Addresses by the name of their interface, as the system tells them. */
type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/**
 * Returns the URLs of the server for other machines, without those in `urls`: for a server on every address, those of the
 * interfaces and of the machine's name.
 */
export function networkUrls(
  host: string,
  { url, urls, port }: Place,
  machine: { readonly interfaces: Interfaces; readonly name: string },
): readonly string[] {
  if (host !== "0.0.0.0" && host !== "::") return [];
  const scheme = url.startsWith("https:") ? "https" : "http";
  const addresses = Object.values(machine.interfaces)
    .flatMap((entries) => entries ?? [])
    .filter((entry) => entry.family === "IPv4" || (host === "::" && !isLinkLocal(entry.address)))
    .map(({ address }) => address);
  const names = /^[A-Za-z0-9.-]+$/.test(machine.name) ? [machine.name] : [];
  const all = [...addresses, ...names].map((name) => urlOf(scheme, name, port));
  return [...new Set(all)].filter((other) => !urls.includes(other));
}

/** A link-local address works only with the name of a client's interface (RFC 4007 §11), which no URL carries. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/** A line for the operator. A warning is shown with `--quiet`, too. */
interface StartLine {
  readonly level: "info" | "warn";
  readonly text: string;
}

/** Returns a line for each fact about the served folder that makes a browser show something else than expected. */
export function surprises({ root, index, inline, listing, spa, httpbin, proxies }: Settings): readonly StartLine[] {
  const folder = resolve(root);
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
  } catch (error) {
    const text = `the folder ${folder} cannot be read (${errorCode(error)}): its files get 403 or 404`;
    return [{ level: "warn", text }];
  }
  const lines: StartLine[] = [];
  const hasIndex = existsSync(join(folder, index));
  if (spa && !hasIndex) {
    lines.push({ level: "warn", text: `--spa needs ${index} in ${folder}: without it, unknown pages get 404` });
  } else if (!hasIndex && !listing && proxies.length === 0) {
    lines.push({ level: "info", text: `The folder has no ${index}, so / gets 404; --listing lists the files` });
  }
  const download = inline ? undefined : namesIn(folder).find(isDownload);
  if (download !== undefined) {
    const text = `Text files and pictures, such as ${download}, are downloads; --inline shows them in the browser`;
    lines.push({ level: "info", text });
  }
  for (const rule of proxies) {
    const [pattern, url] = rule.split(" ");
    lines.push({ level: "info", text: `Requests for ${pattern} without a file or a stub go to ${url}` });
  }
  if (httpbin.length > 1 && existsSync(httpbin)) {
    const text = `--httpbin took ${httpbin}, a folder here, as the prefix of its paths; a folder to serve comes before the flag`;
    lines.push({ level: "warn", text });
  }
  return lines;
}

/** Returns the names in a folder, or none if it is so large that reading it would hold up requests. */
function namesIn(folder: string): readonly string[] {
  try {
    return statSync(folder).size > limits.listingSharedBytesMax ? [] : readdirSync(folder);
  } catch {
    return [];
  }
}
