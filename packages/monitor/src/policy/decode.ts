// The text of a file of the host's: UTF-8, and not longer than anybody writes.

import { POLICY_FILE_BYTES_MAX } from "./defaults.ts";
import { PolicyError } from "./errors.ts";
import { formatSize } from "./sizes.ts";

/** `file` is for messages. Throws PolicyError. */
export function decode(bytes: Uint8Array, file: string): string {
  if (bytes.length > POLICY_FILE_BYTES_MAX) {
    const message = `is longer than ${formatSize(POLICY_FILE_BYTES_MAX)}`;
    throw new PolicyError(file, [{ line: 1, column: 1, path: "", message }]);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const before = new TextDecoder().decode(bytes).split("\u{fffd}", 1)[0]!.split("\n");
    const place = { line: before.length, column: before.at(-1)!.length + 1 };
    throw new PolicyError(file, [{ ...place, path: "", message: "expected UTF-8 text" }], { cause: error });
  }
}
