// What a case of the monitor works with: a guest by hand, and checks that each name the clause they are about.

import { type Fields, le32 } from "../../../packages/conformance/src/catalogue.ts";
import { P, Sb, State } from "../../../packages/conformance/src/host/layout.ts";
import type { HostFrame } from "../../../packages/conformance/src/host/pipe.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import type { Check } from "../../../packages/conformance/src/world.ts";
import type { startMonitor, TestMonitor } from "../../support/monitor.ts";
import { until } from "../../support/wait.ts";
import { type WireGuest, type WirePipe, word } from "../wire-guest.ts";

export interface MonitorCase {
  readonly name: string;
  readonly clauses: readonly string[];
  /** It leaves its guest as it found it, or failed: the next may go on with it. */
  readonly shared?: boolean;
  run(world: MonitorWorld): Promise<void>;
}

/** How a monitor is started. */
export type StartMonitor = typeof startMonitor;

/** One case: a guest of its own, on the monitor that all share. */
export class MonitorWorld {
  /** For a case that wants a monitor of its own. */
  readonly start: StartMonitor;
  readonly host: TestMonitor;
  readonly guest: WireGuest;
  /** The host's folder behind /data. */
  readonly data: string;
  readonly checks: Check[] = [];
  readonly #case: MonitorCase;

  constructor(start: StartMonitor, host: TestMonitor, guest: WireGuest, data: string, each: MonitorCase) {
    this.start = start;
    this.host = host;
    this.guest = guest;
    this.data = data;
    this.#case = each;
  }

  check(clause: string, holds: boolean, what: string): void {
    if (!this.#case.clauses.includes(clause)) throw new Error(`${this.#case.name} does not list ${clause}`);
    const { name } = this.#case;
    this.checks.push({
      clause,
      case: name,
      outcome: holds ? "passed" : "failed",
      ...(holds ? {} : { why: what }),
    });
  }

  same(clause: string, actual: unknown, expected: unknown, what: string): void {
    const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
    this.check(clause, found === wanted, `${what}: expected ${wanted}, found ${found}`);
  }

  /** What FAILED looks like (ERR-4). */
  async failed(clauses: string, violation: number): Promise<void> {
    await until("FAILED", () => this.guest.get(Sb.HOST_STATE) === State.FAILED);
    for (const clause of clauses.split(" ")) {
      this.same(clause, this.guest.get(Sb.VIOLATION), violation, "the violation's number");
    }
    await until("a ring, or the hang-up", () => this.guest.rung() > 0 || this.guest.hungUp());
    this.check("ERR-4", true, "it rings, or closes the bell");
  }
}

export function of(name: string, clauses: string, run: MonitorCase["run"]): MonitorCase {
  return { name: `monitor: ${name}`, clauses: [...new Set(clauses.split(" "))], run };
}

export const inet = (port: number, address = "7f000001", family = 4): Fields => ({ family, port, address });
export const connect = (port: number, host = "127.0.0.1", timeoutMs = 0): Fields => ({
  port,
  timeoutMs,
  host,
});
export const frameOf = (frame: HostFrame, type = frame.type): [number, number] => [type, word(frame.payload)];
export const REFUSED = 0x8202;
export const OPENED = 0x8201;
export const ERROR = 0x8001;
export const text = (value: string): Buffer => Buffer.from(value);

/** A stream's word that cannot be resets that stream, and only it. */
export function streamWord(
  name: string,
  clause: string,
  at: number,
  value: (pipe: WirePipe) => number,
): MonitorCase {
  return of(`${name} resets the stream`, `${clause} STR-8 ERR-3 RING-1`, async (world) => {
    const { guest } = world;
    const { pipe } = await guest.open(1);
    const { pipe: beside } = await guest.open(1);
    await pipe.put(pattern(40));
    await pipe.takeExactly(40);
    // The read position matters to whoever writes: bytes to echo make the host look.
    if (at >= 0x180) {
      pipe.set(at, value(pipe));
      pipe.push(pattern(5));
    } else pipe.set(at, value(pipe));
    pipe.signal();
    world.check(clause, await pipe.wasReset(), "a reset");
    world.same("STR-8", [pipe.get(P.TO_GUEST_END), pipe.get(P.TO_HOST_STOPPED)], [2, 1], "closed words");
    await beside.put(pattern(9));
    world.same("ERR-3", await beside.takeExactly(9), Buffer.from(pattern(9)), "another stream goes on");
    world.same("RING-1", pipe.get(at), value(pipe), "the guest's own word");
  });
}

/** A word of the control pipe or of the superblock that cannot be ends the guest. */
export function fatal(
  name: string,
  clauses: string,
  violation: number,
  mischief: (guest: WireGuest) => void | Promise<void>,
): MonitorCase {
  return of(`${name} ends the guest`, `${clauses} ERR-4`, async (world) => {
    const { pipe } = await world.guest.open(1);
    world.guest.rung();
    await mischief(world.guest);
    await world.failed(`${clauses} ERR-4`, violation);
    pipe.set(0x10, 0);
  });
}

/** What a stream's first bytes must not be. */
export function firstFrame(name: string, clauses: string, bytes: () => readonly number[]): MonitorCase {
  return of(`${name} resets the stream`, `${clauses} STR-8`, async (world) => {
    const pipe = await world.guest.newStream();
    await pipe.put(Uint8Array.from(bytes()));
    const reset = await pipe.wasReset();
    for (const clause of `${clauses} STR-8`.split(" ")) world.check(clause, reset, "a reset");
  });
}

export const header = (length: number, type: number): number[] => [
  ...le32(length),
  ...le32(type),
  ...le32(1),
];
