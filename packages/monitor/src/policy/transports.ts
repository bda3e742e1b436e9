// What a rule to connect or to listen holds for: TCP, UDP, or both. In the tables that decide (compiled/), and where
// rules are compared (order.ts), the ports of both are one row of numbers, UDP's behind those of TCP: a rule of UDP's
// hides none of TCP's, and nothing but this file knows why.

import type { PortRange, Transport } from "./types.ts";

export const TRANSPORTS: readonly Transport[] = ["tcp", "udp"];

const UDP_FIRST = 0x10000;

/** The number of a port in the row. */
export function portIn(transport: Transport, port: number): number {
  return transport === "udp" ? UDP_FIRST + port : port;
}

/** The port that a number of the row is, and whose; behind the row, nobody's. */
export function placeIn(number: number): {
  readonly port: number;
  readonly transport: Transport | undefined;
} {
  return { port: number % UDP_FIRST, transport: TRANSPORTS[Math.floor(number / UDP_FIRST)] };
}

/** Those of all ports of these transports. */
export function portsIn(transports: readonly Transport[], ports: readonly PortRange[]): PortRange[] {
  return transports.flatMap((transport) =>
    ports.map(({ first, last }) => ({ first: portIn(transport, first), last: portIn(transport, last) })),
  );
}

/** A number of the row, for people. */
export function shownPort(number: number): string {
  return number < UDP_FIRST ? `port ${number}` : `port ${number - UDP_FIRST} of udp`;
}
