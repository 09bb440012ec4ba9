/**
 * From what was given to complete settings: defaults, checks, and settings that exclude or need each other. Runs once, at the
 * start. Its result is complete, valid and frozen, so nothing checks a setting again.
 */
import { quote } from "../http/escape.ts";
import { FAULT_RULES_MAX } from "../http/fault.ts";
import { isLoopbackAddress } from "../http/ip-address.ts";
import { ANY_ORIGIN } from "../http/origin.ts";
import { checkSetting, mismatch, type Setting, type SettingValue } from "./kinds.ts";
import { limits } from "./limits.ts";
import { type ProgramSettings, programTable } from "./program-settings.ts";
import { type ServerSettings, serverTable } from "./server-settings.ts";
import { OptionsError } from "./start-error.ts";

/** Variables with our prefix that are not settings: other programs of this project set the first, and a secret is not a flag. */
export const RESERVED_VARIABLES: ReadonlySet<string> = new Set(["HTTPSERVER_URL", "HTTPSERVER_TLS_PASSPHRASE"]);

/** Everything that the program can be told. */
export interface Settings extends ServerSettings, ProgramSettings {}

type Table = Readonly<Record<string, Setting>>;
type Given = Readonly<Record<string, unknown>>;

export const settingTable = { ...serverTable, ...programTable };

export const serverNames = Object.keys(serverTable) as readonly (keyof ServerSettings)[];
export const settingNames = Object.keys(settingTable) as readonly (keyof Settings)[];

/** Returns how the user named a setting, for messages. */
type Label = (name: keyof Settings) => string;

/** Completes and checks the settings of the program. Throws `OptionsError`. */
export function resolveSettings(given: Partial<Settings>): Settings {
  return resolve(settingTable, given as Given) as unknown as Settings;
}

/** Completes and checks the settings of a server. Throws `OptionsError`, also for a setting of the program alone. */
export function resolveServerSettings(given: Partial<ServerSettings>): ServerSettings {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(programTable, name)) continue;
    throw new OptionsError(
      `${name} is a setting of the httpserver program: startServer writes neither a log nor files, and ends with stop()`,
    );
  }
  return resolve(serverTable, given as Given) as unknown as ServerSettings;
}

/** Returns the settings of the server among those of the program. */
export function serverSettingsOf(settings: Settings): ServerSettings {
  return Object.fromEntries(serverNames.map((name) => [name, settings[name]])) as unknown as ServerSettings;
}

function resolve(table: Table, given: Given): Readonly<Record<string, SettingValue>> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) throw new OptionsError(`${quote(name)} is no option of this server`);
  }
  const resolved: Record<string, SettingValue> = {};
  for (const [name, setting] of Object.entries(table)) {
    const value = given[name];
    const usable = value === undefined ? setting.default : checkSetting(setting, value);
    if (usable === undefined) throw new OptionsError(mismatch(name, setting, value));
    resolved[name] = usable;
  }
  const conflict = findConflict(resolved as Partial<Settings>, (name) => name);
  if (conflict !== null) throw new OptionsError(conflict);
  return Object.freeze(resolved);
}

/** Two settings that exclude each other, as one line, or null. `label` says how the user named a setting. */
export function findConflict(options: Partial<Settings>, label: Label): string | null {
  if (options.quiet === true && options.verbose === true) {
    return `${label("quiet")} and ${label("verbose")} exclude each other: one silences the log, the other adds to it`;
  }
  if (options.faults !== undefined && options.faults.length > 0 && options.fixture !== true) {
    return `${label("faults")} needs ${label("fixture")}: whoever only serves a folder makes no faults`;
  }
  if (options.faults !== undefined && options.faults.length > FAULT_RULES_MAX) {
    return `${label("faults")}: expected at most ${FAULT_RULES_MAX} rules, got ${options.faults.length}`;
  }
  const { cors = [], headers = [], errorPages = [], basicAuth = [] } = options;
  if (cors.length > 1 && cors.includes(ANY_ORIGIN)) {
    return `${label("cors")}: ${ANY_ORIGIN} is every origin, so it stands alone`;
  }
  if (cors.length > 0 && headers.some((line) => /^access-control-/i.test(line))) {
    return `${label("cors")} and an Access-Control field of ${label("headers")} exclude each other: they would contradict`;
  }
  const headerBytes = headers.reduce((sum, line) => sum + line.length + 2, 0);
  if (headerBytes > limits.extraFieldsBytesMax) {
    return `${label("headers")}: ${headerBytes} bytes on every answer are more than ${limits.extraFieldsBytesMax}`;
  }
  const statuses = errorPages.map((item) => item.slice(0, 3));
  const twice = statuses.find((status, index) => statuses.indexOf(status) !== index);
  if (twice !== undefined) return `${label("errorPages")}: two pages for ${twice}`;
  if (options.authUploads === true && basicAuth.length === 0) {
    return `${label("authUploads")} needs ${label("basicAuth")}: somebody has to be let in`;
  }
  return findFixtureConflict(options, label) ?? findTlsConflict(options, label);
}

function findFixtureConflict(options: Partial<Settings>, label: Label): string | null {
  const { fixture = false, fixtureToken = "", fixtureOpen = false, host = serverTable.host.default } = options;
  const stray = fixtureToken !== "" ? "fixtureToken" : fixtureOpen ? "fixtureOpen" : null;
  if (!fixture) return stray === null ? null : `${label(stray)} needs ${label("fixture")}: there is nothing to guard`;
  if (fixtureToken !== "" && fixtureOpen) {
    return `${label("fixtureToken")} and ${label("fixtureOpen")} exclude each other: who needs no token has none`;
  }
  if (stray !== null || isLoopbackAddress(host)) return null;
  return (
    `${label("fixture")} on ${host} would let the network steer this server; ` +
    `give it ${label("fixtureToken")}, or allow it by ${label("fixtureOpen")}`
  );
}

function findTlsConflict(options: Partial<Settings>, label: Label): string | null {
  const { tlsCert = "", tlsKey = "", tlsPassphraseFile = "", tlsSelfSigned = false } = options;
  if ((tlsCert === "") !== (tlsKey === "")) {
    const [given, missing] = tlsKey === "" ? (["tlsCert", "tlsKey"] as const) : (["tlsKey", "tlsCert"] as const);
    return `${label(given)} needs ${label(missing)}: a certificate is of use with its key alone`;
  }
  if (tlsPassphraseFile !== "" && tlsKey === "") return `${label("tlsPassphraseFile")} needs ${label("tlsKey")}`;
  const { httpsRedirectPort = -1, hstsMs = 0, port } = options;
  if (tlsCert === "" && !tlsSelfSigned) {
    const stray = httpsRedirectPort >= 0 ? "httpsRedirectPort" : hstsMs > 0 ? "hstsMs" : null;
    if (stray !== null) {
      return `${label(stray)} needs ${label("tlsCert")} or ${label("tlsSelfSigned")}: nothing is https`;
    }
  }
  if (httpsRedirectPort > 0 && httpsRedirectPort === port) {
    return `${label("httpsRedirectPort")} and ${label("port")} are the same port: one speaks plain HTTP, the other TLS`;
  }
  return null;
}
