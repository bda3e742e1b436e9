// Messages of the host's by the C library's calls: a payload in and fields out.

import type { Reply } from "../../packages/conformance/src/contract.ts";
import { type Decoder, Found } from "./c-found.ts";
import { type Buffers, type Library, replyOf } from "./c-library.ts";
import { MOUNT_DECODERS } from "./c-mount.ts";

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
  ...MOUNT_DECODERS,
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
