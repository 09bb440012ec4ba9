/** Names on other systems than the one that runs this: each rule takes the system as an argument. */
import { describe, expect, test } from "bun:test";
import { isAlias, isWithin, type System } from "../../../src/handlers/files/system-names.ts";
import { placeOf } from "../../../src/handlers/proxy/recorder.ts";
import { mistakeInName } from "../../../src/handlers/uploads/names.ts";

describe("a path on Windows", () => {
  test.each([
    ["/CON", "a device"],
    ["/aux.txt", "a device with an extension"],
    ["/docs/nul", "a device in a folder"],
    ["/com1", "a numbered device"],
    ["/con /x", "a device before a space"],
    ["/.env:$DATA", "a stream of a file"],
    ["/index.html::$DATA", "the content of a file as a stream"],
    ["/C:/windows", "a drive"],
    ["/a\\b", "a backslash"],
    ["/page.html.", "a dot that is dropped"],
    ["/page.html ", "a space that is dropped"],
    ["/GIT~1/config", "a short name of .git"],
    ["/LONGNA~12.HTM", "a short name with an extension"],
    ["/a?b", "a character that no name has"],
  ])("%s is refused: %s", (path) => {
    expect(isAlias(path, "win32")).toBe(true);
    expect(isAlias(path, "linux")).toBe(false);
  });

  test.each([
    "/",
    "/index.html",
    "/console.log",
    "/nullable/",
    "/a~b.txt",
    "/backup~1.tar.gz",
    "/a.b.c",
    "/ä ö.html",
    "/~user/x",
  ])("%s is the file of that name", (path) => {
    expect(isAlias(path, "win32")).toBe(false);
  });
});

describe("a path on macOS", () => {
  test("with characters that the disk ignores is refused", () => {
    for (const path of ["/\u200c.git/config", "/.g\u200dit", "/\ufeff.env"]) {
      expect(isAlias(path, "darwin")).toBe(true);
      expect(isAlias(path, "linux")).toBe(false);
    }
    expect(isAlias("/CON", "darwin")).toBe(false);
  });
});

describe("a folder that is not served", () => {
  const cases: readonly [path: string, folder: string, system: System, isWithin: boolean][] = [
    ["/www/up", "/www/up", "linux", true],
    ["/www/up/a", "/www/up", "linux", true],
    ["/www/upper", "/www/up", "linux", false],
    ["/www/UP/a", "/www/up", "linux", false],
    ["/www/UP/a", "/www/up", "darwin", true],
    ["/www/Up", "/www/uP", "darwin", true],
    ["/www/UPPER", "/www/up", "darwin", false],
    ["C:\\www\\UP\\a", "C:\\www\\up", "win32", true],
    ["c:\\WWW\\up", "C:\\www\\up", "win32", true],
    ["C:\\www\\upper", "C:\\www\\up", "win32", false],
  ];
  test.each(cases)("%s in %s on %s: %p", (path, folder, system, expected) => {
    expect(isWithin(path, folder, system)).toBe(expected);
  });
});

describe("the name of an upload", () => {
  test.each(["a:b", "a|b", "a?b", 'a"b', "a<b", "a*b"])("%s is refused on Windows alone", (name) => {
    expect(mistakeInName(name, "win32")).toContain("Windows does not allow");
    expect(mistakeInName(name, "linux")).toBeNull();
  });

  test.each(["con", "NUL.txt", "com¹.log", "a.", "a "])("%j is refused on every system: folders are copied", (name) => {
    for (const system of ["linux", "darwin", "win32"] as const)
      expect(mistakeInName(name, system)).toContain("Windows");
  });
});

test("the place of a recorded answer has no name that a system does not have", () => {
  expect(placeOf("GET", "/api/a:b", "linux")).toEqual(["api", "a:b"]);
  expect(placeOf("GET", "/api/a:b", "win32")).toContain("no name on this system");
  expect(placeOf("GET", "/aux/x", "win32")).toContain("no name on this system");
  expect(placeOf("GET", "/api/a", "win32")).toEqual(["api", "a"]);
});
