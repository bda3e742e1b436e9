// The C guest library as ffi-rs calls it: its functions, what they return, and the buffers that are handed to them.

import { join } from "node:path";
import { type Scratch, scratch } from "@ringway/linux";
import { DataType, define, open } from "ffi-rs";
import type { Reply, Status } from "../../packages/conformance/src/contract.ts";
import { buildWith, noCompiler } from "../native/toolchain.ts";

let library = "";

/** Builds the library; why it cannot be used here, or undefined. */
export function buildLibrary(): string | undefined {
  if (noCompiler === undefined) library = join(buildWith("gcc", "libringway.so"), "libringway.so");
  return noCompiler;
}

// Pointers are integers of their size: addresses of our own, and of the region.
const I32 = DataType.I32;
const PTR = DataType.I64;
const U64 = DataType.I64;
const U32 = DataType.U32;
const SIGNATURES = {
  rw_guest_bytes: [U32],
  rw_stream_bytes: [U32],
  rw_guest_init: [I32, PTR, PTR, U32, PTR, U32, PTR, U32],
  rw_take_rings: [U32, PTR],
  rw_guest_attach: [I32, PTR],
  rw_guest_detach: [I32, PTR],
  rw_guest_violation: [U32, PTR],
  rw_take_pending: [I32, PTR, PTR, U32],
  rw_prepare_sleep: [I32, PTR],
  rw_log: [I32, PTR, U32, PTR, U32],
  rw_exit: [I32, PTR, U32],
  rw_get_args: [I32, PTR],
  rw_ping: [I32, PTR, PTR, U32],
  rw_explain: [I32, PTR, U32, PTR, U32],
  rw_control_reply: [I32, PTR, PTR, PTR, U32],
  rw_stream_new: [I32, PTR, U32, U32],
  rw_stream_at: [PTR, PTR, U32],
  rw_stream_state: [U32, PTR],
  rw_stream_id: [U32, PTR],
  rw_stream_generation: [U32, PTR],
  rw_stream_error: [U32, PTR],
  rw_open: [I32, PTR, U32, PTR, U32],
  rw_accept: [I32, PTR, PTR],
  rw_opened: [I32, PTR, PTR, PTR, U32],
  rw_send: [I32, PTR, PTR, U32],
  rw_recv: [I32, PTR, PTR, U32],
  rw_request: [I32, PTR, U32, PTR, U32],
  rw_frame_next: [I32, PTR, PTR, PTR, U32],
  rw_end: [I32, PTR],
  rw_stop: [I32, PTR],
  rw_close: [I32, PTR],
  rw_reset: [I32, PTR],
  rw_encode_new_stream: [I32, PTR, U32, U32, U32],
  rw_encode_log: [I32, PTR, U32, U32, PTR, U32],
  rw_encode_exit: [I32, PTR, U32, U32],
  rw_encode_ping: [I32, PTR, U32, PTR, U32],
  rw_encode_open: [I32, PTR, U32, U32, PTR, U32],
  rw_encode_connect: [I32, PTR, U32, U32, U32, PTR, U32],
  rw_encode_listen: [I32, PTR, U32, U32, PTR],
  rw_encode_file: [I32, PTR, U32, U32, U32, PTR, U32],
  rw_encode_file_stream: [I32, PTR, U32, U32, U32, U32, U64, U64, PTR, U32],
  rw_encode_accept: [I32, PTR, U32, U32, U32],
  rw_encode_read: [I32, PTR, U32, U32],
  rw_encode_read_at: [I32, PTR, U32, U64, U32],
  rw_encode_write_at: [I32, PTR, U32, U64],
  rw_encode_seek: [I32, PTR, U32, U32, U64],
  rw_encode_truncate: [I32, PTR, U32, U64],
  rw_encode_sync: [I32, PTR, U32, U32],
  rw_encode_path: [I32, PTR, U32, PTR, U32],
  rw_encode_mkdir: [I32, PTR, U32, U32, U32, PTR, U32],
  rw_encode_two_paths: [I32, PTR, U32, PTR, U32, PTR, U32],
  rw_encode_chmod: [I32, PTR, U32, U32, PTR, U32],
  rw_encode_utimes: [I32, PTR, U32, PTR, PTR, PTR, U32],
  rw_encode_inet: [I32, PTR, U32, PTR],
  rw_encode_udp_bind: [I32, PTR, U32, U32, PTR],
  rw_encode_udp_send: [I32, PTR, U32, U32],
  rw_encode_udp_send_to: [I32, PTR, U32, U32, PTR],
  rw_encode_udp_lookup: [I32, PTR, U32, U32, PTR, U32],
  rw_encode_udp_set: [I32, PTR, U32, U32, U32],
  rw_encode_udp_group: [I32, PTR, U32, PTR, PTR, PTR],
  rw_encode_resolve: [I32, PTR, U32, U32, PTR, U32],
  rw_encode_unix_connect: [I32, PTR, U32, U32, U32, PTR, U32],
  rw_encode_unix_listen: [I32, PTR, U32, U32, U32, U32, PTR, U32],
  rw_encode_mount: [I32, PTR, U32, PTR, U32],
  rw_encode_mount_open: [I32, PTR, U32, U32, U32, U32, PTR, U32],
  rw_encode_mount_read: [I32, PTR, U32, U32, U64, U32],
  rw_encode_mount_write: [I32, PTR, U32, U32, U32, U64],
  rw_encode_mount_fsync: [I32, PTR, U32, U32, U32],
  rw_encode_mount_fallocate: [I32, PTR, U32, U32, U32, U64, U64],
  rw_encode_mount_copy_range: [I32, PTR, U32, U32, U32, U64, U64, U64],
  rw_encode_mount_seek: [I32, PTR, U32, U32, U32, U64],
  rw_encode_mount_lock: [I32, PTR, U32, U32, U32, U32, U64, U64],
  rw_encode_mount_test_lock: [I32, PTR, U32, U32, U32, U64, U64],
  rw_encode_mount_stat: [I32, PTR, U32, U32, U32, PTR, U32],
  rw_encode_mount_read_dir: [I32, PTR, U32, U32, U32, U32, U32],
  rw_encode_mount_make: [I32, PTR, U32, U32, U32, PTR, U32],
  rw_encode_mount_symlink: [I32, PTR, U32, U32, PTR, U32, PTR, U32],
  rw_encode_mount_link: [I32, PTR, U32, U32, U32, PTR, U32, PTR, U32],
  rw_encode_mount_path: [I32, PTR, U32, U32, PTR, U32],
  rw_encode_mount_rename: [I32, PTR, U32, U32, U32, U32, PTR, U32, PTR, U32],
  rw_encode_mount_xattr: [I32, PTR, U32, U32, U32, PTR, U32, PTR, U32],
  rw_encode_mount_set_xattr: [I32, PTR, U32, U32, U32, U32, PTR, U32, PTR, U32],
  rw_encode_mount_set_attr: [I32, PTR, U32, U32, U32, PTR, PTR, U32],
  rw_encode_u32: [I32, PTR, U32, U32],
  rw_decode_empty: [I32, PTR, U32],
  rw_decode_error: [I32, PTR, U32, PTR],
  rw_decode_stat: [I32, PTR, U32, PTR],
  rw_decode_stream_info: [I32, PTR, U32, PTR],
  rw_decode_verdict: [I32, PTR, U32, PTR],
  rw_decode_endpoints: [I32, PTR, U32, PTR],
  rw_decode_bound: [I32, PTR, U32, PTR],
  rw_decode_file_stream: [I32, PTR, U32, PTR, PTR],
  rw_decode_u32: [I32, PTR, U32, PTR],
  rw_decode_u64: [I32, PTR, U32, PTR],
  rw_decode_write_failed: [I32, PTR, U32, PTR],
  rw_decode_target: [I32, PTR, U32, PTR],
  rw_decode_statfs: [I32, PTR, U32, PTR],
  rw_decode_args: [I32, PTR, U32, PTR, PTR],
  rw_next_text: [I32, PTR, PTR],
  rw_decode_entries: [I32, PTR, U32, PTR, PTR, PTR],
  rw_next_entry: [I32, PTR, PTR],
  rw_decode_udp_received: [I32, PTR, U32, PTR],
  rw_decode_udp_received_from: [I32, PTR, U32, PTR, PTR],
  rw_decode_udp_error: [I32, PTR, U32, PTR, PTR],
  rw_decode_addresses: [I32, PTR, U32, PTR, PTR],
  rw_next_inet: [I32, PTR, PTR],
  rw_decode_names: [I32, PTR, U32, PTR, PTR],
  rw_decode_unix_peer: [I32, PTR, U32, PTR],
  rw_decode_mount: [I32, PTR, U32, PTR, PTR, PTR],
  rw_decode_mount_handle: [I32, PTR, U32, PTR, PTR],
  rw_decode_mount_attributes: [I32, PTR, U32, PTR],
  rw_decode_mount_lock: [I32, PTR, U32, PTR],
  rw_decode_mount_names: [I32, PTR, U32, PTR],
  rw_next_mount_name: [I32, PTR, PTR],
  rw_decode_mount_entries: [I32, PTR, U32, PTR],
  rw_next_mount_entry: [I32, PTR, PTR],
  rw_decode_mount_xattrs: [I32, PTR, U32, PTR],
  rw_next_mount_xattr: [I32, PTR, PTR],
  rw_decode_mount_event: [I32, PTR, U32, PTR],
} as const;

export type Library = { readonly [K in keyof typeof SIGNATURES]: (args: number[]) => number };

export function load(): Library {
  open({ library: "ringway", path: library });
  const functions = Object.entries(SIGNATURES).map(([name, [retType, ...paramsType]]) => [
    name,
    { library: "ringway", retType, paramsType: [...paramsType] },
  ]);
  return define(Object.fromEntries(functions)) as unknown as Library;
}

const STATUS: Readonly<Record<number, Status>> = {
  [-1]: "again",
  [-2]: "end",
  [-3]: "closed",
  [-4]: "reset",
  [-5]: "refused",
  [-6]: "lost",
  [-7]: "failed",
  [-32]: "invalid",
  // The call does not fit the state: a stream that is gone.
  [-33]: "closed",
  [-34]: "invalid",
};

export function replyOf(status: number): Reply {
  if (status >= 0) return { status: "ok" };
  if (status <= -80) return { status: "violation", violation: 1 };
  if (status <= -65) return { status: "violation", violation: -status - 64 };
  return { status: STATUS[status]! };
}

export const PAYLOAD_MAX = 65_600;

/** A message's fields, whose types its encoder knows. */
export type Arguments = Record<string, never>;
/** Where a payload goes: its address and the room there. */
export type To = readonly [number, number];
/** Bytes of the payload, or a negative status. */
export type Encoder = (rw: Library, to: To, f: Arguments, io: Buffers) => number;

/** A second text or struct of a call lies behind the first. */
export const SECOND = 32_768;

/** Memory that the library reads arguments from and writes answers to. */
export class Buffers {
  readonly in: Scratch = scratch(1 << 17);
  readonly out: Scratch = scratch(1 << 17);

  /** Bytes as arguments: where they lie, and how many they are. */
  put(hex: string, at = 0): [address: number, bytes: number] {
    const bytes = Buffer.from(hex, "hex");
    this.in.bytes.set(bytes, at);
    return [this.in.address + at, bytes.length];
  }

  /** Times one after the other: their address. */
  times(times: readonly { seconds: number; nanoseconds: number }[], at: number): number {
    const bytes = Buffer.alloc(16 * times.length);
    for (const [i, { seconds, nanoseconds }] of times.entries()) {
      bytes.writeBigInt64LE(BigInt(seconds), 16 * i);
      bytes.writeUInt32LE(nanoseconds, 16 * i + 8);
    }
    return this.put(bytes.toString("hex"), at)[0];
  }

  text(text: string, at = 0): [address: number, bytes: number] {
    return this.put(Buffer.from(text).toString("hex"), at);
  }

  /** The first bytes of the answer. */
  hex(bytes: number): string {
    return Buffer.from(this.out.bytes.slice(0, bytes)).toString("hex");
  }
}
