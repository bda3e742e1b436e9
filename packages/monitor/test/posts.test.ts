// What the reactor's thread tells the main thread: lines of guests' lives together, everything else at once, all in its
// order.

import { afterAll, beforeEach, expect, test } from "vitest";
import type { AuditLine } from "../src/observe/audit-gate.ts";
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

test("audit lines go by key: what was allowed together, a little later, and the rest at once", () => {
  const flow: AuditLine = {
    ...({ kind: "opened", guest: "guest-1", flow: 1 } as const),
    ...{ protocol: "file", what: "/x", rule: "x", address: "" },
  };
  const denial = { guest: "guest-2", protocol: "file", what: "/x", rule: "x", reason: "denied", errno: 13 };
  const fields = ["opened", false, "guest-1", 1, "file", "/x", "x", ""];
  posts.postAudit("uid:1", flow);
  posts.postAudit("uid:2", flow);
  posts.postAudit("uid:1", flow);
  posts.postAudit("uid:2", { kind: "refused", ...denial });
  const rows = [
    { key: "uid:1", fields: [...fields, ...fields] },
    { key: "uid:2", fields },
  ];
  expect(sent).toEqual([
    { kind: "flows", rows },
    { kind: "refused", ...denial, key: "uid:2" },
  ]);
  let handedOn = 0;
  posts.whenHandedOn("uid:2", () => handedOn++);
  const mark = sent.at(-1) as Extract<FromReactor, { kind: "mark" }>;
  expect(mark).toEqual({ kind: "mark", id: expect.any(Number), key: "uid:2" });
  posts.taken(mark.id);
  expect(handedOn).toBe(1);
});

test("a thread that fails leaves no line untold", () => {
  posts.post(gone);
  posts.flush();
  expect(sent).toEqual([{ kind: "lives", lines: [gone] }]);
});
