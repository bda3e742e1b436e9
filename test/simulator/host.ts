// The host of the simulation: the production HostSession, and for each stream a relay that does what its script says.

import {
  type BellReceiver,
  Closed,
  type ControlHandler,
  FrameReader,
  FrameWriter,
  type HostLimits,
  type HostPipe,
  HostSession,
  Open,
  Opened,
  type RegionMemory,
} from "@ringway/control";
import type { SimulatedBell } from "./bell.ts";
import { decodeScript, keyOf, NEVER, type Script } from "./content.ts";
import { GivingDatagrams } from "./datagrams.ts";
import { Receiving, Sending, Wrong } from "./ends.ts";
import { Side, type Surroundings } from "./side.ts";

const LIMITS: HostLimits = { streams: 12, ringBytes: 16 * 1024 };

const LARGE_ENV: readonly string[] = ["A", "B", "C"].map((name) => `${name}=${"x".repeat(8000)}`);

export class SimulatedHost extends Side {
  override readonly session: HostSession;
  /** Pages of the heap when no stream is open. */
  readonly allPages: number;
  readonly #memory: RegionMemory;
  #relays: Map<number, Relay> = new Map();
  #due = false;
  readonly #handler: ControlHandler = {
    // Some of them large, so that replies fill the control pipe.
    getArgs: () => ({ argv: ["program"], env: this.world.random.once(5) ? LARGE_ENV : [] }),
    log: () => {},
    exit: () => {},
    explain: (protocol, body) => ({ allowed: body.length > 0, rule: `rule-${protocol}`, reason: "" }),
    makeRoom: () => true,
  };

  constructor(world: Surroundings, memory: RegionMemory, own: SimulatedBell, guests: SimulatedBell) {
    super(world, own);
    this.#memory = memory;
    this.session = new HostSession(memory, guests, LIMITS);
    this.allPages = this.session.freePages;
    world.newEpoch("host", this.session.epoch);
    world.note(`a host starts, epoch ${this.session.epoch}`);
  }

  protected override get receiver(): BellReceiver {
    return this.session.pending;
  }

  /** Before an epoch has begun, a guest may still be using the old one's bits. */
  protected override get mayTouch(): boolean {
    return this.session.attached;
  }

  protected override onBell(): void {
    for (let event = this.session.checkGuest(); event !== undefined; event = this.session.checkGuest()) {
      this.world.note(`host: ${event}, epoch ${this.session.epoch}`);
      this.forgetWork();
      this.#relays = new Map();
      this.#due = false;
      if (event === "reset") this.world.newEpoch("host", this.session.epoch);
      // What was signalled before this side knew of the guest was not looked at.
      if (event === "attached") this.ready.add(0);
    }
  }

  protected override step(id: number): boolean {
    this.session.beat();
    if (id === 0) return this.session.stepControl(this.#handler, 1 + this.world.random.below(3));
    const pipe = this.session.pipe(id);
    if (pipe === undefined) return false;
    let relay = this.#relays.get(id);
    if (relay === undefined) {
      relay = new Relay(this, pipe, this.#memory);
      this.#relays.set(id, relay);
    }
    const more = relay.step();
    if (!relay.released) return more;
    this.session.release(pipe);
    this.#relays.delete(id);
    return false;
  }

  protected override flush(): void {
    if (!this.#due) return;
    this.#due = false;
    this.session.bell.wake();
  }

  /** Rings at once, or once for several streams, as a reactor does. */
  signal(id: number): void {
    if (this.world.random.once(2)) this.session.bell.signal(id);
    else if (this.session.bell.mark(id)) this.#due = true;
  }

  /** After some turns, if the stream is still there, and steps it. */
  later(pipe: HostPipe, then: () => void = () => {}): void {
    this.after(1 + this.world.random.below(200), () => {
      if (this.session.pipe(pipe.id) !== pipe) return;
      then();
      this.ready.add(pipe.id);
    });
  }

  get surroundings(): Surroundings {
    return this.world;
  }
}

class Relay {
  released = false;
  readonly #host: SimulatedHost;
  readonly #pipe: HostPipe;
  readonly #memory: RegionMemory;
  #script: Script | undefined;
  #sending: Sending | undefined;
  #receiving: Receiving | undefined;
  #datagrams: GivingDatagrams | undefined;

  constructor(host: SimulatedHost, pipe: HostPipe, memory: RegionMemory) {
    this.#host = host;
    this.#pipe = pipe;
    this.#memory = memory;
  }

  step(): boolean {
    const { toHost, toGuest } = this.#pipe;
    if (toHost.closed && toGuest.closed !== Closed.OPEN) {
      this.released = this.#pipe.through();
      return false;
    }
    if (this.#script === undefined) return this.#open();
    if (this.#script.echo) return this.#echo(this.#script);
    if (this.#datagrams !== undefined) {
      const closed = toHost.peerClosed();
      return closed === Closed.OPEN ? this.#datagrams.step() : this.#close(closed === Closed.RESET);
    }
    // Both directions: the signal may have meant either.
    const sends = this.#send();
    return this.#receive(this.#script) || sends;
  }

  readonly #signal = (): void => this.#host.signal(this.#pipe.id);

  #open(): boolean {
    const { toHost, toGuest } = this.#pipe;
    // Before the frame: a guest may send its Open and end while this looks (RING-6).
    const closed = toHost.peerClosed();
    const frame = new FrameReader(toHost).next(this.#signal);
    // want-data is set since the stream was opened (STR-1).
    if (frame === undefined) return closed === Closed.OPEN ? false : this.#close(false);
    if (frame.type !== Open.type) throw new Wrong(`a stream begins with a frame of type ${frame.type}`);
    const script = decodeScript(Open.decode(frame.payload).body);
    const { random } = this.#host.surroundings;
    this.#script = script;
    const sent = new FrameWriter(toGuest).send(
      Opened,
      frame.requestId,
      { body: new Uint8Array(0) },
      this.#signal,
    );
    if (!sent) throw new Wrong("no room for the first frame of a ring");
    const toGuestKey = keyOf(script.serial, "toGuest");
    this.#sending = new Sending(toGuest, toGuestKey, script.toGuestBytes, script.hostResetsAt, random);
    this.#receiving = new Receiving(toHost, keyOf(script.serial, "toHost"), script.hostStopsAt, random);
    if (script.messages > 0) {
      this.#datagrams = new GivingDatagrams(this.#pipe, script, this.#signal, random);
      this.#arriveLater(this.#datagrams);
    }
    return true;
  }

  #arriveLater(datagrams: GivingDatagrams): void {
    this.#host.later(this.#pipe, () => {
      datagrams.arrive();
      if (!datagrams.isThrough) this.#arriveLater(datagrams);
    });
  }

  #send(): boolean {
    const { toGuest } = this.#pipe;
    if (toGuest.closed !== Closed.OPEN) return false;
    switch (this.#sending!.step(this.#signal)) {
      case "again":
        return true;
      case "reset":
        return this.#close(true);
      case "end":
        toGuest.end();
        this.#signal();
        return true;
      default:
        return false;
    }
  }

  #receive(script: Script): boolean {
    const { toHost } = this.#pipe;
    if (toHost.closed) return false;
    const progress = this.#receiving!.step(this.#signal);
    switch (progress) {
      case "again":
        return true;
      case "pause":
        this.#host.later(this.#pipe);
        return false;
      case "reset":
        if (script.guestResetsAt === NEVER) throw new Wrong("the guest never reset this stream");
        return this.#close(true);
      case "end":
        this.#checkEnd(script);
        toHost.close();
        this.#signal();
        return true;
      case "enough":
        toHost.close();
        this.#signal();
        return true;
      default:
        return false;
    }
  }

  /** As the monitor's echo relay. */
  #echo(script: Script): boolean {
    const { toHost, toGuest } = this.#pipe;
    const closed = toHost.peerClosed();
    if (closed === Closed.RESET) return this.#close(true);
    const readable = toHost.readable();
    if (readable === 0) {
      if (closed !== Closed.END) return toHost.wantData();
      this.#checkEnd(script);
      return this.#close(false);
    }
    if (toGuest.abandoned()) {
      this.#receiving!.take(readable, this.#signal);
      return true;
    }
    const writable = toGuest.writable();
    if (writable === 0) return toGuest.wantSpace(1);
    const count = Math.min(toHost.spanBytes(readable), toGuest.spanBytes(writable));
    const from = toHost.spanOffset();
    this.#memory.bytes.copyWithin(toGuest.spanOffset(), from, from + count);
    this.#receiving!.take(count, this.#signal);
    if (toGuest.advance(count)) this.#signal();
    return true;
  }

  #checkEnd(script: Script): void {
    const { got } = this.#receiving!;
    if (got !== script.toHostBytes) {
      throw new Wrong(`false end: the host has ${got} of ${script.toHostBytes} bytes`);
    }
  }

  #close(reset: boolean): boolean {
    const { toHost, toGuest } = this.#pipe;
    if (reset) toGuest.reset();
    else toGuest.end();
    toHost.close();
    this.#signal();
    return true;
  }
}
