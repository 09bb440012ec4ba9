/**
 * Describes a request in go-httpbin's shape: values of the query, of fields and of forms are lists; names of fields are written as Go
 * writes them, `Content-Type`.
 *
 * Fields that begin with `X-Forwarded` are shown. They are believed only if they come from a proxy that the operator trusts.
 */
import { Field } from "../../http/field.ts";
import { JsonVerdict, NESTING_MAX } from "../../http/json.ts";
import type { Request } from "../../http/message.ts";
import { checkJson } from "../checked-json.ts";
import { sorted } from "./answers.ts";
import { parseMultipart, parseQuery, parseUrlencoded, type Values } from "./form.ts";

type Lists = Readonly<Record<string, readonly string[]>>;

interface Described {
  readonly args: Lists;
  readonly headers: Lists;
  readonly method: string;
  readonly origin: string;
  readonly url: string;
}

/** Describes a request without its content. */
export function describe(request: Request): Described {
  return {
    args: sorted(parseQuery(request.target.query)),
    headers: headersOf(request),
    method: request.head.methodText,
    origin: request.address,
    url: urlOf(request),
  };
}

/** Returns all field lines, with Host even if it is absent. */
export function headersOf({ head }: Request): Lists {
  const headers = new Map<string, string[]>(head.has(Field.Host) ? [] : [["Host", [""]]]);
  for (const [name, value] of head.lines()) {
    const key = canonicalName(name);
    const known = headers.get(key);
    if (known === undefined) headers.set(key, [utf8Of(value)]);
    else known.push(utf8Of(value));
  }
  return sorted(headers);
}

/** Returns `content-TYPE` as `Content-Type`. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** Returns the text of bytes that are UTF-8, and that a head gives as ISO-8859-1. */
export function utf8Of(latin1: string): string {
  return /^[\x20-\x7e\t]*$/.test(latin1) ? latin1 : Buffer.from(latin1, "latin1").toString("utf8");
}

function urlOf(request: Request): string {
  const text = utf8Of(request.head.targetText);
  return request.target.form === "absolute" ? text : `${originOf(request)}${text}`;
}

/** Returns scheme and authority of the URL at which the client reaches this server. */
export function originOf(request: Request): string {
  return `${request.secure ? "https" : "http"}://${hostOf(request) ?? ""}`;
}

/** Returns Host as the client has sent it, or null. */
export function hostOf({ head, relay }: Request): string | null {
  return relay?.host ?? head.value(Field.Host);
}

interface DescribedContent {
  readonly data: string;
  readonly files: Lists;
  readonly form: Lists;
  readonly json: unknown;
}

const NONE: Lists = {};
const NO_CONTENT: DescribedContent = { data: "", files: NONE, form: NONE, json: null };

/** Describes content by its type, or returns the mistake in it. Other requests run while a long JSON text is checked. */
export function describeContent({
  head,
  content,
}: Request): DescribedContent | string | Promise<DescribedContent | string> {
  if (content.length === 0) return NO_CONTENT;
  const contentType = head.value(Field.ContentType) ?? "";
  const [type = ""] = contentType.split(";");
  switch (type.trim().toLowerCase()) {
    case "text/html":
    case "text/plain":
      return { ...NO_CONTENT, data: textOf(content) };
    case "application/x-www-form-urlencoded":
      return withForm(content, parseUrlencoded(content), new Map());
    case "multipart/form-data": {
      const parts = parseMultipart(content, contentType);
      return typeof parts === "string" ? parts : withForm(content, parts.form, parts.files);
    }
    case "application/json":
      return describeJson(content);
    default:
      return { ...NO_CONTENT, data: dataUrl(content, utf8Of(type)) };
  }
}

function withForm(content: Uint8Array, form: Values | string, files: Values): DescribedContent | string {
  if (typeof form === "string") return form;
  return { data: textOf(content), files: sorted(files), form: sorted(form), json: null };
}

async function describeJson(content: Uint8Array): Promise<DescribedContent | string> {
  const verdict = await checkJson(content);
  if (verdict === JsonVerdict.TooDeep) return `more than ${NESTING_MAX} arrays and objects inside each other`;
  if (verdict !== JsonVerdict.Valid) return "the content is not JSON in UTF-8";
  const text = textOf(content);
  // RFC 8259 §8.1: a parser may ignore a byte order mark.
  return { ...NO_CONTENT, data: text, json: JSON.parse(text.replace(/^\uFEFF/, "")) };
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

function textOf(content: Uint8Array): string {
  return UTF8.decode(content);
}

/** Returns a URL with the content in it (RFC 2397), in the alphabet of RFC 4648 §5 as go-httpbin writes it. */
function dataUrl(content: Uint8Array, type: string): string {
  const base64 = Buffer.from(content).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
  return `data:${type === "" ? "application/octet-stream" : type};base64,${base64}`;
}
