// A host of a mount with a few files of one folder, in which all calls succeed; but what a test holds is not answered
// before the test does it. So it can have requests wait where they would else be over before anybody looks.

import {
  Done,
  ErrorReply,
  encodeFrame,
  type Frame,
  fileMessages as file,
  mountMessages as m,
  PAGE_BYTES,
} from "@ringway/control";
import { until } from "../support/wait.ts";
import { FOLDER, MountHost, type MountStream } from "./mount-host.ts";

const WATCH = 1;
const ENOENT = 2;
const ENOSPC = 28;
/** Of a frame with a MountWrite, before its data. */
const WRITE_FIELDS_BYTES = 12 + 16;
const IO_MAX_BYTES = 65_536;
/** Entries of a listing, at the most. */
const LISTED = 200;
/** Of a stream's header: where the host tells how far it has read. */
const TO_HOST_CONSUMER = 0x080;
const TEXT = new TextDecoder();

interface PlayedFile {
  inode: number;
  bytes: number;
  text?: string;
  /** When it was changed, in seconds. */
  time?: number;
  device?: number;
}

export class PlayedMount extends MountHost {
  /** All requests that came, but for those that look for the root. */
  readonly frames: Frame[] = [];
  /** Types of requests that wait for the test. */
  readonly held: Set<number> = new Set();
  /** What is there. */
  readonly files: Map<string, PlayedFile> = new Map();
  /** False: it is asked to in vain. */
  watches = true;
  readonly #requests: number;
  /** Names, by handle. */
  readonly #opened: string[] = [""];

  /** `requests`: how many may be under way. */
  constructor(path: string, names: readonly string[], requests = 64, regionBytes = 8 << 20) {
    super(path, regionBytes);
    for (const name of names) this.files.set(name, { inode: this.files.size + 2, bytes: 1 << 20 });
    this.#requests = requests;
  }

  protected override opened(): m.MountReply {
    return { handles: 100, requests: this.#requests, ...FOLDER };
  }

  protected override answers(_stream: MountStream, frame: Frame): Uint8Array[] {
    this.frames.push(frame);
    return this.held.has(frame.type) ? [] : [this.#answer(frame)];
  }

  /** The first request of this type from the `from`th on, that has come or will. */
  request(type: number, from = 0): Promise<Frame> {
    return until(`a request 0x${type.toString(16)}`, () =>
      this.frames.slice(from).find((frame) => frame.type === type),
    );
  }

  /** Answers one that was held: as it would be, or with a body of the test's. */
  answer(frame: Frame, type?: number, body?: Uint8Array): void {
    this.say(type === undefined ? this.#answer(frame) : encodeFrame(type, frame.requestId, body!));
  }

  fail(frame: Frame, errno: number): void {
    this.answer(frame, ErrorReply.type, ErrorReply.encode({ errno, rule: "", reason: "" }));
  }

  /** Answers all that is held, and holds nothing more. */
  release(answered: readonly Frame[] = []): void {
    const held = this.frames.filter((frame) => this.held.has(frame.type) && !answered.includes(frame));
    this.held.clear();
    for (const frame of held) this.answer(frame);
  }

  /** Tells that something has happened to a name. */
  tell(events: number, path: string): void {
    const event = m.MountEvent.encode({ watch: WATCH, events, cookie: 0, path: Buffer.from(path) });
    this.say(encodeFrame(m.MountEvent.type, 0, event));
  }

  /** The guest's ring has no byte of room. */
  get isFull(): boolean {
    const { toHost } = this.stream.pipe;
    return toHost.readable() === toHost.capacity;
  }

  /** The guest has taken all that was said. */
  get isHeard(): boolean {
    const { toGuest } = this.stream.pipe;
    return toGuest.writable() === toGuest.capacity;
  }

  /** Bytes of one write that leaves no room in an empty ring. */
  get fillingBytes(): number {
    const { capacity } = this.stream.pipe.toHost;
    const frames = Math.ceil(capacity / (WRITE_FIELDS_BYTES + IO_MAX_BYTES));
    return capacity - frames * WRITE_FIELDS_BYTES;
  }

  /** Says that it has taken more than was ever put into the ring. */
  breakRules(): void {
    const at = this.stream.pipe.place.page * PAGE_BYTES + TO_HOST_CONSUMER;
    new Uint32Array(this.memory.buffer)[at / 4]! += 1 << 30;
  }

  attributes(name: string): m.Attributes | undefined {
    if (name === "") return FOLDER;
    const file = this.files.get(name);
    if (file === undefined) return undefined;
    const { inode: inodeLow, bytes, text, time: seconds = 1e9, device = 0 } = file;
    const modified = { seconds, nanoseconds: 5 };
    return { ...FOLDER, kind: 1, links: 1, device, inodeLow, size: text?.length ?? bytes, modified };
  }

  #answer({ type, requestId, payload }: Frame): Uint8Array {
    const [answered, body] = this.#reply(type, payload);
    return encodeFrame(answered, requestId, body);
  }

  #reply(type: number, payload: Uint8Array): [number, Uint8Array] {
    switch (type) {
      case m.MountStat.type: {
        const { at, path } = m.MountStat.decode(payload);
        const found = this.attributes(at === 0 ? TEXT.decode(path) : this.#opened[at]!);
        if (found === undefined) {
          return [ErrorReply.type, ErrorReply.encode({ errno: ENOENT, rule: "", reason: "" })];
        }
        return [m.MountAttributes.type, m.MountAttributes.encode(found)];
      }
      case m.MountSetAttr.type: {
        const { at, path } = m.MountSetAttr.decode(payload);
        const set = this.attributes(at === 0 ? TEXT.decode(path) : this.#opened[at]!)!;
        return [m.MountAttributes.type, m.MountAttributes.encode(set)];
      }
      case m.MountOpen.type: {
        const { at, path } = m.MountOpen.decode(payload);
        const name = at === 0 ? TEXT.decode(path) : this.#opened[at]!;
        const handle = this.#opened.push(name) - 1;
        return [m.MountHandle.type, m.MountHandle.encode({ handle, ...this.attributes(name)! })];
      }
      case m.MountRead.type: {
        const { handle, offset, bytes } = m.MountRead.decode(payload);
        const text = this.files.get(this.#opened[handle]!)?.text;
        if (text === undefined) return [file.Data.type, new Uint8Array(bytes)];
        return [file.Data.type, Buffer.from(text).subarray(offset, offset + bytes)];
      }
      case m.MountReadDirPlus.type: {
        const { cookieLow } = m.MountReadDir.decode(payload);
        const entries = [...this.files.keys()].slice(cookieLow, cookieLow + LISTED).map((name, i) => {
          const cookie = { cookieLow: cookieLow + i + 1, cookieHigh: 0 };
          return { ...this.attributes(name)!, ...cookie, name: Buffer.from(name) };
        });
        return [m.MountEntries.type, m.MountEntries.encode({ entries })];
      }
      case m.MountWrite.type:
        return [file.Written.type, file.Written.encode({ bytes: payload.length - 16 })];
      case m.MountWatch.type:
        if (!this.watches) {
          const full = { errno: ENOSPC, rule: "", reason: "as many folders are watched as a guest may" };
          return [ErrorReply.type, ErrorReply.encode(full)];
        }
        return [m.MountWatching.type, m.MountWatching.encode({ watch: WATCH })];
      default:
        return [Done.type, new Uint8Array()];
    }
  }
}
