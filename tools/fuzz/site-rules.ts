/**
 * Rules of a site. Properties: a mistake names a line that the file has; no path of a request makes a Location of another host than the
 * line has, or a path that no request could name; fields can be sent, and none of the server's own is set.
 */
import { HeaderRules, parseHeaders } from "../../src/handlers/site/header-rules.ts";
import { locationOf, parseRedirects, pathOf, RedirectRules } from "../../src/handlers/site/redirect-rules.ts";
import { RuleMistake } from "../../src/handlers/site/rule-lines.ts";
import { Fields } from "../../src/http/fields.ts";
import { textOf } from "../../test/support/bytes.ts";
import type { FuzzTarget } from "./target.ts";

/** Decoded, as a target's path may be. */
const PATHS = [
  "/",
  "/a",
  "/a/",
  "/a//evil.test/",
  "/a/b/c",
  "/a/\\\\evil",
  "/a/x;y=1,z&q#f?g%0d",
  "/é/ü",
  "//evil.test",
  "/a/..b/.c",
];

const QUERY = "?q=%zz\u00ff<>";

export const siteRulesTarget: FuzzTarget = {
  name: "site-rules",
  dictionary: [
    "/a/* /b/:splat 301\n",
    "/:x/:y /:y/:x\n",
    "/* /index.html 200\n",
    "/* https://other.test/:splat\n",
    "/a",
    "/*",
    "/:x",
    ":splat",
    " ",
    "\n",
    "\r\n",
    "#",
    "?",
    "%2f",
    "%C3%A9",
    "\xc3\xa9",
    "\xef\xbb\xbf",
    "//",
    "/../",
    "\\",
    "@",
    "https://",
    "  X-A: :splat\n",
    "  Set-Cookie: a=:x\n",
    "  ! ETag\n",
    "  Vary: Accept\n",
  ],
  check(input) {
    return checkRedirects(input) || checkHeaders(input);
  },
};

function checkRedirects(input: Uint8Array): string {
  const rules = parseRedirects(input, (path) => path === "/a");
  if (rules instanceof RuleMistake) return mistakeIn(rules, input);
  if (!(rules instanceof RedirectRules)) return "neither rules nor a mistake";
  for (const path of PATHS) {
    const match = rules.find(path);
    if (match === null) continue;
    const location = locationOf(match, QUERY, "");
    if (location !== null && !/^[!-~]+$/.test(location))
      return `a Location with other bytes than a URI has: ${location}`;
    const isLocal = match.rule.path !== null || location?.startsWith("/") === true;
    if (location !== null && isLocal && !/^\/(?![/\\])/.test(location))
      return `a Location of another host: ${location}`;
    if (location !== null && new URL(location, "http://own.test").host !== hostOf(match.rule.line, input)) {
      return `${location} leads to another host than its line`;
    }
    if (/\/\.\.?(?:\/|$)/.test(pathOf(match) ?? "")) return `a path with dot segments: ${pathOf(match)}`;
  }
  return "";
}

/** Returns the host that the line of a rule names. */
function hostOf(line: number, input: Uint8Array): string {
  const to =
    textOf(input)
      .split("\n")
      [line - 1]?.trim()
      .split(/[ \t]+/)[1] ?? "";
  return new URL(/^https?:\/\/[^/?#]*/i.exec(to)?.[0] ?? "http://own.test").host;
}

function checkHeaders(input: Uint8Array): string {
  const rules = parseHeaders(input);
  if (rules instanceof RuleMistake) return mistakeIn(rules, input);
  if (!(rules instanceof HeaderRules)) return "neither rules nor a mistake";
  for (const path of PATHS) {
    const lines = rules.apply(path, [["Content-Length", "1"]], () => false);
    if (lines === null) continue;
    const head = textOf(Fields.of(lines).http1(null));
    if (!head.includes("Content-Length: 1\r\n")) return "the length is gone";
    if (head.split("\r\n").length !== lines.length + 2) return `a line too many: ${head}`;
    if (/^(?:date|server|connection|keep-alive|transfer-encoding|location):/im.test(head))
      return `an own field: ${head}`;
  }
  return "";
}

function mistakeIn({ line, message }: RuleMistake, input: Uint8Array): string {
  const lines = textOf(input).split("\n").length;
  if (line < 1 || line > lines) return `a mistake in line ${line} of ${lines}`;
  return message === "" || message.includes("\n") ? "a mistake that is not one line" : "";
}
