// The first conversation of PROTOCOL.md, played by both sessions on one region: each step stores the words, and puts
// the bytes, that the text says.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  ConnectReply,
  ConnectRequest,
  decodeUtf8,
  encodeFrame,
  encodeHello,
  encodeUtf8,
  FrameReader,
  type GuestPipe,
  type HostPipe,
  inet,
  loadWord,
  NewStream,
  Open,
  Opened,
  PAGE_BYTES,
  Protocol,
  parseIp,
  type RingProducer,
  StreamInfo,
} from "../src/index.ts";
import { Region, recordingHandler } from "./helpers.ts";

const protocol = readFileSync(new URL("../../../PROTOCOL.md", import.meta.url), "utf8");

interface Step {
  /** "H superblock", "G stream 1 toHost". */
  readonly who: string;
  readonly bytes: Uint8Array;
  readonly words: ReadonlyMap<string, number>;
  readonly signals: number | undefined;
}

/** The steps of the text. */
const steps: readonly Step[] = /^### A first conversation\n[\s\S]*?^```text\n([\s\S]*?)^```$/m
  .exec(protocol)![1]!
  .split(/^(?=[ \d]\d [HG] )/m)
  .map((text) => {
    const [, side, place, rest] = /^[ \d]\d ([HG]) {2}(.*?)(?: {2,}|\n)([\s\S]*)$/.exec(text)!;
    const lines = rest!.split("\n").map((line) => line.trim());
    const tokens = lines
      .filter((line) => /^(?:[\da-f]{8}\b|")/.test(line))
      .flatMap((line) => line.match(/"[^"]*"|[\da-f]{8}/g)!);
    const bytes = tokens.map((token) =>
      token.startsWith('"') ? encodeUtf8(JSON.parse(token) as string) : Buffer.from(token, "hex"),
    );
    const words = [...rest!.matchAll(/((?:[a-z]+|toHost|toGuest)(?: (?!then)[a-z]+)*) = (\d+)/g)];
    return {
      who: `${side} ${place}`,
      bytes: Buffer.concat(bytes),
      words: new Map(words.map(([, name, value]) => [name!.replace(/^then /, ""), Number(value)])),
      signals: /signals (\d+)/.exec(rest!)?.slice(1).map(Number)[0],
    };
  });

/** Words by name, as the tables of PROTOCOL.md place them: the superblock's, and those of a block's header. */
const offsets: ReadonlyMap<string, number> = new Map(
  [...protocol.matchAll(/^\| 0x([\da-f]{3}) \| ([\w -]+) \| [HG] \|/gm)].map(([, offset, name]) => [
    name!,
    Number.parseInt(offset!, 16),
  ]),
);

const region = new Region(256 * PAGE_BYTES);
const { host, guest } = region;
const handler = recordingHandler();
const ids = new Uint16Array(8);
const CONTROL_PAGE = 5;

/** The stream, once it is there. */
let hostPipe: HostPipe;
let guestPipe: GuestPipe;
let replies: FrameReader;
let requests: FrameReader;

const noSignal = (): void => {};

function put(ring: RingProducer, bytes: Uint8Array, side: "host" | "guest"): Uint8Array {
  ring.put(bytes);
  if (ring.advance(bytes.length)) region[side].bell.signal(1);
  return bytes;
}

/** What was put first on a ring of the control pipe, whose data begin on the block's page `area`. */
function onControl(area: number, bytes: number): Uint8Array {
  const start = PAGE_BYTES * (CONTROL_PAGE + area);
  return region.memory.bytes.slice(start, start + bytes);
}

const request = encodeUtf8("GET / HTTP/1.0\r\n\r\n");
const answer = encodeUtf8("HTTP/1.0 204 No Content\r\n\r\n");

/** Each step of the text in turn: what its bytes are by control's encoders. */
const plays: readonly (() => Uint8Array | undefined)[] = [
  () => encodeHello({ errno: 0, regionPages: 256 }),
  () => void guest.attach(),
  () => void expect(host.checkGuest()).toBe("reset"),
  () => {
    expect(guest.poll()).toBe("attached");
    expect(host.checkGuest()).toBe("attached");
  },
  () => {
    guest.send(NewStream, { toHostBytes: 4096, toGuestBytes: 4096 });
    return onControl(1, 20);
  },
  () => {
    host.stepControl(handler, 1);
    return onControl(1 + 64 / 4, 32);
  },
  () => {
    guestPipe = guest.openPipe(StreamInfo.decode(guest.nextReply()!.payload));
    hostPipe = host.pipe(guestPipe.id)!;
    expect([guestPipe.id, guestPipe.generation, guestPipe.place.page]).toEqual([1, 1, 38]);
    guestPipe.toGuest.wantData();
    replies = new FrameReader(guestPipe.toGuest);
    requests = new FrameReader(hostPipe.toHost);
    const body = ConnectRequest.encode({ port: 80, timeoutMs: 0, host: "example.com" });
    const payload = Open.encode({ protocol: Protocol.TCP_CONNECT, body });
    return put(guestPipe.toHost, encodeFrame(Open.type, 1, payload), "guest");
  },
  () => {
    expect(requests.next(noSignal)?.type).toBe(Open.type);
    const [local, peer] = [inet(parseIp("192.0.2.10")!, 49_152), inet(parseIp("203.0.113.5")!, 80)];
    const payload = Opened.encode({ body: ConnectReply.encode({ local, peer }) });
    return put(hostPipe.toGuest, encodeFrame(Opened.type, 1, payload), "host");
  },
  () => {
    expect(replies.next(noSignal)?.type).toBe(Opened.type);
    return put(guestPipe.toHost, request, "guest");
  },
  () => {
    const taken = new Uint8Array(hostPipe.toHost.readable());
    hostPipe.toHost.copy(taken);
    hostPipe.toHost.advance(taken.length);
    expect(decodeUtf8(taken)).toBe(decodeUtf8(request));
    return put(hostPipe.toGuest, answer, "host");
  },
  () => {
    hostPipe.toGuest.end();
    host.bell.signal(1);
  },
  () => {
    guestPipe.toGuest.advance(guestPipe.toGuest.readable());
    guestPipe.toHost.end();
    guestPipe.toGuest.close();
    guest.bell.signal(1);
    guest.forget(guestPipe);
  },
  () => {
    hostPipe.toHost.close();
    host.bell.signal(1);
    expect(hostPipe.through()).toBe(true);
    host.release(hostPipe);
  },
];

test("the first conversation stores the words and puts the bytes that PROTOCOL.md says", () => {
  expect(steps.length).toBe(plays.length);
  for (const [i, { who, bytes, words, signals }] of steps.entries()) {
    host.pending.take(ids);
    guest.pending.take(ids);
    const put = plays[i]!();
    expect([who, Buffer.from(put ?? []).toString("hex")]).toEqual([who, Buffer.from(bytes).toString("hex")]);
    const base = who.includes("stream 1") ? 38 : who.includes("control") ? CONTROL_PAGE : 0;
    const found = [...words.keys()].map((name) => {
      expect(offsets.has(name), name).toBe(true);
      return [name, loadWord(region.memory, base * PAGE_BYTES + offsets.get(name)!)];
    });
    expect([who, found]).toEqual([who, [...words]]);
    const pending = who.startsWith("G") ? host.pending : guest.pending;
    const signalled = [...ids.subarray(0, pending.take(ids))];
    expect([who, signalled]).toEqual([who, signals === undefined ? [] : [signals]]);
  }
});
