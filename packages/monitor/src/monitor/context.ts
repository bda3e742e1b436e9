// What the parts of a monitor share.

import type { Logger } from "pino";
import type { Loader } from "../loading/loader.ts";
import type { KeptPlace } from "../loading/root-problems.ts";
import type { GuestLabels } from "../observe/labels.ts";
import { ClosedError } from "./closed-error.ts";
import type { ReactorHandle } from "./reactor-handle.ts";
import type { GuestOptions } from "./tenant-options.ts";

export interface Context {
  readonly log: Logger;
  readonly loader: Loader;
  readonly reactor: ReactorHandle;
  /** What no folder of any policy may hold, beside what the VMs have. */
  readonly kept: readonly KeptPlace[];
  /** Path of the audit file. */
  readonly audit: string | undefined;
  /** Guests with an attach socket of their own. */
  readonly guests: readonly GuestOptions[];
  readonly labels: GuestLabels;
  /** Nothing new begins. */
  readonly isClosing: boolean;
  /** There is another policy, or another VM: guests may have more descriptors, or fewer. */
  changed(): void;
}

export function requireOpen({ isClosing }: Pick<Context, "isClosing">): void {
  if (isClosing) throw new ClosedError();
}
