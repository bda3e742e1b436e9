// How far a key's audit lines may be ahead of the log, and who waits for that: its own guests, and nobody else.

import { beforeEach, describe, expect, it } from "vitest";
import { AHEAD_BYTES, AuditGates, type AuditLine, type KeyOfLines } from "../src/observe/audit-gate.ts";

const KiB = 1024;
const LINE_BYTES = 4 * KiB;
const BEGIN_BYTES = 1024 * KiB;

/** What was posted of each key; and who waits for it to be handed on, in order. */
let posted: { key: string; flow: number }[];
let marks: { key: string; callback: () => void }[];
let gates: AuditGates;
const key = (name: string, isKnown = true): KeyOfLines => ({ key: name, isKnown });

beforeEach(() => {
  posted = [];
  marks = [];
  gates = new AuditGates({
    postAudit: (name, line) => posted.push({ key: name, flow: (line as { flow: number }).flow }),
    whenHandedOn: (name, callback) => marks.push({ key: name, callback }),
  });
});

const line = (flow: number): AuditLine => ({
  ...{ kind: "opened", guest: "guest-1", flow, protocol: "file", what: "/x", rule: "x", address: "" },
  required: true,
});

/** Lines of so many bytes in all. */
function cause(of: KeyOfLines, bytes: number): void {
  for (let at = 0; at < bytes; at += LINE_BYTES) gates.of(of).post(line(at / LINE_BYTES), LINE_BYTES);
}

describe("the gate of a key's audit lines", () => {
  it("shuts for its guests alone when so many bytes are ahead of the log", () => {
    const [one, other] = [key("one"), key("other")];
    cause(one, AHEAD_BYTES - LINE_BYTES);
    expect(gates.of(one).isOpen(true)).toBe(true);
    cause(one, LINE_BYTES);
    expect(gates.of(one).isOpen(true)).toBe(false);
    expect(gates.of(one).isOpen(false)).toBe(false);
    cause(other, LINE_BYTES);
    expect(gates.of(other).isOpen(true)).toBe(true);
  });

  it("opens little by little as lines are handed on, and lets all pass that wait", () => {
    const one = key("one");
    cause(one, AHEAD_BYTES);
    const passed: string[] = [];
    gates.of(one).wait(() => passed.push("a"));
    gates.of(one).wait(() => passed.push("b"));
    expect(passed).toEqual([]);
    marks.shift()!.callback();
    expect(passed).toEqual(["a", "b"]);
    for (const { callback } of marks.splice(0)) callback();
    expect(passed).toEqual(["a", "b"]);
  });

  it("posts what guests cause beyond that in its order, as others are handed on", () => {
    const one = key("one");
    cause(one, 3 * AHEAD_BYTES);
    expect(posted).toHaveLength(AHEAD_BYTES / LINE_BYTES);
    while (marks.length > 0) marks.shift()!.callback();
    const all = Array.from({ length: (3 * AHEAD_BYTES) / LINE_BYTES }, (_, flow) => ({ key: "one", flow }));
    expect(posted).toEqual(all);
    expect(gates.of(one).isOpen(true)).toBe(true);
  });

  it("past a mebibyte lets no guest of its key begin, until some is handed on", () => {
    const [one, other] = [key("one"), key("other")];
    cause(one, BEGIN_BYTES - LINE_BYTES);
    expect(gates.takesGuests(one)).toBe(true);
    cause(one, LINE_BYTES);
    expect(gates.takesGuests(one)).toBe(false);
    expect(gates.takesGuests(other)).toBe(true);
    expect(gates.takesGuests(undefined)).toBe(true);
    let begun = 0;
    gates.whenTakesGuests(one, () => begun++);
    expect(begun).toBe(0);
    marks.shift()!.callback();
    expect(begun).toBe(1);
  });

  it("counts keys together that nobody else can have", () => {
    for (let i = 0; i < 4; i++) cause(key(`attach:${i}`, false), BEGIN_BYTES / 4);
    expect(gates.takesGuests(undefined)).toBe(false);
    expect(gates.takesGuests(key("one"))).toBe(true);
    let begun = 0;
    gates.whenTakesGuests(undefined, () => begun++);
    marks.shift()!.callback();
    expect(begun).toBe(1);
  });

  it("counts none of those whose lines are handed on, however few each has caused", () => {
    const comeAndGo = (count: number): void => {
      for (let i = 0; i < count; i++) gates.of(key(`attach:${i}`, false)).post(line(i), LINE_BYTES / 8);
    };
    for (let i = 0; i < 10; i++) {
      comeAndGo(1000);
      for (const { callback } of marks.splice(0)) callback();
      expect(gates.takesGuests(undefined)).toBe(true);
    }
    comeAndGo(3000);
    expect(gates.takesGuests(undefined)).toBe(false);
    let begun = 0;
    gates.whenTakesGuests(undefined, () => begun++);
    for (const { callback } of marks.splice(0)) callback();
    expect(begun).toBe(1);
  });

  it("is shut for lines that must be written, of all keys, while the file has a fault", () => {
    const one = key("one");
    gates.setWritable(false);
    cause(one, LINE_BYTES);
    expect(gates.of(one).isOpen(false)).toBe(true);
    expect(gates.of(one).isOpen(true)).toBe(false);
    let passed = 0;
    gates.of(one).wait(() => passed++);
    gates.setWritable(true);
    expect(passed).toBe(1);
  });

  it("keeps nothing to itself at the end", () => {
    cause(key("one"), 3 * AHEAD_BYTES);
    gates.end();
    expect(posted).toHaveLength((3 * AHEAD_BYTES) / LINE_BYTES);
  });
});
