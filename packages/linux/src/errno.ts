// Linux error numbers, their names and one sentence for each; and the one exception type of this package.
//
// The numbers are those of asm-generic, which x86-64 and arm64 share. The table is ours, not libc's strerror, so that
// a message is the same whether libc is glibc or musl, and whatever the locale.
//
// Two conventions, and nothing between them: a call that may run per message or per file operation returns a value
// `>= 0` or a negative errno; a call that sets something up throws SystemError.

/** Linux errno numbers by name. The last three are second names for a number that is already there. */
export const Errno: {
  readonly EPERM: 1;
  readonly ENOENT: 2;
  readonly ESRCH: 3;
  readonly EINTR: 4;
  readonly EIO: 5;
  readonly ENXIO: 6;
  readonly E2BIG: 7;
  readonly ENOEXEC: 8;
  readonly EBADF: 9;
  readonly ECHILD: 10;
  readonly EAGAIN: 11;
  readonly ENOMEM: 12;
  readonly EACCES: 13;
  readonly EFAULT: 14;
  readonly ENOTBLK: 15;
  readonly EBUSY: 16;
  readonly EEXIST: 17;
  readonly EXDEV: 18;
  readonly ENODEV: 19;
  readonly ENOTDIR: 20;
  readonly EISDIR: 21;
  readonly EINVAL: 22;
  readonly ENFILE: 23;
  readonly EMFILE: 24;
  readonly ENOTTY: 25;
  readonly ETXTBSY: 26;
  readonly EFBIG: 27;
  readonly ENOSPC: 28;
  readonly ESPIPE: 29;
  readonly EROFS: 30;
  readonly EMLINK: 31;
  readonly EPIPE: 32;
  readonly EDOM: 33;
  readonly ERANGE: 34;
  readonly EDEADLK: 35;
  readonly ENAMETOOLONG: 36;
  readonly ENOLCK: 37;
  readonly ENOSYS: 38;
  readonly ENOTEMPTY: 39;
  readonly ELOOP: 40;
  readonly ENOMSG: 42;
  readonly EIDRM: 43;
  readonly ECHRNG: 44;
  readonly EL2NSYNC: 45;
  readonly EL3HLT: 46;
  readonly EL3RST: 47;
  readonly ELNRNG: 48;
  readonly EUNATCH: 49;
  readonly ENOCSI: 50;
  readonly EL2HLT: 51;
  readonly EBADE: 52;
  readonly EBADR: 53;
  readonly EXFULL: 54;
  readonly ENOANO: 55;
  readonly EBADRQC: 56;
  readonly EBADSLT: 57;
  readonly EBFONT: 59;
  readonly ENOSTR: 60;
  readonly ENODATA: 61;
  readonly ETIME: 62;
  readonly ENOSR: 63;
  readonly ENONET: 64;
  readonly ENOPKG: 65;
  readonly EREMOTE: 66;
  readonly ENOLINK: 67;
  readonly EADV: 68;
  readonly ESRMNT: 69;
  readonly ECOMM: 70;
  readonly EPROTO: 71;
  readonly EMULTIHOP: 72;
  readonly EDOTDOT: 73;
  readonly EBADMSG: 74;
  readonly EOVERFLOW: 75;
  readonly ENOTUNIQ: 76;
  readonly EBADFD: 77;
  readonly EREMCHG: 78;
  readonly ELIBACC: 79;
  readonly ELIBBAD: 80;
  readonly ELIBSCN: 81;
  readonly ELIBMAX: 82;
  readonly ELIBEXEC: 83;
  readonly EILSEQ: 84;
  readonly ERESTART: 85;
  readonly ESTRPIPE: 86;
  readonly EUSERS: 87;
  readonly ENOTSOCK: 88;
  readonly EDESTADDRREQ: 89;
  readonly EMSGSIZE: 90;
  readonly EPROTOTYPE: 91;
  readonly ENOPROTOOPT: 92;
  readonly EPROTONOSUPPORT: 93;
  readonly ESOCKTNOSUPPORT: 94;
  readonly EOPNOTSUPP: 95;
  readonly EPFNOSUPPORT: 96;
  readonly EAFNOSUPPORT: 97;
  readonly EADDRINUSE: 98;
  readonly EADDRNOTAVAIL: 99;
  readonly ENETDOWN: 100;
  readonly ENETUNREACH: 101;
  readonly ENETRESET: 102;
  readonly ECONNABORTED: 103;
  readonly ECONNRESET: 104;
  readonly ENOBUFS: 105;
  readonly EISCONN: 106;
  readonly ENOTCONN: 107;
  readonly ESHUTDOWN: 108;
  readonly ETOOMANYREFS: 109;
  readonly ETIMEDOUT: 110;
  readonly ECONNREFUSED: 111;
  readonly EHOSTDOWN: 112;
  readonly EHOSTUNREACH: 113;
  readonly EALREADY: 114;
  readonly EINPROGRESS: 115;
  readonly ESTALE: 116;
  readonly EUCLEAN: 117;
  readonly ENOTNAM: 118;
  readonly ENAVAIL: 119;
  readonly EISNAM: 120;
  readonly EREMOTEIO: 121;
  readonly EDQUOT: 122;
  readonly ENOMEDIUM: 123;
  readonly EMEDIUMTYPE: 124;
  readonly ECANCELED: 125;
  readonly ENOKEY: 126;
  readonly EKEYEXPIRED: 127;
  readonly EKEYREVOKED: 128;
  readonly EKEYREJECTED: 129;
  readonly EOWNERDEAD: 130;
  readonly ENOTRECOVERABLE: 131;
  readonly ERFKILL: 132;
  readonly EHWPOISON: 133;
  readonly EWOULDBLOCK: 11;
  readonly EDEADLOCK: 35;
  readonly ENOTSUP: 95;
} = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  ENOTBLK: 15,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENOMSG: 42,
  EIDRM: 43,
  ECHRNG: 44,
  EL2NSYNC: 45,
  EL3HLT: 46,
  EL3RST: 47,
  ELNRNG: 48,
  EUNATCH: 49,
  ENOCSI: 50,
  EL2HLT: 51,
  EBADE: 52,
  EBADR: 53,
  EXFULL: 54,
  ENOANO: 55,
  EBADRQC: 56,
  EBADSLT: 57,
  EBFONT: 59,
  ENOSTR: 60,
  ENODATA: 61,
  ETIME: 62,
  ENOSR: 63,
  ENONET: 64,
  ENOPKG: 65,
  EREMOTE: 66,
  ENOLINK: 67,
  EADV: 68,
  ESRMNT: 69,
  ECOMM: 70,
  EPROTO: 71,
  EMULTIHOP: 72,
  EDOTDOT: 73,
  EBADMSG: 74,
  EOVERFLOW: 75,
  ENOTUNIQ: 76,
  EBADFD: 77,
  EREMCHG: 78,
  ELIBACC: 79,
  ELIBBAD: 80,
  ELIBSCN: 81,
  ELIBMAX: 82,
  ELIBEXEC: 83,
  EILSEQ: 84,
  ERESTART: 85,
  ESTRPIPE: 86,
  EUSERS: 87,
  ENOTSOCK: 88,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  ESOCKTNOSUPPORT: 94,
  EOPNOTSUPP: 95,
  EPFNOSUPPORT: 96,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENETRESET: 102,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ESHUTDOWN: 108,
  ETOOMANYREFS: 109,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
  ESTALE: 116,
  EUCLEAN: 117,
  ENOTNAM: 118,
  ENAVAIL: 119,
  EISNAM: 120,
  EREMOTEIO: 121,
  EDQUOT: 122,
  ENOMEDIUM: 123,
  EMEDIUMTYPE: 124,
  ECANCELED: 125,
  ENOKEY: 126,
  EKEYEXPIRED: 127,
  EKEYREVOKED: 128,
  EKEYREJECTED: 129,
  EOWNERDEAD: 130,
  ENOTRECOVERABLE: 131,
  ERFKILL: 132,
  EHWPOISON: 133,
  EWOULDBLOCK: 11,
  EDEADLOCK: 35,
  ENOTSUP: 95,
};

// Keyed by the first name of each number; the order is that of the numbers.
const messages: Readonly<Record<string, string>> = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  ESRCH: "No such process",
  EINTR: "Interrupted system call",
  EIO: "Input/output error",
  ENXIO: "No such device or address",
  E2BIG: "Argument list too long",
  ENOEXEC: "Exec format error",
  EBADF: "Bad file descriptor",
  ECHILD: "No child processes",
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  EACCES: "Permission denied",
  EFAULT: "Bad address",
  ENOTBLK: "Block device required",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  EXDEV: "Invalid cross-device link",
  ENODEV: "No such device",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  EINVAL: "Invalid argument",
  ENFILE: "Too many open files in system",
  EMFILE: "Too many open files",
  ENOTTY: "Inappropriate ioctl for device",
  ETXTBSY: "Text file busy",
  EFBIG: "File too large",
  ENOSPC: "No space left on device",
  ESPIPE: "Illegal seek",
  EROFS: "Read-only file system",
  EMLINK: "Too many links",
  EPIPE: "Broken pipe",
  EDOM: "Numerical argument out of domain",
  ERANGE: "Numerical result out of range",
  EDEADLK: "Resource deadlock avoided",
  ENAMETOOLONG: "File name too long",
  ENOLCK: "No locks available",
  ENOSYS: "Function not implemented",
  ENOTEMPTY: "Directory not empty",
  ELOOP: "Too many levels of symbolic links",
  ENOMSG: "No message of desired type",
  EIDRM: "Identifier removed",
  ECHRNG: "Channel number out of range",
  EL2NSYNC: "Level 2 not synchronized",
  EL3HLT: "Level 3 halted",
  EL3RST: "Level 3 reset",
  ELNRNG: "Link number out of range",
  EUNATCH: "Protocol driver not attached",
  ENOCSI: "No CSI structure available",
  EL2HLT: "Level 2 halted",
  EBADE: "Invalid exchange",
  EBADR: "Invalid request descriptor",
  EXFULL: "Exchange full",
  ENOANO: "No anode",
  EBADRQC: "Invalid request code",
  EBADSLT: "Invalid slot",
  EBFONT: "Bad font file format",
  ENOSTR: "Device not a stream",
  ENODATA: "No data available",
  ETIME: "Timer expired",
  ENOSR: "Out of streams resources",
  ENONET: "Machine is not on the network",
  ENOPKG: "Package not installed",
  EREMOTE: "Object is remote",
  ENOLINK: "Link has been severed",
  EADV: "Advertise error",
  ESRMNT: "Srmount error",
  ECOMM: "Communication error on send",
  EPROTO: "Protocol error",
  EMULTIHOP: "Multihop attempted",
  EDOTDOT: "RFS specific error",
  EBADMSG: "Bad message",
  EOVERFLOW: "Value too large for defined data type",
  ENOTUNIQ: "Name not unique on network",
  EBADFD: "File descriptor in bad state",
  EREMCHG: "Remote address changed",
  ELIBACC: "Can not access a needed shared library",
  ELIBBAD: "Accessing a corrupted shared library",
  ELIBSCN: ".lib section in a.out corrupted",
  ELIBMAX: "Attempting to link in too many shared libraries",
  ELIBEXEC: "Cannot exec a shared library directly",
  EILSEQ: "Invalid or incomplete multibyte or wide character",
  ERESTART: "Interrupted system call should be restarted",
  ESTRPIPE: "Streams pipe error",
  EUSERS: "Too many users",
  ENOTSOCK: "Socket operation on non-socket",
  EDESTADDRREQ: "Destination address required",
  EMSGSIZE: "Message too long",
  EPROTOTYPE: "Protocol wrong type for socket",
  ENOPROTOOPT: "Protocol not available",
  EPROTONOSUPPORT: "Protocol not supported",
  ESOCKTNOSUPPORT: "Socket type not supported",
  EOPNOTSUPP: "Operation not supported",
  EPFNOSUPPORT: "Protocol family not supported",
  EAFNOSUPPORT: "Address family not supported by protocol",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  ENETDOWN: "Network is down",
  ENETUNREACH: "Network is unreachable",
  ENETRESET: "Network dropped connection on reset",
  ECONNABORTED: "Software caused connection abort",
  ECONNRESET: "Connection reset by peer",
  ENOBUFS: "No buffer space available",
  EISCONN: "Transport endpoint is already connected",
  ENOTCONN: "Transport endpoint is not connected",
  ESHUTDOWN: "Cannot send after transport endpoint shutdown",
  ETOOMANYREFS: "Too many references: cannot splice",
  ETIMEDOUT: "Connection timed out",
  ECONNREFUSED: "Connection refused",
  EHOSTDOWN: "Host is down",
  EHOSTUNREACH: "No route to host",
  EALREADY: "Operation already in progress",
  EINPROGRESS: "Operation now in progress",
  ESTALE: "Stale file handle",
  EUCLEAN: "Structure needs cleaning",
  ENOTNAM: "Not a XENIX named type file",
  ENAVAIL: "No XENIX semaphores available",
  EISNAM: "Is a named type file",
  EREMOTEIO: "Remote I/O error",
  EDQUOT: "Disk quota exceeded",
  ENOMEDIUM: "No medium found",
  EMEDIUMTYPE: "Wrong medium type",
  ECANCELED: "Operation canceled",
  ENOKEY: "Required key not available",
  EKEYEXPIRED: "Key has expired",
  EKEYREVOKED: "Key has been revoked",
  EKEYREJECTED: "Key was rejected by service",
  EOWNERDEAD: "Owner died",
  ENOTRECOVERABLE: "State not recoverable",
  ERFKILL: "Operation not possible due to RF-kill",
  EHWPOISON: "Memory page has hardware error",
};

const names: (string | undefined)[] = [];
for (const [name, number] of Object.entries(Errno)) names[number] ??= name;

/** The name of an errno, given positive or negative: "ECONNREFUSED"; "E<number>" where Linux has no such errno. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  return names[number] ?? `E${number}`;
}

/** What an errno means, in a few words: "Connection refused". */
export function errnoMessage(errno: number): string {
  return messages[errnoName(errno)] ?? `Unknown error ${Math.abs(errno)}`;
}

/** A system call failed while something was being set up. `code` is stable and is what to test. */
export class SystemError extends Error {
  override readonly name: string = "SystemError";
  /** The errno's name, such as "EADDRINUSE". */
  readonly code: string;
  /** The errno, positive. */
  readonly errno: number;
  /** The call that failed, such as "bind". */
  readonly syscall: string;
  /** The file or socket path concerned, where there is one. */
  readonly path?: string;

  /** @param detail replaces the table's sentence, where more is known than the errno says */
  constructor(errno: number, syscall: string, path?: string, detail?: string) {
    const code = errnoName(errno);
    const subject = path === undefined ? "" : ` ${JSON.stringify(path)}`;
    super(`${syscall}${subject}: ${detail ?? errnoMessage(errno)} (${code})`);
    this.code = code;
    this.errno = Math.abs(errno);
    this.syscall = syscall;
    if (path !== undefined) this.path = path;
  }
}

/** `result` where it is `>= 0`; throws the SystemError of the negative errno where it is not. */
export function check(result: number, syscall: string, path?: string): number {
  if (result < 0) throw new SystemError(-result, syscall, path);
  return result;
}
