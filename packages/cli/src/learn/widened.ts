// The policy of a monitor that learns (--learn): all of the one it was given, and behind its rules what allows the
// rest, so that guests go on while what they ask for is written down.
//
// Invariant: nothing is allowed that a rule of the policy denies, and nothing of the host itself: its loopback, its own
// addresses and what is link-local stay refused, and are learned from the refusal. So do folders and sockets: a guest's
// path says nothing of the host's.

import type { Policy } from "@ringway/monitor";

const ALL = [{ first: 1, last: 65_535 }];

export function widened(policy: Policy): Policy {
  const { connect, listen } = policy;
  const taken = new Set([...connect, ...listen, ...policy.files, ...policy.sockets].map(({ id }) => id));
  let id = "learn";
  for (let n = 2; taken.has(id); n++) id = `learn-${n}`;
  const action = "allow";
  const protocols = ["tcp", "udp"] as const;
  const reached = ["public", "private"];
  return {
    ...policy,
    // Lines of what is allowed are what is learned from.
    audited: "all",
    connect: [
      ...connect,
      { id, action, protocols, names: ["*"], networks: reached, ports: ALL, resolvesTo: ["private"] },
    ],
    listen: [
      ...listen,
      {
        id: `${id}-listen`,
        action,
        protocols,
        networks: ["127.0.0.0/8", "::1/128"],
        ports: [{ first: 0, last: 0 }, ...ALL],
      },
    ],
  };
}
