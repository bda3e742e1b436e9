// An option that there is not is refused, wherever one may be given.

import { PassThrough } from "node:stream";
import {
  BackOff,
  Channels,
  type Codec,
  cobs,
  jsonLines,
  lengthDelimited,
  MessageStream,
  netstring,
  varintDelimited,
} from "@ringway/messages";
import { Connection, Peers } from "@ringway/messages/node";
import { expect, it } from "vitest";

const wrong = { maxByte: 10 } as object;
const codec: Codec<Uint8Array> = cobs();
const message = (): Uint8Array => new Uint8Array();

it.each<[what: string, make: () => unknown]>([
  ["lengthDelimited()", () => lengthDelimited(wrong)],
  ["varintDelimited()", () => varintDelimited(wrong)],
  ["netstring()", () => netstring(wrong)],
  ["cobs()", () => cobs(wrong)],
  ["jsonLines()", () => jsonLines(wrong)],
  ["a stream", () => new MessageStream({ codec, ...wrong }, 0)],
  ["its ping", () => new MessageStream({ codec, ping: { everyMs: 1, answerMs: 1, message, ...wrong } }, 0)],
  ["a connection", () => new Connection(new PassThrough(), { codec, ...wrong })],
  ["peers", () => new Peers({ codec, ...wrong })],
  ["their bans", () => new Peers({ codec, banMs: wrong })],
  ["their back-off", () => new BackOff(wrong)],
  ["channels", () => new Channels({ queue: () => true, ...wrong })],
])("%s has no option that is misspelt", (_, make) => {
  expect(make).toThrow(/^there is no option "maxByte"; those that there are: /);
});

it("those that there are go through to the stream", async () => {
  const options = { codec, receiveMultiple: 1, sendMultiple: 2, txTimeoutMs: 1000, connectTimeoutMs: 1000 };
  const all = {
    ...options,
    writeBudgetBytes: 1,
    ping: { everyMs: 1000, answerMs: 1, message },
    onMalformed: () => true,
  };
  await new Connection(new PassThrough(), { ...all, onMessage() {}, onDrain() {} }).close();
  const ofPeers = { onPeer() {}, onGone() {}, onRefused() {}, backOff: {}, banMs: {}, chance: () => 0 };
  const peers = new Peers({
    ...all,
    ...ofPeers,
    onMessage() {},
    onDrain() {},
    maxConnections: 1,
    maxPerAddress: 1,
  });
  await peers.close();
});
