// Guest paths: absolute, and normalized by dropping `.` and empty components. `..` is refused rather than resolved:
// what it means depends on symbolic links, which only the kernel knows (openat2 with RESOLVE_BENEATH decides there).
import { Errno } from "@ringway/control";
import { quoted } from "./text.ts";

/** Linux PATH_MAX counts the terminating NUL. */
const PATH_BYTES_MAX = 4096 - 1;
/** Linux NAME_MAX. */
const NAME_BYTES_MAX = 255;

/** A component of a guest path, as bytes where it is not UTF-8: no rule has such a one. */
export type GuestName = string | Uint8Array;

export type PathResult =
  | { readonly components: readonly string[] }
  | { readonly problem: string; readonly errno: number };

/** A guest path as the rules for sockets are looked up by it: for one of the two, since it may be both. */
export function socketKey(access: "connect" | "listen", components: readonly string[]): string {
  return `${access} /${components.join("/")}`;
}

const SLASH = 0x2f;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Components of a path that is bytes, from the root or from a folder; `asFolder`: only a folder has such a name. */
export function splitBytes(
  path: Uint8Array,
): { readonly names: readonly GuestName[]; readonly asFolder: boolean } | { problem: string; errno: number } {
  const names: GuestName[] = [];
  let asFolder = false;
  if (path.includes(0))
    return { problem: `the path ${quoted(shownPath([path]))} has a NUL`, errno: Errno.EINVAL };
  for (let start = 0; start < path.length; ) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    const name = path.subarray(start, end);
    start = end + 1;
    asFolder = name.length === 0 || isDot(name) || slash === path.length - 1;
    if (name.length === 0 || isDot(name)) continue;
    if (isDot(name.subarray(1)) && isDot(name.subarray(0, 1))) {
      return { problem: `the path ${quoted(shownPath([path]))} has a ".."`, errno: Errno.EACCES };
    }
    if (name.length > NAME_BYTES_MAX) {
      const problem = `the path has a component longer than ${NAME_BYTES_MAX} bytes`;
      return { problem, errno: Errno.ENAMETOOLONG };
    }
    names.push(nameFrom(name));
  }
  return { names, asFolder };
}

function isDot(name: Uint8Array): boolean {
  return name.length === 1 && name[0] === 0x2e;
}

function nameFrom(bytes: Uint8Array): GuestName {
  try {
    return decoder.decode(bytes);
  } catch {
    return bytes.slice();
  }
}

/** A path for people: what is not UTF-8 comes as replacement characters. */
export function shownPath(names: readonly GuestName[]): string {
  return names.map((name) => (typeof name === "string" ? name : Buffer.from(name).toString())).join("/");
}

export function splitPath(path: string): PathResult {
  if (path.includes("\0")) return { problem: `the path ${quoted(path)} has a NUL`, errno: Errno.EINVAL };
  if (!path.startsWith("/"))
    return { problem: `the path ${quoted(path)} does not begin with "/"`, errno: Errno.EINVAL };
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    return {
      problem: `the path ${quoted(path)} is longer than ${PATH_BYTES_MAX} bytes`,
      errno: Errno.ENAMETOOLONG,
    };
  }
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  for (const component of components) {
    if (component === "..") return { problem: `the path ${quoted(path)} has a ".."`, errno: Errno.EACCES };
    if (Buffer.byteLength(component) > NAME_BYTES_MAX) {
      return {
        problem: `the path ${quoted(path)} has a component longer than ${NAME_BYTES_MAX} bytes`,
        errno: Errno.ENAMETOOLONG,
      };
    }
  }
  return { components };
}
