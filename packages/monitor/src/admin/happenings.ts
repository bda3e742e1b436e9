// What becomes an event of the API: the monitor's own events, with the labels of their guests and the time.

import { errnoName } from "@ringway/linux";
import type { MonitorEvents } from "../monitor/events.ts";
import type { GuestLabels } from "../observe/labels.ts";
import type { EventLog } from "./event-log.ts";

/** The monitor's, as far as they are listened to. */
export interface Emitting {
  on<K extends keyof MonitorEvents>(event: K, listener: (...args: MonitorEvents[K]) => void): unknown;
}

/** All but those of the monitor's own end. */
export type EventKind = Exclude<keyof MonitorEvents, "drain" | "error">;

export const EVENT_KINDS: readonly EventKind[] = [
  "guest",
  "attached",
  "detached",
  "refused",
  "violation",
  "log",
  "exit",
  "changed",
];

/** As the audit file has it: EACCES. */
function named({ errno }: { readonly errno?: number }): { readonly errno?: string } {
  return errno === undefined ? {} : { errno: errnoName(errno) };
}

export function keepEvents(monitor: Emitting, labels: GuestLabels, log: EventLog): void {
  for (const kind of EVENT_KINDS) {
    monitor.on(kind, (event: object & { readonly guest?: string; readonly errno?: number }) => {
      const { guest } = event;
      const ofGuest = guest === undefined ? {} : labels.of(guest);
      log.add(kind, { time: new Date().toISOString(), ...event, ...named(event), ...ofGuest });
    });
  }
}
