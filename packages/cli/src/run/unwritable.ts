// Folders that the policy gives for writing, and that the program cannot write in all the same: it has no capabilities,
// so root, or the user of --user, has what the folder's own bits give. By these alone nothing is said of access lists,
// which show as bits of the group: where the group may write, nobody is warned.

import { statSync } from "node:fs";
import type { FilesRule } from "@ringway/monitor";
import type { Who } from "./who.ts";

const WRITABLE = { owner: 0o200, group: 0o020, others: 0o002 } as const;

/** A line for each, of folders that are bound. */
export function unwritable(files: readonly FilesRule[], { uid }: Pick<Who, "uid">): string[] {
  return files.flatMap(({ id, host, access }) => {
    const found = access === "rw" ? statSync(host, { throwIfNoEntry: false, bigint: true }) : undefined;
    if (found === undefined) return [];
    const owner = Number(found.uid);
    const mask = (owner === uid ? WRITABLE.owner : 0) | WRITABLE.group | WRITABLE.others;
    if ((Number(found.mode) & mask) !== 0) return [];
    const whose = owner === uid ? "whose mode says so" : `which is that of user ${owner}`;
    const instead = owner === uid ? "" : `; --user ${owner}:${found.gid} may`;
    return [
      `files rule ${id}: the program, as user ${uid}, has no right to write in ${host}, ${whose}${instead}`,
    ];
  });
}
