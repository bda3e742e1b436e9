// What carries datagrams to a guest in the monitor (packages/monitor/src/relays: udp/incoming.ts and udp/answers.ts, on
// replies.ts), as built, for the model and the simulator: on a kernel's socket that a test plays, and with the Atomics
// that it gives.
//
//   a test ── arrive() ──▶ KernelSocket ── receive() ──▶ Incoming, Answers ──▶ a ring ──▶ a guest of the test's
//                               └── full: the newest is dropped, and counted

import * as control from "@ringway/control";
import { builtFolder, compile, type Exports, type Replacement, readBuilt, replaceOnce } from "./built.ts";

const EAGAIN = 11;

/** A datagram; with a segment a train of them. */
export interface Message {
  readonly data: Uint8Array;
  readonly segment: number;
}

interface Queued extends Message {
  /** How many the socket had dropped when this one was put behind others. */
  readonly drops: number;
}

/** A socket of the kernel's, with room for so many messages. */
export class KernelSocket {
  readonly room: number;
  queue: readonly Queued[] = [];
  dropped = 0;

  constructor(room: number) {
    this.room = room;
  }

  arrive(message: Message): void {
    if (this.queue.length < this.room) this.arriveLast(message);
    else this.dropped += datagramsIn(message);
  }

  /** It finds room, whatever else is there. */
  arriveLast({ data, segment }: Message): void {
    this.queue = [...this.queue, { data, segment, drops: this.dropped }];
  }

  /** Before it is looked at: what came since may arrive here. */
  look(): void {}

  take(): Queued | undefined {
    const [first, ...others] = this.queue;
    this.queue = others;
    return first;
  }
}

function datagramsIn({ data, segment }: Message): number {
  return segment === 0 ? 1 : Math.ceil(data.length / segment);
}

/** Of DatagramInbox, what Incoming uses for a connected socket. `fd` is a KernelSocket. */
export class PlayedInbox {
  readonly capacity: number;
  readonly drops: number[] = [];
  readonly segments: number[] = [];
  data: Uint8Array = new Uint8Array(0);
  lengths: readonly number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  receive(fd: unknown, most: number): number {
    const socket = fd as KernelSocket;
    socket.look();
    const taken: Queued[] = [];
    while (taken.length < most && socket.queue.length > 0) taken.push(socket.take()!);
    this.lengths = taken.map(({ data }) => data.length);
    this.data = new Uint8Array(this.dataOffset(taken.length));
    for (const [i, { data }] of taken.entries()) this.data.set(data, this.dataOffset(i));
    for (const [i, { drops, segment }] of taken.entries()) {
      this.drops[i] = drops;
      this.segments[i] = segment;
    }
    return taken.length === 0 ? -EAGAIN : taken.length;
  }

  length(i: number): number {
    return this.lengths[i]!;
  }

  dataOffset(i: number): number {
    return this.lengths.slice(0, i).reduce((sum, each) => sum + each, 0);
  }
}

/** A guest that the policy holds to no rate. */
export const UNLIMITED_GUEST = { budget: { network: { limited: false } } } as const;

/** What both classes use of a guest's stream. */
export interface PlayedStream {
  readonly guest: typeof UNLIMITED_GUEST;
  readonly pipe: { readonly toGuest: control.RingProducer };
  signal(): void;
  signaller(): () => void;
  signalNow(): void;
  moved(): void;
  writer(): control.FrameWriter;
}

/** What they use of the monitor: counts go nowhere. */
class PlayedMonitor {
  readonly datagrams: { readonly inbox: PlayedInbox };

  constructor(inbox: PlayedInbox) {
    this.datagrams = { inbox };
  }

  get counters(): { add(): void } {
    return NO_COUNTERS;
  }
}
const NO_COUNTERS = { add(): void {} };

/** Of UdpSocket: a connected one. */
class PlayedConnection {
  readonly fd: KernelSocket;

  constructor(fd: KernelSocket) {
    this.fd = fd;
  }

  received(): void {}
}

/** Of Answers and Incoming, what a relay calls. */
export interface Answers {
  flush(): boolean;
}
export interface Incoming {
  receivable: boolean;
  /** True: there is more to do. */
  step(nowMs: number): boolean;
}

/** A mistake in one of the two. */
export interface DatagramPatch extends Replacement {
  readonly module: "incoming" | "answers";
}

type Make = (
  socket: KernelSocket,
  stream: PlayedStream,
  inbox: PlayedInbox,
) => { readonly answers: Answers; readonly incoming: Incoming };

interface Classes {
  readonly Answers: new (stream: PlayedStream) => Answers;
  readonly Incoming: new (
    host: PlayedMonitor,
    stream: PlayedStream,
    socket: PlayedConnection,
    answers: Answers,
    peers: undefined,
  ) => Incoming;
}

const imports: Readonly<Record<string, Exports>> = {
  "node:perf_hooks": { performance },
  "@ringway/control": control,
  "@ringway/linux": {
    droppedDatagrams(fd: KernelSocket): number {
      fd.look();
      return fd.dropped;
    },
    Errno: { EAGAIN },
    errnoMessage: String,
  },
  "../../guests/network-budget.js": { USED_UP: -1 },
  "../../guests/stream.js": { Direction: {} },
  "../../policy/refusal.js": {},
  "../../reactor/counters.js": { Counter: {} },
  "../policy/refusal.js": {},
  "./empty-body.js": { NOTHING: new Uint8Array(0) },
  // Nobody follows.
  "./told.js": { tellDatagrams(): void {} },
};

/** `edit`: of the text, before it is evaluated. */
export function loadDatagrams(
  patches: readonly DatagramPatch[] = [],
  edit: (text: string) => string = (text) => text,
): Make {
  const folder = new URL("relays/udp/", builtFolder("monitor"));
  const load = (module: DatagramPatch["module"] | "../replies", below: Record<string, Exports>): Exports => {
    const mine = patches.filter((patch) => patch.module === module);
    const text = readBuilt(new URL(`${module}.js`, folder));
    const edited = edit(mine.reduce((was, patch) => replaceOnce(was, module, patch), text));
    return compile(edited)((name) => below[name] ?? imports[name]!, Atomics);
  };
  const answering = load("answers", { "../replies.js": load("../replies", {}) });
  const receiving = load("incoming", { "./answers.js": answering });
  const { Answers, Incoming } = { ...answering, ...receiving } as unknown as Classes;
  return (socket, stream, inbox) => {
    const answers = new Answers(stream);
    const incoming = new Incoming(
      new PlayedMonitor(inbox),
      stream,
      new PlayedConnection(socket),
      answers,
      undefined,
    );
    return { answers, incoming };
  };
}
