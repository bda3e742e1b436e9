// Ports of the monitor's own process, which no guest reaches at an address of this host, whatever rules allow: what
// listens there is an admin or metrics server of the program that embeds the monitor, or Node's debugger, through which
// a guest would run code in it. Nor does one listen there, at whatever address: a client of that server which comes to
// another address of this host would give the guest its token.
//
// Which they are is told: process.debugPort always, where SIGUSR1 or inspector.open() would open the debugger; what the
// program names. Whether an address is this host's, the kernel is asked (thread/host-surroundings.ts).

import { Errno, formatEndpoint, type InetAddress } from "@ringway/control";
import type { Decision } from "./types.ts";

/** Whether an address, of 4 or 16 bytes, is this host's. */
interface Host {
  isHere(address: Uint8Array): boolean;
}

export class OwnPorts {
  #ports: ReadonlySet<number>;
  readonly #host: Host;

  constructor(ports: readonly number[], host: Host) {
    this.#ports = new Set(ports);
    this.#host = host;
  }

  replace(ports: readonly number[]): void {
    this.#ports = new Set(ports);
  }

  /** What the policy decided of connecting to `to`, unless it is one of these. */
  judge(decision: Decision, to: InetAddress): Decision {
    if (!decision.allowed || !this.#ports.has(to.port) || !this.#host.isHere(to.address)) return decision;
    const reason = `connect to ${formatEndpoint(to)}: the port is the monitor's own, which no guest may reach`;
    return { allowed: false, rule: "monitor", reason, errno: Errno.EACCES };
  }

  /** The same of listening there. */
  judgeListen(decision: Decision, at: InetAddress): Decision {
    if (!decision.allowed || !this.has(at.port)) return decision;
    const reason = `listen at ${formatEndpoint(at)}: the port is the monitor's own, at every address`;
    return { allowed: false, rule: "monitor", reason, errno: Errno.EACCES };
  }

  /** Of a port that the kernel has picked for a guest: the process may listen there a moment later. */
  has(port: number): boolean {
    return this.#ports.has(port);
  }
}
