// What of the guests' lookups the main thread gets to do, and who pays for it.

import { Errno } from "@ringway/control";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { type LookupGuest, type LookupMessage, Lookups } from "../src/names/lookups.ts";
import type { Answer } from "../src/names/resolver.ts";
import { Counters } from "../src/reactor/counters.ts";
import { NodeTimers } from "./node-timers.ts";

const FOUND: Answer = { addresses: ["192.0.2.1"], errno: 0, ended: true };
const OVER: Answer = { addresses: [], errno: 0, ended: true };
const never = (): void => {
  throw new Error("nobody is told of this one");
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The reactor's side, and a main thread that keeps what it is asked, until the test answers. */
class Reactor {
  readonly counters: Counters = new Counters();
  readonly lookups: Lookups;
  /** As the main thread gets them. */
  readonly posted: LookupMessage[] = [];
  /** Whose time was charged, by key. */
  readonly charged: string[] = [];
  readonly #accounts: Accounts = new Accounts();

  constructor() {
    this.lookups = new Lookups({
      counters: this.counters,
      reactor: new NodeTimers(),
      post: (message) => this.posted.push(message),
    });
  }

  guest(key: string): LookupGuest {
    const account = this.#accounts.take(key);
    account.enter();
    return { name: key, account, share: { charge: () => this.charged.push(key) } };
  }

  /** The main thread's beginnings. */
  get begun(): readonly string[] {
    return this.posted.flatMap((message) => (message.kind === "resolve" ? [message.name] : []));
  }

  get begunLast(): string | undefined {
    const last = this.posted.at(-1);
    return last?.kind === "resolve" ? last.name : undefined;
  }

  /** Everything that was posted since the last time has its end, as has all that is posted because of it. */
  answerAll(answer: Answer): void {
    for (let message = this.posted[this.#answered]; message !== undefined; ) {
      this.#answered++;
      this.lookups.answered(message.id, answer);
      message = this.posted[this.#answered];
    }
  }
  #answered = 0;
}

let reactor: Reactor;
beforeEach(() => {
  reactor = new Reactor();
});

describe("a lookup that waits for its turn", () => {
  test("and is given up never reaches the main thread", () => {
    const guest = reactor.guest("uid:1");
    let ended = 0;
    for (let i = 0; i < 1000; i++) {
      const asked = reactor.lookups.start(guest, `name-${i}`, 1000, never);
      if (i >= 4) reactor.lookups.cancel(asked, () => ended++);
    }
    expect(ended).toBe(996);
    expect(reactor.posted).toHaveLength(4);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("until its time is over is told so, and never reaches it either", () => {
    const guest = reactor.guest("uid:1");
    const told: Answer[] = [];
    for (let i = 0; i < 4; i++) reactor.lookups.start(guest, `name-${i}`, 1000, never);
    reactor.lookups.start(guest, "late", 100, (answer) => told.push(answer));
    vi.advanceTimersByTime(99);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual([{ addresses: [], errno: Errno.ETIMEDOUT, ended: true }]);
    expect(reactor.begun).not.toContain("late");
  });

  test("has waited within its time: the main thread gets the rest", () => {
    const guest = reactor.guest("uid:1");
    for (let i = 0; i < 5; i++) reactor.lookups.start(guest, `name-${i}`, 1000, () => {});
    vi.advanceTimersByTime(300);
    reactor.lookups.answered(reactor.posted[0]!.id, FOUND);
    expect(reactor.posted.at(-1)).toMatchObject({ name: "name-4", timeoutMs: 700 });
  });
});

describe("a key that looks up names and gives them up, 20,000 times a second", () => {
  /** For so long. Each that has begun is let go of by the main thread at once. */
  function flood(guest: LookupGuest, forMs: number, meanwhile: (ms: number) => void = () => {}): void {
    for (let ms = 0; ms < forMs; ms++) {
      for (let i = 0; i < 20; i++) {
        const asked = reactor.lookups.start(guest, "silent", 1000, never);
        reactor.lookups.cancel(asked, () => {});
        reactor.answerAll(OVER);
      }
      meanwhile(ms);
      vi.advanceTimersByTime(1);
    }
  }

  test("has the main thread begin no more than 2500 of them a second, beside another key", () => {
    reactor.guest("uid:2");
    flood(reactor.guest("uid:1"), 1000);
    expect(reactor.begun.length).toBeGreaterThan(2400);
    expect(reactor.begun.length).toBeLessThan(2600);
    expect(reactor.counters.read().quotaLookups).toBeGreaterThan(0);
  });

  test("keeps no name of another key's waiting", () => {
    const guest = reactor.guest("uid:2");
    flood(reactor.guest("uid:1"), 200, (ms) => {
      reactor.lookups.start(guest, `good-${ms}`, 1000, () => {});
      expect(reactor.begunLast).toBe(`good-${ms}`);
      reactor.answerAll(FOUND);
    });
  });

  test("has its own looked up when they are its turn, once it floods no more", () => {
    reactor.guest("uid:2");
    const guest = reactor.guest("uid:1");
    flood(guest, 100);
    const told: Answer[] = [];
    reactor.lookups.start(guest, "its own", 1000, (answer) => told.push(answer));
    vi.advanceTimersByTime(2);
    reactor.answerAll(FOUND);
    expect(told).toEqual([FOUND]);
  });

  test("has the main thread to itself while it is alone", () => {
    flood(reactor.guest("uid:1"), 100);
    expect(reactor.begun).toHaveLength(2000);
    expect(reactor.counters.read().quotaLookups).toBe(0);
  });
});

test("a key that looks up 2000 names a second waits for none of them, whatever others do", () => {
  reactor.guest("uid:2");
  const guest = reactor.guest("uid:1");
  for (let ms = 0; ms < 1000; ms++) {
    for (let i = 0; i < 2; i++) {
      reactor.lookups.start(guest, `${ms}-${i}`, 1000, () => {});
      expect(reactor.begunLast).toBe(`${ms}-${i}`);
      reactor.answerAll(FOUND);
    }
    vi.advanceTimersByTime(1);
  }
  expect(reactor.counters.read().quotaLookups).toBe(0);
});

test("a guest pays for handing over and for answers, also where another's end made room", () => {
  const [first, second] = [reactor.guest("uid:1"), reactor.guest("uid:2")];
  for (let i = 0; i < 16; i++) {
    const guest = i < 4 ? first : reactor.guest(`uid:${3 + (i >> 2)}`);
    reactor.lookups.start(guest, `name-${i}`, 1000, () => {});
  }
  reactor.lookups.start(second, "waits", 1000, () => {});
  expect(reactor.begun).not.toContain("waits");
  reactor.charged.length = 0;
  reactor.lookups.answered(reactor.posted[0]!.id, FOUND);
  expect(reactor.begunLast).toBe("waits");
  // The answer's, then the next one's beginning.
  expect(reactor.charged).toEqual(["uid:1", "uid:2"]);
});
