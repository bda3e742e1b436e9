// Who is parted from has all the time that it wants for what it was sent, and little for what it still says.

import { once } from "node:events";
import { Duplex } from "node:stream";
import { afterEach, expect, test, vi } from "vitest";
import { Peer } from "../../packages/cli/src/cat/peer.ts";
import { Random } from "../../packages/cli/src/cat/random.ts";
import { NO_SHAPE } from "../../packages/cli/src/cat/shape.ts";

afterEach(() => void vi.useRealTimers());

test("a peer that is parted from is closed when it has taken all, however late, and 5 s have passed", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const taken: string[] = [];
  let take: (() => void) | undefined;
  const stream = new Duplex({
    read() {},
    write(chunk, _, done) {
      take = () => {
        taken.push(String(chunk));
        done();
      };
    },
  });
  const peer = new Peer(stream, stream, {
    label: "slow",
    group: 0,
    chunkBytes: undefined,
    sending: NO_SHAPE,
    receiving: NO_SHAPE,
    random: new Random(1),
    isDatagrams: false,
  });
  peer.begin({ chunk() {}, ended() {}, left() {} });
  peer.send(Buffer.from("all of it"));
  peer.part();
  vi.advanceTimersByTime(3_600_000);
  expect(stream.destroyed).toBe(false);
  take!();
  await once(stream, "finish");
  expect(taken).toEqual(["all of it"]);
  vi.advanceTimersByTime(4_999);
  expect(stream.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  expect(stream.destroyed).toBe(true);
});
