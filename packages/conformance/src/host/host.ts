// The host as the suite plays it: word by word, from PROTOCOL.md, with no code of the packages. It does what a
// scenario tells it to, right or wrong, and looks at what the guest wrote.
//
//   page 0          superblock
//   page 2 to 5     doorbells
//   page 7          control pipe: 16 KiB to the host, 8 KiB to the guest
//   page 16 on      blocks, one after the other, never used twice
//
// Places and capacities are others than ringway's own monitor has: a guest must take them from the superblock (REG-2).

import { Bell, PAGE, Sb, State } from "./layout.ts";
import { HostPipe } from "./pipe.ts";
import type { Region } from "./region.ts";

export const Place = { BELL: 2, CONTROL: 7, HEAP: 16 } as const;
export const CONTROL_TO_HOST: number = 16384;
const CONTROL_TO_GUEST: number = 8192;

/** The host's side of a region, step by step, as a case has it: it checks nothing and does nothing by itself. */
export class Host {
  readonly region: Region;
  control: HostPipe;
  bellPage: number = Place.BELL;
  epoch = 0;
  #nextPage: number = Place.HEAP;

  constructor(region: Region) {
    this.region = region;
    this.control = new HostPipe(this, 0, 0, Place.CONTROL, CONTROL_TO_HOST, CONTROL_TO_GUEST);
  }

  /** The superblock of a monitor that has just started on the region (ATT-6). */
  start(words: Readonly<Record<number, number>> = {}): void {
    const { region } = this;
    const constants: [number, number][] = [
      [Sb.MAGIC_LOW, 0x474e4952],
      [Sb.MAGIC_HIGH, 0x31594157],
      [Sb.MAJOR, 1],
      [Sb.MINOR, 1],
      [Sb.PAGES, region.pages],
      [Sb.FEATURES, 0],
      [Sb.BELL, this.bellPage],
      [Sb.CONTROL, this.control.page],
      [Sb.TO_HOST, this.control.toHost],
      [Sb.TO_GUEST, this.control.toGuest],
      [Sb.MAX_ID, 32767],
    ];
    for (const [offset, value] of constants) region.set(offset, value);
    this.restart();
    for (const [offset, value] of Object.entries(words)) region.set(Number(offset), value);
  }

  /** Another monitor takes over: a new epoch that waits for the guest. */
  restart(): void {
    this.epoch = (this.region.get(Sb.EPOCH) + 1) >>> 0;
    this.region.set(Sb.EPOCH, this.epoch);
    this.region.set(Sb.HOST_STATE, State.RESETTING);
  }

  /** The next monitor of this region has doorbells and control pipe elsewhere, and other sizes (SB-1). */
  move(): void {
    this.bellPage = this.region.pages - 40;
    this.control = new HostPipe(this, 0, 0, this.region.pages - 30, CONTROL_TO_GUEST, CONTROL_TO_HOST);
    this.region.set(Sb.BELL, this.bellPage);
    this.region.set(Sb.CONTROL, this.control.page);
    this.region.set(Sb.TO_HOST, this.control.toHost);
    this.region.set(Sb.TO_GUEST, this.control.toGuest);
  }

  /** Begins the epoch that the guest asked for (ATT-3). */
  answer(state: number = State.READY): void {
    const { region } = this;
    region.words.fill(0, (this.bellPage * PAGE) / 4, ((this.bellPage + 4) * PAGE) / 4);
    this.control.clear();
    this.epoch = (this.epoch + 1) >>> 0;
    region.set(Sb.EPOCH, this.epoch);
    region.set(Sb.VIOLATION, 0);
    region.set(Sb.HOST_STATE, state);
    region.set(Sb.REPLY, region.get(Sb.REQUEST));
  }

  /** A block of its own, every header word as PIPE-2 wants it. */
  block(id: number, toHost: number, toGuest: number, generation = 1): HostPipe {
    const pipe = new HostPipe(this, id, generation, this.#nextPage, toHost, toGuest);
    this.#nextPage += 1 + (toHost + toGuest) / PAGE;
    if (this.#nextPage > this.region.pages) throw new Error("the scenario needs a larger region");
    pipe.clear();
    return pipe;
  }

  /** StreamInfo for a block. */
  give(request: number, pipe: HostPipe): void {
    this.control.message("StreamInfo", request, {
      id: pipe.id,
      generation: pipe.generation,
      page: pipe.page,
      toHostBytes: pipe.toHost,
      toGuestBytes: pipe.toGuest,
    });
  }

  // ── Doorbells, in the order of BELL-3 ─────────────────────────────────────────────────────────────────────────────

  bellWord(direction: "toHost" | "toGuest", offset: number): number {
    return this.bellPage * PAGE + (direction === "toHost" ? 0 : Bell.TO_GUEST) + offset;
  }

  /** Signals the guest: true where its bell would be rung. */
  signal(id: number): boolean {
    const { words } = this.region;
    const at = (offset: number): number => this.bellWord("toGuest", offset) / 4;
    const leaf = id >>> 5;
    const middle = leaf >>> 5;
    const leafBit = 1 << (id & 31);
    if (Atomics.or(words, at(Bell.LEAF + 4 * leaf), leafBit) & leafBit) return false;
    const middleBit = 1 << (leaf & 31);
    if ((Atomics.or(words, at(Bell.MIDDLE + 4 * middle), middleBit) & middleBit) === 0) {
      Atomics.or(words, at(Bell.TOP), 1 << middle);
    }
    return Atomics.exchange(words, at(Bell.ASLEEP), 0) === 1;
  }

  /** Streams that the guest has signalled, by the rule of BELL-4; all words are zero afterwards. */
  takeSignals(): number[] {
    const { words } = this.region;
    const exchange = (offset: number): number =>
      Atomics.exchange(words, this.bellWord("toHost", offset) / 4, 0);
    const bits = (word: number): number[] =>
      Array.from({ length: 32 }, (_, i) => i).filter((i) => (word >>> i) & 1);
    const ids: number[] = [];
    for (const middle of bits(exchange(Bell.TOP))) {
      for (const l of bits(exchange(Bell.MIDDLE + 4 * middle))) {
        const leaf = 32 * middle + l;
        for (const b of bits(exchange(Bell.LEAF + 4 * leaf))) ids.push(32 * leaf + b);
      }
    }
    return ids;
  }

  /** This host sleeps: who signals must ring. */
  sleep(): void {
    this.region.set(this.bellWord("toHost", Bell.ASLEEP), 1);
  }

  wake(): void {
    this.region.set(this.bellWord("toHost", Bell.ASLEEP), 0);
  }
}
