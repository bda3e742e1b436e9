// A scenario's memory: bells and pipes in the layout of the wire, and the production's ends of them.

import { layout, PAGE_BYTES, type RingPlace, toGuestRing, toHostRing } from "@ringway/control";
import type { System } from "./explore.ts";
import { doorbell, type Program } from "./fiber.ts";
import { type Production, sharedMemory } from "./production.ts";
import { type Mistake, Side, type Stream } from "./programs.ts";

/** Positions start here: two bytes on, they wrap around. */
const START = 2 ** 32 - 2;
const BELL_AREA: number = PAGE_BYTES;
const FIRST_PIPE_PAGE = 8;
const PIPE_PAGES = 3;
/** Words of the model's own. */
export const COUNTS = 0;

export const HOST_BELL = 0;
const GUEST_BELL = 1;

type Way = "toHost" | "toGuest";

interface Pipe {
  readonly id: number;
  readonly capacity: number;
}

/** Memory with bells and pipes, in the layout of the wire, and what its places are called. */
export class Region {
  readonly places: Map<number, string> = new Map();
  readonly memory: Map<number, number> = new Map();
  readonly #production: Production;
  readonly #pipes: readonly Pipe[];

  constructor(production: Production, pipes: readonly Pipe[], ids: readonly number[]) {
    this.#production = production;
    this.#pipes = pipes;
    for (const way of ["toHost", "toGuest"] as const) {
      const area = BELL_AREA + (way === "toHost" ? layout.BELL_TO_HOST : layout.BELL_TO_GUEST);
      this.#name(area + layout.BELL_ASLEEP, `${way === "toHost" ? "host" : "guest"}.asleep`);
      this.#name(area + layout.BELL_TOP, `${way}.top`);
      for (const id of ids) {
        this.#name(area + layout.BELL_MIDDLE + 4 * (id >>> 10), `${way}.middle[${id >>> 10}]`);
        this.#name(area + layout.BELL_LEAF + 4 * (id >>> 5), `${way}.leaf[${id >>> 5}]`);
      }
    }
  }

  producer(id: number, way: Way): InstanceType<Production["RingProducer"]> {
    return new this.#production.RingProducer(sharedMemory, this.#ring(id, way), START);
  }

  consumer(id: number, way: Way): InstanceType<Production["RingConsumer"]> {
    return new this.#production.RingConsumer(sharedMemory, this.#ring(id, way), START);
  }

  sender(to: "host" | "guest"): InstanceType<Production["BellSender"]> {
    const bell = to === "host" ? HOST_BELL : GUEST_BELL;
    const area = BELL_AREA + (to === "host" ? layout.BELL_TO_HOST : layout.BELL_TO_GUEST);
    return new this.#production.BellSender(sharedMemory, area, doorbell(bell));
  }

  /** The consumer has set want-data before the producer knows of the ring. */
  wantsData(id: number, way: Way): void {
    this.memory.set((this.#ring(id, way).consumer + layout.CONSUMER_WANT_DATA) / 4, 1);
  }

  side(
    which: "host" | "guest",
    streams: readonly Stream[],
    mistake: Mistake | undefined,
    { room = 2, wakesOnce = false }: { room?: number; wakesOnce?: boolean } = {},
  ): { name: string; program: Program } {
    const area = BELL_AREA + (which === "host" ? layout.BELL_TO_HOST : layout.BELL_TO_GUEST);
    const bell = {
      sender: this.sender(which === "host" ? "guest" : "host"),
      receiver: new this.#production.BellReceiver(sharedMemory, area),
      own: which === "host" ? HOST_BELL : GUEST_BELL,
    };
    return { name: which, program: new Side(streams, bell, { room, wakesOnce, mistake }) };
  }

  system(threads: System["threads"], spurious: number, more: Partial<System> = {}): System {
    const { places, memory } = this;
    const check = (): undefined => undefined;
    return {
      threads,
      bells: ["the host's bell", "the guest's bell"],
      spurious,
      places,
      memory,
      check,
      ...more,
    };
  }

  /** Where a ring lies; its places are part of the state from now on. */
  #ring(id: number, way: Way): RingPlace {
    const index = this.#pipes.findIndex((pipe) => pipe.id === id);
    const { capacity } = this.#pipes[index]!;
    const place = {
      page: FIRST_PIPE_PAGE + index * PIPE_PAGES,
      toHostBytes: capacity,
      toGuestBytes: capacity,
    };
    const ring = way === "toHost" ? toHostRing(place) : toGuestRing(place);
    const name = this.#pipes.length === 1 ? way : `${way}[${id}]`;
    this.#name(ring.producer + layout.PRODUCER_POSITION, `${name}.written`);
    this.#name(ring.producer + layout.PRODUCER_CLOSED, `${name}.ended`);
    this.#name(ring.producer + layout.PRODUCER_WANT_SPACE, `${name}.wantSpace`);
    this.#name(ring.consumer + layout.CONSUMER_POSITION, `${name}.read`);
    this.#name(ring.consumer + layout.CONSUMER_CLOSED, `${name}.abandoned`);
    this.#name(ring.consumer + layout.CONSUMER_WANT_DATA, `${name}.wantData`);
    for (let i = 0; i < capacity; i++) this.places.set(-1 - (ring.data + i), `${name}.data[${i}]`);
    this.memory.set((ring.producer + layout.PRODUCER_POSITION) / 4, START | 0);
    this.memory.set((ring.consumer + layout.CONSUMER_POSITION) / 4, START | 0);
    return ring;
  }

  #name(offset: number, name: string): void {
    this.places.set(offset / 4, name);
  }
}
