// The audit's lines on their way into the file, more of them at once than the writer has room for.

import { EventEmitter, once } from "node:events";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { closeFd, createPipe } from "@ringway/linux";
import { createLogger, LogWriter } from "@ringway/monitor";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { BusyError } from "../src/monitor/busy-error.ts";
import type { Context } from "../src/monitor/context.ts";
import { Steering, type SteeringParts } from "../src/monitor/steering.ts";
import { Audit } from "../src/observe/audit.ts";
import { type FlowClosed, type FlowFields, putFlow } from "../src/observe/flow-lines.ts";
import { GuestLabels } from "../src/observe/labels.ts";
import type { LogWriter as Writer } from "../src/observe/logs/writer.ts";

const folder = temporaryFolder("audit");
const CLOSED: FlowClosed = {
  ...{ kind: "closed", guest: "guest-1", flow: 1, protocol: "file", rule: "data", address: "" },
  // Lines of a kilobyte.
  ...{ what: `/${"x".repeat(800)}`, bytesToHost: 0, bytesToGuest: 0, ms: 1, end: "cut" },
};
const MANY = 10_000;

/** The built one, whose thread has a file to load, or a false one. */
const asWriter = (writer: object): Writer => writer as Writer;

async function rig(path: string) {
  const writer = await LogWriter.open(path);
  onTestFinished(() => writer.close(0));
  const said: string[] = [];
  const faults: boolean[] = [];
  const log = createLogger("info", { write: (line) => said.push(line) });
  const audit = new Audit(log, new GuestLabels(), asWriter(writer), (isWritable) => faults.push(isWritable));
  return { audit, said, faults };
}

/** As of a guest that ends with many streams open. */
function closed(count: number, required = false): FlowFields {
  const fields: FlowFields = [];
  for (let flow = 1; flow <= count; flow++) putFlow(fields, { ...CLOSED, flow, required });
  return fields;
}

function refuse(audit: Audit, key = "uid:1"): void {
  const denial = { protocol: "tcp-connect", what: "192.0.2.1:80", rule: "none", reason: "denied", errno: 13 };
  audit.refused({ kind: "refused", guest: "guest-2", ...denial, required: key !== "uid:1" }, key);
}

const linesOf = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test.each([false, true])(
  "all are in the file at the end, in their order (required: %s)",
  async (required) => {
    const path = join(folder, `all-${required}`);
    const { audit, said, faults } = await rig(path);
    audit.flows("uid:1", closed(MANY, required));
    refuse(audit);
    let passed = 0;
    audit.mark("uid:1", () => passed++);
    // Who causes lines that must be written waits until the log has taken them, and otherwise for nothing.
    expect(passed).toBe(required ? 0 : 1);
    await audit.close();
    expect(passed).toBe(1);
    const lines = linesOf(path);
    expect(lines.map(({ flow }) => flow)).toEqual([...closedFlows(), undefined]);
    expect(lines.at(-1)).toMatchObject({ audit: "refused", guest: "guest-2" });
    expect(said).toEqual([]);
    expect(faults).toEqual([]);
  },
);

function closedFlows(): number[] {
  return Array.from({ length: MANY }, (_, i) => i + 1);
}

/** As of a disk that stands still: there is never room, until it `takes`. */
class Full extends EventEmitter {
  readonly failing: string | undefined;
  takes = false;
  text = "";

  constructor(failing: string | undefined) {
    super();
    this.failing = failing;
  }

  offer(text: string): boolean {
    if (this.takes) this.text += text;
    return this.takes;
  }

  lose(lines: number): void {
    this.text += `${lines} lost\n`;
  }

  /** What became of all lines, in their order. */
  written(): string[] {
    this.takes = true;
    this.emit("room");
    return this.text.split("\n").slice(0, -1);
  }
}

function full(failing?: string): { readonly writer: Full; readonly audit: Audit } {
  const writer = new Full(failing);
  const log = createLogger("info", { write: () => {} });
  return { writer, audit: new Audit(log, new GuestLabels(), asWriter(writer), () => {}) };
}

test.each([
  ["what waits is bounded, and what is past that is lost", undefined, 10_000, 25_000],
  ["where nothing can be written, no more than a mebibyte waits", "ENOSPC", 48_000, 49_500],
])("%s", (_, failing, least, most) => {
  const { writer, audit } = full(failing);
  // 50 MB, of which 32 MiB may wait.
  for (let i = 0; i < 5; i++) audit.flows("uid:1", closed(MANY));
  const written = writer.written();
  // It is said once, in its place.
  const lost = written.filter((line) => line.endsWith("lost"));
  expect(lost).toEqual([written.at(-1)]);
  const lines = Number.parseInt(lost[0]!, 10);
  expect(lines + written.length - 1).toBe(5 * MANY);
  expect(lines).toBeGreaterThanOrEqual(least);
  expect(lines).toBeLessThanOrEqual(most);
});

test.each([
  ["the monitor's", { current: { audit: "required" }, own: [] }],
  ["a guest's own", { current: { audit: "on" }, own: [{ audit: "required" }] }],
])(
  "an operator's changes that %s policy wants written are refused once 256 wait, and made again",
  (_, policies) => {
    const { writer, audit } = full("ENOSPC");
    const steering = new Steering({} as Context, { policies, audit } as unknown as SteeringParts);
    for (let i = 0; i < 256; i++) {
      steering.requireAudited();
      audit.changed({ action: "rates", guest: "web-1" }, "rates set by the operator", true);
    }
    expect(() => steering.requireAudited()).toThrow(BusyError);
    expect(writer.written()).toHaveLength(256);
    steering.requireAudited();
  },
);

test("where one key fills what may wait, its lines are lost and not those of another", () => {
  const { writer, audit } = full();
  for (let i = 0; i < 5; i++) audit.flows("uid:1", closed(MANY));
  refuse(audit, "uid:2");
  expect(writer.written().filter((line) => line.includes("192.0.2.1:80"))).toHaveLength(1);
});

test("a key's lines are among the first that are written, whatever waits of another", () => {
  const { writer, audit } = full();
  audit.flows("uid:1", closed(MANY, true));
  refuse(audit, "uid:2");
  const passed: string[] = [];
  for (const key of ["uid:1", "uid:2", "uid:3"]) audit.mark(key, () => passed.push(key));
  expect(passed).toEqual(["uid:3"]);
  const at = writer.written().findIndex((line) => line.includes("192.0.2.1:80"));
  expect(at).toBeGreaterThanOrEqual(0);
  // Those that were written together with the first: some 8 KiB.
  expect(at).toBeLessThan(20);
  expect(passed).toEqual(["uid:3", "uid:2", "uid:1"]);
});

test("lines that were lost while nobody read are all accounted for once somebody reads", async () => {
  const [from, to] = createPipe();
  const writer = LogWriter.onDescriptor(to);
  closeFd(to);
  const log = createLogger("info", { write: () => {} });
  const audit = new Audit(log, new GuestLabels(), asWriter(writer), () => {});
  const failing = once(writer, "failing");
  audit.flows("uid:1", closed(1000));
  expect(await failing).toEqual(["EAGAIN"]);
  // A mebibyte of them may wait.
  const keys = ["uid:1", "uid:2", "uid:3"];
  for (const key of keys) audit.flows(key, closed(3000));
  const reader = createReadStream("", { fd: from }).setEncoding("utf8");
  onTestFinished(() => void reader.destroy());
  let text = "";
  reader.on("data", (piece) => {
    text += piece;
  });
  const told = () =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { flow?: number; lines?: number });
  const accounted = () => told().reduce((sum, { lines }) => sum + (lines ?? 1), 0);
  await until("all lines", () => accounted() >= 1000 + keys.length * 3000);
  expect(accounted()).toBe(1000 + keys.length * 3000);
  expect(told().some(({ lines }) => lines !== undefined)).toBe(true);
  await audit.close();
});
