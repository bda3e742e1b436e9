// A name that a stream's guest may have: looked up, and what it resolves to judged, before a socket exists for any of
// it (TCP-7, UDP-1, UDP-8).

import { type InetAddress, parseInet } from "@ringway/control";
import { Errno, errnoMessage } from "@ringway/linux";
import type { RelayGuest } from "../guests/relay.ts";
import type { Stream } from "../guests/stream.ts";
import type { Asked } from "../names/lookups.ts";
import type { Answer } from "../names/resolver.ts";
import { type AuditedDenial, denial } from "../policy/refusal.ts";
import type { NotAllowed, Transport } from "../policy/types.ts";
import type { RelayHost } from "./host.ts";

/** What a connect rule allows by name, or the rules for the addresses of localhost do (ruleIndex -1). */
export interface AllowedName {
  readonly name: string;
  readonly ruleIndex: number;
  readonly port: number;
  readonly transport: Transport;
}

/** One lookup, from its beginning until it has ended or is given up. */
export class NameLookup {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  #asked: Asked | undefined;

  /** `tell` is called in the guest's turn, until an answer has ended. */
  constructor(host: RelayHost, stream: Stream, name: string, tell: (answer: Answer) => void) {
    this.#host = host;
    this.#stream = stream;
    const { guest } = stream;
    const { policy } = guest;
    const { resolveMs } = policy.policy.timeouts;
    const listed = policy.matcher.hostsOf(name);
    if (listed !== undefined) {
      stream.perform(() => tell({ addresses: listed, errno: 0, ended: true }));
      return;
    }
    this.#asked = host.lookups.start(guest, name, resolveMs, (answer) => {
      if (answer.ended) this.#asked = undefined;
      stream.perform(() => tell(answer));
    });
  }

  /** The stream's request ends; the lookup's goes on, until there is nothing left of it. */
  cancel(): void {
    if (this.#asked === undefined) return;
    const { budget } = this.#stream.guest;
    budget.takeWork();
    this.#host.lookups.cancel(this.#asked, () => budget.giveWork());
    this.#asked = undefined;
  }
}

/**
 * What is denied of the addresses of one request, in whatever parts they come: the first that is denied is told, to the
 * guest or to the audit log alone, and no other.
 */
export class DeniedAddress {
  readonly #guest: RelayGuest;
  /** A Protocol, and what was asked for. */
  readonly #protocol: number;
  readonly #what: string;
  #first: NotAllowed | undefined;
  #isTold = false;

  constructor(guest: RelayGuest, protocol: number, what: string) {
    this.#guest = guest;
    this.#protocol = protocol;
    this.#what = what;
  }

  note(denied: NotAllowed | undefined): void {
    this.#first ??= denied;
  }

  /** Once: who gets it tells it. */
  take(): AuditedDenial | undefined {
    if (this.#first === undefined || this.#isTold) return undefined;
    this.#isTold = true;
    return denial(this.#guest, this.#protocol, this.#what, this.#first);
  }

  /** The guest is not told of it: other addresses of the name serve, or something else has ended the request. */
  audit(): void {
    const denied = this.take();
    if (denied !== undefined) this.#guest.reports.audit(denied);
  }
}

/** Of the addresses that a name has, those that the guest may have; and why not the first of the others. */
export function judgeAddresses(
  { ownPorts }: RelayHost,
  { policy: { matcher } }: RelayGuest,
  { name, ruleIndex, port, transport }: AllowedName,
  addresses: readonly string[],
): { readonly allowed: InetAddress[]; readonly denied: NotAllowed | undefined } {
  const allowed: InetAddress[] = [];
  let denied: NotAllowed | undefined;
  for (const text of addresses) {
    const to = parseInet(text, port);
    const named = matcher.connectResolved(name, ruleIndex, text, port, transport);
    const decision = to === undefined ? named : ownPorts.judge(named, to);
    if (!decision.allowed) denied ??= decision;
    else if (to !== undefined) allowed.push(to);
  }
  return { allowed, denied };
}

export function resolveFailure(errno: number): string {
  if (errno === Errno.ENOENT) return "the name does not exist";
  if (errno === Errno.ETIMEDOUT) return "the name server did not answer in time";
  return `the name could not be resolved (${errnoMessage(errno)})`;
}

/** A literal address, judged. */
export function judgeAddress(
  { ownPorts }: Pick<RelayHost, "ownPorts">,
  { policy: { matcher }, names }: Pick<RelayGuest, "policy" | "names">,
  to: InetAddress,
  transport: Transport,
  as?: string,
): ReturnType<typeof ownPorts.judge> {
  return ownPorts.judge(names.connect(matcher, to.address, to.port, transport, as), to);
}
