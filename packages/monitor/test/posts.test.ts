// What the reactor's thread tells the main thread: lines of guests' lives together, everything else at once, all in its
// order.

import { afterAll, beforeEach, expect, test } from "vitest";
import { Counters } from "../src/reactor/counters.ts";
import { Reactor } from "../src/reactor/reactor.ts";
import type { FromReactor } from "../src/thread/messages.ts";
import { Posts } from "../src/thread/posts.ts";

const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
let sent: FromReactor[];
let posts: Posts;

beforeEach(() => {
  sent = [];
  posts = new Posts(reactor, (message) => {
    sent.push(message);
    reactor.pause();
  });
});
afterAll(() => reactor.epoll.close());

const came = { kind: "guest", guest: "guest-1", pid: 7 } as const;
const attached = { kind: "attached", guest: "guest-1" } as const;
const gone = { kind: "detached", guest: "guest-1", reason: "the guest detached" } as const;
const warning = { kind: "warning", guest: "guest-1", reason: "for a test" } as const;

test("a guest's coming and going is one message, a little later", () => {
  for (const line of [came, attached, gone]) posts.post(line);
  expect(sent).toEqual([]);
  reactor.run();
  expect(sent).toEqual([{ kind: "lives", lines: [came, attached, gone] }]);
});

test("whatever else is posted goes at once, after the lines that were there before it", () => {
  posts.post(came);
  posts.post(warning);
  posts.post(gone);
  expect(sent).toEqual([{ kind: "lives", lines: [came] }, warning]);
  reactor.run();
  expect(sent.slice(2)).toEqual([{ kind: "lives", lines: [gone] }]);
});

test("a thread that fails leaves no line untold", () => {
  posts.post(gone);
  posts.flush();
  expect(sent).toEqual([{ kind: "lives", lines: [gone] }]);
});
