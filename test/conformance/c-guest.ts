// The testee on the C guest library, loaded into this process by ffi-rs: it works on the mapping that the suite has.

import { type Scratch, type SharedMemory, scratch } from "@ringway/linux";
import { close } from "ffi-rs";
import type { Command, Reply, Testee } from "../../packages/conformance/src/contract.ts";
import { decode } from "./c-decode.ts";
import { encode } from "./c-encode.ts";
import { Buffers, type Library, load, PAYLOAD_MAX, replyOf } from "./c-library.ts";

const unsupported: Reply = { unsupported: true };
const SLOTS = 64;
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
  readonly #io: Buffers = new Buffers();
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

  #do(command: Command, memory: SharedMemory | undefined): Reply {
    const rw = this.#rw;
    const guest = this.#guest.address;
    switch (command.do) {
      case "encode":
        return encode(rw, this.#io, command.message, command.fields);
      case "decode":
        return decode(rw, this.#io, command.message, command.payload);
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
          this.#io.out.address,
          this.#io.out.bytes.length,
        ]);
        if (status !== -5) return status < 0 ? replyOf(status) : this.#frameReply();
        return { ...this.#frameReply(), status: "refused", errno: this.#io.out.view.getUint32(0, true) };
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
    if (command.do === "open") status = rw.rw_open([at, command.protocol, ...this.#io.put(command.body)]);
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
    return { status: "ok", type, request, payload: this.#io.hex(bytes) };
  }

  #control(name: string, fields: Record<string, never>): Reply {
    const rw = this.#rw;
    const guest = this.#guest.address;
    switch (name) {
      case "Log":
        return replyOf(rw.rw_log([guest, fields.level!, ...this.#io.text(fields.text!)]));
      case "Exit":
        return replyOf(rw.rw_exit([guest, fields.code!]));
      case "GetArgs":
        return replyOf(rw.rw_get_args([guest]));
      case "Ping":
        return replyOf(rw.rw_ping([guest, ...this.#io.put(fields.data!)]));
      case "Explain":
        return replyOf(rw.rw_explain([guest, fields.protocol!, ...this.#io.put(fields.body!)]));
      default:
        return unsupported;
    }
  }

  #onStream(command: Extract<Command, { stream: string }>): Reply {
    const rw = this.#rw;
    const stream = this.#named.get(command.stream);
    if (stream === undefined || stream.slot < 0) return { status: "lost" };
    const at = this.#at(stream);
    const buffer = [this.#io.out.address, this.#io.out.bytes.length] as const;
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
        const status = rw.rw_send([at, ...this.#io.put(command.data)]);
        return status < 0 ? replyOf(status) : { status: "ok", bytes: status };
      }
      case "recv": {
        const status = rw.rw_recv([at, this.#io.out.address, command.max]);
        return status < 0 ? replyOf(status) : { status: "ok", data: this.#io.hex(status) };
      }
      case "request": {
        const status = rw.rw_request([at, command.type, ...this.#io.put(command.payload)]);
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
}
