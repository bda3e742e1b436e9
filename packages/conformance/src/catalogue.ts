// The messages of PROTOCOL.md sections 7 to 21 as tables of fields, and a naive encoder. Written from that text alone:
// what the packages have of their own is checked against it.
//
// Values are JSON: bytes are hex, addresses { family, port, address }.

/** A message's or a body's fields, by the names below. */
export type Fields = { readonly [name: string]: Value };
export type Value = number | boolean | string | readonly Value[] | { readonly [name: string]: Value };

export type Type =
  | { readonly kind: "u32" | "bool" | "u64" | "i64" | "rest" | "inet" }
  | { readonly kind: "text" | "bytes"; readonly max: number }
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
const bytes = (max: number): Type => ({ kind: "bytes", max });
const list = (of: Type): Type => ({ kind: "list", of });
const struct = (fields: Layout): Type => ({ kind: "struct", fields });

const path = text(4095);
const pathBytes = bytes(4095);
const nameBytes = bytes(255);
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

const attributes: Layout = {
  kind: u32,
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  device: u32,
  inodeLow: u32,
  inodeHigh: u32,
  size: u64,
  blocks: u64,
  accessed: time,
  modified: time,
  changed: time,
  created: time,
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
  UdpSend: guest(0x0701, "UDP-4 UDP-5", { segment: u32, data: rest }),
  UdpReceived: host(0x8701, "UDP-4 UDP-5", { segment: u32, data: rest }),
  UdpSendTo: guest(0x0702, "UDP-4 UDP-5", { segment: u32, peer: inet, data: rest }),
  UdpReceivedFrom: host(0x8702, "UDP-4 UDP-5", { segment: u32, peer: inet, data: rest }),
  UdpLookup: guest(0x0703, "UDP-8", { port: u32, host: text(253) }),
  UdpPeer: host(0x8703, "UDP-8", { peer: inet }),
  UdpSet: guest(0x0704, "UDP-12", { option: u32, value: u32 }),
  UdpInterface: guest(0x0705, "UDP-12", { interface: inet }),
  UdpJoin: guest(0x0706, "UDP-13", { group: inet, source: inet, interface: inet }),
  UdpLeave: guest(0x0707, "UDP-13", { group: inet, source: inet, interface: inet }),
  UdpError: host(0x8708, "UDP-9", { errno: u32, peer: inet, rule: sentence, reason: sentence }),
  UdpLost: host(0x8709, "UDP-10", { datagrams: u32 }),
  Resolve: guest(0x0801, "RSL-2", { family: u32, name: text(253) }),
  Addresses: host(0x8801, "RSL-2", { ttlSeconds: u32, addresses: list(inet) }),
  Reverse: guest(0x0802, "RSL-3", { address: inet }),
  Names: host(0x8802, "RSL-3", { ttlSeconds: u32, names: list(text(253)) }),
  UnixSend: guest(0x0901, "UNX-5", { data: rest }),
  UnixReceived: host(0x8901, "UNX-5", { data: rest }),
  UnixIncoming: host(0x8902, "UNX-3", { pid: u32, uid: u32, gid: u32 }),
  MountOpen: guest(0x0a01, "MNT-7 MNT-2", { at: u32, flags: u32, mode: u32, path: pathBytes }),
  MountHandle: host(0x8a01, "MNT-7 MNT-5", { handle: u32, ...attributes }),
  MountRelease: guest(0x0a02, "MNT-8", { handle: u32 }),
  MountRead: guest(0x0a03, "MNT-9", { handle: u32, offset: u64, bytes: u32 }),
  MountWrite: guest(0x0a04, "MNT-10", { handle: u32, flags: u32, offset: u64, data: rest }),
  MountFlush: guest(0x0a05, "MNT-11", { handle: u32 }),
  MountFsync: guest(0x0a06, "MNT-11", { handle: u32, dataOnly: bool }),
  MountFallocate: guest(0x0a07, "MNT-12", { handle: u32, mode: u32, offset: u64, bytes: u64 }),
  MountCopyRange: guest(0x0a08, "MNT-12", { from: u32, to: u32, fromOffset: u64, toOffset: u64, bytes: u64 }),
  MountSeek: guest(0x0a09, "MNT-12", { handle: u32, whence: u32, offset: u64 }),
  MountLock: guest(0x0a0a, "MNT-18", { handle: u32, kind: u32, wait: bool, start: u64, bytes: u64 }),
  MountTestLock: guest(0x0a0b, "MNT-18", { handle: u32, kind: u32, start: u64, bytes: u64 }),
  MountLockFound: host(0x8a0b, "MNT-18", { kind: u32, start: u64, bytes: u64 }),
  MountStat: guest(0x0a0c, "MNT-13 MNT-2", { at: u32, follow: bool, path: pathBytes }),
  MountAttributes: host(0x8a0c, "MNT-13 MNT-5", attributes),
  MountSetAttr: guest(0x0a0d, "MNT-13", {
    at: u32,
    follow: bool,
    valid: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    accessed: time,
    modified: time,
    path: pathBytes,
  }),
  MountReadDir: guest(0x0a0e, "MNT-14", { handle: u32, cookieLow: u32, cookieHigh: u32, entries: u32 }),
  MountNames: host(0x8a0e, "MNT-14", {
    entries: list(
      struct({ cookieLow: u32, cookieHigh: u32, kind: u32, inodeLow: u32, inodeHigh: u32, name: nameBytes }),
    ),
  }),
  MountReadDirPlus: guest(0x0a0f, "MNT-14", { handle: u32, cookieLow: u32, cookieHigh: u32, entries: u32 }),
  MountEntries: host(0x8a0f, "MNT-14 MNT-5", {
    entries: list(struct({ cookieLow: u32, cookieHigh: u32, ...attributes, name: nameBytes })),
  }),
  MountMkdir: guest(0x0a10, "MNT-15", { at: u32, mode: u32, path: pathBytes }),
  MountMknod: guest(0x0a11, "MNT-15", { at: u32, mode: u32, path: pathBytes }),
  MountSymlink: guest(0x0a12, "MNT-15", { at: u32, target: pathBytes, path: pathBytes }),
  MountLink: guest(0x0a13, "MNT-15", { fromAt: u32, toAt: u32, from: pathBytes, to: pathBytes }),
  MountReadlink: guest(0x0a14, "MNT-16", { at: u32, path: pathBytes }),
  MountUnlink: guest(0x0a15, "MNT-16", { at: u32, path: pathBytes }),
  MountRmdir: guest(0x0a16, "MNT-16", { at: u32, path: pathBytes }),
  MountRename: guest(0x0a17, "MNT-16", {
    fromAt: u32,
    toAt: u32,
    flags: u32,
    from: pathBytes,
    to: pathBytes,
  }),
  MountStatfs: guest(0x0a18, "MNT-16", { at: u32, path: pathBytes }),
  MountGetXattr: guest(0x0a19, "MNT-17", { at: u32, follow: bool, name: nameBytes, path: pathBytes }),
  MountSetXattr: guest(0x0a1a, "MNT-17", {
    at: u32,
    follow: bool,
    flags: u32,
    name: nameBytes,
    path: pathBytes,
    value: rest,
  }),
  MountListXattr: guest(0x0a1b, "MNT-17", { at: u32, follow: bool, path: pathBytes }),
  MountXattrs: host(0x8a1b, "MNT-17", { names: list(nameBytes) }),
  MountRemoveXattr: guest(0x0a1c, "MNT-17", { at: u32, follow: bool, name: nameBytes, path: pathBytes }),
  MountWatch: guest(0x0a1d, "MNT-20", { at: u32, flags: u32, path: pathBytes }),
  MountWatching: host(0x8a1d, "MNT-20", { watch: u32 }),
  MountUnwatch: guest(0x0a1e, "MNT-20", { watch: u32 }),
  MountEvent: host(0x8a1f, "MNT-21", { watch: u32, events: u32, cookie: u32, path: pathBytes }),
  MountCancel: guest(0x0a20, "MNT-19", { id: u32 }),
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
  UdpBindRequest: guest(undefined, "UDP-2", { flags: u32, address: inet }),
  UnixConnectRequest: guest(undefined, "UNX-1", { kind: u32, timeoutMs: u32, path }),
  UnixConnectReply: host(undefined, "UNX-1", { pid: u32, uid: u32, gid: u32 }),
  UnixListenRequest: guest(undefined, "UNX-2", { kind: u32, mode: u32, backlog: u32, path }),
  MountRequest: guest(undefined, "MNT-1", { path: pathBytes }),
  MountReply: host(undefined, "MNT-1 MNT-5", { handles: u32, requests: u32, ...attributes }),
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
    case "bytes": {
      const raw = fromHex(value as string);
      return [...le32(raw.length), ...raw];
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
