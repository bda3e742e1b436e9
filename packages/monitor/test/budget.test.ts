// What a guest takes it can give back, and past a limit of its policy it gets no more: with the errno, the sentence and
// the counter of that limit.

import { BrokenInvariant, Errno } from "@ringway/control";
import { describe, expect, test } from "vitest";
import { type Account, Accounts } from "../src/accounts/accounts.ts";
import type { DescriptorRoom } from "../src/accounts/descriptors.ts";
import { Budget } from "../src/guests/budget.ts";
import { DEFAULT_RATES } from "../src/policy/defaults.ts";
import type { PolicyState } from "../src/policy/in-force.ts";
import type { Limits } from "../src/policy/types.ts";
import { Counters, type CounterValues } from "../src/reactor/counters.ts";

const LIMITS = { requests: 3, openFiles: 2, accepts: 2, fileBytesWritten: 100 };

function set(account: Account = new Accounts().take("uid:1"), left = true) {
  const counters = new Counters();
  const descriptors = { leftFor: () => left, withinShare: () => left } as unknown as DescriptorRoom;
  const limits = { ...LIMITS } as { -readonly [Name in keyof Limits]: Limits[Name] };
  const policy = { policy: { limits, rates: DEFAULT_RATES } } as unknown as PolicyState;
  const after = (): never => {
    throw new Error("nothing has a rate here");
  };
  const budget = new Budget(
    { counters, descriptors, after },
    { account, policy, reports: { warn: () => {} } },
  );
  const counted = (): Partial<CounterValues> =>
    Object.fromEntries(Object.entries(counters.read()).filter(([, value]) => value !== 0));
  return { account, budget, limits, counted };
}

describe("requests", () => {
  test("are counted for the key, over all of its guests", () => {
    const { account, budget, counted } = set();
    const other = set(account).budget;
    for (const each of [budget, other, budget]) expect(each.takeRequest()).toBeUndefined();
    const tooMany = { errno: Errno.ENOBUFS, rule: "" };
    expect([budget.takeRequest(), other.tooManyRequests]).toMatchObject([tooMany, tooMany]);
    expect(counted()).toEqual({ quotaRequests: 1 });
    other.giveRequest();
    expect(budget.takeRequest()).toBeUndefined();
  });

  test("that must go on do so past the limit, and count", () => {
    const { account, budget } = set();
    for (let i = 0; i < 4; i++) budget.takeWork();
    expect(budget.tooManyRequests).toMatchObject({ errno: Errno.ENOBUFS });
    for (let i = 0; i < 4; i++) budget.giveWork();
    expect(account.requests).toBe(0);
  });
});

describe("files", () => {
  test("are the guest's to count, and their descriptors the key's, until a worker has closed them", () => {
    const { account, budget, counted } = set();
    expect([budget.takeFile(), budget.takeFile()]).toEqual([undefined, undefined]);
    expect(budget.takeFile()).toMatchObject({
      errno: Errno.EMFILE,
      reason: expect.stringMatching(/^2 files/),
    });
    expect(counted()).toEqual({ quotaOpenFiles: 1 });
    budget.takeClosing();
    budget.giveFile();
    expect(account.openFiles).toBe(2);
    expect(budget.takeFile()).toBeUndefined();
    budget.giveClosing();
    budget.giveFile();
    budget.giveFile();
    expect(account.openFiles).toBe(0);
  });

  test("need a descriptor, and take nothing where there is none", () => {
    const { account, budget, counted } = set(undefined, false);
    expect(budget.takeFile()).toMatchObject({
      errno: Errno.EMFILE,
      reason: expect.stringMatching(/no descriptors/),
    });
    expect([account.openFiles, counted()]).toEqual([0, {}]);
  });
});

test("accepts are limited by the policy that is in force when they are asked for", () => {
  const { budget, limits, counted } = set();
  expect([budget.takeAccept(), budget.takeAccept()]).toEqual([undefined, undefined]);
  expect(budget.takeAccept()).toMatchObject({
    errno: Errno.ENOBUFS,
    reason: expect.stringMatching(/^2 accepts/),
  });
  expect(counted()).toEqual({ quotaAccepts: 1 });
  limits.accepts = 3;
  expect(budget.takeAccept()).toBeUndefined();
  for (let i = 0; i < 3; i++) budget.giveAccept();
  limits.accepts = 1;
  expect(budget.takeAccept()).toBeUndefined();
});

test("of what a write is granted, the rest comes back when it is over; a machine's next life has its own", () => {
  const { account, budget, counted } = set();
  const first = budget.takeWrite(80);
  const second = budget.takeWrite(80);
  expect([first.bytes, second.bytes, budget.takeWrite(1).bytes]).toEqual([80, 20, 0]);
  second.settle(5);
  expect(account.written.bytes).toBe(85);
  account.written = { bytes: 0 };
  first.settle(0);
  expect(account.written.bytes).toBe(0);
  expect(counted()).toEqual({ quotaFileBytes: 2, fileBytesWritten: 5 });
});

describe("attempts and listeners", () => {
  test("are descriptors of the key", () => {
    const { account, budget } = set();
    expect([budget.takeAttempt(), budget.takeListener()]).toEqual([undefined, undefined]);
    expect(account.descriptors).toBe(2);
    budget.giveAttempt();
    budget.giveListener();
    expect(account.descriptors).toBe(0);
  });

  test("need a descriptor, and take nothing where there is none", () => {
    const { account, budget } = set(undefined, false);
    const none = { errno: Errno.EMFILE, reason: expect.stringMatching(/no descriptors/) };
    expect([budget.takeAttempt(), budget.takeListener()]).toMatchObject([none, none]);
    expect(account.descriptors).toBe(0);
  });
});

describe("the invariant", () => {
  type Give = "Request" | "Work" | "Attempt" | "Listener" | "File" | "Closing" | "Accept";

  test.each<Give>(["Request", "Work", "Attempt", "Listener", "File", "Closing", "Accept"])(
    "holds where each is given back once, and finds one that is given back twice: %s",
    (each) => {
      const { account, budget } = set();
      // Of another guest of the key: its books are still right where one guest's are not.
      const other = set(account).budget;
      for (const one of [budget, other]) {
        one[`take${each}`]();
        one.invariants();
      }
      budget[`give${each}`]();
      budget.invariants();
      budget[`give${each}`]();
      expect(() => budget.invariants()).toThrow(BrokenInvariant);
    },
  );

  test("finds a key that has less than its guests, and a write that is settled twice", () => {
    const { account, budget } = set();
    budget.takeRequest();
    account.requests = 0;
    expect(() => budget.invariants()).toThrow("a guest has 1 + 0 requests, and its key 0");
    const { account: writing, budget: writer } = set();
    const grant = writer.takeWrite(10);
    grant.settle(0);
    writer.invariants();
    grant.settle(0);
    expect(writing.written.bytes).toBe(-10);
    expect(() => writer.invariants()).toThrow("a guest has 0 bytes written, and its key -10");
  });
});
