// Messages of the host's by the C library's calls: a payload in and fields out.

import type { Fields } from "../../packages/conformance/src/catalogue.ts";
import type { Reply } from "../../packages/conformance/src/contract.ts";
import { type Buffers, type Library, replyOf } from "./c-library.ts";

/** Fields of the structs that the library has filled, by their offsets in ringway.h. */
class Found {
  readonly rw: Library;
  readonly io: Buffers;

  constructor(rw: Library, io: Buffers) {
    this.rw = rw;
    this.io = io;
  }

  u32(at: number): number {
    return this.io.out.view.getUint32(at, true);
  }

  u64(at: number): number {
    return Number(this.io.out.view.getBigUint64(at, true));
  }

  text(at: number): string {
    const start = this.u64(at) - this.io.in.address;
    return Buffer.from(this.io.in.bytes.slice(start, start + this.u32(at + 8))).toString();
  }

  /** Bytes that a struct of an address and a length says lie in the payload. */
  bytes(at: number): string {
    const start = this.u64(at) - this.io.in.address;
    return Buffer.from(this.io.in.bytes.slice(start, start + this.u32(at + 8))).toString("hex");
  }

  refusal(at: number): Fields {
    return { errno: this.u32(at), rule: this.text(at + 8), reason: this.text(at + 24) };
  }

  time(at: number): Fields {
    return { seconds: Number(this.io.out.view.getBigInt64(at, true)), nanoseconds: this.u32(at + 8) };
  }

  inet(at: number): Fields {
    const bytes = this.u32(at) === 4 ? 4 : 16;
    const address = Buffer.from(this.io.out.bytes.slice(at + 8, at + 8 + bytes)).toString("hex");
    return { family: this.u32(at), port: this.u32(at + 4), address };
  }

  stat(at: number): Fields {
    const numbers = { kind: 0, mode: 4, links: 8, uid: 12, gid: 16 };
    const longs = { inode: 24, size: 32, blocks: 40 };
    const times = { accessed: 48, modified: 64, changed: 80 };
    return {
      ...Object.fromEntries(Object.entries(numbers).map(([name, offset]) => [name, this.u32(at + offset)])),
      ...Object.fromEntries(Object.entries(longs).map(([name, offset]) => [name, this.u64(at + offset)])),
      ...Object.fromEntries(Object.entries(times).map(([name, offset]) => [name, this.time(at + offset)])),
    };
  }

  statfs(): Fields {
    const [blocks, blocksFree, blocksAvailable] = [this.u64(0), this.u64(8), this.u64(16)];
    const [files, filesFree] = [this.u64(24), this.u64(32)];
    const [blockBytes, nameMaxBytes] = [this.u32(40), this.u32(44)];
    return { blocks, blocksFree, blocksAvailable, files, filesFree, blockBytes, nameMaxBytes };
  }

  streamInfo(): Fields {
    const [id, generation, page] = [this.u32(0), this.u32(4), this.u32(8)];
    return { id, generation, page, toHostBytes: this.u32(12), toGuestBytes: this.u32(16) };
  }

  /** A list's items, each taken to offset 64. */
  items<T>(next: (item: number) => number, item: () => T): T[] {
    const found: T[] = [];
    while (next(this.io.out.address + 64) === 1) found.push(item());
    return found;
  }

  texts(list: number): string[] {
    const at = this.io.out.address + list;
    return this.items(
      (item) => this.rw.rw_next_text([at, item]),
      () => this.text(64),
    );
  }

  inets(list: number): Fields[] {
    const at = this.io.out.address + list;
    return this.items(
      (item) => this.rw.rw_next_inet([at, item]),
      () => this.inet(64),
    );
  }

  entries(list: number): Fields[] {
    const at = this.io.out.address + list;
    return this.items(
      (item) => this.rw.rw_next_entry([at, item]),
      () => ({ kind: this.u32(64), name: this.text(72) }),
    );
  }
}

interface Decoder {
  /** A negative status where the payload is none of the message's. */
  call(rw: Library, from: readonly [number, number], to: number): number;
  fields(found: Found): Fields;
}

const refusal: Decoder = {
  call: (rw, from, to) => rw.rw_decode_error([...from, to]),
  fields: (found) => found.refusal(0),
};
const stat: Decoder = {
  call: (rw, from, to) => rw.rw_decode_stat([...from, to]),
  fields: (found) => found.stat(0),
};
const endpoints: Decoder = {
  call: (rw, from, to) => rw.rw_decode_endpoints([...from, to]),
  fields: (found) => ({ local: found.inet(0), peer: found.inet(24) }),
};

const unixPeer: Decoder = {
  call: (rw, from, to) => rw.rw_decode_unix_peer([...from, to]),
  fields: (found) => ({ pid: found.u32(0), uid: found.u32(4), gid: found.u32(8) }),
};

/** Raw data: there is nothing to decode, and no call for it. */
const RAW = ["Pong", "Data", "UnixReceived"];

const DECODERS: Readonly<Record<string, Decoder>> = {
  Done: { call: (rw, from) => rw.rw_decode_empty([...from]), fields: () => ({}) },
  Error: refusal,
  Refused: refusal,
  StatReply: stat,
  FileOpened: stat,
  ConnectReply: endpoints,
  Incoming: endpoints,
  FileStreamOpened: {
    call: (rw, from, to) => rw.rw_decode_file_stream([...from, to, to + 8]),
    fields: (found) => ({ length: found.u64(0), ...found.stat(8) }),
  },
  StreamInfo: {
    call: (rw, from, to) => rw.rw_decode_stream_info([...from, to]),
    fields: (found) => found.streamInfo(),
  },
  Verdict: {
    call: (rw, from, to) => rw.rw_decode_verdict([...from, to]),
    fields: (found) => ({ allowed: found.u32(0) === 1, rule: found.text(8), reason: found.text(24) }),
  },
  ListenReply: {
    call: (rw, from, to) => rw.rw_decode_bound([...from, to]),
    fields: (found) => ({ bound: found.inet(0) }),
  },
  Written: {
    call: (rw, from, to) => rw.rw_decode_u32([...from, to]),
    fields: (found) => ({ bytes: found.u32(0) }),
  },
  Position: {
    call: (rw, from, to) => rw.rw_decode_u64([...from, to]),
    fields: (found) => ({ offset: found.u64(0) }),
  },
  WriteDone: {
    call: (rw, from, to) => rw.rw_decode_u64([...from, to]),
    fields: (found) => ({ bytes: found.u64(0) }),
  },
  WriteFailed: {
    call: (rw, from, to) => rw.rw_decode_write_failed([...from, to]),
    fields: (found) => ({ bytes: found.u64(0), ...found.refusal(8) }),
  },
  Target: {
    call: (rw, from, to) => rw.rw_decode_target([...from, to]),
    fields: (found) => ({ target: found.text(0) }),
  },
  StatfsReply: {
    call: (rw, from, to) => rw.rw_decode_statfs([...from, to]),
    fields: (found) => found.statfs(),
  },
  Args: {
    call: (rw, from, to) => rw.rw_decode_args([...from, to, to + 16]),
    fields: (found) => ({ argv: found.texts(0), env: found.texts(16) }),
  },
  UdpReceived: {
    call: (rw, from, to) => rw.rw_decode_udp_received([...from, to]),
    fields: (found) => ({ segment: found.u32(12), data: found.bytes(0) }),
  },
  UdpReceivedFrom: {
    call: (rw, from, to) => rw.rw_decode_udp_received_from([...from, to, to + 24]),
    fields: (found) => ({ segment: found.u32(36), peer: found.inet(0), data: found.bytes(24) }),
  },
  UdpPeer: {
    call: (rw, from, to) => rw.rw_decode_bound([...from, to]),
    fields: (found) => ({ peer: found.inet(0) }),
  },
  UdpError: {
    call: (rw, from, to) => rw.rw_decode_udp_error([...from, to, to + 24]),
    fields: (found) => {
      const { errno, ...texts } = found.refusal(24);
      return { errno: errno!, peer: found.inet(0), ...texts };
    },
  },
  UdpLost: {
    call: (rw, from, to) => rw.rw_decode_u32([...from, to]),
    fields: (found) => ({ datagrams: found.u32(0) }),
  },
  Addresses: {
    call: (rw, from, to) => rw.rw_decode_addresses([...from, to, to + 16]),
    fields: (found) => ({ ttlSeconds: found.u32(0), addresses: found.inets(16) }),
  },
  Names: {
    call: (rw, from, to) => rw.rw_decode_names([...from, to, to + 16]),
    fields: (found) => ({ ttlSeconds: found.u32(0), names: found.texts(16) }),
  },
  UnixConnectReply: unixPeer,
  UnixIncoming: unixPeer,
  Entries: {
    call: (rw, from, to) => rw.rw_decode_entries([...from, to, to + 4, to + 16]),
    fields: (found) => ({ more: found.u32(0) === 1, skipped: found.u32(4), entries: found.entries(16) }),
  },
};

export function decode(rw: Library, io: Buffers, name: string, payload: string): Reply {
  if (RAW.includes(name)) return { status: "ok", fields: { data: payload } };
  if (name === "Opened") return { status: "ok", fields: { body: payload } };
  const decoder = DECODERS[name];
  if (decoder === undefined) return { unsupported: true };
  const status = decoder.call(rw, io.put(payload), io.out.address);
  return status < 0 ? replyOf(status) : { status: "ok", fields: decoder.fields(new Found(rw, io)) };
}
