// hosts(5): each line an address, then the names that it has; "#" begins a comment. A name may stand on several lines.

import { canonicalAddress } from "@ringway/control";
import { normalizeName } from "../policy/names.ts";

/** Names as the policy writes them, with their addresses in the order of the lines, each once. */
export type Hosts = ReadonlyMap<string, readonly string[]>;

export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [first = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const address = canonicalAddress(first);
    if (address === undefined) continue;
    for (const text of names) {
      const result = normalizeName(text);
      if ("problem" in result) continue;
      const addresses = hosts.get(result.name);
      if (addresses === undefined) hosts.set(result.name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return hosts;
}
