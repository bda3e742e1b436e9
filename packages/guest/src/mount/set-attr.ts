// What no field of MountSetAttr names is left as it is.

import type { mountMessages } from "@ringway/control";

const NO_TIME = { seconds: 0, nanoseconds: 0 };

export const nothingSet: mountMessages.MountSetAttr = {
  ...{ at: 0, path: new Uint8Array(0), follow: true, valid: 0, mode: 0, uid: 0, gid: 0, size: 0 },
  ...{ accessed: NO_TIME, modified: NO_TIME },
};
