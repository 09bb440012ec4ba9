import type { HeadLimits } from "../../src/http1/request-head.ts";

/** Limits of a request head that no ordinary request reaches: those of a server without settings. */
export const HEAD_LIMITS: HeadLimits = {
  maxHeaderBytes: 16_384,
  maxFields: 100,
  maxEmptyLines: 4,
};
