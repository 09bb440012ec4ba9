/** The site that is served when nobody names another folder: complete, linked, and free of outside resources. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "resources");
const PAGES = ["index.html", "about.html", "contact.html"];
const IMAGES = ["logo.png", "banner.png", "photo.jpg", "photo2.jpg"];
const DOWNLOADS = [...IMAGES, "sample.txt", "sample2.txt"];

const pages = new Map(PAGES.map((name) => [name, readFileSync(join(ROOT, name), "utf8")]));
const site = [...pages.values()].join("\n");

describe("the pages", () => {
  for (const [name, html] of pages) {
    test(`${name} links the other two`, () => {
      for (const other of PAGES) if (other !== name) expect(html).toContain(`href="${other}"`);
    });

    test(`${name} marks itself as the current page`, () => {
      expect(html.match(/href="([^"]+)" aria-current="page"/)?.[1]).toBe(name);
    });

    test(`${name} points only to files that are there, and to no other host`, () => {
      const targets = Array.from(html.matchAll(/\b(?:href|src|action)="([^"]*)"/g), (found) => found[1] ?? "");
      expect(targets.length).toBeGreaterThan(5);
      for (const target of targets) {
        if (target.startsWith("data:") || target.startsWith("#") || target === "/upload") continue;
        expect(target).toMatch(/^[a-z0-9_]+\.[a-z]+$/);
        expect(existsSync(join(ROOT, target))).toBe(true);
      }
    });

    test(`${name} says its language, title and size, and describes its pictures`, () => {
      expect(html).toStartWith('<!doctype html>\n<html lang="en">');
      expect(html).toMatch(/<title>[^<]+<\/title>/);
      expect(html.match(/<h1>/g)).toHaveLength(1);
      const images = html.match(/<img [^>]*>/g) ?? [];
      expect(images.length).toBeGreaterThan(1);
      for (const image of images) expect(image).toMatch(/ alt="[^"]*" width="\d+" height="\d+"/);
    });
  }

  test("show every picture and offer every text and picture as a download", () => {
    for (const image of IMAGES) expect(site).toContain(`src="${image}"`);
    for (const name of DOWNLOADS) expect(site).toContain(`href="${name}" download`);
  });

  test("upload by a form and by curl", () => {
    const contact = pages.get("contact.html") ?? "";
    expect(contact).toContain('action="/upload"');
    expect(contact).toContain('"Content-Type": "application/json"');
    expect(contact).toContain("curl -i -H");
    const suggested = /<textarea[^>]*>([^<]*)</.exec(contact)?.[1] ?? "";
    expect(JSON.parse(suggested)).toHaveProperty("name");
  });
});

describe("the files", () => {
  test("style.css loads nothing and knows light and dark", () => {
    const css = readFileSync(join(ROOT, "style.css"), "utf8");
    expect(css).not.toMatch(/url\(|@import/);
    expect(css).toContain("prefers-color-scheme: dark");
  });

  test("banner.png is larger than a megabyte, and not much", () => {
    const { size } = statSync(join(ROOT, "banner.png"));
    expect(size).toBeGreaterThan(1_048_576);
    expect(size).toBeLessThan(1_500_000);
  });

  for (const image of IMAGES) {
    test(`${image} is a picture of its kind, whole to the last pixel`, async () => {
      const { width, height, format } = await new Bun.Image(join(ROOT, image)).metadata();
      expect(format).toBe(image.endsWith(".png") ? "png" : "jpeg");
      expect((await new Bun.Image(join(ROOT, image)).resize(8, 8).png().bytes()).length).toBeGreaterThan(0);
      // What a page promises is what it loads; the logo is drawn smaller on purpose.
      if (image !== "logo.png")
        expect(site).toMatch(new RegExp(`src="${image}"[^>]* width="${width}" height="${height}"`));
    });
  }

  test("the texts are UTF-8, and sample_post.json is JSON", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    for (const name of ["sample.txt", "sample2.txt", "sample_post.json"]) {
      expect(strict.decode(readFileSync(join(ROOT, name)))).toEndWith("\n");
    }
    expect(JSON.parse(readFileSync(join(ROOT, "sample_post.json"), "utf8"))).toHaveProperty("items");
  });
});
