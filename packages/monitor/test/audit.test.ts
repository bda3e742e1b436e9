// The audit's lines on their way into the file, more of them at once than the writer has room for.

import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createLogger, LogWriter } from "@ringway/monitor";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
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
  const gates: boolean[] = [];
  const log = createLogger("info", { write: (line) => said.push(line) });
  const audit = new Audit(log, new GuestLabels(), asWriter(writer), (isOpen) => gates.push(isOpen));
  return { audit, said, gates };
}

/** As of a guest that ends with many streams open. */
function closed(count: number, required = false): FlowFields {
  const fields: FlowFields = [];
  for (let flow = 1; flow <= count; flow++) putFlow(fields, { ...CLOSED, flow, required });
  return fields;
}

function refuse(audit: Audit): void {
  const denial = { protocol: "tcp-connect", what: "192.0.2.1:80", rule: "none", reason: "denied", errno: 13 };
  audit.refused({ kind: "refused", guest: "guest-2", ...denial });
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
    const { audit, said, gates } = await rig(path);
    audit.flows(closed(MANY, required));
    refuse(audit);
    await audit.close();
    const lines = linesOf(path);
    expect(lines.map(({ flow }) => flow)).toEqual([...closedFlows(), undefined]);
    expect(lines.at(-1)).toMatchObject({ audit: "refused", guest: "guest-2" });
    expect(said).toEqual([]);
    // Guests wait for what must be written, where the writer has no room, and for nothing else.
    expect(gates.length % 2).toBe(0);
    if (!required) expect(gates).toEqual([]);
  },
);

function closedFlows(): number[] {
  return Array.from({ length: MANY }, (_, i) => i + 1);
}

/** As of a disk that stands still: there is never room. */
class Full extends EventEmitter {
  readonly failing: string | undefined;
  lost = 0;

  constructor(failing: string | undefined) {
    super();
    this.failing = failing;
  }

  offer(): boolean {
    return false;
  }

  write(): void {
    this.lost++;
  }
}

test.each([
  ["what waits is bounded, and what is past that is lost", undefined, 10_000, 20_000],
  ["where nothing can be written, nothing waits that need not be", "ENOSPC", 5 * MANY, 5 * MANY],
])("%s", (_, failing, least, most) => {
  const writer = new Full(failing);
  const log = createLogger("info", { write: () => {} });
  const audit = new Audit(log, new GuestLabels(), asWriter(writer), () => {});
  // 50 MB, of which 32 MiB may wait.
  for (let i = 0; i < 5; i++) audit.flows(closed(MANY));
  expect(writer.lost).toBeGreaterThanOrEqual(least);
  expect(writer.lost).toBeLessThanOrEqual(most);
});
