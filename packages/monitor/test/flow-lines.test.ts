// Lines of what guests were allowed, on their way to the main thread: what they cost, and when their guest waits.

import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { LineQuota, SteadyQuota } from "../src/accounts/quotas.ts";
import { AHEAD_BYTES, AuditGates, type AuditLine } from "../src/observe/audit-gate.ts";
import {
  eachFlow,
  type FlowClosed,
  type FlowFields,
  type FlowMessage,
  FlowNumbers,
  type FlowOpened,
  flowLine,
  putFlow,
} from "../src/observe/flow-lines.ts";
import type { Labels } from "../src/observe/labels.ts";
import { priced } from "../src/observe/line-cost.ts";
import { GuestLines, type LineQuotas, type LinesHost } from "../src/observe/lines.ts";
import { createLogger } from "../src/observe/logs/logger.ts";
import { type Policy, parsePolicy } from "../src/policy/index.ts";
import { Counters } from "../src/reactor/counters.ts";

const LINE: FlowClosed = {
  ...{
    kind: "closed",
    guest: "guest-1",
    flow: 17,
    protocol: "tcp-connect",
    what: "example.com:443",
    rule: "web",
  },
  ...{
    address: "192.0.2.1:443",
    bytesToHost: 2 ** 53 - 1,
    bytesToGuest: 2 ** 53 - 1,
    ms: 2 ** 31,
    end: "guest-reset",
  },
};
const BEGUN: FlowOpened = {
  ...{
    kind: "opened",
    guest: "guest-1",
    flow: 17,
    protocol: "tcp-connect",
    what: "example.com:443",
    rule: "web",
  },
  ...{ address: "192.0.2.1:443" },
};
const TIME = "2025-01-01T12:00:00.000Z";
const BYTES = priced(LINE).bytes;
const KiB = 1024;

function policyOf(more: string): Policy {
  return parsePolicy(`version: 1\n${more}`, { file: "/policy.yaml" });
}

let posted: AuditLine[];
/** Who waits for the key's lines to be handed on, in order. */
let marks: (() => void)[];
/** Who waits for the next second. */
let pauses: (() => void)[];
let goesOn: number;
let gates: AuditGates;

beforeEach(() => {
  posted = [];
  marks = [];
  pauses = [];
  goesOn = 0;
  gates = new AuditGates({
    postAudit: (_, line) => posted.push(line),
    whenHandedOn: (_, callback) => marks.push(callback),
  });
});

const freshQuotas = (): LineQuotas => ({
  ...{ key: "uid:1", isKnown: true, labelBytes: 0 },
  lines: new LineQuota(),
  flowLines: new SteadyQuota(),
  tally: { hit: () => {} },
});

/** `file`: is there an audit file? */
function linesOf(policy: Policy, quotas: LineQuotas = freshQuotas(), file = true): GuestLines {
  const flows = file ? new FlowNumbers() : undefined;
  const host: LinesHost = {
    reactor: { after: (_, callback) => pauses.push(callback) },
    counters: new Counters(),
    auditGates: gates,
    flows,
    showsFlows: false,
    followers: { some: false },
    records: undefined,
    post: () => {},
    whenTaken: () => {},
  };
  return new GuestLines(
    host,
    quotas,
    () => policy,
    () => goesOn++,
  );
}

const FREE = policyOf("limits: { auditBytes: 1GiB }\n");

test("a line is never longer than its price, and not much shorter", () => {
  const { length } = flowLine(LINE, undefined, TIME);
  expect(length).toBeLessThanOrEqual(BYTES);
  expect(length).toBeGreaterThan(BYTES / 2);
});

const NASTY = '/data/"\\\u0001\u2028\u00e4\u{1f600}\ud800';

test.each<[string, FlowMessage, Labels | undefined]>([
  ["of an end", LINE, undefined],
  ["of a beginning", BEGUN, undefined],
  ["with labels", { ...BEGUN, kind: "accepted" }, { team: NASTY, tier: "" }],
  ["with whatever a guest may name", { ...LINE, what: NASTY, rule: NASTY, guest: NASTY }, undefined],
])("a line is what pino would write: %s", (_, message, labels) => {
  let written = "";
  const log = createLogger("info", { write: (text) => (written = text) });
  const { kind, guest, ...fields } = message;
  log.info({ audit: kind, guest, ...(labels && { labels }), ...fields }, kind);
  const time = /"time":"([^"]*)"/.exec(written)![1]!;
  expect(flowLine(message, labels, time)).toBe(written);
});

test("they come to the main thread as they were posted, in their order", () => {
  const all: FlowMessage[] = [
    BEGUN,
    LINE,
    { ...BEGUN, required: true },
    { ...LINE, what: NASTY, bytesToHost: 0 },
  ];
  const fields: FlowFields = [];
  for (const message of all) putFlow(fields, message);
  const taken: FlowMessage[] = [];
  eachFlow(fields, (message) => taken.push(message));
  expect(taken).toEqual(all.map((message) => ({ ...message, required: message.required === true })));
});

test("there are none without an audit file, or where the policy has refusals alone in it", () => {
  expect(linesOf(FREE).flows).toBeDefined();
  expect(linesOf(policyOf("audited: refusals\n")).flows).toBeUndefined();
  expect(
    new GuestLines(
      { flows: undefined, auditGates: gates } as LinesHost,
      freshQuotas(),
      () => FREE,
      () => {},
    ).flows,
  ).toBeUndefined();
});

test("a guest does not wait as long as the main thread keeps up", () => {
  const lines = linesOf(FREE);
  for (let bytes = 0; bytes < 4096 * KiB; bytes += BYTES) {
    lines.postFlow(LINE, BYTES);
    // Asked for before there is need, and answered before there is no room.
    if (bytes % (64 * KiB) < BYTES) for (const mark of marks.splice(0)) mark();
  }
  expect(lines.held).toBe(false);
});

test("a guest waits that is too far ahead of the log, and goes on when some is handed on", () => {
  const lines = linesOf(FREE);
  let bytes = 0;
  for (; !lines.held; bytes += BYTES) lines.postFlow(LINE, BYTES);
  expect(bytes).toBeGreaterThanOrEqual(AHEAD_BYTES);
  expect(bytes).toBeLessThan(AHEAD_BYTES + BYTES);
  expect(goesOn).toBe(0);
  marks.shift()!();
  expect(goesOn).toBe(1);
  expect(lines.held).toBe(false);
});

test("a guest that is past its bytes of a second waits for more; its other lines have their own", () => {
  const policy = policyOf("limits: { auditBytes: 64KiB, logBytes: 64KiB, logLines: 1000 }\n");
  const quotas = freshQuotas();
  // Nothing comes again meanwhile.
  const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now());
  onTestFinished(() => clock.mockRestore());
  const lines = linesOf(policy, quotas);
  let count = 0;
  for (; !lines.held; count++) lines.postFlow(LINE, BYTES);
  expect(count).toBe(Math.ceil((64 * KiB) / BYTES));
  expect(pauses).toHaveLength(1);
  // The quota of the other lines is untouched. Another of the key waits for this one only where there is an audit file.
  const other = linesOf(policy, quotas, false);
  for (let i = 0; i < 100; i++) other.post({ kind: "warning", guest: "guest-2", reason: "for a test" });
  expect(other.held).toBe(false);
  const third = linesOf(policy, quotas);
  third.post({ kind: "warning", guest: "guest-3", reason: "for a test" });
  expect(third.held).toBe(true);
});

test("what was used up comes again bit by bit: a guest does not wait for a second, and has none at once", () => {
  const quota = new SteadyQuota();
  quota.add(64 * KiB, 64 * KiB, 0);
  expect(quota.restMs(64 * KiB, 0)).toBe(10);
  expect(quota.restMs(64 * KiB, 10)).toBe(0);
  quota.add(BYTES, 64 * KiB, 10);
  expect(quota.restMs(64 * KiB, 10)).toBeLessThan(20);
});

test("with `audit: required` a guest waits behind its line while the file has a fault", () => {
  const lines = linesOf(policyOf("audit: required\n"));
  lines.postFlow(LINE, BYTES);
  expect(posted).toEqual([{ ...LINE, required: true }]);
  expect(lines.held).toBe(false);
  gates.setWritable(false);
  lines.postFlow(LINE, BYTES);
  expect(lines.held).toBe(true);
  gates.setWritable(true);
  expect(lines.held).toBe(false);
  expect(goesOn).toBe(1);
});

test("an end that waits for a disk is told once: when that has answered, or when the monitor ends", () => {
  const lines = linesOf(FREE);
  const said: string[] = [];
  const answered = lines.later(() => said.push("answered"));
  const stuck = lines.later(() => said.push("stuck"));
  answered();
  expect(said).toEqual(["answered"]);
  gates.sayLate();
  stuck();
  answered();
  expect(said).toEqual(["answered", "stuck"]);
});
