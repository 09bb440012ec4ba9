/** Returns the path of the file that `name` stands for: a folder's is that of its index. */
export function withIndex(name: string, index: string): string {
  return name.endsWith("/") ? name + index : name;
}

/** Returns the last part of that path. It decides on the media type, whatever a link behind it is called. */
export function fileNameOf(name: string, index: string): string {
  return name.endsWith("/") ? index : name.slice(name.lastIndexOf("/") + 1);
}
