/** The response to an upload that is kept. */
import { type FieldLine, Fields } from "../../http/fields.ts";
import { type Response, response } from "../../http/message.ts";

/** Members of the report, in the order in which they are sent. */
interface Report {
  /** Path at which the upload can be read back, if uploads are shown. */
  readonly filepath: string;
  readonly name?: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Returns 201 with a report. `location` is the value of Location, or null without one. */
export function createdAnswer(members: Report, location: string | null): Response {
  const report = { status: "success", message: "File created successfully", ...members };
  const content = new TextEncoder().encode(`${JSON.stringify(report)}\n`);
  const lines: FieldLine[] = [
    ["Content-Type", "application/json"],
    ["Content-Length", String(content.length)],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
  ];
  if (location !== null) lines.push(["Location", location]);
  return response(201, Fields.of(lines), content, "upload");
}
