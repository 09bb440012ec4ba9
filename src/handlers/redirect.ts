/** Redirects. The caller makes the location: `referenceTo` writes paths of this server. */
import { Fields } from "../http/fields.ts";
import { type Response, response } from "../http/message.ts";

/** Returns a redirect. 308 keeps the method (RFC 9110 §15.4.9). No cache remembers it past a change of the server. */
export function redirectTo(location: string, status = 308): Response {
  const fields = Fields.of([
    ["Location", location],
    ["Content-Length", "0"],
    ["Cache-Control", "no-cache"],
  ]);
  return response(status, fields, null, "redirect");
}
