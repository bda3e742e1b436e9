// Numbers that a program gives to a monitor are refused where they are out of their bounds, and not understood somehow.

import {
  createLogger,
  hostLookup,
  LogWriter,
  loadPolicy,
  Monitor,
  PolicyLoader,
  parsePolicy,
} from "@ringway/monitor";
import { expect, it } from "vitest";
import { MONITOR_BOUNDS, type MonitorNumber, requireWithin } from "../src/monitor/options.ts";

const VM = { name: "vm", memory: "vm.mem", doorbell: "vm.sock" };

it.each(Object.entries(MONITOR_BOUNDS))("%s takes %j and what is between", (key, [least, most]) => {
  const name = key as MonitorNumber;
  for (const value of [undefined, least, most, least + 1])
    expect(() => requireWithin(name, value)).not.toThrow();
  const wrong: unknown[] = [
    least - 1,
    most + 1,
    least + 0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "1",
    null,
  ];
  for (const value of wrong) {
    expect(() => requireWithin(name, value as number), String(value)).toThrow(
      expect.objectContaining({
        name: "RangeError",
        code: "ERR_OUT_OF_RANGE",
        message: `${key}: expected a whole number from ${least} to ${most}, found ${value}`,
      }),
    );
  }
});

it("Monitor.start(), close() and reservePort() refuse them", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  const outOfRange = expect.objectContaining({ code: "ERR_OUT_OF_RANGE" });
  for (const options of [{ maxGuests: 0 }, { busyPollUs: -1 }, { lingerMs: Number.NaN }, { ownPorts: [0] }]) {
    await expect(Monitor.start({ policy, ...options }), JSON.stringify(options)).rejects.toEqual(outOfRange);
  }
  await using monitor = await Monitor.start({ policy });
  await expect(monitor.close({ drainMs: -1 })).rejects.toEqual(outOfRange);
  expect(() => monitor.reservePort(65_536)).toThrow(outOfRange);
  // It goes on.
  expect(monitor.attach().fd).toBeGreaterThan(0);
});

it("Monitor.start() and parsePolicy() say what they cannot take, with a code", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  const rows: [options: unknown, code: string, says: string][] = [
    [undefined, "ERR_INVALID_ARG_TYPE", "{ policy, listen }"],
    [{}, "ERR_INVALID_ARG_TYPE", "options.policy"],
    [{ policy: 5 }, "ERR_INVALID_ARG_TYPE", "parsePolicy()"],
    [{ policy, lisen: "x" }, "ERR_INVALID_ARG_VALUE", 'unknown option "lisen"'],
    [{ policy: "version: 1\n" }, "ERR_INVALID_ARG_VALUE", "found its text"],
    [{ policy: "a\0b" }, "ERR_INVALID_ARG_VALUE", "null bytes"],
    [{ policy: {} }, "ERR_INVALID_ARG_TYPE", "`await loadPolicy()`"],
    [{ policy: Promise.resolve(policy) }, "ERR_INVALID_ARG_TYPE", "Received [Promise]: await it first"],
    [{ policy, listen: 5 }, "ERR_INVALID_ARG_TYPE", "options.listen"],
    [{ policy, vms: {} }, "ERR_INVALID_ARG_TYPE", "options.vms"],
    [{ policy, vms: [5] }, "ERR_INVALID_ARG_TYPE", "options.vms[0]"],
    [{ policy, vms: [{ ...VM, memory: 0.5 }] }, "ERR_INVALID_ARG_TYPE", "options.vms[0].memory"],
    [{ policy, vms: [{ ...VM, memoryBytes: "64M" }] }, "ERR_INVALID_ARG_TYPE", "options.vms[0].memoryBytes"],
    [{ policy, ownPorts: 80 }, "ERR_INVALID_ARG_TYPE", "options.ownPorts"],
    [{ policy, logger: console.log }, "ERR_INVALID_ARG_TYPE", "createLogger()"],
    [{ policy, kept: ["/data"] }, "ERR_INVALID_ARG_TYPE", "options.kept[0]"],
    [{ policy, names: { nameServers: "192.0.2.1" } }, "ERR_INVALID_ARG_TYPE", "options.names.nameServers"],
  ];
  for (const [options, code, says] of rows) {
    const wrong = expect.objectContaining({
      name: "TypeError",
      code,
      message: expect.stringContaining(says),
    });
    await expect(Monitor.start(options as { policy: string })).rejects.toEqual(wrong);
  }
  const parse = parsePolicy as (...args: unknown[]) => unknown;
  const code = "ERR_INVALID_ARG_TYPE";
  expect(() => parse("version: 1")).toThrow(expect.objectContaining({ code }));
  expect(() => parse(undefined, { file: "policy.yaml" })).toThrow(expect.objectContaining({ code }));
});

it("no option of Monitor.start() takes a promise in place of its value", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  const wrong = { name: "TypeError", code: "ERR_INVALID_ARG_TYPE", message: /await it first$/ };
  const names = ["listen", "vms", "logger", "kept", "ownPorts", "audit", "signal", "lookup", "names"];
  for (const name of ["policy", ...names, "busyPollUs", "maxGuests", "lingerMs"]) {
    const options = { policy, [name]: Promise.resolve() } as unknown as { policy: string };
    await expect(Monitor.start(options), name).rejects.toMatchObject(wrong);
  }
  for (const name of ["name", "memory", "memoryBytes", "doorbell"]) {
    const vms = [{ ...VM, [name]: Promise.resolve() }];
    await expect(Monitor.start({ policy, vms }), name).rejects.toMatchObject(wrong);
  }
});

it("no call of the library takes a promise in place of its arguments", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  await using monitor = await Monitor.start({ policy });
  await using loader = new PolicyLoader();
  const promise = Promise.resolve();
  // biome-ignore lint/suspicious/noExplicitAny: what types forbid
  const any = promise as any;
  const calls: [call: string, run: () => unknown][] = [
    ["attach", () => monitor.attach(any)],
    ["attach: name", () => monitor.attach({ name: any })],
    ["attach: key", () => monitor.attach({ key: any })],
    ["attach: policy", () => monitor.attach({ policy: any })],
    ["reservePort", () => monitor.reservePort(any)],
    ["releasePort", () => monitor.releasePort(any)],
    ["addVm", () => monitor.addVm(any)],
    ["removeVm", () => monitor.removeVm(any)],
    ["reload", () => monitor.reload(any)],
    ["memoryUsage", () => monitor.memoryUsage(any)],
    ["close", () => monitor.close(any)],
    ["close: drainMs", () => monitor.close({ drainMs: any })],
    ["parsePolicy", () => parsePolicy(any, { file: "policy.yaml" })],
    ["parsePolicy: warn", () => parsePolicy("version: 1", { file: "policy.yaml", warn: any })],
    ["loadPolicy", () => loadPolicy(any)],
    ["loadPolicy: kept", () => loadPolicy("policy.yaml", any)],
    ["loadPolicy: warn", () => loadPolicy("policy.yaml", [], any)],
    ["loadText", () => loader.loadText(any, { file: "policy.yaml" })],
    ["loadText: options", () => loader.loadText(new Uint8Array(), any)],
    ["hostLookup", () => hostLookup(any)],
    ["hostLookup: hostsFile", () => hostLookup({ hostsFile: any })],
    ["createLogger", () => createLogger(any, { write: () => {} })],
    ["createLogger: destination", () => createLogger("info", any)],
    ["LogWriter.open", () => LogWriter.open(any)],
    ["LogWriter.onDescriptor", () => LogWriter.onDescriptor(any)],
  ];
  const wrong = { name: "TypeError", code: "ERR_INVALID_ARG_TYPE", message: /await it first$/ };
  for (const [call, run] of calls) {
    const error = await (async () => run())().catch((error: unknown) => error);
    expect(error, call).toMatchObject(wrong);
  }
  // A path is no policy of a guest's own.
  expect(() => monitor.attach({ policy: "policy.yaml" as never })).toThrow(/loadPolicy/);
  // It goes on.
  expect(monitor.attach().fd).toBeGreaterThan(0);
});

it("a monitor whose start somebody has given up does not say that it is ready", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  for (const [signal, says] of [
    [AbortSignal.abort(), false],
    [new AbortController().signal, true],
  ] as const) {
    const lines: string[] = [];
    const logger = createLogger("info", { write: (line) => lines.push(line) });
    await using _monitor = await Monitor.start({ policy, logger, signal });
    expect(lines.some((line) => line.includes("monitor is ready"))).toBe(says);
  }
});
