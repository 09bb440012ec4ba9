/** Requests for the same page of a listing: which run of the work answers which of them. */
import { describe, expect, test } from "bun:test";
import { OpenFailure } from "../../../src/handlers/files/document-root.ts";
import { type ListedPage, SharedPages } from "../../../src/handlers/listing/shared-pages.ts";

const MAX_AGE_MS = 1000;

/** Pages whose work a test ends by hand. */
class Bench {
  nowMs = 0;
  /** Ends of the runs that have begun. */
  readonly ends: ((made: ListedPage | OpenFailure) => void)[] = [];
  /** Milliseconds of each rest. */
  readonly rests: number[] = [];
  readonly pages = new SharedPages({
    maxAgeMs: MAX_AGE_MS,
    now: () => this.nowMs,
    pause: (ms) => Promise.resolve(this.rests.push(ms)),
  });

  ask(key = "/"): Promise<ListedPage | OpenFailure> {
    return this.pages.page(key, () => new Promise((resolve) => this.ends.push(resolve)));
  }

  /** Ends the run number `at` with a page of `text`, and lets all that wait for it continue. */
  async end(at: number, text: string): Promise<void> {
    this.ends[at]?.(pageOf(text));
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  }
}

function pageOf(text: string): ListedPage {
  return { content: new TextEncoder().encode(text), etag: `"${text}"`, total: 1, next: null };
}

async function textOf(page: Promise<ListedPage | OpenFailure>): Promise<string> {
  const made = await page;
  return typeof made === "number" ? OpenFailure[made] : new TextDecoder().decode(made.content);
}

describe("requests for the same page", () => {
  test("each get a run of their own if they come one after the other", async () => {
    const bench = new Bench();
    for (const [at, text] of ["one", "two", "three", "four", "five", "six"].entries()) {
      const page = bench.ask();
      await bench.end(at, text);
      expect(await textOf(page)).toBe(text);
    }
  });

  test("share the run after the one that is under way, which began before they came", async () => {
    const bench = new Bench();
    const pages = [bench.ask(), bench.ask(), bench.ask()];
    expect(bench.ends).toHaveLength(1);
    await bench.end(0, "before");
    expect(bench.ends).toHaveLength(2);
    await bench.end(1, "after");
    expect(await Promise.all(pages.map(textOf))).toEqual(["before", "after", "after"]);
    expect(bench.ends).toHaveLength(2);
  });

  test("get the last page in a flood, while it is recent", async () => {
    const bench = new Bench();
    const first = [bench.ask(), bench.ask()];
    await bench.end(0, "first");
    const waiting = [bench.ask(), bench.ask(), bench.ask()];
    bench.nowMs = MAX_AGE_MS;
    expect(await textOf(bench.ask())).toBe("first");
    bench.nowMs = MAX_AGE_MS + 1;
    const late = bench.ask();
    await bench.end(1, "second");
    await bench.end(2, "third");
    expect(await Promise.all([...first, ...waiting, late].map(textOf))).toEqual([
      "first",
      "second",
      "third",
      "third",
      "third",
      "third",
    ]);
  });

  test("let the work rest in a flood, and not otherwise", async () => {
    const bench = new Bench();
    const pages = [bench.ask(), bench.ask()];
    bench.nowMs = 50;
    await bench.end(0, "first");
    expect(bench.rests).toEqual([]);
    pages.push(bench.ask(), bench.ask(), bench.ask());
    bench.nowMs = 150;
    await bench.end(1, "second");
    expect(bench.rests).toEqual([400]);
    await bench.end(2, "third");
    await Promise.all(pages);
  });

  test("are one array as long as the folder does not change, and another after it has", async () => {
    const bench = new Bench();
    const contents: unknown[] = [];
    for (const [at, text] of ["same", "same", "other", "same"].entries()) {
      const page = bench.ask();
      await bench.end(at, text);
      const made = await page;
      contents.push(typeof made === "number" ? made : made.content);
    }
    expect(contents[1]).toBe(contents[0]);
    expect(contents[2]).not.toBe(contents[0]);
    expect(contents[3]).not.toBe(contents[2]);
  });

  test("all hear of a failure of the disk, and the next one tries again", async () => {
    const bench = new Bench();
    const pages = [bench.ask(), bench.ask()];
    bench.ends[0]?.(OpenFailure.Busy);
    expect(await textOf(pages[0] as Promise<OpenFailure>)).toBe("Busy");
    await bench.end(1, "there");
    expect(await textOf(pages[1] as Promise<ListedPage>)).toBe("there");
  });
});

test("requests for different pages do not wait for each other", async () => {
  const bench = new Bench();
  const [one, other] = [bench.ask("/a/"), bench.ask("/b/")];
  await bench.end(1, "b");
  expect(await textOf(other as Promise<ListedPage>)).toBe("b");
  await bench.end(0, "a");
  expect(await textOf(one as Promise<ListedPage>)).toBe("a");
});
