/** How the text of a setting is read, and what a flag and its variable are called. */
import { expect, test } from "bun:test";
import { environmentName, parseSetting } from "../../src/settings/kinds.ts";
import { settingNames, settingTable } from "../../src/settings/resolve.ts";
import { serverTable } from "../../src/settings/server-settings.ts";

test("a switch is read in the ways people write one", () => {
  for (const text of ["1", "true", "yes", "on", "TRUE"]) expect(parseSetting(serverTable.inline, text)).toBe(true);
  for (const text of ["0", "false", "no", "off", "Off"]) expect(parseSetting(serverTable.inline, text)).toBe(false);
  for (const text of ["", "2", "y", "truee"]) expect(parseSetting(serverTable.inline, text)).toBeUndefined();
});

test("a list is separated by commas, and an empty item is refused", () => {
  expect(parseSetting(serverTable.allowedHosts, "a.test, b.test:8080,*")).toEqual(["a.test", "b.test:8080", "*"]);
  expect(parseSetting(serverTable.allowedHosts, "a.test,,b.test")).toBeUndefined();
  expect(parseSetting(serverTable.allowedHosts, "a test")).toBeUndefined();
});

test("flags and environment names are unique, and one derives from the other", () => {
  const flags = settingNames.map((name) => settingTable[name].flag);
  expect(new Set(flags).size).toBe(flags.length);
  expect(environmentName(serverTable.maxBodyBytes)).toBe("HTTPSERVER_MAX_BODY");
});

test("short names are those of the contract", () => {
  const shorts = settingNames.flatMap((name) => settingTable[name].short ?? []);
  expect(shorts.sort()).toEqual(["p", "q", "t", "v"]);
});
