/** Every fuzz target, its kept corpus, and the inputs that once failed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf } from "../../test/support/bytes.ts";
import { acceptTarget } from "./accept.ts";
import { acceptEncodingTarget } from "./accept-encoding.ts";
import { bodyTarget } from "./body.ts";
import { conditionalTarget } from "./conditional.ts";
import { conversationTarget } from "./conversation.ts";
import { forwardedTarget } from "./forwarded.ts";
import { framesTarget } from "./frames.ts";
import { headTarget } from "./head.ts";
import { hpackTarget } from "./hpack.ts";
import { http2Target } from "./http2.ts";
import { jsonTarget } from "./json.ts";
import { multipartTarget } from "./multipart.ts";
import { piecesTarget } from "./pieces.ts";
import { proxyHeaderTarget } from "./proxy-header.ts";
import { rangeTarget } from "./range.ts";
import { requestTargetTarget } from "./request-target.ts";
import { responseTarget } from "./response.ts";
import { siteRulesTarget } from "./site-rules.ts";
import { stubTarget } from "./stub.ts";
import { stubRuleTarget } from "./stub-rule.ts";
import { tarTarget } from "./tar.ts";
import type { FuzzFailure, FuzzTarget } from "./target.ts";

export const targets: readonly FuzzTarget[] = [
  headTarget,
  bodyTarget,
  responseTarget,
  requestTargetTarget,
  rangeTarget,
  conditionalTarget,
  acceptTarget,
  acceptEncodingTarget,
  jsonTarget,
  piecesTarget,
  multipartTarget,
  siteRulesTarget,
  stubTarget,
  stubRuleTarget,
  tarTarget,
  framesTarget,
  hpackTarget,
  http2Target,
  forwardedTarget,
  proxyHeaderTarget,
  conversationTarget,
];

const CORPUS = join(import.meta.dir, "corpus");
const REGRESSIONS = join(import.meta.dir, "regressions");

/** corpus/<name>.json: a list of texts, one byte a character. */
export function corpusOf(target: FuzzTarget): readonly Uint8Array[] {
  const texts = JSON.parse(readFileSync(join(CORPUS, `${target.name}.json`), "utf8")) as readonly string[];
  return texts.map(bytesOf);
}

interface Regression {
  readonly file: string;
  readonly target: FuzzTarget;
  readonly input: Uint8Array;
}

/** regressions/<target>.<hash>.bin: the bytes as they are. */
export function regressions(): readonly Regression[] {
  return readdirSync(REGRESSIONS)
    .filter((file) => file.endsWith(".bin"))
    .map((file) => {
      const target = targets.find(({ name }) => name === file.split(".")[0]);
      if (target === undefined) throw new Error(`regressions/${file} belongs to no target`);
      return { file, target, input: new Uint8Array(readFileSync(join(REGRESSIONS, file))) };
    });
}

/** Keeps a failing input, so that every later run of the tests tries it. Returns the file's path. */
export function keepRegression(target: FuzzTarget, failure: FuzzFailure): string {
  mkdirSync(REGRESSIONS, { recursive: true });
  const path = join(REGRESSIONS, `${target.name}.${Bun.hash(failure.input).toString(16)}.bin`);
  writeFileSync(path, failure.input);
  return path;
}
