// How much of a ring that never gets empty one step takes: datagrams as small as they may be, and a slice that is used.

import { Closed, udpMessages } from "@ringway/control";
import { expect, test } from "vitest";
import type { Stream } from "../src/guests/stream.ts";
import type { RelayHost } from "../src/relays/host.ts";
import type { Answers } from "../src/relays/udp/answers.ts";
import { BatchFrames } from "../src/relays/udp/frames.ts";
import { Outgoing, Taken } from "../src/relays/udp/outgoing.ts";
import type { UdpSocket } from "../src/relays/udp/socket.ts";

const CAPACITY = 256 * 1024;
const BATCH = 128;
/** As many datagrams of one size as become one message of the kernel's; empty ones never do. */
const JOINED = 64;
/** Batches, which no step comes to: one without an end is seen. */
const FAR_TOO_MANY = 1000;

const noop = (): void => {};

/** A connected socket whose guest puts one frame again and again: datagrams of `segment` bytes, `bytes` in all. */
class Rig {
  readonly outgoing: Outgoing;
  batches = 0;
  datagrams = 0;

  /** What the guest has in its ring now: another byte after each batch. */
  byte = 0;

  /** `sends`: of a batch's datagrams, how many the kernel takes. `tap`: who follows. */
  constructor(
    bytes: number,
    segment: number,
    mayGoOn: () => boolean,
    sends: (added: number) => number,
    tap?: object,
  ) {
    const words = [4 + bytes, udpMessages.UdpSend.type, 0, segment];
    const whole = 16 + bytes;
    const toHost = {
      capacity: CAPACITY,
      peerClosed: () => Closed.OPEN,
      readable: () => CAPACITY,
      u32: (at: number) => words[(at % whole) / 4]!,
      repeats: (_at: number, _stride: number, most: number) => (segment === 0 ? Math.max(0, most) : 0),
      copy: (target: Uint8Array) => void target.fill(this.byte),
      spanOffset: () => 0,
      spanBytes: (most: number) => most,
      advance: () => false,
      wantData: () => true,
      unwantData: noop,
    };
    const batch = {
      capacity: BATCH,
      added: 0,
      get messages() {
        return bytes === 0 ? batch.added : Math.ceil(batch.added / JOINED);
      },
      error: 0,
      joined: 0,
      sentBytes: 0,
      begin: () => {
        batch.added = 0;
      },
      add: () => {
        batch.added++;
      },
      addRun: (_address: number, _bytes: number, _stride: number, count: number) => {
        batch.added += count;
      },
      flush: () => {
        if (++this.batches > FAR_TOO_MANY) throw new Error("the step has no end");
        const sent = sends(batch.added);
        batch.error = sent < batch.added ? -1 : 0;
        this.datagrams += batch.added;
        this.byte++;
        return sent;
      },
    };
    const host = { datagrams: { batch, frames: new BatchFrames(BATCH) }, counters: { add: noop } };
    const network = { limited: false, roomForWhole: () => Infinity, roomForDatagrams: () => Infinity };
    const guest = { budget: { network }, share: { mayGoOn }, memory: { address: 0 } };
    const stream = {
      tap,
      pipe: { toHost },
      guest,
      moved: noop,
      movedEach: noop,
      signal: noop,
      signalNow: noop,
      signaller: () => noop,
    };
    const endpoint = { family: 4, port: 9, address: Uint8Array.of(127, 0, 0, 1) };
    const socket = { fd: -1, family: 4, endpoint, usedMs: 0, describe: () => "a peer" };
    this.outgoing = new Outgoing(
      host as unknown as RelayHost,
      stream as unknown as Stream,
      socket as unknown as UdpSocket,
      { error: noop } as unknown as Answers,
      undefined,
    );
  }
}

const all = (added: number): number => added;

test.each([
  ["empty datagrams", 0, 0, all, 1024],
  ["datagrams of one byte", 1, 0, all, 12_288],
  ["trains of one-byte datagrams", 64, 1, all, 12_288],
  ["datagrams that the kernel refuses", 0, 0, () => 0, 1024],
] as const)("%s: a step ends, alone and beside others", (_name, bytes, segment, sends, most) => {
  const alone = new Rig(bytes, segment, () => true, sends);
  expect(alone.outgoing.step(1)).toBe(Taken.BUDGET);
  expect(alone.datagrams).toBeGreaterThan(BATCH);
  expect(alone.datagrams).toBeLessThanOrEqual(most);
  // It gets somewhere all the same, a batch at a time.
  const used = new Rig(bytes, segment, () => false, sends);
  for (let step = 1; step <= 3; step++) {
    expect(used.outgoing.step(1)).toBe(Taken.BUDGET);
    expect(used.batches).toBe(step);
  }
  let looks = 0;
  const sliced = new Rig(bytes, segment, () => ++looks < 4, sends);
  expect(sliced.outgoing.step(1)).toBe(Taken.BUDGET);
  expect(sliced.batches).toBe(4);
});

test("who follows is told of what was sent, whatever the guest's ring has by then, and of nothing else", () => {
  const told: number[][] = [];
  const tap = {
    staging: { address: 0, bytes: new Uint8Array(256 * 1024) },
    room: (wanted: number) => wanted,
    took: (_direction: number, bytes: Uint8Array) => void told.push([...bytes]),
  };
  // Of each batch the kernel takes three datagrams, and refuses the next.
  const rig = new Rig(
    8,
    2,
    () => false,
    () => 3,
    tap,
  );
  for (let step = 0; step < 2; step++) rig.outgoing.step(1);
  expect(told).toEqual([0, 0, 0, 1, 1, 1].map((byte) => [byte, byte]));
});
