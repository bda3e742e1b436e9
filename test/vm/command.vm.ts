// `ringway vm`: QEMU and its monitor as one program, which gives QEMU the devices.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { sha256 } from "../support/bytes.ts";
import { until } from "../support/wait.ts";
import { hasNoNetworkCard } from "./exercise.ts";
import { PROXY } from "./guest.ts";
import { Host, RINGWAY } from "./host/host.ts";
import { BLOB_SUM } from "./host/web.ts";
import { ACCELERATOR } from "./machine/devices.ts";
import { Machine } from "./machine/machine.ts";

const GRACE_MS = 300;

let report = (): string => "";
beforeEach(({ onTestFailed }) => onTestFailed(() => console.error(report())));

/** Where it keeps what it needs for as long as it runs. */
const temporary = (host: Host): string => join(dirname(host.policy), "temporary");

async function start(host: Host): Promise<Machine> {
  mkdirSync(temporary(host), { recursive: true });
  const options = ["--policy", host.policy, "--grace-ms", String(GRACE_MS), "--accel", ACCELERATOR];
  const launcher = ["env", `TMPDIR=${temporary(host)}`, process.execPath, RINGWAY, "vm", ...options, "--"];
  const vm = await Machine.start({ image: inject("images").busybox, devices: [], launcher });
  report = () => vm.console;
  return vm;
}

describe("ringway vm", () => {
  test("gives a guest what the policy allows, and ends with the exit code that it told", async () => {
    await using host = await Host.start();
    await using vm = await start(host);
    using agent = vm.start("ringway-agent");
    await until("the agent to attach", () => agent.stderr.includes("attached"));
    await hasNoNetworkCard(vm);
    const download = `curl -sSf ${PROXY} -o /tmp/blob ${host.web.url}/blob && sha256sum </tmp/blob`;
    expect(await vm.output(download)).toBe(`${BLOB_SUM}  -`);
    await vm.output("rwfs put /tmp/blob /data/up");
    expect(sha256(readFileSync(join(host.folder, "up")))).toBe(BLOB_SUM);
    const refused = await vm.run(`curl -sSf ${PROXY} http://169.254.169.254/`);
    expect(refused.stderr).toContain("403");
    // QEMU does not end by itself: it is ended.
    await vm.output("ringway-agent exit 7");
    expect(await vm.end()).toEqual({ code: 7, signal: null });
    expect(vm.qmp.closed).toBe(true);
    expect(readdirSync(temporary(host))).toEqual([]);
  });

  test("ends with its QEMU, however that ends", async () => {
    await using host = await Host.start();
    await using vm = await start(host);
    await vm.qmp.execute("quit");
    expect(await vm.end()).toEqual({ code: 0, signal: null });
    expect(readdirSync(temporary(host))).toEqual([]);
  });

  test("ends its QEMU when it is told to end, and when it is killed", async () => {
    await using host = await Host.start();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await using vm = await start(host);
      vm.signal(signal);
      await vm.end();
      await until("QEMU to be gone", () => vm.qmp.closed);
    }
  });
});
