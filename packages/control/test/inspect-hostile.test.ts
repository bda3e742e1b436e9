// Nothing that ringway inspect reads is trusted.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  inspectRegion,
  layout,
  memorySource,
  NotARegionError,
  type RegionReport,
  regionMemory,
  storeWord,
} from "../src/index.ts";
import { busyRegion, CONTROL, look } from "./inspected.ts";

/** A report, or the one error that there is. */
function lookAt(bytes: Uint8Array): RegionReport | undefined {
  try {
    return inspectRegion(memorySource(bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(NotARegionError);
    expect((error as NotARegionError).code).toBe("ERR_RINGWAY_NOT_A_REGION");
    return undefined;
  }
}

describe("whatever the bytes are, it says what they are or that they are no region", () => {
  test("nothing, zeros, text, another version", () => {
    for (const bytes of [0, 1, 4095, 4096, 65536]) expect(lookAt(new Uint8Array(bytes))).toBeUndefined();
    expect(lookAt(new TextEncoder().encode("RINGWAY1".repeat(1000)))).toBeUndefined();
    const region = busyRegion();
    storeWord(region.memory, layout.SB_VERSION_MAJOR, 2);
    expect(() => look(region)).toThrow("the host speaks version 2");
  });

  test("a region that is cut off anywhere", () => {
    const { memory } = busyRegion();
    for (let bytes = 0; bytes < 50 * 4096; bytes += 1021) {
      const report = lookAt(memory.bytes.slice(0, bytes));
      expect(report?.findings.some(({ clause }) => clause === "SB-2") ?? bytes < 4096).toBe(true);
    }
  });

  test("a file that is cut while it is looked at", () => {
    const { memory } = busyRegion();
    const whole = memorySource(memory.bytes);
    for (let cut = 0; cut < 12; cut++) {
      let reads = 0;
      const source = {
        bytes: whole.bytes,
        read: (offset: number, target: Uint8Array) => (reads++ < cut ? whole.read(offset, target) : 0),
      };
      expect(() => inspectRegion(source)).toThrow(NotARegionError);
    }
  });

  test("random bytes behind the magic", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 40_000 }), (bytes) => {
        const copy = regionMemory(new ArrayBuffer(Math.ceil(bytes.length / 4096) * 4096));
        copy.bytes.set(bytes);
        storeWord(copy, layout.SB_MAGIC_LOW, layout.MAGIC_LOW);
        storeWord(copy, layout.SB_MAGIC_HIGH, layout.MAGIC_HIGH);
        storeWord(copy, layout.SB_VERSION_MAJOR, layout.VERSION_MAJOR);
        lookAt(copy.bytes);
      }),
      { numRuns: 300 },
    );
  });

  test("a good region in which any words are others", () => {
    const { memory } = busyRegion(48 * layout.PAGE_BYTES);
    const good = memory.bytes.slice();
    const heads = [0, 4096, 12_288, CONTROL, CONTROL + 4096, CONTROL + 4096 + 65_536, 38 * 4096, 42 * 4096];
    const word = fc.record({
      offset: fc
        .tuple(fc.constantFrom(...heads), fc.integer({ min: 0, max: 160 }))
        .map(([at, i]) => at + 4 * i),
      value: fc.oneof(
        fc.nat(),
        fc.constantFrom(0, 1, 2, 3, 4096, 0x7fffffff, 0x80000000, 0xffffffff),
        fc.nat(70_000),
      ),
    });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (changes) => {
        const copy = regionMemory(good.slice().buffer);
        for (const { offset, value } of changes) storeWord(copy, offset, value);
        lookAt(copy.bytes);
      }),
      { numRuns: 500 },
    );
  });
});

describe("whoever keeps a region moving keeps nobody for long:", () => {
  const MiB = 1024 * 1024;
  /** The headers of these pages change with each read, and so does an epoch where `epochs` says so. */
  function moving(bytes: Uint8Array, pages: readonly number[], epochs = false) {
    const memory = regionMemory(bytes.buffer as ArrayBuffer);
    const whole = memorySource(bytes);
    let read = 0;
    let copies = 0;
    return {
      bytes: whole.bytes,
      get read() {
        return (offset: number, target: Uint8Array): number => {
          read += target.length;
          copies++;
          for (const page of pages) storeWord(memory, page * layout.PAGE_BYTES, copies);
          if (epochs && offset > 0) storeWord(memory, layout.SB_EPOCH, copies);
          // What large copies hold is of no interest here.
          return target.length > MiB ? target.length : whole.read(offset, target);
        };
      },
      get total() {
        return read;
      },
    };
  }

  /** The control pipe has the largest rings that there are. */
  function largeControl(): Uint8Array {
    const region = busyRegion(64 * MiB);
    const copy = regionMemory(region.memory.bytes.slice().buffer);
    storeWord(copy, layout.SB_CONTROL_TO_HOST_BYTES, 16 * MiB);
    storeWord(copy, layout.SB_CONTROL_TO_GUEST_BYTES, 16 * MiB);
    return copy.bytes;
  }

  test("a control pipe of 32 MiB that never rests", () => {
    const source = moving(largeControl(), [CONTROL / layout.PAGE_BYTES]);
    const { pipes, notes } = inspectRegion(source);
    expect(pipes[0]).toMatchObject({ from: "superblock", still: false });
    expect(notes).toContainEqual(expect.stringContaining("more than is looked at"));
    expect(source.total).toBeLessThan(2048 * MiB);
  });

  test("epochs that begin without end", () => {
    const source = moving(largeControl(), [CONTROL / layout.PAGE_BYTES], true);
    expect(() => inspectRegion(source)).toThrow(NotARegionError);
    expect(source.total).toBeLessThan(3072 * MiB);
  });
});
