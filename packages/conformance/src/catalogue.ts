// The messages of PROTOCOL.md sections 7 to 21 as tables of fields, and a naive encoder. Written from that text alone:
// what the packages have of their own is checked against it.
//
// Values are JSON: bytes are hex, addresses { family, port, address }.

/** A message's or a body's fields, by the names below. */
export type Fields = { readonly [name: string]: Value };
export type Value = number | boolean | string | readonly Value[] | { readonly [name: string]: Value };

export type Type =
  | { readonly kind: "u32" | "bool" | "u64" | "i64" | "rest" | "inet" }
  | { readonly kind: "text"; readonly max: number }
  | { readonly kind: "list"; readonly of: Type }
  | { readonly kind: "struct"; readonly fields: Layout };

export type Layout = Readonly<Record<string, Type>>;

export interface Shape {
  /** Of a frame; a body of Open or Opened, and Hello, have none. */
  readonly type?: number;
  readonly from: "guest" | "host";
  /** Clauses that give the fields. */
  readonly clauses: readonly string[];
  readonly fields: Layout;
}

const u32: Type = { kind: "u32" };
const bool: Type = { kind: "bool" };
const u64: Type = { kind: "u64" };
const i64: Type = { kind: "i64" };
const rest: Type = { kind: "rest" };
const inet: Type = { kind: "inet" };
const text = (max: number): Type => ({ kind: "text", max });
const list = (of: Type): Type => ({ kind: "list", of });
const struct = (fields: Layout): Type => ({ kind: "struct", fields });

const path = text(4095);
const sentence = text(8192);
const time = struct({ seconds: i64, nanoseconds: u32 });
const refusal: Layout = { errno: u32, rule: sentence, reason: sentence };
const endpoints: Layout = { local: inet, peer: inet };
const stat: Layout = {
  kind: u32,
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  inode: u64,
  size: u64,
  blocks: u64,
  accessed: time,
  modified: time,
  changed: time,
};

const guest = (type: number | undefined, clauses: string, fields: Layout): Shape => ({
  ...(type === undefined ? {} : { type }),
  from: "guest",
  clauses: clauses.split(" "),
  fields,
});
const host = (type: number | undefined, clauses: string, fields: Layout): Shape => ({
  ...guest(type, clauses, fields),
  from: "host",
});

/** Frames, by name. */
export const MESSAGES: Readonly<Record<string, Shape>> = {
  Error: host(0x8001, "MSG-1", refusal),
  Done: host(0x8002, "MSG-2", {}),
  StatReply: host(0x8003, "MSG-3", stat),
  NewStream: guest(0x0101, "CTL-2", { toHostBytes: u32, toGuestBytes: u32 }),
  StreamInfo: host(0x8101, "CTL-3", {
    id: u32,
    generation: u32,
    page: u32,
    toHostBytes: u32,
    toGuestBytes: u32,
  }),
  GetArgs: guest(0x0102, "CTL-4", {}),
  Args: host(0x8102, "CTL-4", { argv: list(sentence), env: list(sentence) }),
  Log: guest(0x0103, "CTL-5", { level: u32, text: sentence }),
  Exit: guest(0x0104, "CTL-5", { code: u32 }),
  Ping: guest(0x0105, "CTL-6", { data: rest }),
  Pong: host(0x8105, "CTL-6", { data: rest }),
  Explain: guest(0x0106, "CTL-7", { protocol: u32, body: rest }),
  Verdict: host(0x8106, "CTL-7", { allowed: bool, rule: sentence, reason: sentence }),
  Open: guest(0x0201, "STR-1", { protocol: u32, body: rest }),
  Opened: host(0x8201, "STR-2", { body: rest }),
  Refused: host(0x8202, "STR-2", refusal),
  Accept: guest(0x0301, "LSN-2", { id: u32, generation: u32 }),
  Incoming: host(0x8301, "LSN-3", endpoints),
  Read: guest(0x0401, "FILE-4", { bytes: u32 }),
  Data: host(0x8401, "FILE-4", { data: rest }),
  Write: guest(0x0402, "FILE-5", { data: rest }),
  Written: host(0x8402, "FILE-5", { bytes: u32 }),
  ReadAt: guest(0x0403, "FILE-4", { offset: u64, bytes: u32 }),
  WriteAt: guest(0x0404, "FILE-5", { offset: u64, data: rest }),
  Seek: guest(0x0405, "FILE-6", { whence: u32, offset: i64 }),
  Position: host(0x8405, "FILE-6", { offset: u64 }),
  FileStat: guest(0x0406, "FILE-7", {}),
  Truncate: guest(0x0407, "FILE-7", { bytes: u64 }),
  Sync: guest(0x0408, "FILE-7", { dataOnly: u32 }),
  Close: guest(0x0409, "FILE-7", {}),
  WriteDone: host(0x8501, "FST-4", { bytes: u64 }),
  WriteFailed: host(0x8502, "FST-4", { bytes: u64, ...refusal }),
  Stat: guest(0x0601, "FS-3 FILE-1", { path }),
  Lstat: guest(0x0602, "FS-3 FILE-1", { path }),
  ReadDir: guest(0x0603, "FS-4 FILE-1", { path }),
  Entries: host(0x8603, "FS-4 FS-5", {
    more: bool,
    skipped: u32,
    entries: list(struct({ kind: u32, name: text(255) })),
  }),
  Mkdir: guest(0x0604, "FS-6", { mode: u32, parents: bool, path }),
  Unlink: guest(0x0605, "FS-6", { path }),
  Rmdir: guest(0x0606, "FS-6", { path }),
  Rename: guest(0x0607, "FS-6", { from: path, to: path }),
  Symlink: guest(0x0608, "FS-6", { target: path, path }),
  Readlink: guest(0x0609, "FS-7", { path }),
  Target: host(0x8609, "FS-7", { target: path }),
  Chmod: guest(0x060a, "FS-6", { mode: u32, path }),
  Utimes: guest(0x060b, "FS-6", { accessed: time, modified: time, path }),
  Statfs: guest(0x060c, "FS-7", { path }),
  StatfsReply: host(0x860c, "FS-7", {
    blockBytes: u32,
    blocks: u64,
    blocksFree: u64,
    blocksAvailable: u64,
    files: u64,
    filesFree: u64,
    nameMaxBytes: u32,
  }),
};

/** Bodies of Open and Opened. */
export const BODIES: Readonly<Record<string, Shape>> = {
  ConnectRequest: guest(undefined, "TCP-1", { port: u32, timeoutMs: u32, host: text(253) }),
  ConnectReply: host(undefined, "TCP-2 TCP-3", endpoints),
  ListenRequest: guest(undefined, "LSN-1", { backlog: u32, address: inet }),
  ListenReply: host(undefined, "LSN-1", { bound: inet }),
  FileOpen: guest(undefined, "FILE-2", { flags: u32, mode: u32, path }),
  FileOpened: host(undefined, "FILE-2", stat),
  FileStreamOpen: guest(undefined, "FST-1", {
    direction: u32,
    flags: u32,
    mode: u32,
    offset: u64,
    length: u64,
    path,
  }),
  FileStreamOpened: host(undefined, "FST-2", { length: u64, ...stat }),
};

export const SHAPES: Readonly<Record<string, Shape>> = { ...MESSAGES, ...BODIES };

export function le32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255];
}

export function le64(value: bigint): number[] {
  return [...le32(Number(BigInt.asUintN(32, value))), ...le32(Number(BigInt.asUintN(32, value >> 32n)))];
}

export const toHex = (bytes: Iterable<number>): string => Buffer.from([...bytes]).toString("hex");
export const fromHex = (hex: string): number[] => [...Buffer.from(hex, "hex")];

/** A value's bytes, no bound checked. */
export function encodeValue(type: Type, value: Value): number[] {
  switch (type.kind) {
    case "u32":
      return le32(value as number);
    case "bool":
      return le32(value ? 1 : 0);
    case "u64":
    case "i64":
      return le64(BigInt(value as number));
    case "rest":
      return fromHex(value as string);
    case "text": {
      const bytes = [...new TextEncoder().encode(value as string)];
      return [...le32(bytes.length), ...bytes];
    }
    case "inet": {
      const { family, port, address } = value as { family: number; port: number; address: string };
      const bytes = fromHex(address);
      return [...le32(family), ...le32(port), ...bytes, ...new Array<number>(16 - bytes.length).fill(0)];
    }
    case "list": {
      const items = value as readonly Value[];
      return [...le32(items.length), ...items.flatMap((item) => encodeValue(type.of, item))];
    }
    case "struct":
      return encodeFields(type.fields, value as { readonly [name: string]: Value });
  }
}

export function encodeFields(fields: Layout, value: { readonly [name: string]: Value }): number[] {
  return Object.entries(fields).flatMap(([name, type]) => encodeValue(type, value[name]!));
}

/** The payload of a message or body, by its name. */
export function encode(name: string, value: { readonly [name: string]: Value }): Uint8Array {
  return Uint8Array.from(encodeFields(SHAPES[name]!.fields, value));
}

/** A whole frame (FRM-1). */
export function frameBytes(type: number, request: number, payload: Iterable<number>): Uint8Array {
  const bytes = [...payload];
  return Uint8Array.from([...le32(bytes.length), ...le32(type), ...le32(request), ...bytes]);
}
