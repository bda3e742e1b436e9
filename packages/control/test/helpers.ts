// What several tests need: regions with both sessions on them, and the expectation of a violation.

import { afterEach, expect } from "vitest";
import {
  type ControlHandler,
  GuestSession,
  type HostLimits,
  HostSession,
  ProtocolError,
  type RegionMemory,
  regionMemory,
  type Violation,
  violationName,
} from "../src/index.ts";

/** Counts rings, and does what a test hangs on it. */
export class CountingBell {
  rings = 0;
  onRing: () => void = () => {};

  ring(): void {
    this.rings++;
    this.onRing();
  }
}

/** Runs `action`, which must throw ProtocolError with this violation and clause. */
export function expectViolation(violation: Violation, clause: string, action: () => unknown): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ProtocolError);
  const error = thrown as ProtocolError;
  expect([violationName(error.violation), error.clause]).toEqual([violationName(violation), clause]);
  expect(error.code).toBe("ERR_RINGWAY_PROTOCOL");
}

export const defaultLimits: HostLimits = { streams: 64, ringBytes: 1024 * 1024 };

const regions: Region[] = [];

/** Whatever a test did to a region, what its two sides keep to themselves still agrees with itself. */
afterEach(() => {
  for (const { host, guest } of regions.splice(0)) {
    host.invariants();
    guest.invariants();
  }
});

export class Region {
  readonly memory: RegionMemory;
  readonly hostBell: CountingBell = new CountingBell();
  readonly guestBell: CountingBell = new CountingBell();
  host: HostSession;
  guest: GuestSession;

  constructor(bytes = 4 * 1024 * 1024, limits: HostLimits = defaultLimits) {
    this.memory = regionMemory(new SharedArrayBuffer(bytes));
    this.host = this.startHost(limits);
    this.guest = this.startGuest();
    regions.push(this);
  }

  /**
   * A monitor that starts over the same memory. What the guest rings is hostBell; what wakes the guest is guestBell.
   */
  startHost(limits: HostLimits = defaultLimits): HostSession {
    this.host = new HostSession(this.memory, this.guestBell, limits);
    return this.host;
  }

  /** A guest that boots over the same memory. */
  startGuest(): GuestSession {
    this.guest = new GuestSession(this.memory, this.hostBell);
    return this.guest;
  }

  /** The whole handshake. */
  attach(): this {
    this.guest.attach();
    expect(this.host.checkGuest()).toBe("reset");
    expect(this.guest.poll()).toBe("attached");
    expect(this.host.checkGuest()).toBe("attached");
    return this;
  }
}

export function attachedRegion(bytes?: number, limits?: HostLimits): Region {
  return new Region(bytes, limits).attach();
}

/** A handler that notes what it was told. */
export function recordingHandler(
  overrides: Partial<ControlHandler> = {},
): ControlHandler & { calls: unknown[] } {
  const calls: unknown[] = [];
  return {
    calls,
    getArgs: () => ({ argv: ["init", "--quiet"], env: ["HOME=/"] }),
    log: (level, text) => calls.push(["log", level, text]),
    exit: (code) => calls.push(["exit", code]),
    explain: (protocol, body) => ({ allowed: body.length > 0, rule: `rule-${protocol}`, reason: "because" }),
    makeRoom: () => true,
    ...overrides,
  };
}
