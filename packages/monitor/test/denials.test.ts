// Work on disk that the policy denies after its stream is over: the guest is told nothing, and the audit log is.

import { Closed, Errno, type Frame, fileMessages, fsMessages, mountMessages } from "@ringway/control";
import { describe, expect, test } from "vitest";
import { refused } from "../src/disk/judgement.ts";
import type { DiskOperation, DiskResult } from "../src/disk/operations.ts";
import type { Relay } from "../src/guests/relay.ts";
import type { Stream } from "../src/guests/stream.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import type { AuditedDenial } from "../src/policy/refusal.ts";
import { FILE } from "../src/relays/files/file.ts";
import { FILE_STREAM } from "../src/relays/files/file-stream.ts";
import { FS } from "../src/relays/files/fs.ts";
import { MOUNT } from "../src/relays/files/mount/mount.ts";
import type { RelayHost } from "../src/relays/host.ts";
import type { ProtocolEntry } from "../src/relays/protocol.ts";

const DENIED: DiskResult = { ...refused(Errno.EXDEV, "beneath", "leads out"), value: -1 };
const POLICY = "version: 1\nfiles: [{ id: data, guest: /data, host: /srv/data, access: rw }]";

type Done = (result: DiskResult) => void;
const noop = (): void => {};
/** Takes whatever it is asked for. */
const budget = new Proxy(
  {},
  { get: (_, name) => (name === "tooManyRequests" ? undefined : () => undefined) },
);

/** A guest with one stream and one file operation on it. */
class Rig {
  readonly lines: AuditedDenial[] = [];
  readonly frames: Frame[] = [];
  #relay!: Relay;
  #closed: Closed = Closed.OPEN;
  #operation: DiskOperation | undefined;
  #answer: Done = noop;

  constructor(entry: ProtocolEntry<unknown>, body: Uint8Array) {
    const policy = parsePolicy(POLICY, { file: "/policy.yaml" });
    const matcher = new PolicyMatcher(policy);
    const folders = { tree: 1, root: () => ({ fd: 3, reason: "" }) };
    const guest = {
      name: "guest-1",
      policy: { policy, matcher, folders, retain: noop, release: noop },
      account: { retain: noop, release: noop },
      budget,
      share: { mayGoOn: () => true, perform: (work: () => void) => work() },
      reports: { audit: (line: AuditedDenial) => this.lines.push(line) },
    };
    const host = {
      counters: { add: noop },
      disk: {
        submit: (_user: object, operation: DiskOperation, _most: number, done: Done) => {
          this.#operation = operation;
          this.#answer = done;
          return {};
        },
        // A worker has begun it.
        cancel: () => false,
      },
    } as unknown as RelayHost;
    const none = undefined as never;
    const rules = { matcher, ownPorts: none, published: none, names: none, tenant: undefined };
    const judged = entry.judge(rules, body);
    entry.open(host, this.#stream(guest), 1, judged);
  }

  #stream(guest: object): Stream {
    return {
      guest,
      pipe: {
        toHost: { peerClosed: () => this.#closed },
        toGuest: { capacity: 65_536, abandoned: () => false, unwantSpace: noop },
      },
      frames: () => ({ next: () => this.frames.shift() }),
      writer: () => ({ write: () => true }),
      signaller: () => noop,
      become: (relay: Relay) => {
        this.#relay = relay;
      },
      opened: noop,
      guard: (work: () => void) => work(),
      ...{ working: noop, worked: noop },
      run: noop,
      reset: () => this.#relay.dispose(),
    } as unknown as Stream;
  }

  step(): void {
    this.#relay.step();
  }

  /** Of the operation that is under way: the guest resets its stream first. */
  isDeniedAfterReset(): AuditedDenial[] {
    expect(this.#operation).toBeDefined();
    this.#closed = Closed.RESET;
    this.#relay.step();
    this.#answer(DENIED);
    return this.lines;
  }
}

const { FileFlags, FileDirection, FileOpen, FileStreamOpen } = fileMessages;
const path = "/data/link";
const LINE = { guest: "guest-1", what: path, rule: "beneath", errno: Errno.EXDEV };

describe("has one line:", () => {
  test("the opening of a file", () => {
    const body = FileOpen.encode({ path, flags: FileFlags.READ, mode: 0 });
    expect(new Rig(FILE, body).isDeniedAfterReset()).toMatchObject([LINE]);
  });

  test("the opening of a file's stream", () => {
    const request = { path, direction: FileDirection.READ, flags: FileFlags.READ, mode: 0 };
    const body = FileStreamOpen.encode({ ...request, offset: 0, length: 1 });
    expect(new Rig(FILE_STREAM, body).isDeniedAfterReset()).toMatchObject([LINE]);
  });

  test("the opening of a mount", () => {
    const body = mountMessages.MountRequest.encode({ path: Buffer.from(path) });
    expect(new Rig(MOUNT, body).isDeniedAfterReset()).toMatchObject([LINE]);
  });

  test.each([
    ["Stat", fsMessages.Stat],
    ["ReadDir", fsMessages.ReadDir],
    ["Unlink", fsMessages.Unlink],
  ] as const)("%s", (_name, { type, encode }) => {
    const rig = new Rig(FS, new Uint8Array(0));
    rig.frames.push({ type, requestId: 7, payload: encode({ path }) });
    rig.step();
    expect(rig.isDeniedAfterReset()).toMatchObject([{ ...LINE, protocol: "fs" }]);
  });
});
