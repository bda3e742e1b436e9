// A mount's requests amid what a guest may do to them: words that change while they are looked at, more than may be
// under way, and a policy that changes while some wait their turn.

import {
  Done,
  type Frame,
  FrameReader,
  FrameWriter,
  type Message,
  mountMessages as m,
  RingConsumer,
  RingProducer,
  regionMemory,
} from "@ringway/control";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { MountOperation } from "../src/disk/mount/operations.ts";
import { WatchedEntriesWriter } from "../src/disk/mount/watched-entries.ts";
import type { DiskOperation, DiskResult } from "../src/disk/operations.ts";
import type { Stream } from "../src/guests/stream.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import { MountRelay, REQUESTS_MAX } from "../src/relays/files/mount/relay.ts";
import type { RelayHost } from "../src/relays/host.ts";

const POLICY = "version: 1\nfiles: [{ id: data, guest: /data, host: /srv/data, access: rw }]";
const CAPACITY = 65_536;
const TO_HOST = { producer: 0, consumer: 0x40, data: 0x100, capacity: CAPACITY };
const TO_GUEST = { producer: 0x80, consumer: 0xc0, data: 0x100 + CAPACITY, capacity: CAPACITY };

const noop = (): void => {};
const zero = { seconds: 0, nanoseconds: 0 };
const attributes = {
  ...{ kind: 2, mode: 0o755, links: 2, uid: 0, gid: 0, device: 0, inodeLow: 1, inodeHigh: 0, size: 0 },
  ...{ blocks: 0, accessed: zero, modified: zero, changed: zero, created: zero },
};

interface Job {
  readonly operation: DiskOperation;
  readonly done: (result: DiskResult) => void;
}

const NOTHING = new Uint8Array(0);

/** A guest with a mount of /data, whose disk answers when it is told to. */
class Rig {
  readonly memory = regionMemory(new ArrayBuffer(0x100 + 2 * CAPACITY));
  readonly jobs: Job[] = [];
  works = 0;
  /** The guest's slice is used up at every second look. */
  isShort = false;
  #looks = 0;
  readonly relay: MountRelay;
  readonly #folders = { tree: 1, root: () => ({ fd: 3, reason: "" }) };
  readonly #writer = new FrameWriter(new RingProducer(this.memory, TO_HOST));
  readonly #reader = new FrameReader(new RingConsumer(this.memory, TO_GUEST));
  #lastId = 0;

  constructor() {
    const policy = parsePolicy(POLICY, { file: "/policy.yaml" });
    const matcher = new PolicyMatcher(policy);
    const budget = {
      takeWork: () => this.works++,
      giveWork: () => this.works--,
      ...{ takeFile: noop, giveFile: noop, takeClosing: noop, giveClosing: noop },
      ...{ takeWatcher: noop, giveWatcher: noop, takeWatch: noop, giveWatch: noop },
    };
    const guest = {
      ...{ name: "guest-1", account: { retain: noop, release: noop, tally: { hit: noop } }, budget },
      policy: { policy, matcher, folders: this.#folders, retain: noop, release: noop },
      share: {
        mayGoOn: () => !this.isShort || this.#looks++ % 2 === 0,
        perform: (work: () => void) => work(),
      },
      reports: { answer: <T>(refused: T) => refused },
    };
    const pipe = {
      toHost: new RingConsumer(this.memory, TO_HOST),
      toGuest: new RingProducer(this.memory, TO_GUEST),
    };
    const stream = {
      ...{ guest, pipe, signal: noop, signaller: () => noop, run: () => this.step() },
      ...{ frames: () => new FrameReader(pipe.toHost), writer: () => new FrameWriter(pipe.toGuest) },
      guard: (work: () => void) => work(),
      ...{ working: noop, worked: noop },
    } as unknown as Stream;
    const host = {
      counters: { add: noop },
      reactor: { watch: () => 1, modify: noop, forget: noop },
      disk: {
        submit: (_key: object, operation: DiskOperation, _most: number, done: Job["done"]) => {
          const job = { operation, done };
          this.jobs.push(job);
          return job;
        },
        // Workers begin at once.
        cancel: () => false,
      },
    } as unknown as RelayHost;
    this.relay = new MountRelay(host, stream, ["data"]);
  }

  /** True: there is more to do. */
  step(): boolean {
    return this.relay.step();
  }

  post<T>(kind: Message<T>, value: T): number {
    expect(this.#writer.send(kind, ++this.#lastId, value, noop)).toBe(true);
    return this.#lastId;
  }

  reload(): void {
    this.#folders.tree++;
  }

  /** What is under way of the mount's, as far as workers have it. */
  operations(): MountOperation[] {
    return this.jobs.flatMap(({ operation }) => (operation.kind === "mount" ? [operation.mount] : []));
  }

  /** The oldest that is under way is over. */
  answer(result: Partial<DiskResult> = {}): void {
    this.jobs.shift()!.done({ errno: 0, value: 0, ...result });
  }

  replies(): Frame[] {
    const replies: Frame[] = [];
    for (let frame = this.#reader.next(noop); frame !== undefined; frame = this.#reader.next(noop)) {
      replies.push(frame);
    }
    return replies;
  }

  /** A handle of the mount's folder. */
  folder(): number {
    const flags = m.MountFlags.READ | m.MountFlags.FOLDER;
    this.post(m.MountOpen, { at: 0, flags, mode: 0, path: Buffer.alloc(0) });
    this.step();
    const guard = {} as NonNullable<DiskResult["guard"]>;
    this.answer({ value: 77, guard, root: 0, data: m.MountHandle.encode({ handle: 1, ...attributes }) });
    this.replies();
    return 1;
  }
}

const stat = { at: 0, follow: false, path: Buffer.alloc(0) };

describe("as many requests under way as may be", () => {
  test("are no more whenever the guest makes another request of the one that gives back", () => {
    const { load } = Atomics;
    const seen = new Set<number>();
    for (let at = 0; at < 24; at++) {
      const rig = new Rig();
      for (let i = 0; i < REQUESTS_MAX; i++) rig.post(m.MountStat, stat);
      while (rig.relay.step());
      expect(rig.jobs).toHaveLength(REQUESTS_MAX);
      // A MountCancel, with so many bytes behind it that it may become a MountStat.
      const word = (TO_HOST.data + Atomics.load(rig.memory.words, TO_HOST.producer / 4)) / 4;
      rig.post(m.MountCancel, { id: 0 });
      Atomics.add(rig.memory.words, TO_HOST.producer / 4, 8);
      let accesses = 0;
      const spy = vi.spyOn(Atomics, "load").mockImplementation(((words: Int32Array, index: number) => {
        if (accesses++ === at) {
          rig.memory.words[word] = 12;
          rig.memory.words[word + 1] = m.MountStat.type;
        }
        return load(words, index);
      }) as typeof Atomics.load);
      onTestFinished(() => spy.mockRestore());
      rig.step();
      spy.mockRestore();
      expect(rig.jobs).toHaveLength(REQUESTS_MAX);
      const replies = rig.replies();
      for (const { type } of replies) expect(type).toBe(Done.type);
      seen.add(replies.length);
    }
    // It was one and the other.
    expect(seen).toEqual(new Set([0, 1]));
  });

  test("count all for the guest's key, also listings that wait their turn", () => {
    const rig = new Rig();
    const handle = rig.folder();
    const listing = { handle, cookieLow: 0, cookieHigh: 0, entries: 10 };
    for (let i = 0; i < 2 * REQUESTS_MAX; i++) rig.post(m.MountReadDir, listing);
    while (rig.relay.step());
    expect([rig.jobs.length, rig.works]).toEqual([1, REQUESTS_MAX]);
    for (let i = 0; i < 2 * REQUESTS_MAX; i++) {
      expect(rig.operations()).toMatchObject([{ kind: "mount-list" }]);
      rig.answer({ data: m.MountNames.encode({ entries: [] }) });
    }
    expect([rig.works, rig.jobs.length, rig.replies().length]).toEqual([0, 0, 2 * REQUESTS_MAX]);
  });

  test("hold nothing but what a worker has, once the stream is over", () => {
    const rig = new Rig();
    const handle = rig.folder();
    const listing = { handle, cookieLow: 0, cookieHigh: 0, entries: 10 };
    for (let i = 0; i < REQUESTS_MAX; i++) rig.post(m.MountReadDir, listing);
    while (rig.relay.step());
    rig.relay.dispose();
    expect([rig.works, rig.jobs.length]).toEqual([1, 1]);
    rig.answer({ data: m.MountNames.encode({ entries: [] }) });
    expect(rig.works).toBe(0);
    expect(rig.jobs.map(({ operation }) => operation)).toEqual([{ kind: "close", fd: 77 }]);
  });
});

describe("what waits its turn while the policy changes", () => {
  test("is a listing by the policy of its turn", () => {
    const rig = new Rig();
    const handle = rig.folder();
    const listing = { handle, cookieLow: 0, cookieHigh: 0, entries: 10 };
    for (let i = 0; i < 2; i++) rig.post(m.MountReadDir, listing);
    rig.step();
    rig.reload();
    rig.answer({ data: m.MountNames.encode({ entries: [] }) });
    expect(rig.operations()).toMatchObject([{ kind: "mount-list", place: { tree: 2, from: { fd: 77 } } }]);
  });

  test("is a folder to watch, by the policy of its turn, and its handle stays until then", () => {
    const rig = new Rig();
    const at = rig.folder();
    for (let i = 0; i < 2; i++) rig.post(m.MountWatch, { at, flags: 0, path: Buffer.alloc(0) });
    rig.post(m.MountRelease, { handle: at });
    rig.step();
    expect(rig.jobs).toHaveLength(1);
    rig.reload();
    rig.answer({ watched: { watch: 1, identity: "1:1", isFolder: true, entries: NOTHING, more: false } });
    expect(rig.operations()).toMatchObject([{ kind: "mount-watch", place: { tree: 2, from: { fd: 77 } } }]);
    expect(rig.jobs).toHaveLength(1);
    rig.answer({ watched: { watch: 2, identity: "1:1", isFolder: true, entries: NOTHING, more: false } });
    expect(rig.jobs.map(({ operation }) => operation)).toMatchObject([{ kind: "close", fd: 77 }]);
    rig.relay.dispose();
  });
});

test("what is found in a folder that is watched is taken some names at a time, and no more is looked at until then", () => {
  const rig = new Rig();
  const id = rig.post(m.MountWatch, { at: 0, flags: m.MOUNT_WATCH_RECURSIVE, path: Buffer.alloc(0) });
  rig.step();
  const entries = new WatchedEntriesWriter();
  const folders = 1000;
  for (let i = 0; i < folders; i++) entries.add(Buffer.from(`folder-${i}`), true);
  rig.isShort = true;
  rig.answer({
    watched: { watch: 1, identity: "1:1", isFolder: true, entries: entries.bytes(), more: false },
  });
  let steps = 1;
  for (; rig.jobs.length === 0 && steps < folders; steps++) rig.step();
  expect(steps).toBeGreaterThan(folders / 64);
  rig.isShort = false;
  for (let i = 0; i < folders; i++) {
    expect(rig.replies()).toEqual([]);
    const watched = { watch: 2 + i, identity: `1:${2 + i}`, isFolder: true, entries: NOTHING, more: false };
    expect(rig.operations()).toMatchObject([{ kind: "mount-watch", tell: false }]);
    rig.answer({ watched });
  }
  expect(rig.replies()).toMatchObject([{ type: m.MountWatching.type, requestId: id }]);
  rig.relay.dispose();
});
