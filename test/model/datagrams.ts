// Datagrams to a guest, in every interleaving (PROTOCOL.md section 16): the monitor's own classes put what a kernel's
// socket has into a ring of the production's, and a guest takes it out.
//
//   network: counts what has come, rings ──▶ host: KernelSocket, Incoming, Answers ──▶ ring ──▶ guest: FrameReader
//
// What is proved: each datagram comes whole and alone or not at all, in the order in which they came; a loss is told
// before the datagram that came after it (UDP-10), never more is told than was lost, and everything that was lost is
// told in the end; nobody sleeps while there is something to put or to take.

import { type FrameReader, type RingConsumer, type RingProducer, udpMessages } from "@ringway/control";
import {
  type Answers,
  type DatagramPatch,
  type Incoming,
  KernelSocket,
  loadDatagrams,
  PlayedInbox,
  type PlayedStream,
  UNLIMITED_GUEST,
} from "../support/datagrams.ts";
import { doorbell, load, Program, store, Wrong } from "./fiber.ts";
import { type Production, withOpenFields } from "./production.ts";
import type { Side, Stream } from "./programs.ts";
import { HOST_BELL, Region } from "./region.ts";
import type { Scenario } from "./scenarios.ts";

const { UdpLost, UdpReceived } = udpMessages;
const STREAM = 1;
/** The model's word for how many have come. */
const CAME = 0;

/** Datagram number n, from 1, has as many bytes as this says, all of them n. */
type Sizes = readonly number[];

export interface DatagramBounds {
  readonly capacity: number;
  readonly sizes: Sizes;
  /** Messages that the kernel has room for. */
  readonly room: number;
  /** How many come at once, time after time. */
  readonly bursts: readonly number[];
}

/**
 * The host guesses how large the next datagram is, and never less than 64 bytes: rings of the model hold less than two
 * such. With these a ring holds as many as fit.
 */
const SMALL: readonly DatagramPatch[] = [
  { module: "incoming", replace: "const FIRST_GUESS_BYTES = 2048;", by: "const FIRST_GUESS_BYTES = 17;" },
  { module: "incoming", replace: "this.#guessBytes >>> 1, 64)", by: "this.#guessBytes >>> 1, 17)" },
];

/** Sends them all, in bursts. */
class Network extends Program {
  readonly bursts: readonly number[];
  readonly bell: { ring(): void };
  came = 0;
  at = 0;

  constructor(bursts: readonly number[]) {
    super();
    this.bursts = bursts;
    this.bell = doorbell(HOST_BELL);
  }

  override get doing(): string {
    return `having sent ${this.came}`;
  }

  override run(): void {
    this.came += this.bursts[this.at++]!;
    store(CAME, this.came);
    this.bell.ring();
    this.done = this.at === this.bursts.length;
  }
}

/** What has come since it was looked at last comes then: in between nobody takes anything from it. */
class SharedSocket extends KernelSocket {
  readonly sizes: Sizes;
  seen = 0;

  constructor(room: number, sizes: Sizes) {
    super(room);
    this.sizes = sizes;
  }

  override look(): void {
    const came = load(CAME);
    while (this.seen < came) {
      const number = ++this.seen;
      this.arrive({ data: new Uint8Array(this.sizes[number - 1]!).fill(number), segment: 0 });
    }
  }
}

/** The stream as the monitor's classes know it. */
class Link implements PlayedStream {
  readonly pipe: { readonly toGuest: RingProducer };
  readonly FrameWriter: Production["FrameWriter"];
  side: Side | undefined;

  constructor(toGuest: RingProducer, writer: Production["FrameWriter"]) {
    this.pipe = { toGuest };
    this.FrameWriter = writer;
  }

  get guest(): PlayedStream["guest"] {
    return UNLIMITED_GUEST;
  }

  signal(): void {
    this.side!.signal(STREAM);
  }

  signaller(): () => void {
    return () => this.signal();
  }

  signalNow(): void {}
  moved(): void {}

  writer(): InstanceType<Production["FrameWriter"]> {
    return new this.FrameWriter(this.pipe.toGuest);
  }
}

/** The steps of UdpRelay, for this direction. */
class Host implements Stream {
  readonly id: number = STREAM;
  readonly link: Link;
  readonly answers: Answers;
  readonly incoming: Incoming;
  over = false;

  constructor(link: Link, { answers, incoming }: { readonly answers: Answers; readonly incoming: Incoming }) {
    this.link = link;
    this.answers = answers;
    this.incoming = incoming;
  }

  get rings(): Stream["rings"] {
    return [this.link.pipe.toGuest];
  }

  woken(): void {
    this.incoming.receivable = true;
  }

  step(side: Side): boolean {
    this.link.side = side;
    this.over = this.link.pipe.toGuest.abandoned();
    if (this.over || !this.answers.flush()) return false;
    return this.incoming.step(0);
  }

  toString(): string {
    return "giving datagrams";
  }
}

/** Takes frames, and knows of each datagram whether it came or was lost. */
class Guest implements Stream {
  readonly id: number = STREAM;
  readonly ring: RingConsumer;
  readonly frames: FrameReader;
  readonly sizes: Sizes;
  over = false;
  got = 0;
  last = 0;
  lost = 0;

  constructor(ring: RingConsumer, frames: FrameReader, sizes: Sizes) {
    this.ring = ring;
    this.frames = frames;
    this.sizes = sizes;
  }

  get rings(): Stream["rings"] {
    return [];
  }

  step(side: Side): boolean {
    const frame = this.frames.next(() => side.signal(STREAM));
    if (frame === undefined) return false;
    if (frame.requestId !== 0) throw new Wrong(`request id ${frame.requestId}`);
    if (frame.type === UdpLost.type) this.wasTold(UdpLost.decode(frame.payload).datagrams);
    else if (frame.type === UdpReceived.type) this.take(UdpReceived.decode(frame.payload));
    else throw new Wrong(`a frame of type ${frame.type}`);
    if (this.got + this.lost > this.sizes.length) throw new Wrong(`${this.lost} lost, and ${this.got} came`);
    if (this.got + this.lost < this.sizes.length) return true;
    this.ring.close();
    side.signal(STREAM);
    this.over = true;
    return false;
  }

  wasTold(lost: number): void {
    if (lost <= this.lost) throw new Wrong(`told of ${lost} lost after ${this.lost}`);
    this.lost = lost;
  }

  take({ segment, data }: udpMessages.UdpSend): void {
    const number = data[0]!;
    if (segment !== 0 || data.length !== this.sizes[number - 1] || data.some((byte) => byte !== number)) {
      throw new Wrong(`no datagram is ${data.join()}, segment ${segment}`);
    }
    if (number <= this.last) throw new Wrong(`datagram ${number} after ${this.last}`);
    const missing = number - 1 - this.got;
    if (missing > this.lost)
      throw new Wrong(`datagram ${number} after ${missing} lost, told of ${this.lost}`);
    this.last = number;
    this.got++;
  }

  toString(): string {
    return `having got ${this.got} of ${this.sizes.length}, ${this.lost} lost`;
  }
}

function datagrams(name: string, bounds: DatagramBounds, patches: readonly DatagramPatch[] = []): Scenario {
  const { capacity, sizes, room, bursts } = bounds;
  return {
    name,
    build(production) {
      const region = new Region(production, [{ id: STREAM, capacity }], [STREAM]);
      region.places.set(CAME, "came");
      region.wantsData(STREAM, "toGuest");
      const link = new Link(region.producer(STREAM, "toGuest"), production.FrameWriter);
      const make = loadDatagrams([...SMALL, ...patches], withOpenFields);
      const host = new Host(link, make(new SharedSocket(room, sizes), link, new PlayedInbox(1)));
      const ring = region.consumer(STREAM, "toGuest");
      const guest = new Guest(ring, new production.FrameReader(ring), sizes);
      const threads = [
        { name: "network", program: new Network(bursts) },
        region.side("host", [host], undefined),
        region.side("guest", [guest], undefined),
      ];
      return region.system(threads, 0, { bytesAtOnce: true });
    },
  };
}

const TIGHT: DatagramBounds = { capacity: 32, sizes: [1, 2, 1], room: 1, bursts: [2, 1] };
const TOO_LARGE: DatagramBounds = { capacity: 32, sizes: [40, 2], room: 2, bursts: [2] };

export const datagramScenarios: readonly Scenario[] = [
  datagrams("two datagrams, then one, through a ring for one; the kernel has room for one", TIGHT),
  datagrams("two datagrams through a ring for two", { capacity: 64, sizes: [1, 2], room: 2, bursts: [1, 1] }),
  datagrams("a datagram that never fits the ring, and one that does", TOO_LARGE),
];

/** Mistakes of the monitor's, each with what it leads to. */
export const datagramMutants: readonly {
  readonly name: string;
  readonly scenario: Scenario;
  readonly finds: RegExp;
}[] = [
  mutant(
    "a loss is told after the datagram behind it",
    "this.#kept.length === 0 && this.#answers.flush() && toGuest.writable() >= whole",
    "this.#kept.length === 0 && toGuest.writable() >= whole",
    /lost, told of/,
  ),
  mutant(
    "what the kernel has dropped is not counted where nothing comes behind it",
    "if (this.#waited) this.#countDrops();",
    "",
    /^lost wake-up/,
  ),
  mutant(
    "what is kept for a full ring asks for no space",
    "if (toGuest.wantSpace(frame.length)) continue; return false;",
    "return false;",
    /^lost wake-up/,
  ),
  mutant(
    "what is kept while other things were put is not waited for",
    "if (!this.#answers.flush() || !this.#flushKept()) return false;",
    "if (!this.#answers.flush() || this.#kept.length > 0) return false;",
    /^lost wake-up/,
  ),
  mutant(
    "a full ring asks for no space",
    "if (toGuest.wantSpace(Math.min(wanted, toGuest.capacity))) continue; return false;",
    "return false;",
    /^lost wake-up/,
  ),
  mutant(
    "what does not fit now is lost, and not told",
    "this.#kept.push({ frame: this.#encode(inbox, i, segment, data), peer });",
    "",
    /^lost wake-up|lost, told of/,
  ),
  mutant(
    "a datagram that never fits is dropped without a word",
    "if (whole > toGuest.capacity) { this.#lost(datagrams); return; }",
    "if (whole > toGuest.capacity) return;",
    /lost, told of|^lost wake-up/,
    "incoming",
    TOO_LARGE,
  ),
  mutant(
    "a datagram is cut to what fits",
    "if (whole > toGuest.capacity) { this.#lost(datagrams); return; }",
    "if (whole > toGuest.capacity) { this.#put(inbox, i, 0, from, bytes - (whole - toGuest.capacity), 1, peer); return; }",
    /^no datagram is/,
    "incoming",
    TOO_LARGE,
  ),
];

function mutant(
  name: string,
  replace: string,
  by: string,
  finds: RegExp,
  module: DatagramPatch["module"] = "incoming",
  bounds: DatagramBounds = TIGHT,
): (typeof datagramMutants)[number] {
  return { name, scenario: datagrams(name, bounds, [{ module, replace, by }]), finds };
}
