// The testee on the C guest library, loaded into this process by ffi-rs: it works on the mapping that the suite has.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Scratch, type SharedMemory, scratch } from "@ringway/linux";
import { close, DataType, define, open } from "ffi-rs";
import type { Fields } from "../../packages/conformance/src/catalogue.ts";
import type { Command, Reply, Status, Testee } from "../../packages/conformance/src/contract.ts";

const NATIVE = fileURLToPath(new URL("../../native/", import.meta.url));
const LIBRARY = `${NATIVE}build/libringway.so`;

/** Builds the library; why it cannot be used here, or undefined. */
export function buildLibrary(): string | undefined {
  for (const tool of ["make", "gcc"]) {
    if (spawnSync(tool, ["--version"]).status !== 0) return `there is no ${tool} here`;
  }
  const { status, stderr } = spawnSync("make", ["-s", "-C", NATIVE, "build/libringway.so"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the C library does not build:\n${stderr}`);
  return undefined;
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
} as const;

type Library = { readonly [K in keyof typeof SIGNATURES]: (args: number[]) => number };

function load(): Library {
  open({ library: "ringway", path: LIBRARY });
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

function replyOf(status: number): Reply {
  if (status >= 0) return { status: "ok" };
  if (status <= -80) return { status: "violation", violation: 1 };
  if (status <= -65) return { status: "violation", violation: -status - 64 };
  return { status: STATUS[status]! };
}

const unsupported: Reply = { unsupported: true };
const SLOTS = 64;
const PAYLOAD_MAX = 65_600;
const FRESH = 2;

interface Stream {
  readonly command: Extract<Command, { do: "open" | "accept" }>;
  slot: number;
  first: boolean;
}

export class CGuest implements Testee {
  readonly name = "C (libringway, by ffi-rs)";
  readonly #rw: Library;
  readonly #guest: Scratch;
  readonly #streams: Scratch;
  readonly #scratch: Scratch = scratch(PAYLOAD_MAX);
  readonly #in: Scratch = scratch(1 << 17);
  readonly #out: Scratch = scratch(1 << 17);
  readonly #frame: Scratch = scratch(24);
  readonly #slots: Scratch = scratch(4 * SLOTS);
  #memory: SharedMemory | undefined;
  #named: Map<string, Stream> = new Map();

  constructor() {
    this.#rw = load();
    this.#guest = scratch(this.#rw.rw_guest_bytes([]));
    this.#streams = scratch(SLOTS * this.#rw.rw_stream_bytes([]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    close("ringway");
  }

  async ask(command: Command, memory?: SharedMemory): Promise<Reply> {
    const reply = this.#do(command, memory);
    const rings = this.#memory === undefined ? 0 : this.#rw.rw_take_rings([this.#guest.address]);
    return rings === 0 ? reply : { ...reply, rings };
  }

  #put(hex: string, at = 0): [address: number, bytes: number] {
    const bytes = Buffer.from(hex, "hex");
    this.#in.bytes.set(bytes, at);
    return [this.#in.address + at, bytes.length];
  }

  #text(text: string, at = 0): [address: number, bytes: number] {
    return this.#put(Buffer.from(text).toString("hex"), at);
  }

  #hex(from: Scratch, bytes: number): string {
    return Buffer.from(from.bytes.slice(0, bytes)).toString("hex");
  }

  #do(command: Command, memory: SharedMemory | undefined): Reply {
    const rw = this.#rw;
    const guest = this.#guest.address;
    switch (command.do) {
      case "encode":
        return this.#encode(command.message, command.fields);
      case "decode":
        return this.#decode(command.message, command.payload);
      case "attach": {
        this.#named = new Map();
        if (memory !== undefined) {
          this.#memory = memory;
          const region = [memory.address, memory.bytes / 4096] as const;
          const status = rw.rw_guest_init([
            guest,
            ...region,
            this.#streams.address,
            SLOTS,
            this.#scratch.address,
            PAYLOAD_MAX,
          ]);
          if (status < 0) return replyOf(status);
        }
        return replyOf(rw.rw_guest_attach([guest]));
      }
      case "poll":
        return this.#poll();
      case "sleep": {
        const status = rw.rw_prepare_sleep([guest]);
        return status < 0 ? { status: "ok", asleep: true } : { status: "ok", asleep: status === 1 };
      }
      case "detach":
        return replyOf(rw.rw_guest_detach([guest]));
      case "control":
        return this.#control(command.message, command.fields as Record<string, never>);
      case "reply": {
        const status = rw.rw_control_reply([
          guest,
          this.#frame.address,
          this.#out.address,
          this.#out.bytes.length,
        ]);
        if (status !== -5) return status < 0 ? replyOf(status) : this.#frameReply();
        return { ...this.#frameReply(), status: "refused", errno: this.#out.view.getUint32(0, true) };
      }
      case "open":
      case "accept": {
        const stream: Stream = { command, slot: -1, first: false };
        this.#named.set(command.stream, stream);
        return this.#advance(stream);
      }
      default:
        return this.#onStream(command);
    }
  }

  #poll(): Reply {
    const pending = new Set<number>();
    for (;;) {
      const count = this.#rw.rw_take_pending([this.#guest.address, this.#slots.address, SLOTS]);
      if (count === -1) return { status: "waiting" };
      if (count === -33) return { status: "detached" };
      if (count === -7)
        return { status: "failed", violation: this.#rw.rw_guest_violation([this.#guest.address]) };
      if (count < 0) return replyOf(count);
      for (let i = 0; i < count; i++) pending.add(this.#slots.view.getUint32(4 * i, true));
      if (count < SLOTS) break;
    }
    for (const stream of this.#named.values()) this.#advance(stream);
    const names = [...this.#named].filter(([, { slot }]) => pending.has(slot)).map(([name]) => name);
    return { status: "attached", pending: names };
  }

  /** NewStream, then Open or Accept, as soon as each can be sent. */
  #advance(stream: Stream): Reply {
    const rw = this.#rw;
    const { command } = stream;
    if (stream.slot < 0) {
      const slot = rw.rw_stream_new([this.#guest.address, command.toHost, command.toGuest]);
      if (slot < 0) return slot === -1 ? { status: "ok" } : replyOf(slot);
      stream.slot = slot;
    }
    const at = this.#at(stream);
    if (stream.first || rw.rw_stream_state([at]) !== FRESH) return { status: "ok" };
    let status: number;
    if (command.do === "open") status = rw.rw_open([at, command.protocol, ...this.#put(command.body)]);
    else status = rw.rw_accept([this.#at(this.#named.get(command.listener)!), at]);
    stream.first = status === 0;
    return { status: "ok" };
  }

  #at(stream: Stream): number {
    return this.#rw.rw_stream_at([this.#guest.address, stream.slot]);
  }

  #frameReply(): Reply {
    const { view } = this.#frame;
    const [type, request, bytes] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [
      number,
      number,
      number,
    ];
    return { status: "ok", type, request, payload: this.#hex(this.#out, bytes) };
  }

  #control(name: string, fields: Record<string, never>): Reply {
    const rw = this.#rw;
    const guest = this.#guest.address;
    switch (name) {
      case "Log":
        return replyOf(rw.rw_log([guest, fields.level!, ...this.#text(fields.text!)]));
      case "Exit":
        return replyOf(rw.rw_exit([guest, fields.code!]));
      case "GetArgs":
        return replyOf(rw.rw_get_args([guest]));
      case "Ping":
        return replyOf(rw.rw_ping([guest, ...this.#put(fields.data!)]));
      case "Explain":
        return replyOf(rw.rw_explain([guest, fields.protocol!, ...this.#put(fields.body!)]));
      default:
        return unsupported;
    }
  }

  #onStream(command: Extract<Command, { stream: string }>): Reply {
    const rw = this.#rw;
    const stream = this.#named.get(command.stream);
    if (stream === undefined || stream.slot < 0) return { status: "lost" };
    const at = this.#at(stream);
    const buffer = [this.#out.address, this.#out.bytes.length] as const;
    switch (command.do) {
      case "opened": {
        const status = rw.rw_opened([at, this.#frame.address, ...buffer]);
        const found = { id: rw.rw_stream_id([at]), generation: rw.rw_stream_generation([at]) };
        if (status === 0) return { ...this.#frameReply(), ...found };
        return {
          ...replyOf(status),
          ...(status === -5 ? { errno: rw.rw_stream_error([at]) } : {}),
          ...found,
        };
      }
      case "frame": {
        const status = rw.rw_frame_next([at, this.#frame.address, ...buffer]);
        return status === 0 ? this.#frameReply() : replyOf(status);
      }
      case "send": {
        const status = rw.rw_send([at, ...this.#put(command.data)]);
        return status < 0 ? replyOf(status) : { status: "ok", bytes: status };
      }
      case "recv": {
        const status = rw.rw_recv([at, this.#out.address, command.max]);
        return status < 0 ? replyOf(status) : { status: "ok", data: this.#hex(this.#out, status) };
      }
      case "request": {
        const status = rw.rw_request([at, command.type, ...this.#put(command.payload)]);
        return status < 0 ? replyOf(status) : { status: "ok", request: status };
      }
      case "position":
        return this.#moveTo(stream, command.position);
      case "end":
        return replyOf(rw.rw_end([at]));
      case "stop":
        return replyOf(rw.rw_stop([at]));
      case "close":
        return replyOf(rw.rw_close([at]));
      case "reset":
        return replyOf(rw.rw_reset([at]));
      default:
        return unsupported;
    }
  }

  /** The library has no call for this: its struct is written to, after a look whether it is what ringway.h says. */
  #moveTo({ slot, command }: Stream, position: number): Reply {
    const at = slot * this.#rw.rw_stream_bytes([]);
    const { view } = this.#streams;
    const word = (offset: number): number => view.getUint32(at + offset, true);
    // user, guest; to_host: data, own, other, capacity, written, read; to_guest: data, own, other, capacity, read,
    // written.
    if (word(40) !== command.toHost || word(88) !== command.toGuest) return unsupported;
    for (const offset of [44, 48, 92, 96]) view.setUint32(at + offset, position, true);
    return { status: "ok" };
  }

  // ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #encode(name: string, given: Fields): Reply {
    const rw = this.#rw;
    const f = given as Record<string, never>;
    const to = [this.#out.address, PAYLOAD_MAX] as const;
    const path = (text: string = f.path!): [number, number] => this.#text(text);
    let status: number;
    switch (name) {
      case "NewStream":
        status = rw.rw_encode_new_stream([...to, f.toHostBytes!, f.toGuestBytes!]);
        break;
      case "Log":
        status = rw.rw_encode_log([...to, f.level!, ...this.#text(f.text!)]);
        break;
      case "Exit":
        status = rw.rw_encode_exit([...to, f.code!]);
        break;
      case "Ping":
        status = rw.rw_encode_ping([...to, ...this.#put(f.data!)]);
        break;
      case "Open":
      case "Explain":
        status = rw.rw_encode_open([...to, f.protocol!, ...this.#put(f.body!)]);
        break;
      case "ConnectRequest":
        status = rw.rw_encode_connect([...to, f.port!, f.timeoutMs!, ...this.#text(f.host!)]);
        break;
      case "ListenRequest": {
        const { family, port, address } = f.address as unknown as {
          family: number;
          port: number;
          address: string;
        };
        const inet = Buffer.alloc(24);
        inet.writeUInt32LE(family, 0);
        inet.writeUInt32LE(port, 4);
        inet.set(Buffer.from(address, "hex"), 8);
        status = rw.rw_encode_listen([...to, f.backlog!, this.#put(inet.toString("hex"))[0]]);
        break;
      }
      case "FileOpen":
        status = rw.rw_encode_file([...to, f.flags!, f.mode!, ...path()]);
        break;
      case "FileStreamOpen":
        status = rw.rw_encode_file_stream([
          ...to,
          f.direction!,
          f.flags!,
          f.mode!,
          f.offset!,
          f.length!,
          ...path(),
        ]);
        break;
      case "Accept":
        status = rw.rw_encode_accept([...to, f.id!, f.generation!]);
        break;
      case "Read":
        status = rw.rw_encode_read([...to, f.bytes!]);
        break;
      case "ReadAt":
        status = rw.rw_encode_read_at([...to, f.offset!, f.bytes!]);
        break;
      case "WriteAt": {
        // The data follow as they are.
        status = rw.rw_encode_write_at([...to, f.offset!]);
        if (status < 0) return replyOf(status);
        return { status: "ok", payload: this.#hex(this.#out, status) + f.data };
      }
      case "Seek":
        status = rw.rw_encode_seek([...to, f.whence!, f.offset!]);
        break;
      case "Truncate":
        status = rw.rw_encode_truncate([...to, f.bytes!]);
        break;
      case "Sync":
        status = rw.rw_encode_sync([...to, f.dataOnly!]);
        break;
      case "Stat":
      case "Lstat":
      case "ReadDir":
      case "Unlink":
      case "Rmdir":
      case "Readlink":
      case "Statfs":
        status = rw.rw_encode_path([...to, ...path()]);
        break;
      case "Mkdir":
        status = rw.rw_encode_mkdir([...to, f.mode!, f.parents ? 1 : 0, ...path()]);
        break;
      case "Rename":
        status = rw.rw_encode_two_paths([...to, ...this.#text(f.from!), ...this.#text(f.to!, 32_768)]);
        break;
      case "Symlink":
        status = rw.rw_encode_two_paths([...to, ...this.#text(f.target!), ...this.#text(f.path!, 32_768)]);
        break;
      case "Chmod":
        status = rw.rw_encode_chmod([...to, f.mode!, ...path()]);
        break;
      case "Utimes": {
        const times = Buffer.alloc(32);
        for (const [i, time] of [f.accessed, f.modified].entries()) {
          const { seconds, nanoseconds } = time as unknown as { seconds: number; nanoseconds: number };
          times.writeBigInt64LE(BigInt(seconds), 16 * i);
          times.writeUInt32LE(nanoseconds, 16 * i + 8);
        }
        const [at] = this.#put(times.toString("hex"), 32_768);
        status = rw.rw_encode_utimes([...to, at, at + 16, ...path()]);
        break;
      }
      // Their payload is the data itself, or nothing: there is no call for them.
      case "Write":
        return { status: "ok", payload: f.data! };
      case "GetArgs":
      case "FileStat":
      case "Close":
        return { status: "ok", payload: "" };
      default:
        return unsupported;
    }
    return status < 0 ? replyOf(status) : { status: "ok", payload: this.#hex(this.#out, status) };
  }

  #decode(name: string, payload: string): Reply {
    const rw = this.#rw;
    const from = this.#put(payload);
    const out = this.#out;
    const { view, address: to } = out;
    const u32 = (at: number): number => view.getUint32(at, true);
    const u64 = (at: number): number => Number(view.getBigUint64(at, true));
    const text = (at: number): string => {
      const start = Number(view.getBigUint64(at, true)) - this.#in.address;
      return Buffer.from(this.#in.bytes.slice(start, start + u32(at + 8))).toString();
    };
    const refusal = (at: number): Fields => ({ errno: u32(at), rule: text(at + 8), reason: text(at + 24) });
    const time = (at: number): Fields => ({
      seconds: Number(view.getBigInt64(at, true)),
      nanoseconds: u32(at + 8),
    });
    const inet = (at: number): Fields => {
      const bytes = u32(at) === 4 ? 4 : 16;
      const address = Buffer.from(out.bytes.slice(at + 8, at + 8 + bytes)).toString("hex");
      return { family: u32(at), port: u32(at + 4), address };
    };
    const stat = (at: number): Fields => ({
      ...{ kind: u32(at), mode: u32(at + 4), links: u32(at + 8), uid: u32(at + 12), gid: u32(at + 16) },
      ...{ inode: u64(at + 24), size: u64(at + 32), blocks: u64(at + 40) },
      ...{ accessed: time(at + 48), modified: time(at + 64), changed: time(at + 80) },
    });
    const done = (status: number, fields: () => Fields): Reply =>
      status < 0 ? replyOf(status) : { status: "ok", fields: fields() };
    switch (name) {
      case "Done":
        return done(rw.rw_decode_empty(from), () => ({}));
      case "Error":
      case "Refused":
        return done(rw.rw_decode_error([...from, to]), () => refusal(0));
      case "StatReply":
      case "FileOpened":
        return done(rw.rw_decode_stat([...from, to]), () => stat(0));
      case "FileStreamOpened":
        return done(rw.rw_decode_file_stream([...from, to, to + 8]), () => ({ length: u64(0), ...stat(8) }));
      case "StreamInfo":
        return done(rw.rw_decode_stream_info([...from, to]), () => ({
          ...{ id: u32(0), generation: u32(4), page: u32(8), toHostBytes: u32(12), toGuestBytes: u32(16) },
        }));
      case "Verdict":
        return done(rw.rw_decode_verdict([...from, to]), () => ({
          ...{ allowed: u32(0) === 1, rule: text(8), reason: text(24) },
        }));
      case "ConnectReply":
      case "Incoming":
        return done(rw.rw_decode_endpoints([...from, to]), () => ({ local: inet(0), peer: inet(24) }));
      case "ListenReply":
        return done(rw.rw_decode_bound([...from, to]), () => ({ bound: inet(0) }));
      case "Written":
        return done(rw.rw_decode_u32([...from, to]), () => ({ bytes: u32(0) }));
      case "Position":
        return done(rw.rw_decode_u64([...from, to]), () => ({ offset: u64(0) }));
      case "WriteDone":
        return done(rw.rw_decode_u64([...from, to]), () => ({ bytes: u64(0) }));
      case "WriteFailed":
        return done(rw.rw_decode_write_failed([...from, to]), () => ({ bytes: u64(0), ...refusal(8) }));
      case "Target":
        return done(rw.rw_decode_target([...from, to]), () => ({ target: text(0) }));
      case "StatfsReply":
        return done(rw.rw_decode_statfs([...from, to]), () => ({
          ...{
            blocks: u64(0),
            blocksFree: u64(8),
            blocksAvailable: u64(16),
            files: u64(24),
            filesFree: u64(32),
          },
          ...{ blockBytes: u32(40), nameMaxBytes: u32(44) },
        }));
      case "Args": {
        const texts = (list: number): string[] => {
          const found: string[] = [];
          while (rw.rw_next_text([to + list, to + 64]) === 1) found.push(text(64));
          return found;
        };
        return done(rw.rw_decode_args([...from, to, to + 16]), () => ({ argv: texts(0), env: texts(16) }));
      }
      case "Entries": {
        const entries = (): Fields[] => {
          const found: Fields[] = [];
          while (rw.rw_next_entry([to + 16, to + 64]) === 1) found.push({ kind: u32(64), name: text(72) });
          return found;
        };
        return done(rw.rw_decode_entries([...from, to, to + 4, to + 16]), () => ({
          ...{ more: u32(0) === 1, skipped: u32(4), entries: entries() },
        }));
      }
      // Raw data: there is nothing to decode, and no call for it.
      case "Pong":
      case "Data":
        return { status: "ok", fields: { data: payload } };
      case "Opened":
        return { status: "ok", fields: { body: payload } };
      default:
        return unsupported;
    }
  }
}
