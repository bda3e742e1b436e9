// Paths of guest.fs: absolute in the guest's tree, as text, bytes or a file: URL. Bytes go as they are: a name need not
// be UTF-8.

import { PATH_MAX_BYTES } from "@ringway/control";
import { Errno, invalidType, invalidValue } from "@ringway/linux";
import { type ErrorContext, errnoError } from "../errors.ts";
import { type PathLike, pathText, requireAbsolute } from "../files/paths.ts";

/** A path, as the wire has it and as errors do. */
export interface MountPath {
  /** From the mount's root, "/". */
  readonly bytes: Uint8Array;
  readonly text: string;
}

const SLASH = 0x2f;

export function mountPath(path: PathLike, syscall: string, name = "path"): MountPath {
  const bytes = pathBytes(path, syscall, name);
  const text = Buffer.from(bytes).toString();
  requireAbsolute(text, name);
  let start = 0;
  while (bytes[start] === SLASH) start++;
  return { bytes: bytes.subarray(start), text };
}

/** The bytes of any path, also a relative one: of what a symbolic link says. */
export function pathBytes(path: PathLike, syscall: string, name = "path"): Uint8Array {
  if (!(path instanceof Uint8Array)) return Buffer.from(pathText(path, syscall, name));
  const text = Buffer.from(path).toString();
  if (path.includes(0)) throw invalidValue(name, text, "must be without null bytes");
  const context: ErrorContext = { syscall, path: text };
  if (path.length > PATH_MAX_BYTES) throw errnoError(Errno.ENAMETOOLONG, context);
  return Uint8Array.prototype.slice.call(path);
}

/** The name of an extended attribute. */
export function attributeName(name: unknown): Uint8Array {
  if (typeof name === "string") return Buffer.from(name);
  if (name instanceof Uint8Array) return name;
  throw invalidType("name", "of type string or an instance of Buffer", name);
}

/** A name as it was asked for; as text, what is not UTF-8 comes as replacement characters. */
export function nameAs(name: Uint8Array, encoding: BufferEncoding | "buffer" | undefined): string | Buffer {
  const bytes = Buffer.from(name);
  return encoding === "buffer" ? bytes : bytes.toString(encoding);
}
