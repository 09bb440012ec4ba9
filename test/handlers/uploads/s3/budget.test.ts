/** A bounded amount that many tasks share: who waits, and for how long. */
import { expect, test } from "bun:test";
import { Budget } from "../../../../src/handlers/uploads/s3/budget.ts";
import { ManualClock } from "../../../../src/server/time-source.ts";

function makeBudget() {
  const clock = new ManualClock();
  const order: string[] = [];
  const budget = new Budget(10, clock);
  const take = (name: string, amount: number, deadlineMs: number) =>
    budget.take(amount, deadlineMs).then((isGranted) => order.push(`${name} ${isGranted}`));
  return { clock, budget, order, take };
}

test("is granted in the order of the requests, and none overtakes a larger one", async () => {
  const { budget, order, take } = makeBudget();
  expect(budget.tryTake(8)).toBe(true);
  const first = take("large", 5, 1000);
  const second = take("small", 1, 1000);
  expect(budget.tryTake(1)).toBe(false);
  expect([budget.taken, budget.waiting]).toEqual([8, 2]);
  budget.give(8);
  await Promise.all([first, second]);
  expect(order).toEqual(["large true", "small true"]);
  expect([budget.taken, budget.waiting]).toEqual([6, 0]);
});

test("is not waited for longer than the deadline, and what waits behind goes on then", async () => {
  const { clock, budget, order, take } = makeBudget();
  budget.tryTake(8);
  const waits = [take("large", 5, 100), take("small", 2, 1000), take("late", 2, 200)];
  clock.advance(99);
  expect(budget.waiting).toBe(3);
  clock.advance(1);
  expect([budget.taken, budget.waiting]).toEqual([10, 1]);
  clock.advance(100);
  await Promise.all(waits);
  expect(order).toEqual(["large false", "small true", "late false"]);
  budget.give(10);
  expect([budget.taken, budget.waiting]).toEqual([0, 0]);
});

test("is refused at once after the deadline", async () => {
  const { clock, budget } = makeBudget();
  clock.advance(50);
  budget.tryTake(10);
  const taken = budget.take(1, 10);
  clock.advance(0);
  expect(await taken).toBe(false);
});
