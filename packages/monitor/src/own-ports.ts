// Ports of the monitor's own process, which no guest reaches at an address of this host, whatever rules allow: what listens there is
// an admin or metrics server of the program that embeds the monitor, or Node's debugger, through which a guest would run code in it.
//
// Which they are is told: process.debugPort always, where SIGUSR1 or inspector.open() would open the debugger; what the program names.
// Whether an address is this host's, the kernel is asked, by binding to it: that knows every alias and every route to itself. Where
// that fails for another reason than that the address is not here, it counts as here.

import { formatIp } from "@ringway/control";
import { bind, closeFd, Errno, type InetAddress, tcpSocket } from "@ringway/linux";
import type { Decision } from "./policy/types.ts";

export class OwnPorts {
  #ports: ReadonlySet<number>;

  constructor(ports: readonly number[]) {
    this.#ports = new Set(ports);
  }

  replace(ports: readonly number[]): void {
    this.#ports = new Set(ports);
  }

  /** What the policy decided of connecting to `to`, unless it is one of these. */
  judge(decision: Decision, to: InetAddress): Decision {
    if (!decision.allowed || !this.#ports.has(to.port) || !isOfThisHost(to)) return decision;
    const where = to.family === 4 ? formatIp(to.address) : `[${formatIp(to.address)}]`;
    const reason = `connect to ${where}:${to.port}: the port is the monitor's own, which no guest may reach`;
    return { allowed: false, rule: "monitor", reason, errno: "EACCES" };
  }
}

function isOfThisHost(to: InetAddress): boolean {
  const fd = tcpSocket(to.family);
  if (fd < 0) return true;
  const result = bind(fd, { ...to, port: 0 });
  closeFd(fd);
  return result !== -Errno.EADDRNOTAVAIL;
}
