// The one exception type of this package, for calls that set something up.
//
// Two conventions, and nothing between them: a call that may run per message or per file operation returns a value that
// is not negative, or a negative errno; a call that sets something up throws SystemError.

import { errnoName } from "./errno.ts";
import { errnoMessage } from "./errno-messages.ts";

/**
 * A system call failed while something was being set up: shaped as Node's own system errors are. `code` is what to
 * test.
 */
export class SystemError extends Error {
  override readonly name: string = "SystemError";
  /** The errno's name, such as "EADDRINUSE". */
  readonly code: string;
  /** The errno, negative, as in Node's own: -98. */
  readonly errno: number;
  /** The call that failed, such as "bind". */
  readonly syscall: string;
  /** The file or socket path concerned, where there is one. */
  readonly path?: string;

  /**
   * @param errno either sign
   * @param detail replaces the table's sentence, where more is known than the errno says
   */
  constructor(errno: number, syscall: string, path?: string, detail?: string) {
    const code = errnoName(errno);
    const subject = path === undefined ? "" : ` ${JSON.stringify(path)}`;
    super(`${syscall}${subject}: ${detail ?? errnoMessage(errno)} (${code})`);
    this.code = code;
    this.errno = -Math.abs(errno);
    this.syscall = syscall;
    if (path !== undefined) this.path = path;
  }
}

/** `result` where it is `>= 0`; throws the SystemError of the negative errno where it is not. */
export function check(result: number, syscall: string, path?: string): number {
  if (result < 0) throw new SystemError(result, syscall, path);
  return result;
}

/**
 * The errno, positive, of what a call threw, for whoever passes it on as a number; `otherwise` where it is no system
 * error.
 */
export function errnoOf(error: unknown, otherwise: number): number {
  const { errno } = error as { readonly errno?: unknown };
  return typeof errno === "number" ? Math.abs(errno) : otherwise;
}
