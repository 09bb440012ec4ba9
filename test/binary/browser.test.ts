/**
 * The compiled file in front of a real browser: headless Chromium loads the sample site, clicks, uploads, reloads, downloads
 * and seeks in sound. What counts is what the page and the browser say, and that nothing is reported as an error.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page, Request } from "playwright-core";
import { BUILD_MS, type Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { CHROMIUM, launchBrowser, openPage, PAGE_STEP_MS, PAGE_TEST_MS, renewPage } from "../support/page.ts";
import { wave } from "../support/wave.ts";
import { sha256OfFile, Workshop } from "../support/workshop.ts";

const PAGES = ["index.html", "about.html", "contact.html"];
/** Much longer than what a browser reads ahead: 38 MB. */
const SOUND_SECONDS = 200;
/** Names that need `filename*`, or quoting, or that a browser could take for something else. */
const NAMES = ["Grüße aus 日本 🍣.txt", "50% off; a, b.txt", "it's + (plain).txt"];

needs(CHROMIUM).describe(CHROMIUM, () => {
  let shop: Workshop;
  let server: Program;
  let inline: Program;
  let browser: Browser;
  let page: Page;
  /** What a person would see in red: console errors, uncaught exceptions, requests that failed, answers from 400 on. */
  let faults: string[] = [];

  beforeAll(async () => {
    shop = await Workshop.open();
    shop.add("sound.wav", wave(SOUND_SECONDS));
    const players = ["audio", "video"].map((kind) => `<${kind} src="sound.wav" preload="metadata" muted></${kind}>`);
    shop.add("player.html", html(players.join("\n")));
    shop.add("favicon.ico", readFileSync(shop.path("logo.png"))); // What a text is shown with; it cannot name another.
    for (const name of NAMES) shop.add(name, `This is ${name}\n`);
    shop.add(
      "names.html",
      html(NAMES.map((name) => `<p><a href="${encodeURIComponent(name)}">${name}</a></p>`).join("\n")),
    );
    [server, inline, browser] = await Promise.all([shop.start(), shop.start("--inline"), launchBrowser(CHROMIUM)]);
    page = await openPage(browser);
    noteFaults();
  }, BUILD_MS);

  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await inline[Symbol.asyncDispose]();
    shop[Symbol.dispose]();
  });

  beforeEach(async () => {
    await renewPage(page);
    faults = [];
  });

  function noteFaults(): void {
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") faults.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      // A media element gives its request up when it has read enough, and a download leaves the page.
      if (why !== "net::ERR_ABORTED") faults.push(`failed: ${request.url()} ${why}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) faults.push(`answer: ${response.url()} ${response.status()}`);
    });
  }

  for (const [how, program] of [
    ["as downloads", () => server],
    ["inline", () => inline],
  ] as const) {
    test(
      `shows every picture of every page when pictures are sent ${how}`,
      async () => {
        for (const name of PAGES) {
          await page.goto(`${program().url}/${name}`);
          const pictures = await page.evaluate<[src: string, width: number, height: number][]>(`
            Promise.all(Array.from(document.images, async (image) => {
              image.loading = "eager";
              await image.decode().catch(() => {});
              return [image.getAttribute("src"), image.naturalWidth, image.naturalHeight];
            }))`);
          expect(pictures.length).toBeGreaterThan(1);
          for (const [src, width, height] of pictures) {
            const real = await new Bun.Image(shop.path(src)).metadata();
            expect([src, width, height]).toEqual([src, real.width, real.height]);
          }
          // The style sheet applies: without it the page has no colour of its own.
          expect(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor")).toMatch(/^rgb\(/);
        }
        expect(faults).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }

  test(
    "goes from page to page and back, by the server's name",
    async () => {
      await page.goto(`http://localhost:${server.port}/`);
      for (const [link, name] of [
        ["About", "about.html"],
        ["Contact", "contact.html"],
        ["Home", "index.html"],
      ] as const) {
        await page.locator("nav").getByText(link, { exact: true }).click();
        await page.waitForURL(`**/${name}`);
        expect(readFileSync(shop.path(name), "utf8")).toContain(`<title>${await page.title()}</title>`);
      }
      await page.goBack();
      await page.waitForURL("**/contact.html");
      expect(await page.title()).toMatch(/^Contact/);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "uploads the contact page's JSON and shows the answer",
    async () => {
      await page.goto(`${server.url}/contact.html`);
      const text = '{ "name": "Zoë", "message": "日本 🍣" }';
      await page.locator("#json").fill(text);
      await page.locator("#upload button").click();
      const answer = page.locator("#answer");
      await answer.locator("pre").waitFor();
      expect(await answer.locator("p").textContent()).toBe("The server answered 201 Created");
      const told = JSON.parse((await answer.locator("pre").textContent()) ?? "") as { filepath: string };
      expect(readFileSync(shop.path(told.filepath), "utf8")).toBe(text);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  test(
    "shows what the server says about an upload that is no JSON",
    async () => {
      await page.goto(`${server.url}/contact.html`);
      await page.locator("#json").fill("{ nope");
      await page.locator("#upload button").click();
      const answer = page.locator("#answer");
      await answer.locator("pre").waitFor();
      expect(await answer.locator("p").textContent()).toBe("The server answered 400 Bad Request");
      expect(JSON.parse((await answer.locator("pre").textContent()) ?? "")).toBeObject();
    },
    PAGE_TEST_MS,
  );

  test(
    "reloads by asking whether anything changed, and sees it when something did",
    async () => {
      await using own = await shop.start();
      const path = shop.add("changing.html", html('<link rel="stylesheet" href="style.css"><p>first</p>'));
      await page.goto(`${own.url}/changing.html`);
      await page.reload();
      await own.says('"GET /changing.html HTTP/1.1" host=ok 304 ');
      expect(await page.locator("p").textContent()).toBe("first");
      // A style sheet that is used again is asked for as well: Cache-Control is no-cache.
      await page.goto(`${own.url}/about.html`);
      await own.says('"GET /style.css HTTP/1.1" host=ok 304 ');
      await Bun.write(path, html("<p>other</p>")); // As long as before would be, within the same second.
      await page.goto(`${own.url}/changing.html`);
      expect(await page.locator("p").textContent()).toBe("other");
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  /** Clicks what downloads, and checks the name that the browser chose and the bytes that it stored. */
  async function expectDownload(link: string, name: string): Promise<void> {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: link, exact: true }).first().click(),
    ]);
    expect(download.suggestedFilename()).toBe(name);
    const copy = join(shop.inbox(), "copy");
    await download.saveAs(copy);
    expect(sha256OfFile(copy)).toBe(sha256OfFile(shop.path(name)));
  }

  test(
    "downloads what a link of the start page offers, under its name",
    async () => {
      await page.goto(server.url);
      for (const name of ["sample.txt", "banner.png", "photo.jpg"]) await expectDownload(name, name);
      expect(page.url()).toBe(`${server.url}/`);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  for (const name of NAMES) {
    test(
      `stores "${name}" under its name`,
      async () => {
        await page.goto(`${server.url}/names.html`);
        await expectDownload(name, name);
        expect(faults).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }

  test(
    "shows the same file as a page when it is sent inline",
    async () => {
      await page.goto(`${inline.url}/names.html`);
      await page.getByRole("link", { name: NAMES[0] ?? "", exact: true }).click();
      await page.waitForURL(/txt$/);
      expect(await page.evaluate<string>("document.body.textContent")).toBe(`This is ${NAMES[0]}\n`);
      expect(faults).toEqual([]);
    },
    PAGE_TEST_MS,
  );

  for (const kind of ["audio", "video"]) {
    test(
      `seeks in ${kind} by asking for ranges`,
      async () => {
        await using own = await shop.start();
        const ranges: string[] = [];
        const noteRange = (request: Request) => {
          const range = request.headers()["range"];
          if (request.url() === `${own.url}/sound.wav` && range !== undefined) ranges.push(range);
        };
        page.on("request", noteRange);
        await page.goto(`${own.url}/player.html`);
        const times = await page.evaluate<number[]>(`(async () => {
          const media = document.querySelector("${kind}");
          const happens = (name) => new Promise((resolve, reject) => {
            media.addEventListener(name, resolve, { once: true });
            media.addEventListener("error", () => reject(new Error(media.error.message)), { once: true });
            setTimeout(() => reject(new Error("waited for " + name)), ${PAGE_STEP_MS});
          });
          if (media.readyState < 1) await happens("loadedmetadata");
          const times = [media.duration];
          for (const seconds of [${SOUND_SECONDS - 5}, 100, 1]) {
            const seeked = happens("seeked");
            media.currentTime = seconds;
            await seeked;
            times.push(media.currentTime, media.readyState >= 2 ? 1 : 0);
          }
          await media.play();
          await happens("timeupdate");
          return times;
        })()`);
        expect(times).toEqual([SOUND_SECONDS, SOUND_SECONDS - 5, 1, 100, 1, 1, 1]);
        // From the start for what is said in the header, then from where it was told to go.
        const starts = ranges.map((range) => Number(/^bytes=(\d+)-/.exec(range)?.[1]));
        expect(starts).toContain(0);
        expect(starts.some((start) => start > (SOUND_SECONDS - 30) * 192_000)).toBe(true);
        page.off("request", noteRange);
        expect(own.stdout).toMatch(/"GET \/sound\.wav HTTP\/1\.1" host=ok 206 /);
        expect(faults).toEqual([]);
      },
      PAGE_TEST_MS,
    );
  }
});

/** A small page whose icon is no further request. */
function html(body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">\n${body}\n</html>\n`;
}
