// A guest that speaks a mount's wire directly: requests at once, answers in any order, events between them.

import { readdirSync, rmSync } from "node:fs";
import {
  Done,
  ErrorReply,
  type Frame,
  fileMessages,
  type Message,
  mountMessages as m,
  Protocol,
} from "@ringway/control";
import { Declined } from "../../support/declined.ts";
import { until } from "../../support/wait.ts";
import type { Host } from "../host.ts";
import type { FileGuest, RawStream } from "../wire.ts";

export const { READ, WRITE, CREATE, EXCLUSIVE, TRUNCATE, NO_FOLLOW, FOLDER } = m.MountFlags;

export const bytes = (path: string | Uint8Array): Uint8Array =>
  typeof path === "string" ? Buffer.from(path) : path;

/** For tests that share a monitor. */
export function emptyFolders({ data, other, fixed }: Host): void {
  for (const folder of [data, other, fixed]) {
    for (const name of readdirSync(folder, "buffer")) {
      rmSync(Buffer.concat([Buffer.from(`${folder}/`), name]), { recursive: true, force: true });
    }
  }
}

export class RawMount {
  readonly stream: RawStream;
  readonly opened: m.MountReply;
  readonly events: m.MountEvent[] = [];
  readonly #replies: Map<number, Frame> = new Map();

  constructor(stream: RawStream, opened: m.MountReply) {
    this.stream = stream;
    this.opened = opened;
  }

  static async open(guest: FileGuest, path = "/data", ringBytes = 256 * 1024): Promise<RawMount> {
    const body = m.MountRequest.encode({ path: bytes(path) });
    const [stream, opened] = await guest.open(Protocol.MOUNT, body, ringBytes);
    return new RawMount(stream, m.MountReply.decode(opened));
  }

  /** Takes what has come. */
  poll(): void {
    for (let frame = this.stream.poll(); frame !== undefined; frame = this.stream.poll()) {
      if (frame.requestId === 0) this.events.push(m.MountEvent.decode(frame.payload));
      else this.#replies.set(frame.requestId, frame);
    }
  }

  hasReply(id: number): boolean {
    this.poll();
    return this.#replies.has(id);
  }

  async reply<R>(kind: Message<R>, id: number, timeoutMs?: number): Promise<R> {
    const frame = await until(
      `the reply to ${id}`,
      () => {
        try {
          if (!this.#replies.has(id)) this.poll();
        } catch (error) {
          // It may be the last that came.
          if (!this.#replies.has(id)) throw error;
        }
        return this.#replies.get(id);
      },
      timeoutMs,
    );
    this.#replies.delete(id);
    if (frame.type === ErrorReply.type) throw new Declined(ErrorReply.decode(frame.payload));
    if (frame.type !== kind.type) throw new Error(`type 0x${frame.type.toString(16)} is no ${kind.name}`);
    return kind.decode(frame.payload);
  }

  async call<T, R>(request: Message<T>, value: T, reply: Message<R>): Promise<R> {
    return this.reply(reply, await this.stream.send(request, value));
  }

  async openAt(
    at: number,
    path: string | Uint8Array,
    flags: number = READ,
    mode = 0o644,
  ): Promise<m.MountHandle> {
    return this.call(m.MountOpen, { at, flags, mode, path: bytes(path) }, m.MountHandle);
  }

  async handle(path: string | Uint8Array, flags: number = READ, at = 0): Promise<number> {
    return (await this.openAt(at, path, flags)).handle;
  }

  folder(path: string | Uint8Array, at = 0): Promise<number> {
    return this.handle(path, READ | FOLDER, at);
  }

  release(handle: number): Promise<Done> {
    return this.call(m.MountRelease, { handle }, Done);
  }

  async read(handle: number, offset: number, count: number): Promise<Buffer> {
    const { data } = await this.call(m.MountRead, { handle, offset, bytes: count }, fileMessages.Data);
    return Buffer.from(data);
  }

  async write(handle: number, offset: number, data: string | Uint8Array, flags = 0): Promise<number> {
    const request = { handle, flags, offset, data: bytes(data) };
    return (await this.call(m.MountWrite, request, fileMessages.Written)).bytes;
  }

  stat(path: string | Uint8Array, at = 0, follow = true): Promise<m.Attributes> {
    return this.call(m.MountStat, { at, follow, path: bytes(path) }, m.MountAttributes);
  }

  /** All names of a folder, and how many frames it took. */
  async names(handle: number, entries = 4096): Promise<{ names: Buffer[]; frames: number }> {
    const names: Buffer[] = [];
    let [cookieLow, cookieHigh] = [0, 0];
    for (let frames = 0; ; frames++) {
      const request = { handle, cookieLow, cookieHigh, entries };
      const part = await this.call(m.MountReadDir, request, m.MountNames);
      if (part.entries.length === 0) return { names, frames };
      for (const { name } of part.entries) names.push(Buffer.from(name));
      ({ cookieLow, cookieHigh } = part.entries.at(-1)!);
    }
  }

  async entries(handle: number, entries = 4096): Promise<m.MountEntry[]> {
    const all: m.MountEntry[] = [];
    let [cookieLow, cookieHigh] = [0, 0];
    for (;;) {
      const request = { handle, cookieLow, cookieHigh, entries };
      const part = await this.call(m.MountReadDirPlus, request, m.MountEntries);
      if (part.entries.length === 0) return all;
      all.push(...part.entries);
      ({ cookieLow, cookieHigh } = part.entries.at(-1)!);
    }
  }

  /** Waits for an event of which this is true, and takes it and those before it. */
  async event(of: (event: m.MountEvent & { text: string }) => boolean): Promise<m.MountEvent> {
    return await until(
      "an event",
      () => {
        this.poll();
        const index = this.events.findIndex((event) =>
          of({ ...event, text: Buffer.from(event.path).toString() }),
        );
        return index < 0 ? undefined : this.events.splice(0, index + 1).at(-1);
      },
      20_000,
    );
  }
}
