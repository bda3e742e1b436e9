// Where the folders of a policy's rules really are: one path may lead to another's. They are looked up once, when the
// policy is put in force, as the monitor opens them once; the main thread does not wait for their disks.

import { realpath } from "node:fs/promises";
import type { Policy } from "@ringway/monitor";

/** By the path of the rule. */
export type RealFolders = ReadonlyMap<string, string>;

/** One that is not there is what its path says. */
export async function realFolders(policy: Policy | undefined): Promise<RealFolders> {
  const paths = new Set((policy?.files ?? []).map(({ host }) => host));
  const found = [...paths].map(async (path) => [path, await realpath(path).catch(() => path)] as const);
  return new Map(await Promise.all(found));
}
