// A fresh stream: waits for the guest's Open, has it judged, and hands the stream to the protocol that it names
// (PROTOCOL.md section 10), or is given to a listener by Accept, which finds it here (LSN-2).
//
//   FRESH ── Open, allowed ──▶ at its rate of new connections? ── no ──▶ the protocol's relay
//                                 └── yes: WAITS, and is judged again when its turn has come (LIM-2)

import { Closed, Errno, Open, ProtocolError, protocolName, typeName, Violation } from "@ringway/control";
import type { Relay } from "../guests/relay.ts";
import { guestGaveUp, type Stream } from "../guests/stream.ts";
import { denial, refusal } from "../policy/refusal.ts";
import type { RelayHost } from "./host.ts";
import type { Judged, ProtocolEntry } from "./protocol.ts";

export class OpeningRelay implements Relay {
  readonly #host: RelayHost;
  readonly #protocols: ReadonlyMap<number, ProtocolEntry<unknown>>;
  readonly #stream: Stream;
  /** An Open that waits for its rate. */
  #waiting: { readonly requestId: number; readonly protocol: number; readonly body: Uint8Array } | undefined;

  constructor(host: RelayHost, protocols: ReadonlyMap<number, ProtocolEntry<unknown>>, stream: Stream) {
    this.#host = host;
    this.#protocols = protocols;
    this.#stream = stream;
  }

  step(): boolean {
    const stream = this.#stream;
    if (this.#waiting !== undefined) {
      if (guestGaveUp(stream.pipe)) stream.reset();
      else {
        const { requestId, protocol, body } = this.#waiting;
        this.#serve(requestId, protocol, body);
      }
      return false;
    }
    // Before the frame: a guest may send its Open and end while this looks (RING-6).
    const closed = stream.pipe.toHost.peerClosed();
    const frames = stream.frames();
    const frame = frames.next(stream.signaller());
    if (frame === undefined) {
      if (closed === Closed.END) frames.end();
      if (closed !== Closed.OPEN) stream.end();
      return false;
    }
    if (frame.type !== Open.type) {
      throw new ProtocolError(
        Violation.FRAME_TYPE,
        "STR-1",
        `a stream began with type ${typeName(frame.type)}`,
      );
    }
    const { protocol, body } = Open.decode(frame.payload);
    this.#open(frame.requestId, protocol, body);
    // What it has sent behind its Open.
    return this.#waiting === undefined ? (stream.relay?.step() ?? false) : false;
  }

  #open(requestId: number, protocol: number, body: Uint8Array): void {
    const stream = this.#stream;
    if (!this.#protocols.has(protocol)) {
      const reason = `the host does not know ${protocolName(protocol)}`;
      stream.refuse(requestId, refusal(Errno.EPROTONOSUPPORT, reason));
      return;
    }
    const tooMany = stream.beginOpen(protocol);
    if (tooMany !== undefined) {
      stream.refuse(requestId, tooMany);
      return;
    }
    this.#serve(requestId, protocol, body);
  }

  #serve(requestId: number, protocol: number, body: Uint8Array): void {
    const host = this.#host;
    const stream = this.#stream;
    const { guest } = stream;
    const entry = this.#protocols.get(protocol)!;
    const { matcher } = guest.policy;
    const { ownPorts, published } = host;
    const { names, tenant } = guest;
    const judged = entry.judge({ matcher, ownPorts, published, names, tenant }, body);
    const { decision, mistake } = judged;
    if (mistake !== undefined) stream.refuse(requestId, mistake);
    else if (!decision.allowed) stream.refuse(requestId, denial(guest, protocol, judged.what, decision));
    else {
      stream.keepOpen(body, judged.as);
      if (entry.isFlow === true) stream.allowed(judged.what, decision.rule);
      this.#allowed(entry, requestId, protocol, judged, body);
    }
  }

  #allowed(
    entry: ProtocolEntry<unknown>,
    requestId: number,
    protocol: number,
    judged: Judged<unknown>,
    body: Uint8Array,
  ): void {
    const stream = this.#stream;
    const { guest } = stream;
    if (guest.budget.network.limited && entry.network !== undefined) {
      const { usedUp } = guest.budget.network;
      if (usedUp !== undefined) stream.refuse(requestId, usedUp);
      else if (entry.network === "connects" && !guest.budget.network.takeConnection(stream)) {
        this.#waiting = { requestId, protocol, body };
      } else this.#begin(entry, requestId, judged);
    } else entry.open(this.#host, stream, requestId, judged);
  }

  #begin(entry: ProtocolEntry<unknown>, requestId: number, judged: Judged<unknown>): void {
    const hadWaited = this.#waiting !== undefined;
    this.#waiting = undefined;
    entry.open(this.#host, this.#stream, requestId, judged);
    // Nothing else looks at what it has sent behind its Open.
    if (hadWaited) this.#stream.later();
  }

  dispose(): void {}
}
