import { expect, it } from "vitest";
import type { LoadedPolicy } from "../src/loading/messages.ts";
import type { Context } from "../src/monitor/context.ts";
import { Policies } from "../src/monitor/policies.ts";
import type { ServedVms } from "../src/monitor/vms.ts";
import { GuestLabels } from "../src/observe/labels.ts";
import { parsePolicy } from "../src/policy/parse.ts";

it("tells that descriptors are to be counted anew when a machine's own policy is there, and when it is gone", async () => {
  const policy = parsePolicy("version: 1\n", { file: "policy.yaml" });
  const loaded = { policy, warnings: [] } as unknown as LoadedPolicy;
  const counted: number[] = [];
  const context = {
    kept: [],
    labels: new GuestLabels(),
    loader: { load: async () => loaded },
    isClosing: false,
    changed: () => void counted.push(policies.own.length),
  } as unknown as Context;
  const vms = { places: [], add: async () => {} } as unknown as ServedVms;
  const policies = new Policies(context, vms, { policy: loaded, tenants: [], vms: [] }, policy);
  await policies.addVm({ name: "vm", memory: "/m", doorbell: "/d", policy });
  policies.deleteOwn("vm");
  expect(counted).toEqual([1, 0]);
});
