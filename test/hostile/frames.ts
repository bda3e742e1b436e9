// What the hostile guest says when it keeps to the rules, so that its mutations start from every state that a guest can
// reach: valid frames of every kind, aimed at what the policy allows and at what it must not give.

import {
  ConnectRequest,
  encodeFrame,
  fileMessages as file,
  fsMessages as fs,
  GetArgs,
  type InetAddress,
  inet,
  ListenRequest,
  Log,
  type Message,
  mountMessages as mount,
  NewStream,
  resolveMessages as names,
  Open,
  Ping,
  Protocol,
  parseIp,
  udpMessages as udp,
  unixMessages,
} from "@ringway/control";
import type { Random } from "../simulator/random.ts";

/** Where the policy's edges are. */
export interface Targets {
  /** The one server that guests may connect to. */
  readonly echoPort: number;
  /** A server that never reads; floods alone may connect to it. */
  readonly deafPort: number;
  /** Where guests may send datagrams to: they come back. */
  readonly udpPort: number;
  /** A socket that never reads; floods alone may send datagrams to it. */
  readonly deafUdpPort: number;
  /** Servers that nobody may reach. */
  readonly forbiddenPorts: readonly number[];
  /** First of the ports that guests may listen on and connect to. */
  readonly listenPort: number;
  readonly listenPorts: number;
  /** A folder of the host's beside the roots, with a file "secret" in it. */
  readonly outside: string;
}

/** What a stream is, as far as its guest knows. */
export type StreamKind =
  | "fresh"
  | "posted"
  | "raw"
  | "records"
  | "listen"
  | "file"
  | "file-read"
  | "file-write"
  | "fs"
  | "udp"
  | "udp-bound"
  | "mount"
  | "resolve";

const NAMES = ["a", "b", "c", "d", "deep/x", "deep/er/y", "link", "new"] as const;
const { READ, WRITE, CREATE, EXCLUSIVE, APPEND, TRUNCATE } = file.FileFlags;
const FLAGS = [
  READ,
  WRITE | CREATE,
  READ | WRITE | CREATE,
  READ | WRITE,
  WRITE | CREATE | TRUNCATE,
  WRITE | CREATE | APPEND,
  WRITE | CREATE | EXCLUSIVE,
  WRITE,
  0,
  EXCLUSIVE,
  63,
  64,
] as const;

function somePath(random: Random, targets: Targets): string {
  const name = random.pick(NAMES);
  switch (random.below(32)) {
    case 0:
      return `/rw/../outside/secret`;
    case 1:
      return `/rw/escape/secret`;
    case 2:
      return `/rw/climb/secret`;
    case 3:
      return `${targets.outside}/secret`;
    case 4:
      return `/ro/${name}`;
    case 5:
      return `/ro/fixed`;
    case 6:
      return random.pick([
        "/",
        "",
        "/rw",
        "/rw//a",
        "/rw/./a",
        "rw/a",
        "/etc/passwd",
        "/proc/self/mem",
        "/rw/a/",
      ]);
    case 7:
      return `/rw/${"n".repeat(random.below(300))}`;
    case 8:
      return `/rw/${"d/".repeat(random.below(2100))}x`;
    default:
      return `/rw/${name}`;
  }
}

/** Sizes and offsets at the edges. */
function someSocket(random: Random): string {
  return random.pick([
    ...["/run/echo", "/run/records", "/run/app", "/run/app", "/run/none", "/run/linked"],
    ...["/run/forbidden", "/run/echo/", "/run/../run/echo", "run/echo", "", "/", "/rw/a"],
  ]);
}

function someSize(random: Random): number {
  return random.pick([
    0,
    1,
    511,
    4096,
    65_536,
    65_537,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
    random.below(100_000),
  ]);
}

function someBytes(random: Random, most: number): Uint8Array {
  return new Uint8Array(random.skewed(most)).fill(random.u32());
}

export interface SomeOpen {
  readonly kind: StreamKind;
  readonly protocol: number;
  readonly body: Uint8Array;
}

export function someOpen(random: Random, targets: Targets): SomeOpen {
  switch (random.below(16)) {
    case 12:
      return { kind: "udp", protocol: Protocol.UDP_CONNECT, body: someUdpConnect(random, targets) };
    case 13:
      return { kind: "udp-bound", protocol: Protocol.UDP_BIND, body: someUdpBind(random, targets) };
    case 14:
      return { kind: "resolve", protocol: Protocol.RESOLVE, body: new Uint8Array(0) };
    case 0:
    case 1:
      return { kind: "raw", protocol: Protocol.ECHO, body: new Uint8Array(0) };
    case 2:
    case 3:
    case 4: {
      const port = random.pick([
        targets.echoPort,
        targets.echoPort,
        targets.echoPort,
        targets.listenPort + random.below(targets.listenPorts),
        targets.listenPort + random.below(targets.listenPorts),
        random.pick(targets.forbiddenPorts),
        random.below(70_000),
      ]);
      const host = random.pick([
        ...Array.from({ length: 20 }, () => "127.0.0.1"),
        "127.0.0.2",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "localhost",
        "localhost.",
        "nowhere.invalid",
        "2130706433",
        "127.1",
        "x".repeat(random.below(254)),
      ]);
      const body = ConnectRequest.encode({ host, port, timeoutMs: random.pick([0, 1, 200, 2 ** 32 - 1]) });
      return { kind: "raw", protocol: Protocol.TCP_CONNECT, body };
    }
    case 5: {
      const port = random.pick([
        ...Array.from({ length: 8 }, (_, i) => targets.listenPort + (i % targets.listenPorts)),
        0,
        random.pick(targets.forbiddenPorts),
      ]);
      const address = parseIp(random.once(8) ? random.pick(["0.0.0.0", "::1"]) : "127.0.0.1")!;
      const backlog = random.pick([0, 1, 64, 2 ** 32 - 1]);
      const family = address.length === 4 ? 4 : 6;
      const body = ListenRequest.encode({ backlog, address: { family, port, address } });
      return { kind: "listen", protocol: Protocol.TCP_LISTEN, body };
    }
    case 6: {
      const flags = random.pick(FLAGS);
      const body = file.FileOpen.encode({
        flags,
        mode: random.pick([0, 0o600, 0o777, 0o7777]),
        path: somePath(random, targets),
      });
      return { kind: "file", protocol: Protocol.FILE, body };
    }
    case 7:
    case 8: {
      const direction = random.pick([1, 2, 2, 3]);
      const body = file.FileStreamOpen.encode({
        direction,
        flags: direction === 1 ? READ : random.pick([WRITE | CREATE, WRITE, WRITE | CREATE | APPEND, READ]),
        mode: 0o600,
        offset: random.pick([0, 0, someSize(random)]),
        length: random.pick([2 ** 53 - 1, someSize(random)]),
        path: somePath(random, targets),
      });
      return { kind: direction === 1 ? "file-read" : "file-write", protocol: Protocol.FILE_STREAM, body };
    }
    case 9: {
      const isStream = random.once(2);
      const { STREAM, SEQPACKET } = unixMessages.UnixKind;
      const kind = random.once(16) ? random.below(5) : isStream ? STREAM : SEQPACKET;
      const path = random.once(4) ? someSocket(random) : isStream ? "/run/echo" : "/run/records";
      const body = unixMessages.UnixConnectRequest.encode({
        kind,
        timeoutMs: random.pick([0, 1, 200]),
        path,
      });
      return { kind: isStream ? "raw" : "records", protocol: Protocol.UNIX_CONNECT, body };
    }
    case 10: {
      const kind = random.once(16) ? random.below(5) : 1 + random.below(2);
      const mode = random.pick([0, 0o600, 0o777, 0o7777]);
      const path = random.once(4) ? someSocket(random) : "/run/app";
      const backlog = random.pick([0, 1, 2 ** 32 - 1]);
      const body = unixMessages.UnixListenRequest.encode({ kind, mode, backlog, path });
      return { kind: "listen", protocol: Protocol.UNIX_LISTEN, body };
    }
    case 11: {
      const path = random.pick(["/", "/rw", "/rw", "/ro", "/rw/deep", somePath(random, targets)]);
      const body = mount.MountRequest.encode({ path: Buffer.from(path) });
      return { kind: "mount", protocol: Protocol.MOUNT, body };
    }
    default:
      return { kind: "fs", protocol: Protocol.FS, body: new Uint8Array(0) };
  }
}

function someUdpPort(random: Random, { udpPort, forbiddenPorts }: Targets): number {
  return random.pick([udpPort, udpPort, udpPort, random.pick(forbiddenPorts), random.below(65_536)]);
}

function someUdpConnect(random: Random, targets: Targets): Uint8Array {
  const host = random.pick([
    "127.0.0.1",
    "127.0.0.1",
    "127.0.0.2",
    "::1",
    "localhost",
    "239.1.2.3",
    "0.0.0.0",
  ]);
  const timeoutMs = random.pick([0, 1, 2 ** 32 - 1]);
  return ConnectRequest.encode({ host, port: someUdpPort(random, targets), timeoutMs });
}

function someUdpBind(random: Random, targets: Targets): Uint8Array {
  const flags = random.pick([0, 0, 1, 2, 3, random.u32()]);
  const address = someInet(random, targets, random.pick([0, 0, someUdpPort(random, targets)]));
  return udp.UdpBindRequest.encode({ flags, address });
}

function someInet(random: Random, targets: Targets, port = someUdpPort(random, targets)): InetAddress {
  const texts = [
    "127.0.0.1",
    "127.0.0.1",
    "0.0.0.0",
    "127.0.0.2",
    "239.1.2.3",
    "255.255.255.255",
    "::1",
    "::",
  ];
  return inet(parseIp(random.pick(texts))!, port);
}

/** A train, or what is none. */
function someSegment(random: Random): number {
  return random.pick([0, 0, 0, 1, 700, random.below(2000), 2 ** 32 - 1]);
}

/** A request, or datagrams, of a UDP socket. */
function someDatagram(random: Random, kind: StreamKind, targets: Targets, id: number): Uint8Array {
  const data = someBytes(random, 3000);
  const membership = {
    group: someInet(random, targets, random.pick([0, 0, 5])),
    source: inet(parseIp(random.pick(["0.0.0.0", "127.0.0.1"]))!, 0),
    interface: inet(parseIp(random.pick(["0.0.0.0", "127.0.0.1", "10.9.8.7"]))!, 0),
  };
  switch (random.below(12)) {
    case 0:
      return frame(udp.UdpSet, id, {
        option: random.below(6),
        value: random.pick([0, 1, 255, random.u32()]),
      });
    case 1:
      return frame(udp.UdpInterface, id, { interface: membership.interface });
    case 2:
      return frame(udp.UdpJoin, id, membership);
    case 3:
      return frame(udp.UdpLeave, id, membership);
    case 4: {
      const host = random.pick(["localhost", "nowhere.invalid", "a.silent.test", "127.0.0.1", ""]);
      return frame(udp.UdpLookup, id, { port: someUdpPort(random, targets), host });
    }
    default:
      return kind === "udp"
        ? frame(udp.UdpSend, 0, { segment: someSegment(random), data })
        : frame(udp.UdpSendTo, 0, { segment: someSegment(random), peer: someInet(random, targets), data });
  }
}

export function openFrame(random: Random, { protocol, body }: SomeOpen): Uint8Array {
  return frame(Open, random.below(1000), { protocol, body });
}

export function frame<T>(kind: Message<T>, requestId: number, value: T): Uint8Array {
  return encodeFrame(kind.type, requestId, kind.encode(value));
}

/** A request that goes on the control pipe. */
export function someControl(random: Random, targets: Targets, streams: boolean): Uint8Array {
  const id = random.u32();
  switch (random.below(streams ? 12 : 4)) {
    case 0:
      return frame(Ping, id, { data: new Uint8Array(random.below(65)) });
    case 1: {
      const { protocol, body } = someOpen(random, targets);
      return encodeFrame(0x0106, id, concat(u32s(protocol), body));
    }
    case 2:
      return frame(GetArgs, id, {});
    case 3:
      return random.once(4)
        ? frame(Log, id, { level: random.below(100), text: "x".repeat(random.skewed(8000)) })
        : encodeFrame(random.below(0x8000), id, new Uint8Array(random.below(64)));
    default:
      return frame(NewStream, id, { toHostBytes: someRing(random), toGuestBytes: someRing(random) });
  }
}

function someRing(random: Random): number {
  return random.pick([1, 4096, 4096, 8192, 65_536, 0, 2 ** 24, 2 ** 32 - 1]);
}

/** A request that this kind of stream takes; undefined where it takes bytes. */
export function someRequest(random: Random, kind: StreamKind, targets: Targets): Uint8Array | undefined {
  const id = random.u32();
  const path = somePath(random, targets);
  if (kind === "udp" || kind === "udp-bound") return someDatagram(random, kind, targets, id);
  if (kind === "file") {
    switch (random.below(9)) {
      case 0:
        return frame(file.Read, id, { bytes: someSize(random) % 2 ** 32 });
      case 1:
        return frame(file.ReadAt, id, { bytes: someSize(random) % 2 ** 32, offset: someSize(random) });
      case 2:
        return frame(file.Write, id, { data: someBytes(random, 3000) });
      case 3:
        return frame(file.WriteAt, id, { data: someBytes(random, 3000), offset: someSize(random) });
      case 4:
        return frame(file.Seek, id, {
          whence: random.below(4),
          offset: someSize(random) * (random.once(3) ? -1 : 1),
        });
      case 5:
        return frame(file.FileStat, id, {});
      case 6:
        return frame(file.Truncate, id, { bytes: someSize(random) });
      case 7:
        return frame(file.Sync, id, { dataOnly: random.below(2) });
      default:
        return frame(file.Close, id, {});
    }
  }
  if (kind === "records") return frame(unixMessages.UnixSend, 0, { data: someBytes(random, 3000) });
  if (kind === "mount") return someMountRequest(random, id, targets);
  if (kind === "resolve") {
    if (random.once(3)) {
      const address = inet(parseIp(random.pick(["127.0.0.1", "::1", "8.8.8.8", "::", "0.0.0.0"]))!, 0);
      return frame(names.Reverse, id, { address: random.once(4) ? { ...address, port: 1 } : address });
    }
    const name = random.pick([
      ...["localhost", "LOCALHOST.", "host.ringway", "a.localhost", "nowhere.invalid", "secret.evil.example"],
      ...["127.0.0.1", "127.1", "", ".", "a..b", "x".repeat(random.below(254))],
    ]);
    return frame(names.Resolve, id, { family: random.pick([0, 4, 6, 4, 5, random.u32()]), name });
  }
  if (kind === "fs") {
    const time = { seconds: random.below(2 ** 31), nanoseconds: random.below(2_000_000_000) };
    switch (random.below(12)) {
      case 0:
        return frame(fs.Stat, id, { path });
      case 1:
        return frame(fs.Lstat, id, { path });
      case 2:
        return frame(fs.ReadDir, id, { path });
      case 3:
        return frame(fs.Mkdir, id, { mode: 0o700, parents: random.once(2), path });
      case 4:
        return frame(fs.Unlink, id, { path });
      case 5:
        return frame(fs.Rmdir, id, { path });
      case 6:
        return frame(fs.Rename, id, { from: path, to: somePath(random, targets) });
      case 7: {
        const target = random.pick([
          targets.outside,
          "../outside",
          "../../../../../etc",
          "/proc/self/fd/1",
          "a",
          "link",
        ]);
        return frame(fs.Symlink, id, { target, path: random.pick(["/rw/link", path]) });
      }
      case 8:
        return frame(fs.Readlink, id, { path });
      case 9:
        return frame(fs.Chmod, id, { mode: random.pick([0o600, 0o700, 0o4777]), path });
      case 10:
        return frame(fs.Utimes, id, { accessed: time, modified: time, path });
      default:
        return frame(fs.Statfs, id, { path });
    }
  }
  return undefined;
}

/** From a mount's root or one of its first handles, with names that are not UTF-8 among them. */
function someMountRequest(random: Random, id: number, targets: Targets): Uint8Array {
  const handle = random.below(6);
  const name = (): Uint8Array => {
    const text = random.pick([
      somePath(random, targets).replace(/^\/(rw\/)?/, ""),
      "",
      "rw",
      "rw/deep",
      "..",
    ]);
    return random.once(6) ? Uint8Array.of(0xff, 1 + random.below(255), 0x2f, 0x61) : Buffer.from(text);
  };
  const at = { at: random.pick([0, 0, 0, handle]), path: name() };
  const two = { fromAt: 0, toAt: handle, from: name(), to: name() };
  const offset = someSize(random);
  const count = someSize(random);
  const time = { seconds: random.below(2 ** 31), nanoseconds: random.below(2_000_000_000) };
  const follow = random.once(2);
  const attribute = { ...at, follow, name: Buffer.from(random.pick(["user.x", "user.y", "trusted.x", ""])) };
  const range = { handle, kind: random.below(4), start: offset, bytes: count };
  const cookie = {
    cookieLow: random.pick([0, 0, random.u32()]),
    cookieHigh: random.pick([0, 0, random.u32()]),
  };
  const listing = { handle, ...cookie, entries: random.pick([1, 10, 4096, 0]) };
  const mode = random.pick([0o600, 0o755, 0o4755]);
  const data = someBytes(random, 3000);
  const makers: readonly (() => Uint8Array)[] = [
    () => frame(mount.MountOpen, id, { ...at, flags: random.pick([...FLAGS, 129, 129, 193, 65]), mode }),
    () => frame(mount.MountOpen, id, { ...at, flags: random.pick([1, 3, 7, 129]), mode: 0o600 }),
    () => frame(mount.MountRelease, id, { handle }),
    () => frame(mount.MountRead, id, { handle, offset, bytes: count % 2 ** 32 }),
    () => frame(mount.MountWrite, id, { handle, flags: random.below(3), offset, data }),
    () => frame(mount.MountFlush, id, { handle }),
    () => frame(mount.MountFsync, id, { handle, dataOnly: follow }),
    () =>
      frame(mount.MountFallocate, id, { handle, mode: random.below(20), offset, bytes: count % 1_000_000 }),
    () =>
      frame(mount.MountCopyRange, id, {
        from: handle,
        to: random.below(6),
        ...{ fromOffset: offset, toOffset: 0, bytes: count },
      }),
    () => frame(mount.MountSeek, id, { handle, whence: random.below(6), offset }),
    () => frame(mount.MountLock, id, { ...range, wait: follow }),
    () => frame(mount.MountTestLock, id, range),
    () => frame(mount.MountStat, id, { ...at, follow }),
    () =>
      frame(mount.MountSetAttr, id, {
        ...{ ...at, follow, valid: random.below(260), mode, uid: random.below(3), gid: 0 },
        ...{ size: offset % 1_000_000, accessed: time, modified: time },
      }),
    () => frame(mount.MountReadDir, id, listing),
    () => frame(mount.MountReadDirPlus, id, listing),
    () => frame(mount.MountMkdir, id, { ...at, mode }),
    () => frame(mount.MountMknod, id, { ...at, mode }),
    () =>
      frame(mount.MountSymlink, id, {
        ...at,
        target: Buffer.from(random.pick([targets.outside, "../outside", "a"])),
      }),
    () => frame(mount.MountLink, id, two),
    () => frame(mount.MountReadlink, id, at),
    () => frame(mount.MountUnlink, id, at),
    () => frame(mount.MountRmdir, id, at),
    () => frame(mount.MountRename, id, { ...two, flags: random.below(4) }),
    () => frame(mount.MountStatfs, id, at),
    () => frame(mount.MountGetXattr, id, attribute),
    () => frame(mount.MountSetXattr, id, { ...attribute, flags: random.below(4), value: data }),
    () => frame(mount.MountListXattr, id, { ...at, follow }),
    () => frame(mount.MountRemoveXattr, id, attribute),
    () => frame(mount.MountWatch, id, { ...at, flags: random.below(3) }),
    () => frame(mount.MountUnwatch, id, { watch: random.below(4) }),
    () => frame(mount.MountCancel, id, { id: random.pick([id, random.u32()]) }),
  ];
  return random.pick(makers)();
}

const EDGES = [
  0, 1, 2, 3, 11, 12, 255, 4095, 4096, 65_535, 65_536, 65_600, 65_601, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

/** A word at an edge, near `value`, or anywhere. */
export function wickedWord(random: Random, value: number): number {
  switch (random.below(5)) {
    case 0:
      return random.u32();
    case 1:
    case 2:
      return random.pick(EDGES);
    case 3:
      return (value + random.below(33) - 16) >>> 0;
    default:
      return (value ^ (1 << random.below(32))) >>> 0;
  }
}

/** A frame with something wrong in it: its length, its type, a field, a byte, its end. */
export function wickedFrame(random: Random, original: Uint8Array): Uint8Array {
  let bytes: Uint8Array = original.slice();
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const view = new DataView(bytes.buffer);
    switch (random.below(7)) {
      case 0:
        view.setUint32(0, wickedWord(random, view.getUint32(0, true)), true);
        break;
      case 1:
        view.setUint32(4, wickedWord(random, view.getUint32(4, true)), true);
        break;
      case 2:
        bytes[random.below(bytes.length)] = random.u32();
        break;
      case 3: {
        // A field: payloads are made of words.
        const words = Math.floor((bytes.length - 12) / 4);
        if (words > 0) {
          const at = 12 + 4 * random.below(words);
          view.setUint32(at, wickedWord(random, view.getUint32(at, true)), true);
        }
        break;
      }
      case 4: {
        // Longer or shorter, and its header says so.
        const payload =
          random.below(3) === 0 ? random.below(2000) : Math.max(0, bytes.length - 12 + random.below(17) - 8);
        const resized = new Uint8Array(12 + payload);
        resized.set(bytes.subarray(0, resized.length));
        new DataView(resized.buffer).setUint32(0, payload, true);
        bytes = resized;
        break;
      }
      case 5:
        // Half a frame: the rest never comes.
        bytes = bytes.slice(0, Math.max(12, random.below(bytes.length)));
        break;
      default:
        bytes = concat(bytes, bytes.subarray(0, random.below(bytes.length)));
    }
  }
  return bytes;
}

function u32s(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, true);
  return bytes;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
