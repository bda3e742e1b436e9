// What guest.fs tells of a file: as fs.Stats, and with what only a mount knows.

import type { mountMessages, StatReply, Timestamp } from "@ringway/control";
import { GuestStats } from "../files/stats.ts";

/** GuestStats with `dev` (a number that the host gives its file systems) and the time of birth where there is one. */
export class MountStats extends GuestStats {
  override readonly dev: number;
  override readonly birthtimeMs: number;
  override readonly birthtime: Date;

  constructor(attributes: mountMessages.Attributes) {
    super(statReply(attributes));
    const { created, device } = attributes;
    this.dev = device;
    this.birthtimeMs = isTime(created) ? created.seconds * 1000 + created.nanoseconds / 1e6 : this.ctimeMs;
    this.birthtime = new Date(Math.round(this.birthtimeMs));
  }
}

const isTime = ({ seconds, nanoseconds }: Timestamp): boolean => seconds !== 0 || nanoseconds !== 0;

/** As of the other protocols; an inode above 2^53 is the nearest number. */
function statReply({ inodeLow, inodeHigh, ...attributes }: mountMessages.Attributes): StatReply {
  return { ...attributes, inode: inodeHigh * 2 ** 32 + inodeLow };
}
