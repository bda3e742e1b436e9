import { describe, expect, it } from "vitest";
import { AuditGate } from "../src/observe/audit-gate.ts";

describe("the gate for guests that cause audit lines", () => {
  it("lets those pass that wait, all of them, as soon as it is open", () => {
    const gate = new AuditGate();
    gate.set(false);
    const passed: string[] = [];
    gate.wait(() => passed.push("a"));
    gate.wait(() => passed.push("b"));
    gate.set(false);
    expect(passed).toEqual([]);
    gate.set(true);
    gate.set(true);
    expect(passed).toEqual(["a", "b"]);
  });

  it("bounds what waits to be written: past a mebibyte no guest begins, until it is open", () => {
    const gate = new AuditGate();
    for (let i = 0; i < 100; i++) gate.add(50_000);
    expect(gate.takesGuests).toBe(true);
    gate.set(false);
    for (let bytes = 0; bytes < 2 ** 20; bytes += 50_000) {
      expect(gate.takesGuests).toBe(true);
      gate.add(50_000);
    }
    expect(gate.takesGuests).toBe(false);
    gate.set(true);
    expect(gate.takesGuests).toBe(true);
  });
});
