// A monitor gives no guest the files that it lives by itself.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { Monitor, type Policy, parsePolicy, VmMemoryError } from "@ringway/monitor";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary.ts";

it("Monitor refuses them too: at the start, by a reload, for one guest, for another VM", async () => {
  const base = temporaryFolder("kept");
  for (const name of ["data", "etc", "run", "other"]) mkdirSync(join(base, name));
  const listen = join(base, "run/attach.sock");
  const policy = (host: string): Policy =>
    parsePolicy(`version: 1\nfiles:\n  - { id: all, guest: /all, host: ${host}, access: rw }\n`, {
      file: join(base, "etc/policy.yaml"),
    });
  await expect(Monitor.start({ policy: policy("../run"), listen })).rejects.toMatchObject({
    code: "ERR_RINGWAY_POLICY",
    message: expect.stringContaining("files[0].host"),
  });
  const monitor = await Monitor.start({
    policy: policy("../data"),
    listen,
    kept: [{ what: "the log", path: join(base, "other/log") }],
  });
  await expect(monitor.reload(policy("../run"))).rejects.toThrow("holds the attach socket");
  const { fd } = monitor.attach({ policy: policy("../other") });
  await expect(Guest.attach({ fd })).rejects.toMatchObject({ code: "EACCES" });
  const vm = { name: "one", memory: join(base, "data/one.mem"), doorbell: join(base, "run/one.sock") };
  await expect(monitor.addVm(vm)).rejects.toThrow(VmMemoryError);
  await monitor.reload(policy("../data"));
  await monitor.close();
});
