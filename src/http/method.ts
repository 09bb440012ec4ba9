/** Request methods (RFC 9110 §9) as numbers, so that comparing two is one instruction. */
export enum Method {
  Other = 0,
  Get,
  Head,
  Post,
  Options,
  Put,
  Delete,
  Patch,
  Trace,
  Connect,
}

/** Names by Method. `Other` stands for every method that is not listed, so it has no name. */
export const METHOD_NAMES: readonly (string | undefined)[] = [
  undefined,
  "GET",
  "HEAD",
  "POST",
  "OPTIONS",
  "PUT",
  "DELETE",
  "PATCH",
  "TRACE",
  "CONNECT",
];

/** Returns true for GET and HEAD, which differ only in the content of the response (RFC 9110 §9.3.2). */
export function isRead(method: Method): boolean {
  return method === Method.Get || method === Method.Head;
}
