// The addresses that `*` and an empty host stand for, and which of a name is meant.

import { isIP } from "node:net";
import type { Network } from "./network.ts";

/** `each`: of this machine, one by one, where the network tells them; else as `all`: any, of both families. */
export function everyHost(network: Network, every: "all" | "each"): readonly string[] {
  const each = every === "each" ? network.localAddresses() : undefined;
  if (each !== undefined) return each;
  if (network.family !== undefined) return [network.family === 4 ? "0.0.0.0" : "::"];
  return ["0.0.0.0", "::"];
}

/** A literal address of the host. */
export async function addressOf(network: Network, host: string): Promise<string> {
  return isIP(host) === 0 ? (await network.resolve(host))[0]!.address : host;
}
