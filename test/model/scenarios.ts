// What the model explores: small systems, each for one claim, with its bounds.

import type { System } from "./explore.ts";
import type { Program } from "./fiber.ts";
import type { Production } from "./production.ts";
import {
  Caller,
  Echo,
  FrameSender,
  FrameTaker,
  type Mistake,
  Poster,
  Reader,
  type ReaderOptions,
  type Side,
  Watched,
  Writer,
  type WriterOptions,
} from "./programs.ts";
import { COUNTS, Region } from "./region.ts";

export interface Scenario {
  readonly name: string;
  build(production: Production, mistake?: Mistake): System;
}

export interface OneWay {
  readonly capacity: number;
  readonly writer: WriterOptions;
  readonly reader: Omit<ReaderOptions, "total">;
  readonly spurious?: number;
  readonly wakesOnce?: boolean;
}

/** The guest writes, the host reads, until both have closed. */
export function oneWay(name: string, bounds: OneWay): Scenario {
  const { capacity, writer, reader, spurious = 0, wakesOnce = false } = bounds;
  const build = (production: Production, mistake?: Mistake): System => {
    const region = new Region(production, [{ id: 1, capacity }], [1]);
    const from = new Writer(1, region.producer(1, "toHost"), writer);
    const to = new Reader(1, region.consumer(1, "toHost"), { ...reader, total: writer.total });
    const threads = [
      region.side("guest", [from], mistake, { wakesOnce }),
      region.side("host", [to], mistake, { wakesOnce }),
    ];
    const check = (programs: readonly Program[]): string | undefined => {
      const [sent, got] = programs.map((program) => (program as Side).streams[0]) as [Writer, Reader];
      if (reader.closesAfter !== undefined) return undefined;
      // The writer is done, so it has seen the reader close: the reader has seen one of its closed words.
      const seen = { end: 1, reset: 2, closed: 0, "none yet": 0 }[got.outcome];
      if (seen === sent.closed || (writer.how === "end, then reset" && seen === 1)) return undefined;
      return `the writer closed with ${sent.closed}, the reader saw ${got.outcome}`;
    };
    return region.system(threads, spurious, { check });
  };
  return { name, build };
}

/** The guest writes and reads, the host sends back: two rings, one stream's bit for both, in each direction. */
function echo(name: string, capacity: number, writer: WriterOptions): Scenario {
  const build = (production: Production, mistake?: Mistake): System => {
    const region = new Region(production, [{ id: 1, capacity }], [1]);
    const caller = new Caller(
      new Writer(1, region.producer(1, "toHost"), writer),
      new Reader(1, region.consumer(1, "toGuest"), { total: writer.total, looks: "pump" }),
    );
    const echoes = new Echo(1, region.consumer(1, "toHost"), region.producer(1, "toGuest"));
    return region.system(
      [region.side("guest", [caller], mistake), region.side("host", [echoes], mistake)],
      0,
    );
  };
  return { name, build };
}

/** Several streams of one byte each, over one pair of bells. */
function streams(name: string, ids: readonly number[], room: number, wakesOnce: boolean): Scenario {
  const build = (production: Production, mistake?: Mistake): System => {
    const pipes = ids.map((id) => ({ id, capacity: 1 }));
    const region = new Region(production, pipes, ids);
    const options = { total: 1, want: 1, how: "end" } as const;
    const from = ids.map((id) => new Writer(id, region.producer(id, "toHost"), options));
    const to = ids.map((id) => new Reader(id, region.consumer(id, "toHost"), { total: 1, looks: "pump" }));
    const sides = [
      region.side("guest", from, mistake, { room, wakesOnce }),
      region.side("host", to, mistake, { room, wakesOnce }),
    ];
    return region.system(sides, 0);
  };
  return { name, build };
}

/** The doorbell alone: posters signal streams, the receiver must see all that was posted. */
export function bells(
  name: string,
  posts: readonly (readonly number[])[],
  {
    room = 4,
    wakesOnce = false,
    spurious = 0,
  }: { room?: number; wakesOnce?: boolean; spurious?: number } = {},
): Scenario {
  const build = (production: Production, mistake?: Mistake): System => {
    const ids = [...new Set(posts.flat())];
    const region = new Region(production, [], ids);
    const place = (poster: number, id: number): number => COUNTS + poster * 8 + ids.indexOf(id);
    const posters = posts.map((posted, poster) => {
      const counts = Object.fromEntries(ids.map((id) => [id, place(poster, id)]));
      for (const id of posted) region.places.set(place(poster, id), `posted[${poster}][${id}]`);
      return {
        name: posts.length === 1 ? "sender" : `sender ${poster}`,
        program: new Poster(region.sender("host"), posted, counts, wakesOnce),
      };
    });
    const watched = ids.map((id) => {
      const counts = posts.map((posted, poster) => ({
        place: place(poster, id),
        total: posted.filter((each) => each === id).length,
      }));
      return new Watched(
        id,
        counts.filter(({ total }) => total > 0),
      );
    });
    const host = region.side("host", watched, mistake, { room });
    return region.system([...posters, host], spurious);
  };
  return { name, build };
}

/** Whole frames, as on the control pipe: want-data stands for good, want-space is a frame's size. */
function frames(name: string, capacity: number, total: number): Scenario {
  const build = (production: Production, mistake?: Mistake): System => {
    const region = new Region(production, [{ id: 0, capacity }], [0]);
    const producer = region.producer(0, "toHost");
    const consumer = region.consumer(0, "toHost");
    region.wantsData(0, "toHost");
    const sender = new FrameSender(0, producer, new production.FrameWriter(producer), total);
    const taker = new FrameTaker(0, new production.FrameReader(consumer), total);
    return region.system([region.side("guest", [sender], mistake), region.side("host", [taker], mistake)], 0);
  };
  return { name, build };
}

const plain: WriterOptions = { total: 4, want: 1, how: "end" };
const any: WriterOptions = { total: 5, want: 2, how: "end", anyLength: true };

/** Rings with the bells of both directions. Positions wrap around after two bytes. */
export const ringScenarios: readonly Scenario[] = [
  oneWay("4 bytes through a ring of 1", { capacity: 1, writer: plain, reader: { looks: "pump" } }),
  oneWay("4 bytes through a ring of 1, as relays look: closed first", {
    capacity: 1,
    writer: plain,
    reader: { looks: "closed first" },
  }),
  oneWay("4 bytes through a ring of 1, asking ended()", {
    capacity: 1,
    writer: plain,
    reader: { looks: "ended" },
  }),
  oneWay("4 bytes through a ring of 1, want-data withdrawn while awake", {
    capacity: 1,
    writer: plain,
    reader: { looks: "pump", unwants: true },
  }),
  oneWay("3 bytes through a ring of 1, woken once for all, a spurious ring each way", {
    capacity: 1,
    writer: { ...plain, total: 3 },
    reader: { looks: "pump" },
    spurious: 1,
    wakesOnce: true,
  }),
  oneWay("5 bytes in pieces of any length through a ring of 2, waiting for 1", {
    capacity: 2,
    writer: { ...any, want: 1 },
    reader: { looks: "pump", anyLength: true },
  }),
  oneWay("5 bytes in pieces of any length through a ring of 2, waiting for 2", {
    capacity: 2,
    writer: any,
    reader: { looks: "closed first", anyLength: true, unwants: true },
  }),
  oneWay("5 bytes in pieces of any length through a ring of 4, waiting for 3", {
    capacity: 4,
    writer: { ...any, want: 3 },
    reader: { looks: "pump", anyLength: true },
  }),
  oneWay("a reset after 3 bytes", {
    capacity: 2,
    writer: { ...any, total: 3, how: "reset" },
    reader: { looks: "closed first", anyLength: true },
  }),
  oneWay("a reset at any time", {
    capacity: 2,
    writer: { ...any, total: 3, how: "reset at any time" },
    reader: { looks: "pump", unwants: true },
  }),
  oneWay("an end that becomes a reset", {
    capacity: 2,
    writer: { ...any, total: 3, how: "end, then reset" },
    reader: { looks: "ended" },
  }),
  oneWay("a reader that reads no more after 2 bytes", {
    capacity: 1,
    writer: plain,
    reader: { looks: "pump", closesAfter: 2 },
  }),
  echo("2 bytes through rings of 1 and back", 1, { ...plain, total: 2 }),
  echo("3 bytes through rings of 2 and back", 2, { ...plain, total: 3, want: 2 }),
  frames("3 frames of 13 bytes through a ring of 16", 16, 3),
];

/** Three levels: ids of one leaf word, of two leaf words under one middle word, of two middle words. */
const IDS: readonly (readonly [string, number, number])[] = [
  ["one leaf word", 5, 6],
  ["one middle word", 5, 40],
  ["two middle words", 5, 1030],
];

export const bellScenarios: readonly Scenario[] = [
  ...IDS.flatMap(([where, one, two]) => [
    bells(`signals to streams of ${where}`, [[one, two, one, two]], { spurious: 1 }),
    bells(`signals to streams of ${where}, woken once for all`, [[one, two, one]], { wakesOnce: true }),
    bells(`signals to streams of ${where}, taken one at a time`, [[one, two, one]], { room: 1 }),
    bells(`two senders to streams of ${where}`, [
      [one, two],
      [two, one],
    ]),
    streams(`two streams of ${where}`, [one, two], 1, false),
  ]),
  bells("two senders to one stream", [
    [5, 5],
    [5, 5],
  ]),
  streams("two streams, woken once for all", [5, 40], 2, true),
];
