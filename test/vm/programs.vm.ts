// The programs of the matrix (test/run/matrix) in a machine, each unchanged: to every address by the agent's
// --transparent, with a folder of the host's mounted. Each reaches its server by name, and where it must not or
// cannot, it says what it would say on any network. With RINGWAY_VM_PROGRAMS=1, as `npm run nightly` has it.
// Servers, monitor and QEMU are in a network of their own.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { titled } from "../native/toolchain.ts";
import type { Said } from "../run/inside.ts";
import { CLOSED_PORT, type Host, SERVICES, startHost } from "../run/matrix/host.ts";
import { ROWS } from "../run/matrix/programs.ts";
import { rowTests, sshConfig } from "../run/matrix/rows.ts";
import { heldForAll } from "../support/held.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { memoryFolder, REGION_MIB, RINGWAY } from "./host/host.ts";
import { devices } from "./machine/devices.ts";
import type { Job } from "./machine/jobs.ts";
import { Machine } from "./machine/machine.ts";

/** Those whose programs the image has (images/setup.ts); the others are in `ringway run` alone. */
const HERE = /^(curl|wget|git|ssh|sftp|Python|Node|PostgreSQL|redis|dig|iperf3)/;
const START_MS = 180_000;
const ROW_MS = 300_000;
const COMMAND_MS = 90_000;

const image = inject("images").programs;
const reason = image === undefined ? "RINGWAY_VM_PROGRAMS is not set" : undefined;

describe.skipIf(reason !== undefined)(titled("in a virtual machine", reason), () => {
  let host: Host;
  let vm: Machine;
  let agent: Job;
  const hold = heldForAll();

  beforeAll(async () => {
    const folder = temporaryFolder("machine-programs");
    host = await startHost(folder, hold);
    const at = (name: string): string => join(folder, name);
    mkdirSync(at("data"));
    writeFileSync(at("data/greeting.txt"), "a file of the host\n");
    writeFileSync(at("policy.yaml"), JSON.stringify(policyOf(host.keys, at("data"))));
    const memory = join(memoryFolder(folder), `ringway-programs-${process.pid}`);
    const doorbell = at("doorbell.sock");
    const guest = `machine:memory=${memory},doorbell=${doorbell},size=${REGION_MIB}M`;
    const words = ["monitor", "--policy", at("policy.yaml"), "--vm", guest, "--log-level", "warn"];
    hold(host.network.start([process.execPath, RINGWAY, ...words]));
    vm = await Machine.start({
      image: image!,
      devices: devices({ memory, memoryMib: REGION_MIB, doorbell }),
    });
    await vm.output(`mkdir -m 700 /tmp/keys /tmp/data; ${sshConfig("/tmp", "/tmp/keys/id")}`);
    const mounts = "--mount /keys:/tmp/keys --mount /data:/tmp/data";
    agent = vm.start(`ringway-agent --transparent --socks off --http off ${mounts}`);
    await vm.output("until [ -f /tmp/data/greeting.txt ]; do sleep 0.1; done", COMMAND_MS);
  }, START_MS);
  afterAll(() => vm?.[Symbol.asyncDispose]());

  test("a folder of the host's is one of the machine's", async () => {
    expect(await vm.output("cat /tmp/data/greeting.txt", COMMAND_MS)).toBe("a file of the host");
  });

  // What the host lacks of a program is in the image.
  const rows = ROWS.filter(({ name }) => HERE.test(name)).map((row) => ({ ...row, absent: undefined }));
  const ask = async (command: string): Promise<Said> => {
    const { exitCode, stdout, stderr } = await vm.run(command, COMMAND_MS);
    return { code: exitCode, out: stdout, err: stderr };
  };
  rowTests(rows, { ask, site: () => host.site, told: () => agent.stderr }, ROW_MS);
});

/** In JSON, which is YAML as well. */
function policyOf(keys: string, data: string): object {
  const services = Object.values(SERVICES);
  const ports = [CLOSED_PORT, ...services.map(({ port }) => port)];
  return {
    version: 1,
    connect: [{ allow: "127.0.0.1", ports, protocols: ["tcp", "udp"] }],
    hosts: Object.fromEntries(services.map(({ host }) => [host, "127.0.0.1"])),
    files: [
      { guest: "/keys", host: keys, access: "ro" },
      { guest: "/data", host: data, access: "rw" },
    ],
  };
}
