// A host of one udp-connect that a test plays: it echoes each frame of datagrams, and keeps what came.

import { ConnectReply, encodeFrame, type Frame, type InetAddress, udpMessages as u } from "@ringway/control";
import { MountHost, type MountStream } from "./mount-host.ts";

const NOWHERE: InetAddress = { family: 4, address: new Uint8Array(4), port: 1 };

export class PlayedUdp extends MountHost {
  /** What the guest has sent, a frame each. */
  readonly sent: u.UdpSend[] = [];

  constructor(path: string) {
    super(path, 8 << 20);
  }

  protected override body(): Uint8Array {
    return ConnectReply.encode({ local: NOWHERE, peer: NOWHERE });
  }

  protected override answers(_stream: MountStream, { type, payload }: Frame): Uint8Array[] {
    if (type !== u.UdpSend.type) return [];
    const { segment, data } = u.UdpSend.decode(payload);
    this.sent.push({ segment, data: data.slice() });
    return [encodeFrame(u.UdpReceived.type, 0, u.UdpReceived.encode({ segment, data }))];
  }

  /** Bytes that the guest has said, and this has not looked at. */
  get unread(): number {
    return this.stream.pipe.toHost.readable();
  }
}
