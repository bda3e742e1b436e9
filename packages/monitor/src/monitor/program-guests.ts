// Guests that the program itself brings, by attach(): a socket pair, of which the reactor has one end from now on. A
// guest with a policy of its own waits for its greeting until that is loaded, or is turned away.

import { close } from "node:fs";
import {
  closeFd,
  Errno,
  invalidValue,
  refuseDescriptors,
  requireObject,
  requireText,
  setNonBlocking,
  unixPair,
} from "@ringway/linux";
import { isEmptied, sendRefusal } from "../links/socket-closer.ts";
import { letGo } from "../loading/loader.ts";
import type { Policy } from "../policy/types.ts";
import type { ToReactor } from "../thread/messages.ts";
import { requirePolicy } from "./arguments.ts";
import { type Context, requireOpen } from "./context.ts";
import { forReactor } from "./for-reactor.ts";
import { requireAudit } from "./parts.ts";
import type { Policies } from "./policies.ts";
import { nameClash } from "./tenant-options.ts";

export interface AttachOptions {
  /** What it is called in events and logs. Default: attached-1, ... */
  readonly name?: string;
  /** Whose budgets it shares. Default: it has its own. */
  readonly key?: string;
  /** Its own, which a reload of the monitor's leaves alone. */
  readonly policy?: Policy;
}

/** A guest that attach() made room for. */
export interface AttachedGuest {
  readonly name: string;
  /**
   * The guest's end of its attach socket (PROTOCOL.md section 21), close-on-exec: pass it to a child process, then
   * close it. It is the caller's.
   */
  readonly fd: number;
}

type AttachMessage = Extract<ToReactor, { kind: "attach" }>;

export class ProgramGuests {
  readonly #context: Context;
  readonly #policies: Policies;
  #next = 1;

  constructor(context: Context, policies: Policies) {
    this.#context = context;
    this.#policies = policies;
  }

  /** Throws AuditError, and TypeError for options of wrong types and a name that another's guests have. */
  attach(options: AttachOptions): AttachedGuest {
    requireOpen(this.#context);
    requireAttachOptions(options);
    this.#requireFree(options.name);
    if (options.policy !== undefined) requireAudit(options.policy, this.#context.audit);
    const name = options.name ?? `attached-${this.#next++}`;
    const [ours, theirs] = unixPair();
    refuseDescriptors(ours);
    setNonBlocking(theirs, false);
    const attach = { kind: "attach", fd: ours, name, key: options.key, policy: undefined } as const;
    if (options.policy === undefined) this.#context.reactor.send(attach);
    else void this.#attachWith(options.policy, attach);
    return { name, fd: theirs };
  }

  /** It would be taken for one of a guest that the host has named, and have its labels. */
  #requireFree(name: string | undefined): void {
    const clash = name === undefined ? undefined : nameClash(name, this.#context.guests);
    if (clash !== undefined) throw invalidValue("options.name", name, `is taken: ${clash}`);
  }

  async #attachWith(policy: Policy, attach: AttachMessage): Promise<void> {
    try {
      const loaded = await this.#policies.load(policy);
      if (!this.#context.isClosing) {
        this.#context.reactor.send({ ...attach, policy: forReactor(loaded) });
        return;
      }
      letGo(loaded);
      turnAway(attach.fd, Errno.ESHUTDOWN);
    } catch (error) {
      this.#context.log.warn({ guest: attach.name }, `turned away: ${(error as Error).message}`);
      turnAway(attach.fd, Errno.EACCES);
    }
  }
}

/** What the guest may have put into it is closed with it, which may wait (links/socket-closer.ts): not here then. */
function turnAway(fd: number, errno: number): void {
  sendRefusal(fd, errno);
  if (isEmptied(fd)) closeFd(fd);
  else close(fd, () => {});
}

function requireAttachOptions(options: AttachOptions): void {
  requireObject(options, "options", "an object such as { name, policy }");
  const { name, key, policy } = options;
  if (name !== undefined) requireText(name, "options.name");
  if (key !== undefined) requireText(key, "options.key");
  if (policy !== undefined) requirePolicy(policy, "options.policy", { orPath: false });
}
