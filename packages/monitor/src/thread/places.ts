// Is there a place for another guest? Of all keys, and of its own: places, descriptors, bytes of regions.

import { Errno, type Refusal } from "@ringway/control";
import type { Account } from "../accounts/accounts.ts";
import type { DescriptorRoom } from "../accounts/descriptors.ts";
import { refusal } from "../policy/refusal.ts";
import type { Limits } from "../policy/types.ts";

export class Places {
  readonly #most: number;
  readonly #descriptors: DescriptorRoom;
  readonly #taken: () => number;

  /** `taken`: how many guests there are that are processes, or are about to be. */
  constructor(most: number, descriptors: DescriptorRoom, taken: () => number) {
    this.#most = most;
    this.#descriptors = descriptors;
    this.#taken = taken;
  }

  /** Why there is none for this key, where so many of it, and so many of all keys, wait for theirs. */
  none(account: Account, limits: Limits, waitingOfKey = 0, waiting = 0): Refusal | undefined {
    const { key, regionBytes: asked, leavingBytes } = account;
    const { guests, regionBytes, regionBytesTotal } = limits;
    if (this.#taken() + waiting >= this.#most) {
      return refusal(Errno.EMFILE, `${this.#most} guests are attached`);
    }
    if (!this.#descriptors.leftFor(account.descriptors)) {
      return refusal(Errno.EMFILE, "the monitor has no descriptors left for guests of this user");
    }
    if (account.guests + account.beginning + account.closing + waitingOfKey >= guests) {
      const reason = `${guests} guests of ${key} are attached, the most that the policy allows`;
      return refusal(Errno.EMFILE, reason);
    }
    // What is being unmade is waited for (regions/).
    const held = asked - leavingBytes;
    if (held + (waitingOfKey + 1) * regionBytes > regionBytesTotal) {
      const reason = `the regions of ${key} have ${held} bytes, and the policy allows ${regionBytesTotal} in all`;
      return refusal(Errno.ENOMEM, reason);
    }
    return undefined;
  }
}
