// What can go wrong, as errors in Node's manner: a stable `code`, a negative `errno`, the `syscall`, and where a policy
// refused, its rule and its sentence.

import { ProtocolError, type Refusal } from "@ringway/control";
import { Errno, errnoMessage, errnoName } from "@ringway/linux";

/** What a failed operation was about; becomes fields of the error, named as Node names them. */
export interface ErrorContext {
  /** What was to be done: "connect", "open", "attach", ... */
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly hostname?: string | undefined;
}

/** The fields of a RingwayError. */
export interface RingwayErrorInit extends Partial<ErrorContext> {
  readonly errno?: number | undefined;
  readonly rule?: string | undefined;
  readonly reason?: string | undefined;
  readonly cause?: unknown;
}

/**
 * An operation failed. `code` is stable and is what to test; which other fields there are depends on the operation.
 * ProtocolError, AbortError and SystemError are the other classes that a call fails with; for wrong arguments, Node's
 * own TypeErrors and RangeErrors.
 */
export class RingwayError extends Error {
  override readonly name: string = "RingwayError";
  /** "ECONNREFUSED", "ENOENT", ... or one of this package's own, ERR_RINGWAY_... */
  readonly code: string;
  /** The Linux errno, always negative, as in Node's system errors: -111. Of EAI_AGAIN and ENOTFOUND it is libuv's. */
  declare readonly errno?: number;
  declare readonly syscall?: string;
  declare readonly path?: string;
  declare readonly dest?: string;
  declare readonly address?: string;
  declare readonly port?: number;
  declare readonly hostname?: string;
  /** The policy rule that refused. */
  declare readonly rule?: string;
  /** The host's sentence about it. */
  declare readonly reason?: string;
  /** Of a write to a file that failed: how many of its bytes are in the file. */
  declare readonly bytesWritten?: number;

  constructor(code: string, message: string, init: RingwayErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    if (init.errno !== undefined) this.errno = init.errno;
    if (init.syscall !== undefined) this.syscall = init.syscall;
    if (init.path !== undefined) this.path = init.path;
    if (init.dest !== undefined) this.dest = init.dest;
    if (init.address !== undefined) this.address = init.address;
    if (init.port !== undefined) this.port = init.port;
    if (init.hostname !== undefined) this.hostname = init.hostname;
    if (init.rule !== undefined) this.rule = init.rule;
    if (init.reason !== undefined) this.reason = init.reason;
  }
}

/**
 * The host's policy refused. `rule` and `reason` say which and why; both are "" where the policy keeps them from the
 * guest.
 */
export class RefusedError extends RingwayError {
  override readonly name: string = "RefusedError";
  declare readonly rule: string;
  declare readonly reason: string;

  constructor(code: string, message: string, init: RingwayErrorInit = {}) {
    super(code, message, { ...init, rule: init.rule ?? "", reason: init.reason ?? "" });
  }
}

/** The operation was given up because its AbortSignal said so; `cause` is the signal's reason. */
export class AbortError extends Error {
  override readonly name: string = "AbortError";
  readonly code: string = "ABORT_ERR";

  constructor(signal?: AbortSignal) {
    super("The operation was aborted", signal === undefined ? undefined : { cause: signal.reason });
  }
}

/** The guest is not, or no longer, attached. */
export const DETACHED = "ERR_RINGWAY_DETACHED";

export function detachedError(cause?: unknown): RingwayError {
  return new RingwayError(DETACHED, "the guest is not attached to a monitor any more", { cause });
}

/** What to destroy a stream with that a detach has cut off: nothing, where the program itself has left. */
export function forDestroy(error: Error): Error | undefined {
  return codeOf(error) === DETACHED ? undefined : error;
}

/** The `code` of whatever was thrown; "" where it has none. */
export function codeOf(error: unknown): string {
  return (error as { code?: string } | null | undefined)?.code ?? "";
}

/**
 * What a call is told that the guest's end has cut off: why it ended, where the program left or the monitor broke the
 * protocol.
 */
export function cutOffError(syscall: string, ended: Error | undefined): Error {
  if (ended instanceof ProtocolError) return ended;
  return ended !== undefined && codeOf(ended) === DETACHED ? ended : resetError(syscall, ended);
}

/** The stream's other end, or the monitor itself, went away. */
export function resetError(syscall: string, cause?: unknown): RingwayError {
  return errnoError(Errno.ECONNRESET, { syscall }, cause);
}

/** The error for a Linux errno (positive), worded as Node words it: "connect ECONNREFUSED 127.0.0.1:80". */
export function errnoError(
  errno: number,
  context: ErrorContext,
  cause?: unknown,
  reason?: string,
): RingwayError {
  const code = errnoName(errno);
  const message = messageFor(code, errno, context) + (reason === undefined ? "" : `: ${reason}`);
  return new RingwayError(code, message, { ...context, errno: -errno, reason, cause });
}

/**
 * What no request of the protocol does, as a kernel fails a system call that it lacks: ENOSYS, with why as `reason`.
 */
export function unsupported(syscall: string, why: string, path?: string): RingwayError {
  const context = { syscall, path };
  const message = `${messageFor("ENOSYS", Errno.ENOSYS, context)}: ${why}`;
  return new RingwayError("ENOSYS", message, { ...context, errno: -Errno.ENOSYS, reason: why });
}

/** The error for a Refused or Error frame. */
export function replyError({ errno, rule, reason }: Refusal, context: ErrorContext): RingwayError {
  const code = errnoName(errno);
  // A policy that hides its rules hides its reasons too; a file's permissions come with a reason.
  const refused = rule !== "" || (reason === "" && (code === "EACCES" || code === "EPERM"));
  let message = messageFor(code, errno, context);
  // "connect to 127.0.0.1:80: Connection refused" says nothing that the message does not.
  if (reason !== "" && !reason.endsWith(errnoMessage(errno))) message += `: ${shortened(reason, context)}`;
  if (rule !== "" && !reason.includes(`rule "${rule}"`)) message += ` (rule ${rule})`;
  const init = {
    ...context,
    errno: -errno,
    rule: rule === "" ? undefined : rule,
    reason: reason === "" ? undefined : reason,
  };
  return refused ? new RefusedError(code, message, init) : new RingwayError(code, message, init);
}

/**
 * "denied by rule ..." of "connecting to 10.1.2.3:80 is denied by rule ...", where the message has named that already.
 */
function shortened(reason: string, { address, port }: ErrorContext): string {
  const asked = /^(?:connecting to|listening on) (\S+) is /.exec(reason);
  return asked?.[1] === `${address}:${port}` ? reason.slice(asked[0].length) : reason;
}

/** libuv's numbers, which node:dns has in `errno`: no kernel has any for these. */
const UV_EAI_AGAIN = -3001;
const UV_EAI_NONAME = -3008;

/** Errors of looking a name up that node:dns has, by those that the host has (TCP-6). */
const LOOKUP_ERRORS: Readonly<Record<string, { code: string; errno: number }>> = {
  ENOENT: { code: "ENOTFOUND", errno: UV_EAI_NONAME },
  EAGAIN: { code: "EAI_AGAIN", errno: UV_EAI_AGAIN },
};

/** A failure to connect to a name, as net.connect() tells it where it is the name that failed; or to look one up. */
export function lookupError(error: Error, hostname: string, syscall = "getaddrinfo"): Error {
  const { code = "", reason } = error as Partial<RingwayError>;
  const known = error instanceof RingwayError ? LOOKUP_ERRORS[code] : undefined;
  if (known === undefined) return error;
  // "the name does not exist" is what ENOTFOUND says.
  const why = reason === undefined || known.code === "ENOTFOUND" ? "" : `: ${reason}`;
  const message = `${syscall} ${known.code} ${hostname}${why}`;
  return new RingwayError(known.code, message, {
    errno: known.errno,
    syscall,
    hostname,
    reason,
    cause: error,
  });
}

function messageFor(
  code: string,
  errno: number,
  { syscall, path, dest, address, port }: ErrorContext,
): string {
  if (path !== undefined) {
    const to = dest === undefined ? "" : ` -> '${dest}'`;
    return `${code}: ${errnoMessage(errno).toLowerCase()}, ${syscall} '${path}'${to}`;
  }
  if (address !== undefined) return `${syscall} ${code} ${address}${port === undefined ? "" : `:${port}`}`;
  return `${syscall} ${code}`;
}
