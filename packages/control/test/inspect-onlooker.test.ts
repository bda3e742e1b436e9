// ringway inspect looks on while host and guest go on: it finds nothing wrong with sides that keep to the protocol, at
// whatever moment it looks.

import { describe, expect, test } from "vitest";
import {
  initialisePipe,
  inspectRegion,
  layout,
  memorySource,
  NewStream,
  StreamInfo,
  storeWord,
} from "../src/index.ts";
import { attachedRegion, Region, recordingHandler } from "./helpers.ts";
import { busyRegion, close, look, newStream, putOpen, REGION_BYTES } from "./inspected.ts";
import { atEveryAccess } from "./preempt.ts";

const handler = recordingHandler();

/** What both sides do in the life of a guest, one call after the other. */
const LIFE: readonly ((region: Region) => unknown)[] = [
  (region) => region.guest.attach(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.poll(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.send(NewStream, { toHostBytes: 4096, toGuestBytes: 4096 }),
  (region) => region.host.stepControl(handler, 1),
  (region) => region.guest.openPipe(StreamInfo.decode(region.guest.nextReply()!.payload)),
  (region) => putOpen(region, 1),
  (region) => region.host.pending.prepareSleep(),
  (region) => region.guest.bell.signal(1),
  (region) => region.host.pipe(1)!.toHost.advance(region.host.pipe(1)!.toHost.readable()),
  (region) => region.host.pipe(1)!.toGuest.advance(4096),
  (region) => region.host.pipe(1)!.toGuest.wantSpace(2048),
  (region) => region.guest.pipe(1)!.toGuest.advance(region.guest.pipe(1)!.toGuest.readable()),
  (region) => close(region, 1),
  // The same pages, another stream.
  (region) => newStream(region, 4096, 4096),
  (region) => region.guest.detach(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.attach(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.poll(),
  (region) => newStream(region, 8192, 8192),
  (region) => region.startHost(),
  (region) => region.guest.poll(),
  (region) => region.startGuest().attach(),
  (region) => region.host.checkGuest(),
  (region) => region.host.fail(1),
  (region) => region.guest.poll(),
  (region) => region.guest.attach(),
  (region) => region.host.checkGuest(),
  (region) => region.host.drain(),
  (region) => region.host.leave(),
];

describe("finds nothing wrong with sides that keep to the protocol", () => {
  test.each(LIFE.map((_, step) => [step]))("at any access of step %i of a guest's life", (step) => {
    const setUp = (): Region => {
      const region = new Region(REGION_BYTES);
      for (const each of LIFE.slice(0, step)) each(region);
      return region;
    };
    const accesses = atEveryAccess(
      setUp,
      (region) => LIFE[step]!(region),
      (region) => expect(look(region).findings).toEqual([]),
      (region) => expect(look(region).findings).toEqual([]),
    );
    expect(accesses).toBeGreaterThan(0);
  });

  test("where a block lies in the middle of another's data by now, and half of its header is left", () => {
    const region = attachedRegion(REGION_BYTES);
    newStream(region, 4096, 4096);
    newStream(region, 4096, 4096);
    const { page } = region.host.pipe(2)!.place;
    close(region, 2);
    close(region, 1);
    const { id } = newStream(region, 8192, 4096);
    const { toGuest, place } = region.host.pipe(id)!;
    // The page is the last of the new block: that of its toGuest's data.
    expect([id, place.page + 3]).toEqual([1, page]);
    toGuest.put(new Uint8Array(400).fill(0xee));
    toGuest.advance(400);
    expect(region.memory.words[(page * layout.PAGE_BYTES + layout.PIPE_ID) / 4]).toBe(2);
    const { findings, pipes } = look(region);
    expect([findings, pipes.map((pipe) => pipe.id)]).toEqual([[], [0, 1]]);
  });

  // In which order fill() stores is its own affair.
  test.each(["upwards", "downwards"])(
    "at any store of a header that is made in the place of another, %s",
    (way) => {
      const region = attachedRegion(REGION_BYTES);
      newStream(region, 4096, 4096);
      region.guest.pipe(1)!.toHost.advance(4000);
      region.host.pipe(1)!.toHost.advance(region.host.pipe(1)!.toHost.readable());
      const { page } = region.host.pipe(1)!.place;
      close(region, 1);
      const before = region.memory.bytes.slice();
      class Stopped extends Error {}
      let stores = 0;
      for (let at = 0, stopped = true; stopped; at++) {
        region.memory.bytes.set(before);
        stores = 0;
        const store = (index: number, value: number): true => {
          if (stores++ === at) throw new Stopped();
          region.memory.words[index] = value;
          return true;
        };
        const fill = (value: number, first: number, end: number): void => {
          for (let i = 0; i < end - first; i++) store(way === "upwards" ? first + i : end - 1 - i, value);
        };
        const words = new Proxy(region.memory.words, {
          set: (_, index, value) => store(Number(index), value),
          get: (target, name) => (name === "fill" ? fill : Reflect.get(target, name)),
        });
        try {
          initialisePipe({ ...region.memory, words }, page, 1, 2);
        } catch (error) {
          // Once all plain stores are made, Atomics refuse the proxy.
          stopped = error instanceof Stopped;
        }
        expect(look(region).findings).toEqual([]);
      }
      expect(stores).toBe(131);
    },
  );

  test("while a ring moves at every look, and says that it does", () => {
    const region = busyRegion();
    const place = region.host.pipe(2)!.place.page * layout.PAGE_BYTES;
    const still = memorySource(region.memory.bytes);
    let position = 0;
    const report = inspectRegion({
      bytes: still.bytes,
      read(offset, target) {
        position += 4000;
        if (offset === place) storeWord(region.memory, place, position);
        return still.read(offset, target);
      },
    });
    expect(report.findings).toEqual([]);
    expect(report.pipes.find(({ id }) => id === 2)!.still).toBe(false);
  });

  test("where another epoch begins while it looks: it begins anew", () => {
    const region = busyRegion();
    const still = memorySource(region.memory.bytes);
    let reads = 0;
    const report = inspectRegion({
      bytes: still.bytes,
      read(offset, target) {
        if (++reads === 8) region.attach();
        return still.read(offset, target);
      },
    });
    expect(report.superblock.epoch).toBe(3);
    expect(report.pipes.filter(({ from }) => from !== "page").map(({ id }) => id)).toEqual([0]);
  });
});
