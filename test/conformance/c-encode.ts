// Messages of the guest's by the C library's calls: fields in and a payload out.

import type { Fields } from "../../packages/conformance/src/catalogue.ts";
import type { Reply } from "../../packages/conformance/src/contract.ts";
import {
  type Arguments,
  type Buffers,
  type Encoder,
  type Library,
  PAYLOAD_MAX,
  replyOf,
  SECOND,
} from "./c-library.ts";
import { MOUNT_ENCODERS } from "./c-mount.ts";

const path: Encoder = (rw, to, f, io) => rw.rw_encode_path([...to, ...io.text(f.path!)]);
const open: Encoder = (rw, to, f, io) => rw.rw_encode_open([...to, f.protocol!, ...io.put(f.body!)]);

const udpGroup: Encoder = (rw, to, f, io) => {
  const inets = [f.group!, f.source!, f.interface!].map((inet, i) => putInet(io, inet, 24 * i));
  return rw.rw_encode_udp_group([...to, ...inets]);
};

const ENCODERS: Readonly<Record<string, Encoder>> = {
  NewStream: (rw, to, f) => rw.rw_encode_new_stream([...to, f.toHostBytes!, f.toGuestBytes!]),
  Log: (rw, to, f, io) => rw.rw_encode_log([...to, f.level!, ...io.text(f.text!)]),
  Exit: (rw, to, f) => rw.rw_encode_exit([...to, f.code!]),
  Ping: (rw, to, f, io) => rw.rw_encode_ping([...to, ...io.put(f.data!)]),
  Open: open,
  Explain: open,
  ConnectRequest: (rw, to, f, io) =>
    rw.rw_encode_connect([...to, f.port!, f.timeoutMs!, ...io.text(f.host!)]),
  ListenRequest: (rw, to, f, io) => rw.rw_encode_listen([...to, f.backlog!, putInet(io, f.address!)]),
  FileOpen: (rw, to, f, io) => rw.rw_encode_file([...to, f.flags!, f.mode!, ...io.text(f.path!)]),
  FileStreamOpen: (rw, to, f, io) => {
    const numbers = [f.direction!, f.flags!, f.mode!, f.offset!, f.length!];
    return rw.rw_encode_file_stream([...to, ...numbers, ...io.text(f.path!)]);
  },
  Accept: (rw, to, f) => rw.rw_encode_accept([...to, f.id!, f.generation!]),
  Read: (rw, to, f) => rw.rw_encode_read([...to, f.bytes!]),
  ReadAt: (rw, to, f) => rw.rw_encode_read_at([...to, f.offset!, f.bytes!]),
  WriteAt: (rw, to, f) => rw.rw_encode_write_at([...to, f.offset!]),
  Seek: (rw, to, f) => rw.rw_encode_seek([...to, f.whence!, f.offset!]),
  Truncate: (rw, to, f) => rw.rw_encode_truncate([...to, f.bytes!]),
  Sync: (rw, to, f) => rw.rw_encode_sync([...to, f.dataOnly!]),
  Stat: path,
  Lstat: path,
  ReadDir: path,
  Unlink: path,
  Rmdir: path,
  Readlink: path,
  Statfs: path,
  Mkdir: (rw, to, f, io) => rw.rw_encode_mkdir([...to, f.mode!, f.parents ? 1 : 0, ...io.text(f.path!)]),
  Rename: (rw, to, f, io) => rw.rw_encode_two_paths([...to, ...io.text(f.from!), ...io.text(f.to!, SECOND)]),
  Symlink: (rw, to, f, io) =>
    rw.rw_encode_two_paths([...to, ...io.text(f.target!), ...io.text(f.path!, SECOND)]),
  Chmod: (rw, to, f, io) => rw.rw_encode_chmod([...to, f.mode!, ...io.text(f.path!)]),
  Utimes: (rw, to, f, io) => {
    const at = io.times([f.accessed!, f.modified!], SECOND);
    return rw.rw_encode_utimes([...to, at, at + 16, ...io.text(f.path!)]);
  },
  UdpBindRequest: (rw, to, f, io) => rw.rw_encode_udp_bind([...to, f.flags!, putInet(io, f.address!)]),
  UdpSend: (rw, to, f) => rw.rw_encode_udp_send([...to, f.segment!]),
  UdpSendTo: (rw, to, f, io) => rw.rw_encode_udp_send_to([...to, f.segment!, putInet(io, f.peer!)]),
  UdpLookup: (rw, to, f, io) => rw.rw_encode_udp_lookup([...to, f.port!, ...io.text(f.host!)]),
  UdpSet: (rw, to, f) => rw.rw_encode_udp_set([...to, f.option!, f.value!]),
  UdpInterface: (rw, to, f, io) => rw.rw_encode_inet([...to, putInet(io, f.interface!)]),
  UdpJoin: udpGroup,
  UdpLeave: udpGroup,
  Resolve: (rw, to, f, io) => rw.rw_encode_resolve([...to, f.family!, ...io.text(f.name!)]),
  Reverse: (rw, to, f, io) => rw.rw_encode_inet([...to, putInet(io, f.address!)]),
  UnixConnectRequest: (rw, to, f, io) =>
    rw.rw_encode_unix_connect([...to, f.kind!, f.timeoutMs!, ...io.text(f.path!)]),
  UnixListenRequest: (rw, to, f, io) =>
    rw.rw_encode_unix_listen([...to, f.kind!, f.mode!, f.backlog!, ...io.text(f.path!)]),
  ...MOUNT_ENCODERS,
};

/** Behind whose fields the data follow as they are. */
const BEFORE_DATA = ["WriteAt", "UdpSend", "UdpSendTo", "MountWrite", "MountSetXattr"];

/** Their payload is nothing: there is no call for them. */
const EMPTY = ["GetArgs", "FileStat", "Close"];

function putInet(io: Buffers, inet: { family: number; port: number; address: string }, at = 0): number {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(inet.family, 0);
  bytes.writeUInt32LE(inet.port, 4);
  bytes.set(Buffer.from(inet.address, "hex"), 8);
  return io.put(bytes.toString("hex"), at)[0];
}

export function encode(rw: Library, io: Buffers, name: string, fields: Fields): Reply {
  const f = fields as Arguments;
  if (EMPTY.includes(name)) return { status: "ok", payload: "" };
  // The payload is the data itself.
  if (name === "Write" || name === "UnixSend") return { status: "ok", payload: f.data! };
  const encoder = ENCODERS[name];
  if (encoder === undefined) return { unsupported: true };
  const status = encoder(rw, [io.out.address, PAYLOAD_MAX], f, io);
  if (status < 0) return replyOf(status);
  return { status: "ok", payload: io.hex(status) + (BEFORE_DATA.includes(name) ? (f.data ?? f.value!) : "") };
}
