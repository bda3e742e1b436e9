// --files mount: the policy's folders by the agent's mounts, so that the monitor judges each use of a path. What it
// says of one rule's folder inside another's it says there as well, so there is a mount for each outermost rule alone.
// It is bound for writing whatever the rule says: a refusal is the monitor's, with a line in the audit log.

import { join } from "node:path";
import type { FilesRule } from "@ringway/monitor";
import { cannot } from "./bubblewrap.ts";
import { below } from "./mounts.ts";

/** Paths, as guests name them, that lie below no other. Throws Failure for what cannot be mounted. */
export function mountedPaths(files: readonly FilesRule[]): string[] {
  const root = files.find(({ guest }) => guest === "/");
  if (root !== undefined) throw cannot(`files rule ${root.id}: / cannot be one of the policy's folders here`);
  const paths = files.map(({ guest }) => guest);
  return paths.filter((path) => !paths.some((other) => other !== path && below(other, path) !== undefined));
}

/** Arguments of bubblewrap: `folder` has the mounts of these paths, as 0, 1 and so on. */
export function boundMounts(paths: readonly string[], folder: string): string[] {
  return paths.flatMap((path, i) => ["--bind", join(folder, String(i)), path]);
}
