// Are two names, or two open files, one file?
//
// The host does not tell which disk a file is on, and the number of an inode alone is not enough, so all is compared
// that it says of a file. A writer changes that between two looks: then one file looks like two. So the first is
// looked at again after the second: where it is as it was, nothing has changed it meanwhile, and a second that
// differs from it is another.

import { Errno } from "@ringway/linux";
import { type ErrorContext, errnoError } from "../errors.ts";
import type { GuestStats } from "./stats.ts";

type Look<T> = () => Promise<T>;

/** For a file that is written all the time: in most of them, two looks fall into one tick of its clock. */
const TRIES = 100;

/** To be asked where the numbers of their inodes are equal. `second` may find nothing any more. */
export async function isOneFile(
  first: Look<GuestStats>,
  second: Look<GuestStats | undefined>,
  context: ErrorContext,
): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) {
    // One after the other: requests of two open files are carried out in any order.
    const one = await first();
    const other = await second();
    if (other === undefined || one.ino !== other.ino) return false;
    if (looksSame(one, other)) return true;
    if (looksSame(one, await first())) return false;
  }
  const cause = new Error("it changes too fast to tell whether it is the same file");
  throw errnoError(Errno.EINVAL, context, cause);
}

function looksSame(one: GuestStats, other: GuestStats): boolean {
  const keys = ["ino", "size", "ctimeMs", "mtimeMs", "mode", "nlink", "uid", "gid"] as const;
  return keys.every((key) => one[key] === other[key]);
}
