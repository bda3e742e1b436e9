// Payload of what a guest was allowed, by protocol. Whoever carries bytes adds to one of these and to nothing else: the
// tally of the guest's key (tally.ts) is told when somebody scrapes, when the guest goes, and when what it had ends
// after it.

export interface Traffic {
  bytesToHost: number;
  bytesToGuest: number;
}

class OfProtocol implements Traffic {
  bytesToHost = 0;
  bytesToGuest = 0;
  /** What was told of these. */
  toldToHost = 0;
  toldToGuest = 0;
}

export class GuestTraffic {
  /** By the names of protocols. */
  readonly #traffic: Map<string, OfProtocol> = new Map();

  of(protocol: string): Traffic {
    let traffic = this.#traffic.get(protocol);
    if (traffic === undefined) {
      traffic = new OfProtocol();
      this.#traffic.set(protocol, traffic);
    }
    return traffic;
  }

  /** Of all protocols. */
  total(): Traffic {
    const total = { bytesToHost: 0, bytesToGuest: 0 };
    for (const { bytesToHost, bytesToGuest } of this.#traffic.values()) {
      total.bytesToHost += bytesToHost;
      total.bytesToGuest += bytesToGuest;
    }
    return total;
  }

  /** Adds what has come since the last time to what a tally has, by protocol. */
  tell(tally: Map<string, Traffic>): void {
    for (const [protocol, traffic] of this.#traffic) {
      let told = tally.get(protocol);
      if (told === undefined) {
        told = { bytesToHost: 0, bytesToGuest: 0 };
        tally.set(protocol, told);
      }
      told.bytesToHost += traffic.bytesToHost - traffic.toldToHost;
      told.bytesToGuest += traffic.bytesToGuest - traffic.toldToGuest;
      traffic.toldToHost = traffic.bytesToHost;
      traffic.toldToGuest = traffic.bytesToGuest;
    }
  }
}
