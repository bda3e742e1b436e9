// What the reactor's thread says of guests becomes log lines, audit lines, and events of the monitor.

import type { EventEmitter } from "node:events";
import type { Logger } from "pino";
import type { Audit, Changed, Violated } from "../observe/audit.ts";
import type { GuestLabels, Labels } from "../observe/labels.ts";
import type { GuestLife } from "../observe/line-messages.ts";
import type { Denial } from "../policy/refusal.ts";
import type { Changer } from "./policy-history.ts";
import type { Told } from "./reactor-handle.ts";

export interface MonitorEvents {
  /** A guest has connected; `pid` is 0 where it cannot be seen. */
  guest: [{ guest: string; pid: number }];
  /** A guest has attached to its region. */
  attached: [{ guest: string }];
  /** A guest is gone, and everything that it held is closed. */
  detached: [{ guest: string; reason: string }];
  /** A rule of the policy denied a guest something. */
  refused: [Denial];
  /** A guest broke a clause of PROTOCOL.md. */
  violation: [Violated];
  /** A guest's program has written to the host's log. */
  log: [{ guest: string; level: number; text: string }];
  /** A guest's program has ended. */
  exit: [{ guest: string; code: number }];
  /** The operator has changed something; it is in the audit. */
  changed: [Changed];
  /** The operator wants the monitor to end, within this time. Without a listener it closes by itself. */
  drain: [{ by: Changer; drainMs?: number }];
  /** A part of the monitor failed: every guest is lost. The monitor is closed. */
  error: [Error];
}

/** Of guests, and nothing that anybody must do. */
export type Report = Extract<
  Told,
  {
    kind:
      | "guest"
      | "attached"
      | "detached"
      | "lives"
      | "flows"
      | "refused"
      | "violation"
      | "bug"
      | "warning"
      | "trace"
      | "log"
      | "exit";
  }
>;

const NUMBERED = /-\d+$/;

export class ReactorReports {
  readonly #log: Logger;
  readonly #labels: GuestLabels;
  readonly #audit: Audit;
  readonly #events: EventEmitter<MonitorEvents>;
  /** Names of guests that have come and are not gone: as many as there may be. */
  readonly #there: Set<string> = new Set();

  constructor(log: Logger, labels: GuestLabels, audit: Audit, events: EventEmitter<MonitorEvents>) {
    this.#log = log;
    this.#labels = labels;
    this.#audit = audit;
    this.#events = events;
  }

  /** Those of an attach socket have a number behind its name. */
  isThere(tenant: string): boolean {
    return this.#there.has(tenant) || [...this.#there].some((name) => name.replace(NUMBERED, "") === tenant);
  }

  tell(report: Report): void {
    switch (report.kind) {
      case "guest":
      case "attached":
      case "detached":
        this.#life(report);
        return;
      case "lives":
        this.#lives(report.lines);
        return;
      case "flows":
        for (const { key, fields } of report.rows) this.#audit.flows(key, fields);
        return;
      case "refused": {
        const { key, ...refused } = report;
        this.#events.emit("refused", this.#audit.refused(refused, key));
        return;
      }
      case "violation": {
        const { key, ...violation } = report;
        this.#events.emit("violation", this.#audit.violation(violation, key));
        return;
      }
      case "bug": {
        const { guest, stack } = report;
        this.#log.error({ ...this.#of(guest), stack }, "internal error while serving a guest; it was ended");
        return;
      }
      case "warning":
        // Of those that are no guests yet there is no name.
        this.#log.warn(report.guest === "" ? {} : this.#of(report.guest), report.reason);
        return;
      case "trace":
        for (const { text, ...fields } of report.lines) {
          this.#log.info({ ...fields, ...this.#labels.of(fields.guest) }, text);
        }
        if (report.lost > 0) this.#log.warn(`${report.lost} lines of RINGWAY_TRACE were lost`);
        return;
      case "log":
        this.#guestLog(report.guest, report.level, report.text);
        return;
      case "exit": {
        const { guest, code } = report;
        this.#log.info({ ...this.#of(guest), code }, "guest's program has ended");
        this.#events.emit("exit", { guest, code });
      }
    }
  }

  /** Whom a line is about. */
  #of(guest: string): { readonly guest: string; readonly labels?: Labels } {
    return { guest, ...this.#labels.of(guest) };
  }

  #life(life: GuestLife): void {
    const { guest } = life;
    if (life.kind === "guest") {
      this.#there.add(guest);
      this.#log.debug({ ...this.#of(guest), pid: life.pid }, "guest connected");
      this.#events.emit("guest", { guest, pid: life.pid });
    } else if (life.kind === "attached") {
      this.#log.info(this.#of(guest), "guest attached");
      this.#events.emit("attached", { guest });
    } else {
      this.#there.delete(guest);
      this.#log.info({ ...this.#of(guest), reason: life.reason }, "guest is gone");
      this.#events.emit("detached", { guest, reason: life.reason });
    }
  }

  /** Each is told, also where somebody who listens throws. */
  #lives(lines: readonly GuestLife[]): void {
    let at = 0;
    try {
      while (at < lines.length) this.#life(lines[at++]!);
    } finally {
      if (at < lines.length) this.#lives(lines.slice(at));
    }
  }

  #guestLog(guest: string, level: number, text: string): void {
    const name = level >= 50 ? "error" : level >= 40 ? "warn" : level >= 30 ? "info" : "debug";
    this.#log[name]({ ...this.#of(guest), from: "guest" }, text);
    this.#events.emit("log", { guest, level, text });
  }
}
