/** A store of uploads on a store in memory, with time that the test moves. */
import { S3Client, type S3ClientOptions } from "../../../../src/handlers/uploads/s3/client.ts";
import { PROBE_NAME } from "../../../../src/handlers/uploads/s3/conditions.ts";
import { Signer } from "../../../../src/handlers/uploads/s3/signature.ts";
import { S3Store, type S3StoreOptions } from "../../../../src/handlers/uploads/s3/store.ts";
import type { StoredUpload } from "../../../../src/handlers/uploads/store.ts";
import { ManualClock } from "../../../../src/server/time-source.ts";
import { FakeS3 } from "../../../support/fake-s3.ts";
import { turns } from "../../../support/waiting.ts";

export const TIMEOUT_MS = 20_000;

export const PART_BYTES = 65_536;
export const PARTS_MAX = 20;

export interface Ground {
  readonly s3: FakeS3;
  readonly clock: ManualClock;
  readonly client: S3Client;
  readonly store: S3Store;
  readonly lines: string[];
}

const CREDENTIALS = { accessKey: "KEY", secretKey: "SECRET", sessionToken: "SESSION" };

export function makeGround(
  options: Partial<Pick<S3StoreOptions, "hasNames">> & Partial<Pick<S3ClientOptions, "random">> = {},
): Ground {
  const s3 = new FakeS3();
  const clock = new ManualClock(s3.nowMs);
  const lines: string[] = [];
  const client = new S3Client({
    target: { url: "http://s3.test", authority: "s3.test", base: "/bucket/", bucket: "bucket" },
    signer: new Signer(CREDENTIALS, "us-east-1"),
    upstream: s3,
    time: clock,
    timeoutMs: TIMEOUT_MS,
    random: options.random ?? (() => 1),
    probeKey: `in/${PROBE_NAME}`,
    warn: (line) => lines.push(line),
  });
  const store = new S3Store({
    client,
    place: "s3://bucket/in",
    prefix: "in/",
    hasNames: options.hasNames ?? true,
    limits: { bytes: PART_BYTES, max: PARTS_MAX },
    time: clock,
    info: (line) => lines.push(line),
  });
  return { s3, clock, client, store, lines };
}

/** Keeps an upload. Resolves with it, or with the error. */
export async function keep(
  { store }: Pick<Ground, "store">,
  name: string | null,
  ...pieces: readonly (string | Uint8Array)[]
): Promise<StoredUpload | Error> {
  const sink = store.create(name, null);
  const kept = sink.commit().catch((error: Error) => error);
  for (const piece of pieces) {
    const bytes = typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
    if (!sink.write(bytes)) await Promise.race([new Promise<void>((resolve) => sink.whenReady(resolve)), kept]);
  }
  sink.ended();
  return kept;
}

/** Moves time until `promise` is settled, in steps that are shorter than every pause. */
export async function letPass<Result>({ clock }: Pick<Ground, "clock">, promise: Promise<Result>): Promise<Result> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  promise.then(over, over);
  for (let steps = 0; !isOver; steps++) {
    if (steps > STEPS_MAX) throw new Error("waited for hours");
    await turns(2);
    if (!isOver) clock.advance(STEP_MS);
  }
  return promise;
}

/** Lets seconds pass, one by one. */
export async function later({ clock }: Pick<Ground, "clock">, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1000);
    await turns(2);
  }
}

const STEP_MS = 50;
const STEPS_MAX = 10_000;
