// Seeing and changing what a monitor serves while it does: for the admin API, and for a program that has the monitor.
//
// What the reactor's thread alone knows is asked of it, one question after the other: however many ask at once, the
// reactor has one walk at a time, in pieces.

import type { GuestLabels } from "../observe/labels.ts";
import type { Policy } from "../policy/types.ts";
import { type Context, requireOpen } from "./context.ts";
import { InTurn } from "./pending.ts";
import type { Policies } from "./policies.ts";
import type { PolicyChange } from "./policy-history.ts";
import type { ReactorHandle } from "./reactor-handle.ts";
import {
  type GuestStatus,
  guestsCalled,
  guestsPage,
  type Page,
  type PageOptions,
  type StreamStatus,
  type StreamsOptions,
  streamsPage,
} from "./status.ts";

/** What was asked for is not there, or could be several. */
export class SteeringError extends Error {
  override readonly name: string = "SteeringError";
  readonly code: "ERR_RINGWAY_NOT_THERE" | "ERR_RINGWAY_AMBIGUOUS";

  constructor(code: SteeringError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** A policy in force, and how it came there. */
export interface PolicyStatus extends PolicyChange {
  /** As data: what parsePolicy() gives. */
  readonly policy: Policy;
}

export class Steering {
  readonly #context: Context;
  readonly #reactor: ReactorHandle;
  readonly #labels: GuestLabels;
  readonly #policies: Policies;
  readonly #questions: InTurn = new InTurn();

  /** @internal */
  constructor(context: Context, policies: Policies) {
    this.#context = context;
    this.#reactor = context.reactor;
    this.#labels = context.labels;
    this.#policies = policies;
  }

  /** In the order in which they came. */
  guests(options: PageOptions = {}): Promise<Page<GuestStatus>> {
    return this.#ask(() => guestsPage(this.#reactor, this.#labels, options));
  }

  /** By its id or its name. Throws SteeringError where there is none, or where two have the name. */
  async guest(guest: string): Promise<GuestStatus> {
    const [found, other] = await this.#ask(() => guestsCalled(this.#reactor, this.#labels, guest));
    if (found === undefined) throw new SteeringError("ERR_RINGWAY_NOT_THERE", `there is no guest ${guest}`);
    if (other !== undefined) {
      const message = `guests ${found.id} and ${other.id} are both called ${guest}: say which by its id`;
      throw new SteeringError("ERR_RINGWAY_AMBIGUOUS", message);
    }
    return found;
  }

  /** In the order of their guests, and there of their numbers. */
  streams(options: StreamsOptions = {}): Promise<Page<StreamStatus>> {
    return this.#ask(() => streamsPage(this.#reactor, options));
  }

  /** In force, for guests that have none of their own, or for those of one name. Throws SteeringError. */
  policy(guest?: string): PolicyStatus {
    const inForce = this.#policies.history.of(guest);
    if (inForce !== undefined) return { ...inForce.change, policy: inForce.policy };
    throw new SteeringError("ERR_RINGWAY_NOT_THERE", `${guest} has no policy of its own`);
  }

  /** The last that were put in force, the newest first. */
  policyHistory(): readonly PolicyChange[] {
    return this.#policies.history.list();
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    requireOpen(this.#context);
    return await this.#questions.run(question);
  }
}
