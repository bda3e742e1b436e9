// The guest of the simulation: the production GuestSession, control requests with their replies in order, and streams
// that follow random scripts.

import {
  Args,
  type BellReceiver,
  Closed,
  ErrorReply,
  Explain,
  FrameReader,
  FrameWriter,
  GetArgs,
  type GuestPipe,
  GuestSession,
  Log,
  layout,
  loadWord,
  NewStream,
  Open,
  Opened,
  PAGE_BYTES,
  Ping,
  Pong,
  pipePages,
  type RegionMemory,
  StreamInfo,
  Verdict,
} from "@ringway/control";
import type { SimulatedBell } from "./bell.ts";
import { encodeScript, keyOf, NEVER, PROTOCOL, type Script } from "./content.ts";
import { TakingDatagrams } from "./datagrams.ts";
import { Receiving, Sending, Wrong } from "./ends.ts";
import type { Random } from "./random.ts";
import { Side, type Surroundings } from "./side.ts";

/** What came of streams and requests. */
export const OUTCOMES = [
  "ended",
  "reset by guest",
  "reset by host",
  "given up",
  "refused",
  "answered",
  "datagrams",
  "datagrams lost",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

interface Request {
  readonly kind: "stream" | "ping" | "args" | "log" | "explain";
  readonly id: number;
  readonly nonce: number;
}

/** Streams it has at once. */
const STREAMS_MAX = 10;

export class SimulatedGuest extends Side {
  override readonly session: GuestSession;
  /** Takes up nothing new. */
  resting = false;
  readonly #memory: RegionMemory;
  readonly #count: (outcome: Outcome) => void;
  readonly #serial: () => number;
  #streams: Map<number, GuestStream> = new Map();
  /** Sent and not answered, in order. */
  #requests: Request[] = [];
  /** What the control pipe had no room for. */
  #unsent: Request["kind"] | undefined;
  #away = false;
  /** Replies are not read before this. */
  #deafUntil = 0;

  constructor(
    world: Surroundings,
    memory: RegionMemory,
    own: SimulatedBell,
    hosts: SimulatedBell,
    count: (outcome: Outcome) => void,
    serial: () => number,
  ) {
    super(world, own);
    this.#memory = memory;
    this.#count = count;
    this.#serial = serial;
    this.session = new GuestSession(memory, hosts);
    world.note("a guest starts");
    this.session.attach();
  }

  /** Does anything wait for the host? */
  get busy(): boolean {
    return (
      this.session.state === "waiting" ||
      this.#streams.size > 0 ||
      this.#requests.length > 0 ||
      this.#unsent !== undefined
    );
  }

  describe(): string {
    const streams = [...this.#streams.values()].map(String).join("; ");
    const requests = this.#requests.map(({ kind }) => kind).join(" ");
    return `guest ${this.session.state}, ${this.asleep ? "asleep" : "awake"}; requests: ${requests} (${this.#unsent ?? "all sent"}); ${streams}`;
  }

  /** The program in the guest wants something new. */
  act(): void {
    if (this.session.state !== "attached" || this.resting) return;
    const { random } = this.world;
    // Now and then more than the control pipe has room for, one way or the other.
    if (random.once(60)) this.after(0, () => this.#burst(random.pick(["args", "explain", "log"])));
    else
      this.after(0, () => this.#request(random.pick(["stream", "stream", "stream", "ping", "args", "log"])));
  }

  detach(): void {
    this.world.note("the guest detaches");
    this.session.detach();
    this.#lost(true);
  }

  /** A side that has lost its host, or left it, comes back. */
  comeBack(): void {
    if (!this.#away) return;
    this.#away = false;
    this.world.note("the guest attaches again");
    this.session.attach();
  }

  protected override get receiver(): BellReceiver {
    return this.session.pending;
  }

  protected override get mayTouch(): boolean {
    return this.session.state === "attached";
  }

  protected override onBell(): void {
    const before = this.session.state;
    const state = this.session.poll();
    if (state === "failed") throw new Wrong(`the host failed the guest: ${this.session.violation}`);
    if (state === "lost" && before !== "lost") this.#lost(false);
    if (state === "attached" && before !== "attached") {
      this.world.note(`guest: attached to epoch ${this.session.epoch}`);
      this.world.newEpoch("guest", this.session.epoch);
    }
  }

  protected override step(id: number): boolean {
    this.session.beat();
    if (id === 0) return this.#stepControl();
    const stream = this.#streams.get(id);
    if (stream === undefined) return false;
    const more = stream.step();
    if (stream.outcome === undefined) return more;
    this.#count(stream.outcome);
    this.#streams.delete(id);
    this.session.forget(stream.pipe);
    return false;
  }

  protected override flush(): void {}

  get surroundings(): Surroundings {
    return this.world;
  }

  pause(id: number, stream: GuestStream): void {
    this.after(1 + this.world.random.below(200), () => {
      if (this.#streams.get(id) === stream) this.ready.add(id);
    });
  }

  #lost(onPurpose: boolean): void {
    this.world.note(`guest: ${onPurpose ? "left" : "lost"} epoch ${this.session.epoch}`);
    this.forgetWork();
    this.#streams = new Map();
    this.#requests = [];
    this.#unsent = undefined;
    this.#deafUntil = 0;
    this.#away = true;
    this.after(this.world.random.below(400), () => this.comeBack());
  }

  #burst(kind: "args" | "explain" | "log"): void {
    this.#deafUntil = this.world.now() + 600;
    this.#listenLater();
    for (let count = 0; count < 30; count++) this.#request(kind);
  }

  #listenLater(): void {
    this.after(this.#deafUntil - this.world.now(), () => {
      // Replies only: a request that waits for room must be woken by the host's signal.
      while (this.#takeReply());
    });
  }

  #request(kind: Request["kind"]): void {
    if (this.session.state !== "attached" || this.#unsent !== undefined) return;
    if (kind === "stream" && this.#streams.size + this.#requests.length >= STREAMS_MAX) return;
    const nonce = this.#serial();
    const id = this.#send(kind, nonce);
    this.#unsent = id === undefined ? kind : undefined;
    if (id !== undefined && kind !== "log") this.#requests.push({ kind, id, nonce });
  }

  #send(kind: Request["kind"], nonce: number): number | undefined {
    const { session } = this;
    const { random } = this.world;
    switch (kind) {
      case "stream":
        return session.send(NewStream, {
          toHostBytes: random.below(20_000),
          toGuestBytes: random.below(20_000),
        });
      case "ping":
        return session.send(Ping, { data: new Uint8Array(Uint32Array.of(nonce).buffer) });
      case "args":
        return session.send(GetArgs, {});
      case "log":
        return session.send(Log, {
          level: 20,
          text: "x".repeat(random.below(this.#deafUntil > 0 ? 8000 : 100)),
        });
      case "explain":
        return session.send(Explain, { protocol: PROTOCOL, body: new Uint8Array(random.below(16_000)) });
    }
  }

  #stepControl(): boolean {
    const unsent = this.#unsent;
    this.#unsent = undefined;
    if (unsent !== undefined) this.#request(unsent);
    if (this.world.now() < this.#deafUntil) {
      this.#listenLater();
      return false;
    }
    return this.#takeReply();
  }

  #takeReply(): boolean {
    this.#deafUntil = 0;
    const reply = this.session.nextReply();
    if (reply === undefined) return false;
    const request = this.#requests.shift();
    if (request?.id !== reply.requestId) {
      throw new Wrong(`a reply to request ${reply.requestId}, where one to ${request?.id} was due`);
    }
    this.#count("answered");
    if (request.kind === "ping") {
      const [nonce] = new Uint32Array(reply.payload.slice().buffer);
      if (reply.type !== Pong.type || nonce !== request.nonce) throw new Wrong("a pong is not its ping");
    } else if (request.kind === "args") {
      if (reply.type !== Args.type || Args.decode(reply.payload).argv[0] !== "program") {
        throw new Wrong("the arguments are not the host's");
      }
    } else if (request.kind === "explain") {
      if (reply.type !== Verdict.type || Verdict.decode(reply.payload).rule !== `rule-${PROTOCOL}`) {
        throw new Wrong("the verdict is not the host's");
      }
    } else if (reply.type === ErrorReply.type) this.#count("refused");
    else this.#open(StreamInfo.decode(reply.payload));
    return true;
  }

  #open(info: StreamInfo): void {
    const written = loadWord(this.#memory, info.page * PAGE_BYTES + layout.PIPE_GENERATION);
    if (written !== info.generation) throw new Wrong(`stream ${info.id} has two generations`);
    for (const { pipe } of this.#streams.values()) {
      if (overlap(pipe.place, info)) throw new Wrong(`streams ${pipe.id} and ${info.id} share pages`);
    }
    const script = randomScript(this.world.random, this.#serial());
    this.#streams.set(info.id, new GuestStream(this, this.session.openPipe(info), script));
    this.ready.add(info.id);
  }
}

type Place = Pick<StreamInfo, "page" | "toHostBytes" | "toGuestBytes">;

function overlap(one: Place, two: Place): boolean {
  const end = (place: Place): number => place.page + pipePages(place.toHostBytes, place.toGuestBytes);
  return one.page < end(two) && two.page < end(one);
}

function randomScript(random: Random, serial: number): Script {
  const bytes = (): number => random.skewed(random.pick([10, 1000, 20_000]));
  const messages = random.once(6) ? 1 + random.skewed(40) : 0;
  const echo = messages === 0 && random.once(3);
  const at = (times: number, total: number): number => (random.once(times) ? random.below(total + 1) : NEVER);
  const toHostBytes = messages > 0 ? 0 : bytes();
  const toGuestBytes = echo ? toHostBytes : bytes();
  return {
    serial,
    echo,
    toHostBytes,
    toGuestBytes,
    messages,
    guestResetsAt: at(8, toHostBytes),
    hostResetsAt: echo || messages > 0 ? NEVER : at(8, toGuestBytes),
    guestStopsAt: at(8, messages > 0 ? messages : toGuestBytes),
    hostStopsAt: echo || messages > 0 ? NEVER : at(8, toHostBytes),
  };
}

class GuestStream {
  readonly pipe: GuestPipe;
  /** Set once it is through: the pipe is not touched any more. */
  outcome: Outcome | undefined;
  readonly #guest: SimulatedGuest;
  readonly #script: Script;
  readonly #sending: Sending;
  readonly #receiving: Receiving;
  readonly #datagrams: TakingDatagrams | undefined;
  #asked = false;
  #opened = false;
  #how: Outcome = "ended";

  constructor(guest: SimulatedGuest, pipe: GuestPipe, script: Script) {
    const { random } = guest.surroundings;
    this.pipe = pipe;
    this.#guest = guest;
    this.#script = script;
    const { serial, toHostBytes, guestResetsAt, guestStopsAt, echo } = script;
    this.#sending = new Sending(pipe.toHost, keyOf(serial, "toHost"), toHostBytes, guestResetsAt, random);
    const key = keyOf(serial, echo ? "toHost" : "toGuest");
    this.#receiving = new Receiving(pipe.toGuest, key, guestStopsAt, random);
    if (script.messages > 0) this.#datagrams = new TakingDatagrams(pipe.toGuest, script, random);
  }

  toString(): string {
    const { id, toHost, toGuest } = this.pipe;
    const { toHostBytes, toGuestBytes, echo } = this.#script;
    const sent = `sent ${this.#sending.sent} of ${toHostBytes}${toHost.closed === Closed.OPEN ? "" : " and closed"}`;
    const got = `got ${this.#receiving.got} of ${toGuestBytes}${toGuest.closed ? " and closed" : ""}`;
    return `stream ${id}${echo ? " (echo)" : ""} ${sent}, ${got}`;
  }

  step(): boolean {
    if (!this.#asked) {
      this.#asked = true;
      const body = encodeScript(this.#script);
      const sent = new FrameWriter(this.pipe.toHost).send(
        Open,
        this.#script.serial,
        { protocol: PROTOCOL, body },
        this.#signal,
      );
      if (!sent) throw new Wrong("no room for the first frame of a ring");
      return true;
    }
    const sends = this.#send();
    if (this.outcome !== undefined) return false;
    return this.#receive() || sends;
  }

  readonly #signal = (): void => this.#guest.session.bell.signal(this.pipe.id);

  #send(): boolean {
    const { toHost, toGuest } = this.pipe;
    if (toHost.closed !== Closed.OPEN) return false;
    // Its end closes the socket (UDP-15): it comes when all datagrams have.
    if (this.#datagrams !== undefined && !toGuest.closed && this.#script.guestResetsAt === NEVER)
      return false;
    switch (this.#sending.step(this.#signal)) {
      case "again":
        return true;
      case "reset":
        this.#how = "reset by guest";
        toHost.reset();
        this.pipe.toGuest.close();
        this.#over();
        return false;
      case "end":
        toHost.end();
        this.#over();
        return true;
      default:
        return false;
    }
  }

  #receive(): boolean {
    const { toGuest } = this.pipe;
    if (toGuest.closed) return false;
    if (!this.#opened) return this.#receiveOpened();
    switch ((this.#datagrams ?? this.#receiving).step(this.#signal)) {
      case "again":
        return true;
      case "pause":
        this.#guest.pause(this.pipe.id, this);
        return false;
      case "reset":
        return this.#wasReset();
      case "end":
        if (this.#datagrams !== undefined || this.#receiving.got !== this.#script.toGuestBytes) {
          throw new Wrong(`false end: the guest, ${this}`);
        }
        toGuest.close();
        this.#over();
        return true;
      case "enough":
        this.#how = this.#outcomeOfEnough();
        toGuest.close();
        this.#over();
        return true;
      default:
        return false;
    }
  }

  #outcomeOfEnough(): Outcome {
    if (this.#datagrams === undefined || this.#script.guestStopsAt !== NEVER) return "given up";
    return this.#datagrams.lost > 0 ? "datagrams lost" : "datagrams";
  }

  #receiveOpened(): boolean {
    const { toGuest } = this.pipe;
    const closed = toGuest.peerClosed();
    if (closed === Closed.RESET) return this.#wasReset();
    const frame = new FrameReader(toGuest).next(this.#signal);
    if (frame !== undefined) {
      if (frame.type !== Opened.type || frame.requestId !== this.#script.serial) {
        throw new Wrong(`the host answers Open with a frame of type ${frame.type}`);
      }
      this.#opened = true;
      return true;
    }
    if (closed === Closed.END) throw new Wrong("the host ended a stream without an answer");
    return toGuest.wantData();
  }

  #wasReset(): boolean {
    if (this.#script.hostResetsAt === NEVER) throw new Wrong("the host was not to reset this stream");
    this.#how = "reset by host";
    this.pipe.toHost.end();
    this.pipe.toGuest.close();
    this.#over();
    return false;
  }

  /** Signals; after the second closed word, for the last time (STR-7). */
  #over(): void {
    this.#signal();
    const { toHost, toGuest } = this.pipe;
    if (toHost.closed !== Closed.OPEN && toGuest.closed) this.outcome = this.#how;
  }
}
