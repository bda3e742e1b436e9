// A stream of datagrams in the simulation: the monitor's own classes give them to the guest
// (test/support/datagrams.ts), and the guest checks what comes (PROTOCOL.md section 16).
//
//   network: messages at random times, in bursts ──▶ KernelSocket ──▶ Incoming, Answers ──▶ ring ──▶ TakingDatagrams
//
// Each datagram can be told from every other of the same size and stream, so one that was split or merged, or comes
// twice or out of order, is none that is awaited. The last message is never dropped: with it the losses before it are
// told, so in the end every datagram has come or is told as lost.

import { FrameReader, FrameWriter, type HostPipe, type RingConsumer, udpMessages } from "@ringway/control";
import {
  KernelSocket,
  loadDatagrams,
  type Message,
  PlayedInbox,
  UNLIMITED_GUEST,
} from "../support/datagrams.ts";
import { fill, keyOf, mismatch, type Script } from "./content.ts";
import { type Progress, Wrong } from "./ends.ts";
import type { Random } from "./random.ts";

const { datagramsOf, UdpLost, UdpReceived } = udpMessages;
const makeRelay = loadDatagrams();
/** Between two datagrams' contents: more than the bytes of any. */
const APART = 20_011;

/** Sizes of the datagrams of message `number`; more than one: a train, all but the last of one size. */
function sizesOf(serial: number, number: number): number[] {
  const dice = Math.imul(serial * 131 + number, 0x9e3779b1) >>> 0;
  const some = dice >>> 8;
  switch (dice & 7) {
    case 0:
      return [0];
    case 1:
    case 2:
    case 3:
      return [some % 60];
    case 4:
    case 5:
      return [some % 1500];
    case 6:
      return [some % 9000];
    default: {
      const segment = 1 + (some % 50);
      const sizes = new Array<number>(2 + ((dice >>> 3) % 79)).fill(segment);
      sizes[sizes.length - 1] = 1 + (some % segment);
      return sizes;
    }
  }
}

/** All datagrams of a stream: the size of each. */
function allSizes({ serial, messages }: Script): number[] {
  return Array.from({ length: messages }, (_, number) => sizesOf(serial, number)).flat();
}

/** The network's end: what is sent, and when, and the host's relay. */
export class GivingDatagrams {
  readonly #socket: KernelSocket;
  readonly #relay: ReturnType<typeof makeRelay>;
  readonly #pipe: HostPipe;
  readonly #script: Script;
  readonly #random: Random;
  /** Messages and datagrams that were sent. */
  #messages = 0;
  #datagrams = 0;

  constructor(pipe: HostPipe, script: Script, signal: () => void, random: Random) {
    const { toGuest } = pipe;
    this.#pipe = pipe;
    this.#script = script;
    this.#random = random;
    this.#socket = new KernelSocket(1 + random.below(6));
    const stream = {
      guest: UNLIMITED_GUEST,
      pipe,
      signal,
      signaller: () => signal,
      signalNow(): void {},
      moved(): void {},
      writer: () => new FrameWriter(toGuest),
    };
    this.#relay = makeRelay(this.#socket, stream, new PlayedInbox(1 + random.below(8)));
  }

  get isThrough(): boolean {
    return this.#messages === this.#script.messages;
  }

  /** Some more of them come: a burst. */
  arrive(): void {
    for (let burst = 1 + this.#random.skewed(10); burst > 0 && !this.isThrough; burst--) {
      const message = this.#next();
      if (this.isThrough) this.#socket.arriveLast(message);
      else this.#socket.arrive(message);
    }
    this.#relay.incoming.receivable = true;
  }

  step(): boolean {
    const { answers, incoming } = this.#relay;
    if (this.#pipe.toGuest.abandoned() || !answers.flush()) return false;
    return incoming.step(0);
  }

  #next(): Message {
    const { serial } = this.#script;
    const sizes = sizesOf(serial, this.#messages++);
    const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const size of sizes) {
      fill(data.subarray(at, at + size), keyOf(serial, "toGuest"), APART * this.#datagrams++);
      at += size;
    }
    return { data, segment: sizes.length > 1 ? sizes[0]! : 0 };
  }
}

/** The guest's end. */
export class TakingDatagrams {
  lost = 0;
  #got = 0;
  /** The first that may still come. */
  #next = 0;
  readonly #ring: RingConsumer;
  readonly #frames: FrameReader;
  readonly #script: Script;
  readonly #sizes: readonly number[];
  readonly #random: Random;

  constructor(ring: RingConsumer, script: Script, random: Random) {
    this.#ring = ring;
    this.#frames = new FrameReader(ring);
    this.#script = script;
    this.#sizes = allSizes(script);
    this.#random = random;
  }

  /** "enough": all have come, or were told as lost, or this guest takes no more. */
  step(signal: () => void): Progress {
    const ring = this.#ring;
    if (this.#got >= this.#script.guestStopsAt || this.#got + this.lost === this.#sizes.length)
      return "enough";
    if (this.#random.once(64)) {
      ring.unwantData();
      return "pause";
    }
    const frame = this.#frames.next(signal);
    if (frame === undefined) return ring.wantData() ? "again" : "rest";
    if (frame.type === UdpLost.type) this.#wasTold(UdpLost.decode(frame.payload).datagrams);
    else if (frame.type === UdpReceived.type) this.#take(UdpReceived.decode(frame.payload));
    else throw new Wrong(`a frame of type ${frame.type} among datagrams`);
    if (this.#got + this.lost > this.#sizes.length) {
      throw new Wrong(
        `${this.lost} datagrams are told as lost of ${this.#sizes.length}, and ${this.#got} came`,
      );
    }
    return "again";
  }

  #wasTold(lost: number): void {
    if (lost <= this.lost) throw new Wrong(`told of ${lost} lost datagrams after ${this.lost}`);
    this.lost = lost;
  }

  #take({ segment, data }: udpMessages.UdpSend): void {
    const count = datagramsOf(segment, data.length);
    if (count === undefined) throw new Wrong(`${data.length} bytes are no train of ${segment}`);
    const size = count === 1 ? data.length : segment;
    for (let i = 0; i < count; i++) this.#takeOne(data.subarray(i * size, (i + 1) * size));
  }

  #takeOne(bytes: Uint8Array): void {
    let number = this.#next;
    while (number < this.#sizes.length && !this.#isThis(number, bytes)) number++;
    if (number === this.#sizes.length) {
      throw new Wrong(`a datagram of ${bytes.length} bytes is none of those that may still come`);
    }
    const missing = number - this.#got;
    if (missing > this.lost) {
      throw new Wrong(`datagram ${number} comes after ${missing} lost ones, and ${this.lost} were told`);
    }
    this.#next = number + 1;
    this.#got++;
  }

  #isThis(number: number, bytes: Uint8Array): boolean {
    const key = keyOf(this.#script.serial, "toGuest");
    return this.#sizes[number] === bytes.length && mismatch(bytes, key, APART * number) < 0;
  }
}
