// Node in a guest: the agent beside it first, for programs that know nothing of Ringway; then the SDK on the machine's
// own memory.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { until } from "../support/wait.ts";
import type { Guest } from "./guest.ts";
import { BLOB_SUM, part } from "./host/web.ts";
import type { Job } from "./machine/jobs.ts";
import { testGuest } from "./suite.ts";

const STREAMS = 200;

interface SdkReport {
  readonly blob: string;
  readonly file: string;
  readonly refused: readonly string[];
  readonly parts: readonly string[];
}

/** The host's part of what guest/sdk.mjs does, and what must come out. */
async function exerciseSdk({ host }: Guest, sdk: Job, times: number): Promise<void> {
  const url = `http://127.0.0.1:${host.publishedPort}`;
  await until("the SDK's server", () => sdk.stdout.split('"serving"').length > times, 30_000);
  const served = Buffer.from(await (await fetch(`${url}/`)).arrayBuffer());
  expect(sha256(served)).toBe(BLOB_SUM);
  await fetch(`${url}/done`);
  const reports = await until("the SDK's report", () => {
    const lines = sdk.stdout.split("\n").filter((line) => line.startsWith('{"report"'));
    return lines.length >= times && lines;
  });
  const { report } = JSON.parse(reports.at(-1)!) as { report: SdkReport };
  const file = readFileSync(join(host.folder, "down"));
  expect(report.blob).toBe(BLOB_SUM);
  expect(report.file).toBe(sha256(file));
  expect(sha256(readFileSync(join(host.folder, "up")))).toBe(sha256(file));
  expect(report.refused).toEqual(["EACCES default", "EACCES default", "EACCES default"]);
  expect(report.parts).toEqual(Array.from({ length: STREAMS }, (_, i) => sha256(part(i))));
  expect(host.web.most).toBe(STREAMS);
}

testGuest("node", (guestOf) => {
  test("does so by the SDK alone, and again after its monitor was killed in mid-transfer and started anew", async () => {
    const guest = guestOf();
    const { vm, host } = guest;
    await guest.stopPrograms();
    writeFileSync(join(host.folder, "down"), pattern(4 * MiB + 3, 8));
    const options = { port: host.web.port, publishedPort: host.publishedPort, streams: STREAMS };
    host.web.gather(STREAMS);
    using sdk = vm.start(`node /opt/ringway/programs/sdk.mjs '${JSON.stringify(options)}'`);
    await exerciseSdk(guest, sdk, 1);
    await sdk.line("slow");
    await host.killMonitor();
    expect(await sdk.line("detached", 10_000)).toContain("ECONNRESET");
    writeFileSync(join(host.folder, "down"), pattern(4 * MiB + 3, 9));
    host.web.gather(STREAMS);
    await host.startMonitor();
    await exerciseSdk(guest, sdk, 2);
    expect((await sdk.end()).exitCode, sdk.stderr).toBe(0);
  });
});
