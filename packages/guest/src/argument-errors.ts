// Bad arguments fail as those of node:fs do: the same class, the same stable `code`, before anything is asked of the
// host.

import { invalidType, invalidValue, isThenable, outOfRange, requireSignal } from "@ringway/linux";

/** A whole number from `least` to `most`, as node:fs checks them. */
export function integer(
  value: unknown,
  name: string,
  least: number = Number.MIN_SAFE_INTEGER,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== "number") throw invalidType(name, "of type number", value);
  if (!Number.isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
}

export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw invalidType(name, "of type boolean", value);
  return value;
}

/**
 * Permission bits as a number, or as text in octal. Bits that tell a file's kind, as in `stat().mode`, do not count.
 */
export function fileMode(value: unknown, name: string, fallback?: number): number {
  let mode = value ?? fallback;
  if (typeof mode === "string") {
    if (!/^[0-7]+$/.test(mode))
      throw invalidValue(name, mode, "must be a 32-bit unsigned integer or an octal string");
    mode = Number.parseInt(mode, 8);
  }
  return integer(mode, name, 0, 0xffff_ffff) & 0o7777;
}

/** The encoding of `options`, which may be it alone; undefined where there is none. */
export function encodingOf(options: unknown): BufferEncoding | "buffer" | undefined {
  if (options === undefined || options === null) return undefined;
  const encoding = typeof options === "string" ? options : (options as { encoding?: unknown }).encoding;
  if (encoding === undefined || encoding === null || encoding === "") return undefined;
  if (encoding !== "buffer" && !Buffer.isEncoding(encoding as string)) {
    throw invalidValue("encoding", encoding, "is invalid encoding");
  }
  return encoding as BufferEncoding | "buffer";
}

/** What a call's last argument may be: nothing, an encoding, or an object. */
export function optionsOf<T extends object>(
  options: T | string | null | undefined,
): Partial<T> & { encoding?: string } {
  if (options === undefined || options === null) return {};
  if (typeof options === "string") return { encoding: options } as Partial<T> & { encoding: string };
  if (typeof options !== "object" || isThenable(options))
    throw invalidType("options", "of type string or an instance of Object", options);
  const { signal } = options as { signal?: unknown };
  if (signal !== undefined) requireSignal(signal, "options.signal");
  return options;
}

/** A name as the caller wants it: text, or a Buffer. */
export function encoded(name: string, encoding: BufferEncoding | "buffer" | undefined): string | Buffer {
  if (encoding === undefined || encoding === "utf8" || encoding === "utf-8") return name;
  const bytes = Buffer.from(name);
  return encoding === "buffer" ? bytes : bytes.toString(encoding);
}
