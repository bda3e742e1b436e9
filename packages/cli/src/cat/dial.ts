// A target: one connection of those that it wants, and after it the next, where that is asked for.
//
//   dialling ─▶ there ─ closed (-r), broken (-R) ─▶ waiting ─▶ dialling
//      └─ failed (-R) ─────────────────────────────────▲
//
// There is no pause after a connection that lived for a while. Else there is one, which doubles up to a limit; after
// one that carried bytes both ways it is the first again. It is longer by chance, so that many do not come at once.

import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { errorLine } from "../errors.ts";
import type { Endpoint, House } from "./house.ts";
import type { Target } from "./places.ts";

const PAUSE_MS = { first: 50, most: 5_000 } as const;
/** Somebody who takes connections and closes them is not dialled as fast as that goes. */
const OF_USE_MS = 1_000;
/** Of the pause: so much longer it is at the most. */
const CHANCE = 0.5;

export class Dial implements Endpoint {
  readonly #house: House;
  readonly #target: Target;
  readonly #group: number;
  readonly tried: Promise<void>;
  #hasTried: () => void = () => {};
  #pauseMs = 0;

  constructor(house: House, target: Target, group: number) {
    this.#house = house;
    this.#target = target;
    this.#group = group;
    this.tried = new Promise((resolve) => {
      this.#hasTried = resolve;
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#house;
    while (!signal.aborted && (await this.#once())) {
      if (this.#pauseMs === 0) continue;
      const pauseMs = this.#pauseMs * (1 + Math.random() * CHANCE);
      await setTimeout(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  /** One connection, from its dialling to its end. Is it dialled again? */
  async #once(): Promise<boolean> {
    const house = this.#house;
    const { again } = house.options;
    let stream: Duplex;
    try {
      stream = await dial(house, this.#target);
    } catch (error) {
      this.#hasTried();
      if (house.signal.aborted) return false;
      this.#pauseLonger();
      const text = `${this.#target.text}: ${errorLine(error)}`;
      if (again.failed) house.tell(text);
      else house.fail(text);
      return again.failed;
    }
    const startMs = performance.now();
    const peer = house.join(stream, stream, { label: this.#target.text, group: this.#group });
    this.#hasTried();
    const error = await house.closed(peer);
    if (performance.now() - startMs > OF_USE_MS) this.#pauseMs = 0;
    else if (peer.bytesIn > 0 && peer.bytesOut > 0) this.#pauseMs = PAUSE_MS.first;
    else this.#pauseLonger();
    return error === undefined ? again.closed : again.failed;
  }

  #pauseLonger(): void {
    this.#pauseMs = Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.first, this.#pauseMs * 2));
  }
}

/** A stream to it, with TLS where that is asked for. */
export async function dial({ network, tls, signal }: House, target: Target): Promise<Duplex> {
  const stream = await network.connect({ to: target.to, from: target.from, signal });
  if (!target.tls) return stream;
  return await tls.connect(stream, "host" in target.to ? target.to.host : "localhost", signal);
}
