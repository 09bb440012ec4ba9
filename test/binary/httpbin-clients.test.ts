/**
 * The documented examples of two HTTP clients that point at httpbin.org, run against `--httpbin` after a change of the base URL and of
 * nothing else: those of node-fetch (README.md of its npm package) and of Requests for Python (the user guide in Debian's
 * python-requests-doc).
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, type Program, run } from "../support/binary.ts";
import { installable, needs } from "../support/needs.ts";
import { Workshop } from "../support/workshop.ts";

const TOP = join(import.meta.dir, "..", "..");

let shop: Workshop;
let server: Program;

beforeAll(async () => {
  shop = await Workshop.open();
  server = await shop.start("resources", "--httpbin");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

needs("node").describe("node-fetch", () => {
  /** The examples that name httpbin.org, by the heading above them. */
  const examples: { heading: string; code: string }[] = [];
  let heading = "";
  const readme = readFileSync(join(TOP, "node_modules", "node-fetch", "README.md"), "utf8");
  for (const [, title, code] of readme.matchAll(/^#+ (.*)$|^```js\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    else if (code?.includes("https://httpbin.org")) examples.push({ heading, code });
  }

  /**
   * Runs an example in a folder with the package. Returns its exit code and what it prints: data as JSON, and a stream as it comes,
   * because the examples take each piece of it for a line, which no fast server promises.
   */
  async function runExample(code: string): Promise<{ readonly exit: number | null; readonly text: string }> {
    const folder = shop.inbox();
    symlinkSync(join(TOP, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "input.txt"), "some text");
    const here = code
      .replaceAll("https://httpbin.org", server.url)
      .replace("console.log(data)", "console.log(JSON.stringify(data))")
      .replace("console.dir(JSON.parse(chunk.toString()))", "process.stdout.write(chunk)");
    writeFileSync(join(folder, "example.mjs"), here);
    const { code: exit, stdout, stderr } = await run(["node", "example.mjs"], { cwd: folder });
    return { exit, text: stdout + stderr };
  }

  const ids = [{ id: 0 }, { id: 1 }, { id: 2 }];
  /** Expected output of each example, in the order of the README: members of the JSON on each line, or a pattern of the text. */
  const expected: readonly (readonly [heading: string, printed: readonly object[] | RegExp, exit?: number])[] = [
    ["Simple Post", [{ method: "POST", data: "a=1" }]],
    ["Post with JSON", [{ json: { a: 1 }, data: '{"a":1}' }]],
    ["Post with form parameters", [{ form: { a: ["1"] }, data: "a=1" }]],
    ["Handling client and server errors", /HTTP Error Response: 400 Bad Request[\s\S]*Error body: \n$/],
    ["Streams", ids],
    // Written for Node 12: in later ones it waits for an event that has come already, and Node ends with 13.
    ["Streams", ids, 13],
    ["Post data using a file", [{ data: "some text" }]],
    ["Post data using a file", [{ form: { greeting: ["Hello, world!"] }, files: { "file-upload": ["abc"] } }]],
    ["Manual Redirect", /url: 'http:\/\/127\.0\.0\.1:\d+\/redirect\/1',\n +status: 302,/],
  ];

  test("has the examples that are run here", () => {
    expect(examples.map((example) => example.heading)).toEqual(expected.map(([heading]) => heading));
  });

  for (const [index, [heading, printed, ending = 0]] of expected.entries()) {
    test(`${heading}, example ${index + 1}`, async () => {
      const { exit, text } = await runExample(examples[index]?.code ?? "");
      if (printed instanceof RegExp) expect(text).toMatch(printed);
      else
        expect(
          text
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line)),
        ).toMatchObject([...printed]);
      expect(exit).toBe(ending);
    });
  }
});

/** Debian's Python and its packages; another Python on PATH would not find them. */
const PYTHON = "/usr/bin/python3";
const REQUESTS = "/usr/lib/python3/dist-packages/requests/__init__.py";
const GUIDE = "/usr/share/doc/python-requests-doc/html/_sources/user";

const requests = installable(
  [PYTHON, REQUESTS, `${GUIDE}/quickstart.rst.txt`].every((path) => existsSync(path))
    ? null
    : "python3-requests and python-requests-doc are not installed",
);

needs(requests).describe("Requests for Python", () => {
  /** Examples that do not print what the guide says, each with the reason. None of them is about this server. */
  const DIFFERENT: Readonly<Record<string, string>> = {
    "print(r.url)\n": "the guide has the order of an older Python",
    "r.raise_for_status()\n": "the interpreter does not show None",
    "r.cookies['example_cookie_name']\n": "the cookie is another host's",
    "requests.get(url, auth=HTTPDigestAuth('user', 'pass'))\n": "digest-auth is not among the endpoints",
    "r.text\n": "the guide escapes a line break twice, and has pictures of its own",
  };

  interface Example {
    readonly section: string;
    readonly source: string;
    readonly how: "same" | "members" | "ran" | "failed";
    readonly got: string;
  }

  test("its user guide prints what it says", async () => {
    const folder = shop.inbox();
    for (const name of ["report.xls", "foo.png", "bar.png"]) writeFileSync(join(folder, name), "data");
    const script = join(TOP, "test", "support", "documented-examples.py");
    const guide = ["quickstart", "authentication", "advanced"].map((name) => `${GUIDE}/${name}.rst.txt`);
    const { code, stdout, stderr } = await run([PYTHON, script, server.url, ...guide], { cwd: folder });
    expect([code, stderr]).toEqual([0, ""]);
    const examples = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Example);
    const failed = examples.filter(({ how }) => how === "failed");
    expect(failed.filter(({ source }) => DIFFERENT[source] === undefined)).toEqual([]);
    const counts = Object.groupBy(examples, ({ how }) => how);
    expect(counts.same?.length).toBeGreaterThanOrEqual(13);
    expect(counts.members?.length).toBeGreaterThanOrEqual(7);
    expect(counts.ran?.length).toBeGreaterThanOrEqual(50);
    expect(failed.length).toBeLessThanOrEqual(6);
  });
});
