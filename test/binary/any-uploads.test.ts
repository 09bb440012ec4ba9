/**
 * Uploads of any file by the clients that people use: the form in headless Chromium, with script and without, axe-core as in the tests of
 * the listing, and curl.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { BUILD_MS, type Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import {
  CHROMIUM,
  launchBrowser,
  noteFaults,
  openPage,
  PAGE_TEST_MS,
  renewPage,
  violationsIn,
} from "../support/page.ts";
import { until } from "../support/waiting.ts";
import { Workshop } from "../support/workshop.ts";

let shop: Workshop;
let server: Program;

beforeAll(async () => {
  shop = await Workshop.open();
  mkdirSync(join(shop.folder, "own"));
  server = await shop.start("--root", "own", "--listing", "--inline", "--upload-any");
}, BUILD_MS);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  shop[Symbol.dispose]();
});

beforeEach(() => {
  for (const name of kept()) rmSync(join(shop.folder, "uploads", name));
});

/** Names in the folder of uploads. */
function kept(): string[] {
  const folder = join(shop.folder, "uploads");
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function write(name: string, content: string): string {
  const path = join(shop.inbox(), name);
  writeFileSync(path, content);
  return path;
}

needs(CHROMIUM).describe(CHROMIUM, () => {
  let browser: Browser;
  let ordinary: Page;
  /** A page that runs no script. */
  let scriptless: Page;
  /** The page of the test that runs. */
  let page: Page;
  let faults: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser();
    ordinary = await open({});
    scriptless = await open({ javaScriptEnabled: false });
  }, BUILD_MS);

  afterAll(() => browser.close());

  beforeEach(async () => {
    page = ordinary;
    await renewPage(page);
    faults = [];
  });

  /** A new page that notes its faults. */
  async function open(settings: Parameters<Browser["newContext"]>[0]): Promise<Page> {
    const page = await openPage(browser, settings);
    noteFaults(page, (fault) => faults.push(fault));
    return page;
  }

  function row(name: string) {
    return page.locator("tbody tr", { hasText: name }).waitFor();
  }

  test(
    "uploads several files of any name from the page of the folder, and shows them",
    async () => {
      await page.goto(`${server.url}/`);
      const names = ["Grüße aus Köln.txt", `say "hi" & 50%.txt`, "<b>.html"];
      await page.setInputFiles(
        "input[type=file]",
        names.map((name) => write(name, `This is ${name}`)),
      );
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      for (const name of names) await row(name);
      expect(page.url()).toBe(`${server.url}/uploads/`);
      expect(kept()).toEqual(names.toSorted());
      for (const name of names) {
        expect(readFileSync(join(shop.folder, "uploads", name), "utf8")).toBe(`This is ${name}`);
      }
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "uploads a file without script, and goes to the list",
    async () => {
      page = scriptless;
      await page.goto(`${server.url}/uploads/`);
      await page.setInputFiles("input[type=file]", write(`a "b".txt`, "without script"));
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await row(`a "b".txt`);
      expect(page.url()).toBe(`${server.url}/uploads/`);
      expect(kept()).toEqual([`a "b".txt`]);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "uploads files that are dropped on the page",
    async () => {
      await page.goto(`${server.url}/uploads/`);
      const transfer = await page.evaluateHandle(`(() => {
        const files = new DataTransfer();
        for (const name of ["one.txt", "two.txt"]) files.items.add(new File([name], name));
        return files;
      })()`);
      await page.dispatchEvent("main", "dragover", { dataTransfer: transfer });
      await page.locator("body.drop").waitFor();
      await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
      await row("two.txt");
      expect(kept()).toEqual(["one.txt", "two.txt"]);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "says which file was refused and why, and keeps the others",
    async () => {
      await page.goto(`${server.url}/uploads/`);
      const files = ["a.txt", ".hidden", "b.txt"].map((name) => write(name, name));
      await page.setInputFiles("input[type=file]", files);
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await page.getByText(".hidden: The name of an upload must not begin with a dot.").waitFor();
      expect(kept()).toEqual(["a.txt", "b.txt"]);
      await page.setInputFiles("input[type=file]", files.slice(0, 1));
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await page.getByText("a.txt: There is an upload of that name").waitFor();
    },
    PAGE_TEST_MS,
  );

  test(
    "stores nothing for a page of another origin",
    async () => {
      await using other = await shop.start();
      shop.add(
        "evil.html",
        `<form method="post" enctype="multipart/form-data" action="${server.url}/uploads/"><input name="file" type="file"></form>
<script>
const files = new DataTransfer();
files.items.add(new File(["bad"], "bad.txt"));
document.querySelector("input").files = files.files;
fetch("${server.url}/uploads/fetched", { method: "PUT", mode: "cors", body: "bad" }).catch(() => document.querySelector("form").submit());
</script>`,
      );
      await page.goto(`${other.url}/evil.html`);
      await page.getByText("403 Forbidden").waitFor();
      expect(page.url()).toBe(`${server.url}/uploads/`);
      expect(kept()).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "gets an upload as a download, whatever it is",
    async () => {
      await fetch(`${server.url}/uploads/page.html`, { method: "PUT", body: "<script>alert(1)</script>" });
      await page.goto(`${server.url}/uploads/`);
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "page.html" }).click();
      expect((await download).suggestedFilename()).toBe("page.html");
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  for (const colorScheme of ["light", "dark"] as const) {
    test(
      `has no accessibility violations in ${colorScheme}`,
      async () => {
        await fetch(`${server.url}/uploads/a.txt`, { method: "PUT", body: "a" });
        await page.emulateMedia({ colorScheme });
        for (const path of ["/", "/uploads/"]) {
          await page.goto(`${server.url}${path}`);
          expect(await violationsIn(page)).toEqual([]);
        }
        expect(faults).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }
});

needs("curl").describe("curl", () => {
  async function curl(...words: readonly string[]): Promise<string> {
    const child = Bun.spawn(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", ...words], { stderr: "pipe" });
    return await new Response(child.stdout).text();
  }

  test("-T uploads under the name of the file, once, and -F a form", async () => {
    const large = write("a b+c.bin", "x".repeat(3_000_000));
    expect(await curl("-T", large, `${server.url}/uploads/`)).toBe("201");
    expect(await curl("-T", large, `${server.url}/uploads/`)).toBe("409");
    expect(await curl("-T", large, "-H", "If-None-Match: *", `${server.url}/uploads/`)).toBe("412");
    expect(await curl("-F", `file=@${large};filename="q\\"uote.txt"`, `${server.url}/uploads/`)).toBe("201");
    expect(await curl("-C", "10", "-T", large, `${server.url}/uploads/part`)).toBe("400");
    expect(kept()).toEqual(["a b+c.bin", 'q"uote.txt']);
    expect(readFileSync(join(shop.folder, "uploads", "a b+c.bin"), "utf8")).toBe("x".repeat(3_000_000));
  });
});

describe("a file that is killed off in the middle", () => {
  test("is not there after the next start, and nothing of it is", async () => {
    const own = join(shop.folder, "killed");
    const words = ["--uploads", "killed", "--upload-any"];
    const first = await shop.start(...words);
    const never = new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(100_000)),
    });
    const sent = fetch(`${first.url}/uploads/half`, { method: "PUT", body: never }).catch(() => null);
    await until(() => existsSync(own) && readdirSync(own).length === 1, "the unfinished file");
    process.kill(first.pid, "SIGKILL");
    await sent;
    await using _next = await shop.start(...words);
    expect(readdirSync(own)).toEqual([]);
    await first[Symbol.asyncDispose]();
  });
});
