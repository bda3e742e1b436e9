// Three kinds of failure, kept apart (ERR-1):
//   - a bug of ours: an ordinary Error; it should stop the program;
//   - the other side broke the protocol: ProtocolError; it ends that stream or that guest;
//   - the environment refused: an errno in a Refused or Error frame; a value, not an exception, in this package.

/** What the other side did wrong. The numbers are on the wire: SB_VIOLATION (ERR-4). */
export const Violation = {
  SUPERBLOCK: 1,
  RING_POSITION: 2,
  RING_FLAG: 3,
  FRAME_LENGTH: 4,
  FRAME_TYPE: 5,
  FRAME_MALFORMED: 6,
  STREAM_STATE: 7,
  QUOTA: 8,
} as const;
export type Violation = (typeof Violation)[keyof typeof Violation];

/** The name of a violation, for logs: "RING_POSITION". */
export function violationName(violation: number): string {
  for (const [name, value] of Object.entries(Violation)) if (value === violation) return name;
  return `VIOLATION_${violation}`;
}

/** The other side broke a clause of PROTOCOL.md. */
export class ProtocolError extends Error {
  override readonly name: string = "ProtocolError";
  readonly code: string = "ERR_RINGWAY_PROTOCOL";
  readonly violation: Violation;
  /** The clause that was broken: "RING-4". */
  readonly clause: string;
  readonly #what: string;

  constructor(violation: Violation, clause: string, what: string) {
    super(`${what} (${clause})`);
    this.violation = violation;
    this.clause = clause;
    this.#what = what;
  }

  /** The same, and where: "NewStream.toHostBytes: payload is too short (FRM-6)". */
  within(place: string): ProtocolError {
    return new ProtocolError(this.violation, this.clause, `${place}: ${this.#what}`);
  }
}

/** Errors cross the wire as Linux numbers (ERR-2); these are the ones this protocol gives a meaning of its own. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EPIPE: 32,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EILSEQ: 84,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EDQUOT: 122,
  ECANCELED: 125,
} as const;
