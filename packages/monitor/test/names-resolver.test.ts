import { Errno } from "@ringway/control";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { type Asked, Lookups } from "../src/names/lookups.ts";
import { type Answer, type Lookup, Resolver } from "../src/names/resolver.ts";
import { Counters } from "../src/reactor/counters.ts";
import { NodeTimers } from "./node-timers.ts";

/** A lookup that answers when told to, and says what was asked, and of what nobody wants to know any more. */
function byHand() {
  const asked: string[] = [];
  const aborted: string[] = [];
  const answers = new Map<string, (addresses: readonly string[]) => void>();
  const lookup: Lookup = (name, signal) => {
    asked.push(name);
    signal.addEventListener("abort", () => aborted.push(name));
    return new Promise((resolve) => answers.set(name, resolve));
  };
  const answer = (name: string): void => answers.get(name)!(["192.0.2.1"]);
  return { asked, aborted, lookup, answer };
}

/** Asks as the reactor does, and keeps what is told. */
class Asker {
  readonly resolver: Resolver;
  readonly told: Map<string, Answer[]> = new Map();
  readonly #lookups: Lookups;
  readonly #accounts: Accounts = new Accounts();
  readonly #asked: Map<string, Asked> = new Map();

  constructor(lookup: Lookup) {
    this.resolver = new Resolver(lookup);
    this.#lookups = new Lookups({
      counters: new Counters(),
      reactor: new NodeTimers(),
      post: (message) => {
        const { kind, id } = message;
        if (kind === "resolve-cancel") this.resolver.cancel(id);
        else if (kind === "resolve") {
          const { name } = message;
          this.resolver.resolve(message, name, (answer) => this.#lookups.answered(id, answer));
        }
      },
    });
  }

  ask(key: string, name: string, timeoutMs = 60_000): void {
    const told: Answer[] = [];
    this.told.set(name, told);
    const guest = { name: key, account: this.#accounts.take(key), share: { charge() {} } };
    this.#asked.set(
      name,
      this.#lookups.start(guest, name, timeoutMs, (answer) => {
        if (answer.ended) this.#asked.delete(name);
        told.push(answer);
      }),
    );
  }

  /** What was told last says that it has ended. */
  cancel(name: string): void {
    const asked = this.#asked.get(name);
    if (asked !== undefined) this.#lookups.cancel(asked, () => this.told.get(name)!.push(OVER));
    this.#asked.delete(name);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const FOUND: Answer = { addresses: ["192.0.2.1"], errno: 0, ended: true };
const LATE: Answer = { addresses: [], errno: Errno.ETIMEDOUT, ended: false };
const OVER: Answer = { addresses: [], errno: 0, ended: true };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a key with names that never answer leaves lookups for the others", async () => {
  const { asked, lookup, answer } = byHand();
  const asker = new Asker(lookup);
  for (let i = 0; i < 100; i++) asker.ask("greedy", `dead-${i}`);
  asker.ask("modest", "alive");
  expect(asked).toEqual(["dead-0", "dead-1", "dead-2", "dead-3", "alive"]);
  answer("alive");
  answer("dead-1");
  await turn();
  expect(asker.told.get("alive")).toEqual([FOUND]);
  expect(asked.at(-1)).toBe("dead-4");
});

test("sixteen run at once, and the keys that wait have their turns one after the other", async () => {
  const { asked, lookup, answer } = byHand();
  const asker = new Asker(lookup);
  for (const key of ["a", "b", "c", "d"]) for (let i = 0; i < 8; i++) asker.ask(key, `${key}${i}`);
  for (const name of ["e0", "e1", "f0", "e2", "f1"]) asker.ask(name[0]!, name);
  expect(asked).toEqual(["a", "b", "c", "d"].flatMap((key) => [0, 1, 2, 3].map((i) => `${key}${i}`)));
  for (const name of ["a0", "a1", "a2", "a3"]) {
    answer(name);
    await turn();
  }
  // "a" has just had its turns: it stands behind those that had none.
  expect(asked.slice(16)).toEqual(["e0", "f0", "a4", "e1"]);
});

test("whoever waited in vain gives its turn on", async () => {
  const { asked, lookup, answer } = byHand();
  const asker = new Asker(lookup);
  for (const key of ["a", "b", "c", "d"]) for (let i = 0; i < 4; i++) asker.ask(key, `${key}${i}`);
  asker.ask("e", "late", 20);
  vi.advanceTimersByTime(20);
  await turn();
  expect(asker.told.get("late")).toEqual([{ ...LATE, ended: true }]);
  asker.ask("e", "patient");
  answer("a0");
  await turn();
  expect(asked.at(-1)).toBe("patient");
  expect(asked).not.toContain("late");
});

describe("a lookup that is given up", () => {
  test("keeps its place, and the guest's request, until it has ended for real", async () => {
    const { asked, aborted, lookup, answer } = byHand();
    const asker = new Asker(lookup);
    for (let i = 0; i < 5; i++) asker.ask("guest", `name-${i}`);
    asker.cancel("name-0");
    await turn();
    expect(aborted).toEqual(["name-0"]);
    expect(asker.told.get("name-0")).toEqual([]);
    expect(asked).not.toContain("name-4");
    answer("name-0");
    await turn();
    expect(asker.told.get("name-0")).toEqual([OVER]);
    expect(asked.at(-1)).toBe("name-4");
  });

  test("by its time limit is told so at once, and keeps its place until it has ended", async () => {
    const { asked, aborted, lookup, answer } = byHand();
    const asker = new Asker(lookup);
    for (let i = 0; i < 5; i++) asker.ask("guest", `name-${i}`, i === 0 ? 100 : 60_000);
    vi.advanceTimersByTime(100);
    await turn();
    expect(aborted).toEqual(["name-0"]);
    expect(asker.told.get("name-0")).toEqual([LATE]);
    expect(asked).not.toContain("name-4");
    answer("name-0");
    await turn();
    expect(asker.told.get("name-0")).toEqual([LATE, OVER]);
    expect(asked.at(-1)).toBe("name-4");
  });

  test("and never ends counts as ended ten seconds later", async () => {
    const { asked, lookup, answer } = byHand();
    const asker = new Asker(lookup);
    for (let i = 0; i < 5; i++) asker.ask("guest", `name-${i}`);
    asker.cancel("name-0");
    vi.advanceTimersByTime(9_999);
    expect(asker.told.get("name-0")).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(asker.told.get("name-0")).toEqual([OVER]);
    expect(asked.at(-1)).toBe("name-4");
    answer("name-0");
    await turn();
    expect(asker.told.get("name-0")).toEqual([OVER]);
  });

  test("before its turn has ended at once", () => {
    const { asked, lookup } = byHand();
    const asker = new Asker(lookup);
    for (let i = 0; i < 5; i++) asker.ask("guest", `name-${i}`);
    asker.cancel("name-4");
    expect(asker.told.get("name-4")).toEqual([OVER]);
    asker.cancel("name-4");
    expect(asker.told.get("name-4")).toEqual([OVER]);
    expect(asked).not.toContain("name-4");
  });

  /** Processor time of so many names that come, wait and go, but for the last, in microseconds. */
  async function costOf(count: number): Promise<number> {
    const { asked, lookup, answer } = byHand();
    const asker = new Asker(lookup);
    const names = Array.from({ length: count }, (_, i) => `name-${i}`);
    const before = process.cpuUsage();
    for (const name of names) asker.ask("guest", name);
    for (const name of names.slice(4, -1).reverse()) asker.cancel(name);
    const { user, system } = process.cpuUsage(before);
    expect(asked).toHaveLength(4);
    answer("name-0");
    await turn();
    expect(asked.at(-1)).toBe(names.at(-1));
    asker.resolver.close();
    return user + system;
  }

  test("costs the same however many wait", async () => {
    // Timers that are not faked: those would be most of the cost.
    vi.useRealTimers();
    await costOf(10_000);
    const few = await costOf(20_000);
    // Ten times as many; quadratic, it would be a hundred times as much.
    expect(await costOf(200_000)).toBeLessThan(40 * few);
  });

  test("is what close() makes of all of them", async () => {
    const { asked, aborted, lookup } = byHand();
    const asker = new Asker(lookup);
    for (let i = 0; i < 6; i++) asker.ask("guest", `name-${i}`);
    asker.resolver.close();
    await turn();
    expect(aborted).toEqual(["name-0", "name-1", "name-2", "name-3"]);
    expect(asked).not.toContain("name-5");
  });
});

test("what is known before the rest is told at once, and counts where the rest fails", async () => {
  const asker = new Asker(async (_name, _signal, early) => {
    early!(["2001:db8::1"]);
    await turn();
    throw Object.assign(new Error("no"), { code: "ESERVFAIL" });
  });
  asker.ask("guest", "half");
  expect(asker.told.get("half")).toEqual([{ addresses: ["2001:db8::1"], errno: 0, ended: false }]);
  await turn();
  expect(asker.told.get("half")).toEqual([{ addresses: ["2001:db8::1"], errno: 0, ended: false }, OVER]);
});

test.each([
  ["ENOTFOUND", Errno.ENOENT],
  ["ENODATA", Errno.ENOENT],
  ["EAI_NONAME", Errno.ENOENT],
  ["ESERVFAIL", Errno.EAGAIN],
  ["EREFUSED", Errno.EAGAIN],
  ["ECONNREFUSED", Errno.EAGAIN],
  ["ETIMEOUT", Errno.ETIMEDOUT],
  ["ETIMEDOUT", Errno.ETIMEDOUT],
])(
  "a lookup that fails with %s is errno %i for the guest, also where it throws at once",
  async (code, errno) => {
    for (const lookup of [
      () => Promise.reject(Object.assign(new Error(code), { code })),
      () => {
        throw Object.assign(new Error(code), { code });
      },
    ]) {
      const asker = new Asker(lookup);
      asker.ask("guest", "name");
      await turn();
      expect(asker.told.get("name")).toEqual([{ addresses: [], errno, ended: true }]);
    }
  },
);
