import { expectedFound, shown } from "./text.ts";
import type { PortRange } from "./types.ts";

export type PortsResult = { readonly range: PortRange } | { readonly problem: string };

/**
 * `443`, `"443"` or `"8000-8100"`. Port 0 asks the host to pick: only where lowest is 0, and only by itself, so that no
 * range takes it in by accident.
 */
export function parsePorts(entry: unknown, lowest: 0 | 1): PortsResult {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(String(entry));
  const problem = (expected: string): PortsResult => ({ problem: expectedFound(expected, shown(entry)) });
  const port = `a port from ${lowest} to 65535, or a range such as 8000-8100`;
  if (match === null) return problem(port);
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first > 65535 || last > 65535) return problem(port);
  if (first > last) return problem(`a range that ascends, such as ${last}-${first}`);
  if (first === 0 && lowest === 1) return problem(port);
  if (first === 0 && match[2] !== undefined) {
    return problem("a range from 1 (0, a port that the host picks, goes by itself)");
  }
  return { range: { first, last } };
}

export function isPort(port: number, lowest: 0 | 1): boolean {
  return Number.isInteger(port) && port >= lowest && port <= 65535;
}
