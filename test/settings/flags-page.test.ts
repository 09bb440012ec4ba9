/** docs/flags.md is what the tables of settings say, and its defaults are what a server without settings does. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseSetting, type SettingValue } from "../../src/settings/kinds.ts";
import { resolveSettings, settingNames, settingTable } from "../../src/settings/resolve.ts";
import { FLAGS_PAGE, renderFlagsPage } from "../../tools/scripts/flags.ts";

const page = readFileSync(FLAGS_PAGE, "utf8");

/** Defaults that the page puts into a word, where no value of the flag says it. */
const WORDS: Readonly<Record<string, readonly SettingValue[]>> = {
  none: ["", []],
  off: [false, 0, -1, ""],
  stdout: [""],
  "file limit": [0],
  "free space less 1gb": [-1],
  "100, in HTTP/2 10000": [-1],
};

test("docs/flags.md is made from the tables of settings: bun tools/scripts/flags.ts", () => {
  expect(page).toBe(renderFlagsPage());
});

test("each default on the page, given as a value, is the one that a server without settings has", () => {
  const defaults = new Map<string, string>();
  for (const line of page.split("\n")) {
    const [, flags = "", value = ""] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const flag = /`--([a-z0-9-]+)/.exec(flags)?.[1];
    if (flag !== undefined) defaults.set(flag, value);
  }
  const settings = resolveSettings({});
  for (const name of settingNames) {
    const setting = settingTable[name];
    const said = defaults.get(setting.flag) ?? "";
    const possible = WORDS[said] ?? [parseSetting(setting, said)];
    expect([setting.flag, said, possible]).toEqual([setting.flag, said, expect.arrayContaining([settings[name]])]);
  }
});
