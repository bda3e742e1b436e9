// One pipe of a region that is looked at: the words of its header, and the clauses that they break (PROTOCOL.md
// sections 4.3 and 5).
//
// The checks are those of the rings' own ends, run on a private copy: a consumer that stands at the read position of
// the copy refuses an impossible write position, each end the closed words that cannot be.

import * as layout from "../layout.ts";
import { Closed, PAGE_BYTES } from "../layout.ts";
import { MAX_RING_BYTES, MAX_STREAM_ID } from "../limits.ts";
import { loadWord, type RegionMemory, regionMemory } from "../memory.ts";
import { type PipePlace, toGuestRing, toHostRing } from "../pipe.ts";
import { RingConsumer, type RingPlace, RingProducer } from "../ring.ts";
import type { Findings } from "./findings.ts";
import type { Party, PipePicture, RingPicture } from "./report.ts";

/** All named words of a header. */
export const HEADER_BYTES: number = layout.PIPE_GENERATION + 4;

/** Where the parts of a block's copy lie: it begins with the block's header, so as if the block were page 0's. */
export function ringsOfCopy(place: PipePlace): { readonly toHost: RingPlace; readonly toGuest: RingPlace } {
  const atZero = { ...place, page: 0 };
  return { toHost: toHostRing(atZero), toGuest: toGuestRing(atZero) };
}

/** The words of a header. Capacities are undefined where nothing tells them. */
export function pipePictureOf(
  header: RegionMemory,
  page: number,
  capacities: Omit<PipePlace, "page"> | undefined,
  from: PipePicture["from"],
  still: boolean,
): PipePicture {
  return {
    id: loadWord(header, layout.PIPE_ID),
    generation: loadWord(header, layout.PIPE_GENERATION),
    page,
    from,
    still,
    toHost: ringPictureOf(
      header,
      layout.PIPE_TO_HOST_PRODUCER,
      layout.PIPE_TO_HOST_CONSUMER,
      capacities?.toHostBytes,
    ),
    toGuest: ringPictureOf(
      header,
      layout.PIPE_TO_GUEST_PRODUCER,
      layout.PIPE_TO_GUEST_CONSUMER,
      capacities?.toGuestBytes,
    ),
  };
}

function ringPictureOf(
  header: RegionMemory,
  producer: number,
  consumer: number,
  capacity: number | undefined,
): RingPicture {
  const written = loadWord(header, producer + layout.PRODUCER_POSITION);
  const read = loadWord(header, consumer + layout.CONSUMER_POSITION);
  return {
    capacity,
    written,
    read,
    fill: (written - read) >>> 0,
    producerClosed: loadWord(header, producer + layout.PRODUCER_CLOSED),
    consumerClosed: loadWord(header, consumer + layout.CONSUMER_CLOSED),
    wantSpace: loadWord(header, producer + layout.PRODUCER_WANT_SPACE),
    wantData: loadWord(header, consumer + layout.CONSUMER_WANT_DATA),
  };
}

/** Are all four closed words set? Then the block is the host's, whatever lies in it (STR-7). */
export function isThrough({ toHost, toGuest }: PipePicture): boolean {
  return [toHost, toGuest].every(
    ({ producerClosed, consumerClosed }) =>
      (producerClosed === Closed.END || producerClosed === Closed.RESET) && consumerClosed === 1,
  );
}

/** "control pipe", "stream 3". */
export function nameOfPipe({ from, id }: PipePicture): string {
  return from === "superblock" ? "control pipe" : `stream ${id}`;
}

/** What the words of a header break. `header` is its copy at one moment. */
export function checkPipe(
  header: RegionMemory,
  place: PipePlace,
  picture: PipePicture,
  findings: Findings,
): void {
  const { toHost, toGuest } = ringsOfCopy(place);
  checkRing(
    header,
    place,
    toHost,
    picture.toHost,
    ["guest", "host"],
    `${nameOfPipe(picture)} toHost`,
    findings,
  );
  checkRing(
    header,
    place,
    toGuest,
    picture.toGuest,
    ["host", "guest"],
    `${nameOfPipe(picture)} toGuest`,
    findings,
  );
}

function checkRing(
  header: RegionMemory,
  { page }: PipePlace,
  place: RingPlace,
  ring: RingPicture,
  [producing, consuming]: readonly [Party, Party],
  name: string,
  findings: Findings,
): void {
  const producer = page * PAGE_BYTES + place.producer;
  const consumer = page * PAGE_BYTES + place.consumer;
  const reader = new RingConsumer(header, place, ring.read);
  const writer = new RingProducer(header, place, ring.written);
  // Either position may be the one that was moved too far.
  findings.check("either", producer + layout.PRODUCER_POSITION, `${name} positions`, () => reader.readable());
  findings.check(producing, producer + layout.PRODUCER_CLOSED, `${name} producer closed`, () =>
    reader.peerClosed(),
  );
  findings.check(consuming, consumer + layout.CONSUMER_CLOSED, `${name} consumer closed`, () =>
    writer.abandoned(),
  );
  if (ring.wantSpace > place.capacity) {
    const what = `${ring.wantSpace} bytes are more than the ring's ${place.capacity}`;
    findings.add("RING-9", producing, producer + layout.PRODUCER_WANT_SPACE, `${name} want-space`, what);
  }
  if (ring.wantData > 1) {
    const what = `${ring.wantData} is neither 0 nor 1`;
    findings.add("RING-9", consuming, consumer + layout.CONSUMER_WANT_DATA, `${name} want-data`, what);
  }
}

/**
 * What the page at `offset` of `pages` would be, if it is the header of a block in use: it looks like one. Whoever
 * writes data may write this too. Its capacities are not known.
 */
export function lookForHeader(
  pages: RegionMemory,
  offset: number,
  page: number,
  maxStreamId: number,
): PipePicture | undefined {
  const id = loadWord(pages, offset + layout.PIPE_ID);
  if (
    id === 0 ||
    id > Math.min(maxStreamId, MAX_STREAM_ID) ||
    loadWord(pages, offset + layout.PIPE_GENERATION) === 0
  )
    return undefined;
  const header = regionMemory(pages.bytes.slice(offset, offset + HEADER_BYTES).buffer);
  for (let at = 0; at < layout.PIPE_ID; at += 4) {
    const isNamed = at % layout.LINE_BYTES <= layout.PRODUCER_WANT_SPACE;
    if (!isNamed && loadWord(header, at) !== 0) return undefined;
  }
  const picture = pipePictureOf(header, page, undefined, "page", true);
  const isOpen = !isThrough(picture) && couldBe(picture.toHost) && couldBe(picture.toGuest);
  return isOpen ? picture : undefined;
}

function couldBe({ fill, producerClosed, consumerClosed, wantSpace, wantData }: RingPicture): boolean {
  const isBounded = fill <= MAX_RING_BYTES && wantSpace <= MAX_RING_BYTES;
  return isBounded && producerClosed <= Closed.RESET && consumerClosed <= 1 && wantData <= 1;
}
