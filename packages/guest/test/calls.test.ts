// The core of all requests and replies, on a wire that is a list: calls and replies in any order, aborts at any time.

import { Done, ErrorReply, type Frame, Pong, ProtocolError, Violation } from "@ringway/control";
import { Errno } from "@ringway/linux";
import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { detachedError } from "../src/errors.ts";
import { Calls, decodeReply, type Request } from "../src/stream/calls.ts";
import type { StreamEngine } from "../src/stream/stream.ts";

/** Requests that were sent, by their ids. */
let wire: { id: number; name: string }[] = [];
let room = 0;
let held = 0;
let late: string[] = [];
let ended: Error | undefined;
let calls: Calls;

beforeEach(() => {
  wire = [];
  room = Number.POSITIVE_INFINITY;
  held = 0;
  late = [];
  ended = undefined;
  const engine: Partial<StreamEngine> = {
    get ended() {
      return ended;
    },
    hold: () => void held++,
    unhold: () => void held--,
    touch(work) {
      if (ended === undefined) work();
    },
  };
  calls = new Calls(engine as StreamEngine);
});

function request(name: string, signal?: AbortSignal): Request<string> {
  return {
    context: { syscall: name },
    signal,
    send() {
      if (wire.length >= room) return undefined;
      const id = wire.length + 1;
      wire.push({ id, name });
      return id;
    },
    onReply: (frame) => Buffer.from(decodeReply(frame, Pong).data).toString() || undefined,
    onLate: (result) => void late.push(result),
  };
}

function frame(type: number, requestId: number, payload: Uint8Array): Frame {
  return { type, requestId, payload };
}

function pong(id: number, text: string): Frame {
  return frame(Pong.type, id, Pong.encode({ data: Buffer.from(text) }));
}

const sent = (): string[] => wire.map(({ name }) => name);

it("each reply finds its call, in whatever order they come, and each call holds the process until then", async () => {
  const all = ["a", "b", "c"].map((name) => calls.call(request(name)));
  expect(held).toBe(3);
  for (const { id, name } of [...wire].reverse()) calls.take(pong(id, `for ${name}`));
  expect(await Promise.all(all)).toEqual(["for a", "for b", "for c"]);
  expect(held).toBe(0);
});

it("a call takes replies until there is a result", async () => {
  const call = calls.call(request("list"));
  calls.take(pong(1, ""));
  calls.take(pong(1, ""));
  calls.take(pong(1, "all"));
  expect(await call).toBe("all");
  expect(() => calls.take(pong(1, "more"))).toThrow(/request 1, never made/);
});

it("what finds no room waits in line, and nothing passes it", async () => {
  room = 1;
  const waiting = ["a", "b"].map((name) => calls.call(request(name)));
  calls.post(request("posted").send);
  expect([sent(), calls.waiting]).toEqual([["a"], 2]);
  room = 2;
  expect(calls.flush()).toBe(false);
  expect(sent()).toEqual(["a", "b"]);
  room = 3;
  expect(calls.flush()).toBe(true);
  expect(sent()).toEqual(["a", "b", "posted"]);
  calls.take(pong(1, "1"));
  calls.take(pong(2, "2"));
  expect(await Promise.all(waiting)).toEqual(["1", "2"]);
});

it("of aborted calls, one in line is never sent, and the result of one that was sent is late", async () => {
  const aborting = new AbortController();
  room = 1;
  const all = ["sent", "in line"].map((name) => calls.call(request(name, aborting.signal)));
  aborting.abort();
  for (const call of all) await expect(call).rejects.toMatchObject({ code: "ABORT_ERR" });
  expect(held).toBe(0);
  room = 2;
  expect(calls.flush()).toBe(true);
  expect(sent()).toEqual(["sent"]);
  calls.take(pong(1, "a result"));
  expect(late).toEqual(["a result"]);
});

it("an error of the host's, and the end of the wire, fail what they are about", async () => {
  const all = ["a", "b", "c"].map((name) => calls.call(request(name)));
  const error = { errno: Errno.ENOENT, rule: "", reason: "" };
  calls.take(frame(ErrorReply.type, 1, ErrorReply.encode(error)));
  calls.fail(new Error("gone"));
  const outcomes = await Promise.allSettled(all);
  expect(outcomes.map((each) => (each as PromiseRejectedResult).reason.message)).toEqual([
    "a ENOENT",
    "gone",
    "gone",
  ]);
  expect(held).toBe(0);
});

it.each<[string, Error, object]>([
  ["the monitor went", new Error("hung up"), { code: "ECONNRESET", syscall: "read" }],
  ["the guest left", detachedError(), { code: "ERR_RINGWAY_DETACHED" }],
  [
    "the host broke the protocol",
    new ProtocolError(Violation.FRAME_TYPE, "FRM-7", "a test"),
    { violation: Violation.FRAME_TYPE },
  ],
])("a call made while the engine ends is sent to nobody and fails: %s", async (_title, why, error) => {
  ended = why;
  await expect(calls.call(request("read"))).rejects.toMatchObject(error);
  expect([sent(), held]).toEqual([[], 0]);
});

it("a call that ends the engine as it is sent fails", async () => {
  const ends = (): undefined => {
    ended = new Error("hung up");
  };
  await expect(calls.call({ ...request("read"), send: ends })).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(held).toBe(0);
});

it("where the ring fails amid the line, what was sent before is not sent again", async () => {
  room = 0;
  const all = ["a", "b"].map((name) => calls.call(request(name)));
  let fails = true;
  calls.post(() => {
    if (!fails) return 1;
    fails = false;
    throw new Error("a broken ring");
  });
  room = Number.POSITIVE_INFINITY;
  expect(() => calls.flush()).toThrow("a broken ring");
  expect([sent(), calls.waiting]).toEqual([["a", "b"], 1]);
  expect(calls.flush()).toBe(true);
  expect(sent()).toEqual(["a", "b"]);
  calls.fail(new Error("over"));
  await Promise.allSettled(all);
});

it("a reply of the wrong type is the host's violation, which the call hears too", async () => {
  const call = calls.call(request("a"));
  const violation = { violation: Violation.FRAME_TYPE, clause: "FRM-7" };
  expect(() => calls.take(frame(Done.type, 1, Done.encode({})))).toThrow(expect.objectContaining(violation));
  await expect(call).rejects.toMatchObject(violation);
  expect(held).toBe(0);
});

it("whatever happens in whatever order, each call is settled once and holds the process until then", async () => {
  const step = fc.constantFrom("call", "room", "reply", "abort");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      wire = [];
      room = 2;
      const open = new Map<string, { aborting: AbortController; settled: Promise<unknown> }>();
      let settled = 0;
      let replied = 0;
      for (const [index, each] of steps.entries()) {
        if (each === "call") {
          const aborting = new AbortController();
          const call = calls.call(request(`${index}`, aborting.signal));
          const done = (): void => void settled++;
          open.set(`${index}`, { aborting, settled: call.then(done, done) });
        } else if (each === "room") {
          room++;
          calls.flush();
        } else if (each === "reply" && replied < wire.length) {
          calls.take(pong(wire[replied++]!.id, "r"));
        } else if (each === "abort") {
          const [first] = open;
          first?.[1].aborting.abort();
          if (first !== undefined) open.delete(first[0]);
        }
        await null;
      }
      calls.fail(new Error("over"));
      await Promise.all([...open.values()].map((each) => each.settled));
      expect(held).toBe(0);
      expect(settled).toBe(steps.filter((each) => each === "call").length);
    }),
  );
});
