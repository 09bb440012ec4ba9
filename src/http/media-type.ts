/** Media types with their parameters, as Content-Type carries them (RFC 9110 §8.3.1, §5.6.6). */

/**
 * Returns true for `application/json`, and `application/` with a suffix of `+json` (RFC 6839 §3.1), with any
 * parameters, of which a charset may only be utf-8. A page of another origin cannot send any of them without asking.
 */
export function isJsonMediaType(value: string | null): boolean {
  if (value === null) return false;
  const [, type = "", parameters = ""] = MEDIA_TYPE.exec(value) ?? [];
  if (!JSON_TYPE.test(type)) return false;
  for (const [, name = "", token = "", quoted = ""] of parameters.matchAll(PARAMETER)) {
    if (name.toLowerCase() !== "charset") continue;
    const charset = token !== "" ? token : quoted.slice(1, -1).replace(/\\(.)/g, "$1");
    if (charset.toLowerCase() !== "utf-8") return false;
  }
  return true;
}

/**
 * Returns the boundary of `multipart/form-data` (RFC 7578 §4.1), or null for another type, and for a boundary that RFC 2046 §5.1.1
 * does not allow.
 */
export function formBoundary(value: string | null): string | null {
  const [, type = "", parameters = ""] = MEDIA_TYPE.exec(value ?? "") ?? [];
  if (type.toLowerCase() !== "multipart/form-data") return null;
  const found = [...parameters.matchAll(PARAMETER)].filter(([, name = ""]) => name.toLowerCase() === "boundary");
  const [, , token = "", quoted = ""] = found[0] ?? [];
  const boundary = token !== "" ? token : quoted.slice(1, -1).replace(/\\(.)/g, "$1");
  return found.length === 1 && BOUNDARY.test(boundary) ? boundary : null;
}

const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;

/** At least one character in front of `+json`, as a type has a name. */
const JSON_TYPE = /^application\/(?:.+\+)?json$/i;

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"';
const PARAMETER = new RegExp(`[ \\t]*;[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|(${QUOTED})))?`, "g");
// Each parameter starts with its own ";", so the repetition has one way to match and cannot run away.
const MEDIA_TYPE = new RegExp(`^(${TOKEN}/${TOKEN})((?:[ \\t]*;(?:[ \\t]*${TOKEN}=(?:${TOKEN}|${QUOTED}))?)*)[ \\t]*$`);
