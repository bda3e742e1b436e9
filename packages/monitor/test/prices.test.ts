// What a step of a stream costs its guest's slice (accounts/prices.ts): beginning and ending are dearer than carrying.

import { Closed, type HostPipe } from "@ringway/control";
import { beforeEach, describe, expect, test } from "vitest";
import { Price } from "../src/accounts/prices.ts";
import type { Relay } from "../src/guests/relay.ts";
import { Stream, type StreamOwner } from "../src/guests/stream.ts";

const noop = (): void => {};
let paid: (number | undefined)[] = [];
beforeEach(() => {
  paid = [];
});

const relay = (work: () => void): Relay => ({
  step() {
    work();
    return false;
  },
  dispose: noop,
});

/** Of a guest whose share notes each price; `worked` without one is Price.BYTES. */
function streamOf(relay: (stream: Stream) => Relay): Stream {
  const end = { position: 0, end: noop, reset: noop, close: noop, peerClosed: () => Closed.OPEN };
  const pipe = { id: 1, toHost: { ...end }, toGuest: { ...end }, through: () => false };
  const owner = {
    streams: { epoch: 0 },
    life: { over: false },
    budget: { network: { limited: false } },
    share: {
      mayRun: true,
      worked: (_useful: boolean, price?: number) => paid.push(price),
      charge: (price?: number) => paid.push(price),
      perform: (work: () => void) => work(),
    },
    ...{ signal: noop, streamEnded: noop, held: false },
  } as unknown as StreamOwner;
  const stream = new Stream(owner, pipe as unknown as HostPipe);
  stream.become(relay(stream));
  return stream;
}

describe("a step", () => {
  test("that carries bytes costs what its relay's work costs", () => {
    for (const price of [undefined, Price.DATAGRAMS]) {
      const stream = streamOf(() => ({ ...relay(noop), ...(price && { price }) }));
      stream.run();
    }
    expect(paid).toEqual([undefined, Price.DATAGRAMS]);
  });

  test("in which another relay takes over, or the stream ends, is dearer", () => {
    const next = relay(noop);
    const began = streamOf((stream) => relay(() => stream.become(next)));
    began.run();
    const ended = streamOf((stream) => relay(() => stream.end()));
    ended.run();
    expect(paid).toEqual([Price.LIFE, Price.LIFE]);
  });
});

test("so is an event that ends a stream; another costs no more than its time", () => {
  const stream = streamOf(() => relay(noop));
  stream.perform(noop);
  expect(paid).toEqual([]);
  stream.perform(() => stream.reset());
  expect(paid).toEqual([Price.LIFE]);
});
