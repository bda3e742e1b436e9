// Disk workers step back for the reactor: what a disk keeps waiting can wait, and four threads beside one would have
// most of a machine. So does the thread that makes regions and unmakes them.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { expect, test } from "vitest";
import { MonitorProgram } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

/** Of each thread of a process: 0, and up to 19 for one that steps back. */
function niceness(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  // pid (name) state ...: the name may have spaces. The 19th field of all.
  return tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8").split(") ").at(-1)!.split(" ")[16]),
  );
}

test("disk workers and the regions' thread, and no other of the monitor, run at a lower priority", async () => {
  const folder = temporaryFolder("priority");
  const path = join(folder, "attach.sock");
  mkdirSync(join(folder, "data"));
  const policy = `version: 1\nfiles: [{ guest: /data, host: ${folder}/data, access: ro }]\n`;
  using monitor = await MonitorProgram.start(path, policy);
  await using guest = await Guest.attach(path);
  await guest.stat("/data");
  const usual = Math.min(...niceness(monitor.pid));
  const stepped = (): number[] => niceness(monitor.pid).filter((value) => value > usual);
  await until("all workers to have started", () => stepped().length >= 5, 15_000);
  expect(stepped()).toEqual(Array(5).fill(Math.min(usual + 5, 19)));
});
