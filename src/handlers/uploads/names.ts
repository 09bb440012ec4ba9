/**
 * Names under which clients keep files. The rule it guards: a name is one segment of the folder and is shown as it is. If the folder is
 * copied to another system, the name is that of the same file there.
 */

import { isDevice, REFUSED_BY_WINDOWS, type System } from "../files/system-names.ts";

/** Longest name of a file, bytes (NAME_MAX of Linux). */
export const NAME_BYTES_MAX = 255;

/** Returns the mistake in the name of an upload as a sentence, or null. */
export function mistakeInName(name: string, system: System = process.platform): string | null {
  if (name === "") return "The upload has no name.";
  if (/[/\\]/.test(name)) return "The name of an upload is one segment, without a slash or a backslash.";
  if (name.startsWith(".")) return "The name of an upload must not begin with a dot.";
  if (!name.isWellFormed() || UNSEEN.test(name)) {
    return "The name of an upload must not have control characters, or characters that reorder text.";
  }
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) return `The name of an upload has at most ${NAME_BYTES_MAX} bytes.`;
  if (/[. ]$/.test(name)) return "The name of an upload must not end with a dot or a space: Windows would drop it.";
  if (isDevice(name)) return "That name is a device on Windows; choose another for the upload.";
  return system === "win32" && REFUSED_BY_WINDOWS.test(name)
    ? "The name has a character that Windows does not allow."
    : null;
}

/** Controls, line separators, and characters that make `gpj.exe` look like `exe.jpg`. */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** Returns `upload_20260315_123456_a7b9c2.json`, in local time as the log lines are. */
export function jsonName(nowMs: number, suffix: string): string {
  const now = new Date(nowMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `upload_${day}_${time}_${suffix}.json`;
}
