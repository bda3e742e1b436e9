// What becomes a line of a log, as the reactor's thread says it to the main thread. Plain data: it is
// structured-cloned.

import type { AuditedDenial } from "../policy/refusal.ts";
import type { FlowMessage } from "./flow-lines.ts";

/** A guest has come, has attached, is gone. */
export type GuestLife =
  | { readonly kind: "guest"; readonly guest: string; readonly pid: number }
  | { readonly kind: "attached"; readonly guest: string }
  | { readonly kind: "detached"; readonly guest: string; readonly reason: string };

/** What the audit log has, beside what was allowed. `required`: the line must be written. */
export type AuditMessage =
  | (AuditedDenial & { readonly required?: boolean })
  | {
      readonly kind: "violation";
      readonly required?: boolean;
      readonly guest: string;
      readonly stream: number;
      readonly clause: string;
      readonly reason: string;
    };

export type LineMessage =
  | GuestLife
  | FlowMessage
  | AuditMessage
  | { readonly kind: "bug"; readonly guest: string; readonly stack: string }
  | { readonly kind: "warning"; readonly guest: string; readonly reason: string }
  | { readonly kind: "log"; readonly guest: string; readonly level: number; readonly text: string }
  | { readonly kind: "exit"; readonly guest: string; readonly code: number };
