/** The seam to stubs that a test adds while the server runs. A fixture implements it; the mount (stubs.ts) asks it before its files. */
import type { Request, Response } from "../../http/message.ts";

export interface StubRules {
  /** Returns whether a rule might answer this request, by its head alone. Counts nothing. */
  mayAnswer(request: Request): boolean;
  /** Takes the first rule that matches the complete request, and counts it; null when none does. */
  take(request: Request): Response | Promise<Response> | null;
  /** Returns the methods of the rules whose path pattern matches. */
  methods(path: string): readonly string[];
}
