// resolv.conf(5), as far as it says whom to ask and how long. `search` and `domain` have no effect: the name that the
// policy judged is the name that is looked up, and no other.

import { parseIp } from "@ringway/control";

export interface ResolvConf {
  /** Name servers, each `address` or `address:port` (`[address]:port`), in the order in which they are asked. */
  readonly servers: readonly string[];
  /** How long one server may take to answer, and how often each is asked. */
  readonly timeoutMs: number;
  readonly attempts: number;
}

/** The C library's bounds and defaults: MAXNS, RES_MAXRETRANS, RES_MAXRETRY, RES_TIMEOUT, RES_DFLRETRY. */
const SERVERS_MAX = 3;
const TIMEOUT_S = { most: 30, usual: 5 };
const ATTEMPTS = { most: 5, usual: 2 };

export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let timeoutS = TIMEOUT_S.usual;
  let attempts = ATTEMPTS.usual;
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "nameserver") {
      // One with a zone (fe80::1%eth0) is left out: Node has no way to name it to c-ares.
      const address = values[0] ?? "";
      if (parseIp(address) !== undefined && servers.length < SERVERS_MAX) servers.push(address);
    }
    if (keyword !== "options") continue;
    for (const option of values) {
      timeoutS = numberOf("timeout", option, TIMEOUT_S.most) ?? timeoutS;
      attempts = numberOf("attempts", option, ATTEMPTS.most) ?? attempts;
    }
  }
  return { servers: servers.length > 0 ? servers : ["127.0.0.1"], timeoutMs: timeoutS * 1000, attempts };
}

function numberOf(name: string, option: string, most: number): number | undefined {
  const match = /^([a-z]+):(\d+)$/.exec(option);
  if (match === null || match[1] !== name) return undefined;
  return Math.min(most, Math.max(1, Number(match[2])));
}
