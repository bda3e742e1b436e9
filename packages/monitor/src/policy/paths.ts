// Guest paths: absolute, and normalized by dropping `.` and empty components. `..` is refused rather than resolved:
// what it means depends on symbolic links, which only the kernel knows (openat2 with RESOLVE_BENEATH decides there).
import { Errno } from "@ringway/control";
import { quoted } from "./text.ts";

/** Linux PATH_MAX counts the terminating NUL. */
const PATH_BYTES_MAX = 4096 - 1;
/** Linux NAME_MAX. */
const NAME_BYTES_MAX = 255;

export type PathResult =
  | { readonly components: readonly string[] }
  | { readonly problem: string; readonly errno: number };

export function splitPath(path: string): PathResult {
  if (path.includes("\0")) return { problem: `the path ${quoted(path)} has a NUL`, errno: Errno.EINVAL };
  if (!path.startsWith("/"))
    return { problem: `the path ${quoted(path)} is not absolute`, errno: Errno.EINVAL };
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
