/** The stub folder: which file answers, in which order, and how it follows the disk. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync } from "node:fs";
import { hasMethod, methodsOf, StubFolder } from "../../../src/handlers/stubs/stub-folder.ts";
import { StartError } from "../../../src/settings/start-error.ts";
import { textOf } from "../../support/bytes.ts";
import { asNobody } from "../../support/needs.ts";
import { contentOf, makeRequest } from "../../support/site.ts";
import { message, StubGround } from "./folder.ts";

interface Opened {
  /** Content of the answer to `METHOD /path`, or null. */
  readonly ask: (line: string) => string | null;
  readonly folder: StubFolder;
  readonly warnings: string[];
}

function open(ground: StubGround): Opened {
  const warnings: string[] = [];
  const folder = new StubFolder({ realPath: ground.path, shown: "stubs", warn: (line) => warnings.push(line) });
  const ask = (line: string) => {
    const space = line.indexOf(" ");
    const [method, path] = [line.slice(0, space), line.slice(space + 1)];
    const answer = folder.take(folder.find(path), method);
    return answer === null ? null : textOf(contentOf(answer.respondTo(makeRequest("GET /"))));
  };
  return { ask, folder, warnings };
}

/** Returns the line of the mistake that ends the start. */
function failure(ground: StubGround): string {
  try {
    open(ground);
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  return "none";
}

describe("a path", () => {
  test("is that of the folder; a slash at its end makes no difference", () => {
    using ground = new StubGround({ "GET.http": "root", "a/b c/GET.http": "space", "ü/GET.http": "umlaut" });
    const { ask } = open(ground);
    expect(["GET /", "GET /a/b c", "GET /a/b c/", "GET //a//b c", "GET /ü"].map(ask)).toEqual([
      "root",
      "space",
      "space",
      "space",
      "umlaut",
    ]);
    expect(["GET /a", "GET /a/b", "GET /a/b c/d", "POST /", "GET /A/b c"].map(ask)).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  test("is matched segment by segment: a literal before [id] before [...rest]", () => {
    using ground = new StubGround({
      "a/x/GET.http": "literal",
      "a/[id]/GET.http": "one",
      "a/[id]/y/GET.http": "oneY",
      "a/[...rest]/GET.http": "rest",
      "[...all]/GET.http": "all",
      "[top]/x/z/GET.http": "topZ",
    });
    const { ask } = open(ground);
    const expected = {
      "/a/x": "literal",
      "/a/7": "one",
      "/a/7/y": "oneY",
      "/a/x/y": "oneY",
      "/a/7/n": "rest",
      "/a/x/z": "rest",
      "/b/x/z": "topZ",
      "/a": "all",
      "/b/c/d": "all",
    };
    expect(Object.keys(expected).map((path) => ask(`GET ${path}`))).toEqual(Object.values(expected));
  });

  test("without the method leaves the request to a less specific one, and all their methods count", () => {
    using ground = new StubGround({ "a/x/POST.http": "p", "a/[id]/GET.http": "g", "[...rest]/DELETE.http": "d" });
    const { ask, folder } = open(ground);
    expect(["POST /a/x", "GET /a/x", "DELETE /a/x", "PUT /a/x"].map(ask)).toEqual(["p", "g", "d", null]);
    expect(methodsOf(folder.find("/a/x"))).toEqual(["POST", "GET", "DELETE"]);
    expect(methodsOf(folder.find("/"))).toEqual([]);
    expect(hasMethod(folder.find("/a/x"), "HEAD")).toBe(true);
    expect(hasMethod(folder.find("/a/x"), "PUT")).toBe(false);
  });

  test("of the server's own never matches, whatever stands for any segment", () => {
    using ground = new StubGround({ "[id]/POST.http": "one", "[...rest]/GET.http": "rest" });
    const { ask } = open(ground);
    expect(["POST /upload", "GET /uploads/a", "GET /__server/info", "POST /up"].map(ask)).toEqual([
      null,
      null,
      null,
      "one",
    ]);
  });
});

describe("a sequence", () => {
  test("answers in turn, and its last answer repeats", () => {
    using ground = new StubGround({ "POST.1.http": "a", "POST.2.http": "b", "GET.http": "g" });
    const { ask } = open(ground);
    expect(["POST /", "GET /", "POST /", "GET /", "POST /"].map(ask)).toEqual(["a", "g", "b", "g", "b"]);
  });

  test("is not moved by a HEAD that GET answers; a HEAD of its own has its own", () => {
    using ground = new StubGround({
      "GET.1.http": "a",
      "GET.2.http": "b",
      "x/GET.http": "g",
      "x/HEAD.1.http": message("", 201),
    });
    const { ask, folder } = open(ground);
    expect(["HEAD /", "HEAD /", "GET /", "HEAD /", "GET /"].map(ask)).toEqual(["a", "a", "a", "b", "b"]);
    expect(folder.take(folder.find("/x"), "HEAD")?.respondTo(makeRequest("HEAD /x")).status).toBe(201);
  });

  test("begins again with restart", () => {
    using ground = new StubGround({ "a/POST.1.http": "a", "a/POST.2.http": "b" });
    const { ask, folder } = open(ground);
    ask("POST /a");
    folder.restart();
    expect(["POST /a", "POST /a"].map(ask)).toEqual(["a", "b"]);
  });

  test("of ten and more files is in the order of numbers", () => {
    using ground = new StubGround(
      Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`GET.${i + 1}.http`, `n${i + 1}`])),
    );
    const { ask } = open(ground);
    expect(Array.from({ length: 11 }, () => ask("GET /"))).toEqual(Array.from({ length: 11 }, (_, i) => `n${i + 1}`));
  });

  test("names its numbered files that no request has reached, also after restart", () => {
    using ground = new StubGround({ "a/POST.1.http": "a", "a/POST.2.http": "b", "GET.http": "g", "PUT.1.http": "p" });
    const { ask, folder } = open(ground);
    expect(folder.unreached()).toEqual(["stubs/PUT.1.http", "stubs/a/POST.1.http", "stubs/a/POST.2.http"]);
    ask("POST /a");
    folder.restart();
    expect(folder.unreached()).toEqual(["stubs/PUT.1.http", "stubs/a/POST.2.http"]);
    ask("POST /a");
    ask("POST /a");
    ask("PUT /");
    expect(folder.unreached()).toEqual([]);
  });
});

describe("the next request sees", () => {
  test("a file that was edited, at once and each time", () => {
    using ground = new StubGround({ "GET.http": "a0" });
    const { ask } = open(ground);
    // Edits that leave size and, within one tick of the clock, the times as they were.
    for (let i = 1; i < 50; i++) {
      ground.write("GET.http", `a${i % 10}`);
      expect(ask("GET /")).toBe(`a${i % 10}`);
    }
  });

  test("a file that was added or removed, in folders old and new", () => {
    using ground = new StubGround({ "a/GET.http": "g" });
    const { ask, folder } = open(ground);
    for (let i = 0; i < 20; i++) {
      ground.write("a/POST.http", "p");
      ground.write("b/c/[id]/GET.http", "new");
      expect(["POST /a", "GET /b/c/7"].map(ask)).toEqual(["p", "new"]);
      ground.remove("a/POST.http");
      ground.remove("b");
      expect(["POST /a", "GET /b/c/7", "GET /a"].map(ask)).toEqual([null, null, "g"]);
    }
    expect(methodsOf(folder.find("/a"))).toEqual(["GET"]);
  });

  test("a folder that was renamed, or put in the place of another", () => {
    using ground = new StubGround({ "a/GET.http": "a", "b/GET.http": "b" });
    const { ask } = open(ground);
    renameSync(ground.at("a"), ground.at("c"));
    renameSync(ground.at("b"), ground.at("a"));
    expect(["GET /a", "GET /b", "GET /c"].map(ask)).toEqual(["b", null, "a"]);
  });

  test("an old file again after its times were set back", () => {
    using ground = new StubGround({ "GET.http": "a" });
    utimesSync(ground.at("GET.http"), 1000, 1000);
    const { ask } = open(ground);
    expect(ask("GET /")).toBe("a");
    ground.write("GET.http", "b");
    utimesSync(ground.at("GET.http"), 1000, 1000);
    expect(ask("GET /")).toBe("b");
  });
});

describe("a changed file", () => {
  test("restarts its own sequence and no other", () => {
    using ground = new StubGround({
      "POST.1.http": "a",
      "POST.2.http": "b",
      "POST.3.http": "c",
      "GET.1.http": "x",
      "GET.2.http": "y",
    });
    const { ask } = open(ground);
    expect(["POST /", "POST /", "GET /"].map(ask)).toEqual(["a", "b", "x"]);
    ground.write("POST.3.http", "d");
    expect(["POST /", "POST /", "POST /", "GET /"].map(ask)).toEqual(["a", "b", "d", "y"]);
  });

  test("with the same bytes as before changes nothing", () => {
    using ground = new StubGround({ "POST.1.http": "a", "POST.2.http": "b" });
    const { ask } = open(ground);
    ask("POST /");
    ground.write("POST.1.http", "a");
    expect(ask("POST /")).toBe("b");
  });

  test("that adds a number restarts the sequence", () => {
    using ground = new StubGround({ "POST.1.http": "a", "POST.2.http": "b" });
    const { ask, folder } = open(ground);
    ask("POST /");
    ask("POST /");
    ground.write("POST.3.http", "c");
    expect(["POST /", "POST /", "POST /"].map(ask)).toEqual(["a", "b", "c"]);
    expect(folder.unreached()).toEqual([]);
  });

  test("with a mistake is one warning with its line, and the old answer stays until it is right", () => {
    using ground = new StubGround({ "a/GET.http": "old" });
    const { ask, warnings } = open(ground);
    ground.write("a/GET.http", "HTTP/1.1 200 OK\nA: 1\nB\n\n");
    expect(["GET /a", "GET /a", "GET /a"].map(ask)).toEqual(["old", "old", "old"]);
    expect(warnings).toEqual([
      "--stubs: stubs/a/GET.http:3: expected a field line, 'Name: value', or an empty line before the content; its stubs stay as they were",
    ]);
    ground.write("a/GET.http", "new");
    expect(ask("GET /a")).toBe("new");
    ground.write("a/GET.http", "HTTP/1.1 200 OK\nA: 1\nB\n\n");
    expect(ask("GET /a")).toBe("new");
    expect(warnings).toHaveLength(2);
  });

  test("that makes a sequence with a gap is one warning, and the old sequence stays until it is mended", () => {
    using ground = new StubGround({ "POST.1.http": "a" });
    const { ask, warnings } = open(ground);
    ground.write("POST.3.http", "c");
    expect(["POST /", "POST /"].map(ask)).toEqual(["a", "a"]);
    expect(warnings).toEqual([
      "--stubs: stubs/POST.3.http: expected numbers without a gap: POST.2.http is missing; its stubs stay as they were",
    ]);
    ground.write("POST.2.http", "b");
    expect(["POST /", "POST /", "POST /"].map(ask)).toEqual(["a", "b", "c"]);
    expect(warnings).toHaveLength(1);
  });

  test("that is new and has a mistake is not there until it is mended in its place", () => {
    using ground = new StubGround({ "GET.http": "g" });
    const { ask, warnings } = open(ground);
    ground.write("POST.http", "HTTP/1.1 200 OK");
    expect(["POST /", "POST /", "GET /"].map(ask)).toEqual([null, null, "g"]);
    expect(warnings).toHaveLength(1);
    ground.write("POST.http", "p");
    expect(ask("POST /")).toBe("p");
  });

  test("that puts a link to a folder above in the place of a folder is one warning, and the stubs below it are gone", () => {
    using ground = new StubGround({ "a/GET.http": "a", "a/b/GET.http": "b" });
    const { ask, warnings } = open(ground);
    ground.remove("a/b");
    symlinkSync("..", ground.at("a/b"));
    expect(["GET /a/b", "GET /a/b/a", "GET /a"].map(ask)).toEqual([null, null, "a"]);
    expect(warnings).toEqual([
      "--stubs: stubs/a/b: expected a tree of folders, got a link to a folder above it; its stubs stay as they were",
    ]);
    ground.remove("a/b");
    ground.write("a/b/GET.http", "c");
    expect(ask("GET /a/b")).toBe("c");
  });

  test("in a folder that is gone keeps the old stubs, with one warning", () => {
    using ground = new StubGround({ "GET.http": "g" });
    const { ask, warnings } = open(ground);
    rmSync(ground.path, { recursive: true });
    expect(["GET /", "GET /"].map(ask)).toEqual(["g", "g"]);
    expect(warnings).toEqual(["--stubs: stubs: cannot be read (ENOENT); its stubs stay as they were"]);
    mkdirSync(ground.path);
    ground.write("GET.http", "h");
    expect(ask("GET /")).toBe("h");
  });
});

describe("the start ends with one line for", () => {
  test.each<[string, Readonly<Record<string, string>>, string]>([
    ["a mistake in a file", { "a/GET.http": "HTTP/1.1 200 OK\nA 1\n\n" }, "stubs/a/GET.http:2: expected a field line"],
    ["content under 204", { "GET.http": message("x", 204) }, "stubs/GET.http:3: expected no content under 204"],
    [
      "a coded content",
      { "GET.http": message("x", 200, "Content-Encoding: br\n") },
      "stubs/GET.http:2: expected no Content-Encoding",
    ],
    ["an interim status", { "GET.http": message("", 100) }, "stubs/GET.http:1: expected a status from 200 to 599"],
    [
      "two files for one answer",
      { "a/GET.http": "", "a/GET.1.http": "" },
      "stubs/a/GET.1.http: expected one file for one answer, got GET.http beside it",
    ],
    [
      "a gap in the numbers",
      { "GET.1.http": "", "GET.3.http": "" },
      "stubs/GET.3.http: expected numbers without a gap: GET.2.http is missing",
    ],
    [
      "numbers that begin with 2",
      { "GET.2.http": "" },
      "stubs/GET.2.http: expected numbers without a gap: GET.1.http is missing",
    ],
    [
      "a method in small letters",
      { "a/get.http": "" },
      "stubs/a/get.http: expected a method in capital letters: GET.http",
    ],
    [
      "two folders for any segment",
      { "[a]/GET.http": "", "[b]/GET.http": "" },
      "stubs/[b]: expected one folder for any segment, got [a] beside it",
    ],
    ["a folder below the rest", { "[...a]/b/GET.http": "" }, "stubs/[...a]/b: expected no folder inside [...name]"],
    ["an unknown pattern", { "[a-b]/GET.http": "" }, "stubs/[a-b]: expected [name] or [...name]"],
    ["an escape in a name", { "a%2Fb/GET.http": "" }, "stubs/a%2Fb: expected the character itself"],
    ["a control in a name", { "a\nb/GET.http": "" }, "stubs/a\\x0ab: expected a name that a URL can have"],
    [
      "/upload",
      { "upload/POST.http": "" },
      "stubs/upload/POST.http: expected another path: /upload, /uploads/ and /__server/ are the server's own",
    ],
    ["/uploads/", { "uploads/a/GET.http": "" }, "stubs/uploads/a/GET.http: expected another path"],
    ["/__server/", { "__server/info/GET.http": "" }, "stubs/__server/info/GET.http: expected another path"],
  ])("%s", (_, files, expected) => {
    using ground = new StubGround(files);
    expect(failure(ground)).toStartWith(`--stubs: ${expected}`);
    expect(failure(ground)).not.toContain("\n");
  });

  test("a file of a gigabyte, without reading it", () => {
    using ground = new StubGround({ "GET.http": "" });
    truncateSync(ground.at("GET.http"), 2 ** 30);
    expect(failure(ground)).toBe("--stubs: stubs/GET.http: expected at most 16 MB in a file, got 1.0 GB");
  });

  test("many files that are too large together", () => {
    using ground = new StubGround();
    for (let i = 1; i <= 17; i++) {
      ground.write(`GET.${i}.http`, "x");
      truncateSync(ground.at(`GET.${i}.http`), 2 ** 24);
    }
    expect(failure(ground)).toStartWith("--stubs: stubs/GET.17.http: expected at most 256 MB in all stubs");
  });

  test("a cycle of links, a link that leads nowhere, and one that leads to itself", () => {
    using ground = new StubGround({ "a/b/GET.http": "" });
    symlinkSync("../..", ground.at("a/b/c"));
    expect(failure(ground)).toBe("--stubs: stubs/a/b/c: expected a tree of folders, got a link to a folder above it");
    rmSync(ground.at("a/b/c"));
    symlinkSync("gone", ground.at("a/x"));
    expect(failure(ground)).toBe("--stubs: stubs/a/x: cannot be read (ENOENT)");
    rmSync(ground.at("a/x"));
    symlinkSync("loop", ground.at("loop"));
    expect(failure(ground)).toBe("--stubs: stubs/loop: cannot be read (ELOOP)");
  });

  test("a FIFO, without waiting for it", () => {
    using ground = new StubGround();
    expect(Bun.spawnSync(["mkfifo", ground.at("GET.http")]).exitCode).toBe(0);
    expect(failure(ground)).toBe("--stubs: stubs/GET.http: cannot be read (it is not a file)");
  });

  test("a file and a folder that cannot be read", async () => {
    using ground = new StubGround({ "a/GET.http": "" });
    chmodSync(ground.path, 0o755);
    chmodSync(ground.at("a/GET.http"), 0);
    expect(await asNobody(async () => failure(ground))).toBe("--stubs: stubs/a/GET.http: cannot be read (EACCES)");
    chmodSync(ground.at("a"), 0);
    expect(await asNobody(async () => failure(ground))).toBe("--stubs: stubs/a: cannot be read (EACCES)");
    chmodSync(ground.at("a"), 0o700);
  });
});

test("links are followed, also out of the folder", () => {
  using elsewhere = new StubGround({ "shared/GET.http": "shared" });
  using ground = new StubGround();
  symlinkSync(elsewhere.at("shared"), ground.at("a"));
  symlinkSync(elsewhere.at("shared/GET.http"), ground.at("GET.http"));
  const { ask } = open(ground);
  expect(["GET /a", "GET /"].map(ask)).toEqual(["shared", "shared"]);
});

test("other files are passed over, and an empty folder is a warning", () => {
  using ground = new StubGround({ "README.md": "x", ".git/GET.http": "x", "GET.http~": "x" });
  mkdirSync(ground.at("api"));
  const { ask, warnings } = open(ground);
  expect(ask("GET /")).toBeNull();
  expect(warnings).toEqual(["--stubs stubs has no stubs; expected files such as stubs/api/orders/GET.http"]);
});
