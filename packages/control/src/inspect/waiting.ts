// Who waits in a region that is looked at, for what is there, and was not told (PROTOCOL.md RING-9, BELL-3). It breaks
// no clause that an onlooker could be sure of: a signal may be under way, and who holds a part of a frame waits for
// more. So these are notes, of what was so twice: before the pipes were looked at, and after.

import { PAGE_BYTES } from "../layout.ts";
import type { PipePlace } from "../pipe.ts";
import { HEADER_BYTES, nameOfPipe, pipePictureOf } from "./pipes.ts";
import type { BellPicture, PipePicture, RegionReport, RingPicture } from "./report.ts";
import { copyOf, type RegionSource } from "./source.ts";

type Bells = NonNullable<RegionReport["bells"]>;

export function notesOfWaiting(
  source: RegionSource,
  before: Bells,
  after: Bells,
  pipes: readonly PipePicture[],
): string[] {
  const sleeping = {
    host: sleepOf(before.toHost, after.toHost),
    guest: sleepOf(before.toGuest, after.toGuest),
  };
  return [
    ...notWoken(before.toHost, after.toHost, "host", "guest"),
    ...notWoken(before.toGuest, after.toGuest, "guest", "host"),
    ...pipes.flatMap((pipe) => notSignalled(source, pipe, sleeping)),
  ];
}

/** Streams that are pending for one who sleeps; undefined for one who was awake once. */
function sleepOf(before: BellPicture, after: BellPicture): ReadonlySet<number> | undefined {
  if (before.asleep !== 1 || after.asleep !== 1) return undefined;
  return new Set([...before.pending, ...after.pending]);
}

/** Its bit was set, and asleep not exchanged. */
function notWoken(before: BellPicture, after: BellPicture, sleeper: string, sender: string): string[] {
  if (before.asleep !== 1 || after.asleep !== 1) return [];
  const id = before.pending.find((pending) => after.pending.includes(pending));
  if (id === undefined) return [];
  const what = id === 0 ? "the control pipe is" : `stream ${id} is`;
  return [
    `the ${sleeper} sleeps though ${what} pending: if it stays so, the ${sender} has not woken it (BELL-3)`,
  ];
}

type Sleeping = Readonly<Record<"host" | "guest", ReadonlySet<number> | undefined>>;

function notSignalled(source: RegionSource, pipe: PipePicture, sleeping: Sleeping): string[] {
  if (!pipe.still || pipe.from === "page") return [];
  const waits = [
    ...waitsIn(pipe.toHost, "guest", "host").map((wait) => ({ ...wait, ring: "toHost" })),
    ...waitsIn(pipe.toGuest, "host", "guest").map((wait) => ({ ...wait, ring: "toGuest" })),
  ].filter(({ waiter }) => sleeping[waiter]?.has(pipe.id) === false);
  if (waits.length === 0 || !standsStill(source, pipe)) return [];
  return waits.map(({ ring, waiter, other, what }) => {
    const waiting = `${nameOfPipe(pipe)} ${ring}: the ${waiter} sleeps and waits for ${what}`;
    return `${waiting}: if it stays so, the ${other} has not signalled (BELL-3)`;
  });
}

type Side = "host" | "guest";

/** What an end of a ring waits for, and has. */
function waitsIn(
  ring: RingPicture,
  producer: Side,
  consumer: Side,
): { readonly waiter: Side; readonly other: Side; readonly what: string }[] {
  const { capacity, fill, wantData, wantSpace, consumerClosed, producerClosed } = ring;
  if (capacity === undefined || fill > capacity || consumerClosed !== 0) return [];
  const free = capacity - fill;
  const data = {
    waiter: consumer,
    other: producer,
    what: `data, and ${fill} bytes are there (of a frame, perhaps not all)`,
  };
  const space = {
    waiter: producer,
    other: consumer,
    what: `${wantSpace} bytes of space, and ${free} are there`,
  };
  return [
    ...(wantData === 1 && fill > 0 ? [data] : []),
    ...(producerClosed === 0 && wantSpace > 0 && wantSpace <= free ? [space] : []),
  ];
}

/** Nobody has moved a position, or taken a wish back, since it was looked at. */
function standsStill(source: RegionSource, pipe: PipePicture): boolean {
  const header = copyOf(source, pipe.page * PAGE_BYTES, HEADER_BYTES);
  const capacities: Omit<PipePlace, "page"> = {
    toHostBytes: pipe.toHost.capacity!,
    toGuestBytes: pipe.toGuest.capacity!,
  };
  const again = pipePictureOf(header, pipe.page, capacities, pipe.from, true);
  return (
    isSame(pipe.toHost, again.toHost) &&
    isSame(pipe.toGuest, again.toGuest) &&
    pipe.generation === again.generation
  );
}

function isSame(one: RingPicture, other: RingPicture): boolean {
  return (Object.keys(one) as (keyof RingPicture)[]).every((name) => one[name] === other[name]);
}
