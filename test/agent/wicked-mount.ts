// A host that answers the requests of a mount with what no file system says: attributes that cannot be, names with
// slashes and NULs, too many bytes, payloads cut off, answers of another type, answers that nobody asked for. It keeps
// to the rules of rings and frames, and answers each request: who asks must come to an end.

import {
  Done,
  ErrorReply,
  encodeFrame,
  type Frame,
  fileMessages as file,
  fsMessages as fs,
  mountMessages as m,
} from "@ringway/control";
import { Random } from "../simulator/random.ts";
import { MountHost, type MountStream } from "./mount-host.ts";

const REGION_BYTES = 64 << 20;
const WATCH = 1;

export class WickedHost extends MountHost {
  readonly #random: Random;

  constructor(path: string, seed: number) {
    super(path, REGION_BYTES);
    this.#random = new Random(seed);
  }

  protected override opened(): m.MountReply {
    return { handles: 100, requests: 64, ...this.#attributes(2, true) };
  }

  protected override answers(_stream: MountStream, { type, requestId, payload }: Frame): Uint8Array[] {
    const random = this.#random;
    // A kernel that has once heard nonsense of the root asks no more.
    if (
      type === m.MountStat.type &&
      payload.length === 12 &&
      payload.subarray(0, 4).every((byte) => byte === 0)
    ) {
      return [
        encodeFrame(m.MountAttributes.type, requestId, m.MountAttributes.encode(this.#attributes(2, true))),
      ];
    }
    const [answered, body] = this.#reply(type, payload);
    const said = random.once(25) ? body.subarray(0, random.below(body.length + 1)) : body;
    const of = random.once(25) ? random.pick([Done.type, file.Data.type, m.MountAttributes.type]) : answered;
    const answer = encodeFrame(of, requestId, said);
    const stray = encodeFrame(of, random.pick([requestId + 1000, Math.max(1, requestId - 3)]), said);
    const path = Buffer.from(random.pick(["a", "cd/ed", "a/b", "", "/", "..", "//a", "x".repeat(4095)]));
    const event = { watch: WATCH, events: 2 ** random.below(12), cookie: 1, path };
    const told = encodeFrame(m.MountEvent.type, 0, m.MountEvent.encode(event));
    // One more of a request that is answered already: nobody waits for it.
    return [answer, ...(random.once(25) ? [stray] : []), ...(random.once(4) ? [told] : [])];
  }

  #attributes(likely: number, sane = false): m.Attributes {
    const random = this.#random;
    const wild = !sane && random.once(6);
    const time = () => ({
      seconds: wild ? random.pick([-5, 2 ** 53 - 1]) : 1e9,
      nanoseconds: wild ? random.pick([0, 2 ** 32 - 1]) : 5,
    });
    return {
      kind: wild ? random.below(7) : likely,
      mode: wild ? random.pick([0o7777, 2 ** 32 - 1, 0]) : 0o777,
      links: random.pick([0, 1, 2, 2 ** 32 - 1]),
      uid: 0,
      gid: 0,
      device: random.below(2),
      inodeLow: random.below(6),
      inodeHigh: wild ? 2 ** 32 - 1 : 0,
      size: random.pick([0, 5, 70_000, 2 ** 53 - 1]),
      blocks: 1,
      ...{ accessed: time(), modified: time(), changed: time(), created: { seconds: 0, nanoseconds: 0 } },
    };
  }

  /** A file's or a folder's, by the last letter of the path. */
  #named(payload: Uint8Array): m.Attributes {
    return this.#attributes(payload.at(-1) === 0x64 || payload.length < 16 ? 2 : 1);
  }

  #names(): { name: Uint8Array; cookieLow: number; cookieHigh: number }[] {
    const random = this.#random;
    const names = ["a", "bd", "", ".", "..", "a/b", "/", "x\0y", "n".repeat(255), "\xff"];
    return Array.from({ length: random.once(2) ? 0 : random.below(40) }, () => ({
      name: Buffer.from(random.pick(names), "latin1"),
      cookieLow: random.below(5),
      cookieHigh: random.pick([0, 0, 2 ** 31, 2 ** 32 - 1]),
    }));
  }

  #reply(type: number, payload: Uint8Array): [number, Uint8Array] {
    const random = this.#random;
    const number = (): number => random.pick([0, 1, 4096, 65_536, 2 ** 32 - 1]);
    if (random.once(10)) {
      const errno = random.pick([0, 2, 13, 17, 38, 116, 133, 512, 4095, 2 ** 31, 2 ** 32 - 1]);
      return [ErrorReply.type, ErrorReply.encode({ errno, rule: "", reason: "" })];
    }
    switch (type) {
      case m.MountOpen.type: {
        const handle = random.once(10) ? 0 : random.below(4) + 1;
        return [m.MountHandle.type, m.MountHandle.encode({ handle, ...this.#named(payload) })];
      }
      case m.MountRead.type:
      case m.MountReadlink.type:
      case m.MountGetXattr.type:
        return [file.Data.type, Buffer.alloc(random.pick([0, 1, 5, 4096, 65_536]), random.pick([0, 65]))];
      case m.MountWrite.type:
      case m.MountCopyRange.type:
        return [file.Written.type, file.Written.encode({ bytes: number() })];
      case m.MountSeek.type:
        return [file.Position.type, file.Position.encode({ offset: random.pick([0, 7, 2 ** 53 - 1]) })];
      case m.MountTestLock.type: {
        const found = { kind: random.below(5), start: number(), bytes: number() };
        return [m.MountLockFound.type, m.MountLockFound.encode(found)];
      }
      case m.MountReadDir.type: {
        const entries = this.#names().map((name) => ({
          ...name,
          kind: random.below(9),
          inodeLow: 0,
          inodeHigh: 0,
        }));
        return [m.MountNames.type, m.MountNames.encode({ entries })];
      }
      case m.MountReadDirPlus.type: {
        const entries = this.#names().map((name) => ({ ...name, ...this.#attributes(1) }));
        return [m.MountEntries.type, m.MountEntries.encode({ entries })];
      }
      case m.MountListXattr.type:
        return [m.MountXattrs.type, m.MountXattrs.encode({ names: this.#names().map(({ name }) => name) })];
      case m.MountStatfs.type: {
        const many = { blocks: number(), blocksFree: number(), blocksAvailable: number() };
        const few = { files: 2 ** 53 - 1, filesFree: 0, blockBytes: number(), nameMaxBytes: number() };
        return [fs.StatfsReply.type, fs.StatfsReply.encode({ ...many, ...few })];
      }
      case m.MountStat.type:
      case m.MountSetAttr.type:
      case m.MountMkdir.type:
      case m.MountMknod.type:
      case m.MountSymlink.type:
      case m.MountLink.type:
        return [m.MountAttributes.type, m.MountAttributes.encode(this.#named(payload))];
      case m.MountWatch.type:
        return [m.MountWatching.type, m.MountWatching.encode({ watch: WATCH })];
      default:
        return [Done.type, new Uint8Array()];
    }
  }
}
