/**
 * Host and target of a head: its Host field first, then its target, then the agreement of both (RFC 9112 §3.2).
 *
 * The rule it guards: a request has one host. Two Host fields, or none in HTTP/1.1, are refused and never chosen between.
 */
import { type Authority, parseAuthority } from "../http/authority.ts";
import { Field } from "../http/field.ts";
import { ParseError } from "../http/parse-error.ts";
import { parseTarget, type Target } from "../http/target.ts";
import type { ParsedHead } from "./request-head.ts";

/** Fills `target` from a complete head. Returns 0 (then look at `verdict`) or a ParseError. */
export function readTarget(head: ParsedHead, target: Target): number {
  const host = decideHost(head, target.authority);
  if (host === 0) return parseTarget(head.method, head.bytes, head.targetStart, head.targetEnd, target);
  target.reset();
  return host;
}

/**
 * Fills `authority` from the Host field: exactly one in HTTP/1.1 (RFC 9112 §3.2), at most one in HTTP/1.0, where its absence
 * leaves `authority` empty. Returns 0 or a ParseError.
 */
export function decideHost(head: ParsedHead, authority: Authority): number {
  const index = (head.known[Field.Host] as number) - 1;
  if (index < 0) {
    authority.reset();
    return head.minorVersion === 0 ? 0 : ParseError.HostMissing;
  }
  if (head.isRepeated(Field.Host)) {
    authority.reset();
    return ParseError.HostRepeated;
  }
  return parseAuthority(head.bytes, head.valueStart(index), head.valueEnd(index), authority)
    ? 0
    : ParseError.HostInvalid;
}
