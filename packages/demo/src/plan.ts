// What the demo does, as data: the host gives it to the guest, and judges by it what came of it.

/** Sizes and numbers of the demo. */
export const BODY_BYTES: number = 256 * 1024 * 1024;
export const REQUESTS = 200;
export const PAGE_BYTES: number = 64 * 1024;
export const SMALL_FILES = 100;
export const SMALL_FILE_BYTES = 4096;
export const LARGE_FILE_BYTES: number = 64 * 1024 * 1024;
/** All of the demo, after which it has failed. */
export const TIME_LIMIT_MS = 55_000;

/** What a guest asks for. */
export type Request =
  | { readonly kind: "connect"; readonly host: string; readonly port: number }
  | { readonly kind: "listen"; readonly host: string; readonly port: number }
  | { readonly kind: "read"; readonly path: string }
  | { readonly kind: "write"; readonly path: string };

/** A request that must be refused, and how. */
export interface Forbidden {
  /** For people: "a host". */
  readonly what: string;
  readonly request: Request;
  readonly code: string;
  readonly rule: string;
}

export function forbidden(privatePort: number): readonly Forbidden[] {
  const connect = (host: string, port: number): Request => ({ kind: "connect", host, port });
  const read = (path: string): Request => ({ kind: "read", path });
  return [
    { what: "a host", request: connect("169.254.169.254", 80), code: "EACCES", rule: "metadata" },
    {
      what: "a host, by name",
      request: connect("ads.tracker.example", 443),
      code: "EACCES",
      rule: "trackers",
    },
    { what: "a port", request: connect("127.0.0.1", privatePort), code: "EACCES", rule: "default" },
    {
      what: "a name that resolves to a forbidden address",
      request: connect("localhost", privatePort),
      code: "EACCES",
      rule: "not-public",
    },
    {
      what: "listening on every address",
      request: { kind: "listen", host: "0.0.0.0", port: 0 },
      code: "EACCES",
      rule: "default",
    },
    { what: "a path with ..", request: read("/scratch/../secret"), code: "EACCES", rule: "path" },
    { what: "a symlink that leads out", request: read("/scratch/way-out"), code: "EXDEV", rule: "beneath" },
    { what: "an absolute path", request: read("/etc/passwd"), code: "EACCES", rule: "default" },
    {
      what: "writing where it may only read",
      request: { kind: "write", path: "/library/new" },
      code: "EROFS",
      rule: "library",
    },
  ];
}

/** As the monitor's audit log and people name it. */
export function nameOf(request: Request): string {
  return "path" in request ? request.path : `${request.host}:${request.port}`;
}

/** What the host tells the guest, as JSON in its first argument. */
export interface GuestTask {
  readonly socket: string;
  /** Of the file server on the host. */
  readonly port: number;
  /** The network namespace of the host: what /proc/self/ns/net links to. */
  readonly hostNamespace: string;
  readonly forbidden: readonly Request[];
}

/** What came of a forbidden request: no code, where it was not refused. */
export interface Outcome {
  readonly code: string | undefined;
  readonly rule: string | undefined;
  readonly reason: string;
}

/** What the guest tells the host, a line of JSON each, in this order. It serves until the host writes a line. */
export type GuestEvent =
  | {
      readonly event: "namespace";
      /** It is another than the host's. */
      readonly own: boolean;
      readonly interfaces: readonly string[];
      /** How a direct connection to the file server failed; undefined where it did not. */
      readonly direct: string | undefined;
    }
  | { readonly event: "progress"; readonly bytes: number }
  | {
      readonly event: "fetched";
      readonly bytes: number;
      readonly sha256: string;
      readonly ms: number;
    }
  | { readonly event: "serving"; readonly port: number }
  | { readonly event: "served"; readonly atOnce: number }
  | {
      readonly event: "files";
      readonly bytesWritten: number;
      readonly writeMs: number;
      readonly bytesRead: number;
      readonly readMs: number;
      /** Of the large file, as read back. */
      readonly sha256: string;
    }
  | { readonly event: "refusals"; readonly outcomes: readonly Outcome[] };
