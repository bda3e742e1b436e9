// Ports of the host that the operator has published: each leads to a port of the guests of one name, and stays while
// they come and go. The sockets are the reactor's (relays/published.ts); here is who has published what, and when.
//
// Invariant: at most PUBLISHES_MAX, each with a descriptor.

import { formatIp } from "@ringway/control";
import { SystemError } from "@ringway/linux";
import type { Publication } from "../thread/messages.ts";
import { type Changer, START } from "./policy-history.ts";
import { type PublishOptions, publicationOf, requirePublish } from "./publish-options.ts";
import type { ReactorHandle } from "./reactor-handle.ts";
import { SteeringError } from "./steering-error.ts";

export interface Published {
  /** "127.0.0.1:8080": no other has it. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly guest: string;
  readonly guestPort: number;
  /** ISO 8601. */
  readonly time: string;
  readonly by: Changer;
}

export interface PublishStatus extends Published {
  /** How many guests listen there now. 0: connections are refused. */
  readonly listeners: number;
}

const PUBLISHES_MAX = 64;

export class Publishes {
  readonly #reactor: ReactorHandle;
  readonly #changed: () => void;
  readonly #all: Map<string, Published> = new Map();
  /** Asked for, and not answered. */
  #asked = 0;

  /** `changed` is told when there are more or fewer of them. */
  constructor(reactor: ReactorHandle, changed: () => void) {
    this.#reactor = reactor;
    this.#changed = changed;
  }

  get size(): number {
    return this.#all.size + this.#asked;
  }

  /** The reactor has opened these at its start, with these results. Throws as open(). */
  begin(options: readonly PublishOptions[], results: readonly number[]): readonly Published[] {
    if (options.length > PUBLISHES_MAX) throw tooMany();
    return options.map((each, i) => {
      const publication = publicationOf(each);
      if (results[i]! < 0) throw this.#failure(results[i]!, publication.id);
      return this.#add(publication, START);
    });
  }

  /** Throws SystemError (EADDRINUSE, EACCES, EADDRNOTAVAIL), TypeError, and SteeringError where there are too many. */
  async open(options: PublishOptions, by: Changer): Promise<Published> {
    requirePublish(options, "options");
    if (this.size >= PUBLISHES_MAX) throw tooMany();
    const publication = publicationOf(options);
    this.#asked++;
    try {
      const [result] = await this.#reactor.ask({ what: "publish", ...publication });
      if (Number(result) < 0) throw this.#failure(Number(result), publication.id);
    } finally {
      this.#asked--;
    }
    return this.#add(publication, by);
  }

  #add({ id, address, tenant: guest, port: guestPort }: Publication, by: Changer): Published {
    const { port } = address;
    const time = new Date().toISOString();
    const published = { id, address: formatIp(address.address), port, guest, guestPort, time, by };
    this.#all.set(id, published);
    this.#changed();
    return published;
  }

  #failure(errno: number, id: string): SystemError {
    const other = this.#all.get(id);
    const detail = other && `it leads to ${other.guest}:${other.guestPort} already`;
    return new SystemError(errno, "publish", id, detail);
  }

  /** Undefined: there is none. Connections that are open stay open. */
  async close(id: string): Promise<Published | undefined> {
    const published = this.#all.get(id);
    if (published === undefined) return undefined;
    await this.#reactor.ask({ what: "unpublish", id });
    // Who has asked the same meanwhile is told that it was not there.
    if (!this.#all.delete(id)) return undefined;
    this.#changed();
    return published;
  }

  /** The oldest first. */
  async list(): Promise<readonly PublishStatus[]> {
    const fields = await this.#reactor.ask({ what: "published" });
    const listeners = new Map<unknown, number>();
    for (let at = 0; at < fields.length; at += 2) listeners.set(fields[at], Number(fields[at + 1]));
    return [...this.#all.values()].map((each) => ({ ...each, listeners: listeners.get(each.id) ?? 0 }));
  }
}

function tooMany(): SteeringError {
  return new SteeringError(
    "ERR_RINGWAY_TOO_MANY",
    `${PUBLISHES_MAX} ports are published, and no more may be`,
  );
}
