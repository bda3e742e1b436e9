// Closes the sockets of guests that are processes.
//
// A guest sends nothing on its socket (HEL-3), but it can: a message with descriptors of its own. The monitor never
// receives them, and closing the socket closes them; that of a TCP socket that lingers, for one, waits until its peer
// has taken everything. Where the kernel refuses descriptors there are none. Where it cannot:
//
//   shut both ways: nothing more comes ── no message lies in it ─▶ closed
//                                      └─ one does ─▶ a disk worker of its key closes it; it counts among the key's
//                                                     guests until then, and nobody is accepted while too many wait

import { encodeHello } from "@ringway/control";
import { canRefuseDescriptors, closeFd, Errno, hasMessage, sendWithFds, shutdownBoth } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import { type DiskPool, UNCOUNTED } from "../disk/pool.ts";

export class SocketCloser {
  readonly #disk: Pick<DiskPool, "submit">;
  readonly #areRefused: boolean;
  #waiting = 0;

  /** `areRefused`: the kernel lets nobody send descriptors to a guest's socket. */
  constructor(disk: Pick<DiskPool, "submit">, areRefused: boolean = canRefuseDescriptors()) {
    this.#disk = disk;
    this.#areRefused = areRefused;
  }

  /** `fd`, of a guest of this key. Never waits. */
  close(fd: number, account: Account): void {
    if (this.#areRefused || isEmptied(fd)) {
      closeFd(fd);
      return;
    }
    account.retain();
    account.closing++;
    this.#waiting++;
    this.#disk.submit(account, { kind: "close", fd }, UNCOUNTED, () => {
      this.#waiting--;
      account.closing--;
      account.release();
    });
  }

  /** How many sockets wait for a worker. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Tells whoever connected that it cannot be a guest, and why. */
  turnAway(fd: number, account: Account, errno: number = Errno.ESHUTDOWN): void {
    sendRefusal(fd, errno);
    this.close(fd, account);
  }
}

/** Nothing lies in it, and nothing comes any more. */
export function isEmptied(fd: number): boolean {
  shutdownBoth(fd);
  return !hasMessage(fd);
}

/** The hello of who cannot be a guest (HEL-1). */
export function sendRefusal(fd: number, errno: number): void {
  sendWithFds(fd, encodeHello({ errno, regionPages: 0 }));
}
