import { expect, it } from "vitest";
import type { PolicyState } from "../src/policy/in-force.ts";
import { Tenants } from "../src/thread/tenants.ts";

it("begins with nothing of another that had its name", () => {
  const tenants = new Tenants();
  let released = 0;
  const policy = { release: () => released++ } as unknown as PolicyState;
  tenants.begin("vm", 20);
  tenants.setPolicy("vm", policy);
  expect(tenants.policyOf("vm")).toBe(policy);
  tenants.begin("vm", 0);
  expect(tenants.policyOf("vm")).toBeUndefined();
  expect(tenants.labelBytes("vm")).toBe(0);
  expect(released).toBe(1);
});
