// Paths as a disk worker has them: text, or bytes where they are not UTF-8.

import type { PathLike } from "@ringway/linux";

const SLASH = 0x2f;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The names of a path that a guest named; "." has none. */
export function namesOf(path: PathLike): PathLike[] {
  return path === "." ? [] : partsOf(path);
}

/** What is between its slashes, each as text where it is UTF-8. */
export function partsOf(path: PathLike): PathLike[] {
  if (typeof path === "string") return path.split("/");
  const parts: PathLike[] = [];
  for (let start = 0; start <= path.length; ) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    const bytes = path.slice(start, end);
    try {
      parts.push(decoder.decode(bytes));
    } catch {
      parts.push(bytes);
    }
    start = end + 1;
  }
  return parts;
}

/** Names to a path: text where all of them are. */
export function joined(names: readonly PathLike[]): PathLike {
  if (names.length === 0) return ".";
  if (names.every((name) => typeof name === "string")) return names.join("/");
  return Buffer.concat(names.flatMap((name, i) => [...(i === 0 ? [] : [SLASHES]), bytesOf(name)]));
}

const SLASHES = Buffer.from("/");

export function bytesOf(name: PathLike): Uint8Array {
  return typeof name === "string" ? Buffer.from(name) : name;
}

/** The folder that has the last name, "." where there is no other; and that name. */
export function cutLast(path: PathLike): [folder: PathLike, name: PathLike] {
  if (typeof path === "string") {
    const cut = path.lastIndexOf("/");
    return cut < 0 ? [".", path] : [path.slice(0, cut), path.slice(cut + 1)];
  }
  const cut = path.lastIndexOf(SLASH);
  return cut < 0 ? [".", path] : [path.subarray(0, cut), path.subarray(cut + 1)];
}
