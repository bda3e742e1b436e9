// UDP sockets of the host for tests, and a guest's own over the wire.

import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from "node:dgram";
import { once } from "node:events";
import {
  ConnectReply,
  ConnectRequest,
  type Frame,
  FrameReader,
  FrameWriter,
  type GuestPipe,
  type InetAddress,
  inet,
  ListenReply,
  type Message,
  Protocol,
  parseIp,
  type TcpEndpoints,
  udpMessages,
} from "@ringway/control";
import { RawGuest } from "./raw-guest.ts";
import { until } from "./wait.ts";

const { UdpBindRequest, UdpError, UdpLost, UdpReceived, UdpReceivedFrom, UdpSend, UdpSendTo } = udpMessages;

export interface UdpServer extends AsyncDisposable {
  readonly socket: Socket;
  readonly port: number;
  readonly received: { readonly data: Buffer; readonly from: RemoteInfo }[];
}

/** A socket of the host; what it gets is kept, and sent back where it `echoes`. */
export async function udpServer(
  options: SocketOptions & { address?: string; echoes?: boolean; port?: number } = { type: "udp4" },
): Promise<UdpServer> {
  const { address = options.type === "udp4" ? "127.0.0.1" : "::1", echoes, port = 0, ...rest } = options;
  const socket = createSocket(rest);
  const received: UdpServer["received"] = [];
  socket.on("message", (data, from) => {
    received.push({ data, from });
    if (echoes) socket.send(data, from.port, from.address);
  });
  socket.on("error", () => {});
  socket.bind(port, address);
  await once(socket, "listening");
  return {
    socket,
    port: socket.address().port,
    received,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => void socket.close(() => resolve()));
    },
  };
}

export function address(text: string, port = 0): InetAddress {
  return inet(parseIp(text)!, port);
}

const RINGS = 256 * 1024;

/** A guest that has datagrams. */
export class UdpGuest extends RawGuest {
  async udpConnect(host: string, port: number, ringBytes: number = RINGS): Promise<OpenedUdp> {
    const pipe = await this.newStream(ringBytes);
    this.sendOpen(pipe, Protocol.UDP_CONNECT, ConnectRequest.encode({ host, port, timeoutMs: 0 }));
    return new OpenedUdp(this, pipe, ConnectReply.decode(await this.opened(pipe)));
  }

  async udpBind(host: string, port = 0, flags = 0, ringBytes: number = RINGS): Promise<OpenedUdp> {
    const pipe = await this.newStream(ringBytes);
    const body = UdpBindRequest.encode({ flags, address: address(host, port) });
    this.sendOpen(pipe, Protocol.UDP_BIND, body);
    const { bound } = ListenReply.decode(await this.opened(pipe));
    return new OpenedUdp(this, pipe, { local: bound, peer: bound });
  }
}

/** One socket of a guest's. */
export class OpenedUdp {
  readonly guest: UdpGuest;
  readonly pipe: GuestPipe;
  readonly local: InetAddress;
  readonly peer: InetAddress;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #nextId = 2;

  constructor(guest: UdpGuest, pipe: GuestPipe, { local, peer }: TcpEndpoints) {
    this.guest = guest;
    this.pipe = pipe;
    this.local = local;
    this.peer = peer;
    this.#reader = new FrameReader(pipe.toGuest);
    this.#writer = new FrameWriter(pipe.toHost);
  }

  async put<T>(kind: Message<T>, value: T, requestId = 0): Promise<void> {
    const { pipe, guest } = this;
    await until(`room for ${kind.name}`, () =>
      this.#writer.send(kind, requestId, value, () => guest.signal(pipe)),
    );
  }

  async send(data: string | Uint8Array, segment = 0): Promise<void> {
    await this.put(UdpSend, { segment, data: Buffer.from(data) });
  }

  async sendTo(peer: InetAddress, data: string | Uint8Array, segment = 0): Promise<void> {
    await this.put(UdpSendTo, { segment, peer, data: Buffer.from(data) });
  }

  /** A request; its reply, whatever that is. */
  async ask<T>(kind: Message<T>, value: T): Promise<Frame> {
    const id = this.#nextId++;
    await this.put(kind, value, id);
    for (;;) {
      const frame = await this.frame();
      if (frame.requestId === id) return frame;
    }
  }

  async frame(timeoutMs?: number): Promise<Frame> {
    const { pipe, guest } = this;
    return await until(
      "a frame",
      () => {
        const frame = this.#reader.next(() => guest.signal(pipe));
        if (frame === undefined) pipe.toGuest.wantData();
        return frame;
      },
      timeoutMs,
    );
  }

  /** The next frame, if there is one. */
  peek(): Frame | undefined {
    return this.#reader.next(() => this.guest.signal(this.pipe));
  }

  /** The next datagrams: those of one frame. */
  async receive(): Promise<Buffer[]> {
    const { type, payload } = await this.frame();
    const isFrom = type === UdpReceivedFrom.type;
    if (!isFrom && type !== UdpReceived.type) throw new Error(`type 0x${type.toString(16)} is no datagram`);
    return datagrams(isFrom ? UdpReceivedFrom.decode(payload) : UdpReceived.decode(payload));
  }

  async receiveFrom(): Promise<udpMessages.UdpSendTo> {
    return UdpReceivedFrom.decode((await this.frame()).payload);
  }

  /** Exactly this many datagrams. */
  async receiveAll(count: number): Promise<Buffer[]> {
    const all: Buffer[] = [];
    while (all.length < count) all.push(...(await this.receive()));
    return all;
  }

  async error(): Promise<udpMessages.UdpError> {
    const { type, payload } = await this.frame();
    if (type !== UdpError.type) throw new Error(`type 0x${type.toString(16)} is no UdpError`);
    return UdpError.decode(payload);
  }

  async lost(): Promise<number> {
    const { type, payload } = await this.frame();
    if (type !== UdpLost.type) throw new Error(`type 0x${type.toString(16)} is no UdpLost`);
    return UdpLost.decode(payload).datagrams;
  }
}

function datagrams({ segment, data }: udpMessages.UdpSend): Buffer[] {
  const bytes = Buffer.from(data);
  if (segment === 0) return [bytes];
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += segment) parts.push(bytes.subarray(at, at + segment));
  return parts;
}
