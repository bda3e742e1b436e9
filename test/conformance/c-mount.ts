// Messages of mounts by the C library's calls (PROTOCOL.md section 19). Paths and names are bytes: hex here.

import type { Fields } from "../../packages/conformance/src/catalogue.ts";
import type { Decoder, Found } from "./c-found.ts";
import { type Encoder, SECOND } from "./c-library.ts";

const word =
  (field: string): Encoder =>
  (rw, to, f) =>
    rw.rw_encode_u32([...to, f[field]!]);
const atPath: Encoder = (rw, to, f, io) => rw.rw_encode_mount_path([...to, f.at!, ...io.put(f.path!)]);
const stat: Encoder = (rw, to, f, io) =>
  rw.rw_encode_mount_stat([...to, f.at!, f.follow ? 1 : 0, ...io.put(f.path!)]);
const make: Encoder = (rw, to, f, io) => rw.rw_encode_mount_make([...to, f.at!, f.mode!, ...io.put(f.path!)]);
const readDir: Encoder = (rw, to, f) =>
  rw.rw_encode_mount_read_dir([...to, f.handle!, f.cookieLow!, f.cookieHigh!, f.entries!]);
const xattr: Encoder = (rw, to, f, io) => {
  const names = [...io.put(f.name!), ...io.put(f.path!, SECOND)];
  return rw.rw_encode_mount_xattr([...to, f.at!, f.follow ? 1 : 0, ...names]);
};

export const MOUNT_ENCODERS: Readonly<Record<string, Encoder>> = {
  MountRequest: (rw, to, f, io) => rw.rw_encode_mount([...to, ...io.put(f.path!)]),
  MountOpen: (rw, to, f, io) =>
    rw.rw_encode_mount_open([...to, f.at!, f.flags!, f.mode!, ...io.put(f.path!)]),
  MountRelease: word("handle"),
  MountFlush: word("handle"),
  MountUnwatch: word("watch"),
  MountCancel: word("id"),
  MountRead: (rw, to, f) => rw.rw_encode_mount_read([...to, f.handle!, f.offset!, f.bytes!]),
  MountWrite: (rw, to, f) => rw.rw_encode_mount_write([...to, f.handle!, f.flags!, f.offset!]),
  MountFsync: (rw, to, f) => rw.rw_encode_mount_fsync([...to, f.handle!, f.dataOnly ? 1 : 0]),
  MountFallocate: (rw, to, f) =>
    rw.rw_encode_mount_fallocate([...to, f.handle!, f.mode!, f.offset!, f.bytes!]),
  MountCopyRange: (rw, to, f) =>
    rw.rw_encode_mount_copy_range([...to, f.from!, f.to!, f.fromOffset!, f.toOffset!, f.bytes!]),
  MountSeek: (rw, to, f) => rw.rw_encode_mount_seek([...to, f.handle!, f.whence!, f.offset!]),
  MountLock: (rw, to, f) =>
    rw.rw_encode_mount_lock([...to, f.handle!, f.kind!, f.wait ? 1 : 0, f.start!, f.bytes!]),
  MountTestLock: (rw, to, f) => rw.rw_encode_mount_test_lock([...to, f.handle!, f.kind!, f.start!, f.bytes!]),
  MountStat: stat,
  MountListXattr: stat,
  MountSetAttr: (rw, to, f, io) => {
    const set = Buffer.alloc(24);
    for (const [i, value] of [f.valid!, f.mode!, f.uid!, f.gid!].entries()) set.writeUInt32LE(value, 4 * i);
    set.writeBigUInt64LE(BigInt(f.size!), 16);
    const [at] = io.put(set.toString("hex"), SECOND);
    io.times([f.accessed!, f.modified!], SECOND + 24);
    return rw.rw_encode_mount_set_attr([...to, f.at!, f.follow ? 1 : 0, at, ...io.put(f.path!)]);
  },
  MountReadDir: readDir,
  MountReadDirPlus: readDir,
  MountMkdir: make,
  MountMknod: make,
  MountWatch: (rw, to, f, io) => rw.rw_encode_mount_make([...to, f.at!, f.flags!, ...io.put(f.path!)]),
  MountSymlink: (rw, to, f, io) =>
    rw.rw_encode_mount_symlink([...to, f.at!, ...io.put(f.target!), ...io.put(f.path!, SECOND)]),
  MountLink: (rw, to, f, io) => {
    const paths = [...io.put(f.from!), ...io.put(f.to!, SECOND)];
    return rw.rw_encode_mount_link([...to, f.fromAt!, f.toAt!, ...paths]);
  },
  MountReadlink: atPath,
  MountUnlink: atPath,
  MountRmdir: atPath,
  MountStatfs: atPath,
  MountRename: (rw, to, f, io) => {
    const paths = [...io.put(f.from!), ...io.put(f.to!, SECOND)];
    return rw.rw_encode_mount_rename([...to, f.fromAt!, f.toAt!, f.flags!, ...paths]);
  },
  MountGetXattr: xattr,
  MountRemoveXattr: xattr,
  MountSetXattr: (rw, to, f, io) => {
    const names = [...io.put(f.name!), ...io.put(f.path!, SECOND)];
    return rw.rw_encode_mount_set_xattr([...to, f.at!, f.follow ? 1 : 0, f.flags!, ...names]);
  },
};

/** Each list's item is taken to this offset. */
const ITEM = 64;

function attributes(found: Found, at: number): Fields {
  const words = ["kind", "mode", "links", "uid", "gid", "device", "inodeLow", "inodeHigh"];
  const times = ["accessed", "modified", "changed", "created"];
  return {
    ...Object.fromEntries(words.map((name, i) => [name, found.u32(at + 4 * i)])),
    size: found.u64(at + 32),
    blocks: found.u64(at + 40),
    ...Object.fromEntries(times.map((name, i) => [name, found.time(at + 48 + 16 * i)])),
  };
}

const cookie = (found: Found): Fields => ({ cookieLow: found.u32(ITEM), cookieHigh: found.u32(ITEM + 4) });

export const MOUNT_DECODERS: Readonly<Record<string, Decoder>> = {
  MountReply: {
    call: (rw, from, to) => rw.rw_decode_mount([...from, to, to + 4, to + 8]),
    fields: (found) => ({ handles: found.u32(0), requests: found.u32(4), ...attributes(found, 8) }),
  },
  MountHandle: {
    call: (rw, from, to) => rw.rw_decode_mount_handle([...from, to, to + 8]),
    fields: (found) => ({ handle: found.u32(0), ...attributes(found, 8) }),
  },
  MountAttributes: {
    call: (rw, from, to) => rw.rw_decode_mount_attributes([...from, to]),
    fields: (found) => attributes(found, 0),
  },
  MountLockFound: {
    call: (rw, from, to) => rw.rw_decode_mount_lock([...from, to]),
    fields: (found) => ({ kind: found.u32(16), start: found.u64(0), bytes: found.u64(8) }),
  },
  MountNames: {
    call: (rw, from, to) => rw.rw_decode_mount_names([...from, to]),
    fields: (found) => ({
      entries: found.items(
        (item) => found.rw.rw_next_mount_name([found.io.out.address, item]),
        () => ({
          ...cookie(found),
          kind: found.u32(ITEM + 8),
          inodeLow: found.u32(ITEM + 12),
          inodeHigh: found.u32(ITEM + 16),
          name: found.bytes(ITEM + 24),
        }),
      ),
    }),
  },
  MountEntries: {
    call: (rw, from, to) => rw.rw_decode_mount_entries([...from, to]),
    fields: (found) => ({
      entries: found.items(
        (item) => found.rw.rw_next_mount_entry([found.io.out.address, item]),
        () => ({ ...cookie(found), ...attributes(found, ITEM + 8), name: found.bytes(ITEM + 120) }),
      ),
    }),
  },
  MountXattrs: {
    call: (rw, from, to) => rw.rw_decode_mount_xattrs([...from, to]),
    fields: (found) => ({
      names: found.items(
        (item) => found.rw.rw_next_mount_xattr([found.io.out.address, item]),
        () => found.bytes(ITEM),
      ),
    }),
  },
  MountWatching: {
    call: (rw, from, to) => rw.rw_decode_u32([...from, to]),
    fields: (found) => ({ watch: found.u32(0) }),
  },
  MountEvent: {
    call: (rw, from, to) => rw.rw_decode_mount_event([...from, to]),
    fields: (found) => ({
      watch: found.u32(0),
      events: found.u32(4),
      cookie: found.u32(8),
      path: found.bytes(16),
    }),
  },
};
