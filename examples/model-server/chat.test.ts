/**
 * A mock model server: its answers are the files in `stubs/`, and a test says how the stream comes. The same works for any app,
 * from the command line: `httpserver --stubs stubs --fixture --fault 'POST /v1/chat/completions reset events=7 times=1'`.
 */
import { expect, test } from "bun:test";
import { ManualClock, startServer } from "httpserver";
import { chat } from "./chat.ts";

const ANSWER = "The quick brown fox jumps over the dog.";
const ROUTE = "POST /v1/chat/completions";

/** A server whose only content are the stubs. */
function startModel(clock?: ManualClock) {
  return startServer({ files: {}, stubs: "stubs", fixture: true, ...(clock && { clock }) });
}

test("the whole answer comes at once", async () => {
  await using server = await startModel();
  expect(await chat(server.url, "Tell me of a fox.")).toBe(ANSWER);
  const [request] = server.requests();
  expect(request?.status).toBe(200);
});

test("words are shown as they come, by a clock that the test moves", async () => {
  const clock = new ManualClock();
  await using server = await startModel(clock);
  server.fault(ROUTE, { fault: "drip", duration: "11s", pieces: "events" }); // 11 events: one a second.
  const shown: string[] = [];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const answer = chat(server.url, "Tell me of a fox.", (text) => {
    shown.push(text);
    begin();
  });
  await begun;
  expect(shown).toEqual([""]);
  clock.advance(3000);
  while (shown.at(-1) !== "The quick") await Bun.sleep(1);
  clock.advance(8000);
  expect(await answer).toBe(ANSWER);
});

for (const fault of ["reset", "truncate", "stall"] as const) {
  test(`a stream that ends by ${fault} after its seventh event is asked for again`, async () => {
    await using server = await startModel();
    server.fault(ROUTE, { fault, events: 7, times: 1 });
    const shown: string[] = [];
    expect(await chat(server.url, "Tell me of a fox.", (text) => shown.push(text))).toBe(ANSWER);
    expect(shown.filter((text) => text === "")).toHaveLength(2); // Nothing of the first attempt is left in the second.
    // A connection that breaks may take events with it that fetch has not handed on. One that falls silent does not.
    if (fault === "stall") expect(shown[6]).toBe("The quick brown fox jumps over");
    expect(server.requests().map((request) => request.fault)).toEqual([fault, null]);
  });
}

test("the app gives up after three attempts", async () => {
  await using server = await startModel();
  server.fault(ROUTE, { fault: "truncate", events: 10 });
  await expect(chat(server.url, "Tell me of a fox.")).rejects.toThrow();
  expect(server.requests()).toHaveLength(3);
});
