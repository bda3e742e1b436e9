// What becomes of a lock that was given up, where its answer comes late.

import { mountMessages as m } from "@ringway/control";
import { expect, test } from "vitest";
import type { MountStream } from "../src/mount/connection.ts";
import { LateLocks, lock } from "../src/mount/locks.ts";

interface Call {
  readonly name: string;
  readonly answer: () => void;
  readonly late: () => void;
}

test("a lock that was given up and is had all the same is given back before the handle's next is asked for", async () => {
  const calls: Call[] = [];
  const call: MountStream["call"] = (kind, request, _reply, _context, signal, hooks) => {
    const { wait, kind: locked } = request as { wait?: boolean; kind?: number };
    const name = kind.name === "MountLock" && locked === m.MountLockKind.NONE && !wait ? "unlock" : kind.name;
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      calls.push({ name, answer: () => resolve({} as never), late: () => hooks?.onLate?.({} as never) });
      hooks?.onSent?.(calls.length);
    });
  };
  const stream = { call } as unknown as MountStream;
  const late = new LateLocks();
  const names = (): string[] => calls.map(({ name }) => name);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const context = { syscall: "lock", path: "/x" };
  const controller = new AbortController();
  const given = lock(stream, 7, context, { signal: controller.signal }, late);
  await turn();
  controller.abort();
  await expect(given).rejects.toMatchObject({ name: "AbortError" });
  const next = lock(stream, 7, context, {}, late);
  await turn();
  expect(names()).toEqual(["MountLock", "MountCancel"]);
  calls[0]!.late();
  calls[1]!.answer();
  await turn();
  expect(names()).toEqual(["MountLock", "MountCancel", "unlock"]);
  calls[2]!.answer();
  await turn();
  expect(names()).toEqual(["MountLock", "MountCancel", "unlock", "MountLock"]);
  calls[3]!.answer();
  await next;
});
