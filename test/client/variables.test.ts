/** Settings on their way to the executable: each value is read there as it was given here, and nothing else comes along. */
import { describe, expect, test } from "bun:test";
import { textOf, variablesOf } from "../../src/client/variables.ts";
import { environmentName, parseSetting, type Setting, type SettingValue } from "../../src/settings/kinds.ts";
import { resolveServerSettings, serverNames } from "../../src/settings/resolve.ts";
import { serverTable } from "../../src/settings/server-settings.ts";

/** Values besides the default that a kind of setting can have. */
function valuesOf(setting: Setting): readonly SettingValue[] {
  const { default: byDefault } = setting;
  switch (setting.kind) {
    case "integer":
    case "duration":
    case "size":
      return [
        setting.min,
        setting.max,
        ...(setting.off === undefined ? [] : [setting.off]),
        // A default below the bounds stands for no value. It has no text, and is never passed on.
        ...(Number(byDefault) >= setting.min ? [byDefault] : []),
      ];
    case "switch":
      return [true, false];
    case "choice":
      return setting.choices;
    case "text":
      return [byDefault];
    case "list":
      return [[setting.example.replaceAll("'", "")]];
  }
}

test.each(serverNames)("%s is read as it was written", (name) => {
  const setting: Setting = serverTable[name];
  for (const value of valuesOf(setting)) {
    if (value === "") continue;
    expect(parseSetting(setting, textOf(setting, value))).toEqual(value);
  }
});

test("a list keeps its items, whichever way they are separated", () => {
  for (const [name, items] of [
    ["headers", ["A: 1, 2", "B: 3"]],
    ["allowedHosts", ["a.test", "b.test"]],
  ] as const) {
    expect(parseSetting(serverTable[name], textOf(serverTable[name], items))).toEqual(items);
  }
});

test("no uploads are the word off, and a folder of that name is a path", () => {
  expect(textOf(serverTable.uploads, "")).toBe("off");
  expect(textOf(serverTable.uploads, "off")).toBe("./off");
});

describe("the environment", () => {
  test("has each setting that differs from its default, and no other", () => {
    const settings = resolveServerSettings({
      fixture: true,
      fixtureToken: "secret",
      threads: 3,
      keepAliveTimeoutMs: 1500,
    });
    expect(variablesOf(settings, {})).toEqual({
      HTTPSERVER_FIXTURE: "true",
      HTTPSERVER_FIXTURE_TOKEN: "secret",
      HTTPSERVER_THREADS: "3",
      HTTPSERVER_KEEP_ALIVE_TIMEOUT: "1500ms",
    });
  });

  test("keeps what belongs to others, but for what would change the executable", () => {
    const given = { PATH: "/bin", GONE: undefined, HTTPSERVER_PORT: "1", BUN_BE_BUN: "1", BUN_OPTIONS: "--smol" };
    expect(variablesOf(resolveServerSettings({}), given)).toEqual({ PATH: "/bin" });
  });

  test("names settings as the executable does", () => {
    const [name] = Object.keys(variablesOf(resolveServerSettings({ maxBodyBytes: 1 }), {}));
    expect(name).toBe(environmentName(serverTable.maxBodyBytes));
  });
});
