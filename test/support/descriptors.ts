/** Descriptors of this process, as Linux shows them. */
import { readdirSync, readlinkSync } from "node:fs";

/** Returns the files and folders that this process holds open and whose path begins with `start`, once for each descriptor. */
export function openBelow(start: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      return path.startsWith(start) ? [path] : [];
    } catch {
      return []; // The descriptor of this listing itself.
    }
  });
}

/** Returns the number of all descriptors. Other tests of the process may open and close some at any time. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
