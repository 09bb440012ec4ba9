/**
 * Settings as environment variables of the executable. A command line can be read by every user of the machine, an environment only by
 * its own user. So no setting goes through the command line but the few that say what kind of server it is.
 */
import {
  ENVIRONMENT_PREFIX,
  environmentName,
  type Setting,
  type SettingValue,
  separatorOf,
} from "../settings/kinds.ts";
import { serverNames } from "../settings/resolve.ts";
import { type ServerSettings, serverTable } from "../settings/server-settings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that make a program of Bun another program, or change how it runs. */
const RUNTIME_VARIABLES = ["BUN_BE_BUN", "BUN_OPTIONS"];

/** Returns the environment of the executable: `env` without settings of ours, and each of `settings` that differs from its default. */
export function variablesOf(settings: ServerSettings, env: Environment): Record<string, string> {
  const inherited = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !name.startsWith(ENVIRONMENT_PREFIX) && !RUNTIME_VARIABLES.includes(name),
  );
  const changed = serverNames.filter(
    (name) => JSON.stringify(settings[name]) !== JSON.stringify(serverTable[name].default),
  );
  return Object.fromEntries([
    ...inherited,
    ...changed.map((name) => [environmentName(serverTable[name]), textOf(serverTable[name], settings[name])]),
  ]);
}

/** Writes a value as `parseSetting` reads it. */
export function textOf(setting: Setting, value: SettingValue): string {
  if ("off" in setting && setting.off !== undefined) {
    if (value === setting.off) return "off";
    // A folder of this name is not the word.
    if (String(value).toLowerCase() === "off") return `./${value}`;
  }
  if (setting.kind === "duration") return `${value}ms`;
  if (setting.kind === "list") return (value as readonly string[]).join(separatorOf(setting));
  return String(value);
}
