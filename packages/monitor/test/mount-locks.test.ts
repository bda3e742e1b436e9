// Whom an unlock of a mount's hurries: the first that waits for some of what became free.

import { Errno, mountMessages as m } from "@ringway/control";
import { beforeEach, expect, test } from "vitest";
import type { MountCore, Work } from "../src/relays/files/mount/core.ts";
import type { Handle } from "../src/relays/files/mount/handles.ts";
import type { Asker } from "../src/relays/files/mount/lock-turns.ts";
import { MountLocks } from "../src/relays/files/mount/locks.ts";

const { EXCLUSIVE, NONE } = m.MountLockKind;

/** What a worker says of the next lock. */
let errno: number;
let hurried: (Asker & { requestId: number })[];
let entered: number[];
let limits: { diskOperations: number };
let locks: MountLocks;

beforeEach(() => {
  errno = Errno.EAGAIN;
  hurried = [];
  entered = [];
  limits = { diskOperations: 100 };
  const turns = {
    hurry: (asker: Asker & { requestId: number }) => hurried.push(asker),
    enter: ({ requestId }: { requestId: number }) => entered.push(requestId),
  };
  const handle = (identity: string): Partial<Handle> => ({
    ...{ identity, fd: 3, isFolder: false, mayRead: true, mayWrite: true, names: [], over: undefined },
    locks: { set() {} } as unknown as Handle["locks"],
  });
  const handles = [handle("8:1"), handle("8:1"), handle("8:2"), handle(""), handle("")];
  locks = new MountLocks({
    host: { reactor: { after: () => undefined, cancel() {} }, lockTurns: () => turns },
    stream: { guest: { policy: { policy: { limits } } } },
    handle: (_: number, id: number) => handles[id],
    locked: { count: 0 },
    waiting: new Set(),
    perform(_: unknown, { settle, over }: Work) {
      settle!({ errno, value: 0 });
      over!();
    },
    done() {},
  } as unknown as MountCore);
});

function ask(
  requestId: number,
  handle: number,
  start: number,
  bytes: number,
  kind: number = EXCLUSIVE,
): void {
  const payload = m.MountLock.encode({ handle, kind, wait: kind !== NONE, start, bytes });
  locks.serve({ type: m.MountLock.type, requestId, payload });
}

function unlock(handle: number, start: number, bytes: number): void {
  errno = 0;
  ask(99, handle, start, bytes, NONE);
}

const hurriedIds = (): number[] => hurried.map(({ requestId }) => requestId);

test("an unlock hurries the first that waits for some of its range, and the others have their turn", () => {
  ask(1, 1, 0, 10);
  ask(2, 1, 10, 10);
  ask(3, 0, 15, 0);
  unlock(0, 10, 1);
  expect([hurriedIds(), entered]).toEqual([[2], []]);
  unlock(0, 12, 0);
  expect([hurriedIds(), entered]).toEqual([[2, 2], [3]]);
});

test("not one that waits for another file, whichever handles of the two there are", () => {
  ask(1, 2, 0, 0);
  ask(2, 3, 0, 0);
  ask(3, 1, 0, 0);
  unlock(0, 0, 0);
  // Of what is not known to be the same, the handle counts.
  unlock(4, 0, 0);
  expect([hurriedIds(), entered]).toEqual([[3], []]);
  unlock(3, 0, 0);
  expect(hurriedIds()).toEqual([3, 2]);
});

test("one that waits has the operations of the policy in force", () => {
  ask(1, 0, 0, 0);
  limits.diskOperations = 7;
  unlock(1, 0, 0);
  expect(hurried[0]!.perSecond).toBe(7);
});
