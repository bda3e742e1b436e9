// Floods: one kind of work that a guest may ask for, without end and as fast as it can. Each keeps to the protocol, so
// that all of it is work for the monitor; what it costs a guest beside it is promise 8 of docs/security.md.
//
// A mix is begun on guests of its own, and then turned: one turn puts in all that there is room for, takes what has
// come, and never waits. What it returns counts answers, so that a mix that gets nowhere is seen.

import {
  Closed,
  ConnectRequest,
  Explain,
  encodeFrame,
  FrameReader,
  fileMessages,
  fsMessages,
  GetArgs,
  type GuestPipe,
  ListenRequest,
  Log,
  type Message,
  NewStream,
  Ping,
  Protocol,
  StreamInfo,
  UDP_TRAIN_MAX,
  udpMessages,
} from "@ringway/control";
import { closeFd, connectUnix } from "@ringway/linux";
import type { RawGuest } from "../support/raw-guest.ts";
import type { Targets } from "./frames.ts";
import { DEEP, LONG } from "./world.ts";

export type Turn = () => number | Promise<number>;

export interface Mix {
  readonly name: string;
  /** Attachments that it wants, all of one process. */
  readonly guests: number;
  /** Beside a guest that causes audit lines, with a slow log in which they must be (floods.ts). */
  readonly audited?: true;
  begin(guests: readonly RawGuest[], targets: Targets, attachSocket: string): Promise<Turn>;
}

const EMPTY = new Uint8Array(0);
/** Frames that one turn puts into one ring. */
const AT_ONCE = 64;

/** One request, again and again, on streams of one protocol. */
function requests(
  name: string,
  options: { readonly streams: number; readonly ringBytes: number; readonly guests?: number },
  protocol: number,
  request: Uint8Array,
): Mix {
  const guestsWanted = options.guests ?? 1;
  return {
    name,
    guests: guestsWanted,
    async begin(guests) {
      const streams: { guest: RawGuest; pipe: GuestPipe; reader: FrameReader }[] = [];
      for (const guest of guests) {
        for (let i = 0; i < options.streams; i++) {
          const pipe = await guest.newStream(options.ringBytes);
          guest.sendOpen(pipe, protocol, EMPTY);
          await guest.opened(pipe);
          streams.push({ guest, pipe, reader: new FrameReader(pipe.toGuest) });
        }
      }
      return () => {
        let answers = 0;
        for (const { guest, pipe, reader } of streams) {
          const signal = (): void => guest.signal(pipe);
          while (reader.next(signal) !== undefined) answers++;
          let put = 0;
          while (put < AT_ONCE && pipe.toHost.writable() >= request.length) {
            pipe.toHost.put(request);
            pipe.toHost.advance(request.length);
            put++;
          }
          pipe.toGuest.wantData();
          if (put > 0) signal();
        }
        return answers;
      };
    },
  };
}

/** One request, again and again, on the control pipe. */
function control<T>(name: string, kind: Message<T>, value: T): Mix {
  return {
    name,
    guests: 1,
    async begin([guest]) {
      const { session } = guest!;
      return () => {
        let answers = 0;
        while (session.nextReply() !== undefined) answers++;
        for (let i = 0; i < 16 * AT_ONCE && session.send(kind, value) !== undefined; i++);
        return answers;
      };
    },
  };
}

/** Streams that a guest asks for ahead of their use. */
class Wanted {
  readonly #guest: RawGuest;
  readonly #bytes: { readonly toHostBytes: number; readonly toGuestBytes: number };
  /** Asked for and not answered yet. */
  asked = 0;
  /** The last answer that refused one has come since this was set to false. */
  refused = false;

  constructor(guest: RawGuest, toHostBytes: number) {
    this.#guest = guest;
    this.#bytes = { toHostBytes, toGuestBytes: 4096 };
  }

  /** Those that have come. */
  *come(): Generator<GuestPipe> {
    const { session } = this.#guest;
    for (let frame = session.nextReply(); frame !== undefined; frame = session.nextReply()) {
      this.asked--;
      if (frame.type === StreamInfo.type) yield session.openPipe(StreamInfo.decode(frame.payload));
      else this.refused = true;
    }
  }

  /** Asks until so many are on their way, or there is no room for another request. */
  ask(most: number): void {
    while (this.asked < most && this.#guest.session.send(NewStream, this.#bytes) !== undefined) this.asked++;
  }
}

/**
 * Streams that are asked for, opened, and given up: once the host has answered, or `atOnce`, while it still works on
 * that. Each that is over makes room for the next.
 */
function churn(
  name: string,
  most: number,
  atOnce: boolean,
  open: (targets: Targets, n: number) => { protocol: number; body: Uint8Array },
): Mix {
  return {
    name,
    guests: 1,
    async begin([guest], targets) {
      const wanted = new Wanted(guest!, 4096);
      const open_: { pipe: GuestPipe; reader: FrameReader }[] = [];
      let n = 0;
      const giveUp = (pipe: GuestPipe): void => guest!.finish(pipe, "reset");
      return () => {
        let done = 0;
        for (const pipe of wanted.come()) {
          pipe.toGuest.wantData();
          const { protocol, body } = open(targets, n++);
          guest!.sendOpen(pipe, protocol, body);
          open_.push({ pipe, reader: new FrameReader(pipe.toGuest) });
        }
        for (const each of open_.splice(0)) {
          const { pipe, reader } = each;
          const signal = (): void => guest!.signal(pipe);
          if (atOnce || reader.next(signal) !== undefined || pipe.toGuest.peerClosed() !== Closed.OPEN) {
            giveUp(pipe);
            done++;
          } else open_.push(each);
        }
        wanted.ask(most - open_.length);
        return done;
      };
    },
  };
}

/** As many streams as there may be, and then a new epoch: the host must end them all. */
const dropping: Mix = {
  name: "thousands of streams dropped",
  guests: 1,
  async begin([guest]) {
    const wanted = new Wanted(guest!, 4096);
    return async () => {
      let done = 0;
      for (const pipe of wanted.come()) {
        guest!.sendOpen(pipe, Protocol.ECHO, EMPTY);
        done++;
      }
      if (wanted.refused && wanted.asked === 0) {
        wanted.refused = false;
        await guest!.attach();
      }
      if (!wanted.refused) wanted.ask(256);
      return done;
    };
  },
};

/**
 * Peers that never read, and a guest that sends them all that kernels and rings take; once that is all, it begins anew.
 */
const deafPeers: Mix = {
  name: "peers that never read",
  guests: 1,
  async begin([guest], { deafPort }) {
    const MOST = 200;
    const wanted = new Wanted(guest!, 65_536);
    const chunk = new Uint8Array(16_384);
    const held: { pipe: GuestPipe; reader: FrameReader; opened: boolean }[] = [];
    let standsSince = performance.now();
    return () => {
      let done = 0;
      for (const pipe of wanted.come()) {
        const to = { host: "127.0.0.1", port: deafPort, timeoutMs: 0 };
        guest!.sendOpen(pipe, Protocol.TCP_CONNECT, ConnectRequest.encode(to));
        held.push({ pipe, reader: new FrameReader(pipe.toGuest), opened: false });
      }
      for (const each of held) {
        const { pipe, reader } = each;
        if (!each.opened && reader.next(() => guest!.signal(pipe)) === undefined) continue;
        each.opened = true;
        const room = Math.min(pipe.toHost.writable(), chunk.length);
        if (room === 0) continue;
        pipe.toHost.put(chunk.subarray(0, room));
        pipe.toHost.advance(room);
        guest!.signal(pipe);
        standsSince = performance.now();
        done++;
      }
      if (held.length === MOST && performance.now() - standsSince > 50) {
        for (const { pipe } of held.splice(0)) guest!.finish(pipe, "reset");
      }
      wanted.ask(MOST - held.length);
      return done;
    };
  },
};

/** One frame of a connected socket's, as many as the ring takes, to a peer that never reads. Counts those taken. */
function datagrams(name: string, frame: Uint8Array): Mix {
  const RING_BYTES = 131_072;
  const many = Buffer.concat(new Array<Uint8Array>(Math.floor(RING_BYTES / frame.length)).fill(frame));
  return {
    name,
    guests: 1,
    async begin([guest], { deafUdpPort }) {
      const pipe = await guest!.newStream(RING_BYTES);
      const to = { host: "127.0.0.1", port: deafUdpPort, timeoutMs: 0 };
      guest!.sendOpen(pipe, Protocol.UDP_CONNECT, ConnectRequest.encode(to));
      await guest!.opened(pipe);
      const { toHost } = pipe;
      let first = true;
      return () => {
        const room = Math.floor(toHost.writable() / frame.length);
        if (room === 0) return 0;
        toHost.put(many.subarray(0, room * frame.length));
        toHost.advance(room * frame.length);
        guest!.signal(pipe);
        // What was put at first was not taken yet.
        const taken = first ? 0 : room;
        first = false;
        return taken;
      };
    },
  };
}

/** Lines that take six times as many bytes in the log, each with a Ping behind it: that one has an answer. */
const logBombs: Mix = {
  name: "lines of control characters to the log",
  guests: 1,
  async begin([guest]) {
    const { session } = guest!;
    const text = "\u0001".repeat(8192);
    const ping = { data: new Uint8Array(1) };
    return () => {
      let answers = 0;
      while (session.nextReply() !== undefined) answers++;
      while (session.send(Log, { level: 30, text }) !== undefined && session.send(Ping, ping) !== undefined);
      return answers;
    };
  },
};

/** Connections to the attach socket, of which none becomes more than that: the oldest makes room for the next. */
const neverAttach: Mix = {
  name: "connections that never attach",
  guests: 0,
  async begin(_guests, _targets, attachSocket) {
    const MOST = 64;
    const held: number[] = [];
    return () => {
      let done = 0;
      for (let i = 0; i < 8; i++) {
        if (held.length === MOST) closeFd(held.shift()!);
        try {
          held.push(connectUnix(attachSocket, 1));
        } catch {
          // The backlog is full.
          break;
        }
        done++;
      }
      return done;
    };
  },
};

const stat = encodeFrame(fsMessages.Stat.type, 7, fsMessages.Stat.encode({ path: "/many/name-17" }));
const readDir = encodeFrame(fsMessages.ReadDir.type, 7, fsMessages.ReadDir.encode({ path: "/many" }));
const deepStat = encodeFrame(fsMessages.Stat.type, 7, fsMessages.Stat.encode({ path: `/rw/self/${DEEP}` }));
const deepMkdir = encodeFrame(
  fsMessages.Mkdir.type,
  7,
  fsMessages.Mkdir.encode({ path: `/rw/${DEEP}`, mode: 0o755, parents: true }),
);
const { UdpSend } = udpMessages;
const emptyDatagram = encodeFrame(UdpSend.type, 0, UdpSend.encode({ segment: 0, data: EMPTY }));
const train = encodeFrame(
  UdpSend.type,
  0,
  UdpSend.encode({ segment: 1, data: new Uint8Array(UDP_TRAIN_MAX) }),
);
const name = (host: string, port: number): { protocol: number; body: Uint8Array } => ({
  protocol: Protocol.TCP_CONNECT,
  body: ConnectRequest.encode({ host, port, timeoutMs: 0 }),
});

export const MIXES: readonly Mix[] = [
  requests("Stat on 64 streams", { streams: 64, ringBytes: 4096 }, Protocol.FS, stat),
  requests("Stat on one stream", { streams: 1, ringBytes: 65_536 }, Protocol.FS, stat),
  requests("Stat on two attachments", { streams: 32, ringBytes: 4096, guests: 2 }, Protocol.FS, stat),
  requests("Stat of 2000 names behind a link", { streams: 4, ringBytes: 65_536 }, Protocol.FS, deepStat),
  requests("Mkdir of 2000 names with parents", { streams: 4, ringBytes: 65_536 }, Protocol.FS, deepMkdir),
  requests("a big folder read", { streams: 8, ringBytes: 65_536 }, Protocol.FS, readDir),
  control("Explain against thousands of names", Explain, name("www.nobody.example", 80)),
  control("Ping", Ping, { data: new Uint8Array(64) }),
  control("GetArgs of 60 KB", GetArgs, {}),
  churn("connect and reset", 64, false, ({ echoPort }) => name("127.0.0.1", echoPort)),
  churn("connect to a silent name and reset", 64, true, ({ echoPort }, n) =>
    name(`n${n}.silent.test`, echoPort),
  ),
  churn("listeners", 4, false, ({ listenPort, listenPorts }, n) => ({
    protocol: Protocol.TCP_LISTEN,
    body: ListenRequest.encode({
      backlog: 0,
      address: { family: 4, port: listenPort + (n % listenPorts), address: Uint8Array.of(127, 0, 0, 1) },
    }),
  })),
  churn("streams that come and go", 256, false, () => ({ protocol: Protocol.ECHO, body: EMPTY })),
  dropping,
  deafPeers,
  datagrams("empty datagrams on a connected socket", emptyDatagram),
  datagrams("trains of one-byte datagrams", train),
  logBombs,
  // The last: a guest that comes after it has to wait for its turn.
  neverAttach,
  {
    ...churn("files opened, more than the audit log takes", 64, false, () => ({
      protocol: Protocol.FILE,
      body: fileMessages.FileOpen.encode({
        path: `/ro/${LONG}`,
        flags: fileMessages.FileFlags.READ,
        mode: 0,
      }),
    })),
    audited: true,
  },
];
