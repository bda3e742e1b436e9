// An empty network namespace for the guest, where the machine permits one. A Unix socket that has a path is reached
// from there as from anywhere, and so are files; no other network is.

import { spawnSync } from "node:child_process";

export interface Isolation {
  /** Goes in front of the guest's command. */
  readonly prefix: readonly string[];
  /** Why there is none. */
  readonly problem?: string;
}

const ATTEMPTS: readonly (readonly string[])[] = [
  ["unshare", "--net", "--"],
  // Without root: as the root of a user namespace of its own.
  ["unshare", "--user", "--map-root-user", "--net", "--"],
];

export function findIsolation(): Isolation {
  let problem = "";
  for (const prefix of ATTEMPTS) {
    const [program, ...args] = prefix;
    const { status, stderr, error } = spawnSync(program!, [...args, "true"], {
      encoding: "utf8",
      timeout: 5000,
    });
    if (status === 0) return { prefix };
    problem = error?.message ?? stderr.trim().split("\n", 1)[0] ?? `unshare ended with ${status}`;
  }
  return { prefix: [], problem };
}
