// Who waits at an attach socket, and for whom: keys take turns, and one that may not begin keeps no other waiting.

import { join } from "node:path";
import { closeFd, connectUnix, listenUnix } from "@ringway/linux";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { Accounts } from "../src/accounts/accounts.ts";
import { AttachLines, AttachSocket } from "../src/links/attach-socket.ts";
import { SocketCloser } from "../src/links/socket-closer.ts";
import type { Reactor } from "../src/reactor/reactor.ts";

/** A reactor in which no time passes: timers are never due. */
class Standing {
  readonly works: (() => void)[] = [];
  readonly timers: Set<() => void> = new Set();
  arrive: () => void = () => {};

  watchForNobody(_fd: number, _events: number, arrive: () => void): number {
    this.arrive = arrive;
    return 0;
  }
  unwatch(): void {}
  modify(): void {}
  soon(work: () => void): void {
    this.works.push(work);
  }
  after(_ms: number, callback: () => void): () => void {
    this.timers.add(callback);
    return callback;
  }
  cancel(callback: () => void): void {
    this.timers.delete(callback);
  }

  /** One connection, and what it causes at once. */
  turn(): void {
    this.arrive();
    while (this.works.length > 0) this.works.shift()!();
  }
}

test("a key that may not begin keeps no other waiting, not until it is looked at again either", () => {
  const path = join(temporaryFolder("attach-socket"), "socket");
  const reactor = new Standing();
  const keys = ["blocked", "other"];
  const begun: string[] = [];
  const socket = new AttachSocket(
    {
      reactor: reactor as unknown as Reactor,
      accounts: new Accounts(),
      closer: new SocketCloser({ submit: () => expect.unreachable() }, true),
      lines: new AttachLines(8),
      get key() {
        return keys.shift();
      },
      takesGuests: ({ key }) => key !== "blocked",
      noPlace: () => undefined,
      begin: (fd, account) => {
        begun.push(account.key);
        closeFd(fd);
      },
      warn: (reason) => expect.unreachable(reason),
    },
    listenUnix(path),
  );
  onTestFinished(() => socket.close());
  for (const wanted of [[], ["other"]]) {
    const fd = connectUnix(path);
    onTestFinished(() => void closeFd(fd));
    reactor.turn();
    expect(begun).toEqual(wanted);
    // The blocked one is looked at again, and by one timer.
    expect(reactor.timers.size).toBe(1);
  }
});
