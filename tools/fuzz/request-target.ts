/** Target and Host, as `target LF host`. Properties: the same reading twice, a clean path stays inside and can be written and read again, a host has one spelling. */
import { Authority, parseAuthority } from "../../src/http/authority.ts";
import { cleanPath, Target, Verdict } from "../../src/http/target.ts";
import { escapeTarget, referenceTo } from "../../src/http/uri.ts";
import { ParsedHead, parseRequestHead } from "../../src/http1/request-head.ts";
import { readTarget } from "../../src/http1/request-target.ts";
import { bytesOf, textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

const LIMITS = { maxHeaderBytes: 16_384, maxFields: 10, maxEmptyLines: 0 };

const head = new ParsedHead(LIMITS);
const target = new Target();
const authority = new Authority();

export const requestTargetTarget: FuzzTarget = {
  name: "request-target",
  dictionary: [
    "/",
    "..",
    ".",
    "%2e",
    "%2f",
    "%5c",
    "%00",
    "%",
    "%c0%af",
    "%f0%9f%98%80",
    "%25",
    "?",
    "http://",
    "https://",
    "[::1]",
    "[",
    "]",
    "{",
    "|",
    "\\",
    "\xc3\xa9",
    "\xc3",
    "%a9",
    ":80",
    ":",
    "@",
    "*",
    "\n",
    "127.0.0.1",
    "1:2:3:4:5:6:7:8",
    "::ffff:1.2.3.4",
  ],
  check(input, random) {
    const [targetText = "", host = ""] = textOf(input).split("\n");
    const method = random.pick(["GET", "GET", "GET", "OPTIONS", "CONNECT"]);
    const bytes = bytesOf(`${method} ${targetText} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    if (parseRequestHead(bytes, 0, bytes.length, head) !== bytes.length) return "";

    const result = readTarget(head, target);
    const first = view(result, target);
    // One that was used before knows the authority's bytes; a fresh one does not.
    if (view(readTarget(head, target), target) !== first) return "read twice, it is another";
    const fresh = new Target();
    if (view(readTarget(head, fresh), fresh) !== first) return "read by a fresh one, it is another";
    if (result > 0) return `result ${result}`;
    if (result < 0) return "";

    const { host: name, port } = target.authority;
    if (name === "" || port < -1 || port > 65_535) return `authority ${name} ${port}`;
    const spelled = bytesOf(name);
    if (!parseAuthority(spelled, 0, spelled.length, authority)) return `the host ${name} is none`;
    if (authority.host !== name) return `the host ${name} has a second spelling ${authority.host}`;

    const { form, path, query, verdict } = target;
    if (form === "asterisk" || form === "authority") return path === "" ? "" : "a form without a path has one";
    if (!path.startsWith("/")) return `the path ${JSON.stringify(path)} has no slash`;
    if (query !== "" && !URI_QUERY.test(escapeTarget(query))) return "a query that cannot be written";
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    if (/[\x00-\x1f\x7f]/.test(path)) return "a control character in the path";
    if (verdict !== Verdict.Clean && verdict <= Verdict.LeadingDoubleSlash) return cleanedIsClean(path);
    if (verdict !== Verdict.Clean) return "";
    if (path.split("/").some((segment) => segment === "." || segment === "..")) return "a dot segment in a clean path";
    if (path.startsWith("//")) return "two slashes at the start of a clean path";
    const written = path.split("/").map(encodeURIComponent).join("/");
    const again = bytesOf(`GET ${written} HTTP/1.1\r\nHost: a\r\n\r\n`);
    if (parseRequestHead(again, 0, again.length, head) !== again.length)
      return again.length > LIMITS.maxHeaderBytes ? "" : "written, it is no target";
    // A backslash or a slash that stood literally cannot: both are escaped when they are written.
    if (path.includes("\\")) return "a backslash in a clean path";
    return readTarget(head, fresh) === 0 && fresh.path === path && fresh.verdict === verdict
      ? ""
      : "written and read again, it is another";
  },
};

/** The path that an untidy one is redirected to is clean, and on this host. */
function cleanedIsClean(path: string): string {
  const location = bytesOf(`GET ${referenceTo(cleanPath(path), "")} HTTP/1.1\r\nHost: a\r\n\r\n`);
  if (parseRequestHead(location, 0, location.length, head) !== location.length)
    return location.length > LIMITS.maxHeaderBytes ? "" : "cleaned, it is no target";
  const cleaned = new Target();
  if (readTarget(head, cleaned) !== 0 || cleaned.verdict !== Verdict.Clean) return "cleaned, it is not clean";
  return cleaned.path === cleanPath(path) ? "" : "cleaned and read again, it is another";
}

/** RFC 3986 §3.4, with the brackets that it reserves. */
const URI_QUERY = /^\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?[\]-]|%[0-9A-Fa-f]{2})*$/;

function view(result: number, of: Target): string {
  if (result < 0) return String(result);
  return JSON.stringify([of.form, of.path, of.query, of.scheme, of.verdict, of.authority.host, of.authority.port]);
}
