// What no field of MountSetAttr names is left as it is.

import { mountMessages } from "@ringway/control";
import { integer } from "../argument-errors.ts";

const { UID, GID } = mountMessages.MountValid;
const NO_ID = 0xffff_ffff;

const NO_TIME = { seconds: 0, nanoseconds: 0 };

export const nothingSet: mountMessages.MountSetAttr = {
  ...{ at: 0, path: new Uint8Array(0), follow: true, valid: 0, mode: 0, uid: 0, gid: 0, size: 0 },
  ...{ accessed: NO_TIME, modified: NO_TIME },
};

/** -1, as for chown(2): it stays. */
export function ownersOf(uid: number, gid: number): Partial<mountMessages.MountSetAttr> {
  const of = (id: number, name: string): number | undefined => {
    const checked = integer(id, name, -1, NO_ID);
    return checked === -1 || checked === NO_ID ? undefined : checked;
  };
  const [user, group] = [of(uid, "uid"), of(gid, "gid")];
  const valid = (user === undefined ? 0 : UID) | (group === undefined ? 0 : GID);
  return { valid, uid: user ?? 0, gid: group ?? 0 };
}
