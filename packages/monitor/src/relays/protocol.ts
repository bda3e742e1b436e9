// One protocol of streams: who judges what is asked for, and who serves it. Open and Explain both begin with the judge,
// so they cannot say different things (table.ts).

import type { InetAddress, Refusal } from "@ringway/control";
import type { Granted, Stream } from "../guests/stream.ts";
import type { KnownNames } from "../policy/known-names.ts";
import type { PolicyMatcher } from "../policy/matcher.ts";
import type { OwnPorts } from "../policy/own-ports.ts";
import type { Decision } from "../policy/types.ts";
import type { RelayHost } from "./host.ts";
import type { PublishedPorts } from "./published.ts";

/** What a judge asks. */
export interface Rules {
  readonly matcher: PolicyMatcher;
  readonly ownPorts: OwnPorts;
  readonly published: PublishedPorts;
  /** Of the guest that asks, and what it is called where the host has named it. */
  readonly names: KnownNames;
  readonly tenant: string | undefined;
  /** It was granted before, and is judged again: as what it was, and not as what else its Open may stand for. */
  readonly granted?: Granted;
}

/** What an Open asks for, and what the policy says of it. */
export interface Judged<Asked> {
  readonly asked: Asked;
  readonly decision: Decision;
  /** As the audit log has it: "example.com:443", "/data/x". */
  readonly what: string;
  /** It makes no sense, whatever the policy says: no Open comes as far as that, and no Explain looks at it (CTL-7). */
  readonly mistake?: Refusal | undefined;
  /**
   * What it is granted as, where its Open does not say that: an address as a name that the guest was told it for, a
   * socket as one of a client's own.
   */
  readonly as?: string | undefined;
}

export interface ProtocolEntry<Asked> {
  /**
   * It carries bytes over the network: none is opened once those are used up (LIM-3). "connects": each Open counts as a
   * new connection (LIM-2).
   */
  readonly network?: "connects" | "carries";
  /** A rule allows what it opens: the audit file has a line for it, and one for its end. */
  readonly isFlow?: true;
  /** Throws ProtocolError where `body` is not what the protocol's Open carries. */
  judge(rules: Rules, body: Uint8Array): Judged<Asked>;
  /** Of a name: may it lead there? */
  judgeAddress?(rules: Rules, asked: Asked, to: InetAddress): Decision;
  /** Takes over a stream whose Open is allowed, and waits for its answer. */
  open(host: RelayHost, stream: Stream, requestId: number, judged: Judged<Asked>): void;
}
