// Ports of this process that no guest may reach at an address of this host: those that the program names, and the
// debugger's, through which a guest would run code in it. How they are judged: policy/own-ports.ts, in the reactor's
// thread.

import { url as inspectorUrl } from "node:inspector";

export class ReservedPorts {
  readonly #ports: Set<number>;

  constructor(ports: readonly number[]) {
    this.#ports = new Set(ports);
  }

  reserve(port: number): void {
    this.#ports.add(port);
  }

  release(port: number): void {
    this.#ports.delete(port);
  }

  /** As of now: with where the debugger is, and where it would be. */
  get now(): number[] {
    const url = inspectorUrl();
    const open = url === undefined ? [] : [Number(new URL(url).port)];
    return [...this.#ports, process.debugPort, ...open];
  }
}
