// A stream whose Open waits for a disk worker: the guest can give it up, and nothing else.

import type { Relay } from "../../guests/relay.ts";
import { guestGaveUp, type Stream } from "../../guests/stream.ts";
import type { DiskWork } from "./access.ts";

export class PendingRelay implements Relay {
  declare readonly transfers?: true;
  readonly #stream: Stream;
  readonly #work: DiskWork;
  readonly #takenBack: () => void;
  /** The guest gave up, or is gone: what the worker opens or makes is nobody's. */
  disposed = false;

  /** `takenBack`: no worker has begun it, and none will. `transfers`: a monitor that stops waits for it. */
  constructor(stream: Stream, work: DiskWork, takenBack: () => void, transfers: boolean) {
    this.#stream = stream;
    this.#work = work;
    this.#takenBack = takenBack;
    if (transfers) this.transfers = true;
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.#work.cancel()) this.#takenBack();
  }
}
