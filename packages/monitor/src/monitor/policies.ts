// The policy that guests are judged by, and its changes.
//
//   reload() ── its turn ──> loaded, roots open ──> VMs' memories open ──> IN FORCE ──> new VMs served, others removed
//                  └───────────────┴─────────────────────┴── throws: the old one stays, and what was opened is closed

import { letGo } from "../loading/loader.ts";
import type { LoadedPolicy } from "../loading/messages.ts";
import { formatProblem } from "../policy/errors.ts";
import type { Policy } from "../policy/types.ts";
import type { PolicyInForce } from "../thread/messages.ts";
import { type Context, requireOpen } from "./context.ts";
import { requireAudit } from "./parts.ts";
import type { OpenVm, ServedVms } from "./vms.ts";

export class Policies {
  readonly #context: Context;
  readonly #vms: ServedVms;
  #current: Policy;

  /** `source`: the policy itself, or the path of its file. */
  constructor(context: Context, vms: ServedVms, loaded: LoadedPolicy, source: Policy | string) {
    this.#context = context;
    this.#vms = vms;
    this.#current = loaded.policy;
    this.#warn(loaded, source);
  }

  /** The policy in force for guests that have none of their own. */
  get current(): Policy {
    return this.#current;
  }

  /** One that a guest has for itself, with its roots, which are the caller's. Throws PolicyError, NoAnswerError. */
  load(policy: Policy | string): Promise<LoadedPolicy> {
    const { loader, kept } = this.#context;
    return loader.load(policy, [...kept, ...this.#vms.places]);
  }

  /** Resolves once it is in force. */
  async reload(source: Policy | string): Promise<void> {
    const { audit, log, reactor } = this.#context;
    const vms = this.#vms;
    requireOpen(this.#context);
    const loaded = await this.load(source);
    let added: OpenVm[];
    try {
      requireOpen(this.#context);
      requireAudit(loaded.policy, audit);
      added = await vms.open(vms.newOf(loaded.policy.vms), { ofPolicy: true });
    } catch (error) {
      letGo(loaded);
      throw error;
    }
    this.#current = loaded.policy;
    this.#warn(loaded, source);
    this.#context.changed();
    const inForce = reactor.putInForce(forReactor(loaded));
    // After the policy: none of them is judged by the old one.
    vms.serve(added);
    vms.removeOthers(loaded.policy.vms);
    if (await inForce) log.info("policy reloaded");
  }

  /** What a policy says that is seldom meant. */
  #warn({ warnings }: LoadedPolicy, source: Policy | string): void {
    const file = typeof source === "string" ? source : "policy";
    for (const warning of warnings) this.#context.log.warn(formatProblem(file, warning));
  }
}

/** What guests are judged by: the rules themselves stay here. */
export function forReactor({ compiled, roots }: LoadedPolicy): PolicyInForce {
  return { compiled, roots };
}
