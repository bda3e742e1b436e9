// RINGWAY_TRACE: its words, and that lines hold nobody up.

import { expect, test } from "vitest";
import { Trace, TraceError, type TraceLine, type TraceMessage, traceWords } from "../src/observe/trace.ts";

test("RINGWAY_TRACE is words between commas; an unknown one is an error that names those that are known", () => {
  expect(traceWords(undefined)).toEqual([]);
  expect(traceWords("")).toEqual([]);
  expect(traceWords("bells")).toEqual(["bells"]);
  expect(traceWords(" streams, bells,")).toEqual(["streams", "bells"]);
  expect(() => traceWords("streams,bell")).toThrow(TraceError);
  expect(() => traceWords("streams,bell")).toThrow('unknown word "bell"; known are streams, bells');
});

/** A thread on which time goes by when it is told to, and a main thread that takes messages when it is told to. */
class FakeThread {
  readonly posted: TraceMessage[] = [];
  #timers: (() => void)[] = [];
  #marks: (() => void)[] = [];

  after(_: number, callback: () => void): void {
    this.#timers.push(callback);
  }

  post(message: TraceMessage): void {
    this.posted.push(message);
  }

  whenTaken(callback: () => void): void {
    this.#marks.push(callback);
  }

  passTime(): void {
    for (const timer of this.#timers.splice(0)) timer();
  }

  take(): void {
    for (const mark of this.#marks.splice(0)) mark();
  }
}

const line = (text: string): TraceLine => ({ trace: "streams", guest: "one", text });

test("lines go together, in their order, some time later", () => {
  const thread = new FakeThread();
  const trace = new Trace(thread);
  trace.note(line("1"));
  trace.note(line("2"));
  expect(thread.posted).toEqual([]);
  thread.passTime();
  expect(thread.posted).toEqual([{ kind: "trace", lines: [line("1"), line("2")], lost: 0 }]);
  thread.take();
  thread.passTime();
  expect(thread.posted).toHaveLength(1);
  trace.note(line("3"));
  thread.passTime();
  expect(thread.posted[1]!.lines).toEqual([line("3")]);
});

test("a main thread that takes nothing is posted one batch; what does not fit the next is lost, and counted", () => {
  const thread = new FakeThread();
  const trace = new Trace(thread);
  trace.note(line("first"));
  thread.passTime();
  for (let i = 0; i < 10_000; i++) trace.note(line(String(i)));
  for (let i = 0; i < 5; i++) thread.passTime();
  expect(thread.posted).toHaveLength(1);
  thread.take();
  thread.passTime();
  expect(thread.posted).toHaveLength(2);
  const [, { lines, lost }] = thread.posted as [TraceMessage, TraceMessage];
  expect(lines.length + lost).toBe(10_000);
  expect(lines.map(({ text }) => text).slice(0, 3)).toEqual(["0", "1", "2"]);
  expect(lines.length).toBe(4096);
  // Nothing is said twice.
  thread.take();
  thread.passTime();
  expect(thread.posted).toHaveLength(2);
});

test("what is kept at the end is posted at once", () => {
  const thread = new FakeThread();
  const trace = new Trace(thread);
  trace.note(line("last"));
  trace.flush();
  trace.flush();
  expect(thread.posted).toEqual([{ kind: "trace", lines: [line("last")], lost: 0 }]);
});
