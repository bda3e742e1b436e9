// Mistakes of a host with what it counts of a guest's datagrams (LIM-2, LIM-3): for the cases of monitor/limits.ts.

import { type Mistake, of } from "./mistake.ts";

const budget = of("guests/network-budget");
const relay = of("relays/udp/relay");
const outgoing = of("relays/udp/outgoing");
const incoming = of("relays/udp/incoming");

export const MONITOR_MISTAKES: readonly Mistake[] = [
  budget(
    "goes on when the bytes are used up",
    "LIM-3",
    "if (left > 0) return left;",
    "return Math.max(left, 1);",
  ),
  budget(
    "opens sockets when the bytes are used up",
    "LIM-3",
    "if (this.#account.network.usedBytes < this.#mostBytes) return undefined;",
    "return undefined;",
  ),
  relay(
    "ends a socket and does not say that the bytes are used up",
    "UDP-9",
    "this.#answers.error(peer, why); this.#isOver = true;",
    "this.#isOver = true;",
  ),
  outgoing(
    "lets datagrams to the host go at any rate",
    "LIM-2",
    "const datagrams = bytes > 0 ? network.roomForDatagrams(this.#stream) : 0;",
    "const datagrams = bytes;",
  ),
  outgoing(
    "drops what is past the rate of datagrams",
    "UDP-11",
    "if ((network.limited || this.#wasLimited || isFollowed) && !this.#mayGo(network)) { toHost.unwantData(); return Taken.ALL; }",
    "if ((network.limited || this.#wasLimited || isFollowed) && !this.#mayGo(network)) { toHost.advance(readable); continue; }",
  ),
  incoming(
    "lets datagrams to the guest come at any rate",
    "LIM-2",
    "const datagrams = bytes > 0 ? network.roomForDatagrams(this.#stream) : 0;",
    "const datagrams = bytes;",
  ),
  incoming(
    "says nothing of what the kernel drops while a guest is at its rate",
    "UDP-10",
    "this.waits = datagrams === 0; this.#waited = true;",
    "this.waits = datagrams === 0;",
  ),
];
