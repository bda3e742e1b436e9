// Accounts: one for each key, kept while it matters, and no more of them than that.

import { describe, expect, test } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { SLICE_MS, TimeSlice } from "../src/accounts/quotas.ts";

const HOUR_MS = 3_600_000;

describe("an account", () => {
  test("is the same for all that attach with its key, and for nobody else", () => {
    const accounts = new Accounts();
    const first = accounts.take("uid:1");
    expect(accounts.take("uid:1")).toBe(first);
    expect(accounts.take("uid:2")).not.toBe(first);
    expect(accounts.takeOwn("uid:1")).not.toBe(first);
  });

  test("is there again, with its counts, for a user that leaves and comes back within an hour", () => {
    let nowMs = 0;
    const accounts = new Accounts(() => nowMs);
    const first = accounts.take("uid:1");
    first.written.bytes = 5;
    first.release();
    nowMs += HOUR_MS - 1;
    const again = accounts.take("uid:1");
    expect(again).toBe(first);
    again.release();
    nowMs += HOUR_MS;
    expect(accounts.take("uid:1").written.bytes).toBe(0);
  });

  test("is kept for as long as anything holds it, disk work too", () => {
    let nowMs = 0;
    const accounts = new Accounts(() => nowMs);
    const account = accounts.take("uid:1");
    account.retain();
    account.release();
    nowMs += 10 * HOUR_MS;
    for (let uid = 2; uid < 5000; uid++) accounts.take(`uid:${uid}`).release();
    expect(accounts.take("uid:1")).toBe(account);
  });

  test("is forgotten first where it was left longest ago, when a thousand users came and went", () => {
    const accounts = new Accounts(() => 0);
    const early = accounts.take("uid:0");
    early.release();
    for (let uid = 1; uid <= 1024; uid++) accounts.take(`uid:${uid}`).release();
    expect(accounts.size).toBe(1024);
    expect(accounts.take("uid:0")).not.toBe(early);
  });

  test("counts who waits for a region with the descriptors of a guest: nothing asks again before it gets them", () => {
    const account = new Accounts().take("uid:1");
    account.waiting++;
    expect(account.descriptors).toBe(1);
    // Its turn has come (attach-socket.ts, beginnings.ts, regions.ts).
    account.waiting--;
    account.beginning++;
    account.regions++;
    const whileItWaits = account.descriptors;
    account.beginning--;
    account.enter();
    expect(account.descriptors).toBe(4);
    expect(whileItWaits).toBe(4);
  });

  test("of a guest's own is forgotten with it, and drives no other out", () => {
    const accounts = new Accounts();
    const user = accounts.take("uid:1");
    user.release();
    for (let i = 0; i < 5000; i++) accounts.takeOwn(`attach:${i}`).release();
    expect(accounts.size).toBe(1);
    expect(accounts.take("uid:1")).toBe(user);
  });
});

describe("a slice", () => {
  test("is a key's, however many guests it has, where others want the thread too", () => {
    const accounts = new Accounts();
    const [many, one] = [accounts.take("uid:1"), accounts.take("uid:2")];
    for (let i = 0; i < 100; i++) many.enter();
    // Alone it has the thread to itself, and its guests have slices among each other.
    expect(many.sliceMs).toBe(SLICE_MS);
    one.enter();
    expect(many.sliceMs * 100).toBeCloseTo(SLICE_MS);
    expect(one.sliceMs).toBe(SLICE_MS);
    for (let i = 0; i < 99; i++) many.leave();
    expect(many.sliceMs).toBe(SLICE_MS);
    one.leave();
    expect(accounts.present).toBe(1);
  });

  test("that a guest overdraws is paid for later: a hundred guests of one key have as much as one of another", () => {
    const accounts = new Accounts();
    const [many, one] = [accounts.take("uid:1"), accounts.take("uid:2")];
    const slices = Array.from({ length: 100 }, () => new TimeSlice());
    for (const _ of slices) many.enter();
    one.enter();
    const alone = new TimeSlice();
    let [manyMs, oneMs] = [0, 0];
    // Every piece of work takes 0.05 ms: twenty times the share of one of the hundred.
    for (let turn = 0; turn < 1000; turn++) {
      for (const slice of slices) {
        while (slice.open(turn, many.sliceMs)) {
          slice.spend(0.05);
          manyMs += 0.05;
        }
      }
      while (alone.open(turn, one.sliceMs)) {
        alone.spend(0.05);
        oneMs += 0.05;
      }
    }
    expect(manyMs / oneMs).toBeGreaterThan(0.9);
    expect(manyMs / oneMs).toBeLessThan(1.1);
  });
});
