/**
 * Names that mean another file to a system than the one that they spell. Linux has none, so each rule takes the system as an argument.
 *
 * The rule it guards: a name that passed the rules about names (hidden ones, downloads, rules files) reaches no file with another name.
 */

/** A system by its name in Node. */
export type System = typeof process.platform;

/** Names that Windows opens as devices, in every folder and with every extension. */
const DEVICE = /^(?:con|conin\$|conout\$|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:[. :]|$)/i;

/** Returns true for a name that is a device on Windows. */
export function isDevice(name: string): boolean {
  return DEVICE.test(name);
}

/** Characters that no file of Windows has in its name. A colon would name a stream within a file. */
export const REFUSED_BY_WINDOWS: RegExp = /[<>:"|?*]/;

/** Short names, which Windows makes for long ones: `GIT~1` is `.git`. */
const SHORT_NAME = /^[^.]{1,6}~[0-9]{1,6}(?:\.[^.]{0,3})?$/;

/** Characters that the file systems of macOS before APFS leave out when they compare names. */
const IGNORED_BY_MACOS = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/;

/** Returns true if a segment of `path` names something else than a file of that very name on `system`. Case does not count. */
export function isAlias(path: string, system: System): boolean {
  if (system === "darwin") return IGNORED_BY_MACOS.test(path);
  if (system !== "win32") return false;
  return (
    REFUSED_BY_WINDOWS.test(path) ||
    path.includes("\\") ||
    path.split("/").some((name) => /[. ]$/.test(name) || isDevice(name) || SHORT_NAME.test(name))
  );
}

/** Returns true if `path` is `folder` or lies in it, as the system compares names. */
export function isWithin(path: string, folder: string, system: System): boolean {
  const [left, right] = [folded(path, system), folded(folder, system)];
  return left === right || left.startsWith(right + separatorOf(system));
}

/** Returns a path in the form in which the system compares it. On macOS and Windows, the case of letters mostly does not count. */
export function folded(path: string, system: System): string {
  return system === "darwin" || system === "win32" ? path.toLowerCase() : path;
}

function separatorOf(system: System): string {
  return system === "win32" ? "\\" : "/";
}

/**
 * Returns true if a folder can be flushed, which makes the names in it durable. Windows has no such call; its file system writes names
 * to a journal.
 */
export function flushesFolders(system: System): boolean {
  return system !== "win32";
}
