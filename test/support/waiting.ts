/** All waiting of the tests: for a condition, for turns of the event loop, for a value that comes to rest. */

/**
 * Milliseconds until a wait gives up, unless it is told otherwise: less than `bun run test` gives a test, so that the wait can
 * say why. A busy machine may take seconds for what a quiet one does in milliseconds.
 */
export const WAIT_MS = 15_000;

/** Milliseconds between two looks at a condition. */
const LOOK_MS = 5;

/** Looks in a row that see the same value before it counts as final. */
const STEADY_LOOKS = 20;

/** Resolves when `condition` holds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  waitMs: number = WAIT_MS,
): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${waitMs} ms for ${what}`);
    await Bun.sleep(LOOK_MS);
  }
}

/** Resolves after `count` turns of the event loop: what has reached a socket of this process by now is handled by then. */
export async function turns(count = 1): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Resolves to the value that no longer changes. */
export async function steady(read: () => number, what: string): Promise<number> {
  let value = read();
  let looks = 0;
  await until(() => {
    const next = read();
    looks = next === value ? looks + 1 : 0;
    value = next;
    return looks >= STEADY_LOOKS;
  }, `${what} to come to rest`);
  return value;
}
