/**
 * Completes settings: defaults, checks, and settings that exclude or need each other. Runs once, at the start. The
 * result is complete, valid and frozen, so no other code checks a setting again.
 */
import { quote } from "../http/escape.ts";
import { isLoopbackAddress } from "../http/ip-address.ts";
import { RULES_MAX } from "../http/match.ts";
import { ANY_ORIGIN } from "../http/origin.ts";
import { isStoreUrl } from "../http/store-url.ts";
import { checkSetting, mismatch, type Setting, type SettingValue } from "./kinds.ts";
import { limits } from "./limits.ts";
import { type ProgramSettings, programTable } from "./program-settings.ts";
import { retiredLine } from "./retired.ts";
import { type ServerSettings, serverTable } from "./server-settings.ts";
import { OptionsError } from "./start-error.ts";

/**
 * Variables with our prefix that are not settings. Other programs of this project set the first two. The library names a folder to remove
 * at the end. A secret is not a flag.
 */
export const RESERVED_VARIABLES: ReadonlySet<string> = new Set([
  "HTTPSERVER_URL",
  "HTTPSERVER_BINARY",
  "HTTPSERVER_TEMPORARY_FOLDER",
  "HTTPSERVER_TLS_PASSPHRASE",
]);

/** Everything that the program can be told. */
export interface Settings extends ServerSettings, ProgramSettings {}

export const settingTable = { ...serverTable, ...programTable };

export const serverNames = Object.keys(serverTable) as readonly (keyof ServerSettings)[];
export const settingNames = Object.keys(settingTable) as readonly (keyof Settings)[];

/** Returns how the user named a setting, for messages. */
type Label = (name: keyof Settings) => string;

/** Completes and checks the settings of the program. Throws `OptionsError`. */
export function resolveSettings(given: Partial<Settings>, label: Label = (name) => name): Settings {
  const settings = { ...complete(settingTable, given, label), ...nameFolder(given) } as unknown as Settings;
  const { quiet, verbose } = settings;
  if (quiet && verbose) {
    throw new OptionsError(
      `${label("quiet")} and ${label("verbose")} exclude each other: one silences the log, the other adds to it`,
    );
  }
  refuseConflict(settings, label);
  return Object.freeze(settings);
}

/** Completes and checks the settings of a server. Throws `OptionsError`, also for a setting of the program alone. */
export function resolveServerSettings(given: Partial<ServerSettings>): ServerSettings {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(programTable, name)) continue;
    throw new OptionsError(
      `${name} is a setting of the httpserver program: startServer writes neither a log nor files, and ends with stop()`,
    );
  }
  const settings = complete(serverTable, given, (name) => name) as unknown as ServerSettings;
  refuseConflict(settings, (name) => name);
  return Object.freeze(settings);
}

/** Returns the settings of the server among those of the program. */
export function serverSettingsOf(settings: Settings): ServerSettings {
  return Object.fromEntries(serverNames.map((name) => [name, settings[name]])) as unknown as ServerSettings;
}

/** Returns a value for each setting of `table`: the given one, checked, or the default. Throws `OptionsError`. */
function complete(
  table: Readonly<Record<string, Setting>>,
  given: Partial<Settings>,
  label: Label,
): Record<string, SettingValue> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(table, name)) continue;
    throw new OptionsError(retiredLine("library", name) ?? `${quote(name)} is not a setting of this server`);
  }
  const settings: Record<string, SettingValue> = {};
  for (const [name, setting] of Object.entries(table)) {
    const value: unknown = given[name as keyof Settings];
    const usable = value === undefined ? setting.default : checkSetting(setting, value);
    if (usable === undefined) throw new OptionsError(mismatch(label(name as keyof Settings), setting, value));
    settings[name] = usable;
  }
  return settings;
}

/**
 * Returns the uploads folder that was named, if it is the default one: as `./uploads`, so that it can be told from a default that
 * was not named. A named folder must be usable.
 */
function nameFolder({ uploads }: Partial<Settings>): { uploads?: string } {
  return uploads === serverTable.uploads.default ? { uploads: `./${uploads}` } : {};
}

/** Throws `OptionsError` for settings that exclude each other, or need one that is not there. */
function refuseConflict(settings: ServerSettings, label: Label): void {
  for (const findConflict of [
    findFieldConflict,
    findErrorPageConflict,
    findCredentialConflict,
    findUploadsConflict,
    findBalancerConflict,
    findProxyConflict,
    findFixtureConflict,
    findTlsConflict,
  ]) {
    const conflict = findConflict(settings, label);
    if (conflict !== null) throw new OptionsError(conflict);
  }
}

/** A conflict is one line; null: there is none. */
type Conflict = string | null;

function findFieldConflict({ cors, headers }: ServerSettings, label: Label): Conflict {
  if (cors.length > 1 && cors.includes(ANY_ORIGIN)) {
    return `${label("cors")}: ${ANY_ORIGIN} includes every origin; give it alone, or leave it out`;
  }
  if (cors.length > 0 && headers.some((line) => /^access-control-/i.test(line))) {
    return `${label("cors")} and an Access-Control field of ${label("headers")} exclude each other: both answer the same question`;
  }
  const headerBytes = headers.reduce((sum, line) => sum + line.length + 2, 0);
  if (headerBytes <= limits.extraFieldsBytesMax) return null;
  return `${label("headers")}: expected at most ${limits.extraFieldsBytesMax} bytes of fields, got ${headerBytes}`;
}

function findErrorPageConflict({ errorPages }: ServerSettings, label: Label): Conflict {
  const statuses = errorPages.map((item) => item.slice(0, 3));
  const twice = statuses.find((status, index) => statuses.indexOf(status) !== index);
  return twice === undefined ? null : `${label("errorPages")}: expected one page for each status, got two for ${twice}`;
}

function findCredentialConflict({ authUploads, basicAuth }: ServerSettings, label: Label): Conflict {
  if (!authUploads || basicAuth.length > 0) return null;
  return `${label("authUploads")} needs ${label("basicAuth")}: no users are defined`;
}

function findUploadsConflict(settings: ServerSettings, label: Label): Conflict {
  const { uploads, serveUploads, uploadAny, uploadsMaxBytes, authUploads } = settings;
  if (uploadsMaxBytes >= 0 && !uploadAny) {
    return `${label("uploadsMaxBytes")} needs ${label("uploadAny")}: ${label("maxBodyBytes")} bounds the others`;
  }
  if (uploadsMaxBytes >= 0 && isStoreUrl(uploads)) {
    return `${label("uploadsMaxBytes")} needs a folder for ${label("uploads")}: an object store has a quota of its own`;
  }
  const stray = uploadAny ? "uploadAny" : serveUploads ? "serveUploads" : authUploads ? "authUploads" : null;
  if (uploads !== "" || stray === null) return null;
  return `${label(stray)} needs ${label("uploads")}: this server takes no uploads`;
}

function findBalancerConflict(settings: ServerSettings, label: Label): Conflict {
  const { trustedProxies, proxyProtocol, tlsCert, tlsSelfSigned } = settings;
  if (!proxyProtocol) return null;
  if (trustedProxies.length === 0) {
    return `${label("proxyProtocol")} needs ${label("trustedProxies")}: it says whose PROXY headers count`;
  }
  const tls = tlsCert !== "" ? "tlsCert" : tlsSelfSigned ? "tlsSelfSigned" : null;
  if (tls === null) return null;
  return `${label("proxyProtocol")} and ${label(tls)} exclude each other: the runtime cannot read a PROXY header before TLS, so let the proxy speak TLS`;
}

function findProxyConflict({ proxies, record }: ServerSettings, label: Label): Conflict {
  if (record === "" || proxies.length > 0) return null;
  return `${label("record")} needs ${label("proxies")}: without it, there are no answers to record`;
}

function findFixtureConflict({ fixture, fixtureToken, faults, host }: ServerSettings, label: Label): Conflict {
  if (faults.length > RULES_MAX) {
    return `${label("faults")}: expected at most ${RULES_MAX} rules, got ${faults.length}`;
  }
  if (!fixture) {
    if (faults.length > 0) return `${label("faults")} needs ${label("fixture")}: without it, no faults are injected`;
    if (fixtureToken === "") return null;
    return `${label("fixtureToken")} needs ${label("fixture")}: without it, there are no endpoints to guard`;
  }
  if (fixtureToken !== "" || isLoopbackAddress(host)) return null;
  return (
    `${label("fixture")} on ${host} lets other machines control this server: ` +
    `set ${label("fixtureToken")} to a token, or to '*' to admit every client`
  );
}

function findTlsConflict(settings: ServerSettings, label: Label): Conflict {
  const { tlsCert, tlsKey, tlsPassphraseFile, tlsSelfSigned, httpsRedirectPort, hstsMs, port, trustedProxies } =
    settings;
  if ((tlsCert === "") !== (tlsKey === "")) {
    const [given, missing] = tlsKey === "" ? (["tlsCert", "tlsKey"] as const) : (["tlsKey", "tlsCert"] as const);
    return `${label(given)} needs ${label(missing)}: a certificate works only with its key`;
  }
  if (tlsPassphraseFile !== "" && tlsKey === "") {
    return `${label("tlsPassphraseFile")} needs ${label("tlsKey")}: there is no key to decrypt`;
  }
  if (tlsCert === "" && !tlsSelfSigned) {
    const hasNoHttps = hstsMs > 0 && trustedProxies.length === 0; // A proxy may speak https for this server.
    const stray = httpsRedirectPort >= 0 ? "httpsRedirectPort" : hasNoHttps ? "hstsMs" : null;
    if (stray === null) return null;
    return `${label(stray)} needs ${label("tlsCert")} or ${label("tlsSelfSigned")}: this server does not speak https`;
  }
  if (httpsRedirectPort <= 0 || httpsRedirectPort !== port) return null;
  return `${label("httpsRedirectPort")} and ${label("port")} are the same port: one speaks plain HTTP, the other TLS`;
}
