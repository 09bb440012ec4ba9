/** Decides how a browser gets a file: shown, with its own type, or stored, under its own name. */
import { contentTypeOf, extensionOf, OCTET_STREAM } from "./content-type.ts";

export interface Presentation {
  readonly contentType: string;
  /** The value of Content-Disposition, or null where there is none. */
  readonly disposition: string | null;
  /** The value of Content-Security-Policy, or null where there is none. */
  readonly policy: string | null;
  /** Kind of content, in a word for the request's log line. */
  readonly kind: string;
}

/**
 * Chooses type and disposition by the name. Unless `inline`, txt, png, jpg and jpeg are sent as downloads. A page's
 * <img> still shows them: nosniff only stops scripts and style sheets (Fetch §3.6), and image data are recognised by
 * their first bytes (MIME Sniffing §8.1).
 */
export function presentationOf(name: string, inline: boolean): Presentation {
  if (!inline && isDownload(name)) return downloadOf(name, null);
  const contentType = contentTypeOf(name);
  const kind = contentType.startsWith("text/html") ? "html" : contentType.startsWith("text/") ? "text" : "binary";
  return { contentType, disposition: null, policy: null, kind };
}

/** Returns the presentation of a file from strangers: no browser shows it, or runs it as a script (nosniff, Fetch §3.6). */
export function isolatedPresentation(name: string): Presentation {
  return downloadOf(name, "sandbox");
}

function downloadOf(name: string, policy: string | null): Presentation {
  return { contentType: OCTET_STREAM, disposition: attachment(name), policy, kind: "binary" };
}

/** Returns true for a file that a browser stores, unless files are shown inline. */
export function isDownload(name: string): boolean {
  return DOWNLOAD_EXTENSIONS.has(extensionOf(name));
}

const DOWNLOAD_EXTENSIONS: ReadonlySet<string> = new Set(["txt", "png", "jpg", "jpeg"]);

/** RFC 6266, with `filename*` (RFC 8187) where the plain form could be misread: quotes, escapes, percent signs, not ASCII. */
export function attachment(name: string): string {
  const plain = name.replace(/[^ -~]/gu, "_").replace(/["\\]/g, "\\$&");
  if (plain === name && !name.includes("%")) return `attachment; filename="${name}"`;
  // RFC 8187 §3.2.1: attr-char has fewer characters than encodeURIComponent leaves alone.
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
