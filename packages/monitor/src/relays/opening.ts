// A fresh stream: waits for the guest's Open, has it judged, and hands the stream to the protocol that it names
// (PROTOCOL.md section 10), or is given to a listener by Accept, which finds it here (LSN-2).

import { Closed, Errno, Open, ProtocolError, protocolName, Violation } from "@ringway/control";
import type { Relay } from "../guests/relay.ts";
import type { Stream } from "../guests/stream.ts";
import { denial, refusal } from "../policy/refusal.ts";
import type { RelayHost } from "./host.ts";
import type { ProtocolEntry } from "./protocol.ts";

export class OpeningRelay implements Relay {
  readonly #host: RelayHost;
  readonly #protocols: ReadonlyMap<number, ProtocolEntry<unknown>>;
  readonly #stream: Stream;

  constructor(host: RelayHost, protocols: ReadonlyMap<number, ProtocolEntry<unknown>>, stream: Stream) {
    this.#host = host;
    this.#protocols = protocols;
    this.#stream = stream;
  }

  step(): boolean {
    const stream = this.#stream;
    // Before the frame: a guest may send its Open and end while this looks (RING-6).
    const closed = stream.pipe.toHost.peerClosed();
    const frames = stream.frames();
    const frame = frames.next(stream.signal);
    if (frame === undefined) {
      if (closed === Closed.END) frames.end();
      if (closed !== Closed.OPEN) stream.end();
      return false;
    }
    if (frame.type !== Open.type) {
      throw new ProtocolError(Violation.FRAME_TYPE, "STR-1", `a stream began with type ${frame.type}`);
    }
    const { protocol, body } = Open.decode(frame.payload);
    this.#open(frame.requestId, protocol, body);
    // What it has sent behind its Open.
    return stream.relay?.step() ?? false;
  }

  #open(requestId: number, protocol: number, body: Uint8Array): void {
    const host = this.#host;
    const stream = this.#stream;
    const { guest } = stream;
    const entry = this.#protocols.get(protocol);
    if (entry === undefined) {
      const reason = `the host does not know ${protocolName(protocol)}`;
      stream.refuse(requestId, refusal(Errno.EPROTONOSUPPORT, reason));
      return;
    }
    const tooMany = stream.beginOpen();
    if (tooMany !== undefined) {
      stream.refuse(requestId, tooMany);
      return;
    }
    const { matcher } = guest.policy;
    const judged = entry.judge({ matcher, ownPorts: host.ownPorts }, body);
    const { decision, mistake } = judged;
    if (mistake !== undefined) stream.refuse(requestId, mistake);
    else if (decision.allowed) entry.open(host, stream, requestId, judged);
    else stream.refuse(requestId, denial(guest, protocol, judged.what, decision));
  }

  dispose(): void {}
}
