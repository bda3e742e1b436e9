// What ringway inspect says of a region: its words, its streams, and why it says no more.

import { describe, expect, test } from "vitest";
import { Closed, encodeFrame, GuestState, HostState, layout, Open } from "../src/index.ts";
import { attachedRegion, Region } from "./helpers.ts";
import {
  busyRegion,
  close,
  INFO_BYTES,
  look,
  newStream,
  pingOnce,
  putOpen,
  REGION_BYTES,
} from "./inspected.ts";

describe("inspectRegion()", () => {
  test("tells of the superblock, the doorbells and each ring what stands there", () => {
    const region = busyRegion();
    region.host.bell.signal(2);
    const { superblock, bells, pipes, unused, findings, notes, bytes } = look(region);
    expect({ unused, findings, notes, bytes }).toEqual({
      unused: undefined,
      findings: [],
      notes: [],
      bytes: REGION_BYTES,
    });
    expect(superblock).toMatchObject({
      epoch: 2,
      hostState: HostState.READY,
      guestState: GuestState.ATTACHED,
    });
    expect(superblock).toMatchObject({ regionPages: REGION_BYTES / layout.PAGE_BYTES, controlPage: 5 });
    expect(bells!.toGuest.pending).toContain(2);
    expect(pipes.map(({ id, from, still }) => [id, from, still])).toEqual([
      [0, "superblock", true],
      [1, "StreamInfo", true],
      [2, "StreamInfo", true],
    ]);
    const bytesOfOpen = encodeFrame(Open.type, 1, new Uint8Array(4)).length;
    expect(pipes[1]!.toHost).toEqual({
      capacity: 4096,
      written: bytesOfOpen,
      read: 0,
      fill: bytesOfOpen,
      producerClosed: Closed.OPEN,
      consumerClosed: 0,
      wantSpace: 0,
      wantData: 1,
    });
    expect(pipes[1]!.toGuest.capacity).toBe(8192);
  });

  test("knows streams whose StreamInfo the guest has taken, as long as it lies in the ring", () => {
    const region = attachedRegion(REGION_BYTES);
    const { id, generation } = newStream(region);
    const replies = (64 * 1024) / INFO_BYTES;
    for (let i = 1; i < replies - 1; i++) pingOnce(region);
    expect(look(region).pipes.map(({ from }) => from)).toEqual(["superblock", "StreamInfo"]);
    // The next reply is put in its place.
    pingOnce(region);
    pingOnce(region);
    const { pipes, notes, findings } = look(region);
    expect(pipes.slice(1).map((pipe) => [pipe.id, pipe.generation, pipe.from])).toEqual([
      [id, generation, "page"],
    ]);
    expect(pipes[1]!.toHost.capacity).toBeUndefined();
    expect(notes).toEqual([expect.stringContaining(`looks like the block of stream ${id}`)]);
    expect(findings).toEqual([]);
  });

  test("shows no stream that has ended, whatever is left of it, nor what another epoch left", () => {
    const region = busyRegion();
    close(region, 1);
    expect(look(region).pipes.map(({ id }) => id)).toEqual([0, 2]);
    region.attach();
    const { pipes } = look(region);
    expect(pipes.filter(({ from }) => from !== "page").map(({ id }) => id)).toEqual([0]);
  });

  test("notes each stream that the host has reset, until the guest has closed it", () => {
    const region = busyRegion();
    region.host.pipe(1)!.toGuest.reset();
    const stands = "stream 1 toGuest: the host has reset the stream (RING-8)";
    const why = "the region does not tell why; where it was a violation (STR-8), the monitor's log does";
    expect(look(region)).toMatchObject({ findings: [], notes: [`${stands}: ${why}`] });
    close(region, 1);
    expect(look(region).notes).toEqual([]);
  });

  test("notes no stream that the guest has reset, or that the host has ended", () => {
    const region = busyRegion();
    region.guest.pipe(1)!.toHost.reset();
    region.host.pipe(2)!.toGuest.end();
    expect(look(region).notes).toEqual([]);
  });

  describe("of who sleeps and waits", () => {
    /** Stream 1; both sides have taken what was pending. The host waits for data, and sleeps. */
    function sleepingHost(): Region {
      const region = attachedRegion(REGION_BYTES);
      newStream(region);
      const ids = new Uint16Array(8);
      region.host.pending.take(ids);
      region.guest.pending.take(ids);
      region.host.pipe(1)!.toHost.wantData();
      expect(region.host.pending.prepareSleep()).toBe(true);
      return region;
    }
    const forgotten = "if it stays so, the guest has not signalled (BELL-3)";

    test("notes bytes that are there, and were not signalled", () => {
      const region = sleepingHost();
      expect(look(region).notes).toEqual([]);
      putOpen(region, 1);
      const what = "data, and 16 bytes are there (of a frame, perhaps not all)";
      expect(look(region)).toMatchObject({
        findings: [],
        notes: [`stream 1 toHost: the host sleeps and waits for ${what}: ${forgotten}`],
      });
      region.guest.bell.signal(1);
      expect(look(region).notes).toEqual([]);
    });

    test("notes space that is there, and was not signalled", () => {
      const region = sleepingHost();
      const [host, guest] = [region.host.pipe(1)!.toGuest, region.guest.pipe(1)!.toGuest];
      host.put(new Uint8Array(host.capacity));
      host.advance(host.capacity);
      host.wantSpace(100);
      expect(look(region).notes).toEqual([]);
      expect(guest.readable()).toBe(host.capacity);
      guest.advance(128);
      const what = "100 bytes of space, and 128 are there";
      expect(look(region).notes).toEqual([
        `stream 1 toGuest: the host sleeps and waits for ${what}: ${forgotten}`,
      ]);
    });

    test("notes a bit that is set, and a sleeper that was not woken", () => {
      const region = sleepingHost();
      region.guest.bell.mark(1);
      expect(look(region).notes).toEqual([
        "the host sleeps though stream 1 is pending: if it stays so, the guest has not woken it (BELL-3)",
      ]);
      region.guest.bell.wake();
      expect(look(region).notes).toEqual([]);
    });
  });

  test("says why it looks at the superblock alone where no epoch is in use", () => {
    const region = new Region(REGION_BYTES);
    const unused = (): string | undefined => {
      const report = look(region);
      expect([report.pipes, report.bells, report.findings]).toEqual([[], undefined, []]);
      return report.unused;
    };
    expect(unused()).toContain("RESETTING");
    region.guest.attach();
    expect(unused()).toContain("RESETTING");
    region.attach();
    region.guest.attach();
    expect(unused()).toContain("not answered");
    region.attach();
    region.guest.detach();
    expect(unused()).toContain("DETACHED");
    region.host.leave();
    expect(unused()).toContain("ABSENT");
  });
});
