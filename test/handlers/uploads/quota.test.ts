/** Room for uploads: the free space of a disk, and a bound on a folder, with uploads that are under way. */
import { expect, test } from "bun:test";
import { Quota } from "../../../src/handlers/uploads/quota.ts";
import { GIB } from "../../../src/http/units.ts";

/** A place whose figures the test sets. */
class Place {
  used = 0;
  free = 0;
  usedBytes = async () => this.used;
  freeBytes = () => this.free;
}

test("without a bound, a gibibyte of the free space stays free", async () => {
  const place = new Place();
  const quota = new Quota(place, -1);
  place.free = GIB;
  expect(quota.open(1)).toBeNull();
  place.free = GIB + 100;
  expect(quota.open(101)).toBeNull();
  const first = await quota.open(60);
  expect(quota.open(41)).toBeNull();
  const second = await quota.open(0);
  expect([second?.take(40), second?.take(1)]).toEqual([true, false]);
  second?.dropped();
  // The first has written half of what it announced, which is no longer free.
  first?.take(30);
  place.free -= 30;
  expect(quota.open(41)).toBeNull();
  first?.dropped();
  place.free += 30;
  expect(await quota.open(100)).not.toBeNull();
});

test("a disk whose free space is less than the spare takes not even an empty upload of unknown length", () => {
  expect(new Quota(new Place(), -1).open(0)).toBeNull();
});

test("with a bound, an upload that is kept while the folder is measured counts, whether it was seen or not", async () => {
  const place = new Place();
  const quota = new Quota(place, 100);
  const first = await quota.open(50);
  const opening = quota.open(50);
  first?.take(50);
  first?.kept();
  expect(await opening).not.toBeNull();
  place.used = 50;
  expect(await quota.open(51)).toBeNull();
});

test("an announcement that is longer than the content gives its rest back", async () => {
  const place = new Place();
  const quota = new Quota(place, 100);
  const first = await quota.open(80);
  first?.take(20);
  first?.kept();
  first?.dropped();
  place.used = 20;
  const second = await quota.open(0);
  expect([second?.take(80), second?.take(1)]).toEqual([true, false]);
});

test("a place that bounds itself has room for everything", () => {
  const quota = new Quota(null, -1);
  const allowance = quota.open(Number.MAX_SAFE_INTEGER);
  expect(allowance).toMatchObject({ reserved: Number.MAX_SAFE_INTEGER });
  expect(quota.open(1)).not.toBeNull();
});
