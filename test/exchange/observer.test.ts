import { expect, test } from "bun:test";
import { BaseObserver, newAnswered, Observers, Outcome } from "../../src/exchange/observer.ts";

/** Remembers the names and arguments of all events. */
function recording(wantsAnswers: boolean) {
  const calls: unknown[] = [];
  const note =
    (name: string) =>
    (...values: unknown[]) =>
      calls.push([name, ...values]);
  const observer = {
    wantsAnswers,
    steps: null,
    opened: note("opened"),
    closed: note("closed"),
    answered: note("answered"),
    incident: note("incident"),
    queued: note("queued"),
    dequeued: note("dequeued"),
    turnedAway: note("turned away"),
    failed: note("failed"),
  };
  return { observer, calls };
}

test("each event goes on to all observers, an answer to those that want it", () => {
  const one = recording(true);
  const other = recording(false);
  const all = new Observers([one.observer, other.observer]);
  const answer = newAnswered();
  const error = new Error("ours");
  all.opened(1, "a");
  all.closed(2, 3, 4, "flood");
  all.answered(answer);
  all.incident(5, "b", "c");
  all.queued(6);
  all.dequeued(7, 8, 9);
  all.turnedAway(10, "queue full");
  all.failed(11, error);
  const calls = [
    ["opened", 1, "a"],
    ["closed", 2, 3, 4, "flood"],
    ["answered", answer],
    ["incident", 5, "b", "c"],
    ["queued", 6],
    ["dequeued", 7, 8, 9],
    ["turned away", 10, "queue full"],
    ["failed", 11, error],
  ];
  expect(one.calls).toEqual(calls);
  expect(other.calls).toEqual(calls.filter(([name]) => name !== "answered"));
});

test("answers are wanted if one observer wants them", () => {
  const wants = (...all: boolean[]) => new Observers(all.map((one) => recording(one).observer)).wantsAnswers;
  expect([wants(), wants(false, false), wants(false, true), new BaseObserver().wantsAnswers]).toEqual([
    false,
    false,
    true,
    false,
  ]);
});

test("an empty report says nothing of a request", () => {
  const { response, ...rest } = newAnswered();
  expect([response.status, response.content, response.kind]).toEqual([0, null, ""]);
  expect(rest).toEqual({
    connection: 0,
    stream: 0,
    peer: "",
    position: 0,
    request: null,
    isHeadComplete: false,
    host: "-",
    violation: 0,
    slot: 0,
    queuedMs: 0,
    bytes: 0,
    durationMs: 0,
    outcome: Outcome.KeptAlive,
    closing: null,
    fault: null,
  });
});
