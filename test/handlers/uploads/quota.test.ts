/** Room for uploads: the free space of a disk, and a bound on a folder, with uploads that are under way. */
import { describe, expect, test } from "bun:test";
import { SharedMemory } from "../../../src/exchange/shared-memory.ts";
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

describe("two threads with one folder", () => {
  function twoQuotas(place: Place, maxBytes: number): [Quota, Quota] {
    const { uploads } = SharedMemory.create({ threads: 2, slots: 1, queueMax: 0, lendersMax: 0 });
    return [new Quota(place, maxBytes, uploads), new Quota(place, maxBytes, uploads)];
  }

  test("cannot both promise the same room", async () => {
    const [one, other] = twoQuotas(new Place(), 100);
    const first = await one.open(60);
    expect(await other.open(41)).toBeNull();
    const second = await other.open(0);
    expect([second?.take(40), first?.take(60), second?.take(1), first?.take(1)]).toEqual([true, true, false, false]);
  });

  test("count an upload that the other keeps while they measure, whether it was seen or not", async () => {
    const place = new Place();
    const [one, other] = twoQuotas(place, 100);
    const first = await one.open(50);
    const opening = other.open(51);
    first?.take(50);
    first?.kept();
    expect(await opening).toBeNull();
    place.used = 50;
    expect(await other.open(50)).not.toBeNull();
  });

  test("do not take the free space that the other's upload has not written yet", async () => {
    const place = new Place();
    const [one, other] = twoQuotas(place, -1);
    place.free = GIB + 100;
    const first = await one.open(80);
    expect(other.open(21)).toBeNull();
    first?.take(30);
    place.free -= 30;
    expect(other.open(21)).toBeNull();
    expect(other.open(20)).not.toBeNull();
    first?.dropped();
    place.free += 30;
    expect(other.open(80)).not.toBeNull();
  });

  test("give the room back of an upload that ends, once", async () => {
    const [one, other] = twoQuotas(new Place(), 100);
    const first = await one.open(100);
    expect(await other.open(1)).toBeNull();
    first?.dropped();
    first?.dropped();
    expect(await other.open(100)).not.toBeNull();
    expect(await one.open(1)).toBeNull();
  });
});

test("bytes that a store without room is refused are not counted as written", async () => {
  const place = new Place();
  const quota = new Quota(place, 100);
  const first = await quota.open(0);
  expect([first?.take(90), first?.take(11), first?.take(10)]).toEqual([true, false, true]);
});
