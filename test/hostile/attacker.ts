// The hostile guest: it keeps to the protocol far enough to reach every state, and in each it writes what it likes.
//
// A step is one action, chosen by a generator of its own (seed and number of the step), so a step can be done again
// without those before it. Every change that the protocol does not allow counts as a mutation; what the second thread
// flips is counted apart. Replies steer it: a frame whose answer was new is kept, and changed again (coverage, as far
// as a guest can see it).

import { Worker } from "node:worker_threads";
import {
  Accept,
  ConnectRequest,
  FrameReader,
  type GuestPipe,
  HostState,
  layout,
  loadWord,
  PAGE_BYTES,
  Protocol,
  StreamInfo,
  storeWord,
} from "@ringway/control";
import { drainEventfd, duplicateFd, ringEventfd, sendWithFds, setNonBlocking } from "@ringway/linux";
import { Random } from "../simulator/random.ts";
import { RawGuest } from "../support/raw-guest.ts";
import {
  frame,
  openFrame,
  type SomeOpen,
  type StreamKind,
  someControl,
  someOpen,
  someRequest,
  type Targets,
  wickedFrame,
  wickedWord,
} from "./frames.ts";

export interface AttackerOptions {
  readonly path: string;
  readonly seed: number;
  readonly targets: Targets;
}

/** What it has done so far. */
export interface Tally {
  steps: number;
  mutations: number;
  flips: number;
  attaches: number;
  ended: number;
  streams: number;
  novel: number;
}

interface Open {
  readonly pipe: GuestPipe;
  kind: StreamKind;
}

/** It asks for more below this, and gives up the oldest above that. */
const STREAMS_WANTED = 40;
const STREAMS_KEPT = 64;
const HISTORY = 256;
const CORPUS = 512;
const LOGGED = 2000;
/** Every so often, or one guest would live for ever with what it has broken. */
const LIFE_STEPS = 20_000;

export class Attacker {
  readonly tally: Tally = { steps: 0, mutations: 0, flips: 0, attaches: 0, ended: 0, streams: 0, novel: 0 };
  /** The last actions, for whoever wants to know what the monitor died of. */
  readonly log: string[] = [];
  readonly #path: string;
  readonly #seed: number;
  readonly #targets: Targets;
  readonly #command: Int32Array = new Int32Array(new SharedArrayBuffer(64));
  readonly #worker: Worker;
  #guest: RawGuest | undefined;
  #random!: Random;
  #streams: Open[] = [];
  #history: Uint8Array[] = [];
  #corpus: { kind: StreamKind | "control"; bytes: Uint8Array }[] = [];
  readonly #seen: Set<string> = new Set();
  #lastSent: { kind: StreamKind | "control"; bytes: Uint8Array } | undefined;
  #age = 0;

  constructor({ path, seed, targets }: AttackerOptions) {
    this.#path = path;
    this.#seed = seed;
    this.#targets = targets;
    this.#worker = new Worker(new URL("./flipper.mjs", import.meta.url), {
      workerData: this.#command.buffer,
    });
    this.#worker.unref();
  }

  /** The host has looked at all that it was told of. */
  get isHeard(): boolean {
    return this.#guest !== undefined && loadWord(this.#guest.region, PAGE_BYTES + layout.BELL_TOP) === 0;
  }

  async step(number: number): Promise<void> {
    this.#random = new Random(
      Math.imul(this.#seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(number, 0xc2b2_ae35),
    );
    if (this.#guest === undefined) await this.#attach();
    this.tally.steps++;
    this.#age++;
    try {
      this.#collect();
      this.#act();
    } catch (error) {
      // Its own side of the protocol found words that it has broken itself: that stream is of no more use.
      if ((error as { code?: string }).code !== "ERR_RINGWAY_PROTOCOL" && !(error instanceof RangeError))
        throw error;
      this.#note("lost", String(error));
      this.#streams.splice(this.#random.below(this.#streams.length + 1), 1);
    }
    if (number % 16 === 0 && this.#guest !== undefined && this.#over()) this.leave();
  }

  leave(): void {
    this.#guest?.vanish();
    this.#guest = undefined;
    this.#streams = [];
    this.tally.ended++;
  }

  async close(): Promise<void> {
    this.leave();
    await this.#worker.terminate();
  }

  async #attach(): Promise<void> {
    for (;;) {
      try {
        this.#guest = await RawGuest.connect(this.#path);
        if (this.#random.once(8)) break;
        await this.#guest.attach();
        break;
      } catch (error) {
        // Turned away (too many guests), or what is left of another life.
        this.#note("attach", String(error));
        this.#guest?.vanish();
        this.#guest = undefined;
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (!(error instanceof Error) || /ECONNREFUSED|ENOENT/.test(String(error))) throw error;
      }
    }
    this.tally.attaches++;
    this.#age = 0;
    this.#tell(1, duplicateFd(this.#guest.memory.fd));
  }

  /** Has the monitor ended this guest, or has it lived long enough? */
  #over(): boolean {
    const guest = this.#guest!;
    if (this.#age > LIFE_STEPS) return true;
    if (loadWord(guest.region, layout.SB_HOST_STATE) !== HostState.READY && guest.hungUp()) return true;
    return this.#age % 256 === 0 && guest.hungUp();
  }

  #note(action: string, ...details: (string | number)[]): void {
    if (this.log.length >= LOGGED) this.log.splice(0, LOGGED / 2);
    this.log.push(`${this.tally.steps} ${action} ${details.join(" ")}`);
  }

  // ── Replies ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #collect(): void {
    const guest = this.#guest!;
    for (let i = 0; i < 32; i++) {
      const reply = guest.session.nextReply();
      if (reply === undefined) return;
      this.#novel(`control ${reply.type} ${firstWord(reply.payload, reply.type)}`);
      if (reply.type !== StreamInfo.type) continue;
      const pipe = guest.session.openPipe(StreamInfo.decode(reply.payload));
      this.tally.streams++;
      this.#streams.push({ pipe, kind: "fresh" });
      while (this.#streams.length > STREAMS_KEPT) this.#finish(this.#streams[0]!);
    }
  }

  #novel(signature: string): void {
    if (this.#seen.has(signature) || this.#seen.size > 5000) return;
    this.#seen.add(signature);
    this.tally.novel++;
    if (this.#lastSent === undefined) return;
    if (this.#corpus.length < CORPUS) this.#corpus.push(this.#lastSent);
    else this.#corpus[this.#random.below(CORPUS)] = this.#lastSent;
  }

  // ── Actions ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #act(): void {
    const random = this.#random;
    const chance = random.below(1000);
    if (chance < 100) this.#control();
    else if (chance < 280) this.#useStream();
    else if (chance < 360) this.#openStream();
    else if (chance < 450) this.#read();
    else if (chance < 465) this.#closeSome();
    else if (chance < 500) this.#accept(false);
    // From here on, what no guest may do.
    else if (chance < 640) this.#sendWicked();
    else if (chance < 735) this.#pipeWord();
    else if (chance < 760) this.#part();
    else if (chance < 820) this.#ringBytes();
    else if (chance < 860) this.#bells();
    else if (chance < 900) this.#replay();
    else if (chance < 930) this.#doubleFetch();
    else if (chance < 950) this.#accept(true);
    else if (chance < 975) this.#hostWords();
    else if (chance < 985) this.#anywhere();
    else if (chance < 990) this.#ring();
    else if (chance < 993) this.#descriptors();
    else if (chance < 996) this.#attachAgain();
    else if (chance < 997 && random.once(5)) this.#flood();
    else if (random.once(4)) this.#lethal();
    else this.#hostWords();
  }

  #control(): void {
    const enough = this.#streams.length >= STREAMS_WANTED && !this.#random.once(16);
    this.#put("control", someControl(this.#random, this.#targets, !enough));
  }

  #openStream(): void {
    const open = this.#pick("fresh");
    if (open === undefined) {
      this.#control();
      return;
    }
    const some = this.#someOpen();
    if (!this.#put(open, openFrame(this.#random, some))) return;
    open.kind = some.kind;
  }

  /** What a guest asks for: as often as not to be connected to a listener of its own. */
  #someOpen(): SomeOpen {
    const random = this.#random;
    const listener = this.#pick("listen");
    if (listener === undefined || !random.once(4)) return someOpen(random, this.#targets);
    const { listenPort, listenPorts } = this.#targets;
    const port = listenPort + random.below(listenPorts);
    return {
      kind: "raw",
      protocol: Protocol.TCP_CONNECT,
      body: ConnectRequest.encode({ host: "127.0.0.1", port, timeoutMs: 0 }),
    };
  }

  #useStream(): void {
    const open = this.#pick();
    if (open === undefined) return;
    const request = someRequest(this.#random, open.kind, this.#targets);
    if (request !== undefined) this.#put(open, request);
    else if (open.kind === "raw" || open.kind === "file-write") this.#data(open);
  }

  /** Raw bytes, as many as there is room for. */
  #data(open: Open): void {
    const { toHost } = open.pipe;
    const bytes = Math.min(toHost.writable(), this.#random.skewed(8192));
    toHost.put(new Uint8Array(bytes).fill(this.#random.u32()));
    toHost.advance(bytes);
    this.#signal(open.pipe.id);
  }

  #read(): void {
    const open = this.#pick();
    if (open === undefined) return;
    const { toGuest } = open.pipe;
    if (open.kind !== "raw" && open.kind !== "file-read") {
      const reader = new FrameReader(toGuest);
      for (let i = 0; i < 8; i++) {
        const reply = reader.next(() => this.#signal(open.pipe.id));
        if (reply === undefined) break;
        this.#novel(`${open.kind} ${reply.type} ${firstWord(reply.payload, reply.type)}`);
      }
    } else if (toGuest.advance(toGuest.readable()) || this.#random.once(2)) this.#signal(open.pipe.id);
    if (toGuest.peerClosed() !== 0) this.#finish(open);
  }

  #closeSome(): void {
    const open = this.#pick();
    if (open === undefined) return;
    const { toHost, toGuest } = open.pipe;
    switch (this.#random.below(4)) {
      case 0:
        toHost.end();
        break;
      case 1:
        toHost.reset();
        break;
      case 2:
        toGuest.close();
        break;
      default:
        this.#finish(open);
        return;
    }
    this.#signal(open.pipe.id);
  }

  #finish(open: Open): void {
    this.#streams = this.#streams.filter((other) => other !== open);
    const { pipe } = open;
    this.#guest!.session.forget(pipe);
    pipe.toHost[this.#random.once(2) ? "end" : "reset"]();
    pipe.toGuest.close();
    this.#signal(pipe.id);
  }

  #accept(wicked: boolean): void {
    const listener = this.#pick("listen");
    if (listener === undefined) return;
    const fresh = wicked ? this.#pick() : this.#pick("fresh");
    const id = fresh?.pipe.id ?? this.#random.below(40_000);
    const generation = fresh?.pipe.generation ?? this.#random.u32();
    if (!wicked) {
      if (this.#put(listener, frame(Accept, this.#random.u32(), { id, generation })) && fresh)
        fresh.kind = "posted";
      return;
    }
    this.tally.mutations++;
    const random = this.#random;
    const value = random.once(2)
      ? { id, generation: wickedWord(random, generation) }
      : { id: wickedWord(random, id), generation };
    this.#put(listener, frame(Accept, random.u32(), value));
  }

  // ── Mutations ───────────────────────────────────────────────────────────────────────────────────────────────────

  #sendWicked(): void {
    const random = this.#random;
    const to = random.once(1000) ? "control" : (this.#pickUsed() ?? this.#victim());
    if (to === undefined) {
      this.#control();
      return;
    }
    let bytes: Uint8Array;
    if (to === "control") bytes = someControl(random, this.#targets, true);
    else if (to.kind === "fresh") bytes = openFrame(random, someOpen(random, this.#targets));
    else
      bytes =
        someRequest(random, to.kind, this.#targets) ?? openFrame(random, someOpen(random, this.#targets));
    if (random.once(4) && this.#corpus.length > 0) bytes = random.pick(this.#corpus).bytes;
    this.tally.mutations++;
    this.#put(to, wickedFrame(random, bytes));
  }

  /** A frame that is cut off: what is put next goes on where it ended. */
  #part(): void {
    const open = this.#pickUsed() ?? this.#victim();
    if (open === undefined) return;
    const random = this.#random;
    const isFresh = open.kind === "fresh";
    const some = isFresh ? undefined : someRequest(random, open.kind, this.#targets);
    const bytes = some ?? openFrame(random, someOpen(random, this.#targets));
    this.tally.mutations++;
    this.#put(open, bytes.subarray(0, 1 + random.below(bytes.length - 1)));
  }

  #replay(): void {
    if (this.#history.length === 0) return;
    const random = this.#random;
    const bytes = random.pick(this.#history);
    const to = random.once(500) ? "control" : this.#victim();
    if (to === undefined) return;
    this.tally.mutations++;
    this.#put(to, bytes);
  }

  /** A word of a stream's header: positions, flags, wants; the guest's own and the host's. */
  #pipeWord(): void {
    const open = this.#victim();
    if (open === undefined) return;
    const random = this.#random;
    const line = random.pick([0x000, 0x000, 0x180, 0x180, 0x080, 0x100]);
    const at = open.pipe.place.page * PAGE_BYTES + line + random.pick([0, 0, 4, 8, 8, 12]);
    this.#poke(at, wickedWord(random, loadWord(this.#guest!.region, at)));
    if (!random.once(4)) this.#signal(open.pipe.id);
    // Positions that are put back in time let the stream live on.
    if (random.once(3)) this.#poke(at, 0);
  }

  /** Bytes in a ring that the host may be reading right now. */
  #ringBytes(): void {
    const open = this.#victim();
    if (open === undefined) return;
    const random = this.#random;
    const { place } = open.pipe;
    const start = (place.page + 1) * PAGE_BYTES;
    const length = Math.min(place.toHostBytes + place.toGuestBytes, 65_536);
    for (let i = 1 + random.below(8); i > 0; i--) {
      this.#poke(start + 4 * random.below(length / 4), wickedWord(random, 0));
    }
    this.#signal(open.pipe.id);
  }

  #bells(): void {
    const random = this.#random;
    const area = layout.PAGE_BYTES * loadWord(this.#guest!.region, layout.SB_BELL_PAGE);
    const base =
      (area > 0 && area < 65_536 ? area : PAGE_BYTES) + random.pick([0, 0, 0, layout.BELL_TO_GUEST]);
    for (let i = 1 + random.skewed(16); i > 0; i--) {
      const at = random.pick([
        layout.BELL_TOP,
        layout.BELL_ASLEEP,
        layout.BELL_MIDDLE + 4 * random.below(32),
        layout.BELL_LEAF + 4 * random.below(1024),
      ]);
      this.#poke(base + at, random.pick([0, 1, 0xffff_ffff, random.u32()]));
    }
  }

  /** The second thread changes one word among two values while the monitor works on it. */
  #doubleFetch(): void {
    const random = this.#random;
    const open = this.#victim();
    if (open === undefined || this.#command[1] !== this.#command[0]) return;
    const { region } = this.#guest!;
    const header = open.pipe.place.page * PAGE_BYTES;
    const at = random.once(2)
      ? header + random.pick([0x000, 0x004, 0x008, 0x180, 0x184, 0x188])
      : header + PAGE_BYTES + (open.pipe.toHost.position & (open.pipe.toHost.capacity - 1) & ~3);
    const now = loadWord(region, at);
    const times = 2 * (100 + random.below(5000));
    this.#note("flip", at, times);
    this.tally.mutations++;
    this.tally.flips += times;
    // The last value written is the first of the two: what it was, as often as not.
    this.#tell(2, at / 4, random.once(2) ? now : wickedWord(random, now), wickedWord(random, now), times);
    this.#signal(open.pipe.id);
  }

  /** Words of the superblock that are the host's, and of other places that a guest only reads. */
  #hostWords(): void {
    const random = this.#random;
    const at = random.pick([
      4 * random.below(11),
      0x80 + 4 * random.below(4),
      0x180,
      0x300 + 4 * random.below(64),
    ]);
    this.#poke(at, wickedWord(random, loadWord(this.#guest!.region, at)));
    if (random.once(8)) this.#guest!.ring();
    // Its own eyes need the first words; the host's never look at them again.
    if (at < 0x2c || at === 0x180) return;
    if (random.once(2)) this.#poke(at, 0);
  }

  #anywhere(): void {
    const { region } = this.#guest!;
    for (let i = 1 + this.#random.below(32); i > 0; i--) {
      // Beyond the superblock and the control pipe's header, which are for #lethal().
      const at = 4 * (6 * 1024 + this.#random.below(region.words.length - 6 * 1024));
      this.#poke(at, this.#random.u32());
    }
  }

  #ring(): void {
    for (let i = this.#random.skewed(200); i > 0; i--) ringEventfd(this.#guest!.bellToHostFd);
    this.tally.mutations++;
  }

  /** What it can do to descriptors that it shares with the monitor. */
  #descriptors(): void {
    const guest = this.#guest!;
    this.tally.mutations++;
    this.#note("descriptors");
    switch (this.#random.below(3)) {
      case 0:
        setNonBlocking(guest.bellToHostFd, this.#random.once(2));
        setNonBlocking(guest.bellToGuestFd, this.#random.once(2));
        break;
      case 1:
        guest.ring();
        setNonBlocking(guest.bellToHostFd, true);
        drainEventfd(guest.bellToHostFd);
        break;
      default:
        guest.fillBell();
    }
  }

  #attachAgain(): void {
    const guest = this.#guest!;
    this.#note("attach again");
    for (let i = 1 + this.#random.skewed(20); i > 0; i--) {
      this.tally.mutations++;
      storeWord(guest.region, layout.SB_ATTACH_REQUEST, this.#random.u32());
      guest.ring();
    }
    // And then as one should, or it would talk to nobody.
    this.#streams = [];
    guest.session.attach();
    this.#pollSoon();
  }

  /** Opens and never closes. */
  #flood(): void {
    this.#note("flood");
    for (let i = 0; i < 200; i++) {
      this.tally.mutations++;
      const bytes = someControl(this.#random, this.#targets, true);
      if (this.#random.once(2) || this.#streams.length === 0) this.#put("control", bytes);
      else this.#openStream();
    }
  }

  /** What ends the guest at once. */
  #lethal(): void {
    const random = this.#random;
    const guest = this.#guest!;
    switch (random.below(20)) {
      case 0:
        this.#poke(layout.SB_GUEST_STATE, random.pick([0, 1, 3, random.u32()]));
        guest.ring();
        return;
      case 1: {
        const at = 5 * PAGE_BYTES + random.pick([0x000, 0x004, 0x180, 0x184]);
        this.#poke(at, wickedWord(random, loadWord(guest.region, at)));
        this.#signal(0);
        return;
      }
      case 2:
        this.tally.mutations++;
        sendWithFds(guest.socketFd, new Uint8Array(1 + random.below(64)));
        return;
      case 3:
        this.tally.mutations++;
        this.leave();
        return;
      case 4:
        this.#poke(layout.SB_FEATURES_ACCEPTED, random.u32());
        this.#attachAgain();
        return;
      default:
        // Its life goes on.
        this.#anywhere();
    }
  }

  // ── Ways of writing ─────────────────────────────────────────────────────────────────────────────────────────────

  #poke(at: number, value: number): void {
    this.tally.mutations++;
    this.#note("poke", at, value);
    storeWord(this.#guest!.region, at, value);
  }

  /** Puts bytes on a ring as a producer does; false where there is no room. */
  #put(to: Open | "control", bytes: Uint8Array): boolean {
    const kind = to === "control" ? to : to.kind;
    this.#note("put", kind, to === "control" ? 0 : to.pipe.id, bytes.length);
    if (to === "control") {
      const { session } = this.#guest!;
      if (session.state !== "attached") {
        this.#pollSoon();
        return false;
      }
      // The session's own writer, with whatever stands in the frame's header.
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const type = view.getUint32(4, true);
      const kindOf = { type, name: "", encode: () => bytes.subarray(12), decode: () => bytes };
      if (bytes.length - 12 > 60_000) return false;
      session.send(kindOf as never, bytes);
    } else {
      const { toHost } = to.pipe;
      if (toHost.writable() < bytes.length) return false;
      toHost.put(bytes);
      toHost.advance(bytes.length);
    }
    this.#lastSent = { kind, bytes };
    if (this.#history.length < HISTORY) this.#history.push(bytes);
    else this.#history[this.#random.below(HISTORY)] = bytes;
    this.#signal(to === "control" ? 0 : to.pipe.id);
    return true;
  }

  #pollSoon(): void {
    this.#guest!.session.poll();
  }

  /** All three levels, whatever is set already: it may have broken them itself. */
  #signal(id: number): void {
    const { words } = this.#guest!.region;
    const base = PAGE_BYTES / 4;
    Atomics.or(words, base + layout.BELL_LEAF / 4 + (id >>> 5), 1 << (id & 31));
    Atomics.or(words, base + layout.BELL_MIDDLE / 4 + (id >>> 10), 1 << ((id >>> 5) & 31));
    Atomics.or(words, base + layout.BELL_TOP / 4, 1 << (id >>> 10));
    if (Atomics.exchange(words, base + layout.BELL_ASLEEP / 4, 0) !== 0) this.#guest!.ring();
  }

  #pick(kind?: StreamKind): Open | undefined {
    const { length } = this.#streams;
    if (length === 0) return undefined;
    const first = this.#random.below(length);
    if (kind === undefined) return this.#streams[first];
    for (let i = 0; i < length; i++) {
      const open = this.#streams[(first + i) % length]!;
      if (open.kind === kind) return open;
    }
    return undefined;
  }

  /** Most of the harm is done to some, so that others live long enough to get somewhere. */
  #victim(): Open | undefined {
    if (this.#random.once(8)) return this.#pick();
    const victims = this.#streams.filter(isVictim);
    return victims.length === 0 ? undefined : this.#random.pick(victims);
  }

  /** One that has been opened, two times of three: what has not is soon over. */
  #pickUsed(): Open | undefined {
    if (this.#random.once(3)) return undefined;
    const used = this.#streams.filter(
      (open) => isVictim(open) && open.kind !== "fresh" && open.kind !== "posted",
    );
    return used.length === 0 ? undefined : this.#random.pick(used);
  }

  #tell(...words: number[]): void {
    // The one before is over soon: it is a loop of stores.
    while (Atomics.load(this.#command, 1) !== Atomics.load(this.#command, 0))
      Atomics.wait(this.#command, 1, this.#command[1]!, 1);
    for (const [index, word] of words.entries()) this.#command[2 + index] = word;
    Atomics.add(this.#command, 0, 1);
    Atomics.notify(this.#command, 0);
  }
}

function isVictim({ pipe }: Open): boolean {
  return pipe.id % 3 === 0;
}

/** Of replies that say why, the errno: part of what tells one answer from another. */
function firstWord(payload: Uint8Array, type: number): number {
  if (type !== 0x8001 && type !== 0x8202 && type !== 0x8502) return 0;
  const at = type === 0x8502 ? 8 : 0;
  return payload.length < at + 4 ? -1 : new DataView(payload.buffer, payload.byteOffset).getUint32(at, true);
}
