// What is said of one guest: to itself of a refusal, to the main thread of everything that becomes a line.

import {
  formatEndpoint,
  type InetAddress,
  type ProtocolError,
  protocolName,
  type Refusal,
} from "@ringway/control";
import type { Account } from "../accounts/accounts.ts";
import { GuestTraffic } from "../accounts/traffic.ts";
import type { ConversationEnd } from "../observe/conversations/records.ts";
import type { FlowEnd, FlowOpened } from "../observe/flow-lines.ts";
import type { GuestLines } from "../observe/lines.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { type AuditedDenial, isDenial, told } from "../policy/refusal.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import { Flow } from "./flow.ts";

/** Of whom. */
export interface Reported {
  readonly name: string;
  readonly account: Account;
  readonly policy: PolicyState;
}

export class Reports {
  readonly #guest: Reported;
  readonly #lines: GuestLines;
  readonly #counters: Counters;
  /** Where flows are kept. */
  readonly traffic: GuestTraffic = new GuestTraffic();
  #isGone = false;

  constructor(guest: Reported, lines: GuestLines, counters: Counters) {
    this.#guest = guest;
    this.#lines = lines;
    this.#counters = counters;
  }

  /**
   * What the guest is told of a refusal. A denial is in the audit log before that: there is no other way to tell it.
   */
  answer(refusal: Refusal): Refusal {
    if (isDenial(refusal)) this.audit(refusal);
    return told(refusal, this.#guest.policy.policy);
  }

  /** A line for the audit log alone: of an address that was left out, where others of its name serve. */
  audit(denial: AuditedDenial): void {
    this.#counters.add(Counter.refusals);
    this.#guest.account.tally.refuse(denial.protocol, denial.rule);
    this.#lines.post(denial);
  }

  /** Of what the guest may have by a rule, before it has it. Undefined where nobody wants to know of that. */
  flow(protocol: number, what: string, rule: string): Flow | undefined {
    if (!this.#lines.keepsFlows) return undefined;
    const name = protocolName(protocol);
    return new Flow({ protocol: name, what, rule }, this.traffic.of(name));
  }

  /** What has been allowed may be judged again while it lasts. */
  get keepsOpens(): boolean {
    return this.#lines.showsFlows;
  }

  /** The same of a connection that has come to a listener, as the listener's. */
  flowOf(listener: Flow | undefined): Flow | undefined {
    return listener && new Flow(listener.asked, this.traffic.of(listener.asked.protocol));
  }

  /** The guest has it. `address`: where it leads, or what is listened on. */
  opened(flow: Flow, address: InetAddress | undefined, kind: FlowOpened["kind"] = "opened"): void {
    const { flows } = this.#lines;
    flow.to = address;
    const shown = address === undefined ? "" : formatEndpoint(address);
    if (flows === undefined) {
      flow.openUnsaid(shown);
      return;
    }
    const line = { guest: this.#guest.name, flow: flows.take(), address: shown };
    const message = flow.open(kind, line);
    this.#lines.postFlow(message, flow.lineBytes);
  }

  /** Once; whether it was opened or not. `reason`: of a stream, for its flow record. */
  closed(flow: Flow, end: FlowEnd, reason?: ConversationEnd): void {
    if (this.#isGone) this.tellTraffic();
    const line = flow.close(end);
    if (line !== undefined) this.#lines.postFlow(line, flow.lineBytes);
    if (reason !== undefined) this.#lines.records?.add(flow.record(this.#guest.name, reason));
  }

  /** closed(), when what is returned is called: a worker still works on it. `end`: how, as of then. */
  closesLater(flow: Flow, end: () => FlowEnd, reason?: ConversationEnd): () => void {
    return this.#lines.later(() => this.closed(flow, end(), reason));
  }

  /** The tally of its key has from now on all that was carried so far. */
  tellTraffic(): void {
    this.traffic.tell(this.#guest.account.tally.traffic);
  }

  warn(reason: string): void {
    this.#lines.post({ kind: "warning", guest: this.#guest.name, reason });
  }

  /** One line for a violation on a stream, or on the guest's own words (stream 0). */
  violation({ clause, message: reason }: ProtocolError, stream: number): void {
    this.#counters.add(Counter.violations);
    this.#lines.post({ kind: "violation", guest: this.#guest.name, stream, clause, reason });
  }

  /** A bug of ours. */
  bug(error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#lines.post({ kind: "bug", guest: this.#guest.name, stack });
  }

  /** It has come: its account pays for the line as for all others. */
  came(pid: number): void {
    this.#lines.post({ kind: "guest", guest: this.#guest.name, pid });
  }

  attached(): void {
    this.#counters.add(Counter.guestsAttached);
    this.#lines.post({ kind: "attached", guest: this.#guest.name });
  }

  gone(reason: string): void {
    this.#isGone = true;
    this.tellTraffic();
    this.#lines.post({ kind: "detached", guest: this.#guest.name, reason });
  }

  log(level: number, text: string): void {
    this.#lines.post({ kind: "log", guest: this.#guest.name, level, text });
  }

  exit(code: number): void {
    this.#lines.post({ kind: "exit", guest: this.#guest.name, code });
  }
}
